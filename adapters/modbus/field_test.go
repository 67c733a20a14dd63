package modbus

import (
	"fmt"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// What went wrong in other gateways in the field, each a case of its own.

// A unit that dies on one line is no reason to rest the unit with the same id on
// another.
func TestFieldSameUnitIdOnTwoLines(t *testing.T) {
	t.Parallel()
	f := factory(hasty)
	var devices []*adaptertest.Device
	var servers []*modbustest.Server
	for range 2 {
		s := modbustest.NewServer()
		s.Unit(1).SetWords(wire.HoldingRegister, 0, 1)
		s.Unit(2).SetWords(wire.HoldingRegister, 0, 2)
		n := gatewayNode(t, serve(t, s), unitNode("u1", 1, registerNode("r", wire.HoldingRegister, 0, "")), unitNode("u2", 2, registerNode("r", wire.HoldingRegister, 0, "")))
		d := adaptertest.Start(t, f, n)
		d.Host.Wait(t, soon, "values", func() bool { return d.Host.Count("gw/u1/r") > 0 && d.Host.Count("gw/u2/r") > 0 })
		devices, servers = append(devices, d), append(servers, s)
	}
	servers[0].Unit(1).SetFault(modbustest.Fault{Silent: true})
	a, b := devices[0], devices[1]
	a.Host.Wait(t, soon, "silence of one", func() bool { return a.Host.Err("gw/u1/r") != nil })
	for i, d := range devices {
		alive := "gw/u2/r"
		if i == 1 {
			alive = "gw/u1/r"
		}
		count := d.Host.Count(alive)
		d.Host.Wait(t, soon, "readings of the others", func() bool { return d.Host.Count(alive) > count+5 })
	}
	if err := b.Host.Err("gw/u1/r"); err != nil || b.Host.AllMessages(EventBudget) != 0 {
		t.Errorf("the other line: got %v and %q", err, messages(b.Host, "gw/u1"))
	}
}

// A request that fails takes nothing from those after it, whatever their order.
func TestFieldFirstRequestFails(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).RefuseHoles(true)
	s.Unit(1).SetWords(wire.HoldingRegister, 500, 5)
	s.Unit(1).SetBits(wire.Coil, 3, true)
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("missing", wire.HoldingRegister, 0, ""),
		registerNode("there", wire.HoldingRegister, 500, ""), registerNode("coil", wire.Coil, 3, "")))
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "the others", func() bool {
		return d.Host.Value("gw/u/there") == nodes.Int32(5) && d.Host.Value("gw/u/coil") == nodes.Bool(true) && d.Host.Err("gw/u/missing") != nil
	})
}

// Eight coils travel in a byte, whichever of them are wanted.
func TestFieldPackedCoils(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	var list []*nodes.Node
	want := make(map[string]bool)
	bits := make([]bool, 40)
	for i := range bits {
		bits[i] = i%3 == 0 || i%7 == 2
		if i%5 != 4 {
			name := fmt.Sprint("c", i)
			list = append(list, registerNode(name, wire.Coil, 100+i, ""))
			want["gw/u/"+name] = bits[i]
		}
	}
	s.Unit(1).SetBits(wire.Coil, 100, bits...)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, list...)))
	for id, v := range want {
		d.Host.Wait(t, soon, id, func() bool { return d.Host.Count(id) > 0 })
		if got := d.Host.Value(id); got != nodes.Bool(v) {
			t.Errorf("%s: got %v, want %v", id, got, v)
		}
	}
	if n := s.Unit(1).Requests(); n > 20 {
		t.Errorf("%d requests for %d coils", n, len(want))
	}
}

// An exception proves that the connection works.
func TestFieldExceptionKeepsTheConnection(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).RefuseHoles(true)
	s.Unit(1).SetWords(wire.HoldingRegister, 10, 1)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("missing", wire.HoldingRegister, 0, ""), registerNode("there", wire.HoldingRegister, 10, ""))))
	d.Host.Wait(t, soon, "many readings", func() bool { return d.Host.Count("gw/u/there") > 10 && d.Host.Count("gw/u/missing") > 2 })
	if open, total := s.Connections(); open != 1 || total != 1 {
		t.Errorf("%d connections, %d in all; want one", open, total)
	}
}

// A value keeps the time at which it was read, however often it is asked for while
// the unit is silent.
func TestFieldStaleValuesKeepTheirTime(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 1)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Count("gw/u/r") > 0 })
	s.Unit(1).SetFault(modbustest.Fault{Silent: true})
	d.Host.Wait(t, soon, "silence", func() bool { return d.Host.Err("gw/u/r") != nil })
	at := time.Now()
	for range 3 {
		for _, r := range d.Read(soon, "gw/u/r") {
			for _, f := range r.Fields {
				if f.Time.After(at) {
					t.Errorf("got a value of %v, read before %v", f.Time, at)
				}
			}
			if r.Err == nil {
				t.Error("got no error")
			}
		}
	}
}
