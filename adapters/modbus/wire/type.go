package wire

// Type is how a value lies in registers or in a bit. Registers are unsigned 16
// bit words, most significant byte first (MAP 4.2); how a manufacturer spreads
// wider values over several of them is told by [Order].
type Type uint8

// The types. The number behind a name counts bits.
const (
	Bool      Type = iota + 1 // a coil, a discrete input, or one bit of a register
	Int8High                  // the high byte of a register, two's complement
	Int8Low                   // the low byte
	Uint8High                 // the high byte, unsigned
	Uint8Low                  // the low byte
	Int16
	Uint16
	Int32
	Uint32
	Int64
	Uint64
	Float16 // IEEE 754 binary16
	Float32 // IEEE 754 binary32
	Float64 // IEEE 754 binary64
	BCD16   // four decimal digits, the highest first, one in each nibble
	BCD32   // eight
	BCD64   // sixteen
	Text    // characters, two to a register
)

// Types are all types.
var Types = [...]Type{Bool, Int8High, Int8Low, Uint8High, Uint8Low, Int16, Uint16, Int32, Uint32, Int64, Uint64,
	Float16, Float32, Float64, BCD16, BCD32, BCD64, Text}

type class uint8

const (
	unsigned class = iota + 1
	signed
	floating
	decimal
	text
)

type typeInfo struct {
	name  string
	class class
	bits  uint8
}

var types = [...]typeInfo{
	Bool:     {"bool", unsigned, 1},
	Int8High: {"int8high", signed, 8}, Int8Low: {"int8low", signed, 8},
	Uint8High: {"uint8high", unsigned, 8}, Uint8Low: {"uint8low", unsigned, 8},
	Int16: {"int16", signed, 16}, Uint16: {"uint16", unsigned, 16},
	Int32: {"int32", signed, 32}, Uint32: {"uint32", unsigned, 32},
	Int64: {"int64", signed, 64}, Uint64: {"uint64", unsigned, 64},
	Float16: {"float16", floating, 16}, Float32: {"float32", floating, 32}, Float64: {"float64", floating, 64},
	BCD16: {"bcd16", decimal, 16}, BCD32: {"bcd32", decimal, 32}, BCD64: {"bcd64", decimal, 64},
	Text: {"string", text, 0},
}

func (t Type) info() typeInfo {
	if int(t) < len(types) {
		return types[t]
	}
	return typeInfo{}
}

// ParseType returns the type of that name.
func ParseType(name string) (Type, bool) {
	for _, t := range Types {
		if types[t].name == name {
			return t, true
		}
	}
	return 0, false
}

// String returns the name of the type in configurations: "uint16", "string".
func (t Type) String() string { return t.info().name }

// Bits returns how many bits a value has; 0 for [Text], which has any number.
func (t Type) Bits() int { return int(t.info().bits) }

// Words returns how many registers a value takes (or bits, for [Bool] in a table
// of bits); 1 for [Text], which has any number.
func (t Type) Words() int { return max(1, int(t.info().bits)/16) }

// Signed tells whether the type is an integer in two's complement.
func (t Type) Signed() bool { return t.info().class == signed }

// Unsigned tells whether the type is an unsigned binary integer or a bit.
func (t Type) Unsigned() bool { return t.info().class == unsigned }

// Floating tells whether the type is an IEEE 754 number, which may be infinite
// or none at all.
func (t Type) Floating() bool { return t.info().class == floating }

// BCD tells whether the type is a binary coded decimal.
func (t Type) BCD() bool { return t.info().class == decimal }
