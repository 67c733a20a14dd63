package gpio

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"periph.io/x/conn/v3/driver/driverreg"
	"periph.io/x/host/v3/gpioioctl"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// The tests of this file run the adapter as it is on a machine, on the kernel's own
// simulator: see scripts/gpio-uml.

func TestKernelContract(t *testing.T) {
	fresh := func(t *testing.T, pins ...*nodes.Node) (*simChip, *nodes.Node) {
		s := newSim(t, "contract-"+fmt.Sprint(simCount.Load()), 8)
		n := chipNode(t, s.name, pins...)
		return s, n
	}
	outputs := func() []*nodes.Node { return []*nodes.Node{outputNode("lamp", "2"), outputNode("pump", "3")} }
	adaptertest.Run(t, adaptertest.Config{
		Factory: func() adapters.Factory { return factory(cdev.Kernel{}, hasty) },
		Healthy: func(t *testing.T) *nodes.Node {
			s, n := fresh(t, inputNode("door", "0"), inputNode("meter", "1", "Count", "rising"))
			stop, done := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(done)
				for on := true; ; on = !on {
					s.drive(0, on)
					s.drive(1, on)
					select {
					case <-stop:
						return
					case <-time.After(30 * time.Millisecond):
					}
				}
			}()
			t.Cleanup(func() { close(stop); <-done })
			return n
		},
		Writing: func(t *testing.T) adaptertest.Writing {
			s, n := fresh(t, outputs()...)
			return adaptertest.Writing{Node: n, Settings: []nodes.Setting{
				{Node: "io/lamp", Name: "lamp", Value: nodes.Bool(true)}, {Node: "io/pump", Name: "pump", Value: nodes.Bool(true)}},
				Writes: func() int {
					if s.level(2) || s.level(3) {
						return 1
					}
					return 0
				}}
		},
		Running: func(t *testing.T) adaptertest.Running {
			_, n := fresh(t, outputs()...)
			return adaptertest.Running{Root: n, Node: "io", Command: "ListLines"}
		},
		Off: func(t *testing.T) *nodes.Node {
			newSim(t, "another", 1)
			return chipNode(t, "none", outputs()...)
		},
	})
}

func kernelStart(t *testing.T, n *nodes.Node) *adaptertest.Device { return start(t, cdev.Kernel{}, n) }

func TestKernelInputs(t *testing.T) {
	s := newSim(t, "inputs", 8, "DOOR", "", "hog spi0 CS0")
	s.drive(1, true)
	d := kernelStart(t, chipNode(t, "inputs", inputNode("door", "door"), inputNode("low", "1", "ActiveLow", true), inputNode("busy", "2"),
		inputNode("up", "3", "Bias", "pull up"), inputNode("down", "4", "Bias", "pull down"), inputNode("twice", "0"),
		inputNode("bouncing", "5", "Debounce", 50*time.Millisecond, "Count", "both")))
	waitFor(t, d, "io/door", "door", "false")
	waitFor(t, d, "io/low", "low", "false")
	waitFor(t, d, "io/up", "up", "true")
	waitFor(t, d, "io/down", "down", "false")
	waitFor(t, d, "io/bouncing", "bouncing", "false")
	if !s.isPulledUp(3) || s.isPulledUp(4) {
		t.Error("the bias has not reached the lines")
	}
	waitMessage(t, d, "io/busy", EventLine, "line 2", "is used by \"spi0 CS0\"")
	waitMessage(t, d, "io/twice", EventLine, "is taken by the node io/door")
	before := time.Now()
	s.drive(0, true)
	after := time.Now()
	waitFor(t, d, "io/door", "door", "true")
	at := field(d.Host, "io/door", "door").Time
	if at.Before(before.Add(-20*time.Millisecond)) || at.After(after.Add(20*time.Millisecond)) {
		t.Errorf("the edge between %v and %v has the time %v", before, after, at)
	}
	s.drive(1, false)
	waitFor(t, d, "io/low", "low", "true")
	for range 3 {
		s.drive(5, true)
		s.drive(5, false)
	}
	s.drive(5, true)
	waitFor(t, d, "io/bouncing", "bouncing count", "1")
	waitFor(t, d, "io/bouncing", "bouncing", "true")
	list, err := d.Query(soon, "io", "ListLines", nil)
	if err != nil || len(list) != 10 {
		t.Errorf("%d findings, %v", len(list), err)
	}
	for _, f := range list {
		if rows, ok := f.(nodes.Rows); ok {
			t.Log(rows.Rows[0])
		}
	}
}

func TestKernelCounter(t *testing.T) {
	s := newSim(t, "counter", 2)
	d := kernelStart(t, chipNode(t, "counter", inputNode("meter", "0", "Count", "rising", "PerPulse", 0.5, "Unit", "l", "PulseLength", true)))
	waitFor(t, d, "io/meter", "meter total", "0.0 l")
	for i := range 10 { // one after the other: this kernel makes one edge of several that come at once
		for _, on := range []bool{true, false} {
			s.drive(0, on)
			waitFor(t, d, "io/meter", "meter", map[bool]string{true: "true", false: "false"}[on])
		}
		waitFor(t, d, "io/meter", "meter count", fmt.Sprint(i+1))
	}
	waitFor(t, d, "io/meter", "meter total", "5.0 l")
	if l := field(d.Host, "io/meter", "meter pulse length").Value.Double(); l <= 0 || l > 5 {
		t.Errorf("a pulse of %v s", l)
	}
}

func TestKernelOutputs(t *testing.T) {
	s := newSim(t, "outputs", 8)
	d := kernelStart(t, chipNode(t, "outputs", outputNode("lamp", "0"), outputNode("low", "1", "ActiveLow", true), outputNode("first", "2", "Initial", "on"),
		outputNode("drain", "3", "Drive", "open drain", "ReadBack", false), outputNode("bell", "4")))
	waitFor(t, d, "io/bell", "bell", "false")
	for line, want := range []bool{false, true, true, false} {
		if s.level(line) != want {
			t.Errorf("line %d begins with %v", line, !want)
		}
	}
	for _, name := range []string{"lamp", "low"} {
		good(t, turn(t, d, name, true))
	}
	if !s.level(0) || s.level(1) {
		t.Errorf("lamp %v, low %v", s.level(0), s.level(1))
	}
	good(t, turn(t, d, "drain", true))
	if s.level(3) {
		t.Error("an open drain drives the line high")
	}
	if list, err := d.Query(soon, "io", "ListLines", nil); err != nil || len(list) != 10 || list[4].(nodes.Rows).Rows[0][4].Text() != "open drain" {
		t.Errorf("%v, %v, want that line 3 is an open drain", list, err)
	}
	good(t, turn(t, d, "drain", false))
	if s.level(3) {
		t.Error("an open drain that is off is high")
	}
	if err := d.Execute(soon, "io/bell", "Pulse", params("Length", 100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if !s.level(4) {
		t.Error("no pulse")
	}
	waitFor(t, d, "io/bell", "bell", "false")
	eventually(t, "the end of the pulse", func() bool { return !s.level(4) })
}

// A chip is pulled while its lines are in use, and plugged in again.
func TestKernelPull(t *testing.T) {
	s := newSim(t, "pulled", 4)
	d := kernelStart(t, chipNode(t, "pulled", inputNode("door", "0"), outputNode("lamp", "1")))
	waitFor(t, d, "io/door", "door", "false")
	s.pull()
	waitMessage(t, d, "io", EventChip, "no GPIO chip")
	if err := d.Host.Err("io/door"); err == nil {
		t.Error("no error of the input")
	}
	refused(t, turn(t, d, "lamp", true))
	eventually(t, "nothing of the chip is open", func() bool { return len(openGPIO(t)) == 0 })
	s.plug() // as another number, since Linux 6.1 never frees that of a chip that was pulled while in use
	waitCleared(t, d, "io", EventChip)
	s.drive(0, true)
	waitFor(t, d, "io/door", "door", "true")
	good(t, turn(t, d, "lamp", true))
}

// openGPIO returns what of GPIO this process has open.
func openGPIO(t *testing.T) (list []string) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.Contains(to, "gpio") {
			list = append(list, to)
		}
	}
	return list
}

// Whoever keeps a chip open that was pulled keeps its number.
func TestKernelHeldOpen(t *testing.T) {
	s := newSim(t, "held", 1)
	for _, tt := range []struct {
		close bool
		same  bool
	}{{true, true}, {false, false}} {
		c, err := cdev.Kernel{}.Open("/dev/" + s.name)
		if err != nil {
			t.Fatal(err)
		}
		before := s.name
		s.pull()
		if _, err := c.Info(); err == nil {
			t.Error("a pulled chip can be asked")
		}
		if tt.close {
			c.Close()
		}
		s.plug()
		if (s.name == before) != tt.same {
			t.Errorf("closed %v: it was %s and is %s", tt.close, before, s.name)
		}
		if !tt.close {
			c.Close()
		}
	}
}

// deniedEnv has the test binary be a hub of a user who may not open chips.
const deniedEnv = "HUB_GPIO_DENIED"

func TestKernelDenied(t *testing.T) {
	if os.Getenv(deniedEnv) != "" {
		d := kernelStart(t, chipNode(t, "denied", inputNode("door", "0")))
		waitMessage(t, d, "io", EventChip, "/dev/gpiochip", "may not be opened by this user: add it to the group dialout (usermod -a -G dialout hub)")
		return
	}
	s := newSim(t, "denied", 1)
	path := "/dev/" + s.name
	if err := os.Chown(path, 0, 20); err != nil { // dialout, on Debian
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestKernelDenied$", "-test.v")
	cmd.Env = append(os.Environ(), deniedEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestKernelDenied") {
		t.Errorf("%v: %s", err, out)
	}
}

// killedEnv has the test binary be a hub that is killed: it names the chip.
const killedEnv = "HUB_GPIO_KILLED"

func TestKernelKilled(t *testing.T) {
	node := func(chip string) *nodes.Node { return chipNode(t, chip, outputNode("lamp", "0", "Initial", "last")) }
	hurried := hasty
	hurried.boot = "" // the kernel's
	if chip := os.Getenv(killedEnv); chip != "" {
		d := adaptertest.Start(t, factory(cdev.Kernel{}, hurried), node(chip))
		waitFor(t, d, "io/lamp", "lamp", "false")
		good(t, turn(t, d, "lamp", true))
		d.Host.Shelf().Range(func(k string, v []byte) bool { fmt.Printf("shelf|%s|%s\n", k, v); return true })
		fmt.Println("on")
		time.Sleep(time.Minute)
		return
	}
	s := newSim(t, "killed", 2)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestKernelKilled$")
	cmd.Env = append(os.Environ(), killedEnv+"="+s.name)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h := adaptertest.NewHost(node(s.name))
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "on" {
		if f := strings.Split(lines.Text(), "|"); f[0] == "shelf" {
			h.Shelf().Put(f[1], []byte(f[2]))
		} else {
			t.Log(lines.Text())
		}
	}
	if !s.level(0) {
		t.Error("the output is not on")
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	cmd.Wait()
	t.Log("after kill -9 the line is", s.level(0))
	if last, _ := h.Shelf().Get(keyLast("io/lamp")); string(last) != "on" {
		t.Errorf("the shelf has %q", last)
	}
	d := adaptertest.StartWith(t, factory(cdev.Kernel{}, hurried), node(s.name), h)
	waitFor(t, d, "io/lamp", "lamp", "false")
	if s.level(0) {
		t.Error("after a crash the output is on, not at its safe value")
	}
	good(t, turn(t, d, "lamp", true))
	d.Stop()
	again := adaptertest.NewHost(node(s.name))
	h.Shelf().Range(func(k string, v []byte) bool { again.Shelf().Put(k, v); return true })
	d = adaptertest.StartWith(t, factory(cdev.Kernel{}, hurried), node(s.name), again)
	waitFor(t, d, "io/lamp", "lamp", "true") // after a proper stop: as before
}

// periphEnv has the test binary print what periph finds, in a process of its own:
// periph keeps all chips open.
const periphEnv = "HUB_GPIO_PERIPH"

// Another implementation finds the same chips and lines.
func TestKernelPeriph(t *testing.T) {
	if os.Getenv(periphEnv) != "" {
		if _, err := driverreg.Init(); err != nil {
			t.Fatal(err)
		}
		for _, c := range gpioioctl.Chips {
			fmt.Printf("chip|%s|%s|%d\n", c.Name(), c.Label(), c.LineCount())
			for i, l := range c.Lines() {
				fmt.Printf("line|%s|%d|%s|%s\n", c.Name(), i, strings.TrimRight(l.Name(), "\x00"), strings.TrimRight(l.Consumer(), "\x00"))
			}
		}
		return
	}
	newSim(t, "first", 4, "A0", "", "A2", "hog led")
	newSim(t, "second", 8, "B0")
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^TestKernelPeriph$")
	cmd.Env = append(os.Environ(), periphEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	theirs := make(map[string]bool)
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "chip|") || strings.HasPrefix(line, "line|") {
			theirs[line] = true
		}
	}
	ours := make(map[string]bool)
	paths, err := cdev.Kernel{}.Paths()
	if err != nil || len(paths) < 2 {
		t.Fatalf("%v, %v", paths, err)
	}
	for _, path := range paths {
		c, err := cdev.Kernel{}.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		info, err := c.Info()
		if err != nil {
			t.Fatal(err)
		}
		ours[fmt.Sprintf("chip|%s|%s|%d", info.Name, info.Label, info.Lines)] = true
		for i := range info.Lines {
			l, err := c.Line(i)
			if err != nil {
				t.Fatal(err)
			}
			ours[fmt.Sprintf("line|%s|%d|%s|%s", info.Name, i, l.Name, l.Consumer)] = true
		}
	}
	if !maps.Equal(ours, theirs) {
		t.Errorf("we find\n%s\nperiph finds\n%s", strings.Join(slices.Sorted(maps.Keys(ours)), "\n"), strings.Join(slices.Sorted(maps.Keys(theirs)), "\n"))
	}
}
