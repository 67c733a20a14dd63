package modbus

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// writable makes a register that may be written.
func writable(name string, table wire.Table, address int, typ string, more ...any) *nodes.Node {
	return registerNode(name, table, address, typ, append(more, "Writable", nodes.Bool(true))...)
}

// quiet starts a device that polls once an hour, with one unit u of id 1.
func quiet(t *testing.T, registers ...*nodes.Node) (*adaptertest.Device, *modbustest.Unit, *modbustest.Server) {
	t.Helper()
	s := modbustest.NewServer()
	u := s.Unit(1)
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registers...))
	n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
	d := adaptertest.Start(t, factory(hasty), n)
	for _, r := range registers {
		d.Host.Wait(t, soon, "a first value", func() bool { return d.Host.Count(r.ID) > 0 })
	}
	return d, u, s
}

func setting(name string, v nodes.Value) nodes.Setting {
	return nodes.Setting{Node: "gw/u/" + name, Name: name, Value: v}
}

// wrote names writes in words: "16 holding registers 5 to 6 = 1 2".
func wrote(list []modbustest.Write) (out []string) {
	for _, w := range list {
		text := fmt.Sprintf("%d %s =", w.Function, w.Table.Range(w.First, len(w.Words)))
		for _, v := range w.Words {
			text += fmt.Sprint(" ", v)
		}
		if w.Refused != 0 {
			text += " refused"
		}
		out = append(out, text)
	}
	return out
}

// Which requests writes become.
func TestWriteRequests(t *testing.T) {
	multiple, single := nodes.String("multiple"), nodes.String("single")
	registers := func() []*nodes.Node {
		return []*nodes.Node{
			writable("a", wire.HoldingRegister, 10, "uint16"), writable("b", wire.HoldingRegister, 11, "uint32"), writable("c", wire.HoldingRegister, 13, "int16"),
			writable("alone", wire.HoldingRegister, 14, "uint16", "WriteFunction", single), writable("many", wire.HoldingRegister, 20, "uint16", "WriteFunction", multiple),
			writable("bit", wire.HoldingRegister, 30, "bool", "Bit", nodes.Int32(3)), writable("low", wire.HoldingRegister, 30, "uint8low"),
			writable("bit16", wire.HoldingRegister, 31, "bool", "Bit", nodes.Int32(0), "WriteFunction", multiple),
			writable("bits", wire.HoldingRegister, 32, "uint32", "Bit", nodes.Int32(12), "Bits", nodes.Int32(8)),
			writable("p", wire.Coil, 4, ""), writable("q", wire.Coil, 5, ""), writable("one", wire.Coil, 9, "", "WriteFunction", multiple),
			writable("text", wire.HoldingRegister, 40, "string", "Length", nodes.Int32(2)),
		}
	}
	for _, tt := range []struct {
		name    string
		refuse  []byte
		set     []nodes.Setting
		want    string
		outcome string
	}{
		{"one register", nil, []nodes.Setting{setting("a", nodes.Int32(7))}, "6 holding register 10 = 7", "done"},
		{"two registers", nil, []nodes.Setting{setting("b", nodes.Int64(1<<16+2))}, "16 holding registers 11 to 12 = 1 2", "done"},
		{"a text", nil, []nodes.Setting{setting("text", nodes.String("AB"))}, "16 holding registers 40 to 41 = 16706 0", "done"},
		{"only 16", nil, []nodes.Setting{setting("many", nodes.Int32(7))}, "16 holding register 20 = 7", "done"},
		{"one coil", nil, []nodes.Setting{setting("p", nodes.Bool(true))}, "5 coil 4 = 1", "done"},
		{"only 15", nil, []nodes.Setting{setting("one", nodes.Bool(true))}, "15 coil 9 = 1", "done"},
		{"neighbours in order", nil, []nodes.Setting{setting("a", nodes.Int32(7)), setting("b", nodes.Int64(8)), setting("c", nodes.Int32(-1))},
			"16 holding registers 10 to 13 = 7 0 8 65535", "done done done"},
		{"neighbours in another order", nil, []nodes.Setting{setting("b", nodes.Int64(8)), setting("a", nodes.Int32(7))},
			"16 holding registers 11 to 12 = 0 8, 6 holding register 10 = 7", "done done"},
		{"not those of which only one may be written", nil, []nodes.Setting{setting("c", nodes.Int32(1)), setting("alone", nodes.Int32(2))},
			"6 holding register 13 = 1, 6 holding register 14 = 2", "done done"},
		{"coils", nil, []nodes.Setting{setting("p", nodes.Bool(true)), setting("q", nodes.Bool(true))}, "15 coils 4 to 5 = 1 1", "done done"},
		{"coils one by one where 15 is unknown", []byte{15}, []nodes.Setting{setting("p", nodes.Bool(true)), setting("q", nodes.Bool(true))},
			"5 coil 4 = 1, 5 coil 5 = 1", "done done"},
		{"16 where 6 is unknown", []byte{6}, []nodes.Setting{setting("a", nodes.Int32(7))}, "16 holding register 10 = 7", "done"},
		{"not 16 where only 6 may be", []byte{6}, []nodes.Setting{setting("alone", nodes.Int32(7))}, "", "refused"},
		{"a bit", nil, []nodes.Setting{setting("bit", nodes.Bool(true))}, "22 holding register 30 = 43704", "done"},            // 0xaab0 | 8
		{"half a register", nil, []nodes.Setting{setting("low", nodes.Int32(0x55))}, "22 holding register 30 = 43605", "done"}, // 0xaa55
		{"a bit where 22 is unknown", []byte{22}, []nodes.Setting{setting("bit", nodes.Bool(true))}, "6 holding register 30 = 43704", "done"},
		{"a bit where 22 and 6 are unknown", []byte{22, 6}, []nodes.Setting{setting("bit", nodes.Bool(true))}, "16 holding register 30 = 43704", "done"},
		{"a bit, only 16", nil, []nodes.Setting{setting("bit16", nodes.Bool(false))}, "16 holding register 31 = 65534", "done"},
		{"bits of two registers", nil, []nodes.Setting{setting("bits", nodes.Int32(0))}, "16 holding registers 32 to 33 = 65520 4095", "done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, u, _ := quiet(t, registers()...)
			u.SetWords(wire.HoldingRegister, 30, 0xaab0, 0xffff, 0xffff, 0xffff)
			u.Refuse(tt.refuse...)
			for range 2 { // again: what was learned stays
				before := len(u.Writes())
				var states []string
				for _, o := range d.Set(soon, tt.set...) {
					states = append(states, o.State.String())
				}
				if got := strings.Join(states, " "); got != tt.outcome {
					t.Errorf("outcomes: got %s, want %s", got, tt.outcome)
				}
				if got := strings.Join(wrote(u.Writes()[before:]), ", "); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
				if tt.refuse != nil && tt.outcome == "done" {
					u.SetWords(wire.HoldingRegister, 30, 0xaab0)
				}
			}
		})
	}
}

// A function that a unit does not know is tried once.
func TestUnknownFunctionIsRemembered(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, writable("bit", wire.HoldingRegister, 30, "bool", "Bit", nodes.Int32(3)))
	u.Refuse(22)
	d.Set(soon, setting("bit", nodes.Bool(true)))
	before := u.Requests()
	d.Host.Wait(t, soon, "the new value", func() bool { return d.Host.Value("gw/u/bit") == nodes.Bool(true) })
	d.Set(soon, setting("bit", nodes.Bool(false)))
	d.Host.Wait(t, soon, "the new value", func() bool { return d.Host.Value("gw/u/bit") == nodes.Bool(false) })
	if n := u.Requests() - before; n > 4 { // read and write, and two refreshments at most
		t.Errorf("%d requests, want at most 4", n)
	}
}

// Others' bits stay while a register is read, changed and written, whoever writes.
func TestBitsAreChangedLocked(t *testing.T) {
	t.Parallel()
	var registers []*nodes.Node
	for i := range 16 {
		registers = append(registers, writable(fmt.Sprint("b", i), wire.HoldingRegister, 5, "bool", "Bit", nodes.Int32(int32(i))))
	}
	d, u, _ := quiet(t, registers...)
	u.Refuse(22)
	done := make(chan nodes.Outcome)
	for i := range 16 {
		go func() { done <- d.Set(2*soon, setting(fmt.Sprint("b", i), nodes.Bool(i%3 != 0)))[0] }()
	}
	want := uint16(0)
	for i := range 16 {
		if o := <-done; o.State != nodes.WriteDone {
			t.Errorf("got %v, %v", o.State, o.Err)
		}
		if i%3 != 0 {
			want |= 1 << i
		}
	}
	if got := u.Word(wire.HoldingRegister, 5); got != want {
		t.Errorf("got %016b, want %016b", got, want)
	}
}

// What becomes of a value that is read back.
func TestReadBack(t *testing.T) {
	verified, back := nodes.WriteVerified, nodes.Bool(true)
	for _, tt := range []struct {
		name   string
		value  nodes.Value
		shown  uint16 // what the device makes of it
		after  time.Duration
		fault  modbustest.Fault
		want   nodes.WriteState
		shows  nodes.Value
		reason string
	}{
		{name: "the same", value: nodes.Double(12.5), shown: 125, want: verified, shows: nodes.Quantity(12.5, 1, "°C")},
		{name: "within the tolerance", value: nodes.Double(12.5), shown: 123, want: verified, shows: nodes.Quantity(12.3, 1, "°C")},
		{name: "applied late", value: nodes.Double(12.5), shown: 125, after: 120 * time.Millisecond, want: verified, shows: nodes.Quantity(12.5, 1, "°C")},
		{name: "another", value: nodes.Double(12.5), shown: 100, want: nodes.WriteRefused, shows: nodes.Quantity(10, 1, "°C"), reason: "shows 10.0 °C"},
		{name: "silent afterwards", value: nodes.Double(12.5), shown: 125, fault: modbustest.Fault{Silent: true}, want: nodes.WriteUnknown, reason: "reading it back failed"},
		{name: "not to be read", value: nodes.Double(12.5), shown: 125, fault: modbustest.Fault{Exception: wire.IllegalAddress}, want: nodes.WriteUnknown, reason: "Leave out ReadBack"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, u, _ := quiet(t, writable("set", wire.HoldingRegister, 7, "int16", "Scale", nodes.Quantity(0.1, 1, ""), "Unit", nodes.String("°C"),
				"ReadBack", back, "Tolerance", nodes.Double(0.2)))
			stop := make(chan struct{})
			done := make(chan struct{})
			go func() { // the device applies what it got
				defer close(done)
				for {
					select {
					case <-stop:
						return
					case <-time.After(time.Millisecond):
					}
					if len(u.Writes()) == 0 {
						continue
					}
					u.SetFault(tt.fault)
					if tt.after > 0 {
						u.SetWords(wire.HoldingRegister, 7, 1)
						time.Sleep(tt.after)
					}
					u.SetWords(wire.HoldingRegister, 7, tt.shown)
					return
				}
			}()
			u.SetFault(modbustest.Fault{Delay: 20 * time.Millisecond, Times: 1}) // so that the above is in time
			o := d.Set(soon, setting("set", tt.value))[0]
			close(stop)
			<-done
			if o.State != tt.want || o.Value != tt.shows {
				t.Errorf("got %v %v (%v), want %v %v", o.State, o.Value, o.Err, tt.want, tt.shows)
			}
			if tt.reason != "" && (o.Err == nil || !strings.Contains(o.Err.Error(), tt.reason)) {
				t.Errorf("got %v, want %q", o.Err, tt.reason)
			}
			if got := wrote(u.Writes()); !slices.Equal(got, []string{"6 holding register 7 = 125"}) {
				t.Errorf("the unit got %q", got)
			}
		})
	}
}

// What is not writable, not known or not possible is refused without a request.
func TestRefusedBeforehand(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, writable("set", wire.HoldingRegister, 7, "int16"), registerNode("fixed", wire.HoldingRegister, 8, ""),
		writable("gap", wire.HoldingRegister, 9, "uint16", "NotAvailable", nodes.String("0xFFFF")))
	for _, tt := range []struct {
		set  nodes.Setting
		want string
	}{
		{setting("fixed", nodes.Int32(1)), "writable"},
		{nodes.Setting{Node: "gw/u/set", Name: "other", Value: nodes.Int32(1)}, "called \"set\""},
		{setting("none", nodes.Int32(1)), "no such register"},
		{setting("set", nodes.Int32(40000)), "does not fit"},
		{setting("gap", nodes.Int32(65535)), "not available"},
	} {
		o := d.Set(soon, tt.set)[0]
		if o.State != nodes.WriteRefused || !strings.Contains(o.Err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v; want %q", tt.set.Name, o.State, o.Err, tt.want)
		}
	}
	// A value that does not fit stops those before it, too.
	out := d.Set(soon, setting("set", nodes.Int32(1)), setting("gap", nodes.Int32(65535)), setting("set", nodes.Int32(2)))
	if out[0].State != nodes.WriteSkipped || out[1].State != nodes.WriteRefused || out[2].State != nodes.WriteSkipped {
		t.Errorf("got %v %v %v", out[0].State, out[1].State, out[2].State)
	}
	if got := u.Writes(); len(got) != 0 {
		t.Errorf("the unit got %q", wrote(got))
	}
}

// A write that waits for its turn when its time is over is never sent.
func TestWriteExpires(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, writable("a", wire.HoldingRegister, 7, "int16"), writable("b", wire.HoldingRegister, 9, "int16"))
	u.SetFault(modbustest.Fault{Delay: 150 * time.Millisecond, Times: 1})
	first := make(chan nodes.Outcome)
	go func() { first <- d.Set(soon, setting("a", nodes.Int32(1)))[0] }()
	d.Host.Wait(t, soon, "the first write", func() bool { return len(u.Writes()) == 1 })
	out := d.Set(30*time.Millisecond, setting("b", nodes.Int32(2)), setting("b", nodes.Int32(3)))
	if out[0].State != nodes.WriteExpired || out[1].State != nodes.WriteSkipped || !strings.Contains(out[0].Err.Error(), "nothing was written") {
		t.Errorf("got %v (%v), %v", out[0].State, out[0].Err, out[1].State)
	}
	if o := <-first; o.State != nodes.WriteDone {
		t.Errorf("the first: got %v (%v)", o.State, o.Err)
	}
	time.Sleep(50 * time.Millisecond)
	if got := wrote(u.Writes()); len(got) != 1 {
		t.Errorf("the unit got %q", got)
	}
	// What was sent in time is waited for.
	u.SetFault(modbustest.Fault{Delay: 100 * time.Millisecond, Times: 1})
	if o := d.Set(50*time.Millisecond, setting("a", nodes.Int32(4)))[0]; o.State != nodes.WriteDone {
		t.Errorf("sent in time: got %v (%v)", o.State, o.Err)
	}
}

// Without a connection nothing is sent, also not later.
func TestWriteWithoutConnection(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	ln.Close() // nothing listens there
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, portOf(t, addr), unitNode("u", 1, writable("a", wire.HoldingRegister, 7, "int16"))))
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	begin := time.Now()
	var o nodes.Outcome
	setter(t, d).Set(ctx, []nodes.Setting{setting("a", nodes.Int32(1))}, func(_ int, x nodes.Outcome) { o = x })
	if o.State != nodes.WriteExpired || nodes.KindOf(o.Err) != nodes.Unreachable || !strings.Contains(o.Err.Error(), "nothing was written") || !strings.Contains(o.Err.Error(), addr) {
		t.Errorf("got %v, %v", o.State, o.Err)
	}
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
}

// To unit 0 of a serial line nobody answers.
func TestBroadcast(t *testing.T) {
	t.Parallel()
	s := modbustest.NewRTUServer()
	u := s.Unit(0)
	u.SetFault(modbustest.Fault{Silent: true})
	n := rtuOverTCP(t, gatewayNode(t, serve(t, s), unitNode("u", 0, writable("a", wire.HoldingRegister, 7, "int16", "ReadBack", nodes.Bool(true)),
		writable("bit", wire.HoldingRegister, 8, "bool", "Bit", nodes.Int32(1)))))
	n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
	d := adaptertest.Start(t, factory(hasty), n)
	if o := d.Set(soon, setting("a", nodes.Int32(1)))[0]; o.State != nodes.WriteDone {
		t.Errorf("got %v (%v), want done", o.State, o.Err)
	}
	if o := d.Set(soon, setting("bit", nodes.Bool(true)))[0]; o.State != nodes.WriteRefused || !strings.Contains(o.Err.Error(), "unit 0") {
		t.Errorf("a bit: got %v (%v)", o.State, o.Err)
	}
	if got := wrote(u.Writes()); !slices.Equal(got, []string{"6 holding register 7 = 1"}) {
		t.Errorf("got %q", got)
	}
}

// A gateway's refusals tell apart what was not done and what nobody knows.
func TestWriteRefusals(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, writable("a", wire.HoldingRegister, 7, "int16"))
	for e, want := range map[wire.Exception]nodes.WriteState{
		wire.IllegalAddress: nodes.WriteRefused, wire.IllegalValue: nodes.WriteRefused, wire.DeviceFailure: nodes.WriteRefused, wire.DeviceBusy: nodes.WriteRefused,
		wire.PathUnavailable: nodes.WriteRefused, wire.Acknowledge: nodes.WriteUnknown, wire.TargetNotResponded: nodes.WriteUnknown,
	} {
		u.SetFault(modbustest.Fault{Exception: e})
		o := d.Set(soon, setting("a", nodes.Int32(1)))[0]
		if o.State != want || !strings.Contains(o.Err.Error(), e.Error()) || !strings.Contains(o.Err.Error(), "unit 1, function 6, holding register 7") {
			t.Errorf("%v: got %v (%v), want %v", e, o.State, o.Err, want)
		}
	}
}

// A connection that the device is known to have closed is replaced before anything
// is sent.
func TestWriteAfterTheDeviceHungUp(t *testing.T) {
	for _, framing := range []string{"tcp", "rtu"} {
		t.Run(framing, func(t *testing.T) {
			t.Parallel()
			s := modbustest.NewServer()
			if framing == "rtu" {
				s = modbustest.NewRTUServer()
			}
			u := s.Unit(1)
			n := gatewayNode(t, serve(t, s), unitNode("u", 1, writable("a", wire.HoldingRegister, 7, "int16")))
			if framing == "rtu" {
				n = rtuOverTCP(t, n)
			}
			n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
			d := adaptertest.Start(t, factory(hasty), n)
			d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("gw/u/a") != nodes.Value{} })
			for i := range 5 {
				before := d.Host.Count("gw/u/a")
				_, had := s.Connections()
				s.Drop()
				d.Host.Wait(t, soon, "the end of the connection", func() bool { open, total := s.Connections(); return open == 0 || total > had })
				time.Sleep(250 * time.Millisecond) // longer than the time-out of the last request
				if o := d.Set(soon, setting("a", nodes.Int32(int32(i))))[0]; o.State != nodes.WriteDone {
					t.Errorf("write %d: got %v (%v), want done", i, o.State, o.Err)
				}
				d.Host.Wait(t, soon, "the new value", func() bool { return d.Host.Count("gw/u/a") > before })
			}
			if got := u.Writes(); len(got) != 5 {
				t.Errorf("the unit got %q", wrote(got))
			}
		})
	}
}
