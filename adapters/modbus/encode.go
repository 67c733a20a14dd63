package modbus

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// patch is what a write changes.
type patch struct {
	words []uint16 // as on the wire; of a coil: 0 or 1
	mask  []uint16 // which bits of them; nil: all, the others belong to other values
}

// encode is the inverse of value. A number is rounded to the nearest that the
// register can hold, halves away from zero; one that the registers or WriteMin
// and WriteMax have no room for is an error, as is a fraction where only whole
// numbers are. Nothing wraps, and nothing is cut off.
func (f *format) encode(v nodes.Value) (patch, error) {
	switch {
	case f.typ == wire.Text:
		return f.encodeText(v)
	case f.typ.Floating():
		return f.encodeReal(v)
	}
	n, err := f.wholeNumber(v)
	if err != nil {
		return patch{}, err
	}
	low, high := f.bounds()
	if n.Cmp(big.NewInt(low)) < 0 || n.Cmp(new(big.Int).SetUint64(high)) > 0 {
		return patch{}, fmt.Errorf("%s does not fit into %s: %s", v, f.room(), f.span())
	}
	raw := n.Uint64()
	if n.Sign() < 0 {
		raw = uint64(n.Int64())
	}
	if f.table.Bits() {
		return patch{words: []uint16{uint16(raw)}}, nil
	}
	if f.typ.BCD() {
		raw = wire.ToBCD(raw)
	}
	return f.patch(raw, v)
}

// patch puts the bits of a value in their places.
func (f *format) patch(raw uint64, v nodes.Value) (patch, error) {
	raw &= math.MaxUint64 >> (64 - f.width())
	if f.bits == 0 && isMissing(f.missing, raw) {
		return patch{}, fmt.Errorf("%s would be written as %s, which stands for \"not available\"", v, f.spell(raw))
	}
	var data, mask [8]byte
	wire.PutRaw(f.typ, f.order, data[:], raw<<f.bit)
	wire.PutRaw(f.typ, f.order, mask[:], math.MaxUint64>>(64-f.width())<<f.bit)
	p := patch{words: registers(data[:2*f.count])}
	for _, m := range registers(mask[:2*f.count]) {
		if m != 0xffff {
			p.mask = registers(mask[:2*f.count])
		}
	}
	return p, nil
}

func registers(b []byte) []uint16 {
	out := make([]uint16, len(b)/2)
	for i := range out {
		out[i] = binary.BigEndian.Uint16(b[2*i:])
	}
	return out
}

// wholeNumber returns what integer stands for a value.
func (f *format) wholeNumber(v nodes.Value) (*big.Int, error) {
	switch f.kind {
	case nodes.KindEnum:
		return f.chosen(v)
	case nodes.KindBool:
		switch {
		case v == nodes.Bool(true), v.Kind() != nodes.KindBool && v.IsNumber() && v.Double() == 1:
			return big.NewInt(1), nil
		case v == nodes.Bool(false), v.Kind() != nodes.KindBool && v.IsNumber() && v.Double() == 0:
			return new(big.Int), nil
		}
		return nil, errors.New("write true or false")
	}
	x, err := f.unscaled(v)
	if err != nil {
		return nil, err
	}
	if f.kind != nodes.KindDouble && !x.IsInt() {
		return nil, fmt.Errorf("%s is no whole number, and the register holds nothing else", v)
	}
	// Twice the number, plus or minus one, halved towards zero.
	n := new(big.Int).Lsh(x.Num(), 1)
	n.Add(n, new(big.Int).Mul(x.Denom(), big.NewInt(int64(x.Sign()))))
	return n.Quo(n, new(big.Int).Lsh(x.Denom(), 1)), nil
}

// chosen returns the integer of a choice, given by text or number.
func (f *format) chosen(v nodes.Value) (*big.Int, error) {
	text := v.Text()
	switch v.Kind() {
	case nodes.KindBool:
		text = strconv.Itoa(map[bool]int{true: 1}[v.Bool()])
	case nodes.KindInt32, nodes.KindInt64:
		text = v.String()
	case nodes.KindDouble:
		text = strconv.FormatFloat(v.Double(), 'f', -1, 64)
	}
	if number, ok := f.numberOf(text); ok {
		if n, ok := new(big.Int).SetString(number, 10); ok {
			return n, nil
		}
	}
	var texts []string
	for _, c := range f.choices() {
		texts = append(texts, c.text)
	}
	return nil, fmt.Errorf("%q is no choice: write one of %s, or a number", clip(text), strings.Join(texts, ", "))
}

// unscaled returns what the registers should hold, exactly.
func (f *format) unscaled(v nodes.Value) (*big.Rat, error) {
	if !v.IsNumber() {
		return nil, errors.New("write a number")
	}
	if u := v.Unit(); u != "" && u != f.unit {
		if f.unit == "" {
			return nil, fmt.Errorf("write the number without the unit %s", u)
		}
		return nil, fmt.Errorf("%s is in %s: write it in %s", v, u, f.unit)
	}
	x := new(big.Rat).SetInt64(v.Int())
	if v.Kind() == nodes.KindDouble {
		if x = rational(v.Double()); f.plain() && math.Abs(v.Double()) >= exact {
			x.SetFloat64(v.Double()) // whole, and of more digits than its shortest form
		}
	}
	if d := v.Double(); d < f.min {
		return nil, fmt.Errorf("%s is below WriteMin: at least %s", v, f.show(f.min))
	} else if d > f.max {
		return nil, fmt.Errorf("%s is above WriteMax: at most %s", v, f.show(f.max))
	}
	if f.plain() {
		return x, nil
	}
	x.Sub(x, rational(f.offset))
	return x.Quo(x, f.factor()), nil
}

func (f *format) encodeReal(v nodes.Value) (patch, error) {
	x, err := f.unscaled(v)
	if err != nil {
		return patch{}, err
	}
	r, _ := x.Float64()
	raw := f.typ.FromFloat(r)
	if f.typ == wire.Float32 {
		single, _ := x.Float32() // not rounded twice
		raw = f.typ.FromFloat(float64(single))
	}
	if math.IsInf(f.typ.ToFloat(raw), 0) {
		return patch{}, fmt.Errorf("%s does not fit into %s: %s", v, f.room(), f.span())
	}
	return f.patch(raw, v)
}

func (f *format) encodeText(v nodes.Value) (patch, error) {
	s := v.Text()
	switch room := 2 * f.count; {
	case v.Kind() != nodes.KindString && v.Kind() != nodes.KindEnum:
		return patch{}, errors.New("write a text")
	case len(s) > room:
		return patch{}, fmt.Errorf("the text takes %d bytes, and there is room for %d", len(s), room)
	case !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return patch{}, errors.New("the text holds characters that are none: write letters, digits and signs")
	}
	data := make([]byte, 2*f.count)
	wire.PutCharacters(f.order, data, s)
	return patch{words: registers(data)}, nil
}
