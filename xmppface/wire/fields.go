package wire

import (
	"math/bits"
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// The attributes of categories and quality flags, by the number of their bit. A
// field is sent with exactly one category: deployed clients know no all='true' on a
// field.
var (
	categoryNames = [...]string{"m", "p", "s", "c", "i", "h"}
	categoryAttrs = flags(categoryNames[:])
	qosNames      = [...]string{"ms", "pr", "ae", "me", "mr", "ar", "of", "w", "er", "so", "iv", "eos", "pf", "ic"}
	qosAttrs      = flags(qosNames[:])
)

func flags(names []string) []string {
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(AppendFlag(nil, name, true))
	}
	return out
}

// CategoryAttr returns the category that an attribute of a request asks for: m, p, s,
// c, i, h, or all.
func CategoryAttr(name string) (nodes.Category, bool) {
	if name == "all" {
		return nodes.AllCategories, true
	}
	for i, n := range categoryNames {
		if n == name {
			return 1 << i, true
		}
	}
	return 0, false
}

// AppendCategories appends the attributes that ask for fields of any of these
// categories; none means all.
func AppendCategories(b []byte, c nodes.Category) []byte {
	if c &= nodes.AllCategories; c == 0 || c == nodes.AllCategories {
		return AppendFlag(b, "all", true)
	}
	for i, attr := range categoryAttrs {
		if c&(1<<i) != 0 {
			b = append(b, attr...)
		}
	}
	return b
}

// Grouped returns the fields with those of equal time next to each other, in the
// order in which each time occurs first; [AppendFields] writes one ts for them.
// It returns the slice itself, and allocates nothing, when the times already run in
// one direction, and a new slice otherwise.
func Grouped(fields []nodes.Field) []nodes.Field {
	if len(fields) == 0 {
		return fields
	}
	up, down := true, true
	last := fields[0].Time.UnixMilli()
	for i := 1; i < len(fields) && (up || down); i++ {
		if at := fields[i].Time.UnixMilli(); at != last {
			up, down = up && at > last, down && at < last
			last = at
		}
	}
	if up || down {
		return fields
	}
	// As many as there are of a time, then where the next one of it goes.
	next := make(map[int64]int)
	var order []int64
	for i := range fields {
		at := fields[i].Time.UnixMilli()
		if next[at]++; next[at] == 1 {
			order = append(order, at)
		}
	}
	from := 0
	for _, at := range order {
		next[at], from = from, from+next[at]
	}
	out := make([]nodes.Field, len(fields))
	for i := range fields {
		at := fields[i].Time.UnixMilli()
		out[next[at]] = fields[i]
		next[at]++
	}
	return out
}

const endTS = "</ts>"

// AppendFields appends ts elements with fields, one for neighbours of equal time,
// until the next field would make b longer than max bytes. It returns how many of
// the fields are done: written, or left out because they have no value or are not
// a finite number, which peers cannot read. Fields of colours are texts; times of
// 24 hours and more are durations.
func AppendFields(b []byte, fields []nodes.Field, max int) (_ []byte, done int) {
	var open bool // a ts of this time
	var at int64
	var last ending
	for i := range fields {
		f := &fields[i]
		if !sendable(&f.Value) {
			continue
		}
		before := len(b)
		ms := f.Time.UnixMilli()
		if !open || ms != at {
			if open {
				b = append(b, endTS...)
			}
			b = appendTS(b, f.Time)
		}
		if b = appendField(b, f, &last); len(b)+len(endTS) > max {
			if b = b[:before]; open {
				b = append(b, endTS...)
			}
			return b, i
		}
		open, at = true, ms
	}
	if open {
		b = append(b, endTS...)
	}
	return b, len(fields)
}

// AppendFailure appends a ts element with an err that says why a node or a field
// could not be read.
func AppendFailure(b []byte, text string, at time.Time) []byte {
	b = append(appendTS(b, at), "<err>"...)
	b = AppendText(b, text)
	return append(b, "</err>"+endTS...)
}

func appendTS(b []byte, t time.Time) []byte {
	b = append(b, "<ts v='"...)
	b = AppendDateTime(b, t)
	return append(b, "'>"...)
}

// sendable tells whether a value can be sent.
func sendable(v *nodes.Value) bool {
	switch v.Kind() {
	case nodes.KindNone:
		return false
	case nodes.KindDouble:
		f := v.Double()
		return f-f == 0 // not so for NaN and the infinities
	case nodes.KindDate:
		y := v.Time().Year()
		return y >= 1 && y <= 9999
	}
	return true
}

// ending is where the end of the last field stands in what was written: that of
// the next is nearly always the same.
type ending struct {
	field    *nodes.Field
	from, to int
}

// fits tells whether f ends as the last field did.
func (e *ending) fits(f *nodes.Field) bool {
	o := e.field
	if o == nil || o.Category != f.Category || o.QoS != f.QoS || o.Writable != f.Writable || o.Value.Kind() != f.Value.Kind() {
		return false
	}
	switch f.Value.Kind() {
	case nodes.KindDouble:
		return o.Value.Unit() == f.Value.Unit()
	case nodes.KindEnum:
		return o.Value.EnumType() == f.Value.EnumType()
	}
	return true
}

// appendField appends a field whose value is sendable.
func appendField(b []byte, f *nodes.Field, last *ending) []byte {
	v := &f.Value
	kind := v.Kind()
	name := "<s n='"
	switch kind {
	case nodes.KindBool:
		name = "<b n='"
	case nodes.KindInt32:
		name = "<i n='"
	case nodes.KindInt64:
		name = "<l n='"
	case nodes.KindDouble:
		name = "<q n='"
	case nodes.KindEnum:
		name = "<e n='"
	case nodes.KindDate:
		name = "<d n='"
	case nodes.KindDateTime:
		name = "<dt n='"
	case nodes.KindDuration:
		name = "<dr n='"
	case nodes.KindTime:
		name = "<t n='"
		if d := v.Span(); d < 0 || d >= 24*time.Hour {
			long := nodes.Duration(0, d)
			name, v = "<dr n='", &long
		}
	}
	b = append(b, name...)
	b = AppendText(b, f.Name)
	b = append(b, "' v='"...)
	if kind == nodes.KindDouble {
		b = appendQuantity(b, v.Double(), v.Decimals())
	} else {
		b = AppendValue(b, *v)
	}
	if last.fits(f) {
		return append(b, b[last.from:last.to]...)
	}
	last.field, last.from = f, len(b)
	b = append(b, '\'')
	if kind == nodes.KindDouble {
		b = AppendOptional(b, "u", v.Unit())
	} else if kind == nodes.KindEnum {
		b = AppendAttr(b, "t", v.EnumType())
	}
	b = append(b, categoryAttrs[category(f.Category)]...)
	for q := f.QoS; q != 0; q &= q - 1 {
		if i := bits.TrailingZeros16(uint16(q)); i < len(qosAttrs) {
			b = append(b, qosAttrs[i]...)
		}
	}
	if f.Writable {
		b = append(b, " ctr='true'"...)
	}
	b = append(b, "/>"...)
	last.to = len(b)
	return b
}

// byWeight are the numbers of the categories, the one that says most first.
var byWeight = [...]int{5, 1, 3, 2, 4, 0}

// category returns the number of the one category of a field. Of several it is the
// one that says most: a value of the past is also called momentary by some.
func category(c nodes.Category) int {
	if c&(c-1) == 0 && c != 0 && c <= nodes.AllCategories {
		return bits.TrailingZeros8(uint8(c))
	}
	if c&nodes.AllCategories != nodes.AllCategories {
		for _, i := range byWeight {
			if c&(1<<i) != 0 {
				return i
			}
		}
	}
	return 0
}

var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6}

// appendQuantity appends a finite number with the decimals it has, never with an
// exponent: peers count the characters after the point as its precision.
func appendQuantity(b []byte, f float64, dec int) []byte {
	// Nearly all values are whole multiples of a power of ten. When n/p is the very
	// number, its digits are those of n.
	least, most := dec, dec
	if dec < 0 {
		least, most = 0, 3
	}
	for d := least; d <= most && d < len(powers); d++ {
		p := powers[d]
		x := f * p
		if x < -1e15 || x > 1e15 {
			break
		}
		n := int64(x + 0.5)
		if x < 0 {
			n = int64(x - 0.5)
		}
		if float64(n)/p == f {
			return appendScaled(b, n, d)
		}
	}
	return strconv.AppendFloat(b, f, 'f', dec, 64)
}

// appendScaled appends n shifted by some decimals.
func appendScaled(b []byte, n int64, decimals int) []byte {
	u := uint64(n)
	if n < 0 {
		b = append(b, '-')
		u = -u
	}
	digits, size := decimals+1, uint64(10)
	for range decimals {
		size *= 10
	}
	for ; u >= size; size *= 10 {
		digits++
	}
	if decimals > 0 {
		digits++ // the point
	}
	b = append(b, "0000000000000000000000"[:digits]...)
	i := len(b) - 1
	for range decimals {
		b[i] = byte('0' + u%10)
		u /= 10
		i--
	}
	if decimals > 0 {
		b[i] = '.'
		i--
	}
	for ; u > 0; i-- {
		b[i] = byte('0' + u%10)
		u /= 10
	}
	return b
}
