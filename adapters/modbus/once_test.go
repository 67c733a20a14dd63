package modbus

import (
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// What becomes of a write under each fault: the outcome is what the hub can know,
// and the device gets it once at most.
func TestWritesAreNeverRepeated(t *testing.T) {
	for _, transport := range transports {
		for _, c := range []struct {
			name  string
			fault modbustest.Fault
			not   string
			want  nodes.WriteState
			also  nodes.WriteState // another right one
		}{
			{name: "health", want: nodes.WriteDone},
			{name: "silent", fault: modbustest.Fault{Silent: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "late", fault: modbustest.Fault{Delay: 390 * time.Millisecond, Times: 1}, want: nodes.WriteUnknown},
			{name: "held", fault: modbustest.Fault{Held: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "damaged", fault: modbustest.Fault{Damaged: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "wrong unit", fault: modbustest.Fault{WrongUnit: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "wrong function", fault: modbustest.Fault{WrongFunction: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "closes", not: "serial", fault: modbustest.Fault{Close: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "half an answer", fault: modbustest.Fault{CloseMidFrame: true, Times: 1}, want: nodes.WriteUnknown},
			{name: "twice", fault: modbustest.Fault{Duplicate: true, Times: 1}, want: nodes.WriteDone},
			{name: "echo", not: "tcp", fault: modbustest.Fault{Echo: true, Times: 1}, want: nodes.WriteDone, also: nodes.WriteUnknown},
			{name: "exception", fault: modbustest.Fault{Exception: wire.DeviceFailure, Times: 1}, want: nodes.WriteRefused},
			{name: "foreign master", fault: modbustest.Fault{Foreign: true, Times: 1}, want: nodes.WriteDone},
		} {
			if strings.Contains(c.not, transport.name) {
				continue
			}
			t.Run(transport.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				bus, n, line := transport.start(t, unitNode("u", 1,
					registerNode("set", wire.HoldingRegister, 7, "", "Writable", nodes.Bool(true)),
					registerNode("switch", wire.Coil, 3, "", "Writable", nodes.Bool(true))))
				n.Params["Timeout"] = nodes.Duration(0, 300*time.Millisecond)
				n.Params["PollInterval"] = nodes.Duration(0, time.Hour) // only the writes
				u := bus.Unit(1)
				d := adaptertest.Start(t, factory(hasty), n)
				for _, id := range []string{"gw/u/set", "gw/u/switch"} {
					d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value(id) != nodes.Value{} })
				}
				s := setter(t, d)
				for i, w := range []struct {
					name  string
					value nodes.Value
					table wire.Table
					first int
					word  uint16
				}{
					{"set", nodes.Int32(1234), wire.HoldingRegister, 7, 1234},
					{"switch", nodes.Bool(true), wire.Coil, 3, 1},
				} {
					u.SetFault(c.fault)
					o := set(t, s, "gw/u/"+w.name, w.name, w.value, soon)
					if o.State != c.want && (c.also == 0 || o.State != c.also) {
						t.Errorf("%s: got %v (%v), want %v", w.name, o.State, o.Err, c.want)
					}
					if o.State.Good() != (o.Err == nil) {
						t.Errorf("%s: %v with error %v", w.name, o.State, o.Err)
					}
					if !o.State.Good() && o.Err != nil && !(strings.Contains(o.Err.Error(), line) && strings.Contains(o.Err.Error(), "unit 1")) {
						t.Errorf("%s: the error names neither line nor unit: %v", w.name, o.Err)
					}
					u.SetFault(modbustest.Fault{})
					time.Sleep(150 * time.Millisecond) // what might be repeated
					got := u.Writes()
					want := i + 1
					if c.want == nodes.WriteRefused {
						want = 0
					}
					if len(got) != want {
						t.Fatalf("%s: the unit got %+v, want %d", w.name, got, want)
					}
					if want > 0 && (got[i].Table != w.table || got[i].First != w.first || got[i].Words[0] != w.word) {
						t.Errorf("%s: the unit got %+v", w.name, got[i])
					}
				}
				if o := set(t, s, "gw/u/set", "set", nodes.Int32(4321), soon); o.State != nodes.WriteDone || u.Word(wire.HoldingRegister, 7) != 4321 {
					t.Errorf("afterwards: got %v (%v), register %d", o.State, o.Err, u.Word(wire.HoldingRegister, 7))
				}
			})
		}
	}
}

// A connection that the device closed while nobody used it: the write is sent on a
// new one, or comes to nothing; never twice.
func TestWriteOnStaleConnection(t *testing.T) {
	t.Parallel()
	server := modbustest.NewServer()
	u := server.Unit(1)
	n := gatewayNode(t, serve(t, server), unitNode("u", 1, registerNode("set", wire.HoldingRegister, 7, "", "Writable", nodes.Bool(true))))
	n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("gw/u/set") != nodes.Value{} })
	s := setter(t, d)
	for i := range 20 {
		server.Drop()
		before := len(u.Writes())
		o := set(t, s, "gw/u/set", "set", nodes.Int32(int32(i)), soon)
		time.Sleep(10 * time.Millisecond)
		got := len(u.Writes()) - before
		if got > 1 || o.State.Good() && got != 1 || o.State == nodes.WriteExpired && got != 0 {
			t.Fatalf("write %d: %v (%v), and the unit got it %d times", i, o.State, o.Err, got)
		}
	}
}
