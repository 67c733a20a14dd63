package payload

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// binaryField is where a value lies in a binary payload.
type binaryField struct {
	offset int // from the end, when negative
	bit    int // -1: none
	typ    string
	size   int
	order  binary.ByteOrder
}

var binarySizes = map[string]int{"bool": 1, "int8": 1, "uint8": 1, "int16": 2, "uint16": 2, "int24": 3, "uint24": 3, "int32": 4, "uint32": 4,
	"int64": 8, "uint64": 8, "float32": 4, "float64": 8}

// parseBinary reads offset[.bit]:type[:order or length].
func parseBinary(path string) (f binaryField, err error) {
	parts := strings.Split(path, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return f, errors.New("write offset:type, such as 4:int16 or 4:int16:le")
	}
	offset, bit, hasBit := strings.Cut(parts[0], ".")
	n, err := strconv.ParseInt(offset, 0, 32)
	if err != nil {
		return f, fmt.Errorf("%q is no offset: write a count of bytes, from the end when negative", offset)
	}
	f = binaryField{offset: int(n), bit: -1, typ: parts[1], order: binary.BigEndian}
	if hasBit {
		b, err := strconv.Atoi(bit)
		if err != nil || b < 0 || b > 7 || f.typ != "bool" {
			return f, errors.New("a bit is 0 to 7, and its type is bool")
		}
		f.bit = b
	}
	if f.typ == "text" {
		if len(parts) == 3 {
			if f.size, err = strconv.Atoi(parts[2]); err != nil || f.size < 1 || f.size > 65536 {
				return f, errors.New("the length of a text is 1 to 65536 bytes")
			}
		}
		return f, nil
	}
	f.size = binarySizes[f.typ]
	if f.size == 0 {
		return f, fmt.Errorf("%q is no type: write bool, int8 to int64, uint8 to uint64, float32, float64 or text", f.typ)
	}
	if len(parts) == 3 {
		switch parts[2] {
		case "be":
		case "le":
			f.order = binary.LittleEndian
		default:
			return f, errors.New("the order is be (high byte first) or le")
		}
	}
	return f, nil
}

// bytes takes values by their places.
func (l *Layout) bytes(data []byte, out []Item) error {
	for i := range l.fields {
		f := &l.fields[i]
		at := f.offset
		if at < 0 {
			at += len(data)
		}
		if at < 0 || at > len(data) || at+max(f.size, 1) > len(data) {
			continue // Absent: it is up to the mapping what a short payload means
		}
		b := data[at:]
		if f.size > 0 {
			b = b[:f.size]
		}
		it, err := f.item(b)
		if err != nil {
			return err
		}
		out[i] = it
	}
	return nil
}

func (f *binaryField) item(b []byte) (Item, error) {
	switch f.typ {
	case "text":
		if end := bytes.IndexByte(b, 0); end >= 0 {
			b = b[:end]
		}
		if !utf8.Valid(b) {
			return Item{}, broken("the text at %d is not UTF-8", f.offset)
		}
		return Item{Kind: Text, Raw: b}, nil
	case "bool":
		on := b[0] != 0
		if f.bit >= 0 {
			on = b[0]>>f.bit&1 == 1
		}
		if on {
			return Item{Kind: Bool, Raw: []byte("true")}, nil
		}
		return Item{Kind: Bool, Raw: []byte("false")}, nil
	case "float32":
		return Item{Kind: Real, Float: float64(math.Float32frombits(f.order.Uint32(b)))}, nil
	case "float64":
		return Item{Kind: Real, Float: math.Float64frombits(f.order.Uint64(b))}, nil
	}
	var wide [8]byte // the number at the low end
	var u uint64
	if f.order == binary.LittleEndian {
		copy(wide[:], b)
		u = binary.LittleEndian.Uint64(wide[:])
	} else {
		copy(wide[8-len(b):], b)
		u = binary.BigEndian.Uint64(wide[:])
	}
	if f.typ[0] == 'i' {
		shift := 64 - 8*f.size
		return Item{Kind: Integer, Int: int64(u<<shift) >> shift}, nil
	}
	if u > math.MaxInt64 {
		return Item{Kind: Real, Float: float64(u)}, nil
	}
	return Item{Kind: Integer, Int: int64(u)}, nil
}
