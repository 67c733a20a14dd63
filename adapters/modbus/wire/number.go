package wire

import "math"

// Raw returns the bits of a value as they are after the order was undone, in the
// low bits; b holds t.Words() registers. Not for [Text]; a [Bool] is bit 0.
func Raw(t Type, o Order, b []byte) uint64 {
	switch t.info().bits {
	case 64:
		return o.Quad(b)
	case 32:
		return uint64(o.Long(b))
	}
	w := uint64(o.Word(b))
	switch t {
	case Bool:
		return w & 1
	case Int8High, Uint8High:
		return w >> 8
	case Int8Low, Uint8Low:
		return w & 0xff
	}
	return w
}

// PutRaw writes the bits of a value; what does not fit is cut off. Of a register
// that holds more than the value, the rest stays.
func PutRaw(t Type, o Order, b []byte, raw uint64) {
	switch t.info().bits {
	case 64:
		o.PutQuad(b, raw)
		return
	case 32:
		o.PutLong(b, uint32(raw))
		return
	}
	w := uint16(raw)
	switch t {
	case Bool:
		w = o.Word(b)&^1 | w&1
	case Int8High, Uint8High:
		w = o.Word(b)&0x00ff | w<<8
	case Int8Low, Uint8Low:
		w = o.Word(b)&0xff00 | w&0x00ff
	}
	o.PutWord(b, w)
}

// Integer returns the value of an integer or BCD type; b holds t.Words()
// registers. What a [Uint64] holds above the largest int64 comes out negative; a
// BCD with a nibble above 9 is 0 here (see [FromBCD]).
func Integer(t Type, o Order, b []byte) int64 {
	raw := Raw(t, o, b)
	switch {
	case t.Signed():
		return SignExtend(raw, t.Bits())
	case t.BCD():
		raw, _ = FromBCD(raw)
	}
	return int64(raw)
}

// PutInteger writes the value of an integer or BCD type; what does not fit is cut
// off.
func PutInteger(t Type, o Order, b []byte, v int64) {
	raw := uint64(v)
	if t.BCD() {
		raw = ToBCD(raw)
	}
	PutRaw(t, o, b, raw)
}

// SignExtend reads the low n bits as two's complement.
func SignExtend(raw uint64, n int) int64 { return int64(raw<<(64-n)) >> (64 - n) }

// Float returns a [Float32]; it may be infinite or not a number.
func Float(o Order, b []byte) float32 { return math.Float32frombits(o.Long(b)) }

// PutFloat writes a [Float32].
func PutFloat(o Order, b []byte, v float32) { o.PutLong(b, math.Float32bits(v)) }

// FromFloat returns the bits that come closest to v in a floating type; infinite
// when v is too large for it.
func (t Type) FromFloat(v float64) uint64 {
	switch t {
	case Float16:
		return uint64(HalfBits(v))
	case Float32:
		return uint64(math.Float32bits(float32(v)))
	}
	return math.Float64bits(v)
}

// ToFloat returns what the bits of a floating type mean.
func (t Type) ToFloat(raw uint64) float64 {
	switch t {
	case Float16:
		return Half(uint16(raw))
	case Float32:
		return float64(math.Float32frombits(uint32(raw)))
	}
	return math.Float64frombits(raw)
}

// Half returns what the bits of a [Float16] mean (IEEE 754, binary16).
func Half(b uint16) float64 {
	exponent, fraction := int(b>>10&0x1f), float64(b&0x3ff)
	var v float64
	switch exponent {
	case 0: // subnormal
		v = math.Ldexp(fraction, -24)
	case 0x1f:
		v = math.Inf(1)
		if fraction != 0 {
			v = math.NaN()
		}
	default:
		v = math.Ldexp(1024+fraction, exponent-25)
	}
	if b&0x8000 != 0 {
		v = -v
	}
	return v
}

// HalfBits returns the [Float16] nearest to v, ties to even.
func HalfBits(v float64) uint16 {
	var sign uint16
	if math.Signbit(v) {
		sign, v = 0x8000, -v
	}
	switch {
	case math.IsNaN(v):
		return 0x7e00
	case v >= 65520: // nearer to 65536 than to the largest, 65504
		return sign | 0x7c00
	case v < 0x1p-14: // a fraction that is rounded up to 1024 is the smallest normal number
		return sign | uint16(math.RoundToEven(v*0x1p24))
	}
	fraction, exponent := math.Frexp(v)                   // from 0.5 to 1
	mantissa := uint16(math.RoundToEven(fraction * 2048)) // from 1024 to 2048
	return sign | uint16(exponent+13)<<10 + mantissa      // the leading one counts as an exponent
}

// FromBCD returns the number whose decimal digits are the nibbles of raw. It is
// false when a nibble is above 9.
func FromBCD(raw uint64) (uint64, bool) {
	var v uint64
	for shift := 60; shift >= 0; shift -= 4 {
		digit := raw >> shift & 0xf
		if digit > 9 {
			return 0, false
		}
		v = 10*v + digit
	}
	return v, true
}

// ToBCD writes the last sixteen decimal digits of v into nibbles.
func ToBCD(v uint64) uint64 {
	var raw uint64
	for shift := 0; shift < 64; shift += 4 {
		raw |= v % 10 << shift
		v /= 10
	}
	return raw
}

// Bit returns the n-th bit of the data of a read coils or discrete inputs
// answer: eight to a byte, the first in the lowest bit (MAP 6.1).
func Bit(data []byte, n int) bool { return data[n>>3]>>(n&7)&1 != 0 }

// PutBit sets the n-th bit; the bytes were zero before.
func PutBit(data []byte, n int, v bool) {
	if v {
		data[n>>3] |= 1 << (n & 7)
	}
}
