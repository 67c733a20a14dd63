package modbus

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// The view follows each change, and the old one stays as it was.
func TestLook(t *testing.T) {
	s := modbustest.NewServer()
	s.Unit(1)
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("a", wire.HoldingRegister, 0, ""), registerNode("b", wire.HoldingRegister, 0, "")))
	idle, err := factory(hasty).Open(adapters.Env{Node: n, Host: adaptertest.NewHost(n)})
	if err != nil || idle.(*device).look() != nil {
		t.Fatalf("before Run: got a view, or %v", err)
	}
	d := adaptertest.Start(t, factory(hasty), n)
	dev := d.Device.(*device)
	d.Host.Wait(t, soon, "values", func() bool { return d.Host.Count("gw/u/b") > 0 })
	v := dev.look()
	u := v.units["gw/u"]
	if v.line == nil || u == nil || len(u.points) != 2 || u.cfg.id != 1 || u.cfg.timeout != 200*time.Millisecond || v.points["gw/u/b"] != u.points[1] || u.points[1].unit != u {
		t.Fatalf("got %+v", v)
	}
	if dev.look() != v {
		t.Error("a new view without a change")
	}
	put := n.Children[0].Children[1].Spec
	put.Params["Address"] = nodes.Int32(7)
	d.Update(nodes.Change{Put: []*nodes.Node{{Spec: put}}, Removed: []string{"gw/u/a"}})
	d.Host.Wait(t, soon, "the change", func() bool { return dev.look() != v })
	w := dev.look()
	if len(w.points) != 1 || len(w.units["gw/u"].points) != 1 || w.points["gw/u/b"].cfg.first != 7 || v.points["gw/u/b"].cfg.first != 0 || len(u.points) != 2 {
		t.Errorf("got %+v, the old one %+v", w, v)
	}
	d.Stop()
	if dev.look() != nil {
		t.Error("a view after Run")
	}
}

// What is heard outside of polling counts as much as polling itself; what was
// written is read again ahead of polling.
func TestHeardAndRefresh(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("a", wire.HoldingRegister, 0, "")))
	n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
	d := adaptertest.Start(t, factory(hasty), n)
	dev := d.Device.(*device)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Count("gw/u/a") > 0 })

	u.SetWords(wire.HoldingRegister, 0, 42)
	dev.refresh("gw/u/a", "gw/u/b")
	d.Host.Wait(t, soon, "the new value", func() bool { return d.Host.Value("gw/u/a") == nodes.Int32(42) })

	dev.heard("gw/u", "function 6, holding register 0", time.Second, &silentError{after: time.Second})
	dev.heard("gw/x", "", 0, nil)
	d.Host.Wait(t, soon, "silence", func() bool { return d.Host.Err("gw/u/a") != nil })
	d.Host.Wait(t, soon, "an answer to a probe", func() bool { return d.Host.AllMessages(EventBudget) == 0 })

	u.SetFault(modbustest.Fault{Silent: true})
	dev.heard("gw/u", "function 6, holding register 0", time.Second, &silentError{after: time.Second})
	d.Host.Wait(t, soon, "a message", func() bool {
		return strings.Contains(messages(d.Host, "gw/u"), "unit 1, function 6, holding register 0: no answer within 1s")
	})
	dev.heard("gw/u", "function 6, holding register 0", time.Millisecond, wire.IllegalAddress)
	d.Host.Wait(t, soon, "a sign of life", func() bool { return d.Host.AllMessages(EventBudget) == 0 })

	dev.heard("gw/u", "function 6", time.Millisecond, &downError{"host:502", errors.New("gone"), time.Now().Add(time.Hour)})
	d.Host.Wait(t, soon, "no connection", func() bool { return len(d.Host.Messages("gw")) > 0 })
	dev.heard("gw/u", "function 6", time.Millisecond, context.Canceled)
	dev.heard("gw/u", "function 6", time.Millisecond, nil)
	d.Host.Wait(t, soon, "a connection", func() bool { return d.Host.AllMessages(EventBudget) == 0 })
}
