package param

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Parse reads the value of a parameter from text, as it stands in a data form or
// a configuration file, and checks it. An empty text is no value (the zero Value)
// but for text parameters. Durations are written as in Go (1m30s), as XML
// Schema durations (PT1M30S), or as plain seconds (90, 0.5).
func Parse(p nodes.Param, s string) (nodes.Value, error) {
	if p.Kind != nodes.KindString && p.Kind != nodes.KindNone {
		s = strings.TrimSpace(s)
		if s == "" {
			return nodes.Value{}, nil
		}
	}
	v, ok := parse(p, s)
	if !ok {
		return nodes.Value{}, fmt.Errorf("%s: write %s", quoted(p, s), Wanted(p))
	}
	return Value(p, v)
}

func parse(p nodes.Param, s string) (nodes.Value, bool) {
	switch p.Kind {
	case nodes.KindBool:
		switch strings.ToLower(s) {
		case "true", "1", "yes", "on":
			return nodes.Bool(true), true
		case "false", "0", "no", "off":
			return nodes.Bool(false), true
		}
		return nodes.Value{}, false
	case nodes.KindInt32:
		i, err := strconv.ParseInt(s, 10, 32)
		return nodes.Int32(int32(i)), err == nil
	case nodes.KindInt64:
		i, err := strconv.ParseInt(s, 10, 64)
		return nodes.Int64(i), err == nil
	case nodes.KindDouble:
		f, err := strconv.ParseFloat(s, 64)
		return nodes.Quantity(f, decimals(s), ""), err == nil && !math.IsInf(f, 0) && !math.IsNaN(f) && !strings.ContainsAny(s, "xX_")
	case nodes.KindEnum:
		return nodes.Enum(s, p.ID), true
	case nodes.KindDuration:
		months, d, ok := parseDuration(s)
		return nodes.Duration(months, d), ok
	case nodes.KindDate:
		t, err := time.Parse("2006-01-02", s)
		return nodes.Date(t), err == nil
	case nodes.KindDateTime:
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t, err = time.Parse("2006-01-02T15:04:05.999999999", s)
		}
		return nodes.DateTime(t), err == nil && t.Year() >= 1678 && t.Year() < 2262
	case nodes.KindTime:
		t, err := time.Parse("15:04:05.999999999", s)
		return nodes.TimeOfDay(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute +
			time.Duration(t.Second())*time.Second + time.Duration(t.Nanosecond())), err == nil
	case nodes.KindColor:
		return parseColor(s)
	}
	return nodes.String(s), true
}

// decimals counts the digits after the point of a plain number, -1 for none.
func decimals(s string) int {
	_, frac, ok := strings.Cut(s, ".")
	if !ok || strings.ContainsAny(frac, "eE") {
		return -1
	}
	return len(frac)
}

func parseColor(s string) (nodes.Value, bool) {
	s = strings.TrimPrefix(s, "#")
	if len(s) == 6 {
		s += "ff"
	}
	n, err := strconv.ParseUint(s, 16, 32)
	if err != nil || len(s) != 8 {
		return nodes.Value{}, false
	}
	return nodes.Color(uint8(n>>24), uint8(n>>16), uint8(n>>8), uint8(n)), true
}

// parseDuration reads Go durations, XML Schema durations and plain seconds.
func parseDuration(s string) (months int, d time.Duration, ok bool) {
	if strings.HasPrefix(s, "P") || strings.HasPrefix(s, "-P") {
		return parseXSDuration(s)
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return 0, time.Duration(math.Round(f * float64(time.Second))), math.Abs(f) < 1e9 && !strings.ContainsAny(s, "xX_")
	}
	d, err := time.ParseDuration(s)
	return 0, d, err == nil
}

// parseXSDuration reads [-]P[nY][nM][nD][T[nH][nM][n[.n]S]].
func parseXSDuration(s string) (months int, d time.Duration, ok bool) {
	neg := strings.HasPrefix(s, "-")
	rest := strings.TrimPrefix(strings.TrimPrefix(s, "-"), "P")
	inTime, any := false, false
	last := -1
	for rest != "" {
		if rest[0] == 'T' {
			if inTime || len(rest) == 1 {
				return 0, 0, false
			}
			inTime, rest = true, rest[1:]
			continue
		}
		n := 0
		for n < len(rest) && (rest[n] >= '0' && rest[n] <= '9' || rest[n] == '.') {
			n++
		}
		if n == 0 || n == len(rest) {
			return 0, 0, false
		}
		const order = "YMDhms"
		unit := rest[n]
		if inTime {
			unit = unit | 0x20
		}
		at := strings.IndexByte(order, unit)
		if at <= last || inTime != (at >= 3) {
			return 0, 0, false
		}
		last, any = at, true
		f, err := strconv.ParseFloat(rest[:n], 64)
		if err != nil || unit != 's' && f != math.Trunc(f) {
			return 0, 0, false
		}
		rest = rest[n+1:]
		switch unit {
		case 'Y':
			f *= 12
			fallthrough
		case 'M':
			if f > 1e6 {
				return 0, 0, false
			}
			months += int(f)
		default:
			scale := map[byte]time.Duration{'D': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}[unit]
			f *= float64(scale)
			if f+float64(d) > 9e18 {
				return 0, 0, false
			}
			d += time.Duration(math.Round(f))
		}
	}
	if neg {
		months, d = -months, -d
	}
	return months, d, any
}

// Format writes a value as [Parse] reads it: the inverse for every value that
// [Value] accepts.
func Format(p nodes.Param, v nodes.Value) string {
	switch v.Kind() {
	case nodes.KindDouble:
		dec := v.Decimals()
		s := strconv.FormatFloat(v.Double(), 'f', dec, 64)
		if back, _ := strconv.ParseFloat(s, 64); back != v.Double() {
			s = strconv.FormatFloat(v.Double(), 'f', -1, 64) // more digits than stated
		}
		return s
	case nodes.KindDuration:
		return formatDuration(v.Months(), v.Span())
	case nodes.KindDateTime:
		return v.Time().Format(time.RFC3339Nano)
	case nodes.KindTime:
		return time.Time{}.Add(v.Span()).Format("15:04:05.999999999")
	}
	return v.String()
}

func formatDuration(months int, d time.Duration) string {
	if months == 0 {
		return d.String()
	}
	sign := ""
	if months < 0 {
		sign, months, d = "-", -months, -d
	}
	s := sign + "P" + strconv.Itoa(months) + "M"
	if d != 0 {
		s += "T" + strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "S"
	}
	return s
}
