package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// contender polls a plant in a process of its own.
type contender struct {
	name  string
	start func(t *testing.T, addrs []string) *exec.Cmd
	plant *plant
	cmd   *exec.Cmd
	runs  []outcome
}

type outcome struct {
	score
	cpu float64 // seconds of CPU
}

// efficiency is values per second of CPU.
func (o outcome) efficiency() float64 { return float64(o.Values) / o.cpu }

func (c *contender) median(f func(outcome) float64) float64 {
	var list []float64
	for _, r := range c.runs {
		list = append(list, f(r))
	}
	return median(list)
}

func contenders() []*contender {
	return []*contender{
		{name: "bare goburrow", start: startBare},
		{name: "Telegraf 1.36.4", start: startTelegraf},
		{name: "hub", start: startHub},
	}
}

// TestPolling compares what polls the same plant at the same time: a loop around
// bare goburrow that does nothing with the values, Telegraf, and the daemon.
func TestPolling(t *testing.T) {
	const settle, window, rounds = 15 * time.Second, 20 * time.Second, 3
	list := contenders()
	for _, c := range list {
		c.plant = startPlant(t, plantKind{})
		c.cmd = c.start(t, c.plant.addrs)
	}
	time.Sleep(settle)
	for _, c := range list {
		c.plant.window(t)
	}
	for range rounds {
		var before []float64
		for _, c := range list {
			before = append(before, cpu(t, c.cmd.Process.Pid))
		}
		time.Sleep(window)
		for i, c := range list {
			c.runs = append(c.runs, outcome{c.plant.window(t), cpu(t, c.cmd.Process.Pid) - before[i]})
		}
	}
	fmt.Printf("\nModbus TCP: %d endpoints of %d units, %d values each in three ranges with holes, every %v; all three at the same time, each on a plant of its own (medians of %d windows of %v)\n\n",
		endpoints, units, len(wanted), interval, rounds, window)
	fmt.Printf("| | values/s | requests/s | CPU | values per CPU second | on time | memory | at its peak |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range list {
		seconds := c.runs[0].Seconds
		fmt.Printf("| %s | %.0f | %.0f | %.1f %% | %.0f | %.2f %% | %.0f MB | %.0f MB |\n", c.name,
			c.median(func(o outcome) float64 { return float64(o.Values) / seconds }),
			c.median(func(o outcome) float64 { return float64(o.Requests) / seconds }),
			c.median(func(o outcome) float64 { return 100 * o.cpu / o.Seconds }),
			c.median(outcome.efficiency), c.median(func(o outcome) float64 { return o.onTime() }),
			float64(memory(t, c.cmd.Process.Pid, "VmRSS"))/1024, float64(memory(t, c.cmd.Process.Pid, "VmHWM"))/1024)
	}
	ratio := func(to int) (r []float64) {
		for i := range rounds {
			r = append(r, list[2].runs[i].efficiency()/list[to].runs[i].efficiency())
		}
		return r
	}
	fmt.Printf("| hub / Telegraf | | | | %.2f (required: 2) | | | (required: below 40 MB) |\n", median(ratio(1)))
	fmt.Printf("| hub / bare goburrow | | | | %.2f (aim: 0.8) | | | |\n", median(ratio(0)))
	checkValues(t, list[2].cmd)
}

// checkValues reads all values through XMPP and looks when the plant served them.
func checkValues(t *testing.T, hub *exec.Cmd) {
	values := reader(t, hub)
	var ro nodes.Readout
	for e := range endpoints {
		for u := range units {
			ro.Refs = append(ro.Refs, nodes.In(fmt.Sprintf("e%d/u%d", e, u)))
		}
	}
	ro.Categories = nodes.Momentary
	checked := 0
	var worst time.Duration
	for range 5 {
		err := values.Read(t.Context(), ro, func(ref nodes.Ref, r nodes.Reading) {
			var e, u int
			if _, err := fmt.Sscanf(ref.ID, "e%d/u%d", &e, &u); err != nil || r.Err != nil {
				t.Errorf("%s: %v %v", ref.ID, err, r.Err)
			}
			for _, f := range r.Fields {
				a, err := strconv.Atoi(strings.TrimPrefix(f.Name, "r"))
				if err != nil {
					t.Errorf("%s: field %q", ref.ID, f.Name)
				}
				at := served(e, u, a, uint16(f.Value.Int()), time.Now())
				off := f.Time.Sub(at) // the value holds for a tick
				if off < 0 {
					off = -off
				} else {
					off = max(0, off-tick)
				}
				worst = max(worst, off)
				checked++
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(interval + interval/3)
	}
	if checked != 5*endpoints*units*len(wanted) {
		t.Errorf("%d values were read", checked)
	}
	fmt.Printf("\nEach of %d values read through XMPP was one that the plant had served; its time was off by at most %v.\n", checked, worst.Round(time.Millisecond))
}

// TestDeadUnits: one unit of twenty does not answer, from the start.
func TestDeadUnits(t *testing.T) {
	fmt.Printf("\nThe same plant with 5 %% of the units dead, time-out 1 s: readings of the living units on time\n\n| | first 20 s | next 20 s | next 20 s |\n|---|---|---|---|\n")
	for _, c := range contenders()[1:] {
		p := startPlant(t, plantKind{Dead: true})
		cmd := c.start(t, p.addrs)
		time.Sleep(3 * time.Second) // to start and to connect
		p.window(t)
		fmt.Printf("| %s |", c.name)
		for range 3 {
			time.Sleep(20 * time.Second)
			fmt.Printf(" %.2f %% |", p.window(t).onTime())
		}
		fmt.Println()
		cmd.Process.Kill()
	}
}

// TestRefusedHoles: the units refuse every request that touches an address that
// nobody wants.
func TestRefusedHoles(t *testing.T) {
	fmt.Printf("\nThe same plant where the units refuse the holes\n\n| | values/s | requests refused/s | values/s after 20 s | requests refused/s after 20 s |\n|---|---|---|---|---|\n")
	for _, c := range contenders()[1:] {
		p := startPlant(t, plantKind{Holes: true})
		cmd := c.start(t, p.addrs)
		fmt.Printf("| %s |", c.name)
		for range 2 {
			time.Sleep(20 * time.Second)
			s := p.window(t)
			fmt.Printf(" %.0f | %.1f |", float64(s.Values)/s.Seconds, float64(s.Refused)/s.Seconds)
		}
		fmt.Println()
		cmd.Process.Kill()
	}
}

// startBare polls with goburrow alone, see TestMain.
func startBare(t *testing.T, addrs []string) *exec.Cmd {
	c := child(t, "bare", addrs...)
	start(t, c)
	return c
}

func runBare(addrs []string) {
	var wg sync.WaitGroup
	for _, addr := range addrs {
		wg.Go(func() {
			h := gb.NewTCPClientHandler(addr)
			h.Timeout = time.Second
			c := gb.NewClient(h)
			for next := time.Now(); ; next = next.Add(interval) {
				time.Sleep(time.Until(next))
				for u := range units {
					h.SlaveId = byte(u + 1)
					for _, base := range []uint16{0, 100, 200} {
						if _, err := c.ReadHoldingRegisters(base, 14); err != nil {
							panic(err)
						}
					}
				}
			}
		})
	}
	wg.Wait()
}

var built sync.Map // of programs, by package

// program builds a program once.
func program(t *testing.T, dir, pkg string) string {
	t.Helper()
	once, _ := built.LoadOrStore(pkg, sync.OnceValues(func() (string, error) {
		bin := filepath.Join(os.TempDir(), fmt.Sprintf("hub-bench-%d-%s", os.Getpid(), filepath.Base(dir)))
		c := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", bin, pkg)
		c.Dir = dir
		c.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := c.CombinedOutput(); err != nil {
			return "", fmt.Errorf("%w\n%s", err, out)
		}
		programs = append(programs, bin)
		return bin, nil
	}))
	bin, err := once.(func() (string, error))()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

var programs []string // to be removed at the end

// startTelegraf gives Telegraf a request for each range, so that its merging has
// nothing left to do but the holes.
func startTelegraf(t *testing.T, addrs []string) *exec.Cmd {
	var b strings.Builder
	fmt.Fprintf(&b, "[agent]\n  interval = \"%v\"\n  flush_interval = \"10s\"\n  omit_hostname = true\n[[outputs.discard]]\n", interval)
	for _, addr := range addrs {
		fmt.Fprintf(&b, "[[inputs.modbus]]\n  name = %q\n  controller = \"tcp://%s\"\n  timeout = \"1s\"\n  configuration_type = \"request\"\n", addr, addr)
		for u := range units {
			fmt.Fprintf(&b, "  [[inputs.modbus.request]]\n    slave_id = %d\n    register = \"holding\"\n    optimization = \"max_insert\"\n    optimization_max_register_fill = 50\n    fields = [\n", u+1)
			for _, a := range wanted {
				fmt.Fprintf(&b, "      {address = %d, name = \"r%d\", type = \"UINT16\"},\n", a, a)
			}
			fmt.Fprintf(&b, "    ]\n")
		}
	}
	conf := filepath.Join(t.TempDir(), "telegraf.conf")
	if err := os.WriteFile(conf, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program(t, "telegraf", "."), conf)
	log, err := os.Create(filepath.Join(t.TempDir(), "telegraf.log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	start(t, c)
	return c
}

// startHub runs the daemon with the plant's tree.
func startHub(t *testing.T, addrs []string) *exec.Cmd {
	dir := t.TempDir()
	var b strings.Builder
	for e, addr := range addrs {
		host, port, _ := strings.Cut(addr, ":")
		fmt.Fprintf(&b, "- name: e%d\n  type: modbus.gateway\n  params: {Host: %s, Port: %s, PollInterval: %v, Timeout: 1s}\n  children:\n", e, host, port, interval)
		for u := range units {
			fmt.Fprintf(&b, "    - name: u%d\n      type: modbus.unit\n      params: {UnitId: %d}\n      children:\n", u, u+1)
			for _, a := range wanted {
				fmt.Fprintf(&b, "        - {name: r%d, type: modbus.register, params: {Table: holdingRegister, Address: %d}}\n", a, a)
			}
		}
	}
	file := filepath.Join(dir, "tree.yaml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "hub.yaml")
	if err := os.WriteFile(conf, []byte("data: "+filepath.Join(dir, "data")+"\nlocal: {listen: 127.0.0.1:0}\nlog: {level: error}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := program(t, "../../..", "./cmd/hub")
	run := func() *exec.Cmd {
		c := exec.Command(bin, "run", "-c", conf)
		c.Dir = dir
		start(t, c)
		for !exists(filepath.Join(dir, "data", "owner.json")) {
			time.Sleep(50 * time.Millisecond)
		}
		return c
	}
	first := run() // makes the data folder
	first.Process.Signal(syscall.SIGTERM)
	first.Wait() // its file is there
	if out, err := exec.Command(bin, "import", "--data", filepath.Join(dir, "data"), file).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return run()
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return err == nil
}

// reader reads values of a daemon as its owner.
func reader(t *testing.T, hub *exec.Cmd) *sensordata.Client {
	values := &sensordata.Client{}
	values.Link, values.To = owner(t, hub, inbox{values})
	return values
}

// owner logs in as the hub's owner and returns the hub's full address, too.
func owner(t *testing.T, hub *exec.Cmd, x ext.Extension) (*xmppface.Session, string) {
	b, err := os.ReadFile(filepath.Join(hub.Dir, "data", "owner.json"))
	if err != nil {
		t.Fatal(err)
	}
	var o struct{ Address, JID, Password, Hub, Certificate string }
	if err := json.Unmarshal(b, &o); err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, []byte(o.Certificate), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := xmppface.Dial(t.Context(), xmppface.Account{JID: o.JID, Password: o.Password, Server: o.Address, CAFile: ca, Way: nodes.WayLocal, Priority: -1, Log: quiet}, x)
	if err != nil {
		t.Fatal(err)
	}
	go s.Run(t.Context())
	found, err := s.WaitAvailable(t.Context(), o.Hub)
	if err != nil || len(found) == 0 {
		t.Fatalf("the hub is not online: %v", err)
	}
	return s, found[0]
}

// inbox gives messages to a client of sensor data.
type inbox struct{ *sensordata.Client }

func (inbox) Spaces() []string { return []string{sensordata.NSNFI} }
func (inbox) Serve(rq *ext.Request) {
	rq.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}

// cpu is the CPU time of a process in seconds, from the scheduler's own account
// (proc(5), schedstat), which is finer than ticks.
func cpu(t *testing.T, pid int) float64 {
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(list) == 0 {
		return float64(ticks(t, pid)) / 100
	}
	var sum float64
	for _, file := range list {
		b, err := os.ReadFile(file)
		if err != nil {
			continue // a thread that ended
		}
		ns, err := strconv.ParseFloat(strings.Fields(string(b))[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += ns / 1e9
	}
	return sum
}
