package modbus

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// placed are the parameters that place and typed set.
var placed = map[string]bool{"Table": true, "Address": true, "AddressBase": true, "Reference": true, "Bit": true, "Type": true, "ByteOrder": true, "Length": true}

// spotCell is where a row says that its value is.
type spotCell struct {
	cell, column string
	reference    string
	table        wire.Table
	address      int // as written
	base         int
	bit          int // -1: none
	count        int // of a range; 0: none
	guessed      bool
}

func (s *spotCell) put(p nodes.Params) {
	if s.reference != "" {
		p["Reference"] = nodes.String(s.reference)
	} else {
		p["Table"], p["Address"] = nodes.Enum(s.table.String(), "Table"), nodes.Int32(int32(s.address))
		if s.base != 0 {
			p["AddressBase"] = nodes.Int32(int32(s.base))
		}
	}
	if s.bit >= 0 {
		p["Bit"] = nodes.Int32(int32(s.bit))
	}
}

// An address: a number, decimal or hexadecimal, perhaps one more behind it where
// the value ends, perhaps a bit.
var addressCell = regexp.MustCompile(`^(?:(?i:HR|IR|DI|CO)\s*)?(0[xX][0-9a-fA-F]+|\$[0-9a-fA-F]+|16#[0-9a-fA-F]+|[0-9a-fA-F]+[hH]|[0134][xX][0-9]+|[0-9]+)` +
	`(?:\s*(?:-|–|\.\.|to|bis)\s*(0[xX][0-9a-fA-F]+|\$[0-9a-fA-F]+|16#[0-9a-fA-F]+|[0-9a-fA-F]+[hH]|[0-9]+))?(?:\s*[./:]\s*(?:bit\s*)?([0-9]{1,2}))?$`)

// place reads where the value of a row is.
func (r *row) place(d listDefaults) (spotCell, error) {
	s := spotCell{bit: -1, column: "Bit"}
	if b := r.get("Bit"); b != "" {
		n, err := strconv.Atoi(b)
		if err != nil {
			return s, fmt.Errorf("%q is no bit: write 0, the lowest, to 15", clip(b))
		}
		s.bit = n
	}
	table, column, err := r.table()
	if s.column = column; err != nil {
		return s, err
	}
	hex := false
	for _, s.column = range []string{"Reference", placeColumn, hexColumn} {
		if s.cell = r.get(s.column); s.cell != "" {
			hex = s.column == hexColumn
			break
		}
	}
	if s.cell == "" {
		s.column = placeColumn
		return s, errors.New("there is no address")
	}
	m := addressCell.FindStringSubmatch(s.cell)
	if hex && m == nil || hex && !strings.ContainsAny(m[1], "xX$#hH") {
		m = addressCell.FindStringSubmatch("0x" + s.cell)
	}
	if m == nil {
		return s, fmt.Errorf("%q is no address: write a number, such as 107, 0x6B or 40108", clip(s.cell))
	}
	if m[3] != "" {
		s.bit, _ = strconv.Atoi(m[3])
	}
	if m[2] != "" {
		from, _ := number(m[1])
		to, _ := number(m[2])
		if s.count = to - from + 1; s.count < 1 || s.count > 1<<16 {
			return s, fmt.Errorf("%q ends before it begins", clip(s.cell))
		}
	}
	n, hexadecimal := number(m[1])
	ref, refErr := wire.ParseReference(m[1])
	base := r.get("AddressBase")
	asReference := s.column == "Reference" || d.notation == references && base == ""
	if d.notation == asWritten && base == "" && !hexadecimal && refErr == nil && (table == 0 || table == ref.Table) {
		asReference, s.guessed = true, s.column != "Reference" && (table != 0 || d.table != 0)
	}
	switch {
	case asReference && refErr != nil:
		return s, refErr
	case asReference && table != 0 && table != ref.Table:
		return s, fmt.Errorf("%s is a %s, and the row says %s", s.cell, ref.Table.Range(ref.Address, 1), table)
	case asReference:
		if s.bit >= 0 && r.get("Bit") == "" && s.bit <= 15 {
			ref.Bit, s.bit = s.bit, -1
		}
		s.reference, s.table = ref.String(), ref.Table
		return s, nil
	case table != 0:
		s.table = table
	case d.table != 0:
		s.table = d.table
	default:
		return s, fmt.Errorf("%q names no table: add a column such as Function (1 to 4), say Table for the whole list, or write 40108 for holding register 107", clip(s.cell))
	}
	s.address = n
	switch {
	case base == "1", base == "" && d.notation == fromOne:
		s.base = 1
	case base != "" && base != "0":
		s.column = "AddressBase"
		return s, fmt.Errorf("%q: the first address is 0 or 1", clip(base))
	}
	if low, high := s.base, 65535+s.base; n < low || n > high {
		return s, fmt.Errorf("%s is out of range: addresses go from %d to %d", s.cell, low, high)
	}
	return s, nil
}

// number reads a decimal or hexadecimal address; too large ones are larger than
// any.
func number(s string) (n int, hexadecimal bool) {
	digits, base := s, 10
	for _, p := range []string{"0x", "0X", "$", "16#"} {
		if rest, ok := strings.CutPrefix(digits, p); ok {
			digits, base = rest, 16
		}
	}
	if rest, ok := strings.CutSuffix(strings.ToLower(digits), "h"); ok {
		digits, base = rest, 16
	}
	u, err := strconv.ParseUint(digits, base, 31)
	if err != nil {
		return math.MaxInt32, base == 16
	}
	return int(u), base == 16
}

var tableWords = map[string]wire.Table{
	"coil": wire.Coil, "coils": wire.Coil, "co": wire.Coil, "0x": wire.Coil, "0xxxx": wire.Coil, "do": wire.Coil, "digitaloutput": wire.Coil, "discreteoutput": wire.Coil, "outputcoil": wire.Coil, "readcoils": wire.Coil,
	"discreteinput": wire.DiscreteInput, "discreteinputs": wire.DiscreteInput, "discrete": wire.DiscreteInput, "di": wire.DiscreteInput, "1x": wire.DiscreteInput, "1xxxx": wire.DiscreteInput,
	"1xxxxx": wire.DiscreteInput, "digitalinput": wire.DiscreteInput, "inputstatus": wire.DiscreteInput, "contact": wire.DiscreteInput, "inputcoil": wire.DiscreteInput, "readdiscreteinputs": wire.DiscreteInput,
	"inputregister": wire.InputRegister, "inputregisters": wire.InputRegister, "input": wire.InputRegister, "inputs": wire.InputRegister, "ir": wire.InputRegister, "3x": wire.InputRegister, "3xxxx": wire.InputRegister,
	"3xxxxx": wire.InputRegister, "ai": wire.InputRegister, "analoginput": wire.InputRegister, "readinputregisters": wire.InputRegister,
	"holdingregister": wire.HoldingRegister, "holdingregisters": wire.HoldingRegister, "holding": wire.HoldingRegister, "hr": wire.HoldingRegister, "4x": wire.HoldingRegister, "4xxxx": wire.HoldingRegister,
	"4xxxxx": wire.HoldingRegister, "ao": wire.HoldingRegister, "analogoutput": wire.HoldingRegister, "output": wire.HoldingRegister, "readholdingregisters": wire.HoldingRegister,
}

// table reads what a row says of its table; 0: nothing.
func (r *row) table() (t wire.Table, column string, err error) {
	for _, column := range []string{functionColumn, "Table"} {
		s := r.get(column)
		if s == "" {
			continue
		}
		if t, ok := wire.ParseTable(s); ok {
			return t, column, nil
		}
		if t, ok := tableWords[headerWord(s)]; ok {
			return t, column, nil
		}
		for _, w := range words(s) { // 3; FC03; 03/06/16; 04 (read input registers)
			n, err := strconv.Atoi(w)
			if err != nil {
				continue
			}
			if t, ok := wire.TableOf(byte(n)); ok && n < 5 && column == functionColumn {
				return t, column, nil
			}
			if column == "Table" && n < 5 { // as in 3x
				for _, t := range wire.Tables {
					if t.Reference(0)[0] == byte('0'+n) {
						return t, column, nil
					}
				}
			}
			if t, ok := wire.Written(byte(n)); ok {
				return t, column, nil
			}
		}
		return 0, column, fmt.Errorf("%q is no table: write 1 (coils), 2 (discrete inputs), 3 (holding registers) or 4 (input registers) as Function, or coil, discreteInput, inputRegister, holdingRegister as Table", clip(s))
	}
	return 0, "", nil
}

// typed reads type, byte order and length of a row. span is how many registers its
// address names, 0 when it does not say.
func (r *row) typed(p nodes.Params, t wire.Table, span int) (column string, err error) {
	var sz size
	if s := r.get(sizeColumn); s != "" {
		f, err := strconv.Atoi(strings.TrimRight(s, " abcdefghijklmnopqrstuvwxyz"))
		if err != nil || f < 1 || f > 250 {
			return sizeColumn, fmt.Errorf("%q is no size: write a number, or leave it out", clip(s))
		}
		sz = size{f, r.h.unit(sizeColumn)}
	}
	if span > 1 && sz.n == 0 {
		sz = size{span, "registers"}
	}
	var c typeCell
	if s := r.get("Type"); s != "" {
		if t, ok := wire.ParseType(s); ok && sz.n == 0 {
			p["Type"] = nodes.Enum(t.String(), "Type")
		} else if c, err = readType(s); err != nil {
			return "Type", err
		} else {
			name, length, err := c.name(sz)
			if err != nil {
				return "Type", err
			}
			p["Type"] = nodes.Enum(name, "Type")
			if length > 0 {
				p["Length"] = nodes.Int32(int32(length))
			}
		}
	} else if sz.n > 0 && !(sz.n == 1 || sz.in == "bits" && sz.n == 16) && p["Bit"].IsZero() {
		return "Type", fmt.Errorf("the size is %d and there is no type: write uint32, float32 or the like", sz.n)
	}
	order := c.order
	if s := r.get("ByteOrder"); s != "" {
		if order, err = readOrder(s, false); err != nil {
			return "ByteOrder", err
		}
	}
	if s := r.get(wordOrderColumn); s != "" {
		o, err := readOrder(s, true)
		if err != nil {
			return wordOrderColumn, err
		}
		order = combined(order, o)
	}
	// An order for the whole list stands on rows, too, that have none.
	if text := p.Text("Type") == wire.Text.String(); order != "" && order != "ABCD" && !t.Bits() && !(text && order == "CDAB") {
		p["ByteOrder"] = nodes.Enum(order, "ByteOrder")
	}
	return "", nil
}

// combined swaps bytes within registers as one column says, and registers as
// another.
func combined(bytes, words string) string {
	b, _ := wire.ParseOrder(bytes)
	swapped := words == "CDAB" || words == "DCBA"
	switch {
	case bytes == "" || b.Only64():
		return cmp.Or(bytes, words)
	case b.SwapsBytes() && swapped:
		return "DCBA"
	case b.SwapsBytes():
		return "BADC"
	case swapped:
		return "CDAB"
	}
	return "ABCD"
}

// plainCell writes a cell as [param.Parse] reads it.
func plainCell(p nodes.Param, s, unit string) (string, error) {
	if s == "-" || s == "–" || strings.EqualFold(s, "n/a") {
		return "", nil
	}
	switch p.Kind {
	case nodes.KindBool:
		return yesNo(s)
	case nodes.KindInt32, nodes.KindDouble:
		return plainNumber(p, s)
	case nodes.KindDuration:
		if comma := strings.Replace(s, ",", ".", 1); plainDigits(comma) {
			return comma + cmp.Or(unit, "s"), nil
		}
		return strings.ReplaceAll(s, " ", ""), nil
	}
	switch p.ID {
	case "Unit":
		if n := len(s); s[0] == '[' && s[n-1] == ']' {
			s = strings.TrimSpace(s[1 : n-1])
		}
	case "Options":
		if !strings.Contains(s, "=") { // 0: off; 1: on
			s = strings.ReplaceAll(s, ":", "=")
		}
	}
	return s, nil
}

func yesNo(s string) (string, error) {
	switch headerWord(s) {
	case "rw", "wr", "w", "wo", "write", "writeonly", "readwrite", "writable", "writeable", "schreiben", "lesenschreiben", "true", "yes", "y", "1", "x", "on", "ja":
		return "true", nil
	case "r", "ro", "read", "readonly", "lesen", "false", "no", "n", "0", "off", "nein":
		return "false", nil
	}
	return "", fmt.Errorf("%q: write R or RW, or yes or no", clip(s))
}

// plainNumber reads a number with a decimal point or comma. Scales may also be
// written as 1/10, x0.1 or 10^-1; one behind a bar comes back as it is.
func plainNumber(p nodes.Param, s string) (string, error) {
	s = strings.Map(func(r rune) rune {
		if r == ' ' || r == '\u00a0' || r == '\'' {
			return -1
		}
		return r
	}, s)
	s = strings.ReplaceAll(s, "−", "-")
	if strings.Contains(s, ",") {
		if strings.Contains(s, ".") || strings.Count(s, ",") > 1 {
			return "", fmt.Errorf("%q has a point and a comma: write the decimal sign only", clip(s))
		}
		s = strings.Replace(s, ",", ".", 1)
	}
	if p.ID == "Scale" {
		s = strings.TrimLeft(s, "xX*×")
		if exponent, ok := strings.CutPrefix(s, "10^"); ok {
			s = "1e" + exponent
		}
		for _, bar := range []string{"1/", "/", "÷", ":"} {
			if rest, ok := strings.CutPrefix(s, bar); ok {
				s = "/" + rest
				break
			}
		}
	}
	return s, nil
}

// plainDigits tells whether there is a number without a unit.
func plainDigits(s string) bool {
	_, err := strconv.ParseFloat(s, 64)
	return err == nil
}
