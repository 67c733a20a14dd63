package modbus

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func TestFit(t *testing.T) {
	const ms = time.Millisecond
	for _, tt := range []struct {
		name        string
		load        load
		quick, slow float64
	}{
		{"nothing", load{}, 1, 1},
		{"fits", load{100 * ms: 50 * ms, time.Second: 400 * ms}, 1, 1},
		{"one group twice too much", load{100 * ms: 198 * ms}, 2, 2},
		{"the slow ones give way", load{100 * ms: 50 * ms, time.Second: 980 * ms}, 1, 2},
		{"by the same factor", load{100 * ms: 50 * ms, time.Second: 490 * ms, 10 * time.Second: 4900 * ms}, 1, 2},
		{"not for ever", load{100 * ms: 99 * ms, time.Second: 3960 * ms}, 2, 8},
		{"the fastest alone is too much", load{100 * ms: 198 * ms, time.Second: 0}, 2, 2},
	} {
		s := tt.load.fit()
		if math.Abs(s.quick-tt.quick) > 0.001 || tt.slow != tt.quick && math.Abs(s.slow-tt.slow) > 0.001 {
			t.Errorf("%s: got %.3f and %.3f, want %.3f and %.3f", tt.name, s.quick, s.slow, tt.quick, tt.slow)
		}
	}
}

// Whatever is wanted, what is done fits; nobody is stretched where all fits, and
// nobody gives way to a slower group.
func TestFitProperties(t *testing.T) {
	for i := range 2000 {
		r := rand.New(rand.NewPCG(7, uint64(i)))
		l := make(load)
		for range 1 + r.IntN(6) {
			l[time.Duration(1+r.IntN(1e4))*time.Millisecond] = time.Duration(r.IntN(3e9))
		}
		s := l.fit()
		var sum float64
		for every, took := range l {
			sum += float64(took) / float64(s.of(every))
		}
		switch {
		case sum > full+1e-6:
			t.Fatalf("%d: %v: got %.4f of the time, want %.2f at most", i, l, sum, full)
		case l.share() <= full && (s.quick != 1 || s.slow != 1):
			t.Fatalf("%d: %v fits and is stretched: %+v", i, l, s)
		case l.share() > full && sum < full-1e-6:
			t.Fatalf("%d: %v: got %.4f of the time, want all of it", i, l, sum)
		case s.quick < 1 || s.slow < s.quick && len(l) > 1 || s.slow > mostSlow*s.quick*(1+1e-9):
			t.Fatalf("%d: %v: got %+v", i, l, s)
		}
	}
}

// A line that cannot carry what is wanted says so, keeps the fast group at its pace,
// and reads all others equally often; when it can, that is over.
func TestOverbookedLine(t *testing.T) {
	t.Parallel()
	l := modbustest.NewLine(9600)
	var units []*nodes.Node
	for id := 1; id <= 4; id++ {
		l.Unit(byte(id)).SetWords(wire.HoldingRegister, 0, make([]uint16, 100)...)
		var registers []*nodes.Node
		for i := range 60 {
			registers = append(registers, registerNode(fmt.Sprint("r", i), wire.HoldingRegister, i, ""))
		}
		units = append(units, unitNode(fmt.Sprint("u", id), id, registers...))
	}
	fast := unitNode("fast", 1, registerNode("f", wire.HoldingRegister, 90, ""))
	fast.Params["PollInterval"] = nodes.Duration(0, 200*time.Millisecond)
	units = append(units, fast)
	path, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	runs(t, l.Run)
	n := serialNode(t, path, 9600, units...)
	n.Params["PollInterval"] = nodes.Duration(0, 600*time.Millisecond) // four requests of about 165 ms
	n.Params["Timeout"] = nodes.Duration(0, time.Second)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, 4*soon, "a word about the load", func() bool { return strings.Contains(messages(d.Host, "gw"), "["+EventBudget+"]") })
	got := messages(d.Host, "gw")
	for _, part := range []string{path, "% of the line's time", "What is wanted every 200ms is read every 2", "times as seldom"} {
		if !strings.Contains(got, part) {
			t.Errorf("got %q, want it to hold %q", got, part)
		}
	}
	d.Host.Wait(t, 4*soon, "its figures", func() bool { return field(d, "gw", "Planned utilisation").Double() > 100 })
	before := make(map[string]int)
	count := func(id string) int { return d.Host.Count(id) - before[id] }
	for _, id := range []string{"gw/u1/r0", "gw/u2/r0", "gw/u3/r0", "gw/u4/r0", "gw/fast/f"} {
		before[id] = d.Host.Count(id)
	}
	time.Sleep(4 * time.Second)
	least, most := math.MaxInt, 0
	for id := 1; id <= 4; id++ {
		c := count(fmt.Sprint("gw/u", id, "/r0"))
		least, most = min(least, c), max(most, c)
	}
	if f := count("gw/fast/f"); f < 10 || least < 2 || most > least+2 {
		t.Errorf("in 4 s: got %d of the fast group (want about 20), %d to %d of the others (want about 5, all alike)", f, least, most)
	}
	slow := adaptertest.Fill(t, factory(hasty), n)
	slow.Params["PollInterval"] = nodes.Duration(0, 10*time.Second)
	d.Device.Update(nodes.Change{Put: []*nodes.Node{slow}})
	d.Host.Wait(t, 4*soon, "the end of it", func() bool { return d.Host.AllMessages() == 0 })
}

// field is the last value of a node's field.
func field(d *adaptertest.Device, node, name string) nodes.Value {
	r, _ := d.Host.Last(node)
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nodes.Value{}
}

// A subscriber that cannot be served as it wishes is told so on its node.
func TestInterestNotMet(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 1, 2)
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("a", wire.HoldingRegister, 0, ""), registerNode("b", wire.HoldingRegister, 1, "")))
	n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
	n.Params["MinInterval"] = nodes.Duration(0, 80*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Count("gw/u/a") > 0 })
	interest := d.Device.(nodes.Interested)
	interest.Interest([]nodes.Interest{{Node: "gw/u/a", Interval: 10 * time.Millisecond}, {Node: "gw/u/b", Interval: time.Second}})
	d.Host.Wait(t, soon, "a word about it", func() bool { return d.Host.AllMessages() == 1 })
	want := "[Interest] A subscriber wants values every 10ms; they come every 80ms: more is not allowed by MinInterval of the gateway.\n"
	if got := messages(d.Host, "gw/u/a"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	interest.Interest(nil)
	d.Host.Wait(t, soon, "the end of it", func() bool { return d.Host.AllMessages() == 0 })
}
