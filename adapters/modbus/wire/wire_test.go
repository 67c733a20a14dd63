package wire

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

func TestReference(t *testing.T) {
	for _, tt := range []struct {
		table   Table
		address int
		want    string
	}{
		{Coil, 0, "00001"}, {DiscreteInput, 9, "10010"}, {InputRegister, 100, "30101"},
		{HoldingRegister, 0, "40001"}, {HoldingRegister, 9998, "49999"},
		{HoldingRegister, 9999, "410000"}, {HoldingRegister, 65535, "465536"},
	} {
		if got := tt.table.Reference(tt.address); got != tt.want {
			t.Errorf("%s %d: got %s, want %s", tt.table, tt.address, got, tt.want)
		}
	}
}

func TestNames(t *testing.T) {
	for _, x := range Tables {
		if got, ok := ParseTable(x.String()); !ok || got != x {
			t.Errorf("ParseTable(%s) = %v, %v", x, got, ok)
		}
		if got, ok := TableOf(x.Function()); !ok || got != x {
			t.Errorf("TableOf(%d) = %v, %v", x.Function(), got, ok)
		}
	}
	for _, x := range Types {
		if got, ok := ParseType(x.String()); !ok || got != x {
			t.Errorf("ParseType(%s) = %v, %v", x, got, ok)
		}
	}
	for _, x := range Orders {
		if got, ok := ParseOrder(x.String()); !ok || got != x {
			t.Errorf("ParseOrder(%s) = %v, %v", x, got, ok)
		}
	}
}

// The bytes of 0x01020304 as each order puts them on the wire.
func TestOrders(t *testing.T) {
	for _, tt := range []struct {
		order Order
		want  []byte
	}{
		{ABCD, []byte{1, 2, 3, 4}}, {BADC, []byte{2, 1, 4, 3}},
		{CDAB, []byte{3, 4, 1, 2}}, {DCBA, []byte{4, 3, 2, 1}},
	} {
		got := make([]byte, 4)
		PutInteger(Uint32, tt.order, got, 0x01020304)
		if !bytes.Equal(got, tt.want) {
			t.Errorf("%s: got % x, want % x", tt.order, got, tt.want)
		}
	}
}

func TestNumbersRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		raw := r.Uint32()
		for _, o := range Orders {
			for _, tt := range []struct {
				typ  Type
				want int64
			}{
				{Int16, int64(int16(raw))}, {Uint16, int64(uint16(raw))},
				{Int32, int64(int32(raw))}, {Uint32, int64(raw)},
			} {
				b := make([]byte, 2*tt.typ.Words())
				PutInteger(tt.typ, o, b, tt.want)
				if got := Integer(tt.typ, o, b); got != tt.want {
					t.Fatalf("%s %s: got %d, want %d", tt.typ, o, got, tt.want)
				}
			}
			b := make([]byte, 4)
			PutFloat(o, b, math.Float32frombits(raw))
			if got := math.Float32bits(Float(o, b)); got != raw && !math.IsNaN(float64(math.Float32frombits(raw))) {
				t.Fatalf("float32 %s: got %08x, want %08x", o, got, raw)
			}
		}
	}
}

// Two neighbouring coils share a byte: one bit each, not one byte each.
func TestBits(t *testing.T) {
	if !Bit([]byte{0b10}, 1) || Bit([]byte{0b10}, 0) {
		t.Error("two coils in one byte: got the wrong bits")
	}
	r := rand.New(rand.NewPCG(3, 4))
	want := make([]bool, 2000)
	data := make([]byte, 250)
	for i := range want {
		want[i] = r.IntN(2) == 1
		PutBit(data, i, want[i])
	}
	for i := range want {
		if got := Bit(data, i); got != want[i] {
			t.Fatalf("bit %d: got %v, want %v", i, got, want[i])
		}
	}
}

func TestParseReadRequest(t *testing.T) {
	for _, tt := range []struct {
		name     string
		function byte
		data     []byte
		want     Exception
	}{
		{"right", 3, []byte{0, 0, 0, 125}, 0},
		{"2000 coils", 1, []byte{0, 0, 7, 208}, 0},
		{"2001 coils", 1, []byte{0, 0, 7, 209}, IllegalValue},
		{"none", 3, []byte{0, 0, 0, 0}, IllegalValue},
		{"126 registers", 4, []byte{0, 0, 0, 126}, IllegalValue},
		{"past the end", 3, []byte{0xff, 0xff, 0, 2}, IllegalAddress},
		{"the last", 3, []byte{0xff, 0xff, 0, 1}, 0},
		{"short", 3, []byte{0, 0, 0}, IllegalValue},
		{"no read", 6, []byte{0, 0, 0, 1}, IllegalFunction},
	} {
		if _, got := ParseReadRequest(tt.function, tt.data); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestDescribe(t *testing.T) {
	request := ADU{7, 2, 3, []byte{0, 10, 0, 2}}.Append(nil)
	coils := ADU{8, 2, 1, []byte{0, 0, 0, 3}}.Append(nil)
	if got, want := DescribeRequest(request), "#7 unit 2: read holding registers 10 to 11"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, tt := range []struct {
		request []byte
		answer  ADU
		want    string
	}{
		{request, ADU{7, 2, 3, []byte{4, 0, 1, 1, 0}}, "#7 unit 2: holding registers 10 to 11 = 1 256"},
		{request, ADU{7, 2, 0x83, []byte{2}}, "#7 unit 2: exception 2, illegal data address"},
		{request, ADU{6, 2, 3, []byte{4, 0, 1, 1, 0}}, "#6 unit 2: answer to function 3, 5 bytes, to no request under way"},
		{request, ADU{7, 2, 3, []byte{2, 0, 1}}, "#7 unit 2: the answer holds 2 bytes in place of 4"},
		{coils, ADU{8, 2, 1, []byte{1, 5}}, "#8 unit 2: coils 0 to 2 = 1 0 1"},
	} {
		if got := DescribeAnswer(tt.request, tt.answer.Append(nil)); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func FuzzParseADU(f *testing.F) {
	f.Add(ADU{7, 2, 3, []byte{0, 10, 0, 2}}.Append(nil))
	f.Add(ADU{7, 2, 3, []byte{4, 0, 1, 1, 0}}.Append(nil))
	f.Add(ADU{7, 2, 0x83, []byte{2}}.Append(nil))
	f.Add([]byte{0, 1, 0, 1, 0, 2, 1, 1})
	request := ADU{7, 2, 3, []byte{0, 10, 0, 2}}.Append(nil)
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := ParseADU(b)
		if DescribeRequest(b) == "" || DescribeAnswer(b, request) == "" || DescribeAnswer(request, b) == "" {
			t.Error("a frame without a description")
		}
		DescribeAnswer(b, b)
		if err != nil {
			if !errors.Is(err, ErrFraming) && !errors.Is(err, ErrIncomplete) {
				t.Fatalf("unexpected error %v", err)
			}
			return
		}
		if back := a.Append(nil); !bytes.Equal(back, b) {
			t.Fatalf("got % x, want % x", back, b)
		}
		if r, refused := ParseReadRequest(a.Function, a.Data); refused == 0 {
			if r.Count < 1 || r.Count > r.Table.Limit() || r.First+r.Count > 65536 {
				t.Fatalf("accepted %+v", r)
			}
		}
	})
}
