package wire

import (
	"fmt"
	"strconv"
	"strings"
)

// Reference is an address as manuals write it: a digit for the table, then the
// address counted from 1, and perhaps a bit of the register: 40108, 400108,
// 40108.3.
type Reference struct {
	Table   Table
	Address int // zero-based
	Bit     int // 0 to 15, 0 the lowest; -1 for the whole
}

// String returns the reference as [Table.Reference] writes it.
func (r Reference) String() string {
	s := r.Table.Reference(r.Address)
	if r.Bit >= 0 {
		s += "." + strconv.Itoa(r.Bit)
	}
	return s
}

// ParseReference reads a reference: five digits (40001 to 49999), six (400001 to
// 465536), or the same with an x behind that of the table (4x0001; not for coils,
// since 0x10 is also a hexadecimal number). The error says what to write.
func ParseReference(s string) (Reference, error) {
	head, tail, withBit := strings.Cut(strings.TrimSpace(s), ".")
	r := Reference{Bit: -1}
	switch {
	case head == "":
		return r, fmt.Errorf("write a table and an address in one, such as 40108")
	case len(head) > 1 && (head[1] == 'x' || head[1] == 'X'):
		if head[0] == '0' {
			return r, fmt.Errorf("%q may be a hexadecimal address or a coil: write 0 and four digits for a coil, or Table and Address", clip(s))
		}
		head = head[:1] + head[2:]
	case len(head) < 5:
		return r, fmt.Errorf("%q has %d digits: write 0, 1, 3 or 4 for the table and then four or five digits, such as 40108, or Table and Address", clip(s), len(head))
	}
	for t := range Tables {
		if Tables[t].info().prefix == head[0] {
			r.Table = Tables[t]
		}
	}
	if r.Table == 0 {
		return r, fmt.Errorf("%q begins with no table: write 0 (coils), 1 (discrete inputs), 3 (input registers) or 4 (holding registers) first", clip(s))
	}
	number, ok := parseDigits(head[1:], 1<<16)
	switch {
	case !ok:
		return r, fmt.Errorf("%q is no reference: write digits only, such as 40108, or 40108.3 for a bit", clip(s))
	case len(head) > 6 || number > 1<<16:
		return r, fmt.Errorf("%q goes too far: the last is %c65536", clip(s), head[0])
	case number == 0:
		return r, fmt.Errorf("%q: references count from 1, so the first is %c0001", clip(s), head[0])
	}
	r.Address = number - 1
	if !withBit {
		return r, nil
	}
	if r.Table.Bits() {
		return r, fmt.Errorf("%q: a %s is one bit already: leave out .%s", clip(s), r.Table.info().one, clip(tail))
	}
	if r.Bit, ok = parseDigits(tail, 15); !ok || r.Bit > 15 {
		r.Bit = -1
		return r, fmt.Errorf("%q: the bits of a register are .0 (the lowest) to .15", clip(s))
	}
	return r, nil
}

// parseDigits reads a number of digits only, without sign; one that is larger
// than the limit is limit+1.
func parseDigits(s string, limit int) (n int, ok bool) {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = min(10*n+int(s[i]-'0'), limit+1)
	}
	return n, s != ""
}

func clip(s string) string {
	if len(s) <= 20 {
		return s
	}
	return strings.ToValidUTF8(s[:20], "") + "…"
}
