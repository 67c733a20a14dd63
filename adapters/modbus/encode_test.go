package modbus

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

func TestEncode(t *testing.T) {
	q, i, s := nodes.Quantity, nodes.Int32, nodes.String
	for _, tt := range []struct {
		name string
		more nodes.Params
		v    nodes.Value
		want patch
		err  string // part of the message
	}{
		{"uint16", nil, i(65535), patch{words: []uint16{65535}}, ""},
		{"a double that is whole", nil, q(7, 0, ""), patch{words: []uint16{7}}, ""},
		{"too large", nil, i(70000), patch{}, "70000 does not fit into uint16: 0 to 65535"},
		{"negative", nil, i(-1), patch{}, "-1 does not fit into uint16: 0 to 65535"},
		{"a fraction", nil, q(1.5, 1, ""), patch{}, "no whole number"},
		{"no number", nil, s("7"), patch{}, "write a number"},
		{"infinite", nil, q(math.Inf(1), -1, ""), patch{}, "write a number"},
		{"NaN", nodes.Params{"Type": s("float32")}, q(math.NaN(), -1, ""), patch{}, "write a number"},
		{"scaled", nodes.Params{"Type": s("int16"), "Scale": q(0.1, 1, "")}, q(-23.5, 1, ""), patch{words: []uint16{0xff15}}, ""},
		{"an integer, scaled", nodes.Params{"Scale": q(0.1, 1, "")}, i(3), patch{words: []uint16{30}}, ""},
		{"rounded", nodes.Params{"Scale": q(0.1, 1, "")}, q(0.25, 2, ""), patch{words: []uint16{3}}, ""},
		{"rounded, negative", nodes.Params{"Type": s("int16"), "Scale": q(0.1, 1, "")}, q(-0.25, 2, ""), patch{words: []uint16{0xfffd}}, ""},
		{"rounded down", nodes.Params{"Scale": q(0.1, 1, "")}, q(0.2499, -1, ""), patch{words: []uint16{2}}, ""},
		{"scaled, too large", nodes.Params{"Type": s("int16"), "Scale": q(0.1, 1, ""), "Unit": s("°C")}, q(7000, 0, "°C"), patch{},
			"7000 °C does not fit into int16 with scale 0.1: -3276.8 to 3276.7 °C"},
		{"negative scale", nodes.Params{"Scale": q(-2, 0, "")}, i(3), patch{}, "-131070 to 0"},
		{"divisor and offset", nodes.Params{"Divisor": q(10, 0, ""), "Offset": q(-40, 0, "")}, q(23.5, 1, ""), patch{words: []uint16{635}}, ""},
		{"below offset", nodes.Params{"Divisor": q(10, 0, ""), "Offset": q(-40, 0, "")}, q(-41, 0, ""), patch{}, "uint16 with scale 1, divisor 10, offset -40: -40.0 to 6513.5"},
		{"its unit", nodes.Params{"Unit": s("V")}, q(5, 0, "V"), patch{words: []uint16{5}}, ""},
		{"another unit", nodes.Params{"Unit": s("V")}, q(5, 0, "kV"), patch{}, "5 kV is in kV: write it in V"},
		{"a unit too much", nil, q(5, 0, "kV"), patch{}, "without the unit kV"},
		{"WriteMin", nodes.Params{"WriteMin": q(5, 0, ""), "Unit": s("°C")}, i(4), patch{}, "below WriteMin: at least 5 °C"},
		{"WriteMax", nodes.Params{"WriteMax": q(90, 0, ""), "Unit": s("°C")}, i(91), patch{}, "above WriteMax: at most 90 °C"},
		{"within", nodes.Params{"WriteMin": q(5, 0, ""), "WriteMax": q(90, 0, "")}, i(90), patch{words: []uint16{90}}, ""},
		{"int32, low register first", nodes.Params{"Type": s("int32"), "ByteOrder": s("CDAB")}, i(-2), patch{words: []uint16{0xfffe, 0xffff}}, ""},
		{"int64", nodes.Params{"Type": s("int64")}, nodes.Int64(math.MinInt64), patch{words: []uint16{0x8000, 0, 0, 0}}, ""},
		{"exact beyond doubles", nodes.Params{"Type": s("uint64")}, nodes.Int64(math.MaxInt64), patch{words: []uint16{0x7fff, 0xffff, 0xffff, 0xffff}}, ""},
		{"beyond int64", nodes.Params{"Type": s("uint64")}, q(1<<63, 0, ""), patch{words: []uint16{0x8000, 0, 0, 0}}, ""},
		{"beyond uint64", nodes.Params{"Type": s("uint64")}, q(1<<64, 0, ""), patch{}, "0 to 18446744073709551615"},
		{"high byte", nodes.Params{"Type": s("int8high")}, i(-2), patch{words: []uint16{0xfe00}, mask: []uint16{0xff00}}, ""},
		{"low byte, swapped", nodes.Params{"Type": s("uint8low"), "ByteOrder": s("BADC")}, i(7), patch{words: []uint16{0x0700}, mask: []uint16{0xff00}}, ""},
		{"byte, too large", nodes.Params{"Type": s("int8low")}, i(128), patch{}, "int8low: -128 to 127"},
		{"one bit", nodes.Params{"Bit": i(3)}, nodes.Bool(true), patch{words: []uint16{8}, mask: []uint16{8}}, ""},
		{"one bit, swapped", nodes.Params{"Bit": i(3), "ByteOrder": s("BADC")}, nodes.Bool(false), patch{words: []uint16{0}, mask: []uint16{0x0800}}, ""},
		{"1 for true", nodes.Params{"Bit": i(3)}, i(1), patch{words: []uint16{8}, mask: []uint16{8}}, ""},
		{"2 for true", nodes.Params{"Bit": i(3)}, i(2), patch{}, "true or false"},
		{"bit field", nodes.Params{"Bit": i(4), "Bits": i(3)}, i(5), patch{words: []uint16{0x50}, mask: []uint16{0x70}}, ""},
		{"bit field, too large", nodes.Params{"Bit": i(4), "Bits": i(3)}, i(8), patch{}, "8 does not fit into 3 bits: 0 to 7"},
		{"bits across registers", nodes.Params{"Type": s("uint32"), "Bit": i(12), "Bits": i(8)}, i(0xab), patch{words: []uint16{0xa, 0xb000}, mask: []uint16{0xf, 0xf000}}, ""},
		{"all bits", nodes.Params{"Bit": i(0), "Bits": i(16)}, i(5), patch{words: []uint16{5}}, ""},
		{"bcd", nodes.Params{"Type": s("bcd32")}, i(1234567), patch{words: []uint16{0x0123, 0x4567}}, ""},
		{"bcd, too large", nodes.Params{"Type": s("bcd16")}, i(10000), patch{}, "bcd16: 0 to 9999"},
		{"choice", nodes.Params{"Options": s("0=off,5=on")}, nodes.Enum("on", "x"), patch{words: []uint16{5}}, ""},
		{"choice in capitals", nodes.Params{"Options": s("0=off,5=on")}, s("ON"), patch{words: []uint16{5}}, ""},
		{"choice by number", nodes.Params{"Options": s("0=off,5=on")}, i(5), patch{words: []uint16{5}}, ""},
		{"choice by number as text", nodes.Params{"Options": s("0=off,5=on")}, s("7"), patch{words: []uint16{7}}, ""},
		{"choice of a bit", nodes.Params{"Bit": i(1), "Options": s("0=shut,1=open")}, s("open"), patch{words: []uint16{2}, mask: []uint16{2}}, ""},
		{"choice by bool", nodes.Params{"Bit": i(1), "Options": s("0=shut,1=open")}, nodes.Bool(true), patch{words: []uint16{2}, mask: []uint16{2}}, ""},
		{"no choice", nodes.Params{"Options": s("0=off,5=on")}, s("auto"), patch{}, "write one of off, on"},
		{"choice too large", nodes.Params{"Options": s("0=off,5=on")}, i(70000), patch{}, "0 to 65535"},
		{"float32", nodes.Params{"Type": s("float32")}, q(23.5, -1, ""), patch{words: []uint16{0x41bc, 0}}, ""},
		{"float32, scaled", nodes.Params{"Type": s("float32"), "Scale": q(0.1, 1, "")}, q(2.35, -1, ""), patch{words: []uint16{0x41bc, 0}}, ""},
		{"float32, too large", nodes.Params{"Type": s("float32")}, q(1e39, -1, ""), patch{}, "does not fit into float32"},
		{"float16, too large", nodes.Params{"Type": s("float16")}, i(65520), patch{}, "float16: -65504 to 65504"},
		{"float64", nodes.Params{"Type": s("float64")}, q(0.1, -1, ""), patch{words: []uint16{0x3fb9, 0x9999, 0x9999, 0x999a}}, ""},
		{"not available", nodes.Params{"NotAvailable": s("0xffff")}, i(65535), patch{}, `65535 (0xFFFF), which stands for "not available"`},
		{"text", nodes.Params{"Type": s("string"), "Length": i(3)}, s("Tank"), patch{words: []uint16{0x5461, 0x6e6b, 0}}, ""},
		{"text, low byte first", nodes.Params{"Type": s("string"), "Length": i(2), "ByteOrder": s("BADC")}, s("abc"), patch{words: []uint16{0x6261, 0x0063}}, ""},
		{"no text", nodes.Params{"Type": s("string"), "Length": i(1)}, s(""), patch{words: []uint16{0}}, ""},
		{"text, too long", nodes.Params{"Type": s("string"), "Length": i(2)}, s("Türen"), patch{}, "takes 6 bytes, and there is room for 4"},
		{"text with NUL", nodes.Params{"Type": s("string"), "Length": i(2)}, s("a\x00b"), patch{}, "characters that are none"},
		{"a number for a text", nodes.Params{"Type": s("string"), "Length": i(2)}, i(1), patch{}, "write a text"},
		{"coil", nodes.Params{"Table": s("coil")}, nodes.Bool(true), patch{words: []uint16{1}}, ""},
		{"coil, off", nodes.Params{"Table": s("coil")}, nodes.Bool(false), patch{words: []uint16{0}}, ""},
		{"text for a coil", nodes.Params{"Table": s("coil")}, s("on"), patch{}, "true or false"},
	} {
		p := nodes.Params{"Table": s("holdingRegister"), "Address": i(3)}
		maps.Copy(p, tt.more)
		if wrong := checkRegister(p); len(wrong) > 0 {
			t.Errorf("%s: %v", tt.name, wrong)
		}
		f := newFormat(p, "field")
		got, err := f.encode(tt.v)
		switch {
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%s: got %04x, %v; want an error that holds %q", tt.name, got, err, tt.err)
		case tt.err == "" && (err != nil || !slices.Equal(got.words, tt.want.words) || !slices.Equal(got.mask, tt.want.mask)):
			t.Errorf("%s: got %04x, %v; want %04x", tt.name, got, err, tt.want)
		}
	}
}

func TestShows(t *testing.T) {
	s, q := nodes.String, nodes.Quantity
	for _, tt := range []struct {
		name      string
		more      nodes.Params
		v         nodes.Value
		data      []byte
		tolerance float64
		want      bool
	}{
		{"the same", nil, nodes.Int32(7), []byte{0, 7}, 0, true},
		{"another", nil, nodes.Int32(7), []byte{0, 8}, 0, false},
		{"near", nil, nodes.Int32(7), []byte{0, 8}, 1, true},
		{"not near enough", nil, nodes.Int32(7), []byte{0, 9}, 1, false},
		{"in the unit", nodes.Params{"Scale": q(0.1, 1, "")}, q(23.5, 1, ""), []byte{0, 236}, 0.1, true},
		{"beyond, in the unit", nodes.Params{"Scale": q(0.1, 1, "")}, q(23.5, 1, ""), []byte{0, 237}, 0.1, false},
		{"rounded when written", nodes.Params{"Scale": q(0.1, 1, "")}, q(23.54, 2, ""), []byte{0, 235}, 0, true},
		{"other bits do not matter", nodes.Params{"Bit": nodes.Int32(3)}, nodes.Bool(true), []byte{0xff, 0xff}, 0, true},
		{"the bit does", nodes.Params{"Bit": nodes.Int32(3)}, nodes.Bool(true), []byte{0xff, 0xf7}, 0, false},
		{"the other byte does not matter", nodes.Params{"Type": s("int8low")}, nodes.Int32(-1), []byte{0x12, 0xff}, 0, true},
		{"NaN", nodes.Params{"Type": s("float32")}, q(1, -1, ""), []byte{0x7f, 0xc0, 0, 0}, 1e9, false},
		{"not available", nodes.Params{"NotAvailable": s("0xffff")}, nodes.Int32(7), []byte{0xff, 0xff}, 1e9, false},
		{"padded with blanks", nodes.Params{"Type": s("string"), "Length": nodes.Int32(2)}, s("ab"), []byte("ab  "), 0, true},
		{"another text", nodes.Params{"Type": s("string"), "Length": nodes.Int32(2)}, s("ab"), []byte("abc "), 0, false},
		{"negative zero", nodes.Params{"Type": s("float32")}, q(0, -1, ""), []byte{0x80, 0, 0, 0}, 0, true},
		{"choices are not near", nodes.Params{"Options": s("7=on")}, s("on"), []byte{0, 8}, 1, false},
		{"coil", nodes.Params{"Table": s("coil")}, nodes.Bool(true), []byte{1}, 0, true},
		{"coil, off", nodes.Params{"Table": s("coil")}, nodes.Bool(true), []byte{0}, 1, false},
	} {
		p := nodes.Params{"Table": s("holdingRegister"), "Address": nodes.Int32(3)}
		maps.Copy(p, tt.more)
		f := newFormat(p, "field")
		patch, err := f.encode(tt.v)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		} else if got := f.shows(tt.data, patch, tt.tolerance); got != tt.want {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
}

func TestControls(t *testing.T) {
	s, q, i := nodes.String, nodes.Quantity, nodes.Int32
	typ := typeNamed(t, TypeRegister)
	for _, tt := range []struct {
		name     string
		more     nodes.Params
		kind     nodes.Kind
		min, max nodes.Value
		good     nodes.Value
		bad      nodes.Value
		words    string // part of the description
	}{
		{"uint16", nil, nodes.KindInt32, i(0), i(65535), i(65535), i(65536), "holding register 3 (40004)"},
		{"int64", nodes.Params{"Type": s("int64")}, nodes.KindInt64, nodes.Int64(math.MinInt64), nodes.Int64(math.MaxInt64), nodes.Int64(math.MaxInt64), s("a"), "holding registers 3 to 6"},
		{"uint64", nodes.Params{"Type": s("uint64")}, nodes.KindInt64, nodes.Int64(0), nodes.Value{}, nodes.Int64(math.MaxInt64), nodes.Int64(-1), ""},
		{"scaled", nodes.Params{"Type": s("int16"), "Scale": q(0.1, 1, ""), "Unit": s("°C")}, nodes.KindDouble,
			q(-3276.8, 1, "°C"), q(3276.7, 1, "°C"), q(23.5, 1, ""), q(3276.8, 1, ""), "In °C."},
		{"bounded", nodes.Params{"Scale": q(0.1, 1, ""), "WriteMin": q(5, 0, ""), "WriteMax": q(90, 0, "")}, nodes.KindDouble,
			q(5, 1, ""), q(90, 1, ""), i(90), q(90.1, 1, ""), ""},
		{"bounded, whole", nodes.Params{"WriteMin": q(5, 0, ""), "WriteMax": q(90.5, 1, "")}, nodes.KindInt32, i(5), i(90), i(90), i(91), ""},
		{"bounded by a fraction", nodes.Params{"WriteMin": q(4.5, 1, "")}, nodes.KindInt32, i(5), i(65535), i(5), i(4), ""},
		{"float32", nodes.Params{"Type": s("float32")}, nodes.KindDouble, nodes.Value{}, nodes.Value{}, q(1e30, -1, ""), s("x"), ""},
		{"choices", nodes.Params{"Options": s("0=off,1=on")}, nodes.KindEnum, nodes.Value{}, nodes.Value{}, s("on"), s("auto"), ""},
		{"bit", nodes.Params{"Bit": i(3)}, nodes.KindBool, nodes.Value{}, nodes.Value{}, nodes.Bool(true), i(1), "holding register 3, bit 3 (40004.3)"},
		{"text", nodes.Params{"Type": s("string"), "Length": i(2)}, nodes.KindString, nodes.Value{}, nodes.Value{}, s("abcd"), s("abcde"), "At most 4 bytes"},
		{"coil", nodes.Params{"Table": s("coil")}, nodes.KindBool, nodes.Value{}, nodes.Value{}, nodes.Bool(false), s("on"), "coil 3 (00004)"},
	} {
		spec := &nodes.Spec{Name: "speed", Params: nodes.Params{"Table": s("holdingRegister"), "Address": i(3)}}
		maps.Copy(spec.Params, tt.more)
		if got := typ.Controls(spec); len(got) != 0 {
			t.Errorf("%s: not writable, got %v", tt.name, got)
		}
		spec.Params["Writable"] = nodes.Bool(true)
		got := typ.Controls(spec)
		if len(got) != 1 {
			t.Fatalf("%s: got %v", tt.name, got)
		}
		c := got[0]
		if c.ID != "speed" || c.Kind != tt.kind || c.Min != tt.min || c.Max != tt.max || !strings.Contains(c.Description, tt.words) {
			t.Errorf("%s: got %+v", tt.name, c)
		}
		v, err := param.Value(c, tt.good)
		if err != nil {
			t.Errorf("%s: %v: %v", tt.name, tt.good, err)
		}
		f := readRegister(spec)
		if _, err := f.encode(v); err != nil {
			t.Errorf("%s: encode %v: %v", tt.name, v, err)
		}
		if v, err := param.Value(c, tt.bad); err == nil {
			t.Errorf("%s: %v was taken as %v", tt.name, tt.bad, v)
		}
	}
}

// parameters makes a valid register node out of random numbers.
func parameters(r *rand.Rand) nodes.Params {
	pick := func(list ...string) nodes.Value { return nodes.String(list[r.IntN(len(list))]) }
	number := func(list ...float64) nodes.Value { return nodes.Double(list[r.IntN(len(list))]) }
	for {
		p := nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(int32(r.IntN(100)))}
		p["Type"] = nodes.String(wire.Types[r.IntN(len(wire.Types))].String())
		orders := append(wire.Orders[:], wire.LongOrders[:]...)
		p["ByteOrder"] = nodes.String(orders[r.IntN(len(orders))].String())
		set := func(id string, v nodes.Value) {
			if r.IntN(3) == 0 {
				p[id] = v
			}
		}
		set("Bit", nodes.Int32(int32(r.IntN(16))))
		set("Bits", nodes.Int32(int32(1+r.IntN(20))))
		set("Scale", number(0.1, 0.01, 0.001, 10, 0.5, 1.0/3, 60, -1, 1e-6, 2.5, 1e10, 0.1234567890123))
		set("Divisor", number(10, 1000, 3, 7, -8, 60))
		set("Offset", number(-40, 273.15, 1e6, -0.5, 1.0/3))
		set("Decimals", nodes.Int32(int32(r.IntN(8))))
		set("Unit", pick("°C", "kWh"))
		set("NotAvailable", pick("0x80", "NaN", "1,2,0xff", "-1"))
		set("Options", pick("0=off,1=on", "0=a;1=b;2=c", "-1=x", "7=seven"))
		if p["Type"] == nodes.String("string") || r.IntN(4) == 0 {
			p["Length"] = nodes.Int32(int32(1 + r.IntN(4)))
		}
		if r.IntN(8) == 0 {
			p["Table"] = pick("coil", "discreteInput", "inputRegister")
		}
		// What does not fit together is left out, one after the other.
		for _, id := range slices.Sorted(maps.Keys(checkRegister(p))) {
			delete(p, id)
		}
		if p["Table"].IsZero() || p["Address"].IsZero() || len(checkRegister(p)) > 0 {
			continue
		}
		return p
	}
}

// checkFormat checks what holds of all formats and contents: no panic, NaN is
// never a field, the kind is as announced, and what was read can be written and
// is then read again.
func checkFormat(t *testing.T, p nodes.Params, data []byte) (read, written bool) {
	f := newFormat(p, "field")
	v, err := f.value(f.first, data)
	if err != nil {
		if !v.IsZero() {
			t.Fatalf("%v % x: got %v beside the error %v", p, data, v, err)
		}
		return false, false
	}
	if v.Kind() != f.kind && !(f.kind == nodes.KindInt64 && v.Kind() == nodes.KindDouble && v.Double() >= 1<<63) {
		t.Fatalf("%v % x: got %#v, want a %v", p, data, v, f.kind)
	}
	if v.Kind() == nodes.KindDouble && !v.IsNumber() {
		t.Fatalf("%v % x: got %v", p, data, v)
	}
	patch, err := f.encode(v)
	if err != nil {
		// Rounding may lead out of the range, and texts may hold what nobody writes.
		ok := f.kind == nodes.KindString || f.kind == nodes.KindDouble && (f.missing != "" || f.decimals >= 0) || v.Kind() == nodes.KindDouble && v.Double() >= 1<<63
		if !ok {
			t.Fatalf("%v % x: %v cannot be written: %v", p, data, v, err)
		}
		return true, false
	}
	after := slices.Clone(data)
	if f.table.Bits() {
		after[0] = byte(patch.words[0])
	} else {
		for i, w := range patch.words {
			if mask := uint16(0xffff); patch.mask != nil {
				mask = patch.mask[i]
				w = binary.BigEndian.Uint16(data[2*i:])&^mask | w&mask
			}
			binary.BigEndian.PutUint16(after[2*i:], w)
		}
	}
	back, err := f.value(f.first, after)
	if err != nil && f.bits != 0 && f.missing != "" {
		return true, false // with the other bits of the register it stands for "not available"
	}
	if err != nil {
		t.Fatalf("%v % x: %v is written as % x, which is no value: %v", p, data, v, after, err)
	}
	// A double holds 15 to 16 digits: integers of 64 bits have more, and an offset
	// takes some away from what is small beside it.
	digits := 1e-15
	switch {
	case f.typ == wire.Float32 && math.Abs(v.Double()) > 1e15:
		digits = 1e-7 // the shortest form may lie in the middle between two
	case f.typ.Floating():
		digits = 1e-11
	}
	near := math.Abs(back.Double()-v.Double()) <= digits*math.Max(math.Abs(v.Double()), math.Abs(f.offset)) || math.Abs(v.Double()) < 1e-290 // subnormal: fewer digits
	// Fewer decimals than the step of the register has may round to its neighbour.
	coarse := f.decimals >= 0 && (f.digits < 0 || f.decimals < f.digits) && math.Abs(back.Double()-v.Double())*powers[max(0, f.decimals)] < 1.001
	if back != v && !(v.Kind() == nodes.KindDouble && ((f.typ.Bits() == 64 || f.typ.Floating() && !f.plain()) && near || coarse)) {
		t.Fatalf("%v % x: %v is written as % x, which shows %v", p, data, v, after, back)
	}
	if !f.shows(after, patch, 0) {
		t.Fatalf("%v: % x does not show %04x", p, after, patch)
	}
	if f.kind != nodes.KindDouble && f.kind != nodes.KindString && v.Kind() != nodes.KindDouble && !slices.Equal(data[:len(after)], after) && !f.table.Bits() {
		t.Fatalf("%v: %v was % x and is written as % x", p, v, data, after)
	}
	return true, true
}

// What is read, written and read again is the same, for all types, orders and
// scales.
func TestRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var read, written int
	for range 20000 {
		p := parameters(r)
		f := newFormat(p, "field")
		data := make([]byte, 2*f.count)
		for i := range data {
			data[i] = byte(r.Uint32())
			if f.typ == wire.Text {
				data[i] = "abcXYZ 019äö\x00"[r.IntN(15)]
			}
			if f.typ.BCD() && r.IntN(2) == 0 {
				data[i] = byte(r.IntN(10)<<4 | r.IntN(10))
			}
		}
		switch r.IntN(4) {
		case 0: // small numbers, as devices have them
			wire.PutInteger(f.typ, f.order, slices.Grow(data, 8)[:8], int64(r.IntN(200)))
		case 1:
			if f.typ.Floating() {
				wire.PutRaw(f.typ, f.order, data, f.typ.FromFloat(math.Round(r.NormFloat64()*1e5)/100))
			}
		}
		a, b := checkFormat(t, p, data)
		if a {
			read++
		}
		if b {
			written++
		}
	}
	t.Logf("%d values, %d written", read, written)
	if written < 10000 {
		t.Errorf("only %d of 20000 were written", written)
	}
}

func FuzzFormat(f *testing.F) {
	for i := range uint64(20) {
		f.Add(i, []byte{0x7f, 0xc0, 0, 1, 0xff, 0xff, byte(i), 0})
	}
	f.Fuzz(func(t *testing.T, seed uint64, data []byte) {
		p := parameters(rand.New(rand.NewPCG(seed, 1)))
		fm := newFormat(p, "field")
		content := make([]byte, 2*fm.count)
		copy(content, data)
		checkFormat(t, p, content)
	})
}

func FuzzLists(f *testing.F) {
	for _, s := range []string{"0=off, 1=on", "0x10=a\n-1=b", "1==", "=", "0x8000, 65535", "NaN", "-9999.5;1e3", "18446744073709551615=x"} {
		for i := range wire.Types {
			f.Add(uint8(i), s)
		}
	}
	f.Fuzz(func(t *testing.T, typ uint8, s string) {
		fm := format{table: wire.HoldingRegister, typ: wire.Types[int(typ)%len(wire.Types)], scaling: newScaling(nodes.Value{}, nodes.Value{}, nodes.Value{})}
		fm.count = fm.typ.Words()
		if list, err := parseMissing(s, fm.typ); err == nil {
			if len(list)%8 != 0 {
				t.Fatalf("%q: got % x", s, list)
			}
			for i := 0; i < len(list); i += 8 {
				if raw := binary.BigEndian.Uint64([]byte(list[i:])); fm.typ.Bits() < 64 && raw>>fm.typ.Bits() != 0 || !isMissing(list, raw) {
					t.Fatalf("%s %q: got % x", fm.typ, s, list)
				}
			}
		}
		options, err := parseOptions(s, &fm)
		if err != nil || options == "" {
			return
		}
		fm.options, fm.kind, fm.enum = options, nodes.KindEnum, "e"
		for _, c := range fm.choices() {
			p, err := fm.encode(nodes.String(c.number))
			if err != nil {
				t.Fatalf("%s %q: choice %+v: %v", fm.typ, s, c, err)
			}
			if fm.typ == wire.Bool {
				continue // its data are bits
			}
			data := make([]byte, 0, 8)
			for _, w := range p.words {
				data = binary.BigEndian.AppendUint16(data, w)
			}
			if v, err := fm.value(0, data); err != nil || v != nodes.Enum(c.text, "e") {
				t.Fatalf("%s %q: choice %+v shows as %v, %v", fm.typ, s, c, v, err)
			}
		}
	})
}
