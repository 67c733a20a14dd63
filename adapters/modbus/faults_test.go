package modbus

import (
	"context"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// faultCase is a fault of one unit on a line with three.
type faultCase struct {
	name  string
	fault modbustest.Fault
	not   string // transports it does not exist on
	event string // of the unit's message; "": the values go on; "any": either is right
	text  string // part of it; others by transport in texts
	texts map[string]string
}

// The hardest of them is "late" on RTU, which has no transaction id: the answer to a
// request that nobody waits for any more comes while the unit was asked for other
// registers with a request of the same length, and looks like the answer to that.
var faultCases = []faultCase{
	{name: "health"},
	{name: "silent", fault: modbustest.Fault{Silent: true}, event: EventSilent, text: "no answer within 200ms"},
	{name: "late", fault: modbustest.Fault{Delay: 260 * time.Millisecond}, event: EventSilent, text: "no answer within 200ms"},
	{name: "during the next request", fault: modbustest.Fault{Held: true}, event: EventSilent, text: "no answer within 200ms"},
	{name: "wrong transaction", not: "rtu serial", fault: modbustest.Fault{WrongTransaction: true}, event: EventSilent, text: "late or foreign"},
	{name: "wrong unit", fault: modbustest.Fault{WrongUnit: true}, event: EventSilent, text: "unit 2"},
	{name: "wrong function", fault: modbustest.Fault{WrongFunction: true}, event: EventSilent, text: "function 4"},
	{name: "short", fault: modbustest.Fault{Short: true}, event: EventRefused + " holdingRegister", text: "2 bytes in place of 4"},
	{name: "long", fault: modbustest.Fault{Long: true}, event: EventRefused + " holdingRegister", text: "6 bytes in place of 4"},
	{name: "busy", fault: modbustest.Fault{Exception: wire.DeviceBusy}, event: EventRefused + " holdingRegister", text: "exception 6"},
	{name: "no target", fault: modbustest.Fault{Exception: wire.TargetNotResponded}, event: EventSilent, text: "exception 11"},
	{name: "closes", not: "serial", fault: modbustest.Fault{Close: true}, event: EventSilent, text: "closed the connection"},
	{name: "half an answer", fault: modbustest.Fault{CloseMidFrame: true}, event: EventSilent, text: "closed the connection",
		texts: map[string]string{"serial": "no answer within 200ms"}},
	{name: "damaged", fault: modbustest.Fault{Damaged: true}, event: EventSilent, text: "CRC",
		texts: map[string]string{"tcp": "not a Modbus TCP frame"}},
	{name: "twice", fault: modbustest.Fault{Duplicate: true}},
	{name: "byte by byte", fault: modbustest.Fault{Split: true}},
	{name: "echo", not: "tcp", fault: modbustest.Fault{Echo: true}},
	{name: "echo without an answer", not: "tcp", fault: modbustest.Fault{Echo: true, Silent: true}, event: EventSilent, text: "no answer within 200ms"},
	{name: "foreign master", fault: modbustest.Fault{Foreign: true}},
	{name: "noise alone", not: "tcp", fault: modbustest.Fault{Noise: 9, Silent: true}, event: EventSilent, text: "no answer within 200ms"},
	{name: "noise before the answer", fault: modbustest.Fault{Noise: 3}, event: "any"},
}

// Each fault on each transport: the right state and message, values or none, but
// never a wrong one; the units beside go on; and all is well afterwards.
func TestFaultMatrix(t *testing.T) {
	for _, transport := range transports {
		for _, c := range faultCases {
			if strings.Contains(c.not, transport.name) {
				continue
			}
			t.Run(transport.name+"/"+c.name, func(t *testing.T) {
				t.Parallel()
				testFault(t, transport.start, transport.name, c)
			})
		}
	}
}

func testFault(t *testing.T, start func(testing.TB, ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string), transport string, c faultCase) {
	d, bus, line := plantOfTruth(t, start)
	bus.Unit(1).SetFault(c.fault)
	text := c.text
	if special := c.texts[transport]; special != "" {
		text = special
	}
	if c.event != "" && c.event != "any" {
		for _, a := range []int{5, 6, 40, 41} {
			id := fmt.Sprint("gw/u1/r", a)
			d.Host.Wait(t, 4*soon, "an error of "+id, func() bool { return d.Host.Err(id) != nil })
		}
		d.Host.Wait(t, 4*soon, "a message", func() bool { return len(d.Host.Messages("gw/u1")) > 0 })
		got := messages(d.Host, "gw/u1")
		for _, part := range []string{"[" + c.event + "]", text, line, "unit 1, function 3, holding registers "} {
			if !strings.Contains(got, part) {
				t.Errorf("messages: got %q, want them to hold %q", got, part)
			}
		}
	}
	more(t, d, "values beside the fault", 5, "gw/u2/r5", "gw/u3/r41")
	if c.event == "" {
		more(t, d, "values in spite of the fault", 5, "gw/u1/r5", "gw/u1/r41")
		if d.Host.AllMessages(EventBudget) != 0 {
			t.Errorf("messages: gateway %q, unit %q", messages(d.Host, "gw"), messages(d.Host, "gw/u1"))
		}
	}
	bus.Unit(1).SetFault(modbustest.Fault{})
	d.Host.Wait(t, 4*soon, "recovery", func() bool { return d.Host.AllMessages(EventBudget) == 0 })
	more(t, d, "values afterwards", 3, "gw/u1/r5", "gw/u1/r41", "gw/u2/r5")
}

// A unit that babbles takes the whole line with it: no value of any unit is wrong,
// and all come back when it stops.
func TestBabblingLine(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			d, bus, _ := plantOfTruth(t, transport.start)
			bus.Unit(1).SetFault(modbustest.Fault{Babble: true})
			d.Host.Wait(t, 4*soon, "an error of the babbling unit", func() bool { return d.Host.Err("gw/u1/r5") != nil && d.Host.AllMessages(EventBudget) > 0 })
			time.Sleep(500 * time.Millisecond)
			bus.Unit(1).SetFault(modbustest.Fault{})
			d.Host.Wait(t, 4*soon, "recovery", func() bool { return d.Host.AllMessages(EventBudget) == 0 })
			more(t, d, "values afterwards", 3, "gw/u1/r5", "gw/u2/r41", "gw/u3/r5")
		})
	}
}

// Another master asks other units all the time, whose answers are on the line as
// well: no value of theirs is taken for ours, and ours arrive.
func TestForeignMaster(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			d, bus, _ := plantOfTruth(t, transport.start)
			answer := []byte{4, 0xde, 0xad, 0xde, 0xad}
			request, reply := modbustest.RTUFrame(9, 3, 0, 5, 0, 2), modbustest.RTUFrame(9, 3, answer...)
			if transport.name == "tcp" {
				request = wire.ADU{Transaction: 9, Unit: 9, Function: 3, Data: []byte{0, 5, 0, 2}}.Append(nil)
				reply = wire.ADU{Transaction: 9, Unit: 9, Function: 3, Data: answer}.Append(nil)
			}
			runs(t, func(ctx context.Context) error {
				tick := time.NewTicker(61 * time.Millisecond) // so that most requests meet none
				defer tick.Stop()
				for {
					select {
					case <-ctx.Done():
						return nil
					case <-tick.C:
						bus.Send(request)
						bus.Send(reply)
					}
				}
			})
			more(t, d, "values", 10, "gw/u1/r5", "gw/u2/r41", "gw/u3/r6")
		})
	}
}

// A unit that needs a pause between requests, which is configured.
func TestRequestPause(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			start := func(t testing.TB, units ...*nodes.Node) (*modbustest.Bus, *nodes.Node, string) {
				bus, n, line := transport.start(t, units...)
				n.Params["RequestPause"] = nodes.Duration(0, 30*time.Millisecond)
				for id := byte(1); id <= 3; id++ {
					bus.Unit(id).NeedPause(20 * time.Millisecond)
				}
				return bus, adaptertest.Fill(t, factory(hasty), n), line
			}
			d, _, _ := plantOfTruth(t, start)
			more(t, d, "values", 5, "gw/u1/r5", "gw/u1/r41", "gw/u2/r5", "gw/u3/r41")
			if d.Host.AllMessages(EventBudget) != 0 {
				t.Errorf("messages: %q, %q", messages(d.Host, "gw"), messages(d.Host, "gw/u1"))
			}
		})
	}
}

// A device that serves one connection at a time, and somebody else has it.
func TestConnectionTaken(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 42)
	s.LimitConnections(1)
	port := serve(t, s)
	other, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for open := 0; open == 0; open, _ = s.Connections() {
		time.Sleep(time.Millisecond)
	}
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, port, unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	d.Host.Wait(t, soon, "the message", func() bool {
		return strings.Contains(messages(d.Host, "gw"), "no connection to "+s.Addr()) && d.Host.Err("gw/u/r") != nil
	})
	_, before := s.Connections()
	time.Sleep(300 * time.Millisecond)
	if _, after := s.Connections(); after-before > 8 {
		t.Errorf("%d attempts in 300 ms, want a few", after-before)
	}
	other.Close()
	d.Host.Wait(t, soon, "recovery", func() bool {
		return d.Host.AllMessages(EventBudget) == 0 && d.Host.Value("gw/u/r") == nodes.Int32(42)
	})
	if open, _ := s.Connections(); open != 1 {
		t.Errorf("%d connections, want 1", open)
	}
}

// The adapter is pulled and plugged in again, as another terminal.
func TestAdapterPulled(t *testing.T) {
	t.Parallel()
	l := modbustest.NewLine(0)
	l.Unit(1).SetWords(wire.HoldingRegister, 0, 42)
	path, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	runs(t, l.Run)
	d := adaptertest.Start(t, factory(hasty), serialNode(t, path, 9600, unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	for range 3 {
		more(t, d, "values", 2, "gw/u/r")
		l.Unplug()
		d.Host.Wait(t, soon, "the message", func() bool {
			return strings.Contains(messages(d.Host, "gw"), path) && d.Host.Err("gw/u/r") != nil
		})
		if got := messages(d.Host, "gw/u"); got != "" {
			t.Errorf("the unit bears the line's message: %s", got)
		}
		if err := l.Plug(); err != nil {
			t.Fatal(err)
		}
		d.Host.Wait(t, soon, "recovery", func() bool { return d.Host.AllMessages(EventBudget) == 0 })
	}
	more(t, d, "values", 2, "gw/u/r")
}

// The tree that comes with the plant's serial line fits it.
func TestLineTree(t *testing.T) {
	t.Parallel()
	p := modbustest.NewPlant(1)
	serve(t, p.Server)
	path, err := p.Line.Open()
	if err != nil {
		t.Fatal(err)
	}
	runs(t, p.Line.Run)
	f := Factory()
	line := adaptertest.Fill(t, f, modbustest.LineTree(path)[0])
	d := adaptertest.Start(t, f, line)
	n := 0
	line.Walk(func(x *nodes.Node) bool {
		if x.Type == TypeRegister {
			n++
			d.Host.Wait(t, 2*soon, x.ID, func() bool { return d.Host.Count(x.ID) > 0 })
			if err := d.Host.Err(x.ID); err != nil {
				t.Errorf("%s: %v", x.ID, err)
			}
		}
		return true
	})
	if n != 6 {
		t.Errorf("the line has %d registers", n)
	}
	if v := d.Host.Value("line/compressor/pressure"); v.String() != "7.40 bar" {
		t.Errorf("pressure: got %s", v)
	}
	if v := d.Host.Value("line/compressor/energy"); v.String() != "345.67 kWh" && v.String() != "345.68 kWh" {
		t.Errorf("energy: got %s", v)
	}
}
