package modbus

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// format is where a value is and how it becomes a field. Comparable.
type format struct {
	table    wire.Table
	first    int
	typ      wire.Type
	order    wire.Order
	scale    float64
	offset   float64
	unit     string
	decimals int  // -1: unknown
	whole    bool // an integer that stays one
}

// newFormat reads checked parameters of a register node.
func newFormat(p nodes.Params) format {
	f := format{first: p.Int("Address"), scale: 1, offset: p.Double("Offset"), unit: p.Text("Unit"), decimals: -1}
	f.table, _ = wire.ParseTable(p.Text("Table"))
	var ok bool
	if f.typ, ok = wire.ParseType(p.Text("Type")); !ok {
		f.typ = wire.Uint16
		if f.table.Bits() {
			f.typ = wire.Bool
		}
	}
	if f.order, ok = wire.ParseOrder(p.Text("ByteOrder")); !ok {
		f.order = wire.ABCD
	}
	if !p["Scale"].IsZero() {
		f.scale = p.Double("Scale")
	}
	set := !p["Decimals"].IsZero()
	switch {
	case set:
		f.decimals = p.Int("Decimals")
	case f.typ != wire.Float32:
		f.decimals = max(digits(p["Scale"]), digits(p["Offset"]))
		if f.decimals > 9 { // no decimal fraction, such as 1/3
			f.decimals = -1
		}
	}
	f.whole = f.typ != wire.Float32 && f.scale == 1 && f.offset == 0 && f.unit == "" && f.decimals == 0
	return f
}

// digits counts the decimals of a number as it was written, or else as its
// shortest decimal form has them.
func digits(v nodes.Value) int {
	s := strconv.FormatFloat(v.Double(), 'f', -1, 64)
	n := 0
	if dot := strings.IndexByte(s, '.'); dot >= 0 {
		n = len(s) - dot - 1
	}
	return max(n, v.Decimals())
}

// words returns how many registers or bits the value takes.
func (f *format) words() int { return f.typ.Words() }

// value decodes what the answer to a read from address first holds for this
// register. The error says why it is no value.
func (f *format) value(first int, data []byte) (nodes.Value, error) {
	at := f.first - first
	if f.table.Bits() {
		return nodes.Bool(wire.Bit(data, at)), nil
	}
	data = data[2*at:]
	if f.typ == wire.Float32 {
		v := wire.Float(f.order, data)
		if f64 := float64(v); math.IsNaN(f64) || math.IsInf(f64, 0) {
			return nodes.Value{}, fmt.Errorf("%s holds %v, which is no value", f.table.Range(f.first, 2), v)
		}
		return f.quantity(float64(v))
	}
	i := wire.Integer(f.typ, f.order, data)
	switch {
	case !f.whole:
		return f.quantity(float64(i))
	case f.typ == wire.Uint32:
		return nodes.Int64(i), nil
	}
	return nodes.Int32(int32(i)), nil
}

// powers holds 10^n.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// quantity scales, and takes away the digits that only the binary arithmetic
// made: 235 times 0.1 is 23.5, and a float32 of 0.1 is 0.1.
func (f *format) quantity(raw float64) (nodes.Value, error) {
	if f.typ == wire.Float32 {
		raw = tidy(raw, -1, 32)
	}
	v := raw
	if f.scale != 1 || f.offset != 0 {
		v = raw*f.scale + f.offset
		if math.IsInf(v, 0) {
			return nodes.Value{}, fmt.Errorf("%s: the scaled value is too large", f.table.Range(f.first, f.words()))
		}
		if f.typ == wire.Float32 {
			v = tidy(v, 12, 64)
		}
	}
	if f.decimals >= 0 {
		if p := powers[f.decimals]; math.Abs(v)*p < 1<<53 {
			v = math.Round(v*p) / p
		}
	}
	return nodes.Quantity(v, f.decimals, f.unit), nil
}

// tidy returns a number as its decimal form with so many significant digits has
// it; -1: the fewest that tell it from others of so many bits.
func tidy(v float64, digits, bits int) float64 {
	if v == math.Trunc(v) && math.Abs(v) < 1<<24 {
		return v
	}
	var buf [32]byte
	if short, err := strconv.ParseFloat(string(strconv.AppendFloat(buf[:0], v, 'g', digits, bits)), 64); err == nil {
		return short
	}
	return v
}
