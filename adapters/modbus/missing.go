package modbus

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// maxMissing is how many values may stand for "not available".
const maxMissing = 16

// parseMissing reads a list of what registers hold in place of a value: numbers
// as the type has them, or in hexadecimal as the bits are, and NaN, which floating
// point numbers have anyway. It returns them as bits, eight bytes each, so that
// formats compare with ==.
func parseMissing(s string, t wire.Type) (string, error) {
	if strings.TrimSpace(s) == "" {
		return "", nil
	}
	if t == wire.Bool || t == wire.Text {
		return "", fmt.Errorf("a %s has no such values: leave this out", t)
	}
	var out []byte
	for _, word := range splitList(s) {
		if strings.EqualFold(word, "NaN") {
			if !t.Floating() {
				return "", fmt.Errorf("%s has no NaN: write the number from the manual, e.g. %d or 0x%X", t, uint64(1)<<(t.Bits()-1), uint64(1)<<(t.Bits()-1))
			}
			continue
		}
		raw, ok := parseRaw(word, t)
		if !ok {
			return "", fmt.Errorf("%s cannot hold %q: write a number, or its bits such as 0x%X", t, clip(word), uint64(1)<<(t.Bits()-1))
		}
		out = binary.BigEndian.AppendUint64(out, raw)
	}
	if len(out) > 8*maxMissing {
		return "", fmt.Errorf("%d values are too many: at most %d", len(out)/8, maxMissing)
	}
	return string(out), nil
}

// parseRaw reads one value of the list.
func parseRaw(word string, t wire.Type) (raw uint64, ok bool) {
	n := t.Bits()
	largest := uint64(math.MaxUint64) >> (64 - n)
	if hex, isHex := strings.CutPrefix(strings.ToLower(word), "0x"); isHex {
		raw, err := strconv.ParseUint(hex, 16, 64)
		return raw, err == nil && raw <= largest
	}
	switch {
	case t.Floating():
		v, err := strconv.ParseFloat(word, 64)
		return t.FromFloat(v), err == nil && !math.IsNaN(v) && !math.IsInf(t.ToFloat(t.FromFloat(v)), 0) && !strings.ContainsAny(word, "xXpP_")
	case t.BCD():
		v, err := strconv.ParseUint(word, 10, 64)
		return wire.ToBCD(v), err == nil && v < uint64(tens[n/4])
	case strings.HasPrefix(word, "-"):
		v, err := strconv.ParseInt(word, 10, 64)
		return uint64(v) & largest, err == nil && t.Signed() && v >= -1<<(n-1)
	}
	raw, err := strconv.ParseUint(word, 10, 64) // 65535 may stand in the manual of an int16
	return raw, err == nil && raw <= largest
}

// isMissing tells whether the list has these bits.
func isMissing(list string, raw uint64) bool {
	for ; len(list) >= 8; list = list[8:] {
		if uint64(list[0])<<56|uint64(list[1])<<48|uint64(list[2])<<40|uint64(list[3])<<32|
			uint64(list[4])<<24|uint64(list[5])<<16|uint64(list[6])<<8|uint64(list[7]) == raw {
			return true
		}
	}
	return false
}

// splitList splits at commas, semicolons and line ends, and leaves out what is
// empty.
func splitList(s string) []string {
	list := strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ';' || r == '\n' || r == '\r' })
	out := list[:0]
	for _, word := range list {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, word)
		}
	}
	return out
}

func clip(s string) string {
	if len(s) <= 40 {
		return s
	}
	return strings.ToValidUTF8(s[:40], "") + "…"
}
