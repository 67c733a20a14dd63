package modbus

import (
	"errors"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func TestCounts(t *testing.T) {
	var n counts
	for _, err := range []error{nil, wire.IllegalAddress, &silentError{}, &damagedError{errors.New("CRC")}, &brokenError{errors.New("closed")},
		&downError{err: errors.New("refused")}} { // the last: nothing was sent
		n.note(err)
	}
	if want := (counts{requests: 5, timeouts: 1, exceptions: 1, damaged: 1, others: 1}); n != want {
		t.Errorf("got %+v, want %+v", n, want)
	}
}

// What a line and its units did is told as fields.
func TestStatistics(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).RefuseHoles(true)
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 1, 2)
	s.Unit(1).SetWords(wire.HoldingRegister, 4, 3)
	s.Unit(2).SetFault(modbustest.Fault{Silent: true})
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("a", wire.HoldingRegister, 0, ""), registerNode("b", wire.HoldingRegister, 4, "")),
		unitNode("dead", 2, registerNode("a", wire.HoldingRegister, 0, "")))
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "many readings", func() bool { return d.Host.Count("gw/u/b") > 10 && d.Host.Err("gw/dead/a") != nil })
	for range 2 { // the utilisation is of the time since the last look
		d.Read(soon, "gw")
		time.Sleep(100 * time.Millisecond)
	}
	got := d.Read(soon, "gw", "gw/u", "gw/dead")
	value := func(node, name string) nodes.Value {
		for _, f := range got[node].Fields {
			if f.Name == name {
				if f.Category != nodes.Status || time.Since(f.Time) > soon {
					t.Errorf("%s of %s: %+v", name, node, f)
				}
				return f.Value
			}
		}
		return nodes.Value{}
	}
	for _, tt := range []struct {
		node, field string
		low, high   float64
	}{
		{"gw", "Requests", 20, 1e6}, {"gw", "Time-outs", 1, 1e6}, {"gw", "Exceptions", 1, 10}, {"gw", "Damaged answers", 0, 0},
		{"gw", "Bytes sent", 240, 1e9}, {"gw", "Bytes received", 200, 1e9}, {"gw", "Silent units", 1, 1},
		{"gw", "Response time p50", 0.00001, 5}, {"gw", "Utilisation", 0.001, 100}, {"gw", "Planned utilisation", 0.001, 1000}, {"gw", "Scan time", 0, 5},
		{"gw/u", "Requests", 20, 1e6}, {"gw/u", "Time-outs", 0, 0}, {"gw/u", "Exceptions", 1, 10}, {"gw/u", "Response time p99", 0.00001, 5},
		{"gw/dead", "Time-outs", 1, 1e6},
	} {
		v := value(tt.node, tt.field)
		if v.IsZero() || v.Double() < tt.low || v.Double() > tt.high {
			t.Errorf("%s of %s: got %v, want %v to %v", tt.field, tt.node, v, tt.low, tt.high)
		}
	}
	if got := value("gw/u", "Learned holes").String(); got != "holdingRegister 1-3" {
		t.Errorf("learned holes: got %q", got)
	}
}

// An exception is told from an answer that looks like one in the other framing.
func TestRefusal(t *testing.T) {
	for _, tt := range []struct {
		name  string
		kind  endpointKind
		frame []byte
		want  bool
	}{
		{"TCP, an exception", kindTCP, []byte{0, 1, 0, 0, 0, 3, 7, 0x83, 2}, true},
		{"TCP, an answer", kindTCP, []byte{0, 1, 0, 0, 0, 5, 7, 3, 2, 0x80, 0x80}, false},
		{"TCP, a unit above 128", kindTCP, []byte{0, 0x80, 0, 0, 0, 4, 0x83, 3, 1, 0x80}, false},
		{"RTU, an exception", kindSerial, []byte{7, 0x83, 2, 0x61, 0x31}, true},
		{"RTU, two registers, the CRC begins as an exception does", kindSerial, []byte{7, 3, 4, 0, 1, 0, 2, 0x83, 0x80}, false},
		{"RTU over TCP, an exception", kindRTUOverTCP, []byte{7, 0x86, 1, 0x61, 0x31}, true},
		{"nothing", kindTCP, nil, false},
	} {
		if got := refusal(tt.kind, tt.frame); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}
