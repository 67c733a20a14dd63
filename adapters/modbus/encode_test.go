package modbus

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

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
