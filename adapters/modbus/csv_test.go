package modbus

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// describe writes what a list was read as: a line for each register, flaw and
// remark.
func (l *registerList) describe() string {
	var b strings.Builder
	for _, x := range l.rows {
		fmt.Fprintf(&b, "%d %s:", x.line, x.name)
		for _, id := range slices.Sorted(maps.Keys(x.params)) {
			fmt.Fprintf(&b, " %s=%s", id, x.params[id])
		}
		b.WriteByte('\n')
	}
	for _, f := range l.flaws {
		fmt.Fprintf(&b, "WRONG line %d, %q, column %q: %s\n", f.line, f.name, f.column, f.text)
	}
	for _, s := range l.remarks {
		fmt.Fprintf(&b, "REMARK %s\n", s)
	}
	return b.String()
}

// Lists as integrators have them, in several dialects: testdata/lists/x.csv is read
// as x.txt says. To write these anew, remove them and run the test twice; then look
// at what changed.
func TestRegisterLists(t *testing.T) {
	lists, err := filepath.Glob("testdata/lists/*.csv")
	if err != nil || len(lists) < 5 {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l := readRegisterList(string(text), listDefaults{notation: asWritten})
		golden := strings.TrimSuffix(path, ".csv") + ".txt"
		want, err := os.ReadFile(golden)
		if os.IsNotExist(err) {
			t.Errorf("%s is missing: written anew", golden)
			if err := os.WriteFile(golden, []byte(l.describe()), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got := l.describe(); got != string(want) {
			t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
		}
	}
}

// Every column that we write is one that we read.
func TestOwnColumns(t *testing.T) {
	for _, p := range registerParams() {
		want := p.ID
		switch p.ID {
		case "Address":
			want = placeColumn
		case "Length":
			want = sizeColumn
		}
		if got, _ := columnOf(p.ID); got != want {
			t.Errorf("%s: got %q, want %q", p.ID, got, want)
		}
	}
}

func TestTypesInLists(t *testing.T) {
	for _, tt := range []struct {
		text string
		size size
		want string // empty: an error
	}{
		{"uint16", size{}, "uint16"}, {"UINT16", size{1, ""}, "uint16"}, {"U16", size{}, "uint16"}, {"unsigned 16-bit", size{}, "uint16"}, {"16 bit unsigned integer", size{}, "uint16"},
		{"WORD", size{}, "uint16"}, {"unsigned short", size{}, "uint16"}, {"uint16_t", size{}, "uint16"}, {"Unsigned", size{}, "uint16"}, {"signed word", size{}, "int16"},
		{"INT", size{}, "int16"}, {"int", size{2, "registers"}, "int32"}, {"int", size{2, ""}, ""}, {"int", size{32, ""}, "int32"}, {"INT", size{4, "bytes"}, "int32"}, {"S32", size{}, "int32"}, {"DINT", size{2, ""}, "int32"},
		{"signed int32", size{4, ""}, "int32"}, {"long", size{}, "int32"}, {"long long", size{}, "int64"}, {"unsigned long", size{}, "uint32"}, {"DWORD", size{}, "uint32"}, {"double word", size{}, "uint32"}, {"UDINT", size{}, "uint32"}, {"acc64", size{}, "uint64"},
		{"uint64", size{4, "registers"}, "uint64"}, {"QWORD", size{}, "uint64"}, {"LINT", size{}, "int64"},
		{"float", size{}, "float32"}, {"Float", size{2, "registers"}, "float32"}, {"float", size{2, ""}, "float32"}, {"float", size{4, ""}, ""}, {"float", size{4, "bytes"}, "float32"}, {"float", size{4, "registers"}, "float64"}, {"REAL", size{}, "float32"},
		{"IEEE 754", size{}, "float32"}, {"IEEE754 float", size{}, "float32"}, {"32 bit floating point", size{}, "float32"}, {"double", size{}, "float64"}, {"LREAL", size{}, "float64"}, {"half", size{}, "float16"}, {"F32", size{}, "float32"},
		{"bool", size{}, "bool"}, {"BIT", size{}, "bool"}, {"Boolean", size{1, ""}, "bool"}, {"coil", size{}, "bool"}, {"1 bit", size{}, "bool"},
		{"string(20)", size{}, "string 10"}, {"char[7]", size{}, "string 4"}, {"STRING", size{8, ""}, "string 8"}, {"ASCII", size{16, "bytes"}, "string 8"}, {"utf8", size{4, ""}, "string 4"},
		{"BCD", size{}, "bcd16"}, {"BCD", size{2, "registers"}, "bcd32"}, {"bcd32", size{}, "bcd32"},
		{"uint8", size{}, "uint8low"}, {"int8 high", size{1, ""}, "int8high"}, {"uint8low", size{1, ""}, "uint8low"}, {"USINT", size{}, "uint8low"}, {"byte", size{}, "uint8low"}, {"SINT", size{}, "int8low"},
		{"enum16", size{}, "uint16"}, {"bitfield32", size{}, "uint32"}, {"sunssf", size{}, "int16"},
		{"uint16", size{2, "registers"}, ""}, {"uint24", size{}, ""}, {"float8", size{}, ""}, {"date", size{}, ""}, {"32 bit", size{}, ""}, {"", size{}, ""},
	} {
		c, err := readType(tt.text)
		got := ""
		if err == nil {
			name, length, e := c.name(tt.size)
			if got, err = name, e; length > 0 {
				got += fmt.Sprint(" ", length)
			}
		}
		if err != nil {
			got = ""
		}
		if got != tt.want {
			t.Errorf("%q, size %v: got %q (%v), want %q", tt.text, tt.size, got, err, tt.want)
		}
	}
	for text, want := range map[string]string{"FLOAT (swapped)": "CDAB", "float32 CDAB": "CDAB", "uint32 little endian": "DCBA", "INT32_BE": "ABCD", "int64 GHEFCDAB": "CDAB"} {
		if c, err := readType(text); err != nil || c.order != want {
			t.Errorf("%q: got order %q, %v; want %q", text, c.order, err, want)
		}
	}
}

// What an address means, with what the row and the list say of its table.
func TestAddressesInLists(t *testing.T) {
	for _, tt := range []struct {
		address, function string
		d                 listDefaults
		want              string // empty: an error
	}{
		{"40108", "", listDefaults{}, "Reference=40108"},
		{"400108", "", listDefaults{}, "Reference=40108"},
		{"40108.3", "", listDefaults{}, "Reference=40108.3"},
		{"4x0108", "", listDefaults{}, "Reference=40108"},
		{"40108", "3", listDefaults{}, "Reference=40108"},
		{"40108", "4", listDefaults{}, "Address=40108 Table=inputRegister"},
		{"40108", "3", listDefaults{notation: fromZero}, "Address=40108 Table=holdingRegister"},
		{"107", "3", listDefaults{}, "Address=107 Table=holdingRegister"},
		{"107", "FC04", listDefaults{}, "Address=107 Table=inputRegister"},
		{"107", "03/06/16", listDefaults{}, "Address=107 Table=holdingRegister"},
		{"107", "Holding Register", listDefaults{}, "Address=107 Table=holdingRegister"},
		{"108", "3", listDefaults{notation: fromOne}, "Address=108 AddressBase=1 Table=holdingRegister"},
		{"0", "3", listDefaults{notation: fromOne}, ""},
		{"0x6B", "3", listDefaults{}, "Address=107 Table=holdingRegister"},
		{"6Bh", "3", listDefaults{}, "Address=107 Table=holdingRegister"},
		{"107.5", "3", listDefaults{}, "Address=107 Bit=5 Table=holdingRegister"},
		{"107", "", listDefaults{table: wire.InputRegister}, "Address=107 Table=inputRegister"},
		{"107-108", "3", listDefaults{}, ""}, // two registers and no type
		{"107", "", listDefaults{}, ""},
		{"40108", "", listDefaults{notation: references}, "Reference=40108"},
		{"108", "3", listDefaults{notation: references}, ""},
		{"65536", "3", listDefaults{}, ""},
		{"107", "7", listDefaults{}, ""},
		{"x", "3", listDefaults{}, ""},
		{"108-107", "3", listDefaults{}, ""},
	} {
		if tt.d.notation == "" {
			tt.d.notation = asWritten
		}
		l := readRegisterList("Name;Address;Function\na;"+tt.address+";"+tt.function+"\n", tt.d)
		got := ""
		if len(l.flaws) == 0 && len(l.rows) == 1 {
			for _, id := range slices.Sorted(maps.Keys(l.rows[0].params)) {
				got += fmt.Sprintf(" %s=%s", id, l.rows[0].params[id])
			}
		}
		if strings.TrimSpace(got) != tt.want {
			t.Errorf("%s, function %s, %+v: got %q (%v), want %q", tt.address, tt.function, tt.d, got, l.flaws, tt.want)
		}
	}
}

// randomRegister makes parameters of a register that are valid together.
func randomRegister(r *rand.Rand) nodes.Params {
	one := func(list ...nodes.Value) nodes.Value { return list[r.IntN(len(list))] }
	for {
		p := nodes.Params{}
		for _, d := range registerParams() {
			if r.IntN(3) > 0 && !d.Required {
				continue
			}
			switch d.ID {
			case "Reference":
				p[d.ID] = one(nodes.String("40108"), nodes.String("30001"), nodes.String("40108.3"), nodes.String("465000"), nodes.String("00017"), nodes.String("4x0100"))
			case "Options":
				p[d.ID] = one(nodes.String("0=off, 1=on"), nodes.String("0=off\n1=\"on\"; 2=a|b"), nodes.String("0x1=it's"))
			case "NotAvailable":
				p[d.ID] = one(nodes.String("0x8000, 7"), nodes.String("1;2"))
			case "Unit":
				p[d.ID] = one(nodes.String("°C"), nodes.String("kWh"), nodes.String("m³/h"), nodes.String("%"), nodes.String("1/min"))
			default:
				switch d.Kind {
				case nodes.KindEnum:
					p[d.ID] = nodes.Enum(d.Options[r.IntN(len(d.Options))].Value, d.ID)
				case nodes.KindBool:
					p[d.ID] = nodes.Bool(r.IntN(2) == 0)
				case nodes.KindInt32:
					low, high := int32(d.Min.Int()), int32(d.Max.Int())
					p[d.ID] = nodes.Int32(low + r.Int32N(high-low+1))
				case nodes.KindDouble:
					p[d.ID] = one(nodes.Quantity(0.1, 1, ""), nodes.Quantity(0.10, 2, ""), nodes.Double(3), nodes.Quantity(12.5, 3, ""), nodes.Double(1e-7), nodes.Quantity(-4, 0, ""), nodes.Quantity(1, 2, ""), nodes.Double(1.0/3))
				case nodes.KindDuration:
					p[d.ID] = nodes.Duration(0, time.Duration(10+r.IntN(1000000))*time.Millisecond)
				}
			}
		}
		if r.IntN(20) == 0 { // hardly ever made by chance
			for _, id := range []string{"Bit", "Bits", "Scale", "Divisor", "Offset", "Unit", "Decimals", "NotAvailable", "Options", "WriteMin", "WriteMax", "Tolerance", "ByteOrder", "WriteFunction"} {
				delete(p, id)
			}
			p["Type"], p["Length"] = nodes.Enum("string", "Type"), nodes.Int32(1+r.Int32N(100))
		}
		full, wrong := param.Check(registerParams(), p)
		if len(wrong) == 0 && len(checkRegister(full)) == 0 {
			return full
		}
	}
}

// What is exported is imported as the same registers, over all parameters.
func TestListsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	names := []string{"plain", "with, comma", "with; semicolon", `with "quotes"`, "#no comment", "tab\there", "Größe", "a=b", "-", "1,5", "sep=;"}
	seen := make(map[string]int) // how often each parameter was set
	for round := range 300 {
		var list []*nodes.Node
		for i := range 1 + r.IntN(6) {
			p := randomRegister(r)
			for _, d := range registerParams() {
				if v := p[d.ID]; !v.IsZero() && v != d.Default {
					seen[d.ID]++
				}
			}
			list = append(list, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint(names[r.IntN(len(names))], " ", i), Type: TypeRegister, Params: p}})
		}
		separator := []rune{',', ';', '\t'}[round%3]
		d := listDefaults{notation: []notation{asWritten, references, fromZero, fromOne}[r.IntN(4)]}
		text := string(writeRegisterList(list, separator))
		l := readRegisterList(text, d)
		if len(l.flaws) > 0 || len(l.rows) != len(list) || len(l.remarks) > 0 {
			t.Fatalf("%s\n%s", text, l.describe())
		}
		for i, n := range list {
			got, wrong := param.Check(registerParams(), l.rows[i].params)
			if len(wrong) > 0 {
				t.Fatal(wrong)
			}
			a, b := readRegister(&n.Spec), readRegister(&nodes.Spec{Name: n.Name, Params: got})
			if l.rows[i].name != n.Name || a != b {
				t.Fatalf("%s\n%s: got %+v, want %+v", text, n.Name, b, a)
			}
			for id, v := range n.Params {
				if id == "Reference" || id == "ByteOrder" { // in another notation
					continue
				}
				if w := got[id]; w.String() != v.String() && w.Double() != v.Double() {
					t.Fatalf("%s\n%s, %s: got %v, want %v", text, n.Name, id, w, v)
				}
			}
		}
	}
	for _, d := range registerParams() {
		if seen[d.ID] == 0 {
			t.Errorf("%s was never set", d.ID)
		}
	}
}

func FuzzRegisterList(f *testing.F) {
	lists, _ := filepath.Glob("testdata/lists/*.csv")
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text), uint8(0))
	}
	f.Add("Name,Address\na,40001\nb,40001-40002\n", uint8(1))
	f.Fuzz(func(t *testing.T, text string, how uint8) {
		d := listDefaults{notation: []notation{asWritten, references, fromZero, fromOne}[how%4], table: wire.Table(how / 4 % 5)}
		l := readRegisterList(text, d)
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + 1
		for _, f := range l.flaws {
			if f.text == "" || f.line < 1 || f.line > lines {
				t.Fatalf("flaw %+v in %d lines", f, lines)
			}
		}
		if len(l.flaws) > 0 {
			return
		}
		for _, x := range l.rows { // what has no flaw can be created
			full, wrong := param.Check(registerParams(), x.params)
			if len(wrong) == 0 {
				wrong = checkRegister(full)
			}
			if len(wrong) > 0 || x.name == "" {
				t.Fatalf("%+v: %v", x, wrong)
			}
		}
	})
}
