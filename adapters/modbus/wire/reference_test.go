package wire

import (
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Reference
		err  string // part of the message
	}{
		{"40108", Reference{HoldingRegister, 107, -1}, ""},
		{"400108", Reference{HoldingRegister, 107, -1}, ""},
		{"40108.3", Reference{HoldingRegister, 107, 3}, ""},
		{" 300001.15 ", Reference{InputRegister, 0, 15}, ""},
		{"00001", Reference{Coil, 0, -1}, ""},
		{"10001", Reference{DiscreteInput, 0, -1}, ""},
		{"49999", Reference{HoldingRegister, 9998, -1}, ""},
		{"465536", Reference{HoldingRegister, 65535, -1}, ""},
		{"065536", Reference{Coil, 65535, -1}, ""},
		{"4x0108", Reference{HoldingRegister, 107, -1}, ""},
		{"3X00108", Reference{InputRegister, 107, -1}, ""},
		{"", Reference{}, "such as 40108"},
		{"108", Reference{}, "has 3 digits"},
		{"40000", Reference{}, "the first is 40001"},
		{"465537", Reference{}, "the last is 465536"},
		{"4000001", Reference{}, "the last is 465536"},
		{"20001", Reference{}, "begins with no table"},
		{"50001", Reference{}, "begins with no table"},
		{"0x0010", Reference{}, "hexadecimal"},
		{"4010a", Reference{}, "digits only"},
		{"40108.16", Reference{}, ".0 (the lowest) to .15"},
		{"40108.", Reference{}, ".0 (the lowest) to .15"},
		{"40108.-1", Reference{}, ".0 (the lowest) to .15"},
		{"00001.0", Reference{}, "one bit already"},
		{"99999999999999999999999999", Reference{}, "begins with no table"},
		{"49999999999999999999999999", Reference{}, "goes too far"},
	} {
		got, err := ParseReference(tt.in)
		switch {
		case tt.err == "" && (err != nil || got != tt.want):
			t.Errorf("%q: got %+v, %v; want %+v", tt.in, got, err, tt.want)
		case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
			t.Errorf("%q: got error %v, want it to hold %q", tt.in, err, tt.err)
		}
	}
}

// Every address comes back from the notation in which it is shown.
func TestReferencesRoundTrip(t *testing.T) {
	for _, table := range Tables {
		for a := range 1 << 16 {
			r := Reference{table, a, -1}
			if !table.Bits() {
				r.Bit = a%17 - 1
			}
			if got, err := ParseReference(r.String()); err != nil || got != r {
				t.Fatalf("%s: got %+v, %v; want %+v", r, got, err, r)
			}
		}
	}
}

func FuzzParseReference(f *testing.F) {
	for _, s := range []string{"40108", "400108.3", "4x0001", "0x10", "00001", ".", "465536.15"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseReference(s)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without a message")
			}
			return
		}
		if r.Address < 0 || r.Address > 65535 || r.Bit < -1 || r.Bit > 15 || r.Table == 0 {
			t.Fatalf("%q: got %+v", s, r)
		}
		if back, err := ParseReference(r.String()); err != nil || back != r {
			t.Fatalf("%q: %s comes back as %+v, %v", s, r, back, err)
		}
	})
}
