package payload

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Type is what an item becomes.
type Type uint8

// The types.
const (
	Auto      Type = iota // what the payload says; a number when there is a unit or a scale
	ToNumber              // a quantity
	ToInteger             // a whole number of 64 bits
	ToBool                // true or false
	ToText                // text
	ToTime                // an instant
	typeEnd
)

var typeNames = [...]string{"auto", "number", "integer", "bool", "text", "time"}

// String returns the name of the type, as in parameters.
func (t Type) String() string {
	if t < typeEnd {
		return typeNames[t]
	}
	return "unknown"
}

// Types returns the names of all types.
func Types() []string { return typeNames[:] }

// ParseType returns the type of that name.
func ParseType(name string) (Type, bool) {
	for i, n := range typeNames {
		if n == name {
			return Type(i), true
		}
	}
	return 0, false
}

// Option is a text for what a payload holds.
type Option struct{ Raw, Label string }

// ParseOptions reads options as raw=label, a comma or a line apart.
func ParseOptions(text string) ([]Option, error) {
	var list []Option
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		raw, label, ok := strings.Cut(part, "=")
		o := Option{strings.TrimSpace(raw), strings.TrimSpace(label)}
		if !ok || o.Raw == "" || o.Label == "" {
			return nil, fmt.Errorf("%q: write what the payload holds, an equals sign and the text: 0=off, 1=on", strings.TrimSpace(part))
		}
		for _, other := range list {
			if other.Raw == o.Raw {
				return nil, fmt.Errorf("%q has two texts", o.Raw)
			}
		}
		list = append(list, o)
	}
	return list, nil
}

// Mapping makes a value of an item. The zero Mapping takes it as it is, but for
// Divisor, Scale and Decimals, which [NewMapping] sets.
type Mapping struct {
	Type     Type
	Unit     string
	Decimals int // of numbers; -1: as many as the payload and the scale have
	// A number becomes raw times Scale, by Divisor, plus Offset.
	Scale, Divisor, Offset float64
	Options                []Option // texts for numbers and texts; with any the value is an enum
	Enum                   string   // name of its type
	On, Off                string   // texts that are true and false, beside the usual ones
	Missing                []string // what means that there is no value
	extra                  int      // decimals that scale and offset add; -1: no decimal fraction
}

// NewMapping makes a mapping that changes nothing.
func NewMapping() Mapping { return Mapping{Decimals: -1, Scale: 1, Divisor: 1} }

// Prepare is called after the fields were set.
func (m *Mapping) Prepare() {
	m.extra = max(written(m.Scale/m.Divisor), 0)
	if written(m.Scale/m.Divisor) < 0 || written(m.Offset) < 0 {
		m.extra = -1
	}
}

// written returns how many decimals a number has; -1: more than 9.
func written(f float64) int {
	s := strconv.FormatFloat(f, 'f', -1, 64)
	_, frac, _ := strings.Cut(s, ".")
	if len(frac) > 9 {
		return -1
	}
	return len(frac)
}

func (m *Mapping) plain() bool { return m.Scale == 1 && m.Divisor == 1 && m.Offset == 0 }

// ErrMissing says that the payload has no value, and that this is no fault: null, or
// what the device sends for "not available".
var ErrMissing = errors.New("the device says that there is no value")

// ErrAbsent says that the payload has nothing at the path.
var ErrAbsent = errors.New("the payload does not have it")

// Value makes a value. before is the value of the same field before, the texts of
// which are used again.
func (m *Mapping) Value(it *Item, before nodes.Value) (nodes.Value, error) {
	switch it.Kind {
	case Absent:
		return nodes.Value{}, ErrAbsent
	case Null:
		return nodes.Value{}, ErrMissing
	}
	if len(m.Missing) > 0 {
		raw := it.word()
		for _, s := range m.Missing {
			if s == raw {
				return nodes.Value{}, ErrMissing
			}
		}
	}
	if len(m.Options) > 0 {
		return m.enum(it, before)
	}
	t := m.Type
	if t == Auto {
		t = m.guess(it)
	}
	switch t {
	case ToNumber:
		return m.number(it)
	case ToInteger:
		return m.integer(it)
	case ToBool:
		return m.truth(it)
	case ToTime:
		at, ok := it.Time()
		if !ok {
			return nodes.Value{}, it.not("a time")
		}
		return nodes.DateTime(at), nil
	}
	return text(it, before), nil
}

func (m *Mapping) guess(it *Item) Type {
	switch it.Kind {
	case Number, Integer, Real:
		return ToNumber
	case Bool:
		return ToBool
	}
	if m.Unit != "" || m.Decimals >= 0 || !m.plain() {
		return ToNumber
	}
	if m.On != "" || m.Off != "" {
		return ToBool
	}
	return ToText
}

func (it *Item) not(wanted string) error {
	return fmt.Errorf("%w: %s is not %s", ErrFormat, it.quoted(), wanted)
}

func (it *Item) quoted() string { return shown([]byte(it.word())) }

// word is the item as text.
func (it *Item) word() string {
	switch it.Kind {
	case Quoted:
		return unquote(it.Raw)
	case Integer:
		return strconv.FormatInt(it.Int, 10)
	case Real:
		return strconv.FormatFloat(it.Float, 'g', -1, 64)
	}
	return string(it.Raw)
}

func text(it *Item, before nodes.Value) nodes.Value {
	if before.Kind() == nodes.KindString && it.Kind == Text && before.Text() == string(it.Raw) {
		return before
	}
	return nodes.String(it.word())
}

func (m *Mapping) enum(it *Item, before nodes.Value) (nodes.Value, error) {
	raw := it.Raw
	if it.Kind != Text && it.Kind != Number && it.Kind != Bool {
		raw = []byte(it.word())
	}
	for i := range m.Options {
		if o := &m.Options[i]; o.Raw == string(raw) {
			if before.Kind() == nodes.KindEnum && before.Text() == o.Label {
				return before, nil
			}
			return nodes.Enum(o.Label, m.Enum), nil
		}
	}
	const most = 100
	if len(raw) > most {
		return nodes.Value{}, it.not("one of the choices")
	}
	return nodes.Enum(string(raw), m.Enum), nil // not one of the choices: it shows as itself
}

// real returns the number of an item.
func (it *Item) real() (v float64, decimals int, ok bool) {
	switch it.Kind {
	case Integer:
		return float64(it.Int), 0, true
	case Real:
		return it.Float, -1, !math.IsNaN(it.Float) && !math.IsInf(it.Float, 0)
	case Number, Text:
		return parseNumber(it.Raw)
	}
	return 0, 0, false
}

func (m *Mapping) number(it *Item) (nodes.Value, error) {
	v, decimals, ok := it.real()
	if !ok {
		if it.Kind == Real {
			return nodes.Value{}, ErrMissing // NaN and infinite numbers are how devices say so
		}
		return nodes.Value{}, it.not("a number")
	}
	if !m.plain() {
		v = v*m.Scale/m.Divisor + m.Offset
		if decimals >= 0 && m.extra >= 0 {
			decimals += m.extra
			decimals = max(decimals, written(m.Offset))
		} else {
			decimals = -1
		}
	}
	if m.Decimals >= 0 {
		decimals = m.Decimals
	}
	if !m.plain() || m.Decimals >= 0 {
		v = round(v, decimals)
	}
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return nodes.Value{}, it.not("a number that can be scaled")
	}
	return nodes.Quantity(v, decimals, m.Unit), nil
}

func (m *Mapping) integer(it *Item) (nodes.Value, error) {
	if m.plain() {
		switch it.Kind {
		case Integer:
			return nodes.Int64(it.Int), nil
		case Number, Text:
			if n, ok := parseInteger(it.Raw); ok {
				return nodes.Int64(n), nil
			}
		}
	}
	v, _, ok := it.real()
	v = math.Round(v*m.Scale/m.Divisor + m.Offset)
	if !ok || math.Abs(v) > 1<<53 {
		return nodes.Value{}, it.not("a whole number")
	}
	return nodes.Int64(int64(v)), nil
}

func (m *Mapping) truth(it *Item) (nodes.Value, error) {
	word := it.word()
	switch {
	case m.On != "" && word == m.On:
		return nodes.Bool(true), nil
	case m.Off != "" && word == m.Off:
		return nodes.Bool(false), nil
	}
	if v, _, ok := it.real(); ok && m.On == "" && m.Off == "" {
		return nodes.Bool(v != 0), nil
	}
	switch strings.ToLower(word) {
	case "true", "on", "yes", "open", "1":
		return nodes.Bool(true), nil
	case "false", "off", "no", "closed", "0":
		return nodes.Bool(false), nil
	}
	return nodes.Value{}, it.not("true or false")
}

// times are the ways in which devices write times; those without a zone are UTC.
var times = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999", "2006-01-02T15:04:05.999999999-0700",
	"2006-01-02 15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999 -0700", "2006/01/02 15:04:05", "2006-01-02T15:04", time.RFC1123Z, time.RFC1123}

// Time reads a time: seconds, milliseconds, microseconds or nanoseconds since 1970,
// told apart by their size, or a date and time as text. Only times from 1970 to 2262
// are times.
func (it *Item) Time() (time.Time, bool) {
	switch it.Kind {
	case Number, Text, Integer, Real:
		if it.Kind == Number || it.Kind == Text {
			if n, ok := parseInteger(it.Raw); ok {
				return since(n)
			}
		}
		if v, _, ok := it.real(); ok {
			if v < 1e11 && v >= 0 {
				s, frac := math.Modf(v)
				return time.Unix(int64(s), int64(math.Round(frac*1e6))*1000).UTC(), true
			}
			if v < 0 || v >= math.MaxInt64 {
				return time.Time{}, false
			}
			return since(int64(v))
		}
	}
	if it.Kind == Text || it.Kind == Quoted {
		s := it.word()
		for _, layout := range times {
			if t, err := time.Parse(layout, s); err == nil {
				t = t.UTC()
				return t, t.Year() >= 1970 && t.Year() < 2262
			}
		}
	}
	return time.Time{}, false
}

func since(n int64) (time.Time, bool) {
	switch {
	case n < 0:
		return time.Time{}, false
	case n < 1e11:
		t := time.Unix(n, 0).UTC()
		return t, t.Year() < 2262
	case n < 1e14:
		return time.UnixMilli(n).UTC(), true
	case n < 1e17:
		return time.UnixMicro(n).UTC(), true
	}
	t := time.Unix(0, n).UTC()
	return t, true
}

// Word returns the item as text, for comparisons.
func (it *Item) Word() string { return it.word() }
