package wire

import "math"

// Type is how a value lies in registers or in a bit.
type Type uint8

// The types. Registers are unsigned 16 bit words, most significant byte first
// (MAP 4.2); how a manufacturer spreads 32 bits over two of them is told by [Order].
const (
	Bool Type = iota + 1
	Int16
	Uint16
	Int32
	Uint32
	Float32
)

// Types are all types.
var Types = [...]Type{Bool, Int16, Uint16, Int32, Uint32, Float32}

var typeNames = [...]string{"", "bool", "int16", "uint16", "int32", "uint32", "float32"}

// ParseType returns the type of that name.
func ParseType(name string) (Type, bool) {
	for _, t := range Types {
		if typeNames[t] == name {
			return t, true
		}
	}
	return 0, false
}

// String returns the name of the type in configurations.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return ""
}

// Words returns how many registers (or bits, for [Bool]) a value takes.
func (t Type) Words() int {
	switch t {
	case Int32, Uint32, Float32:
		return 2
	}
	return 1
}

// Order is the order of the bytes of a 32 bit value on the wire, A being the most
// significant. For 16 bit values BADC and DCBA mean swapped bytes.
type Order uint8

// The orders.
const (
	ABCD Order = iota + 1 // big-endian, as the protocol itself
	BADC                  // bytes swapped within each register
	CDAB                  // registers swapped: the low one first
	DCBA                  // little-endian
)

// Orders are all orders.
var Orders = [...]Order{ABCD, BADC, CDAB, DCBA}

var orderNames = [...]string{"", "ABCD", "BADC", "CDAB", "DCBA"}

// ParseOrder returns the order of that name.
func ParseOrder(name string) (Order, bool) {
	for _, o := range Orders {
		if orderNames[o] == name {
			return o, true
		}
	}
	return 0, false
}

// String returns the name of the order.
func (o Order) String() string {
	if int(o) < len(orderNames) {
		return orderNames[o]
	}
	return ""
}

// Word returns the 16 bit value of the first two bytes of b.
func (o Order) Word(b []byte) uint16 {
	if o == BADC || o == DCBA {
		return uint16(b[1])<<8 | uint16(b[0])
	}
	return uint16(b[0])<<8 | uint16(b[1])
}

// PutWord writes a 16 bit value.
func (o Order) PutWord(b []byte, v uint16) {
	if o == BADC || o == DCBA {
		v = v<<8 | v>>8
	}
	b[0], b[1] = byte(v>>8), byte(v)
}

// Long returns the 32 bit value of the first four bytes of b.
func (o Order) Long(b []byte) uint32 {
	first, second := uint32(o.Word(b)), uint32(o.Word(b[2:]))
	if o == CDAB || o == DCBA {
		first, second = second, first
	}
	return first<<16 | second
}

// PutLong writes a 32 bit value.
func (o Order) PutLong(b []byte, v uint32) {
	first, second := uint16(v>>16), uint16(v)
	if o == CDAB || o == DCBA {
		first, second = second, first
	}
	o.PutWord(b, first)
	o.PutWord(b[2:], second)
}

// Integer returns the value of an integer type; b holds t.Words() registers.
func Integer(t Type, o Order, b []byte) int64 {
	switch t {
	case Int16:
		return int64(int16(o.Word(b)))
	case Uint16:
		return int64(o.Word(b))
	case Int32:
		return int64(int32(o.Long(b)))
	case Uint32:
		return int64(o.Long(b))
	}
	return 0
}

// PutInteger writes the value of an integer type; what does not fit is cut off.
func PutInteger(t Type, o Order, b []byte, v int64) {
	switch t {
	case Int16, Uint16:
		o.PutWord(b, uint16(v))
	case Int32, Uint32:
		o.PutLong(b, uint32(v))
	}
}

// Float returns a [Float32]; it may be infinite or not a number.
func Float(o Order, b []byte) float32 { return math.Float32frombits(o.Long(b)) }

// PutFloat writes a [Float32].
func PutFloat(o Order, b []byte, v float32) { o.PutLong(b, math.Float32bits(v)) }

// Bit returns the n-th bit of the data of a read coils or discrete inputs
// answer: eight to a byte, the first in the lowest bit (MAP 6.1).
func Bit(data []byte, n int) bool { return data[n>>3]>>(n&7)&1 != 0 }

// PutBit sets the n-th bit; the bytes were zero before.
func PutBit(data []byte, n int, v bool) {
	if v {
		data[n>>3] |= 1 << (n & 7)
	}
}
