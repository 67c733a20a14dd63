package modbus

import (
	"math"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// format is where a value is and how it becomes a field, and back. Comparable.
type format struct {
	table wire.Table
	typ   wire.Type  // of what the registers hold; a bit of a register is a field of one bit in a uint16
	order wire.Order // of its bytes
	kind  nodes.Kind // of its values
	bit   uint8      // the lowest bit of a bit field
	bits  uint8      // how many bits it has; 0: the whole
	first int
	count int // registers or bits
	unit  string
	// decimals are those of a quantity; -1: unknown.
	decimals int
	scaling
	missing  string  // what means "not available"; see parseMissing
	options  string  // of an enumeration; see parseOptions
	enum     string  // its name: that of the field
	min, max float64 // what may be written, in the unit; infinite where the type alone says
}

// newFormat reads checked parameters of the register node of that name.
func newFormat(p nodes.Params, name string) format {
	at, _ := locate(p)
	f := format{table: at.Table, first: at.Address, unit: p.Text("Unit"), min: math.Inf(-1), max: math.Inf(1)}
	if at.Bit >= 0 {
		f.bit = uint8(at.Bit)
	}
	f.bits = uint8(p.Int("Bits"))
	f.typ = typeOf(p, at)
	if f.typ == wire.Bool && !f.table.Bits() {
		f.typ, f.bits = wire.Uint16, 1
		f.kind = nodes.KindBool
	}
	var ok bool
	if f.order, ok = wire.ParseOrder(p.Text("ByteOrder")); !ok {
		f.order = wire.ABCD
	}
	f.count = f.typ.Words()
	if f.typ == wire.Text {
		f.count = max(1, p.Int("Length"))
	}
	f.scaling = newScaling(p["Scale"], p["Divisor"], p["Offset"])
	f.decimals = f.places(p)
	f.missing, _ = parseMissing(p.Text("NotAvailable"), f.typ)
	if f.options, _ = parseOptions(p.Text("Options"), &f); f.options != "" {
		f.enum = name
	}
	f.kind = f.kindOf()
	if v := p["WriteMin"]; !v.IsZero() {
		f.min = v.Double()
	}
	if v := p["WriteMax"]; !v.IsZero() {
		f.max = v.Double()
	}
	return f
}

// locate reads where a value is: from Reference, or from Table, Address and Bit.
// Bit is -1 when none is named.
func locate(p nodes.Params) (wire.Reference, error) {
	r := wire.Reference{Bit: -1}
	var err error
	if s := p.Text("Reference"); s != "" {
		r, err = wire.ParseReference(s)
	} else {
		r.Table, _ = wire.ParseTable(p.Text("Table"))
		r.Address = p.Int("Address") - p.Int("AddressBase")
	}
	if v := p["Bit"]; !v.IsZero() {
		r.Bit = int(v.Int())
	}
	return r, err
}

// typeOf returns the type as configured, or what suits the place.
func typeOf(p nodes.Params, at wire.Reference) wire.Type {
	if t, ok := wire.ParseType(p.Text("Type")); ok {
		return t
	}
	if at.Table.Bits() || at.Bit >= 0 && p["Bits"].IsZero() {
		return wire.Bool
	}
	return wire.Uint16
}

// places returns the decimals of a quantity.
func (f *format) places(p nodes.Params) int {
	if v := p["Decimals"]; !v.IsZero() {
		return int(v.Int())
	}
	if f.typ.Floating() || f.digits < 0 || f.digits > 9 { // no decimal fraction, such as 1/3
		return -1
	}
	n := max(f.digits, p["Scale"].Decimals(), p["Offset"].Decimals()) // 0.10 was written for two
	if n > 9 {
		return -1
	}
	return n
}

// kindOf returns the kind of the values.
func (f *format) kindOf() nodes.Kind {
	switch {
	case f.options != "":
		return nodes.KindEnum
	case f.kind == nodes.KindBool || f.typ == wire.Bool:
		return nodes.KindBool
	case f.typ == wire.Text:
		return nodes.KindString
	case f.typ.Floating() || !f.plain() || f.unit != "" || f.decimals != 0:
		return nodes.KindDouble
	}
	if _, high := f.bounds(); high > math.MaxInt32 {
		return nodes.KindInt64
	}
	return nodes.KindInt32
}

// words returns how many registers or bits the value takes.
func (f *format) words() int { return f.count }

// width returns how many bits of the registers belong to the value.
func (f *format) width() int {
	if f.bits != 0 {
		return int(f.bits)
	}
	return f.typ.Bits()
}

// bounds returns the least and the greatest integer that there is room for.
func (f *format) bounds() (low int64, high uint64) {
	n := f.width()
	switch {
	case f.typ.Signed():
		return -1 << (n - 1), 1<<(n-1) - 1
	case f.typ.BCD():
		return 0, uint64(tens[n/4]) - 1
	}
	return 0, 1<<n - 1
}

// place names the registers or bits, for messages: "holding registers 4 to 5".
func (f *format) place() string { return f.table.Range(f.first, f.count) }
