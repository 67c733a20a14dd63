package gpio

import (
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
)

// field returns a field of the last good reading of a node; the zero Field when
// there is none.
func field(h *adaptertest.Host, node, name string) nodes.Field {
	r, _ := h.Good(node)
	for _, f := range r.Fields {
		if f.Name == name {
			return f
		}
	}
	return nodes.Field{}
}

// waitFor waits until a field of a node has a value, as text.
func waitFor(t *testing.T, d *adaptertest.Device, node, name, want string) {
	t.Helper()
	got := ""
	defer func() {
		if t.Failed() {
			t.Logf("%s of %s was %s", name, node, got)
		}
	}()
	d.Host.Wait(t, soon, node+": "+name+" is "+want, func() bool {
		got = field(d.Host, node, name).Value.String()
		return got == want
	})
}

// message returns the text of a message of a node; empty when there is none.
func message(h *adaptertest.Host, node, event string) string {
	for _, m := range h.Messages(node) {
		if m.EventID == event {
			return m.Text
		}
	}
	return ""
}

// waitMessage waits for a message that has all these words.
func waitMessage(t *testing.T, d *adaptertest.Device, node, event string, words ...string) {
	t.Helper()
	d.Host.Wait(t, soon, node+": a message "+event, func() bool { return message(d.Host, node, event) != "" })
	text := message(d.Host, node, event)
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("%s: message %s says %q, not %q", node, event, text, w)
		}
	}
}

func waitCleared(t *testing.T, d *adaptertest.Device, node, event string) {
	t.Helper()
	d.Host.Wait(t, soon, node+": no message "+event, func() bool { return message(d.Host, node, event) == "" })
}

func TestInput(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 8)
	c.Name(0, "GPIO0", "GPIO1")
	c.Drive(1, true)
	d := start(t, b, chipNode(t, "sim", inputNode("door", "gpio0"), inputNode("window", "1", "ActiveLow", true),
		inputNode("up", "2", "Bias", "pull up"), inputNode("down", "3", "Bias", "pull down")))
	for id, want := range map[string]string{"io/door": "false", "io/window": "false", "io/up": "true", "io/down": "false"} {
		waitFor(t, d, id, strings.TrimPrefix(id, "io/"), want)
	}
	before := time.Now()
	c.Drive(0, true)
	waitFor(t, d, "io/door", "door", "true")
	f := field(d.Host, "io/door", "door")
	if f.Time.Before(before.Add(-time.Millisecond)) || f.Time.After(time.Now()) || f.Category != nodes.Momentary || f.Writable {
		t.Errorf("after the edge at %v: %+v", before, f)
	}
	c.Drive(1, false)
	waitFor(t, d, "io/window", "window", "true")
	c.Drive(2, false)
	waitFor(t, d, "io/up", "up", "false")
	if got := d.Read(time.Second, "io"); len(got["io"].Fields) != 4 {
		t.Errorf("the chip shows %v", got["io"].Fields)
	}
	if got := c.Consumer(0); got != "hub door" {
		t.Errorf("others see that %q uses the line", got)
	}
	traced := false
	for _, e := range d.Tap.Recent() {
		traced = traced || e.Node == "io/door" && strings.Contains(e.Text, "line 0 (GPIO0) of gpiochip0 rising at ")
	}
	if !traced {
		t.Errorf("no trace of the edge in %v", d.Tap.Recent())
	}
	d.Stop()
	if n := c.Opened(); n != 0 || c.Consumer(0) != "" {
		t.Errorf("after the end: %d handles, line used by %q", n, c.Consumer(0))
	}
}

// The time of a field is that of the edge, however late it is read.
func TestEdgeTime(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 1)
	d := start(t, b, chipNode(t, "0", inputNode("door", "0", "PulseLength", true)))
	waitFor(t, d, "io/door", "door", "false")
	now, clock := time.Now(), cdev.Now()
	c.Feed(0, 0, cdev.Event{Time: clock - 3*time.Second, Rising: true}, cdev.Event{Time: clock - 1250*time.Millisecond})
	waitFor(t, d, "io/door", "door pulse length", "1.750000 s")
	if got := now.Sub(field(d.Host, "io/door", "door").Time).Seconds(); got < 1.2 || got > 1.3 {
		t.Errorf("the edge 1.25 s ago has a time %v s ago", got)
	}
	if n := d.Host.Count("io/door"); n != 3 { // the first, and both edges
		t.Errorf("%d readings, want 3", n)
	}
}

func TestDebounce(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 2)
	c.NoInterrupt(1)
	d := start(t, b, chipNode(t, "sim", inputNode("kernel", "0", "Debounce", 40*time.Millisecond, "Count", "both"),
		inputNode("ours", "1", "Debounce", 40*time.Millisecond, "PollInterval", 2*time.Millisecond, "Count", "both")))
	waitFor(t, d, "io/kernel", "kernel", "false")
	waitFor(t, d, "io/ours", "ours", "false")
	waitMessage(t, d, "io/ours", EventPolled, "line 1 of gpiochip0 has no interrupt", "2ms")
	for line := range 2 {
		for range 3 { // bounces
			c.Drive(line, true)
			time.Sleep(4 * time.Millisecond)
			c.Drive(line, false)
			time.Sleep(4 * time.Millisecond)
		}
		c.Drive(line, true)
	}
	waitFor(t, d, "io/kernel", "kernel count", "1")
	waitFor(t, d, "io/ours", "ours count", "1")
	if message(d.Host, "io/kernel", EventPolled) != "" {
		t.Error("a line with an interrupt is polled")
	}
}

func TestTrouble(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 8)
	c.Name(0, "GPIO0", "twin", "twin")
	c.Occupy(0, "spi0 CS0")
	c.NoBias(3)
	d := start(t, b, chipNode(t, "sim", inputNode("busy", "GPIO0"), inputNode("twin", "twin"), inputNode("biased", "3", "Bias", "pull up"),
		inputNode("beyond", "8"), inputNode("unknown", "GPIO99"), inputNode("good", "4"), outputNode("second", "4"), outputNode("works", "5")))
	for _, tt := range []struct {
		node  string
		words []string
	}{
		{"io/busy", []string{"line 0 (GPIO0) of gpiochip0 is used by \"spi0 CS0\""}},
		{"io/twin", []string{"lines [1 2] of gpiochip0 are all named twin"}},
		{"io/biased", []string{"line 3 of gpiochip0", "bias pull up", "try Bias as is"}},
		{"io/beyond", []string{"gpiochip0 has no line 8", "0 to 7"}},
		{"io/unknown", []string{"gpiochip0 has no line named GPIO99"}},
		{"io/second", []string{"line 4 of gpiochip0 is taken by the node io/good"}},
	} {
		waitMessage(t, d, tt.node, EventLine, tt.words...)
		if err := d.Read(time.Second, tt.node)[tt.node].Err; err == nil || !strings.Contains(err.Error(), tt.words[0]) {
			t.Errorf("%s: reading it gives %v", tt.node, err)
		}
	}
	c.Drive(4, true) // the others work
	waitFor(t, d, "io/good", "good", "true")
	if o := d.Set(time.Second, nodes.Setting{Node: "io/works", Name: "works", Value: nodes.Bool(true)}); o[0].State != nodes.WriteVerified {
		t.Errorf("a good output: %v, %v", o[0].State, o[0].Err)
	}
	if o := d.Set(time.Second, nodes.Setting{Node: "io/second", Name: "second", Value: nodes.Bool(true)}); o[0].State != nodes.WriteRefused || !strings.Contains(o[0].Err.Error(), "taken by") {
		t.Errorf("an output without a line: %v, %v", o[0].State, o[0].Err)
	}
	if got := field(d.Host, "io", "used by others").Value.Text(); got != "0 (spi0 CS0)" {
		t.Errorf("used by others: %q", got)
	}
	c.Occupy(0, "") // what was in the way goes
	waitFor(t, d, "io/busy", "busy", "false")
	waitCleared(t, d, "io/busy", EventLine)
	d.Update(nodes.Change{Removed: []string{"io/good"}})
	waitFor(t, d, "io/second", "second", "false")
	waitCleared(t, d, "io/second", EventLine)
}

func TestChip(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	d := start(t, b, chipNode(t, "expander", inputNode("door", "0"), outputNode("lamp", "1", "Initial", "on", "Safe", "keep")))
	waitMessage(t, d, "io", EventChip, "this machine has no GPIO chip")
	if err := d.Host.Err("io/door"); err == nil {
		t.Error("an input without a chip: no error")
	}
	other := b.Add("other", 2)
	d.Host.Wait(t, soon, "the chips that are there", func() bool {
		return strings.Contains(message(d.Host, "io", EventChip), "no chip expander is there: plug it in, or write another as Chip; there are gpiochip0 (other)")
	})
	c := b.Add("expander", 2)
	b.Deny(c, true)
	d.Host.Wait(t, soon, "want of permission", func() bool {
		return strings.Contains(message(d.Host, "io", EventChip), "/dev/gpiochip1 may not be opened by this user")
	})
	b.Deny(c, false)
	waitFor(t, d, "io/door", "door", "false")
	waitFor(t, d, "io/lamp", "lamp", "true")
	waitCleared(t, d, "io", EventChip)
	b.Pull(c)
	waitMessage(t, d, "io", EventChip, "no chip expander is there")
	if err := d.Host.Err("io/door"); err == nil {
		t.Error("an input whose chip was pulled: no error")
	}
	if o := d.Set(time.Second, nodes.Setting{Node: "io/lamp", Name: "lamp", Value: nodes.Bool(false)}); o[0].State != nodes.WriteRefused {
		t.Errorf("an output whose chip was pulled: %v", o[0].State)
	}
	d.Host.Wait(t, soon, "the chip is closed", func() bool { return c.Opened() == 0 }) // or it comes back under another number
	c.Drive(0, true)
	b.Plug(c)
	waitFor(t, d, "io/door", "door", "true")
	waitFor(t, d, "io/lamp", "lamp", "true")
	c.Drive(0, false)
	waitFor(t, d, "io/door", "door", "false")
	d.Host.Wait(t, soon, "the other is closed", func() bool { return other.Opened() == 0 })
	twin := b.Add("expander", 2)
	d.Update(nodes.Change{Put: []*nodes.Node{chipNode(t, "none")}}) // another configuration: looked for again
	d.Update(nodes.Change{Put: []*nodes.Node{chipNode(t, "expander")}})
	d.Host.Wait(t, soon, "that the label is not enough", func() bool {
		return strings.Contains(message(d.Host, "io", EventChip), "/dev/gpiochip1 and /dev/gpiochip2 both have the label expander")
	})
	b.Pull(twin)
	waitCleared(t, d, "io", EventChip)
}

// A chip may be meant in several ways.
func TestFind(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	b.Add("pinctrl-bcm2711", 4)
	b.Add("1", 4) // a label that looks like a number
	for _, tt := range []struct{ chip, name, wrong string }{
		{chip: "0", name: "gpiochip0"}, {chip: "gpiochip1", name: "gpiochip1"}, {chip: "/dev/gpiochip1", name: "gpiochip1"},
		{chip: "pinctrl-bcm2711", name: "gpiochip0"}, {chip: "1", name: "gpiochip1"},
		{chip: "2", wrong: "no chip 2 is there"}, {chip: "/dev/gpiochip7", wrong: "/dev/gpiochip7 is not there"}, {chip: "pinctrl", wrong: "gpiochip0 (pinctrl-bcm2711), gpiochip1 (1)"},
	} {
		d := start(t, b, chipNode(t, tt.chip, inputNode("a", "0")))
		if tt.wrong != "" {
			waitMessage(t, d, "io", EventChip, tt.wrong)
		} else if r := d.Read(soon, "io")["io"]; len(r.Fields) == 0 || r.Fields[0].Value.Text() != tt.name {
			t.Errorf("%s: got %v, %v, want %s", tt.chip, r.Fields, r.Err, tt.name)
		}
		d.Stop()
	}
}

// An edit that does not concern the wiring leaves the line alone.
func TestEdit(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 4)
	n := chipNode(t, "sim", inputNode("meter", "0", "Count", "rising"), outputNode("lamp", "1"))
	d := start(t, b, n)
	waitFor(t, d, "io/meter", "meter count", "0")
	d.Set(soon, nodes.Setting{Node: "io/lamp", Name: "lamp", Value: nodes.Bool(true)})
	c.Drive(0, true)
	waitFor(t, d, "io/meter", "meter count", "1")
	edited := chipNode(t, "sim", inputNode("meter", "0", "Count", "rising", "PerPulse", 0.5, "Unit", "l"), outputNode("lamp", "1", "MinOn", time.Hour))
	d.Update(nodes.Change{Put: edited.Children})
	waitFor(t, d, "io/meter", "meter total", "0.0 l") // a total begins where the meter stands
	c.Drive(0, false)
	c.Drive(0, true)
	waitFor(t, d, "io/meter", "meter total", "0.5 l")
	if !c.Level(1) || c.Requests(0) != 1 || c.Requests(1) != 1 {
		t.Errorf("the lamp is %v, requests: %d and %d", c.Level(1), c.Requests(0), c.Requests(1))
	}
	if o := d.Set(soon, nodes.Setting{Node: "io/lamp", Name: "lamp", Value: nodes.Bool(false)}); o[0].State != nodes.WriteRefused {
		t.Errorf("the new limit does not hold: %v", o[0].State)
	}
	moved := chipNode(t, "sim", inputNode("meter", "2", "Count", "rising", "PerPulse", 0.5, "Unit", "l"))
	d.Update(nodes.Change{Put: moved.Children})
	d.Host.Wait(t, soon, "the other line", func() bool { return c.Consumer(2) == "hub meter" && c.Consumer(0) == "" })
	c.Drive(2, true)
	waitFor(t, d, "io/meter", "meter total", "1.0 l")
	d.Update(nodes.Change{Removed: []string{"io/lamp"}})
	d.Host.Wait(t, soon, "a removed output is off and free", func() bool { return c.Consumer(1) == "" })
	if w := c.Writes(1); w[len(w)-1].Level {
		t.Errorf("a removed output was left on: %v", w)
	}
}

func TestBoard(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("pinctrl-bcm2711", 58)
	c.Name(17, "GPIO17")
	n := chipNode(t, "pinctrl-bcm2711", inputNode("a", "Pin 11"), inputNode("b", "GPIO27"), inputNode("c", "bell"))
	n.Params = params("Chip", "pinctrl-bcm2711", "Board", "raspberrypi-40", "Pins", "bell = pin 7 # not followed twice\n")
	d := start(t, b, adaptertest.Fill(t, factory(b, hasty), n))
	waitFor(t, d, "io/a", "a", "false")
	waitFor(t, d, "io/b", "b", "false")
	waitMessage(t, d, "io/c", EventLine, "no line named bell")
	if c.Consumer(17) != "hub a" || c.Consumer(27) != "hub b" {
		t.Errorf("line 17 is used by %q, 27 by %q", c.Consumer(17), c.Consumer(27))
	}
	list, err := d.Query(soon, "io", "ListLines", nil)
	if err != nil || len(list) != 60 {
		t.Fatalf("%d findings, %v", len(list), err)
	}
	row := list[18].(nodes.Rows).Rows[0]
	got := ""
	for _, v := range row {
		got += v.String() + "|"
	}
	if want := "17|GPIO17|gpio17, pin 11|in||hub a|io/a|"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestPins(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want int
		err  string
	}{
		{"", 0, ""}, {"door = 17, bell=GPIO4;x = 3\n# nothing\n\ny=1 # tail", 4, ""},
		{"door", 0, "row 1: \"door\" is not of the form"}, {"a=1\nA=2", 0, "row 2: a is named twice"}, {"a=", 0, "form"}, {"=1", 0, "form"},
	} {
		got, err := parsePins(tt.in)
		if len(got) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%q: got %v, %v", tt.in, got, err)
		}
	}
	for _, b := range boardNames() {
		pins, err := parsePins(b.pins)
		if err != nil || len(pins) < 10 || b.title == "" {
			t.Errorf("%s (%s): %d pins, %v", b.name, b.title, len(pins), err)
		}
		for name, line := range pins {
			if n, ok := number(line); !ok || n > 27 {
				t.Errorf("%s: %s is line %s", b.name, name, line)
			}
		}
	}
}

func FuzzPins(f *testing.F) {
	f.Add("door = 17, bell = GPIO4 # remark")
	f.Fuzz(func(t *testing.T, s string) {
		pins, err := parsePins(s)
		if err != nil && pins != nil {
			t.Fatal("pins beside an error")
		}
		for name, line := range pins {
			if name == "" || line == "" {
				t.Fatalf("%q = %q", name, line)
			}
		}
	})
}
