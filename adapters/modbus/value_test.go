package modbus

import (
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func TestValue(t *testing.T) {
	q := nodes.Quantity
	for _, tt := range []struct {
		name string
		typ  string
		more nodes.Params
		raw  []byte
		want nodes.Value
	}{
		{"uint16", "uint16", nil, []byte{0xff, 0xfe}, nodes.Int32(65534)},
		{"int16", "int16", nil, []byte{0xff, 0xfe}, nodes.Int32(-2)},
		{"uint32", "uint32", nil, []byte{0xff, 0xff, 0xff, 0xff}, nodes.Int64(4294967295)},
		{"int32", "int32", nil, []byte{0xff, 0xff, 0xff, 0xff}, nodes.Int32(-1)},
		{"scaled", "int16", nodes.Params{"Scale": q(0.1, 1, ""), "Unit": nodes.String("°C")}, []byte{0, 235}, q(23.5, 1, "°C")},
		{"30.3 stays 30.3", "uint16", nodes.Params{"Scale": q(0.1, 1, "")}, []byte{1, 0x2f}, q(30.3, 1, "")},
		{"as written", "uint16", nodes.Params{"Scale": q(0.1, 2, "")}, []byte{0, 235}, q(23.5, 2, "")},
		{"offset", "uint16", nodes.Params{"Offset": q(-0.25, 2, "")}, []byte{0, 1}, q(0.75, 2, "")},
		{"unit alone", "uint16", nodes.Params{"Unit": nodes.String("rpm")}, []byte{0, 7}, q(7, 0, "rpm")},
		{"decimals", "uint16", nodes.Params{"Decimals": nodes.Int32(2)}, []byte{0, 7}, q(7, 2, "")},
		{"a third", "uint16", nodes.Params{"Scale": q(1.0/3, -1, "")}, []byte{0, 1}, q(1.0/3, -1, "")},
		{"swapped bytes", "uint16", nodes.Params{"ByteOrder": nodes.String("BADC")}, []byte{1, 0}, nodes.Int32(1)},
		{"float", "float32", nil, []byte{0x41, 0xbc, 0, 0}, q(23.5, -1, "")},
		{"float 0.1 is 0.1", "float32", nil, []byte{0x3d, 0xcc, 0xcc, 0xcd}, q(0.1, -1, "")},
		{"float, decimals", "float32", nodes.Params{"Decimals": nodes.Int32(2)}, []byte{0x41, 0xbc, 0, 0}, q(23.5, 2, "")},
		{"float, scaled", "float32", nodes.Params{"Scale": q(0.001, 3, "")}, []byte{0x3d, 0xcc, 0xcc, 0xcd}, q(0.0001, -1, "")},
		{"float, words swapped", "float32", nodes.Params{"ByteOrder": nodes.String("CDAB")}, []byte{0, 0, 0x41, 0xbc}, q(23.5, -1, "")},
		{"large float", "float32", nil, []byte{0x4b, 0x80, 0, 1}, q(16777218, -1, "")},
		{"NaN", "float32", nil, []byte{0x7f, 0xc0, 0, 0}, nodes.Value{}},
		{"infinite", "float32", nil, []byte{0xff, 0x80, 0, 0}, nodes.Value{}},
		{"overflow", "float64", nodes.Params{"Scale": q(1e300, -1, "")}, []byte{0x7f, 0xe0, 0, 0, 0, 0, 0, 0}, nodes.Value{}},
		{"divisor", "int16", nodes.Params{"Divisor": q(10, -1, "")}, []byte{0, 235}, q(23.5, 1, "")},
		{"scale and divisor", "uint16", nodes.Params{"Scale": q(5, -1, ""), "Divisor": q(8, -1, "")}, []byte{0, 1}, q(0.625, 3, "")},
		{"a third by divisor", "uint16", nodes.Params{"Divisor": q(3, -1, "")}, []byte{0, 1}, q(1.0/3, -1, "")},
		{"rounded", "uint16", nodes.Params{"Scale": q(0.01, 2, ""), "Decimals": nodes.Int32(1)}, []byte{0, 25}, q(0.3, 1, "")},
		{"rounded down", "int16", nodes.Params{"Scale": q(0.01, 2, ""), "Decimals": nodes.Int32(1)}, []byte{0xff, 0xe7}, q(-0.3, 1, "")},
		{"exact at 52 bits", "int64", nodes.Params{"Scale": q(0.001, 3, "")}, []byte{0, 0x0f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, q(4503599627370.495, 3, "")},
		{"int64", "int64", nil, []byte{0x80, 0, 0, 0, 0, 0, 0, 1}, nodes.Int64(-9223372036854775807)},
		{"uint64", "uint64", nil, []byte{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nodes.Int64(9223372036854775807)},
		{"uint64 beyond int64", "uint64", nil, []byte{0x80, 0, 0, 0, 0, 0, 0, 0}, q(9223372036854775808, 0, "")},
		{"uint64 beyond int64, scaled", "uint64", nodes.Params{"Scale": q(0.5, 1, "")}, []byte{0x80, 0, 0, 0, 0, 0, 0, 0}, q(4611686018427387904, 1, "")},
		{"high byte", "int8high", nil, []byte{0xfe, 1}, nodes.Int32(-2)},
		{"low byte", "uint8low", nodes.Params{"Unit": nodes.String("%")}, []byte{0xfe, 50}, q(50, 0, "%")},
		{"float16", "float16", nil, []byte{0x2e, 0x66}, q(0.1, -1, "")},
		{"float16, scaled", "float16", nodes.Params{"Scale": q(3, -1, "")}, []byte{0x2e, 0x66}, q(0.3, -1, "")},
		{"float16 infinite", "float16", nil, []byte{0x7c, 0}, nodes.Value{}},
		{"float64", "float64", nil, []byte{0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a}, q(0.1, -1, "")},
		{"float64, scaled", "float64", nodes.Params{"Scale": q(3, -1, "")}, []byte{0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a}, q(0.3, -1, "")},
		{"float64 NaN", "float64", nil, []byte{0x7f, 0xf8, 0, 0, 0, 0, 0, 0}, nodes.Value{}},
		{"bcd16", "bcd16", nil, []byte{0x12, 0x34}, nodes.Int32(1234)},
		{"bcd16, scaled", "bcd16", nodes.Params{"Scale": q(0.1, 1, "")}, []byte{0x12, 0x34}, q(123.4, 1, "")},
		{"bcd64", "bcd64", nil, []byte{0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99}, nodes.Int64(9999999999999999)},
		{"no digit", "bcd16", nil, []byte{0x12, 0x3a}, nodes.Value{}},
		{"one bit", "", nodes.Params{"Bit": nodes.Int32(3)}, []byte{0, 8}, nodes.Bool(true)},
		{"one bit, swapped", "bool", nodes.Params{"Bit": nodes.Int32(3), "ByteOrder": nodes.String("BADC")}, []byte{0, 8}, nodes.Bool(false)},
		{"the highest bit", "bool", nodes.Params{"Bit": nodes.Int32(15)}, []byte{0x80, 0}, nodes.Bool(true)},
		{"bit field", "uint16", nodes.Params{"Bit": nodes.Int32(4), "Bits": nodes.Int32(3)}, []byte{0xff, 0xdf}, nodes.Int32(5)},
		{"lowest bits", "", nodes.Params{"Bits": nodes.Int32(3)}, []byte{0xff, 0xfd}, nodes.Int32(5)},
		{"bit field of 32", "uint32", nodes.Params{"Bit": nodes.Int32(12), "Bits": nodes.Int32(8)}, []byte{0, 0xa, 0xb0, 0}, nodes.Int32(0xab)},
		{"choice", "uint16", nodes.Params{"Options": nodes.String("0=off, 1=on; 0x10 = fault")}, []byte{0, 16}, nodes.Enum("fault", "field")},
		{"no such choice", "uint16", nodes.Params{"Options": nodes.String("0=off, 1=on")}, []byte{0, 11}, nodes.Enum("11", "field")},
		{"negative choice", "int16", nodes.Params{"Options": nodes.String("-1=low\n1=high")}, []byte{0xff, 0xff}, nodes.Enum("low", "field")},
		{"choice of bits", "", nodes.Params{"Bit": nodes.Int32(0), "Bits": nodes.Int32(2), "Options": nodes.String("2=auto")}, []byte{0xff, 0xfe}, nodes.Enum("auto", "field")},
		{"choice of a bit", "bool", nodes.Params{"Bit": nodes.Int32(1), "Options": nodes.String("0=shut,1=open")}, []byte{0, 2}, nodes.Enum("open", "field")},
		{"large choice", "uint64", nodes.Params{"Options": nodes.String("0xffffffffffffffff=all")}, []byte{255, 255, 255, 255, 255, 255, 255, 255}, nodes.Enum("all", "field")},
		{"large, no choice", "uint64", nodes.Params{"Options": nodes.String("0=none")}, []byte{255, 255, 255, 255, 255, 255, 255, 255}, nodes.Enum("18446744073709551615", "field")},
		{"text", "string", nodes.Params{"Length": nodes.Int32(3)}, []byte("Tank\x00x"), nodes.String("Tank")},
		{"text, low byte first", "string", nodes.Params{"Length": nodes.Int32(2), "ByteOrder": nodes.String("BADC")}, []byte("aTkn"), nodes.String("Tank")},
		{"text in Latin-1", "string", nodes.Params{"Length": nodes.Int32(2)}, []byte("T\xfcr "), nodes.String("Tür")},
		{"not available", "int16", nodes.Params{"NotAvailable": nodes.String("0x8000")}, []byte{0x80, 0}, nodes.Value{}},
		{"not available, as number", "int16", nodes.Params{"NotAvailable": nodes.String("-32768, 32767")}, []byte{0x7f, 0xff}, nodes.Value{}},
		{"available", "int16", nodes.Params{"NotAvailable": nodes.String("0x8000")}, []byte{0x7f, 0xff}, nodes.Int32(32767)},
		{"not available, swapped", "uint32", nodes.Params{"NotAvailable": nodes.String("1"), "ByteOrder": nodes.String("CDAB")}, []byte{0, 1, 0, 0}, nodes.Value{}},
		{"not available, float", "float32", nodes.Params{"NotAvailable": nodes.String("-9999.9")}, []byte{0xc6, 0x1c, 0x3f, 0x9a}, nodes.Value{}},
		{"overflow", "float32", nodes.Params{"Scale": q(1e300, -1, "")}, []byte{0x7f, 0x7f, 0xff, 0xff}, nodes.Value{}},
	} {
		p := nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(3), "Type": nodes.String(tt.typ)}
		for k, v := range tt.more {
			p[k] = v
		}
		f := newFormat(p, "field")
		got, err := f.value(1, append([]byte{9, 9, 9, 9}, tt.raw...))
		if got != tt.want || (err != nil) != tt.want.IsZero() {
			t.Errorf("%s: got %#v, %v; want %#v", tt.name, got, err, tt.want)
		}
	}
}

// What registers hold is read as another program packed it.
func TestGolden(t *testing.T) {
	file, err := os.ReadFile("testdata/values.txt")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(file)) {
		if line[0] == '#' {
			continue
		}
		n++
		var typ, order, text, value string
		if _, err := fmt.Sscan(line, &typ, &order, &text, &value); err != nil {
			t.Fatal(line, err)
		}
		data, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(line, err)
		}
		f := newFormat(nodes.Params{"Table": nodes.String("inputRegister"), "Address": nodes.Int32(0),
			"Type": nodes.String(typ), "ByteOrder": nodes.String(order)}, "field")
		got, err := f.value(0, data)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if f.typ.Floating() {
			want, err := strconv.ParseFloat(value, 64)
			if err != nil || f.typ.FromFloat(got.Double()) != f.typ.FromFloat(want) {
				t.Errorf("%s: got %v", line, got)
			}
		} else if got.String() != value {
			t.Errorf("%s: got %v", line, got)
		}
		// And written the same; of a register that holds more, the rest is left alone.
		p, err := f.encode(got)
		if err != nil {
			t.Errorf("%s: encode: %v", line, err)
		} else if !f.shows(data, p, 0) || p.mask == nil && !slices.Equal(p.words, registers(data)) {
			t.Errorf("%s: encoded as %04x", line, p.words)
		}
	}
	if n < 250 {
		t.Errorf("only %d lines", n)
	}
}

// What says why there is no value names place and content.
func TestNoValue(t *testing.T) {
	for _, tt := range []struct {
		typ, missing string
		raw          []byte
		want         string
	}{
		{"int16", "0x8000", []byte{0x80, 0}, `not available: holding register 3 holds -32768 (0x8000), which stands for that`},
		{"uint32", "0xffffffff", []byte{255, 255, 255, 255}, `not available: holding registers 3 to 4 hold 4294967295 (0xFFFFFFFF), which stands for that`},
		{"float32", "-9999", []byte{0xc6, 0x1c, 0x3c, 0}, `not available: holding registers 3 to 4 hold -9999 (0xC61C3C00), which stands for that`},
		{"bcd16", "0xffff", []byte{255, 255}, `not available: holding register 3 holds 0xFFFF, which stands for that`},
		{"bcd16", "", []byte{0x12, 0xab}, `holding register 3 holds 0x12AB, which is no BCD number`},
		{"float16", "", []byte{0x7e, 0}, `holding register 3 holds NaN, which is no value`},
		{"float64", "NaN", []byte{0xff, 0xf0, 0, 0, 0, 0, 0, 0}, `holding registers 3 to 6 hold -Inf, which is no value`},
	} {
		f := newFormat(nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(3), "Type": nodes.String(tt.typ),
			"NotAvailable": nodes.String(tt.missing)}, "field")
		if v, err := f.value(3, tt.raw); err == nil || err.Error() != tt.want {
			t.Errorf("%s % x: got %v, %v; want %s", tt.typ, tt.raw, v, err, tt.want)
		}
	}
}

// The same parameters make the same format, others another.
func TestFormatsCompare(t *testing.T) {
	p := func(more ...string) nodes.Params {
		p := nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(3)}
		for i := 0; i < len(more); i += 2 {
			p[more[i]] = nodes.String(more[i+1])
		}
		return p
	}
	a := []nodes.Params{p(), p("Type", "int16"), p("Options", "0=a,1=b"), p("Options", "0=a,1=c"), p("NotAvailable", "1"), p("NotAvailable", "2")}
	for i := range a {
		for j := range a {
			if got := newFormat(a[i], "f") == newFormat(maps.Clone(a[j]), "f"); got != (i == j) {
				t.Errorf("%v == %v is %v", a[i], a[j], got)
			}
		}
	}
	if newFormat(p("Options", "0=a,1=b"), "f") != newFormat(p("Options", "0 = a; 0x1=b"), "f") {
		t.Error("the same choices, written otherwise, make another format")
	}
	if newFormat(p("ByteOrder", "CDAB"), "f") != newFormat(p("ByteOrder", "GHEFCDAB"), "f") {
		t.Error("the same order, named otherwise, makes another format")
	}
}

func TestValueDoesNotAllocate(t *testing.T) {
	data := []byte{0x41, 0x20, 0x12, 0x34, 0, 0, 0, 0}
	for _, c := range decoded {
		f := newFormat(c.params, "field")
		if n := testing.AllocsPerRun(100, func() {
			if v, err := f.value(0, data); err != nil || v.IsZero() {
				t.Fatalf("%s: got %v, %v", c.name, v, err)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// decoded are formats that must be fast.
var decoded = func() []struct {
	name   string
	params nodes.Params
} {
	type c = struct {
		name   string
		params nodes.Params
	}
	h := func(typ string, more nodes.Params) nodes.Params {
		p := nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(0), "Type": nodes.String(typ)}
		maps.Copy(p, more)
		return p
	}
	return []c{
		{"uint16", h("uint16", nil)},
		{"uint16 scaled", h("uint16", nodes.Params{"Scale": nodes.Double(0.1), "Unit": nodes.String("°C")})},
		{"uint16 third", h("uint16", nodes.Params{"Divisor": nodes.Double(3)})},
		{"uint16 missing", h("uint16", nodes.Params{"NotAvailable": nodes.String("0x8000,0xffff")})},
		{"bit", h("bool", nodes.Params{"Bit": nodes.Int32(5)})},
		{"bit field", h("uint16", nodes.Params{"Bit": nodes.Int32(5), "Bits": nodes.Int32(4)})},
		{"choice", h("uint16", nodes.Params{"Options": nodes.String("0=off,1=on,2=fault,0x4120=auto")})},
		{"int64", h("int64", nil)},
		{"float32", h("float32", nil)},
		{"float32 decimals", h("float32", nodes.Params{"Decimals": nodes.Int32(2)})},
		{"float32 scaled", h("float32", nodes.Params{"Scale": nodes.Double(0.001)})},
		{"float64", h("float64", nil)},
		{"bcd32", h("bcd16", nil)},
		{"coil", nodes.Params{"Table": nodes.String("coil"), "Address": nodes.Int32(5)}},
	}
}()

func BenchmarkValue(b *testing.B) {
	data := []byte{0x41, 0x20, 0x12, 0x34, 0, 0, 0, 0}
	for _, c := range decoded {
		f := newFormat(c.params, "field")
		b.Run(strings.ReplaceAll(c.name, " ", "-"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.value(0, data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNewFormat(b *testing.B) {
	p := nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(0), "Type": nodes.String("int16"), "Scale": nodes.Quantity(0.1, 1, "")}
	b.ReportAllocs()
	for b.Loop() {
		if f := newFormat(p, "field"); f.count != 1 {
			b.Fatal(f)
		}
	}
}
