package modbus

import (
	"fmt"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// checkRegister says what does not fit together, and what to write.
func checkRegister(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, "PollInterval", wrong)
	if !checkPlace(p, wrong) {
		return wrong
	}
	at, _ := locate(p)
	typ := typeOf(p, at)
	f := newFormat(p, "")
	leave := leaver{p, wrong}
	switch {
	case at.Table.Bits():
		if typ != wire.Bool {
			wrong["Type"] = "a " + f.table.Range(f.first, 1) + " is one bit: write bool, or choose inputRegister or holdingRegister as Table"
			return wrong
		}
		leave.out("a bit has no ", ": leave this out", "ByteOrder", "Bit", "Bits", "Length", "Scale", "Divisor", "Offset", "Unit", "Decimals", "NotAvailable")
	case typ == wire.Bool:
		switch {
		case at.Bit < 0:
			wrong["Type"] = "a register holds sixteen bits: write which one as Bit, or int16, uint16 or another type, or choose coil or discreteInput as Table"
		case at.Bit > 15:
			wrong["Bit"] = "a register holds sixteen bits: write 0, the lowest, to 15"
		}
		leave.out("a bit has no ", ": leave this out, or write uint16 as Type", "Bits", "Length", "Scale", "Divisor", "Offset", "Unit", "Decimals")
	case typ == wire.Text:
		if p["Length"].IsZero() {
			wrong["Length"] = "write how many registers the text takes, two bytes each: 1 to 125"
		}
		if f.order != wire.ABCD && f.order != wire.BADC {
			wrong["ByteOrder"] = "of a text only bytes can be swapped: write ABCD, or BADC when the low byte comes first"
		}
		leave.out("a text has no ", ": leave this out", "Bit", "Bits", "Scale", "Divisor", "Offset", "Unit", "Decimals", "NotAvailable", "Options", "WriteMin", "WriteMax", "Tolerance")
	default:
		checkNumber(p, &f, at, wrong)
		leave.out("only a string has a ", ": leave this out", "Length")
	}
	if f.first+f.count > 1<<16 && wrong["Length"] == "" {
		wrong[placeParam(p)] = fmt.Sprintf("65535 is the last register and the value takes %d: write at most %s, or a shorter Type", f.count, spot(p, f.table, 1<<16-f.count))
	}
	checkLists(p, &f, typ, wrong)
	checkWriting(p, &f, wrong)
	return wrong
}

// checkPlace checks that table and address are given once. False: nothing more
// can be said.
func checkPlace(p nodes.Params, wrong map[string]string) bool {
	leave := leaver{p, wrong}
	if s := p.Text("Reference"); s != "" {
		r, err := wire.ParseReference(s)
		if err != nil {
			wrong["Reference"] = err.Error()
		}
		leave.out("the Reference says the ", ": leave out one of them", "Table", "Address")
		leave.out("a Reference counts from 1, whatever the ", ": leave this out", "AddressBase")
		if r.Bit >= 0 {
			leave.out("the Reference says the ", ": leave out one of them", "Bit")
		}
		return len(wrong) == 0
	}
	if p["Table"].IsZero() {
		wrong["Table"] = "is required: one of coil, discreteInput, inputRegister, holdingRegister; or write a Reference such as 40108 in place of Table and Address"
	}
	base := p.Int("AddressBase")
	switch a := p["Address"]; {
	case a.IsZero():
		wrong["Address"] = fmt.Sprintf("is required: a whole number from %d to %d", base, 65535+base)
	case a.Int() < int64(base) || a.Int() > int64(65535+base):
		wrong["Address"] = fmt.Sprintf("%d is out of range: write a whole number from %d to %d, since AddressBase is %d", a.Int(), base, 65535+base, base)
	}
	return wrong["Table"] == "" && wrong["Address"] == ""
}

func checkNumber(p nodes.Params, f *format, at wire.Reference, wrong map[string]string) {
	if f.order.Only64() && f.typ.Bits() != 64 {
		wrong["ByteOrder"] = fmt.Sprintf("%s orders eight bytes and %s has %d: write ABCD, BADC, CDAB or DCBA", f.order, f.typ, max(1, f.typ.Bits()/8))
	}
	for _, id := range []string{"Scale", "Divisor"} {
		if v := p[id]; !v.IsZero() && v.Double() == 0 {
			wrong[id] = "with 0 there is no value: write 1 or the factor from the manual"
		}
	}
	bits := !p["Bits"].IsZero()
	if at.Bit < 0 && !bits {
		return
	}
	which := "Bit"
	if p.Text("Reference") != "" && p["Bit"].IsZero() {
		which = "Reference"
	}
	switch {
	case !f.typ.Unsigned():
		wrong["Type"] = "bits are an unsigned number: write uint16, uint32 or uint64, or bool for one bit"
	case !bits:
		wrong["Bits"] = fmt.Sprintf("write how many bits from bit %d on, or bool as Type for one bit", at.Bit)
	case at.Bit >= f.typ.Bits():
		wrong[which] = fmt.Sprintf("%s has bits 0, the lowest, to %d", f.typ, f.typ.Bits()-1)
	case max(0, at.Bit)+p.Int("Bits") > f.typ.Bits():
		wrong["Bits"] = fmt.Sprintf("from bit %d on %s has %d: write at most that", max(0, at.Bit), f.typ, f.typ.Bits()-max(0, at.Bit))
	}
}

// checkLists checks choices and what stands for "not available".
func checkLists(p nodes.Params, f *format, typ wire.Type, wrong map[string]string) {
	if wrong["NotAvailable"] == "" {
		if _, err := parseMissing(p.Text("NotAvailable"), f.typ); err != nil {
			wrong["NotAvailable"] = err.Error()
		}
	}
	if wrong["Options"] != "" || wrong["Bits"] != "" || wrong["Bit"] != "" {
		return
	}
	options, err := parseOptions(p.Text("Options"), f)
	if err != nil {
		wrong["Options"] = err.Error()
	}
	if options != "" {
		leaver{p, wrong}.out("a choice has no ", ": leave this out, or leave out Options", "Scale", "Divisor", "Offset", "Unit", "Decimals", "Tolerance", "WriteMin", "WriteMax")
	}
}

// checkWriting checks what matters once a register is writable.
func checkWriting(p nodes.Params, f *format, wrong map[string]string) {
	if !p.Bool("Writable") {
		return
	}
	switch {
	case f.table == wire.DiscreteInput:
		wrong["Writable"] = "a discrete input cannot be written: leave this out, or use a coil"
	case f.table == wire.InputRegister:
		wrong["Writable"] = "an input register cannot be written: leave this out, or use a holding register"
	case f.count > maxWritten:
		wrong["Length"] = fmt.Sprintf("a request writes at most %d registers: write at most that, or leave out Writable", maxWritten)
	}
	if readFunction(p) == writeSingle && f.count > 1 {
		wrong["WriteFunction"] = fmt.Sprintf("function 6 writes one register and the value takes %d: write auto or multiple", f.count)
	}
	switch f.kind {
	case nodes.KindInt32, nodes.KindInt64, nodes.KindDouble:
		low, high := f.limits()
		switch {
		case f.min > f.max:
			wrong["WriteMax"] = "is below WriteMin: write them the other way round"
		case f.min > high:
			wrong["WriteMin"] = fmt.Sprintf("the greatest value of %s is %s: write less", f.room(), f.show(high))
		case f.max < low:
			wrong["WriteMax"] = fmt.Sprintf("the least value of %s is %s: write more", f.room(), f.show(low))
		}
	case nodes.KindBool:
		leaver{p, wrong}.out("a bit has no ", ": leave this out", "WriteMin", "WriteMax", "Tolerance")
	}
}

// maxWritten is how many registers one request writes (MAP 6.12).
const maxWritten = 123

// placeParam is the parameter that says where the value is.
func placeParam(p nodes.Params) string {
	if p.Text("Reference") != "" {
		return "Reference"
	}
	return "Address"
}

// spot writes an address as the person writes it.
func spot(p nodes.Params, t wire.Table, address int) string {
	if p.Text("Reference") != "" {
		return t.Reference(address)
	}
	return fmt.Sprint(address + p.Int("AddressBase"))
}

// leaver says of parameters that they make no sense here.
type leaver struct {
	p     nodes.Params
	wrong map[string]string
}

var leaveWords = map[string]string{
	"ByteOrder": "byte order", "Bit": "bit", "Bits": "number of bits", "Length": "length", "Scale": "scale", "Divisor": "divisor",
	"Offset": "offset", "Unit": "unit", "Decimals": "decimals", "NotAvailable": "such values", "Options": "choices",
	"WriteMin": "least value", "WriteMax": "greatest value", "Tolerance": "tolerance", "Table": "table", "Address": "address", "AddressBase": "base",
}

// out complains of those that are set to something else than what does nothing.
func (l leaver) out(before, after string, ids ...string) {
	for _, id := range ids {
		v := l.p[id]
		switch id {
		case "Scale", "Divisor":
			if v.IsZero() || v.Double() == 1 {
				continue
			}
		case "Offset", "Tolerance", "AddressBase":
			if v.Double() == 0 {
				continue
			}
		case "ByteOrder":
			if o, ok := wire.ParseOrder(v.Text()); !ok || o == wire.ABCD {
				continue
			}
		default:
			if v.IsZero() || v == nodes.String("") {
				continue
			}
		}
		l.wrong[id] = before + leaveWords[id] + after
	}
}
