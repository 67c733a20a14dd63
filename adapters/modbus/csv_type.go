package modbus

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// typeCell is what the type column of a register list says.
type typeCell struct {
	class  byte // u, s, f, b (BCD), t (text), o (bool); 0: nothing
	width  int  // in bits; of a text: its characters; 0: not said
	usual  int  // the width that the word has when nothing else says
	high   bool // the high byte of a register
	order  string
	strong bool // the sign was said in so many words
	open   bool // the word fits more than one width
}

// typeWords are the words of type names: class and usual width.
var typeWords = map[string]typeCell{
	"u": {class: 'u', strong: true, open: true}, "unsigned": {class: 'u', strong: true, open: true}, "ui": {class: 'u', strong: true, open: true},
	"s": {class: 's', strong: true, open: true}, "signed": {class: 's', strong: true, open: true}, "si": {class: 's', strong: true, open: true}, "i": {class: 's', open: true},
	"uint": {class: 'u', usual: 16, open: true}, "uinteger": {class: 'u', usual: 16, open: true}, "ushort": {class: 'u', usual: 16}, "word": {class: 'u', usual: 16}, "uword": {class: 'u', usual: 16},
	"usint": {class: 'u', usual: 8}, "byte": {class: 'u', usual: 8}, "ubyte": {class: 'u', usual: 8}, "uchar": {class: 'u', usual: 8},
	"udint": {class: 'u', usual: 32}, "ulong": {class: 'u', usual: 32}, "dword": {class: 'u', usual: 32}, "udword": {class: 'u', usual: 32},
	"ulint": {class: 'u', usual: 64}, "qword": {class: 'u', usual: 64}, "lword": {class: 'u', usual: 64},
	"enum": {class: 'u', usual: 16, open: true}, "bitfield": {class: 'u', usual: 16, open: true}, "bitmap": {class: 'u', usual: 16, open: true}, "bitmask": {class: 'u', usual: 16, open: true}, "acc": {class: 'u', usual: 32},
	"int": {class: 's', usual: 16, open: true}, "integer": {class: 's', usual: 16, open: true}, "short": {class: 's', usual: 16}, "sunssf": {class: 's', usual: 16},
	"sint": {class: 's', usual: 8}, "dint": {class: 's', usual: 32}, "long": {class: 's', usual: 32}, "longint": {class: 's', usual: 32},
	"lint": {class: 's', usual: 64}, "longlong": {class: 's', usual: 64},
	"float": {class: 'f', usual: 32, open: true}, "floating": {class: 'f', usual: 32, open: true}, "real": {class: 'f', usual: 32}, "single": {class: 'f', usual: 32}, "ieee": {class: 'f', usual: 32, open: true},
	"f": {class: 'f', usual: 32, open: true}, "double": {class: 'f', usual: 64}, "lreal": {class: 'f', usual: 64}, "half": {class: 'f', usual: 16},
	"bcd": {class: 'b', usual: 16, open: true}, "bool": {class: 'o', usual: 1}, "boolean": {class: 'o', usual: 1}, "binary": {class: 'o', usual: 1}, "digital": {class: 'o', usual: 1}, "flag": {class: 'o', usual: 1},
	"coil": {class: 'o', usual: 1}, "bit": {}, "bits": {}, "t": {}, "type": {}, "point": {}, "value": {}, "number": {}, "precision": {}, "endian": {},
	"string": {class: 't'}, "str": {class: 't'}, "text": {class: 't'}, "ascii": {class: 't'}, "char": {class: 't'}, "chars": {class: 't'}, "characters": {class: 't'}, "varchar": {class: 't'}, "utf": {class: 't'},
	"high": {high: true}, "hi": {high: true}, "msb": {high: true}, "upper": {high: true}, "low": {}, "lo": {}, "lsb": {}, "lower": {},
	"swapped": {order: "CDAB"}, "swap": {order: "CDAB"}, "inverse": {order: "CDAB"}, "inverted": {order: "CDAB"}, "reversed": {order: "CDAB"}, "reverse": {order: "CDAB"},
	"be": {order: "ABCD"}, "big": {order: "ABCD"}, "le": {order: "DCBA"}, "little": {order: "DCBA"},
}

// readType reads a type as lists write it: uint16, "16-bit unsigned integer", S32,
// DWORD, FLOAT (swapped), real, string(20), char[8], int8high.
func readType(s string) (typeCell, error) {
	var c typeCell
	bit, skip := false, false
	longs := 0
	for _, w := range words(s) {
		if n, err := strconv.Atoi(w); err == nil {
			if !skip && n != 754 { // of IEEE 754
				c.width = n
			}
			skip = false
			continue
		}
		if o, ok := wire.ParseOrder(strings.ToUpper(w)); ok {
			c.order = o.String()
			continue
		}
		x, ok := typeWords[w]
		if !ok {
			return c, fmt.Errorf("the type %q is not known: write bool, int16, uint16, int32, uint32, int64, uint64, float32, float64, bcd16, string or another type of the register page", clip(s))
		}
		bit = bit || w == "bit"
		skip = w == "utf"
		if w == "long" {
			longs++
		}
		c.high = c.high || x.high
		if x.order != "" {
			c.order = x.order
		}
		if x.class != 0 && (c.class == 0 || x.strong && !c.strong || !c.strong && x.class != 's' && x.class != 'u') {
			c.class, c.strong = x.class, x.strong
		}
		if x.usual > 0 && !x.open {
			c.usual, c.open = x.usual, false
		} else if x.open && c.usual == 0 {
			c.usual, c.open = x.usual, true
		}
	}
	switch {
	case c.class == 0 && bit && c.width <= 1:
		c.class, c.width = 'o', 0
	case c.class == 0:
		return c, fmt.Errorf("the type %q says a width and no kind: write uint16, int16 or the like", clip(s))
	case longs > 1:
		c.usual = 64
	case c.class == 'f' && strings.Contains(strings.ToLower(s), "word"): // double word
		c.class, c.usual = 'u', 32
	}
	return c, nil
}

// words splits into runs of letters, in lower case, and runs of digits.
func words(s string) []string {
	var out []string
	kind := 0
	for _, r := range s {
		k := 0
		switch {
		case unicode.IsLetter(r):
			k = 1
		case r >= '0' && r <= '9':
			k = 2
		}
		switch {
		case k == 0:
		case k == kind:
			out[len(out)-1] += string(unicode.ToLower(r))
		default:
			out = append(out, string(unicode.ToLower(r)))
		}
		kind = k
	}
	return out
}

// name returns the type in our words, and the length of a text in registers. The size
// is what the list says besides.
func (c typeCell) name(s size) (name string, length int, err error) {
	switch c.class {
	case 'o':
		return "bool", 0, nil
	case 't':
		switch {
		case s.in == "bytes":
			return "string", (s.n + 1) / 2, nil
		case s.n > 0:
			return "string", s.n, nil
		case c.width > 0:
			return "string", (c.width + 1) / 2, nil
		}
		return "string", 0, nil // whoever checks asks for it
	}
	width, err := c.bits(s)
	if err != nil {
		return "", 0, err
	}
	prefix := map[byte]string{'u': "uint", 's': "int", 'f': "float", 'b': "bcd"}[c.class]
	if width == 8 && (c.class == 'u' || c.class == 's') {
		if c.high {
			return prefix + "8high", 0, nil
		}
		return prefix + "8low", 0, nil
	}
	name = prefix + strconv.Itoa(width)
	if _, ok := wire.ParseType(name); !ok {
		return "", 0, fmt.Errorf("there is no %s of %d bits", map[byte]string{'u': "unsigned integer", 's': "integer", 'f': "floating point number", 'b': "BCD number"}[c.class], width)
	}
	return name, 0, nil
}

// size is what a list says of the size of a value.
type size struct {
	n  int
	in string // registers, bytes, bits; empty: not said
}

// bits returns the width of a number: that of the type, or what the size says
// where the type leaves it open.
func (c typeCell) bits(s size) (int, error) {
	width := c.width
	if width == 0 && !c.open {
		width = c.usual
	}
	registers, bytes, bits := 16*s.n, 8*s.n, s.n
	switch s.in {
	case "registers":
		bytes, bits = registers, registers
	case "bytes":
		registers, bits = bytes, bytes
	case "bits":
		registers, bytes = bits, bits
	}
	switch {
	case s.n == 0:
		return cmp.Or(width, c.usual, 16), nil
	case width == registers || width == bytes || width == bits || width == 8 && registers == 16:
		return width, nil
	case width != 0:
		return 0, fmt.Errorf("the type has %d bits, which is not the size %d: write sizes in registers, or leave them out", width, s.n)
	case s.in != "", s.n == 1, s.n == 2 && c.class == 'f':
		return registers, nil
	case s.n >= 16:
		return bits, nil
	}
	return 0, fmt.Errorf("the size %d may count registers or bytes: write the bits behind the type, such as int16 or float32", s.n)
}

// readOrder reads a byte order as lists write it. Of a column that speaks of words
// little means that the low word comes first; else that all is reversed.
func readOrder(s string, ofWords bool) (string, error) {
	if o, ok := wire.ParseOrder(strings.ToUpper(strings.TrimSpace(s))); ok {
		return o.String(), nil
	}
	little := "DCBA"
	if ofWords {
		little = "CDAB"
	}
	switch headerWord(s) {
	case "big", "bigendian", "be", "msbfirst", "msb", "mswfirst", "msw", "highwordfirst", "highfirst", "high", "hilo", "normal", "no", "false", "none", "0123", "1234", "0":
		return "ABCD", nil
	case "little", "littleendian", "le", "lsbfirst", "lsb", "low", "lowfirst", "yes", "true", "1":
		return little, nil
	case "lswfirst", "lsw", "lowwordfirst", "lohi", "wordswap", "wordswapped", "swapped", "swap", "swapwords", "inverse", "reversed", "midlittle", "midlittleendian", "littleendianbyteswap", "2301", "3412", "bigendianwordswap":
		return "CDAB", nil
	case "byteswap", "byteswapped", "swapbytes", "midbig", "midbigendian", "bigendianbyteswap", "1032", "2143":
		return "BADC", nil
	case "3210", "4321", "byteandwordswap", "wordandbyteswap":
		return "DCBA", nil
	}
	return "", fmt.Errorf("the order %q is not known: write ABCD (big-endian), CDAB (low word first), BADC (bytes swapped) or DCBA (little-endian)", clip(s))
}
