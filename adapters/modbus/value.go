package modbus

import (
	"fmt"
	"math"
	"strconv"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// value decodes what the answer to a read from address first holds for this
// register. The error says why it is no value. Numbers, bits and listed choices
// are made without allocating.
func (f *format) value(first int, data []byte) (nodes.Value, error) {
	at := f.first - first
	if f.table.Bits() {
		var raw uint64
		if wire.Bit(data, at) {
			raw = 1
		}
		return f.number(int64(raw), raw), nil
	}
	data = data[2*at:]
	if f.typ == wire.Text {
		return nodes.String(wire.Characters(f.order, data[:2*f.count])), nil
	}
	raw := wire.Raw(f.typ, f.order, data)
	if f.missing != "" && isMissing(f.missing, raw) {
		return nodes.Value{}, fmt.Errorf("not available: %s %s %s, which stands for that", f.place(), f.holds(), f.spell(raw))
	}
	if f.bits != 0 {
		raw = raw >> f.bit & (1<<f.bits - 1)
	}
	switch {
	case f.typ.Floating():
		return f.real(raw)
	case f.typ.Signed():
		raw = uint64(wire.SignExtend(raw, f.typ.Bits()))
		return f.number(int64(raw), 0), nil
	case f.typ.BCD():
		n, ok := wire.FromBCD(raw)
		if !ok {
			return nodes.Value{}, fmt.Errorf("%s %s %s, which is no BCD number", f.place(), f.holds(), f.spell(raw))
		}
		raw = n
	}
	return f.number(int64(raw), raw), nil
}

// number makes the value of an integer; large is the same when it may exceed an
// int64.
func (f *format) number(i int64, large uint64) nodes.Value {
	switch f.kind {
	case nodes.KindBool:
		return nodes.Bool(i != 0)
	case nodes.KindEnum:
		return f.option(i, large)
	case nodes.KindInt32:
		return nodes.Int32(int32(i))
	}
	if large > math.MaxInt64 {
		// A count that only a uint64 holds. Never negative, and nearly right.
		return nodes.Quantity(round(f.apply(float64(large)), f.decimals), f.decimals, f.unit)
	}
	if f.kind == nodes.KindInt64 {
		return nodes.Int64(i)
	}
	return nodes.Quantity(f.integer(i, f.decimals), f.decimals, f.unit)
}

// real makes the value of a floating point number, and takes away the digits that
// only the binary arithmetic made: a float32 of 0.1 is 0.1.
func (f *format) real(raw uint64) (nodes.Value, error) {
	v := f.typ.ToFloat(raw)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nodes.Value{}, fmt.Errorf("%s %s %v, which is no value", f.place(), f.holds(), v)
	}
	if f.decimals < 0 || math.Abs(v)*powers[f.decimals] >= exact {
		v = shortest(f.typ, v)
	}
	if !f.plain() {
		v = f.apply(v)
		if math.IsInf(v, 0) {
			return nodes.Value{}, fmt.Errorf("%s: the scaled value is too large", f.place())
		}
		if f.decimals < 0 {
			v = significant(v, significance[f.typ])
		}
	}
	return nodes.Quantity(round(v, f.decimals), f.decimals, f.unit), nil
}

// significance is how many digits of a scaled number are not made by the binary
// arithmetic.
var significance = [...]int{wire.Float16: 12, wire.Float32: 12, wire.Float64: 15}

// shortest returns a number as the shortest decimal form has it that tells it from
// the others of its type.
func shortest(t wire.Type, v float64) float64 {
	if t == wire.Float64 || v == math.Trunc(v) && math.Abs(v) < exact {
		return v
	}
	if t == wire.Float32 {
		var buf [32]byte
		if short, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], v, 'g', -1, 32)), 64); err == nil {
			return short
		}
		return v
	}
	for n := 1; n < 6; n++ {
		if short := significant(v, n); wire.HalfBits(short) == wire.HalfBits(v) {
			return short
		}
	}
	return v
}

// significant rounds to so many significant digits.
func significant(v float64, digits int) float64 {
	var buf [32]byte
	if short, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], v, 'g', digits, 64)), 64); err == nil {
		return short
	}
	return v
}

// spell writes what registers hold as a person finds it in a manual.
func (f *format) spell(raw uint64) string {
	hex := fmt.Sprintf("0x%0*X", max(2, f.typ.Bits()/4), raw)
	switch {
	case f.typ.Floating():
		return fmt.Sprintf("%v (%s)", f.typ.ToFloat(raw), hex)
	case f.typ.Signed():
		return fmt.Sprintf("%d (%s)", wire.SignExtend(raw, f.typ.Bits()), hex)
	case f.typ.BCD():
		return hex
	}
	return fmt.Sprintf("%d (%s)", raw, hex)
}

func (f *format) holds() string {
	if f.count == 1 {
		return "holds"
	}
	return "hold"
}
