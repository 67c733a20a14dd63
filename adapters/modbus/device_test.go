package modbus

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

const soon = 5 * time.Second

func messages(h *adaptertest.Host, node string) string {
	var b strings.Builder
	for _, m := range h.Messages(node) {
		fmt.Fprintf(&b, "[%s] %s\n", m.EventID, m.Text)
	}
	return b.String()
}

func TestValuesOfAllTables(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(7)
	u.SetWords(wire.HoldingRegister, 0, 235, 0xffff)
	u.SetNumber(wire.HoldingRegister, 2, wire.Uint32, wire.CDAB, 4e9)
	u.SetNumber(wire.InputRegister, 100, wire.Float32, wire.DCBA, -12.5)
	u.SetBits(wire.Coil, 0, false, true)
	u.SetBits(wire.DiscreteInput, 65535, true)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 7,
		registerNode("temp", wire.HoldingRegister, 0, "int16", "Scale", nodes.Quantity(0.1, 1, ""), "Unit", nodes.String("°C")),
		registerNode("raw", wire.HoldingRegister, 1, "int16"),
		registerNode("big", wire.HoldingRegister, 2, "uint32", "ByteOrder", nodes.String("CDAB")),
		registerNode("float", wire.InputRegister, 100, "float32", "ByteOrder", nodes.String("DCBA"), "Decimals", nodes.Int32(2)),
		registerNode("off", wire.Coil, 0, ""), registerNode("on", wire.Coil, 1, "bool"),
		registerNode("last", wire.DiscreteInput, 65535, ""))))
	for id, want := range map[string]nodes.Value{
		"temp": nodes.Quantity(23.5, 1, "°C"), "raw": nodes.Int32(-1), "big": nodes.Int64(4e9),
		"float": nodes.Quantity(-12.5, 2, ""), "off": nodes.Bool(false), "on": nodes.Bool(true), "last": nodes.Bool(true),
	} {
		d.Host.Wait(t, soon, id, func() bool { return d.Host.Count("gw/u/"+id) > 0 })
		r, _ := d.Host.Last("gw/u/" + id)
		if len(r.Fields) != 1 || r.Fields[0].Value != want || r.Fields[0].Name != id || r.Fields[0].Category != nodes.Momentary {
			t.Errorf("%s: got %+v, want %v", id, r, want)
		}
		if r.MaxAge != 75*time.Millisecond || time.Since(r.Fields[0].Time) > soon {
			t.Errorf("%s: max age %v, time %v", id, r.MaxAge, r.Fields[0].Time)
		}
	}
	// One request for each table, all four holding registers in one.
	kinds := make(map[string]bool)
	for _, r := range u.Asked() {
		kinds[r.String()] = true
	}
	if len(kinds) != 4 || !kinds["holding registers 0 to 3"] || !kinds["coils 0 to 1"] {
		t.Errorf("got requests for %v, want one for each table", kinds)
	}
}

// Each fault of a unit: its registers say so at once, the message names host,
// unit, function and address, another unit goes on, and it recovers alone. The
// registers count up together: a value that belongs to another register or unit
// would show.
func TestFaults(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault modbustest.Fault
		event string
		text  string
	}{
		{"silent", modbustest.Fault{Silent: true}, EventSilent, "no answer within 60ms"},
		{"late", modbustest.Fault{Delay: 90 * time.Millisecond}, EventSilent, "no answer within 60ms"},
		{"wrong transaction", modbustest.Fault{WrongTransaction: true}, EventSilent, "late or foreign"},
		{"wrong unit", modbustest.Fault{WrongUnit: true}, EventSilent, "an answer of unit 2"},
		{"wrong function", modbustest.Fault{WrongFunction: true}, EventSilent, "an answer to function 4"},
		{"short", modbustest.Fault{Short: true}, EventRefused + " holdingRegister", "bytes in place of"},
		{"busy", modbustest.Fault{Exception: wire.DeviceBusy}, EventRefused + " holdingRegister", "exception 6"},
		{"no target", modbustest.Fault{Exception: wire.TargetNotResponded}, EventSilent, "exception 11"},
		{"closes", modbustest.Fault{Close: true}, EventSilent, "closed the connection"},
		{"closes in mid-frame", modbustest.Fault{CloseMidFrame: true}, EventSilent, "closed the connection"},
		{"damaged", modbustest.Fault{Damaged: true}, EventSilent, "not a Modbus TCP frame"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := modbustest.NewServer()
			ill, well := s.Unit(1), s.Unit(2)
			ill.SetWords(wire.HoldingRegister, 5, 111, 112)
			well.SetWords(wire.HoldingRegister, 5, 221, 222)
			n := gatewayNode(t, serve(t, s),
				unitNode("ill", 1, registerNode("a", wire.HoldingRegister, 5, ""), registerNode("b", wire.HoldingRegister, 6, "")),
				unitNode("well", 2, registerNode("a", wire.HoldingRegister, 5, ""), registerNode("b", wire.HoldingRegister, 6, "")))
			n.Params["Timeout"] = nodes.Duration(0, 60*time.Millisecond)
			d := adaptertest.Start(t, factory(hasty), n)
			check := func() {
				t.Helper()
				for id, want := range map[string]int32{"ill/a": 111, "ill/b": 112, "well/a": 221, "well/b": 222} {
					if r, ok := d.Host.Good("gw/" + id); ok && r.Fields[0].Value != nodes.Int32(want) {
						t.Errorf("%s: got %v, want %d", id, r.Fields[0].Value, want)
					}
				}
			}
			good := func(id string) func() bool {
				return func() bool { return d.Host.Value(id) != nodes.Value{} }
			}
			d.Host.Wait(t, soon, "a value", good("gw/ill/b"))
			ill.SetFault(tt.fault)
			for _, id := range []string{"gw/ill/a", "gw/ill/b"} {
				d.Host.Wait(t, soon, "an error of "+id, func() bool { return d.Host.Err(id) != nil })
			}
			d.Host.Wait(t, soon, "a message", func() bool { return d.Host.AllMessages(EventBudget) > 0 })
			got := messages(d.Host, "gw/ill")
			for _, part := range []string{"[" + tt.event + "]", tt.text, "127.0.0.1:", "unit 1, function 3, holding registers 5 to 6"} {
				if !strings.Contains(got, part) {
					t.Errorf("messages: got %q, want them to hold %q", got, part)
				}
			}
			count := d.Host.Count("gw/well/a")
			d.Host.Wait(t, soon, "readings of the other unit", func() bool { return d.Host.Count("gw/well/a") > count+3 })
			check()
			ill.SetFault(modbustest.Fault{})
			d.Host.Wait(t, soon, "recovery", func() bool { return good("gw/ill/a")() && good("gw/ill/b")() && d.Host.AllMessages(EventBudget) == 0 })
			ill.SetWords(wire.HoldingRegister, 5, 113, 114)
			d.Host.Wait(t, soon, "the new value", func() bool { return d.Host.Value("gw/ill/b") == nodes.Int32(114) })
		})
	}
}

// A dead unit among nine living ones, with a time-out of many intervals.
func TestDeadUnitHardlyDelaysOthers(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	var units []*nodes.Node
	for i := 1; i <= 10; i++ {
		if i != 5 {
			s.Unit(byte(i))
		}
		units = append(units, unitNode(fmt.Sprint("u", i), i, registerNode("r", wire.HoldingRegister, 0, "")))
	}
	n := gatewayNode(t, serve(t, s), units...)
	n.Params["PollInterval"] = nodes.Duration(0, 20*time.Millisecond)
	patient := hasty
	patient.unit = pause{200 * time.Millisecond, time.Second}
	d := adaptertest.Start(t, factory(patient), n)
	d.Host.Wait(t, soon, "the dead unit's error", func() bool { return d.Host.Err("gw/u5/r") != nil })
	before := d.Host.Count("gw/u1/r")
	time.Sleep(time.Second)
	if got := d.Host.Count("gw/u1/r") - before; got < 15 { // of 50, and on a busy machine fewer; 5 where each attempt takes the time-out
		t.Errorf("a living unit was read %d times in a second, want up to 50", got)
	}
	if got := d.Host.Count("gw/u5/r"); got != 1 {
		t.Errorf("the dead unit was reported %d times, want once", got)
	}
}

func TestGatewayOffAtStartAndLater(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 42)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	addr := s.Addr()
	run := func() (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	run()() // to have a port where nothing listens
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, portOf(t, addr), unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	for round := range 2 {
		d.Host.Wait(t, soon, "the message", func() bool {
			return strings.Contains(messages(d.Host, "gw"), "[Connection] no connection to "+addr+": connection refused") && d.Host.Err("gw/u/r") != nil
		})
		if got := messages(d.Host, "gw/u"); got != "" {
			t.Errorf("the unit bears the gateway's message: %s", got)
		}
		count := d.Host.Count("gw/u/r")
		time.Sleep(150 * time.Millisecond)
		if got := d.Host.Count("gw/u/r"); got != count {
			t.Errorf("the same failure was reported %d times more", got-count)
		}
		if err := s.Listen(addr); err != nil {
			t.Fatal(err)
		}
		stop := run()
		d.Host.Wait(t, soon, "recovery", func() bool {
			return d.Host.Value("gw/u/r") == nodes.Int32(42) && d.Host.AllMessages(EventBudget) == 0
		})
		if round == 0 {
			s.Drop() // a closed connection alone is no fault
			count := d.Host.Count("gw/u/r")
			d.Host.Wait(t, soon, "readings", func() bool { return d.Host.Count("gw/u/r") > count+3 })
			if d.Host.Err("gw/u/r") != nil || d.Host.AllMessages(EventBudget) != 0 {
				t.Errorf("after a closed connection: %v", d.Host.Err("gw/u/r"))
			}
		}
		stop()
	}
}

// A peer that accepts and closes at once, as when it allows no more connections:
// the gateway says so, with pauses between the attempts.
func TestGatewayThatClosesAtOnce(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	u := s.Unit(1)
	u.SetFault(modbustest.Fault{Close: true})
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	d.Host.Wait(t, soon, "the message", func() bool { return strings.Contains(messages(d.Host, "gw"), "closed the connection") })
	before := u.Requests()
	time.Sleep(300 * time.Millisecond)
	if got := u.Requests() - before; got > 8 || got == 0 {
		t.Errorf("%d attempts in 300 ms, want a few", got)
	}
	if messages(d.Host, "gw") == "" {
		t.Error("the message came and went")
	}
	u.SetFault(modbustest.Fault{})
	d.Host.Wait(t, soon, "recovery", func() bool { return d.Host.AllMessages(EventBudget) == 0 && d.Host.Err("gw/u/r") == nil })
}

func TestBadRegisterDoesNotBlankItsNeighbours(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	u.RefuseHoles(true)
	var registers []*nodes.Node
	for i := range 16 {
		registers = append(registers, registerNode(fmt.Sprint("r", i), wire.HoldingRegister, i, ""))
		if i != 11 {
			u.SetWords(wire.HoldingRegister, i, uint16(i))
		}
	}
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, registers...)))
	for i := range 16 {
		id := fmt.Sprint("gw/u/r", i)
		d.Host.Wait(t, soon, id, func() bool { return d.Host.Count(id) > 0 })
		if i != 11 && d.Host.Value(id) != nodes.Int32(int32(i)) {
			t.Errorf("%s: got %v, %v", id, d.Host.Value(id), d.Host.Err(id))
		}
	}
	if got := messages(d.Host, "gw/u/r11"); !strings.Contains(got, "[Address]") || !strings.Contains(got, "unit 1, function 3, holding register 11: exception 2") {
		t.Errorf("messages of the bad register: %q", got)
	}
	if d.Host.Err("gw/u/r11") == nil {
		t.Error("the bad register has no error")
	}
	// From now on the neighbours are read in two requests.
	time.Sleep(20 * time.Millisecond)
	skip := len(u.Asked())
	count := d.Host.Count("gw/u/r0")
	d.Host.Wait(t, soon, "readings", func() bool { return d.Host.Count("gw/u/r0") > count+3 })
	for _, r := range u.Asked()[skip:] {
		if r.First <= 11 && r.First+r.Count > 11 && r.Count > 1 {
			t.Errorf("asked again for %s", r)
		}
	}
	u.SetWords(wire.HoldingRegister, 11, 1111)
	d.Host.Wait(t, soon, "recovery", func() bool {
		return d.Host.Value("gw/u/r11") == nodes.Int32(1111) && d.Host.AllMessages(EventBudget) == 0
	})
}

// A unit that refuses holes and long requests: every value arrives, and after
// learning no request is refused.
func TestLearnsHolesAndLength(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	u.RefuseHoles(true)
	u.Limit(10)
	var registers []*nodes.Node
	for i := range 40 {
		if i%7 == 3 {
			continue
		}
		u.SetWords(wire.InputRegister, i, uint16(i))
		registers = append(registers, registerNode(fmt.Sprint("r", i), wire.InputRegister, i, ""))
	}
	for i := range 20 { // no holes here, but too long
		u.SetBits(wire.Coil, i, true)
		registers = append(registers, registerNode(fmt.Sprint("c", i), wire.Coil, i, ""))
	}
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, registers...)))
	for _, n := range registers {
		d.Host.Wait(t, soon, n.ID, func() bool { return d.Host.Count(n.ID) > 2 })
		if d.Host.Err(n.ID) != nil {
			t.Errorf("%s: %v", n.ID, d.Host.Err(n.ID))
		}
	}
	skip := len(u.Asked())
	d.Host.Wait(t, soon, "readings", func() bool { return d.Host.Count("gw/u/r0") > 8 })
	for _, r := range u.Asked()[skip:] {
		if r.Count > 10 {
			t.Errorf("after learning: asked for %s", r)
		}
		for a := r.First; a < r.First+r.Count && r.Table == wire.InputRegister; a++ {
			if a%7 == 3 {
				t.Errorf("after learning: asked for %s with the hole at %d", r, a)
			}
		}
	}
	if got := d.Host.AllMessages(EventBudget); got != 0 {
		t.Errorf("%d messages", got)
	}
}

func TestNotANumberIsNoField(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	u.SetNumber(wire.HoldingRegister, 0, wire.Float32, wire.ABCD, math.NaN())
	u.SetWords(wire.HoldingRegister, 2, 5)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1,
		registerNode("f", wire.HoldingRegister, 0, "float32"), registerNode("r", wire.HoldingRegister, 2, ""))))
	d.Host.Wait(t, soon, "the error", func() bool { return d.Host.Err("gw/u/f") != nil })
	if got := d.Host.Err("gw/u/f").Error(); !strings.Contains(got, "holding registers 0 to 1 hold NaN") {
		t.Errorf("got %q", got)
	}
	if d.Host.Value("gw/u/r") != nodes.Int32(5) {
		t.Errorf("the neighbour: got %v", d.Host.Value("gw/u/r"))
	}
	u.SetNumber(wire.HoldingRegister, 0, wire.Float32, wire.ABCD, 1.5)
	d.Host.Wait(t, soon, "recovery", func() bool { return d.Host.Value("gw/u/f") == nodes.Double(1.5) })
}

func TestReadOnDemand(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 1, 2, 3)
	s.Unit(1).SetBits(wire.Coil, 0, true)
	n := gatewayNode(t, serve(t, s),
		unitNode("u", 1, registerNode("a", wire.HoldingRegister, 0, ""), registerNode("b", wire.HoldingRegister, 2, ""), registerNode("c", wire.Coil, 0, "")),
		unitNode("dead", 9, registerNode("x", wire.HoldingRegister, 0, "")))
	n.Params["PollInterval"] = nodes.Duration(0, time.Hour)
	n.Params["Timeout"] = nodes.Duration(0, 400*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "first values", func() bool { return d.Host.Count("gw/u/a") > 0 && d.Host.Count("gw/u/c") > 0 })
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 10, 20, 30)
	got := d.Read(soon, "gw/u/a", "gw/u/c")
	if len(got) != 2 || got["gw/u/a"].Fields[0].Value != nodes.Int32(10) || got["gw/u/c"].Fields[0].Value != nodes.Bool(true) {
		t.Errorf("got %v", got)
	}
	whole := d.Read(soon, "gw/u", "gw")["gw/u"]
	values := 0
	for _, f := range whole.Fields {
		if f.Category == nodes.Momentary {
			values++
		}
	}
	if whole.Err != nil || values != 3 || len(whole.Fields) < 8 {
		t.Errorf("the unit: got %+v, want three values and what is counted", whole)
	}
	// The dead unit delays only itself.
	var order []string
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	d.Device.(nodes.Reader).Read(ctx, []string{"gw/dead/x", "gw/u/b"}, func(r nodes.Reading) { order = append(order, r.Node) })
	if len(order) != 2 {
		t.Errorf("got %v, want both", order)
	}
	start := time.Now()
	if r := d.Read(soon, "gw/dead/x")["gw/dead/x"]; r.Err == nil || nodes.KindOf(r.Err) != nodes.Timeout {
		t.Errorf("the dead unit: got %v", r.Err)
	}
	if took := time.Since(start); took > 600*time.Millisecond { // at most the end of a probe under way
		t.Errorf("a failure known for a moment took %v", took)
	}
}

func TestInterestMakesPollingFaster(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1)
	n := gatewayNode(t, serve(t, s), unitNode("u", 1,
		registerNode("a", wire.HoldingRegister, 0, ""), registerNode("b", wire.HoldingRegister, 1, "")))
	n.Params["PollInterval"] = nodes.Duration(0, 10*time.Second)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "first values", func() bool { return d.Host.Count("gw/u/b") > 0 })
	x := d.Device.(nodes.Interested)
	x.Interest([]nodes.Interest{{Node: "gw/u/a", Interval: time.Second}, {Node: "gw/u/a", Interval: time.Microsecond}})
	count := d.Host.Count("gw/u/a")
	start := time.Now()
	d.Host.Wait(t, soon, "ten readings", func() bool { return d.Host.Count("gw/u/a") >= count+10 })
	if took := time.Since(start); took < 80*time.Millisecond { // MinInterval is 10 ms
		t.Errorf("ten readings in %v", took)
	}
	if got := d.Host.Count("gw/u/b"); got > 3 {
		t.Errorf("the other register was read %d times", got)
	}
	x.Interest(nil)
	time.Sleep(50 * time.Millisecond)
	count = d.Host.Count("gw/u/a")
	time.Sleep(100 * time.Millisecond)
	if got := d.Host.Count("gw/u/a"); got > count+1 {
		t.Errorf("%d readings without interest", got-count)
	}
	x.Interest([]nodes.Interest{{Node: "gw/u", Interval: 20 * time.Millisecond}})
	count = d.Host.Count("gw/u/b")
	d.Host.Wait(t, soon, "readings of all of the unit", func() bool { return d.Host.Count("gw/u/b") > count+3 })
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	one, two := modbustest.NewServer(), modbustest.NewServer()
	one.Unit(1).SetWords(wire.HoldingRegister, 0, 10, 11)
	one.Unit(2).SetWords(wire.HoldingRegister, 0, 20, 21)
	two.Unit(2).SetWords(wire.HoldingRegister, 0, 30, 31)
	n := gatewayNode(t, serve(t, one), unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, "")))
	d := adaptertest.Start(t, factory(hasty), n)
	want := func(id string, v nodes.Value) {
		t.Helper()
		d.Host.Wait(t, soon, id+" = "+v.String(), func() bool { return d.Host.Value(id) == v })
	}
	edit := func(n *nodes.Node, id string, v nodes.Value) *nodes.Node {
		p := make(nodes.Params)
		for k, v := range n.Params {
			p[k] = v
		}
		p[id] = v
		n.Params = p
		return &nodes.Node{Spec: n.Spec}
	}
	u, r := n.Children[0], n.Children[0].Children[0]
	want(r.ID, nodes.Int32(10))
	d.Update(nodes.Change{Put: []*nodes.Node{edit(r, "Address", nodes.Int32(1))}})
	want(r.ID, nodes.Int32(11))
	d.Update(nodes.Change{Put: []*nodes.Node{edit(u, "UnitId", nodes.Int32(2))}})
	want(r.ID, nodes.Int32(21))
	d.Update(nodes.Change{Put: []*nodes.Node{edit(n, "Port", nodes.Int32(int32(serve(t, two))))}})
	want(r.ID, nodes.Int32(31))
	if open, total := one.Connections(); open != 0 || total != 1 {
		// the server may need a moment to see it
		time.Sleep(50 * time.Millisecond)
		if open, total = one.Connections(); open != 0 || total != 1 {
			t.Errorf("the former server has %d connections of %d", open, total)
		}
	}
	// A new unit with a register, which is then moved to the other.
	added := adaptertest.Fill(t, factory(hasty), &nodes.Node{Spec: nodes.Spec{Name: "gw", ID: "gw"}, Children: []*nodes.Node{
		unitNode("v", 2, registerNode("s", wire.HoldingRegister, 0, ""))}})
	v, s := added.Children[0], added.Children[0].Children[0]
	d.Host.Allow(v.ID, s.ID)
	d.Update(nodes.Change{Put: []*nodes.Node{{Spec: v.Spec}, {Spec: s.Spec}}})
	want(s.ID, nodes.Int32(30))
	s.Parent = u.ID
	d.Update(nodes.Change{Put: []*nodes.Node{{Spec: s.Spec}}, Removed: []string{v.ID}})
	count := d.Host.Count(s.ID)
	d.Host.Wait(t, soon, "readings after the move", func() bool { return d.Host.Count(s.ID) > count+3 })
	// Its unit dies, and a register is added: it says so at once.
	two.Unit(2).SetFault(modbustest.Fault{Silent: true})
	d.Host.Wait(t, soon, "silence", func() bool { return d.Host.Err(r.ID) != nil })
	late := registerNode("late", wire.HoldingRegister, 9, "")
	late.ID, late.Parent = "gw/u/late", u.ID
	d.Host.Allow(late.ID)
	d.Update(nodes.Change{Put: []*nodes.Node{late}})
	d.Host.Wait(t, soon, "its error", func() bool { return d.Host.Err(late.ID) != nil })
	d.Update(nodes.Change{Removed: []string{late.ID, s.ID, r.ID, u.ID}})
}

func TestTwoGatewaysShareOneLine(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 1)
	s.Unit(2).SetWords(wire.HoldingRegister, 0, 2)
	port := serve(t, s)
	f := factory(hasty)
	a := adaptertest.Start(t, f, gatewayNode(t, port, unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	b := adaptertest.Start(t, f, gatewayNode(t, port, unitNode("u", 2, registerNode("r", wire.HoldingRegister, 0, ""))))
	for _, d := range []*adaptertest.Device{a, b} {
		d.Host.Wait(t, soon, "readings", func() bool { return d.Host.Count("gw/u/r") > 5 })
	}
	if a.Host.Value("gw/u/r") != nodes.Int32(1) || b.Host.Value("gw/u/r") != nodes.Int32(2) {
		t.Errorf("got %v and %v, want 1 and 2", a.Host.Value("gw/u/r"), b.Host.Value("gw/u/r"))
	}
	if open, total := s.Connections(); open != 1 || total != 1 {
		t.Errorf("got %d open connections of %d, want one", open, total)
	}
	a.Stop()
	count := b.Host.Count("gw/u/r")
	b.Host.Wait(t, soon, "readings of the other", func() bool { return b.Host.Count("gw/u/r") > count+3 })
	if _, total := s.Connections(); total != 1 {
		t.Errorf("stopping one gateway cost the other its connection: %d in all", total)
	}
	for _, e := range a.Tap.Recent() {
		if (e.Kind == sniffer.TxBin || e.Kind == sniffer.RxBin) && e.Data[6] != 1 {
			t.Errorf("the first gateway's tap shows a frame of unit %d", e.Data[6])
		}
	}
}

func TestTap(t *testing.T) {
	s := modbustest.NewServer()
	s.Unit(3).SetWords(wire.HoldingRegister, 10, 258)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 3, registerNode("r", wire.HoldingRegister, 10, ""))))
	d.Host.Wait(t, soon, "readings", func() bool { return d.Host.Count("gw/u/r") > 2 })
	for i, e := range d.Tap.Recent() {
		if e.Kind == sniffer.Rx || e.Kind == sniffer.Tx {
			t.Errorf("event %d: the meaning %q is composed though nobody listens", i, e.Text)
		}
	}
	sub := d.Tap.Subscribe(time.Now().Add(time.Minute), 0, func(node string) bool { return node == "gw/u" })
	defer sub.Close()
	seen := make(map[sniffer.Kind]sniffer.Event)
	ctx, cancel := context.WithTimeout(context.Background(), soon)
	defer cancel()
	for len(seen) < 4 {
		events, _, ok := sub.Next(ctx)
		if !ok {
			t.Fatalf("got only %v", seen)
		}
		for _, e := range events {
			seen[e.Kind] = e
		}
	}
	tx, rx := seen[sniffer.TxBin].Data, seen[sniffer.RxBin].Data
	if got, want := fmt.Sprintf("% x", tx[2:]), "00 00 00 06 03 03 00 0a 00 01"; got != want {
		t.Errorf("sent: got %s, want %s", got, want)
	}
	if got, want := fmt.Sprintf("% x", rx[2:]), "00 00 00 05 03 03 02 01 02"; got != want {
		t.Errorf("received: got %s, want %s", got, want)
	}
	if got := seen[sniffer.Tx].Text; !strings.HasSuffix(got, "unit 3: read holding register 10") {
		t.Errorf("meaning: got %q", got)
	}
	if got := seen[sniffer.Rx].Text; !strings.HasSuffix(got, "unit 3: holding register 10 = 258") {
		t.Errorf("meaning: got %q", got)
	}
}

// No drift: in a second at 40 ms there are 25 readings, though each takes 10 ms.
func TestPollingDoesNotDrift(t *testing.T) {
	s := modbustest.NewServer()
	var units []*nodes.Node
	for i := 1; i <= 2; i++ {
		s.Unit(byte(i)).SetFault(modbustest.Fault{Delay: 10 * time.Millisecond})
		units = append(units, unitNode(fmt.Sprint("u", i), i, registerNode("r", wire.HoldingRegister, 0, "")))
	}
	n := gatewayNode(t, serve(t, s), units...)
	n.Params["PollInterval"] = nodes.Duration(0, 40*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "a reading", func() bool { return d.Host.Count("gw/u2/r") > 0 })
	for try := 1; ; try++ { // a busy machine may spoil one
		start := time.Now()
		one, two := d.Host.Count("gw/u1/r"), d.Host.Count("gw/u2/r")
		time.Sleep(time.Second)
		one, two = d.Host.Count("gw/u1/r")-one, d.Host.Count("gw/u2/r")-two
		want := float64(time.Since(start)) / float64(40*time.Millisecond)
		if math.Abs(float64(one)-want) <= 2 && math.Abs(float64(two)-want) <= 2 {
			return
		}
		if try == 4 {
			t.Fatalf("in a second the units were read %d and %d times, want %.0f", one, two, want)
		}
	}
}

func TestStaggerAndAdvance(t *testing.T) {
	d := &device{}
	now := 1234567 * time.Millisecond
	slots := make(map[int]int)
	for range 100 {
		b := &block{every: time.Minute}
		d.stagger(b, now, false)
		if first := b.next - now; first < 0 || first > time.Second {
			t.Fatalf("the first reading comes after %v", first)
		}
		slots[int((b.anchor-now+time.Second)/(6*time.Second))]++
		late := now + 130*time.Second // two were missed
		(&device{}).advance(b, late)
		if wait := b.next - late; wait <= 0 || wait > time.Minute || (b.next-b.anchor)%time.Minute != 0 {
			t.Fatalf("after an overrun: next in %v, off the grid by %v", wait, (b.next-b.anchor)%time.Minute)
		}
	}
	for i := range 10 {
		if slots[i] < 8 || slots[i] > 12 {
			t.Errorf("slot %d of 10 has %d of 100 blocks", i, slots[i])
		}
	}
}

// A unit that comes back slower than the probes wait is heard nevertheless.
func TestSlowUnitRecovers(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	u := s.Unit(1)
	u.SetWords(wire.HoldingRegister, 0, 7)
	u.SetFault(modbustest.Fault{Silent: true})
	n := gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, "")))
	n.Params["Timeout"] = nodes.Duration(0, 300*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "silence and some probes", func() bool { return d.Host.Err("gw/u/r") != nil && u.Requests() > 3 })
	u.SetFault(modbustest.Fault{Delay: 150 * time.Millisecond}) // probes wait 20 ms
	d.Host.Wait(t, soon, "recovery", func() bool { return d.Host.Value("gw/u/r") == nodes.Int32(7) && d.Host.AllMessages(EventBudget) == 0 })
	count := d.Host.Count("gw/u/r")
	d.Host.Wait(t, soon, "readings", func() bool { return d.Host.Count("gw/u/r") > count+2 })
	if err := d.Host.Err("gw/u/r"); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
