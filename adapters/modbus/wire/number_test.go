package wire

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// The bytes of a value whose bytes are named A, B, C, … from the highest on are
// in the sequence that the name of the order says, at every width.
func TestOrdersAtEveryWidth(t *testing.T) {
	for _, o := range append(Orders[:], LongOrders[:]...) {
		b := make([]byte, 8)
		PutRaw(Uint64, o, b, 0x4142434445464748)
		if got := string(b); got != o.Long64() {
			t.Errorf("%s in 64 bits: got %s, want %s", o, got, o.Long64())
		}
		if o.Only64() {
			continue
		}
		PutRaw(Uint32, o, b, 0x41424344)
		if got := string(b[:4]); got != o.String() {
			t.Errorf("%s in 32 bits: got %s", o, got)
		}
		PutRaw(Uint16, o, b, 0x4142)
		want := map[bool]string{false: "AB", true: "BA"}[o == BADC || o == DCBA]
		if got := string(b[:2]); got != want {
			t.Errorf("%s in 16 bits: got %s, want %s", o, got, want)
		}
	}
	for _, name := range []string{"", "ABDC", "abcd", "CDABEFGH"} {
		if o, ok := ParseOrder(name); ok {
			t.Errorf("ParseOrder(%q) = %s", name, o)
		}
	}
	if o, ok := ParseOrder("GHEFCDAB"); !ok || o != CDAB {
		t.Errorf("GHEFCDAB: got %s, want CDAB", o)
	}
}

func TestRawRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 2000 {
		for _, typ := range Types[:len(Types)-1] {
			for _, o := range append(Orders[:], LongOrders[:]...) {
				raw := r.Uint64() >> (64 - typ.Bits())
				before := []byte{byte(r.Uint32()), byte(r.Uint32()), 0, 0, 0, 0, 0, 0}
				b := bytes.Clone(before)
				PutRaw(typ, o, b, raw)
				if got := Raw(typ, o, b); got != raw {
					t.Fatalf("%s %s: got %x, want %x", typ, o, got, raw)
				}
				// What else is in the register stays.
				other := map[Type]uint16{Bool: 0xfffe, Int8High: 0x00ff, Uint8High: 0x00ff, Int8Low: 0xff00, Uint8Low: 0xff00}[typ]
				if got, want := o.Word(b)&other, o.Word(before)&other; got != want {
					t.Fatalf("%s %s: the rest of the register became %04x, was %04x", typ, o, got, want)
				}
			}
		}
	}
}

func TestHalves(t *testing.T) {
	b := []byte{0xfe, 0x03}
	for _, tt := range []struct {
		typ   Type
		order Order
		want  int64
	}{
		{Int8High, ABCD, -2}, {Uint8High, ABCD, 254}, {Int8Low, ABCD, 3}, {Uint8Low, ABCD, 3},
		{Int8High, BADC, 3}, {Uint8Low, DCBA, 254},
	} {
		if got := Integer(tt.typ, tt.order, b); got != tt.want {
			t.Errorf("%s %s: got %d, want %d", tt.typ, tt.order, got, tt.want)
		}
	}
}

func TestHalf(t *testing.T) {
	for _, tt := range []struct {
		bits uint16
		want float64
	}{
		{0x0000, 0}, {0x3c00, 1}, {0xc000, -2}, {0x7bff, 65504}, {0x0400, 0x1p-14}, {0x0001, 0x1p-24},
		{0x03ff, 1023 * 0x1p-24}, {0x2e66, 0.0999755859375}, {0x4de0, 23.5}, {0x7c00, math.Inf(1)}, {0xfc00, math.Inf(-1)},
	} {
		if got := Half(tt.bits); got != tt.want {
			t.Errorf("Half(%04x) = %v, want %v", tt.bits, got, tt.want)
		}
	}
	for b := range 1 << 16 {
		v := Half(uint16(b))
		if math.IsNaN(v) {
			if got := HalfBits(v); !math.IsNaN(Half(got)) {
				t.Fatalf("HalfBits(NaN) = %04x", got)
			}
			continue
		}
		if got := HalfBits(v); got != uint16(b) {
			t.Fatalf("HalfBits(%v) = %04x, want %04x", v, got, b)
		}
	}
	for _, tt := range []struct {
		v    float64
		want uint16
	}{
		{65519.9, 0x7bff}, {65520, 0x7c00}, {1e300, 0x7c00}, {-65520, 0xfc00}, {0x1p-26, 0},
		{1 + 0x1p-11, 0x3c00}, {1 + 3*0x1p-11, 0x3c02}, {0x1p-14 - 0x1p-30, 0x0400}, {2 - 0x1p-12, 0x4000},
	} {
		if got := HalfBits(tt.v); got != tt.want {
			t.Errorf("HalfBits(%v) = %04x, want %04x", tt.v, got, tt.want)
		}
	}
}

func TestBCD(t *testing.T) {
	for _, v := range []uint64{0, 7, 42, 9999, 12345678, 9999999999999999} {
		raw := ToBCD(v)
		if got := fmt.Sprintf("%x", raw); got != fmt.Sprint(v) {
			t.Errorf("ToBCD(%d) = %s", v, got)
		}
		if got, ok := FromBCD(raw); !ok || got != v {
			t.Errorf("FromBCD(%x) = %d, %v; want %d", raw, got, ok, v)
		}
	}
	for _, raw := range []uint64{0xa, 0x1f00, 0xffff, 0xa000000000000000} {
		if v, ok := FromBCD(raw); ok {
			t.Errorf("FromBCD(%x) = %d", raw, v)
		}
	}
}

func TestCharacters(t *testing.T) {
	for _, tt := range []struct {
		order Order
		in    string
		want  string
	}{
		{ABCD, "Pump 7\x00\x00", "Pump 7"}, {BADC, "uPpm7 \x00\x00", "Pump 7"}, {ABCD, "A   ", "A"}, {ABCD, "\x00garbage", ""},
		{ABCD, "  A", "  A"}, {ABCD, "T\xe4nk", "Tänk"}, {ABCD, "T\xc3\xa4nk", "Tänk"}, {ABCD, "full", "full"}, {ABCD, "", ""},
	} {
		if got := Characters(tt.order, []byte(tt.in)); got != tt.want {
			t.Errorf("%q %s: got %q, want %q", tt.in, tt.order, got, tt.want)
		}
		if len(tt.in)%2 != 0 {
			continue
		}
		b := bytes.Repeat([]byte{0xff}, 2*len(tt.in)+2)
		PutCharacters(tt.order, b, tt.want)
		if got := Characters(tt.order, b); got != tt.want {
			t.Errorf("%q %s: back comes %q", tt.want, tt.order, got)
		}
	}
}
