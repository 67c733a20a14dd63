package param

import (
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

var ps = []nodes.Param{
	{ID: "Host", Kind: nodes.KindString, Required: true, Pattern: `[a-z0-9.]+`},
	{ID: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(502), Min: nodes.Int32(1), Max: nodes.Int32(65535)},
	{ID: "Scale", Kind: nodes.KindDouble, Default: nodes.Double(1)},
	{ID: "Table", Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "coil"}, {Value: "holdingRegister"}}},
	{ID: "Timeout", Kind: nodes.KindDuration, Min: nodes.Duration(0, time.Millisecond)},
	{ID: "On", Kind: nodes.KindBool},
	{ID: "Notes", Kind: nodes.KindString, Multi: true},
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		in    nodes.Params
		wrong map[string]string // id: part of the message
	}{
		{"defaults", nodes.Params{"Host": nodes.String("plc")}, nil},
		{"required", nodes.Params{}, map[string]string{"Host": "is required"}},
		{"required, empty", nodes.Params{"Host": nodes.String("")}, map[string]string{"Host": "is required"}},
		{"pattern", nodes.Params{"Host": nodes.String("PLC!")}, map[string]string{"Host": "does not fit"}},
		{"range", nodes.Params{"Host": nodes.String("a"), "Port": nodes.Int32(0)}, map[string]string{"Port": "from 1 to 65535"}},
		{"number of another kind", nodes.Params{"Host": nodes.String("a"), "Port": nodes.Double(80)}, nil},
		{"no whole number", nodes.Params{"Host": nodes.String("a"), "Port": nodes.Double(80.5)}, map[string]string{"Port": "whole number"}},
		{"wrong kind", nodes.Params{"Host": nodes.Bool(true)}, map[string]string{"Host": "a text"}},
		{"option", nodes.Params{"Host": nodes.String("a"), "Table": nodes.String("coils")}, map[string]string{"Table": "one of coil, holdingRegister"}},
		{"option as text", nodes.Params{"Host": nodes.String("a"), "Table": nodes.String("coil")}, nil},
		{"unknown", nodes.Params{"Host": nodes.String("a"), "port": nodes.Int32(1)}, map[string]string{"port": "did you mean Port?"}},
		{"control character", nodes.Params{"Host": nodes.String("a"), "Notes": nodes.String("a\nb\x01")}, map[string]string{"Notes": "U+0001"}},
		{"invalid UTF-8", nodes.Params{"Host": nodes.String("a"), "Notes": nodes.String("\xff")}, map[string]string{"Notes": "UTF-8"}},
		{"too long", nodes.Params{"Host": nodes.String("a"), "Notes": nodes.String(strings.Repeat("x", MaxText+1))}, map[string]string{"Notes": "too long"}},
		{"duration below", nodes.Params{"Host": nodes.String("a"), "Timeout": nodes.Duration(0, 0)}, map[string]string{"Timeout": "at least 1ms"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			out, wrong := Check(ps, tt.in)
			if len(wrong) != len(tt.wrong) {
				t.Fatalf("wrong: got %v, want %v", wrong, tt.wrong)
			}
			for id, part := range tt.wrong {
				if !strings.Contains(wrong[id], part) {
					t.Errorf("%s: got %q, want it to hold %q", id, wrong[id], part)
				}
			}
			if len(wrong) == 0 && (out.Int("Port") == 0 || out.Double("Scale") != 1) {
				t.Errorf("defaults are missing: %v", out)
			}
		})
	}
}

// TestSecretsAreNotQuoted: no message holds the value that is wrong.
func TestSecretsAreNotQuoted(t *testing.T) {
	for _, tt := range []struct {
		p nodes.Param
		v nodes.Value
	}{
		{nodes.Param{Kind: nodes.KindString, Pattern: "[a-z]+"}, nodes.String("4711!")},
		{nodes.Param{Kind: nodes.KindInt32, Max: nodes.Int32(9)}, nodes.Int32(4711)},
		{nodes.Param{Kind: nodes.KindDuration, Max: nodes.Duration(0, 1)}, nodes.Duration(0, 4711e9)},
		{nodes.Param{Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "a"}}}, nodes.String("4711")},
		{nodes.Param{Kind: nodes.KindInt32}, nodes.String("4711 x")},
	} {
		_, err := Value(tt.p, tt.v)
		if err == nil {
			t.Errorf("%v is taken", tt.v)
		}
		tt.p.Secret = true
		_, err = Value(tt.p, tt.v)
		if err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("%v: %v, want a message without it", tt.v, err)
		}
		if _, err := Parse(tt.p, "4711 !"); err == nil || strings.Contains(err.Error(), "4711") {
			t.Errorf("%v: %v, want a message without what was written", tt.p.Kind, err)
		}
	}
}

func TestParseFormat(t *testing.T) {
	for _, tt := range []struct {
		kind nodes.Kind
		text string
		want nodes.Value // zero: an error
	}{
		{nodes.KindBool, " ON ", nodes.Bool(true)},
		{nodes.KindBool, "0", nodes.Bool(false)},
		{nodes.KindBool, "maybe", nodes.Value{}},
		{nodes.KindInt32, "-7", nodes.Int32(-7)},
		{nodes.KindInt32, "2147483648", nodes.Value{}},
		{nodes.KindInt64, "2147483648", nodes.Int64(2147483648)},
		{nodes.KindDouble, "23.50", nodes.Quantity(23.5, 2, "")},
		{nodes.KindDouble, "1e3", nodes.Double(1000)},
		{nodes.KindDouble, "NaN", nodes.Value{}},
		{nodes.KindDouble, "0x10", nodes.Value{}},
		{nodes.KindString, " a ", nodes.String(" a ")},
		{nodes.KindDuration, "1m30s", nodes.Duration(0, 90*time.Second)},
		{nodes.KindDuration, "PT1M30.5S", nodes.Duration(0, 90500*time.Millisecond)},
		{nodes.KindDuration, "P1Y2M3DT4H", nodes.Duration(14, 76*time.Hour)},
		{nodes.KindDuration, "-P1M", nodes.Duration(-1, 0)},
		{nodes.KindDuration, "0.25", nodes.Duration(0, 250*time.Millisecond)},
		{nodes.KindDuration, "PT1H1H", nodes.Value{}},
		{nodes.KindDuration, "P", nodes.Value{}},
		{nodes.KindDuration, "PT", nodes.Value{}},
		{nodes.KindDuration, "P1H", nodes.Value{}},
		{nodes.KindDate, "2026-02-28", nodes.Date(time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC))},
		{nodes.KindDate, "2026-02-30", nodes.Value{}},
		{nodes.KindDateTime, "2026-02-28T12:00:00+01:00", nodes.DateTime(time.Date(2026, 2, 28, 11, 0, 0, 0, time.UTC))},
		{nodes.KindTime, "23:59:59.5", nodes.TimeOfDay(24*time.Hour - 500*time.Millisecond)},
		{nodes.KindColor, "#ff8000", nodes.Color(255, 128, 0, 255)},
		{nodes.KindColor, "ff80", nodes.Value{}},
	} {
		p := nodes.Param{ID: "P", Kind: tt.kind}
		got, err := Parse(p, tt.text)
		if (err != nil) != tt.want.IsZero() || got != tt.want {
			t.Errorf("Parse(%s, %q) = %v, %v; want %v", tt.kind, tt.text, got, err, tt.want)
			continue
		}
		if err == nil {
			if back, err := Parse(p, Format(p, got)); err != nil || back != got {
				t.Errorf("Parse(Format(%v)) = %v, %v (text %q)", got, back, err, Format(p, got))
			}
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1", "23.50", "PT1S", "P1Y", "true", "2026-01-01T00:00:00Z", "FF8000", "1h"} {
		for k := nodes.KindBool; k <= nodes.KindColor; k++ {
			f.Add(uint8(k), s)
		}
	}
	f.Fuzz(func(t *testing.T, kind uint8, s string) {
		p := nodes.Param{ID: "P", Kind: nodes.Kind(kind % (uint8(nodes.KindColor) + 1)), Options: []nodes.Option{{Value: "a"}}}
		v, err := Parse(p, s)
		if err != nil || v.IsZero() {
			return
		}
		back, err := Parse(p, Format(p, v))
		if err != nil {
			t.Fatalf("Parse(Format(%#v)) = %v; text %q", v, err, Format(p, v))
		}
		// Digits beyond the fifteenth decimal are not kept as a count.
		if back != v && !(v.Kind() == nodes.KindDouble && back.Double() == v.Double()) {
			t.Fatalf("got %#v, want %#v; text %q", back, v, Format(p, v))
		}
	})
}
