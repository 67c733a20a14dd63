package modbus

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// fullLine starts a serial line and a device that polls more of it than it can
// carry: short and long requests, bits and registers, of four units.
func fullLine(t testing.TB, baud int) (*modbustest.Line, *adaptertest.Device) {
	t.Helper()
	l := modbustest.NewLine(baud)
	var units []*nodes.Node
	for id := 1; id <= 4; id++ {
		u := l.Unit(byte(id))
		u.SetWords(wire.HoldingRegister, 0, make([]uint16, 200)...)
		u.SetBits(wire.Coil, 0, make([]bool, 20)...)
		registers := []*nodes.Node{registerNode("one", wire.HoldingRegister, 0, ""), registerNode("coil", wire.Coil, 0, ""), registerNode("coils", wire.Coil, 19, ""),
			registerNode("set", wire.HoldingRegister, 199, "", "Writable", nodes.Bool(true))}
		for a := 50; a < 50+10*id; a++ {
			registers = append(registers, registerNode(fmt.Sprint("r", a), wire.HoldingRegister, a, ""))
		}
		units = append(units, unitNode(fmt.Sprint("u", id), id, registers...))
	}
	path, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	runs(t, l.Run)
	n := serialNode(t, path, baud, units...)
	n.Params["Timeout"] = nodes.Duration(0, time.Second)
	n.Params["PollInterval"] = nodes.Duration(0, 20*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	for id := 1; id <= 4; id++ {
		d.Host.Wait(t, 4*soon, "values", func() bool { return d.Host.Value(fmt.Sprint("gw/u", id, "/coils")) != nodes.Value{} })
	}
	return l, d
}

// use returns which part of the time since the last call of ResetStats the line
// was in use, with the silences that must be, and how long it stood still in vain
// before a request: the median and the longest.
func use(l *modbustest.Line, elapsed time.Duration) (part float64, median, longest time.Duration) {
	s := l.Stats()
	slices.Sort(s.Idle)
	if len(s.Idle) > 0 {
		median, longest = s.Idle[len(s.Idle)/2], s.Idle[len(s.Idle)-1]
	}
	return float64(s.Busy+time.Duration(s.Requests)*l.Exchange(0, 0)) / float64(elapsed), median, longest
}

// A line that is polled as fast as it goes is in use nearly all the time, and no
// request comes before its silence. The simulation alone needs 0.15 ms of each
// exchange; a machine that does other things besides needs more.
func TestLineInFullUse(t *testing.T) {
	for _, baud := range []int{9600, 115200} {
		l, _ := fullLine(t, baud)
		l.ResetStats()
		start := time.Now()
		time.Sleep(time.Second)
		part, median, longest := use(l, time.Since(start))
		t.Logf("%d baud: %.1f %% of the line in use, idle before a request %v (median), %v (longest)", baud, 100*part, median, longest)
		if part < 0.8 {
			t.Errorf("%d baud: %.1f %% of the line in use", baud, 100*part)
		}
		if s := l.Stats(); s.Early > 0 || s.Broken > 0 || s.Mismatch > 0 || s.Requests == 0 {
			t.Errorf("%d baud: got %+v", baud, s)
		}
	}
}

// BenchmarkLine reports which part of a line a device uses that polls as fast as
// it goes, and what it adds to an exchange.
func BenchmarkLine(b *testing.B) {
	for _, baud := range []int{9600, 19200, 38400, 57600, 115200} {
		b.Run(fmt.Sprint(baud), func(b *testing.B) {
			l, _ := fullLine(b, baud)
			l.ResetStats()
			start := time.Now()
			for b.Loop() {
				time.Sleep(5 * time.Second)
			}
			part, median, _ := use(l, time.Since(start))
			b.ReportMetric(100*part, "%line")
			b.ReportMetric(float64(median.Microseconds()), "µs-idle")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// setter returns a device's other side for writes.
func setter(t testing.TB, d *adaptertest.Device) nodes.Setter {
	t.Helper()
	s, ok := d.Device.(nodes.Setter)
	if !ok {
		t.Fatal("the device cannot be written to")
	}
	return s
}

// set writes one value and returns the outcome.
func set(t testing.TB, s nodes.Setter, node, name string, v nodes.Value, within time.Duration) nodes.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var got []nodes.Outcome
	s.Set(ctx, []nodes.Setting{{Node: node, Name: name, Value: v}}, func(_ int, o nodes.Outcome) { got = append(got, o) })
	if len(got) != 1 {
		t.Fatalf("%s: %d outcomes, want 1", node, len(got))
	}
	return got[0]
}

// spread returns the median, the 99th percentile and the longest.
func spread(list []time.Duration) (p50, p99, longest time.Duration) {
	slices.Sort(list)
	return list[len(list)/2], list[len(list)*99/100], list[len(list)-1]
}

// writes does n writes during full polling and returns how long each took.
func writes(t testing.TB, s nodes.Setter, u *modbustest.Unit, n int) []time.Duration {
	t.Helper()
	var took []time.Duration
	before := len(u.Writes())
	for i := range n {
		start := time.Now()
		if o := set(t, s, "gw/u1/set", "set", nodes.Int32(int32(i)), soon); !o.State.Good() {
			t.Fatalf("write %d: %v, %v", i, o.State, o.Err)
		}
		took = append(took, time.Since(start))
		time.Sleep(time.Duration(i%7) * time.Millisecond) // somewhere in the polling
	}
	if got := len(u.Writes()) - before; got != n {
		t.Errorf("the unit got %d writes, want %d", got, n)
	}
	return took
}

// fullTCP starts a device server whose twenty units answer after 5 ms each, and a
// device that polls them as fast as it goes.
func fullTCP(t testing.TB) (*modbustest.Bus, *adaptertest.Device) {
	t.Helper()
	s := modbustest.NewServer()
	var units []*nodes.Node
	for id := 1; id <= 20; id++ {
		u := s.Unit(byte(id))
		u.SetWords(wire.HoldingRegister, 0, make([]uint16, 200)...)
		u.SetFault(modbustest.Fault{Delay: 5 * time.Millisecond})
		units = append(units, unitNode(fmt.Sprint("u", id), id, registerNode("one", wire.HoldingRegister, 0, ""),
			registerNode("two", wire.HoldingRegister, 100, ""), registerNode("set", wire.HoldingRegister, 199, "", "Writable", nodes.Bool(true))))
	}
	n := gatewayNode(t, serve(t, s), units...)
	n.Params["PollInterval"] = nodes.Duration(0, 20*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, 4*soon, "values", func() bool { return d.Host.Value("gw/u20/two") != nodes.Value{} })
	return &s.Bus, d
}

// A write passes before all polling.
func TestWriteDuringFullPolling(t *testing.T) {
	t.Run("tcp", func(t *testing.T) {
		bus, d := fullTCP(t)
		p50, p99, longest := spread(writes(t, setter(t, d), bus.Unit(1), 100))
		t.Logf("p50 %v, p99 %v, longest %v", p50, p99, longest)
		if p99 > 150*time.Millisecond {
			t.Errorf("p99 %v, want below 150 ms", p99)
		}
	})
	t.Run("serial", func(t *testing.T) {
		l, d := fullLine(t, 19200)
		p50, p99, longest := spread(writes(t, setter(t, d), l.Unit(1), 30))
		want := l.Exchange(8, 5+2*40) + l.Exchange(8, 8) // the longest, and its own
		t.Logf("p50 %v, p99 %v, longest %v; the longest transaction and its own take %v", p50, p99, longest, want)
		if p50 > want+20*time.Millisecond {
			t.Errorf("p50 %v, want below %v", p50, want)
		}
	})
}

// BenchmarkWrite reports how long writes take during full polling.
func BenchmarkWrite(b *testing.B) {
	report := func(b *testing.B, d *adaptertest.Device, u *modbustest.Unit, limit time.Duration) {
		s := setter(b, d)
		var took []time.Duration
		for b.Loop() {
			took = append(took, writes(b, s, u, 100)...)
		}
		p50, p99, _ := spread(took)
		b.ReportMetric(float64(p50.Microseconds())/1000, "ms-p50")
		b.ReportMetric(float64(p99.Microseconds())/1000, "ms-p99")
		b.ReportMetric(float64(limit.Microseconds())/1000, "ms-limit")
		b.ReportMetric(0, "ns/op")
	}
	b.Run("tcp", func(b *testing.B) {
		bus, d := fullTCP(b)
		report(b, d, bus.Unit(1), 150*time.Millisecond)
	})
	for _, baud := range []int{9600, 19200, 115200} {
		b.Run(fmt.Sprint(baud), func(b *testing.B) {
			l, d := fullLine(b, baud)
			// Each of the two may take 0.3 ms longer than the wire.
			report(b, d, l.Unit(1), l.Exchange(8, 5+2*40)+l.Exchange(8, 8)+600*time.Microsecond)
		})
	}
}
