package wire

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// Failure is why something was not read, and since when.
type Failure struct {
	Time time.Time
	Text string
}

// Fields reads the ts children of an nd or resp element. What is not understood
// is left out: fields without a name or a value, numbers that are not finite,
// times that are none. Of several categories a field keeps the one that says most,
// and is momentary when it has none.
func (e *Element) Fields() (fields []nodes.Field, failures []Failure) {
	n := 0
	for _, ts := range e.Children {
		if ts.Name.Local == "ts" {
			n += len(ts.Children)
		}
	}
	if n == 0 {
		return nil, nil
	}
	fields = make([]nodes.Field, 0, n)
	for _, ts := range e.Children {
		if ts.Name.Local != "ts" {
			continue
		}
		at, ok := ParseDateTime(ts.Attr("v"))
		if !ok {
			continue
		}
		for _, c := range ts.Children {
			if c.Name.Local == "err" {
				failures = append(failures, Failure{at, c.Text})
			} else if f, ok := c.field(); ok {
				f.Time = at
				fields = append(fields, f)
			}
		}
	}
	return fields, failures
}

// field reads a field element without its time.
func (e *Element) field() (f nodes.Field, ok bool) {
	var value, unit, enum string
	present := false
	for i := range e.Attrs {
		a := &e.Attrs[i]
		if a.Name.Space != "" {
			continue
		}
		switch a.Name.Local {
		case "n":
			f.Name = a.Value
		case "v":
			value, present = a.Value, true
		case "u":
			unit = a.Value
		case "t":
			enum = a.Value
		default:
			if set, _ := ParseBool(a.Value); set {
				setFlag(&f, a.Name.Local)
			}
		}
	}
	if f.Name == "" || !present {
		return f, false
	}
	f.Category = 1 << category(f.Category)
	f.Value, ok = parseField(e.Name.Local, value, unit, enum)
	return f, ok
}

// setFlag sets the category or quality flag of that name; others are ignored.
func setFlag(f *nodes.Field, name string) {
	for i, n := range categoryNames {
		if n == name {
			f.Category |= 1 << i
			return
		}
	}
	for i, n := range qosNames {
		if n == name {
			f.QoS |= 1 << i
			return
		}
	}
	if name == "ctr" {
		f.Writable = true
	}
}

// ParseValue reads the value of a field element of that name (b, i, l, q, d, dt, dr,
// t, s, e) with its unit or enumeration type, as [Element.Fields] does.
func ParseValue(name, text, unit, enum string) (nodes.Value, bool) {
	return parseField(name, text, unit, enum)
}

// parseField reads the value of a field element of that name.
func parseField(name, s, unit, enum string) (nodes.Value, bool) {
	if name == "s" {
		return nodes.String(s), true
	}
	if name == "e" {
		return nodes.Enum(s, enum), true
	}
	s = strings.TrimSpace(s)
	switch name {
	case "b":
		v, ok := ParseBool(s)
		return nodes.Bool(v), ok
	case "i", "l":
		n, err := strconv.ParseInt(s, 10, 64)
		if name == "i" && n == int64(int32(n)) {
			return nodes.Int32(int32(n)), err == nil
		}
		return nodes.Int64(n), err == nil
	case "q":
		return parseQuantity(s, unit)
	case "d":
		if len(s) > 10 { // a zone, or a time that does not matter
			if !strings.ContainsRune("Z+-T", rune(s[10])) {
				return nodes.Value{}, false
			}
			s = s[:10]
		}
		t, err := time.Parse(time.DateOnly, s)
		return nodes.Date(t), err == nil && t.Year() >= 1
	case "dt":
		t, ok := ParseDateTime(s)
		return nodes.DateTime(t), ok && t.Year() >= 1678 && t.Year() < 2262
	case "dr":
		months, d, ok := ParseDuration(s)
		return nodes.Duration(months, d), ok
	case "t":
		return parseTime(s)
	}
	return nodes.Value{}, false
}

// ParseDuration reads an XML Schema duration with whole numbers of all but
// seconds.
func ParseDuration(s string) (months int, d time.Duration, ok bool) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "P") && !strings.HasPrefix(s, "-P") {
		return 0, 0, false
	}
	v, err := param.Parse(nodes.Param{Kind: nodes.KindDuration}, s)
	return v.Months(), v.Span(), err == nil
}

// parseQuantity reads a number; the digits after the point are its precision.
func parseQuantity(s, unit string) (nodes.Value, bool) {
	if s == "" || strings.ContainsAny(s, "xXpP_iInN") { // no hexadecimal, INF or NaN
		return nodes.Value{}, false
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) {
		return nodes.Value{}, false
	}
	dec := 0
	if strings.ContainsAny(s, "eE") {
		dec = -1
	} else if _, frac, ok := strings.Cut(s, "."); ok {
		dec = len(frac)
	}
	return nodes.Quantity(f, dec, unit), true
}

// parseTime reads a time of day with or without a zone, which is ignored, and the
// spans that deployed clients write: [-][d.]hh:mm:ss[.fffffff]. Those that are no
// time of day are durations.
func parseTime(s string) (nodes.Value, bool) {
	s, neg := strings.CutPrefix(s, "-")
	days := time.Duration(0)
	if d, rest, ok := strings.Cut(s, "."); ok && strings.Contains(rest, ":") {
		n, err := strconv.ParseUint(d, 10, 16)
		if err != nil {
			return nodes.Value{}, false
		}
		days, s = time.Duration(n)*24*time.Hour, rest
	}
	if i := strings.IndexAny(s, "Z+-"); i >= 0 {
		s = s[:i]
	}
	t, err := time.Parse("15:04:05.999999999", s)
	if err != nil {
		return nodes.Value{}, false
	}
	d := days + t.Sub(t.Truncate(24*time.Hour))
	switch {
	case neg && d != 0:
		return nodes.Duration(0, -d), true
	case days > 0:
		return nodes.Duration(0, d), true
	}
	return nodes.TimeOfDay(d), true
}
