package modbus

import (
	"encoding/binary"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

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
	limit := digits * math.Max(math.Abs(v.Double()), math.Abs(f.offset))
	if f.typ.Floating() && f.offset != 0 { // the neighbour, when the offset is so much larger
		limit += map[wire.Type]float64{wire.Float16: 0x1p-10, wire.Float32: 0x1p-23, wire.Float64: 0x1p-52}[f.typ] * math.Abs(v.Double()-f.offset)
	}
	near := math.Abs(back.Double()-v.Double()) <= limit || math.Abs(v.Double()) < 1e-290 // subnormal: fewer digits
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
