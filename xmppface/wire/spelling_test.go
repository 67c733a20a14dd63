package wire

import (
	"math"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

func TestAppendValue(t *testing.T) {
	at := time.Date(2026, 8, 20, 12, 11, 12, 345678901, time.FixedZone("", 7200))
	for _, c := range []struct {
		v    nodes.Value
		want string
	}{
		{nodes.Value{}, ""},
		{nodes.Bool(true), "true"},
		{nodes.Int32(-7), "-7"},
		{nodes.Int64(math.MinInt64), "-9223372036854775808"},
		{nodes.Quantity(23.5, 2, "°C"), "23.50"},
		{nodes.Double(0.1), "0.1"},
		{nodes.Double(1e300), "1e+300"},
		{nodes.Double(0), "0"},
		{nodes.Double(math.NaN()), ""},
		{nodes.Double(math.Inf(-1)), ""},
		{nodes.String("a<b"), "a&lt;b"},
		{nodes.Enum("Open", "Valve"), "Open"},
		{nodes.Date(at), "2026-08-20"},
		{nodes.DateTime(at), "2026-08-20T10:11:12.345Z"},
		{nodes.TimeOfDay(90 * time.Second), "00:01:30"},
		{nodes.TimeOfDay(1500 * time.Millisecond), "00:00:01.5"},
		{nodes.TimeOfDay(25 * time.Hour), "01:00:00"},
		{nodes.Duration(0, 0), "PT0S"},
		{nodes.Duration(14, 0), "P1Y2M"},
		{nodes.Duration(0, 500*time.Millisecond), "PT0.5S"},
		{nodes.Duration(0, -90*time.Second), "-PT1M30S"},
		{nodes.Duration(1, 49*time.Hour), "P1M2DT1H"},
		{nodes.Duration(0, 48*time.Hour), "P2D"},
		{nodes.Duration(0, math.MinInt64), "-P106751DT23H47M16.854775808S"},
		{nodes.Color(255, 128, 0, 255), "FF8000"},
	} {
		if got := string(AppendValue(nil, c.v)); got != c.want {
			t.Errorf("%s %v: got %q, want %q", c.v.Kind(), c.v, got, c.want)
		}
	}
}

func TestParseDateTime(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"2026-08-20T10:11:12Z", "2026-08-20T10:11:12.000Z"},
		{"2026-08-20T10:11:12.3456789+02:00", "2026-08-20T08:11:12.345Z"},
		{" 2026-08-20T10:11:12.345 ", "2026-08-20T10:11:12.345Z"},
		{"2026-08-20", ""}, {"", ""}, {"yesterday", ""}, {"0000-01-01T00:00:00Z", ""},
	} {
		got := ""
		if at, ok := ParseDateTime(c.in); ok {
			got = string(AppendDateTime(nil, at))
		}
		if got != c.want {
			t.Errorf("%q: got %q, want %q", c.in, got, c.want)
		}
	}
}

func TestParseBool(t *testing.T) {
	for s, want := range map[string][2]bool{
		"1": {true, true}, "TRUE": {true, true}, "yes": {true, true}, "On": {true, true},
		"0": {false, true}, "False": {false, true}, "no": {false, true}, "off": {false, true},
		"": {}, "2": {}, "wahr": {},
	} {
		if v, ok := ParseBool(s); v != want[0] || ok != want[1] {
			t.Errorf("%q: got %v %v", s, v, ok)
		}
	}
}

// What is appended is read back by package param as the same value.
func FuzzDuration(f *testing.F) {
	f.Add(0, int64(0))
	f.Add(14, int64(90*time.Second))
	f.Add(-3, int64(-1))
	f.Fuzz(func(t *testing.T, months int, span int64) {
		if months > 12e5 || months < -12e5 || span > 1<<52 || span < -1<<52 || months > 0 && span < 0 || months < 0 && span > 0 {
			t.Skip()
		}
		want := nodes.Duration(months, time.Duration(span))
		s := string(AppendValue(nil, want))
		got, err := param.Parse(nodes.Param{Kind: nodes.KindDuration}, s)
		if err != nil || got != want {
			t.Errorf("%v: %s is read as %v, %v", want, s, got, err)
		}
	})
}

func FuzzParseDateTime(f *testing.F) {
	f.Add("2026-08-20T10:11:12.345Z")
	f.Add("2026-08-20T10:11:12")
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := ParseDateTime(s)
		if !ok {
			return
		}
		out := string(AppendDateTime(nil, at))
		if back, ok := ParseDateTime(out); !ok || !back.Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%q is %v, written %s", s, at, out)
		}
	})
}
