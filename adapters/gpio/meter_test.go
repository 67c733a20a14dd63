package gpio

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
)

// wave makes edges of a square wave: n periods from a time on.
func wave(at, period time.Duration, n int) (list []cdev.Event) {
	for range n {
		list = append(list, cdev.Event{Time: at, Rising: true}, cdev.Event{Time: at + period/2})
		at += period
	}
	return list
}

func number64(list []cdev.Event) []cdev.Event {
	for i := range list {
		list[i].LineSeq = uint32(i + 1)
	}
	return list
}

func TestMeterCounts(t *testing.T) {
	for _, tt := range []struct {
		count   edges
		without [2]int // edges from, to that are lost
		want    int64
		lost    int64
	}{
		{countRising, [2]int{}, 100, 0}, {countFalling, [2]int{}, 100, 0}, {countBoth, [2]int{}, 200, 0}, {countNone, [2]int{}, 0, 0},
		{countRising, [2]int{10, 21}, 100, 11}, {countFalling, [2]int{10, 21}, 100, 11}, {countBoth, [2]int{10, 21}, 200, 11},
		{countRising, [2]int{11, 22}, 100, 11}, {countFalling, [2]int{11, 23}, 100, 12}, {countRising, [2]int{11, 23}, 100, 12},
	} {
		m := meter{cfg: meterConfig{count: tt.count, idle: time.Minute}}
		m.start(false, 0)
		for i, e := range number64(wave(time.Second, time.Millisecond, 100)) {
			if i < tt.without[0] || i >= tt.without[1] {
				m.edge(e)
			}
		}
		if m.count != tt.want || m.lost != tt.lost {
			t.Errorf("%s without %v: got %d, lost %d, want %d, lost %d", edgeNames[tt.count], tt.without, m.count, m.lost, tt.want, tt.lost)
		}
	}
	m := meter{cfg: meterConfig{count: countBoth}} // numbers run over, and begin anew
	m.start(false, 0)
	for _, seq := range []uint32{math.MaxUint32, 0, 1, 2, 1, 2} {
		m.edge(cdev.Event{LineSeq: seq})
	}
	if m.count != 6 {
		t.Errorf("numbers that run over: got %d, want 6", m.count)
	}
}

func TestMeterRates(t *testing.T) {
	for _, tt := range []struct {
		name   string
		period time.Duration
		n      int
		after  time.Duration // the last rising edge
		want   float64       // Hz
	}{
		{"1 kHz", time.Millisecond, 3000, 0, 1000}, {"50 Hz", 20 * time.Millisecond, 200, 0, 50},
		{"one a minute", time.Minute, 5, 0, 1. / 60}, {"slows down", time.Second, 5, 4 * time.Second, 0.25},
		{"idle", time.Second, 5, 10 * time.Minute, 0}, {"one edge", time.Second, 1, 0, 0}, {"two edges", 100 * time.Millisecond, 2, 0, 10},
	} {
		m := meter{cfg: meterConfig{count: countRising, perPulse: 0.5, ratePer: time.Minute, frequency: true, idle: 10 * time.Minute}}
		m.start(false, 0)
		list := number64(wave(time.Hour, tt.period, tt.n))
		for _, e := range list {
			m.edge(e)
		}
		now := list[len(list)-2].Time + tt.after
		got := m.freq.hertz(now, m.cfg.idle)
		if math.Abs(got-tt.want) > 1e-3*tt.want {
			t.Errorf("%s: got %v Hz, want %v", tt.name, got, tt.want)
		}
		if rate := m.perTime(now); math.Abs(rate-tt.want*30) > 1e-3*tt.want*30 {
			t.Errorf("%s: got a rate of %v, want %v", tt.name, rate, tt.want*30)
		}
	}
}

func TestMeterFields(t *testing.T) {
	m := meter{cfg: meterConfig{count: countRising, perPulse: 0.001, unit: "kWh", decimals: 3, rateUnit: "kW", ratePer: time.Hour,
		idle: time.Minute, frequency: true, pulseLength: true, onTime: true}}
	m.start(false, 0)
	m.setTotal(1234.567)
	for _, e := range number64(wave(time.Hour, 2*time.Second, 10)) {
		m.edge(e)
	}
	m.edge(cdev.Event{Time: time.Hour + 20*time.Second, Rising: true, LineSeq: 21})
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var got []string
	for _, f := range m.fields("meter", time.Hour+21*time.Second, at, at) {
		got = append(got, f.Name+" "+f.Value.String())
	}
	want := "meter true|meter count 11|meter total 1234.578 kWh|meter rate 1.800 kW|meter frequency 0.5000 Hz|meter pulse length 1.000000 s|meter on time 11.0 s"
	if s := strings.Join(got, "|"); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestCounterSurvives(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 2)
	n := chipNode(t, "sim", inputNode("meter", "0", "Count", "rising", "PerPulse", 0.1, "Unit", "m³", "OnTime", true), inputNode("door", "1"))
	h := adaptertest.NewHost(n)
	pulse := func(times int) {
		for range times {
			c.Drive(0, true)
			c.Drive(0, false)
		}
	}
	d := adaptertest.StartWith(t, factory(b, hasty), n, h)
	waitFor(t, d, "io/meter", "meter total", "0.0 m³")
	pulse(7)
	waitFor(t, d, "io/meter", "meter total", "0.7 m³")
	// Within the stated time it is on the shelf, so that a crash loses no more.
	h.Wait(t, soon, "a record", func() bool {
		b, _ := h.Shelf().Get(keyKept("io/meter"))
		k, _, err := decodeKept(b)
		return err == nil && k.count == 7
	})
	if err := d.Execute(soon, "io/meter", "SetTotal", params("Total", 100.0)); err != nil {
		t.Fatal(err)
	}
	pulse(1)
	waitFor(t, d, "io/meter", "meter total", "100.1 m³")
	d.Stop()
	again := func(h *adaptertest.Host) (*adaptertest.Device, *adaptertest.Host) {
		next := adaptertest.NewHost(n)
		h.Shelf().Range(func(k string, v []byte) bool { next.Shelf().Put(k, v); return true })
		return adaptertest.StartWith(t, factory(b, hasty), n, next), next
	}
	d, h = again(h)
	waitFor(t, d, "io/meter", "meter total", "100.1 m³")
	waitFor(t, d, "io/meter", "meter count", "8")
	d.Stop()
	h.Shelf().Put(keyKept("io/meter"), []byte(`{"v":1,"count":9,"base":1,"sum":1}`))
	d, _ = again(h)
	waitMessage(t, d, "io/meter", EventCounter, "the kept count of meter is damaged", "checksum", "SetTotal")
	waitFor(t, d, "io/meter", "meter total", "0.0 m³")
	if err := d.Execute(soon, "io/meter", "SetTotal", params("Total", 7.0)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, d, "io/meter", "meter total", "7.0 m³")
	waitCleared(t, d, "io/meter", EventCounter)
	if err := d.Execute(soon, "io/door", "SetTotal", params("Total", 7.0)); err == nil {
		t.Error("a total of what is not counted")
	}
	d.Update(nodes.Change{Removed: []string{"io/meter"}})
	d.Host.Wait(t, soon, "the record is gone", func() bool { _, ok := d.Host.Shelf().Get(keyKept("io/meter")); return !ok })
}

func FuzzKept(f *testing.F) {
	f.Add(encodeKept(kept{7, 1.5, time.Second}, 0.1))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, pulse, err := decodeKept(b)
		if err != nil {
			return
		}
		again, p, err := decodeKept(encodeKept(k, pulse))
		if err != nil || again != k || p != pulse {
			t.Fatalf("round trip: %+v %v, %v, want %+v %v", again, p, err, k, pulse)
		}
	})
}

// Values that change without an edge are told too.
func TestTicks(t *testing.T) {
	t.Parallel()
	b := gpiotest.NewBoard()
	c := b.Add("sim", 1)
	d := start(t, b, chipNode(t, "sim", inputNode("flow", "0", "Count", "rising", "PerPulse", 1.0, "Unit", "l", "RatePer", "second", "IdleAfter", time.Second, "Frequency", true)))
	waitFor(t, d, "io/flow", "flow rate", "0 l/s")
	now := cdev.Now()
	c.Feed(0, 0, cdev.Event{Time: now - 200*time.Millisecond, Rising: true}, cdev.Event{Time: now - 150*time.Millisecond},
		cdev.Event{Time: now - 100*time.Millisecond, Rising: true}, cdev.Event{Time: now - 50*time.Millisecond})
	waitFor(t, d, "io/flow", "flow count", "2")
	if f := field(d.Host, "io/flow", "flow rate"); f.Category != nodes.Computed || f.Value.Double() < 1 || f.Value.Double() > 10 || f.Value.Unit() != "l/s" {
		t.Errorf("the rate is %v", f)
	}
	waitFor(t, d, "io/flow", "flow rate", "0 l/s")
	waitFor(t, d, "io/flow", "flow frequency", "0 Hz")
	c.Feed(0, 20, cdev.Event{Time: cdev.Now(), Rising: true})
	waitMessage(t, d, "io/flow", EventLost, "20 edges")
	waitFor(t, d, "io/flow", "flow count", "13")
}
