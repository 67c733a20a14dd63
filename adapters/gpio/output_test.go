package gpio

import (
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
)

// turn sets an output of "io" and returns the outcome.
func turn(t *testing.T, d *adaptertest.Device, name string, on bool) nodes.Outcome {
	t.Helper()
	return d.Set(soon, nodes.Setting{Node: "io/" + name, Name: name, Value: nodes.Bool(on)})[0]
}

// good and refused check an outcome.
func good(t *testing.T, o nodes.Outcome) {
	t.Helper()
	if !o.State.Good() {
		t.Errorf("got %v, %v, want a good outcome", o.State, o.Err)
	}
}

func refused(t *testing.T, o nodes.Outcome, words ...string) {
	t.Helper()
	if o.State != nodes.WriteRefused {
		t.Errorf("got %v, want that it is refused", o.State)
		return
	}
	for _, w := range words {
		if !strings.Contains(o.Err.Error(), w) {
			t.Errorf("it says %q, not %q", o.Err, w)
		}
	}
}

func TestOutput(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 8)
	d := start(t, b, chipNode(t, "sim", outputNode("lamp", "0"), outputNode("low", "1", "ActiveLow", true), outputNode("first", "2", "Initial", "on", "Safe", "keep"),
		outputNode("fixed", "3", "Writable", false, "Initial", "on"), outputNode("open", "4", "Drive", "open drain", "ReadBack", false),
		outputNode("bus", "5", "Drive", "open drain", "Bias", "pull up")))
	waitFor(t, d, "io/lamp", "lamp", "false")
	if f := field(d.Host, "io/lamp", "lamp"); !f.Writable {
		t.Error("an output does not show that it may be set")
	}
	// The first value comes with the request: no glitch.
	for line, want := range []bool{false, true, true, true} {
		d.Host.Wait(t, soon, "all outputs", func() bool { return len(c.Writes(line)) > 0 })
		if w := c.Writes(line); len(w) != 1 || !w[0].First || w[0].Level != want {
			t.Errorf("line %d: writes %v, want the level %v with the request", line, w, want)
		}
	}
	good(t, turn(t, d, "lamp", true))
	waitFor(t, d, "io/lamp", "lamp", "true")
	if !c.Level(0) {
		t.Error("the line is low")
	}
	good(t, turn(t, d, "low", true))
	if c.Level(1) {
		t.Error("an active-low line is high when on")
	}
	refused(t, turn(t, d, "fixed", false), "Writable")
	if o := turn(t, d, "open", true); o.State != nodes.WriteDone { // nobody pulls it up
		t.Errorf("without reading back: %v", o.State)
	}
	waitFor(t, d, "io/open", "open", "false")
	if o := turn(t, d, "bus", true); o.State != nodes.WriteVerified {
		t.Errorf("open drain with a resistor: %v, %v", o.State, o.Err)
	}
	c.Drive(5, false) // somebody else on the bus
	refused(t, turn(t, d, "bus", true), "line 5 of gpiochip0 was set on, but shows off", "short circuit")
	waitMessage(t, d, "io/bus", EventReadBack, "shows off")
	c.Float(5)
	good(t, turn(t, d, "bus", true))
	waitCleared(t, d, "io/bus", EventReadBack)
	if o := d.Set(soon, nodes.Setting{Node: "io/lamp", Name: "lamp", Value: nodes.Int32(1)})[0]; o.State != nodes.WriteRefused {
		t.Errorf("a number: %v", o.State)
	}
	d.Stop()
	for line, want := range []bool{false, true, true} { // off, off (active low), kept
		if w := c.Writes(line); w[len(w)-1].Level != want {
			t.Errorf("line %d was left with %v", line, w[len(w)-1].Level)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 2)
	d := start(t, b, chipNode(t, "sim", outputNode("pump", "0", "MinOn", 200*time.Millisecond, "MinOff", 200*time.Millisecond)))
	waitFor(t, d, "io/pump", "pump", "false")
	refused(t, turn(t, d, "pump", true), "has to stay off for 200ms", "try again in")
	eventually(t, "it may be on", func() bool { return turn(t, d, "pump", true).State.Good() })
	good(t, turn(t, d, "pump", true)) // that changes nothing
	refused(t, turn(t, d, "pump", false), "has to stay on for 200ms")
	if !c.Level(0) {
		t.Error("it is off")
	}
	eventually(t, "it may be off", func() bool { return turn(t, d, "pump", false).State.Good() })
	w := c.Writes(0)
	if len(w) != 4 || w[3].Time.Sub(w[1].Time) < 200*time.Millisecond || w[1].Time.Sub(w[0].Time) < 200*time.Millisecond {
		t.Errorf("writes: %v", w)
	}
	eventually(t, "it may be on", func() bool { return turn(t, d, "pump", true).State.Good() })
	d.Stop() // safe is safe
	if w := c.Writes(0); w[len(w)-1].Level {
		t.Error("it was left on")
	}
}

// eventually tries until it holds.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	eventuallyWithin(t, soon, what, ok)
}

func eventuallyWithin(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestInterlock(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 4)
	other := b.Add("other", 2)
	f := factory(b, hasty)
	d := adaptertest.Start(t, f, chipNode(t, "sim", outputNode("up", "0", "Interlock", "blind"), outputNode("down", "1", "Interlock", "blind"),
		outputNode("a", "2", "Interlock", "x", "Initial", "on"), outputNode("b", "3", "Interlock", "x", "Initial", "on")))
	far := chipNode(t, "other", outputNode("far", "0", "Interlock", "blind"))
	far.ID, far.Children[0].ID = "io2", "io2/far"
	e := adaptertest.Start(t, f, far)
	waitFor(t, d, "io/down", "down", "false")
	waitFor(t, e, "io2/far", "far", "false")
	good(t, turn(t, d, "up", true))
	refused(t, turn(t, d, "down", true), "io/up of the same interlock group (blind) is on")
	refused(t, e.Set(soon, nodes.Setting{Node: "io2/far", Name: "far", Value: nodes.Bool(true)})[0], "io/up of the same")
	if c.Level(1) || other.Level(0) {
		t.Error("two of a group are on")
	}
	both := d.Set(soon, nodes.Setting{Node: "io/up", Name: "up", Value: nodes.Bool(false)}, nodes.Setting{Node: "io/down", Name: "down", Value: nodes.Bool(true)})
	good(t, both[0])
	good(t, both[1])
	waitFor(t, d, "io/a", "a", "true")
	waitFor(t, d, "io/b", "b", "false")
	waitMessage(t, d, "io/b", EventInterlock, "line 3 of gpiochip0 stays off", "io/a")
	// Pulses hold the group between them as well.
	good(t, turn(t, d, "down", false))
	if err := d.Execute(soon, "io/up", "Blink", params("On", 5*time.Millisecond, "Off", time.Hour, "Count", 2)); err != nil {
		t.Fatal(err)
	}
	d.Host.Wait(t, soon, "a pause", func() bool { return field(d.Host, "io/up", "up").Value == nodes.Bool(false) && !c.Level(0) })
	refused(t, turn(t, d, "down", true), "io/up")
	good(t, turn(t, d, "up", false)) // ends it
	good(t, turn(t, d, "down", true))
	// What is stuck on keeps its group.
	c.Stick(1, true)
	refused(t, turn(t, d, "down", false), "was set off, but shows on")
	refused(t, turn(t, d, "up", true), "io/down")
	c.Free(1)
	good(t, turn(t, d, "down", false))
	good(t, turn(t, d, "up", true))
	good(t, turn(t, d, "up", false))
	good(t, turn(t, d, "down", true))
	// A change of group.
	joins := chipNode(t, "sim", outputNode("a", "2", "Interlock", "blind", "Initial", "on"))
	d.Update(nodes.Change{Put: joins.Children})
	waitMessage(t, d, "io/a", EventInterlock, "io/down")
	waitFor(t, d, "io/a", "a", "false")
	good(t, turn(t, d, "b", true)) // x is free
	d.Stop()
	good(t, e.Set(soon, nodes.Setting{Node: "io2/far", Name: "far", Value: nodes.Bool(true)})[0])
}

func TestLease(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 2)
	d := start(t, b, chipNode(t, "sim", outputNode("heater", "0", "Lease", 300*time.Millisecond), outputNode("valve", "1", "Lease", 100*time.Millisecond, "Safe", "on", "Initial", "on")))
	waitFor(t, d, "io/heater", "heater", "false")
	begun := time.Now()
	for range 4 { // renewed
		good(t, turn(t, d, "heater", true))
		time.Sleep(100 * time.Millisecond)
	}
	if w := c.Writes(0); time.Since(begun) < 600*time.Millisecond && !w[len(w)-1].Level {
		t.Errorf("off though renewed: %v", w)
	}
	waitMessage(t, d, "io/heater", EventLease, "was not set again within its lease of 300ms", "off")
	waitFor(t, d, "io/heater", "heater", "false")
	if c.Level(0) {
		t.Error("the line is high")
	}
	good(t, turn(t, d, "heater", true))
	waitCleared(t, d, "io/heater", EventLease)
	good(t, turn(t, d, "valve", false))
	waitMessage(t, d, "io/valve", EventLease, "on")
	waitFor(t, d, "io/valve", "valve", "true")
}

func TestPulses(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 4)
	d := start(t, b, chipNode(t, "sim", outputNode("bell", "0"), outputNode("slow", "1", "MinOn", time.Minute), outputNode("fixed", "2", "Writable", false), outputNode("stuck", "3")))
	waitFor(t, d, "io/fixed", "fixed", "false")
	if err := d.Execute(soon, "io/bell", "Pulse", params("Length", 50*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if err := d.Execute(soon, "io/bell", "Pulse", params("Length", 50*time.Millisecond)); nodes.KindOf(err) != nodes.Conflict && c.Level(0) {
		t.Errorf("a pulse in a pulse: %v", err)
	}
	d.Host.Wait(t, soon, "the end of the pulse", func() bool { return len(c.Writes(0)) >= 3 })
	w := c.Writes(0)
	if length := w[2].Time.Sub(w[1].Time); !w[1].Level || w[2].Level || length < 50*time.Millisecond {
		t.Errorf("a pulse of 50 ms: %v", w)
	}
	if err := d.Execute(soon, "io/bell", "Blink", params("On", 5*time.Millisecond, "Off", 5*time.Millisecond, "Count", 3)); err != nil {
		t.Fatal(err)
	}
	d.Host.Wait(t, soon, "three pulses", func() bool { return len(c.Writes(0)) >= 9 })
	time.Sleep(30 * time.Millisecond)
	if w := c.Writes(0); len(w) != 9 || w[8].Level {
		t.Errorf("three pulses: %v", w)
	}
	if err := d.Execute(soon, "io/bell", "Blink", params("On", 2*time.Millisecond, "Off", 2*time.Millisecond, "Count", 0)); err != nil {
		t.Fatal(err)
	}
	d.Host.Wait(t, soon, "many pulses", func() bool { return len(c.Writes(0)) >= 30 })
	good(t, turn(t, d, "bell", false))
	n := len(c.Writes(0))
	time.Sleep(20 * time.Millisecond)
	if got := len(c.Writes(0)); got != n || c.Level(0) {
		t.Errorf("%d writes after it was set off", got-n)
	}
	good(t, turn(t, d, "bell", true))
	for _, tt := range []struct {
		node, command string
		params        nodes.Params
		want          string
	}{
		{"io/bell", "Pulse", params("Length", time.Second), "is on: set it off first"},
		{"io/slow", "Pulse", params("Length", time.Second), "has to stay on for 1m"},
		{"io/fixed", "Pulse", params("Length", time.Second), "Writable"},
		{"io/nobody", "Pulse", params("Length", time.Second), "no such node"},
	} {
		if err := d.Execute(soon, tt.node, tt.command, tt.params); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.node, err, tt.want)
		}
	}
	// A pulse that does not show leaves nothing on.
	c.Stick(3, false)
	if err := d.Execute(soon, "io/stuck", "Pulse", params("Length", time.Hour)); err == nil || !strings.Contains(err.Error(), "shows off") {
		t.Errorf("a pulse of a line that is stuck: %v", err)
	}
	if w := c.Writes(3); w[len(w)-1].Level {
		t.Error("it is left on")
	}
	if err := d.Execute(soon, "io/slow", "Pulse", params("Length", time.Hour)); err != nil {
		t.Error(err)
	}
	refused(t, turn(t, d, "slow", false), "has to stay on")
	d.Stop()
	if w := c.Writes(1); w[len(w)-1].Level {
		t.Error("a pulse outlived the hub")
	}
}

// What an output begins with after a stop, a crash and a power cut.
func TestBegin(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 3)
	n := chipNode(t, "sim", outputNode("lamp", "0", "Initial", "last"), outputNode("valve", "1", "Initial", "off", "Safe", "on"), outputNode("kept", "2", "Initial", "last", "Safe", "keep"))
	run := func(prepare func(nodes.Shelf), shelf *adaptertest.Host) (*adaptertest.Host, [3]bool) {
		h := adaptertest.NewHost(n)
		if shelf != nil {
			shelf.Shelf().Range(func(k string, v []byte) bool { h.Shelf().Put(k, v); return true })
		}
		prepare(h.Shelf())
		d := adaptertest.StartWith(t, factory(b, hasty), n, h)
		d.Host.Wait(t, soon, "all outputs", func() bool { return d.Host.Count("io/kept") > 0 })
		first := [3]bool{c.Level(0), c.Level(1), c.Level(2)}
		good(t, turn(t, d, "lamp", true))
		good(t, turn(t, d, "kept", true))
		d.Stop()
		return h, first
	}
	h, first := run(func(nodes.Shelf) {}, nil)
	if first != [3]bool{} {
		t.Errorf("the first time: %v", first)
	}
	h, first = run(func(nodes.Shelf) {}, h)
	if first != [3]bool{true, false, true} {
		t.Errorf("after a stop: %v, want what was set last", first)
	}
	h, first = run(func(s nodes.Shelf) { s.Put(keyRunning, []byte("this boot")) }, h)
	if first != [3]bool{false, true, true} {
		t.Errorf("after a crash: %v, want the safe values", first)
	}
	_, first = run(func(s nodes.Shelf) { s.Put(keyRunning, []byte("another boot")) }, h)
	if first != [3]bool{true, false, true} {
		t.Errorf("after a power cut: %v, want what was set last", first)
	}
}
