package nodes

import (
	"math"
	"strconv"
	"time"
)

// Kind is the kind of a [Value]. The kinds are those of the sensor data and
// control interfaces.
type Kind uint8

// The kinds of values.
const (
	KindNone     Kind = iota // no value; the zero Value
	KindBool                 // true or false
	KindInt32                // 32 bit signed integer
	KindInt64                // 64 bit signed integer
	KindDouble               // number with decimals and unit: a quantity
	KindString               // text
	KindEnum                 // one of a named set of texts
	KindDate                 // a day, without a zone
	KindDateTime             // an instant, in UTC
	KindTime                 // a time of day, or a span below 24 h
	KindDuration             // months and nanoseconds, either sign
	KindColor                // RGBA
)

var kindNames = [...]string{"none", "bool", "int32", "int64", "double", "string", "enum",
	"date", "dateTime", "time", "duration", "color"}

// String returns the name of the kind, for messages.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Value is one value of a closed set of kinds. It is a small comparable struct,
// so == tells whether a value changed; the zero Value is no value at all.
// Constructors make it, accessors of the same name read it; an accessor of
// another kind returns the zero of its type. A Value is immutable and safe for
// concurrent use.
type Value struct {
	kind Kind
	dec  int8   // decimals of a double; -1 when unknown
	aux  int32  // months of a duration
	num  uint64 // bits of the number, nanoseconds, days, RGBA
	str  string // text, enum member, unit of a double
	typ  string // enumeration type
}

// Bool makes a boolean value.
func Bool(b bool) Value {
	v := Value{kind: KindBool}
	if b {
		v.num = 1
	}
	return v
}

// Int32 makes a 32 bit integer value.
func Int32(i int32) Value { return Value{kind: KindInt32, num: uint64(int64(i))} }

// Int64 makes a 64 bit integer value.
func Int64(i int64) Value { return Value{kind: KindInt64, num: uint64(i)} }

// Double makes a number of unknown precision and without a unit.
func Double(f float64) Value { return Quantity(f, -1, "") }

// Quantity makes a number with a count of decimals (0 to 15; -1 when unknown) and
// a unit (empty when it has none). 23.50 stays 23.50.
func Quantity(f float64, decimals int, unit string) Value {
	if decimals < -1 || decimals > 15 {
		decimals = -1
	}
	if f == 0 {
		f = 0 // a negative zero is zero
	}
	return Value{kind: KindDouble, dec: int8(decimals), num: math.Float64bits(f), str: unit}
}

// String makes a text value.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Enum makes a member of the named enumeration type.
func Enum(member, typ string) Value { return Value{kind: KindEnum, str: member, typ: typ} }

// Date makes the day of t in t's own zone.
func Date(t time.Time) Value {
	y, m, d := t.Date()
	return Value{kind: KindDate, num: uint64(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Unix() / 86400)}
}

// DateTime makes an instant, from 1678 to 2262, to the nanosecond.
func DateTime(t time.Time) Value { return Value{kind: KindDateTime, num: uint64(t.UnixNano())} }

// TimeOfDay makes a time of day.
func TimeOfDay(d time.Duration) Value { return Value{kind: KindTime, num: uint64(d)} }

// Duration makes a duration of whole months and a span; both have the same sign
// or one of them is zero.
func Duration(months int, d time.Duration) Value {
	return Value{kind: KindDuration, aux: int32(months), num: uint64(d)}
}

// Color makes a colour; a is 255 for an opaque one.
func Color(r, g, b, a uint8) Value {
	return Value{kind: KindColor, num: uint64(r)<<24 | uint64(g)<<16 | uint64(b)<<8 | uint64(a)}
}

// Kind returns the kind of the value.
func (v Value) Kind() Kind { return v.kind }

// IsZero tells whether there is no value.
func (v Value) IsZero() bool { return v.kind == KindNone }

// Bool returns the boolean.
func (v Value) Bool() bool { return v.kind == KindBool && v.num != 0 }

// Int returns the integer of an int32 or int64.
func (v Value) Int() int64 {
	if v.kind == KindInt32 || v.kind == KindInt64 {
		return int64(v.num)
	}
	return 0
}

// Double returns the number of a double, int32 or int64.
func (v Value) Double() float64 {
	switch v.kind {
	case KindDouble:
		return math.Float64frombits(v.num)
	case KindInt32, KindInt64:
		return float64(int64(v.num))
	}
	return 0
}

// Decimals returns the count of decimals of a double, or -1.
func (v Value) Decimals() int {
	if v.kind == KindDouble {
		return int(v.dec)
	}
	return -1
}

// Unit returns the unit of a double, or "".
func (v Value) Unit() string {
	if v.kind == KindDouble {
		return v.str
	}
	return ""
}

// Text returns the text of a string or the member of an enum.
func (v Value) Text() string {
	if v.kind == KindString || v.kind == KindEnum {
		return v.str
	}
	return ""
}

// EnumType returns the enumeration type of an enum.
func (v Value) EnumType() string { return v.typ }

// Time returns the instant of a dateTime or the midnight (UTC) of a date.
func (v Value) Time() time.Time {
	switch v.kind {
	case KindDateTime:
		return time.Unix(0, int64(v.num)).UTC()
	case KindDate:
		return time.Unix(int64(v.num)*86400, 0).UTC()
	}
	return time.Time{}
}

// Span returns the span of a time or duration, without its months.
func (v Value) Span() time.Duration {
	if v.kind == KindTime || v.kind == KindDuration {
		return time.Duration(v.num)
	}
	return 0
}

// Months returns the months of a duration.
func (v Value) Months() int {
	if v.kind == KindDuration {
		return int(v.aux)
	}
	return 0
}

// RGBA returns the parts of a colour.
func (v Value) RGBA() (r, g, b, a uint8) {
	if v.kind != KindColor {
		return
	}
	return uint8(v.num >> 24), uint8(v.num >> 16), uint8(v.num >> 8), uint8(v.num)
}

// IsNumber tells whether the value is a finite number.
func (v Value) IsNumber() bool {
	switch v.kind {
	case KindInt32, KindInt64:
		return true
	case KindDouble:
		f := math.Float64frombits(v.num)
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	return false
}

// String returns the value as a person reads it, a quantity with its unit. It is
// for tables and messages, not for the wire.
func (v Value) String() string {
	switch v.kind {
	case KindBool:
		return strconv.FormatBool(v.num != 0)
	case KindInt32, KindInt64:
		return strconv.FormatInt(int64(v.num), 10)
	case KindDouble:
		s := strconv.FormatFloat(v.Double(), 'f', int(v.dec), 64)
		if v.str != "" {
			s += " " + v.str
		}
		return s
	case KindString, KindEnum:
		return v.str
	case KindDate:
		return v.Time().Format("2006-01-02")
	case KindDateTime:
		return v.Time().Format("2006-01-02T15:04:05.000Z")
	case KindTime:
		return v.Span().String()
	case KindDuration:
		if v.aux != 0 {
			return strconv.Itoa(int(v.aux)) + " months " + v.Span().String()
		}
		return v.Span().String()
	case KindColor:
		const hex = "0123456789ABCDEF"
		b := make([]byte, 0, 8)
		for shift := 28; shift >= 0; shift -= 4 {
			b = append(b, hex[v.num>>shift&15])
		}
		if v.num&0xff == 0xff {
			b = b[:6]
		}
		return string(b)
	}
	return ""
}
