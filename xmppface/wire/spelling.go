package wire

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// AppendDateTime appends an instant in UTC with a Z and exactly three decimals.
// Deployed clients drop the time of day when there are more than seven.
func AppendDateTime(b []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

// ParseDateTime reads an XML Schema dateTime. One without a zone is taken as UTC:
// deployed clients write local times without one.
func ParseDateTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
	}
	t = t.UTC()
	return t, err == nil && t.Year() >= 1 && t.Year() <= 9999
}

// AppendDuration appends an XML Schema duration: PT0S, P1M, -PT1M30.5S.
func AppendDuration(b []byte, months int, d time.Duration) []byte {
	if months < 0 || d < 0 {
		b = append(b, '-')
	}
	b = append(b, 'P')
	if months < 0 {
		months = -months
	}
	if y := months / 12; y > 0 {
		b = append(strconv.AppendInt(b, int64(y), 10), 'Y')
	}
	if m := months % 12; m > 0 {
		b = append(strconv.AppendInt(b, int64(m), 10), 'M')
	}
	n := uint64(d)
	if d < 0 {
		n = -n
	}
	if n == 0 && months != 0 {
		return b
	}
	if days := n / uint64(24*time.Hour); days > 0 {
		b = append(strconv.AppendUint(b, days, 10), 'D')
		if n %= uint64(24 * time.Hour); n == 0 {
			return b
		}
	}
	b = append(b, 'T')
	if h := n / uint64(time.Hour); h > 0 {
		b = append(strconv.AppendUint(b, h, 10), 'H')
	}
	if m := n % uint64(time.Hour) / uint64(time.Minute); m > 0 {
		b = append(strconv.AppendUint(b, m, 10), 'M')
	}
	if s := n % uint64(time.Minute); s > 0 || b[len(b)-1] == 'T' {
		b = strconv.AppendUint(b, s/uint64(time.Second), 10)
		if frac := s % uint64(time.Second); frac > 0 {
			point := len(b)
			b = strconv.AppendUint(b, uint64(time.Second)+frac, 10)
			b[point] = '.' // in place of the leading 1
			for b[len(b)-1] == '0' {
				b = b[:len(b)-1]
			}
		}
		b = append(b, 'S')
	}
	return b
}

// AppendTimeOfDay appends a time of day, or a span below 24 h: hh:mm:ss, with
// milliseconds where there are any.
func AppendTimeOfDay(b []byte, d time.Duration) []byte {
	if d < 0 {
		d = 0
	}
	return time.Time{}.Add(d%(24*time.Hour)).AppendFormat(b, "15:04:05.999")
}

// AppendDouble appends a finite number in plain notation with the decimals it
// has, so that a quantity keeps its precision; huge and tiny ones of unknown
// precision get an exponent. It appends nothing for NaN and the infinities,
// which peers cannot read.
func AppendDouble(b []byte, v nodes.Value) []byte {
	f := v.Double()
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return b
	}
	if a := math.Abs(f); v.Decimals() < 0 && a != 0 && (a < 1e-9 || a >= 1e18) {
		return strconv.AppendFloat(b, f, 'e', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', v.Decimals(), 64)
}

// AppendColor appends RRGGBB; the opacity has no place in it.
func AppendColor(b []byte, v nodes.Value) []byte {
	const hex = "0123456789ABCDEF"
	r, g, bl, _ := v.RGBA()
	for _, c := range [...]uint8{r, g, bl} {
		b = append(b, hex[c>>4], hex[c&15])
	}
	return b
}

// AppendValue appends a value in its XML Schema spelling, escaped for text and
// attributes: nothing for no value and for numbers that are none.
func AppendValue(b []byte, v nodes.Value) []byte {
	switch v.Kind() {
	case nodes.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case nodes.KindInt32, nodes.KindInt64:
		return strconv.AppendInt(b, v.Int(), 10)
	case nodes.KindDouble:
		return AppendDouble(b, v)
	case nodes.KindString, nodes.KindEnum:
		return AppendText(b, v.Text())
	case nodes.KindDate:
		return v.Time().AppendFormat(b, "2006-01-02")
	case nodes.KindDateTime:
		return AppendDateTime(b, v.Time())
	case nodes.KindTime:
		return AppendTimeOfDay(b, v.Span())
	case nodes.KindDuration:
		return AppendDuration(b, v.Months(), v.Span())
	case nodes.KindColor:
		return AppendColor(b, v)
	}
	return b
}

// ParseBool reads a boolean as peers write them: 1, true, yes, on and 0, false,
// no, off in any case.
func ParseBool(s string) (value, ok bool) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "1", "true", "yes", "on":
		return true, true
	case "0", "false", "no", "off":
		return false, true
	}
	return false, false
}

// Flag tells whether a boolean attribute is there and true.
func (e *Element) Flag(name string) bool {
	v, _ := ParseBool(e.Attr(name))
	return v
}
