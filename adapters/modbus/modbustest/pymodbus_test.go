package modbustest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

const python = "/usr/bin/python3" // Debian's, for which python3-pymodbus is installed

// All functions that the simulated device knows, seen by pymodbus.
func TestPymodbusClient(t *testing.T) {
	if out, err := exec.Command(python, "-c", "import pymodbus.client, serial").CombinedOutput(); err != nil {
		missing := t.Skipf
		if os.Getenv("HUB_TEST_SERVERS") == "required" {
			missing = t.Fatalf
		}
		missing("pymodbus is missing: apt install python3-pymodbus python3-serial-asyncio (%v: %s)", err, bytes.TrimSpace(out))
	}
	fill := func(b *Bus) {
		u := b.Unit(5)
		u.RefuseHoles(true)
		u.SetWords(wire.HoldingRegister, 10, 0, 0, 0, 0)
		u.SetBits(wire.Coil, 0, make([]bool, 8)...)
		u.SetBits(wire.DiscreteInput, 0, true, false, true)
		for a := range 125 {
			u.SetWords(wire.InputRegister, a, uint16(a))
		}
		u.Identify(Identity{ServerID: []byte("sim"), Running: true, PerAnswer: 2,
			Objects: map[byte]string{0: "Acme", 1: "Sim", 2: "1.0", 4: "Simulator", 128: "own"}})
	}
	t.Run("tcp", func(t *testing.T) {
		t.Parallel()
		s := NewServer()
		fill(&s.Bus)
		_, port, err := net.SplitHostPort(serve(t, s))
		if err != nil {
			t.Fatal(err)
		}
		ends(t, "tcp", port)
	})
	t.Run("serial", func(t *testing.T) {
		t.Parallel()
		l := NewLine(38400)
		fill(&l.Bus)
		ends(t, "serial", run(t, l), "38400")
	})
}

// ends runs the script of testdata, which must end well.
func ends(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, python, append([]string{"testdata/pymodbus_client.py"}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("pymodbus: %v\n%s", err, out)
	}
}
