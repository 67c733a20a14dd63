package modbus

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// runs runs something until the test ends.
func runs(t testing.TB, run func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// rtuOverTCP makes the gateway node a device server that carries RTU.
func rtuOverTCP(t testing.TB, n *nodes.Node) *nodes.Node {
	t.Helper()
	n.Params["Framing"] = nodes.String("rtu")
	return adaptertest.Fill(t, factory(hasty), n)
}

// serialNode makes a node for a serial line, with the times of gatewayNode.
func serialNode(t testing.TB, path string, baud int, units ...*nodes.Node) *nodes.Node {
	t.Helper()
	n := &nodes.Node{Children: units, Spec: nodes.Spec{Name: "gw", Type: "modbus.serial", Parent: nodes.RootID, Params: nodes.Params{
		"Port": nodes.String(path), "BaudRate": nodes.Int32(int32(baud)),
		"Timeout":      nodes.Duration(0, 200*time.Millisecond),
		"PollInterval": nodes.Duration(0, 50*time.Millisecond),
		"MinInterval":  nodes.Duration(0, 10*time.Millisecond),
	}}}
	return adaptertest.Fill(t, factory(hasty), n)
}

// transports are the ways to reach the simulated devices. Each starts one and
// returns its units, a node that reaches it, and how messages name the line.
var transports = []struct {
	name  string
	start func(t testing.TB, units ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string)
}{
	{"tcp", func(t testing.TB, units ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string) {
		s := modbustest.NewServer()
		n := gatewayNode(t, serve(t, s), units...)
		return &s.Bus, n, s.Addr()
	}},
	{"rtu", func(t testing.TB, units ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string) {
		s := modbustest.NewRTUServer()
		return &s.Bus, rtuOverTCP(t, gatewayNode(t, serve(t, s), units...)), s.Addr()
	}},
	{"serial", func(t testing.TB, units ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string) {
		l := modbustest.NewLine(115200)
		path, err := l.Open()
		if err != nil {
			t.Fatal(err)
		}
		runs(t, l.Run)
		return &l.Bus, serialNode(t, path, 115200, units...), path
	}},
}

// watched is a factory whose devices' reports are all shown to look.
func watched(f adapters.Factory, look func(nodes.Reading)) adapters.Factory {
	open := f.Open
	f.Open = func(e adapters.Env) (nodes.Device, error) {
		e.Host = &watchedHost{e.Host, look}
		return open(e)
	}
	return f
}

type watchedHost struct {
	nodes.Host
	look func(nodes.Reading)
}

func (h *watchedHost) Report(list []nodes.Reading) {
	for _, r := range list {
		h.look(r)
	}
	h.Host.Report(list)
}

// truth fills units so that each value tells where it belongs: unit in the highest
// four bits, then six bits of the address, then six bits of the turn, which goes
// up every few milliseconds.
type truth struct {
	bus       *modbustest.Bus
	units     []byte
	addresses []int

	mu    sync.Mutex
	turn  int
	since []time.Time // of each turn
}

func (x *truth) next() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.turn++
	x.since = append(x.since, time.Now())
	for _, id := range x.units {
		u := x.bus.Unit(id)
		for _, a := range x.addresses {
			u.SetWords(wire.HoldingRegister, a, truly(id, a, x.turn))
		}
	}
}

func truly(unit byte, address, turn int) uint16 {
	return uint16(unit)<<12 | uint16(address&63)<<6 | uint16(turn&63)
}

// check tells what is wrong with a value, or returns "". Old values are wrong, too:
// the turn must have been on within lately before the reading.
func (x *truth) check(unit byte, address int, v nodes.Value, at time.Time, lately time.Duration) string {
	w := uint16(v.Int())
	if want := truly(unit, address, 0); w&^63 != want {
		return fmt.Sprintf("the value %#04x belongs to unit %d, address %d", w, w>>12, w>>6&63)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	for turn := x.turn; turn > 0 && turn > x.turn-64; turn-- {
		over := time.Now()
		if turn < x.turn {
			over = x.since[turn] // turns count from 1: the start of the next
		}
		if turn&63 == int(w&63) {
			if old := at.Sub(over); old > lately {
				return fmt.Sprintf("the value is that of %v before", old)
			}
			return ""
		}
	}
	return fmt.Sprintf("the turn %d has not been lately", w&63)
}

// What is wrong is found.
func TestTruth(t *testing.T) {
	x := &truth{bus: &modbustest.Bus{}, units: []byte{1, 2}, addresses: []int{5, 6}}
	for range 100 {
		x.next()
	}
	now := time.Now()
	value := func(unit byte, address, turn int) nodes.Value { return nodes.Int32(int32(truly(unit, address, turn))) }
	for _, tt := range []struct {
		name  string
		value nodes.Value
		at    time.Time
		ok    bool
	}{
		{"now", value(1, 5, 100), now, true},
		{"the turn before", value(1, 5, 99), now, true},
		{"old", value(1, 5, 99), now.Add(time.Second), false},
		{"another unit", value(2, 5, 100), now, false},
		{"another address", value(1, 6, 100), now, false},
		{"foreign", nodes.Int32(0xdead), now, false},
	} {
		if why := x.check(1, 5, tt.value, tt.at, 100*time.Millisecond); (why == "") != tt.ok {
			t.Errorf("%s: got %q", tt.name, why)
		}
	}
}

// plantOfTruth starts three units full of truth on a transport, and a device that
// polls them: registers r5, r6, r40 and r41 of u1, u2 and u3, which takes two
// requests of the same length for each. Every value reported is checked.
func plantOfTruth(t *testing.T, start func(testing.TB, ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string)) (*adaptertest.Device, *modbustest.Bus, string) {
	t.Helper()
	addresses := []int{5, 6, 40, 41}
	where := make(map[string]struct {
		unit    byte
		address int
	})
	var units []*nodes.Node
	for id := byte(1); id <= 3; id++ {
		var registers []*nodes.Node
		for _, a := range addresses {
			registers = append(registers, registerNode(fmt.Sprint("r", a), wire.HoldingRegister, a, ""))
			x := where[fmt.Sprint("gw/u", id, "/r", a)]
			x.unit, x.address = id, a
			where[fmt.Sprint("gw/u", id, "/r", a)] = x
		}
		units = append(units, unitNode(fmt.Sprint("u", id), int(id), registers...))
	}
	bus, n, line := start(t, units...)
	n.Params["Timeout"] = nodes.Duration(0, 200*time.Millisecond)
	x := &truth{bus: bus, units: []byte{1, 2, 3}, addresses: addresses}
	x.next()
	runs(t, func(ctx context.Context) error {
		tick := time.NewTicker(7 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
				x.next()
			}
		}
	})
	var mu sync.Mutex
	wrong := make(map[string]int)
	f := watched(factory(hasty), func(r nodes.Reading) {
		at, known := where[r.Node]
		if !known || len(r.Fields) == 0 {
			return
		}
		if text := x.check(at.unit, at.address, r.Fields[0].Value, r.Fields[0].Time, 300*time.Millisecond); text != "" {
			mu.Lock()
			defer mu.Unlock()
			if wrong[r.Node]++; wrong[r.Node] == 1 {
				t.Errorf("%s: %s", r.Node, text)
			}
		}
	})
	d := adaptertest.Start(t, f, n)
	more(t, d, "values", 2, "gw/u1/r6", "gw/u2/r41", "gw/u3/r5")
	return d, bus, line
}

// more waits for k more readings of each node, the last of them good.
func more(t *testing.T, d *adaptertest.Device, what string, k int, ids ...string) {
	t.Helper()
	before := make(map[string]int)
	for _, id := range ids {
		before[id] = d.Host.Count(id)
	}
	for _, id := range ids {
		d.Host.Wait(t, 4*soon, what+" of "+id, func() bool { return d.Host.Count(id) >= before[id]+k && d.Host.Err(id) == nil })
	}
}
