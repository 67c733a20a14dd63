package modbus

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// filled returns parameters of a command with their defaults, as the tree does.
func filled(t testing.TB, id string, p nodes.Params) nodes.Params {
	t.Helper()
	for _, typ := range types() {
		for _, c := range typ.Commands {
			if c.ID != id {
				continue
			}
			out, wrong := param.Check(c.Params, p)
			if len(wrong) > 0 {
				t.Fatalf("%s: %v", id, wrong)
			}
			return out
		}
	}
	t.Fatalf("there is no command %s", id)
	return nil
}

// ask runs a query and returns what it found, in words: a line for each finding
// and row.
func ask(t testing.TB, d *adaptertest.Device, node, id string, p nodes.Params) (string, []nodes.Finding, error) {
	t.Helper()
	list, err := d.Query(4*soon, node, id, filled(t, id, p))
	var b strings.Builder
	for _, f := range list {
		switch f := f.(type) {
		case nodes.QueryStatus:
		case nodes.Table:
			fmt.Fprintf(&b, "table %s\n", f.ID)
		case nodes.Rows:
			for _, row := range f.Rows {
				var cells []string
				for _, v := range row {
					cells = append(cells, v.String())
				}
				fmt.Fprintf(&b, "%s\n", strings.Join(cells, " | "))
			}
		case nodes.Object:
			fmt.Fprintf(&b, "%s\n", f.Data)
		case nodes.Remark:
			fmt.Fprintf(&b, "remark %s\n", f.Text)
		}
	}
	return b.String(), list, err
}

func holds(t testing.TB, got string, want ...string) {
	t.Helper()
	for _, s := range want {
		if !strings.Contains(got, s) {
			t.Errorf("got\n%s\nwant it to hold %q", got, s)
		}
	}
}

// Who is there is found on every transport: by an answer, or by a refusal.
func TestScanUnits(t *testing.T) {
	for _, transport := range transports {
		t.Run(transport.name, func(t *testing.T) {
			t.Parallel()
			bus, n, line := transport.start(t, unitNode("known", 3, registerNode("r", wire.HoldingRegister, 0, "")))
			bus.Unit(3).SetWords(wire.HoldingRegister, 0, 42)
			bus.Unit(5).RefuseHoles(true)
			bus.Unit(5).Identify(modbustest.Identity{Objects: map[byte]string{0: "Acme", 1: "M1", 2: "1.2"}})
			bus.Unit(7).Refuse(3)
			bus.Unit(7).Identify(modbustest.Identity{ServerID: []byte("SC-11"), Running: true})
			bus.Unit(8).SetFault(modbustest.Fault{Exception: wire.TargetNotResponded})
			bus.Unit(9).SetFault(modbustest.Fault{Silent: true})
			d := adaptertest.Start(t, factory(hasty), n)
			got, list, err := ask(t, d, "gw", "ScanUnits", nodes.Params{"From": nodes.Int32(1), "To": nodes.Int32(10), "Timeout": nodes.Duration(0, 100*time.Millisecond)})
			if err != nil {
				t.Fatal(err)
			}
			holds(t, got, "3 | holding register 0 = 42 | ", " ms |  | gw/known\n", "5 | refuses: exception 2", "| Acme, M1, 1.2 | \n",
				"7 | refuses: exception 1", "| SC-11 | \n", "3 of 10 unit ids answered")
			for _, f := range list {
				if r, ok := f.(nodes.Rows); ok && (r.Rows[0][2].Double() < 0 || r.Rows[0][2].Double() > 1000) {
					t.Errorf("response time %v", r.Rows[0][2])
				}
			}
			if list[0] != nodes.QueryTitle("Units on "+line) {
				t.Errorf("title %v", list[0])
			}
		})
	}
}

// A scan of silent ids says how far it is, lets polling go on, and ends within a
// second when it is aborted.
func TestScanIsAborted(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, 1)
	d := adaptertest.Start(t, factory(hasty), gatewayNode(t, serve(t, s), unitNode("u", 1, registerNode("r", wire.HoldingRegister, 0, ""))))
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Count("gw/u/r") > 0 })
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var statuses []string
	var before int
	var aborted time.Time
	err := d.Device.(nodes.Commander).Query(ctx, "gw", "ScanUnits", filled(t, "ScanUnits", nodes.Params{"From": nodes.Int32(2)}), func(f nodes.Finding) error {
		if x, ok := f.(nodes.QueryStatus); ok {
			statuses = append(statuses, string(x))
			switch len(statuses) {
			case 1:
				before = d.Host.Count("gw/u/r")
			case 3:
				aborted = time.Now()
				cancel()
			}
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || time.Since(aborted) > time.Second {
		t.Errorf("got %v, %v after it was aborted", err, time.Since(aborted))
	}
	if len(statuses) < 3 || !strings.Contains(statuses[2], "unit ") || !strings.Contains(statuses[2], "of 2 to 247") {
		t.Errorf("status: %q", statuses)
	}
	if n := d.Host.Count("gw/u/r") - before; n < 2 {
		t.Errorf("%d readings during the scan", n)
	}
}

// A scan without a connection says so at once.
func TestScanWithoutConnection(t *testing.T) {
	t.Parallel()
	s := modbustest.NewServer()
	port := serve(t, s)
	n := gatewayNode(t, port)
	n.Params["Host"] = nodes.String("127.0.0.2")
	n.Params["Port"] = nodes.Int32(1)
	d := adaptertest.Start(t, factory(hasty), n)
	_, _, err := ask(t, d, "gw", "ScanUnits", nil)
	if nodes.KindOf(err) != nodes.Unreachable || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("got %v", err)
	}
}

// The settings of a line are found by trying, and the line works as before
// afterwards.
func TestScanLine(t *testing.T) {
	t.Parallel()
	l := modbustest.NewLine(38400)
	l.Unit(3).SetWords(wire.HoldingRegister, 0, 7)
	path, err := l.Open()
	if err != nil {
		t.Fatal(err)
	}
	runs(t, l.Run)
	n := serialNode(t, path, 38400, unitNode("u", 3, registerNode("r", wire.HoldingRegister, 0, "")))
	d := adaptertest.Start(t, factory(hasty), n)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Count("gw/u/r") > 0 })
	got, _, err := ask(t, d, "gw", "ScanLine", nodes.Params{"BaudRates": nodes.String("9600, 38400"), "Parities": nodes.String("even"),
		"From": nodes.Int32(2), "To": nodes.Int32(4), "Timeout": nodes.Duration(0, 100*time.Millisecond)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got, "38400 | even | 3 | holding register 0 = 7 | ")
	if strings.Contains(got, "9600 | even") {
		t.Errorf("got\n%s", got)
	}
	before := d.Host.Count("gw/u/r")
	d.Host.Wait(t, soon, "values afterwards", func() bool { return d.Host.Count("gw/u/r") > before+2 && d.Host.Value("gw/u/r") == nodes.Int32(7) })
	for param, p := range map[string]nodes.Params{
		"BaudRates": {"BaudRates": nodes.String("9600, 10")},
		"Parities":  {"Parities": nodes.String("straight")},
		"To":        {"From": nodes.Int32(9), "To": nodes.Int32(8)},
	} {
		_, _, err := ask(t, d, "gw", "ScanLine", p)
		var e *nodes.Error
		if !errors.As(err, &e) || e.Kind != nodes.Invalid || e.Fields[param] == "" {
			t.Errorf("%s: got %v", param, err)
		}
	}
}

func TestIdentify(t *testing.T) {
	all := map[byte]string{0: "Acme", 1: "M1", 2: "1.2", 3: "http://acme.example", 5: "Meter 1", 0x80: "7 years"}
	for _, tt := range []struct {
		name     string
		identity modbustest.Identity
		fault    modbustest.Fault
		want     []string
		not      string
	}{
		{"all in one", modbustest.Identity{Objects: all, ServerID: []byte("SC-11"), Running: true}, modbustest.Fault{},
			[]string{"vendor name | Acme", "product code | M1", "version | 1.2", "vendor URL | http://acme.example", "model name | Meter 1", "object 128 (manufacturer's) | 7 years",
				"function 17 | server id | SC-11", "function 17 | running | true"}, "remark"},
		{"one by one", modbustest.Identity{Objects: all, PerAnswer: 1}, modbustest.Fault{},
			[]string{"vendor name | Acme", "version | 1.2", "object 128 (manufacturer's) | 7 years", "function 17: exception 1"}, "server id"},
		{"basic", modbustest.Identity{Objects: map[byte]string{0: "Acme", 1: "M1", 2: "1"}}, modbustest.Fault{}, []string{"version | 1"}, "vendor URL"},
		{"neither", modbustest.Identity{}, modbustest.Fault{}, []string{"function 43, type 14: exception 1", "function 17: exception 1"}, "|"},
		{"silent", modbustest.Identity{}, modbustest.Fault{Silent: true}, []string{"function 43, type 14: no answer", "function 17: no answer"}, "|"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, u, _ := quiet(t, registerNode("r", wire.HoldingRegister, 0, ""))
			u.Identify(tt.identity)
			u.SetFault(tt.fault)
			got, _, err := ask(t, d, "gw/u", "Identify", nil)
			if err != nil {
				t.Fatal(err)
			}
			holds(t, got, tt.want...)
			if tt.not != "" && strings.Contains(got, tt.not) {
				t.Errorf("got\n%s\nwant nothing with %q", got, tt.not)
			}
		})
	}
}

func TestReadRange(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, registerNode("energy", wire.HoldingRegister, 10, "uint32"), registerNode("mode", wire.HoldingRegister, 12, ""),
		registerNode("low", wire.HoldingRegister, 12, "uint8low"), registerNode("pump", wire.Coil, 3, ""))
	u.RefuseHoles(true)
	u.SetWords(wire.HoldingRegister, 10, 0x4148, 0x0000, 0xffff)
	u.SetWords(wire.HoldingRegister, 14, 0x4142, 0x7fc0, 0)
	got, _, err := ask(t, d, "gw/u", "ReadRange", nodes.Params{"Address": nodes.Int32(10), "Count": nodes.Int32(7)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got,
		// 0x41480000: 1095237632, 12.5; 0x48410000, 0x00004148 and 0x00004841 in the other orders
		"10 | 40011 | 0x4148 | 16712 | 16712 | AH | 1095237632 | 1212219392 | 16712 | 18497 | 1095237632 | 1212219392 | 16712 | 18497 | 12.5 | 197632 | ",
		" | energy\n", "11 | 40012 | 0x0000 | 0 | 0 | .. | 65535 | 65535 | 4294901760 |", " | energy\n",
		"12 | 40013 | 0xFFFF | 65535 | -1 | .. |  |  |  |", " | mode, low\n",
		"13 | 40014 | exception 2, illegal data address |  |", "14 | 40015 | 0x4142 | 16706 | 16706 | AB |", "16 | 40017 | 0x0000 |")
	if rows := strings.Count(got, "\n"); rows != 8 {
		t.Errorf("%d lines:\n%s", rows, got)
	}
	got, _, err = ask(t, d, "gw/u", "ReadRange", nodes.Params{"Address": nodes.Int32(14), "Count": nodes.Int32(2), "Show": nodes.String("16")})
	if err != nil || !strings.Contains(got, "15 | 40016 | 0x7FC0 | 32704 | 32704 | .. | \n") {
		t.Errorf("16 bits: got\n%s%v", got, err)
	}
	u.SetBits(wire.Coil, 0, false, false, false, true)
	got, _, err = ask(t, d, "gw/u", "ReadRange", nodes.Params{"Table": nodes.String("coil"), "Address": nodes.Int32(2), "Count": nodes.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got, "2 | 00003 | false | \n", "3 | 00004 | true | pump\n", "4 | 00005 | exception 2, illegal data address | \n")
	_, _, err = ask(t, d, "gw/u", "ReadRange", nodes.Params{"Address": nodes.Int32(65530), "Count": nodes.Int32(7)})
	if nodes.KindOf(err) != nodes.Invalid {
		t.Errorf("past the end: got %v", err)
	}
	u.SetFault(modbustest.Fault{Silent: true})
	_, _, err = ask(t, d, "gw/u", "ReadRange", nil)
	if err == nil || !strings.Contains(err.Error(), "unit 1: function 3, holding registers 0 to 19: no answer") {
		t.Errorf("silent: got %v", err)
	}
}

// A long range is read in requests that the unit takes, each address once, and every
// width is shown up to its end.
func TestReadLongRange(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, registerNode("r", wire.InputRegister, 0, ""))
	u.Limit(30) // found out by refusals
	for a := range 1000 {
		u.SetWords(wire.HoldingRegister, a, uint16(a))
	}
	_, list, err := ask(t, d, "gw/u", "ReadRange", nodes.Params{"Count": nodes.Int32(1000), "Show": nodes.String("64")})
	if err != nil {
		t.Fatal(err)
	}
	next := 0
	for _, f := range list {
		r, ok := f.(nodes.Rows)
		if !ok {
			continue
		}
		for _, row := range r.Rows {
			a := int(row[0].Int())
			if a != next || row[3].Int() != int64(a) {
				t.Fatalf("row %v, want address %d", row, next)
			}
			if quad := uint64(a)<<48 | uint64(a+1)<<32 | uint64(a+2)<<16 | uint64(a+3); a <= 996 && row[18].Int() != int64(quad) {
				t.Fatalf("address %d: got %v, want %d", a, row[18], quad)
			} else if a > 996 && !row[18].IsZero() {
				t.Fatalf("address %d: got %v", a, row[18])
			}
			next++
		}
	}
	if next != 1000 {
		t.Errorf("%d rows", next)
	}
}

const list = "Name;Address;Type;Unit;Scale;Access\nvoltage;40001;uint16;V;0,1;R\nsetpoint;40010;int16;°C;0,1;RW\nrelay;00001;bool;;;RW\n"

func TestImportRegisters(t *testing.T) {
	t.Parallel()
	d, _, _ := quiet(t, registerNode("there", wire.HoldingRegister, 0, ""))
	got, _, err := ask(t, d, "gw/u", "ImportRegisters", nodes.Params{"Text": nodes.String(list)})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got, "2 | voltage | holding register 0 | 40001 | uint16 | V | false", "4 | relay | coil 0 | 00001 | bool |  | true", "3 registers would be made")
	if n := len(d.Host.Created()); n != 0 {
		t.Fatalf("a dry run made %d nodes", n)
	}
	really := nodes.Bool(false)
	wrong := list + "there;40002;uint16;;;\nodd;40003;uint23;;;\n"
	got, _, err = ask(t, d, "gw/u", "ImportRegisters", nodes.Params{"Text": nodes.String(wrong), "DryRun": really})
	if nodes.KindOf(err) != nodes.Invalid || !strings.Contains(err.Error(), "2 flaws") {
		t.Errorf("got %v", err)
	}
	holds(t, got, "5 | there | Name | the unit has a register of this name already", "6 | odd | Type | there is no unsigned integer of 23 bits")
	if n := len(d.Host.Created()); n != 0 {
		t.Fatalf("a wrong list made %d nodes", n)
	}
	got, _, err = ask(t, d, "gw/u", "ImportRegisters", nodes.Params{"Text": nodes.String(list), "DryRun": really})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got, "3 registers were made")
	made := d.Host.Created()
	if len(made) != 3 || made[1].ID != "gw/u/setpoint" || made[1].Type != TypeRegister || !made[1].Params.Bool("Writable") {
		t.Fatalf("made %+v", made)
	}
	got, _, err = ask(t, d, "gw/u", "ExportRegisters", nodes.Params{"Separator": nodes.String("semicolon")})
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got, "Name;Table;Address;AddressBase;Reference;Type;Scale;Unit;Writable\r\n", "there;holdingRegister;0;0;;;;;\r\n", "setpoint;;;;40010;int16;0.1;°C;true\r\n")
	for _, text := range []string{"", "Name;Address\n", "\n\n"} {
		if _, _, err := ask(t, d, "gw/u", "ImportRegisters", nodes.Params{"Text": nodes.String(text + " ")}); nodes.KindOf(err) != nodes.Invalid {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestDuplicate(t *testing.T) {
	t.Parallel()
	d, _, _ := quiet(t, registerNode("r", wire.HoldingRegister, 5, "int16"), writable("w", wire.Coil, 1, ""))
	duplicate := func(id int32, name string) error {
		return d.Execute(soon, "gw/u", "Duplicate", filled(t, "Duplicate", nodes.Params{"UnitId": nodes.Int32(id), "Name": nodes.String(name)}))
	}
	if err := duplicate(9, "u9"); err != nil {
		t.Fatal(err)
	}
	made := d.Host.Created()
	if len(made) != 1 || made[0].ID != "gw/u9" || made[0].Params.Int("UnitId") != 9 || len(made[0].Children) != 2 {
		t.Fatalf("made %+v", made)
	}
	original, _ := d.Host.Node("gw/u")
	for i, c := range made[0].Children {
		if o := original.Children[i]; c.ID != "gw/u9/"+o.Name || c.Parent != "gw/u9" || !maps.Equal(c.Params, o.Params) {
			t.Errorf("%s: %+v", o.Name, c)
		}
	}
	if original.Params.Int("UnitId") != 1 {
		t.Error("the original has changed")
	}
	var e *nodes.Error
	if err := duplicate(1, "same"); !errors.As(err, &e) || e.Kind != nodes.Invalid || e.Fields["UnitId"] == "" {
		t.Errorf("the same unit id: got %v", err)
	}
	if err := duplicate(10, "u9"); err == nil || len(d.Host.Created()) != 1 {
		t.Errorf("the same name: got %v", err)
	}
}

// Each type says what its nodes can do; a command of another type is unknown.
func TestCommandsOfTypes(t *testing.T) {
	want := map[string]string{
		TypeGateway: "ScanUnits", TypeSerial: "ScanUnits ScanLine",
		TypeUnit: "Identify ReadRange ImportRegisters ExportRegisters Duplicate ForgetLearned", TypeRegister: "",
	}
	for _, typ := range types() {
		var ids []string
		for _, c := range typ.Commands {
			ids = append(ids, c.ID)
		}
		for _, id := range strings.Fields(want[typ.Name]) {
			if !slices.Contains(ids, id) {
				t.Errorf("%s has no %s", typ.Name, id)
			}
		}
	}
	d, _, _ := quiet(t, registerNode("r", wire.HoldingRegister, 5, ""))
	for node, id := range map[string]string{"gw": "ScanLine", "gw/u": "ScanUnits", "gw/u/r": "Identify"} {
		if _, err := d.Query(soon, node, id, nil); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("%s of %s: got %v", id, node, err)
		}
	}
	if err := d.Execute(soon, "gw/u", "Identify", nil); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a query run as a command: got %v", err)
	}
}

// What was learned is found out anew when that is wanted.
func TestForgetLearned(t *testing.T) {
	t.Parallel()
	d, u, _ := quiet(t, writable("bit", wire.HoldingRegister, 30, "bool", "Bit", nodes.Int32(3)))
	function := func() byte {
		if o := d.Set(soon, setting("bit", nodes.Bool(true)))[0]; o.State != nodes.WriteDone {
			t.Fatalf("got %v (%v)", o.State, o.Err)
		}
		w := u.Writes()
		return w[len(w)-1].Function
	}
	u.Refuse(22)
	if got := function(); got != 6 {
		t.Errorf("22 is refused: got %d", got)
	}
	u.Refuse()
	if got := function(); got != 6 {
		t.Errorf("22 was refused: got %d", got)
	}
	if err := d.Execute(soon, "gw/u", "ForgetLearned", nil); err != nil {
		t.Fatal(err)
	}
	if got := function(); got != 22 {
		t.Errorf("after it was forgotten: got %d", got)
	}
}
