package modbus

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// maxSpans is how many holes can be configured for a unit.
const maxSpans = 64

// parseSpans reads a list of addresses, such as "10-19, 30", all counted from zero.
// It returns the first and last of each as four bytes, so that configurations
// compare with ==.
func parseSpans(s string) (string, error) {
	var out []byte
	for _, word := range splitList(s) {
		low, high, is := strings.Cut(word, "-")
		if !is {
			high = low
		}
		from, err := strconv.ParseUint(strings.TrimSpace(low), 10, 16)
		to, err2 := strconv.ParseUint(strings.TrimSpace(high), 10, 16)
		if err != nil || err2 != nil || from > to {
			return "", fmt.Errorf("%q is no range of addresses: write them as 10-19, 30", clip(word))
		}
		out = binary.BigEndian.AppendUint16(out, uint16(from))
		out = binary.BigEndian.AppendUint16(out, uint16(to))
	}
	if len(out) > 4*maxSpans {
		return "", fmt.Errorf("%d ranges are too many: at most %d", len(out)/4, maxSpans)
	}
	return string(out), nil
}

// span returns the first range of such a list.
func span(s string) (from, to int) {
	return int(s[0])<<8 | int(s[1]), int(s[2])<<8 | int(s[3])
}
