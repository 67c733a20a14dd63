package app

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/adapters/mqtt"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	testscript.Main(checked{m}, map[string]func(){
		"hub": func() {
			list := []adapters.Factory{modbus.Factory(), machineAdapter()}
			if os.Getenv(withMQTT) != "" {
				list = append(list, mqtt.Factory())
			}
			os.Exit(Main(list...))
		},
	})
}

// withMQTT is the environment variable with which the program of the tests has the
// adapter of MQTT too.
const withMQTT = "HUB_TEST_WITH_MQTT"

// checked runs the tests, and then looks for goroutines that are left and for
// payloads that do not follow the published schemas.
type checked struct{ m *testing.M }

func (c checked) Run() int { return exttest.Run(c.m, func() error { return goleak.Find() }) }

// TestScripts drives the real program by the scripts in testdata/script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("XDG_RUNTIME_DIR", filepath.Join(e.WorkDir, "run"))
			e.Setenv("TMPDIR", e.WorkDir)
			e.Setenv("HUB_DATA", filepath.Join(e.WorkDir, "data"))
			e.Setenv("HUB_OWNER", "")
			e.Setenv("GORACE", quickExit)
			return os.Mkdir(filepath.Join(e.WorkDir, "run"), 0o700)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"eventually": eventually,
			"device":     device,
			"damage":     damage,
		},
	})
}

// quickExit spares the second that a program with the race detector waits at its
// end.
const quickExit = "atexit_sleep_ms=0"

// eventually PATTERN COMMAND… runs a command until its output matches, for at most
// 20 seconds.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: eventually PATTERN COMMAND…")
	}
	want := regexp.MustCompile(args[0])
	var out []byte
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		path, err := exec.LookPath(args[1])
		ts.Check(err)
		c := exec.Command(path, args[2:]...)
		c.Dir = ts.Getenv("WORK")
		for _, name := range []string{"PATH", "HOME", "WORK", "TMPDIR", "XDG_RUNTIME_DIR", "HUB_DATA", "HUB_OWNER", "GORACE", withMQTT} {
			c.Env = append(c.Env, name+"="+ts.Getenv(name))
		}
		if out, _ = c.CombinedOutput(); want.Match(out) {
			return
		}
	}
	ts.Fatalf("no %q in the output of %v:\n%s", args[0], args[1:], out)
}

// device NAME starts a simulated Modbus device with unit 1 and sets NAME to its
// port; device NAME off makes it go, device NAME on come back at the same port.
func device(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: device NAME [off|on]")
	}
	name := args[0]
	key := ts.Name() + " " + name
	if len(args) == 2 && args[1] == "off" {
		stopDevice(key)
		return
	}
	addr := "127.0.0.1:0"
	if port := ts.Getenv(name); port != "" {
		addr = "127.0.0.1:" + port
	}
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 215, 7, 8, 9)
	s.Unit(1).SetBits(wire.Coil, 0, true, false)
	ts.Check(s.Listen(addr))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	simulated.Store(key, func() { cancel(); <-done })
	ts.Defer(func() { stopDevice(key) })
	_, port, err := net.SplitHostPort(s.Addr())
	ts.Check(err)
	ts.Setenv(name, port)
}

var simulated sync.Map // what stops a device, by script and name

func stopDevice(key string) {
	if stop, ok := simulated.LoadAndDelete(key); ok {
		stop.(func())()
	}
}

// damage FILE cuts a file off in the middle.
func damage(ts *testscript.TestScript, _ bool, args []string) {
	path := ts.MkAbs(args[0])
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()/2))
}
