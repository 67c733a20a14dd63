package wire

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// The examples of the specification, byte by byte.
func TestWriteRequest(t *testing.T) {
	for _, tt := range []struct {
		name   string
		w      WriteRequest
		data   []byte
		answer []byte
	}{
		{"coil on", WriteRequest{Function: 5, Table: Coil, First: 172, Words: []uint16{1}}, []byte{0, 0xac, 0xff, 0}, []byte{0, 0xac, 0xff, 0}},
		{"coil off", WriteRequest{Function: 5, Table: Coil, First: 172, Words: []uint16{0}}, []byte{0, 0xac, 0, 0}, []byte{0, 0xac, 0, 0}},
		{"register", WriteRequest{Function: 6, Table: HoldingRegister, First: 1, Words: []uint16{3}}, []byte{0, 1, 0, 3}, []byte{0, 1, 0, 3}},
		{"coils", WriteRequest{Function: 15, Table: Coil, First: 19, Words: []uint16{1, 0, 1, 1, 0, 0, 1, 1, 1, 0}},
			[]byte{0, 0x13, 0, 0x0a, 2, 0xcd, 0x01}, []byte{0, 0x13, 0, 0x0a}},
		{"registers", WriteRequest{Function: 16, Table: HoldingRegister, First: 1, Words: []uint16{10, 0x102}},
			[]byte{0, 1, 0, 2, 4, 0, 0x0a, 1, 2}, []byte{0, 1, 0, 2}},
		{"mask", WriteRequest{Function: 22, Table: HoldingRegister, First: 4, And: 0xf2, Or: 0x25}, []byte{0, 4, 0, 0xf2, 0, 0x25}, []byte{0, 4, 0, 0xf2, 0, 0x25}},
	} {
		if err := tt.w.Valid(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := tt.w.Append(nil); !bytes.Equal(got, tt.data) {
			t.Errorf("%s: got % x, want % x", tt.name, got, tt.data)
		}
		if got, refused := ParseWriteRequest(tt.w.Function, tt.data); refused != 0 || !reflect.DeepEqual(got, tt.w) {
			t.Errorf("%s: parsed %+v, %v", tt.name, got, refused)
		}
		if err := tt.w.Check(tt.answer); err != nil {
			t.Errorf("%s: the right answer: %v", tt.name, err)
		}
		for i := range tt.answer {
			wrong := bytes.Clone(tt.answer)
			wrong[i] ^= 1
			if tt.w.Check(wrong) == nil {
				t.Errorf("%s: the answer % x is taken", tt.name, wrong)
			}
		}
		if tt.w.Check(tt.answer[:len(tt.answer)-1]) == nil || tt.w.Check(append(bytes.Clone(tt.answer), 0)) == nil {
			t.Errorf("%s: an answer of the wrong length is taken", tt.name)
		}
	}
}

func TestInvalidWrites(t *testing.T) {
	for _, tt := range []struct {
		w    WriteRequest
		want string
	}{
		{WriteRequest{Function: 3, Table: HoldingRegister, Words: []uint16{1}}, "writes nothing"},
		{WriteRequest{Function: 6, Table: Coil, Words: []uint16{1}}, "writes no coil"},
		{WriteRequest{Function: 16, Table: InputRegister, Words: []uint16{1}}, "writes no input register"},
		{WriteRequest{Function: 6, Table: HoldingRegister, Words: []uint16{1, 2}}, "cannot write 2 values"},
		{WriteRequest{Function: 16, Table: HoldingRegister, Words: make([]uint16, 124)}, "takes 1 to 123"},
		{WriteRequest{Function: 15, Table: Coil, Words: make([]uint16, 1969)}, "takes 1 to 1968"},
		{WriteRequest{Function: 16, Table: HoldingRegister}, "cannot write 0 values"},
		{WriteRequest{Function: 22, Table: HoldingRegister, Words: []uint16{1}}, "takes 0 to 0"},
		{WriteRequest{Function: 16, Table: HoldingRegister, First: 65535, Words: []uint16{1, 2}}, "0 to 65535"},
		{WriteRequest{Function: 6, Table: HoldingRegister, First: -1, Words: []uint16{1}}, "0 to 65535"},
		{WriteRequest{Function: 5, Table: Coil, Words: []uint16{2}}, "0 or 1"},
	} {
		if err := tt.w.Valid(); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %q", tt.w, err, tt.want)
		}
	}
}

func TestParseWrongWriteRequest(t *testing.T) {
	for _, tt := range []struct {
		name     string
		function byte
		data     []byte
		want     Exception
	}{
		{"no write", 3, []byte{0, 0, 0, 1}, IllegalFunction},
		{"short", 6, []byte{0, 0, 0}, IllegalValue},
		{"long", 6, []byte{0, 0, 0, 1, 0}, IllegalValue},
		{"coil neither on nor off", 5, []byte{0, 0, 0, 1}, IllegalValue},
		{"mask without or", 22, []byte{0, 0, 0, 1}, IllegalValue},
		{"no byte count", 16, []byte{0, 0, 0, 1}, IllegalValue},
		{"wrong byte count", 16, []byte{0, 0, 0, 1, 1, 0, 1}, IllegalValue},
		{"none", 16, []byte{0, 0, 0, 0, 0}, IllegalValue},
		{"past the end", 16, []byte{0xff, 0xff, 0, 2, 4, 0, 1, 0, 2}, IllegalAddress},
	} {
		if _, got := ParseWriteRequest(tt.function, tt.data); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// What is appended is read again as it was, for any valid request.
func TestWritesRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 5000 {
		w := WriteRequest{Function: []byte{5, 6, 15, 16, 22}[r.IntN(5)], First: r.IntN(1 << 16)}
		w.Table, _ = Written(w.Function)
		n := 1
		switch w.Function {
		case WriteCoils:
			n = 1 + r.IntN(MaxWrittenBits)
		case WriteRegisters:
			n = 1 + r.IntN(MaxWrittenRegisters)
		case MaskRegister:
			n, w.And, w.Or = 0, uint16(r.Uint32()), uint16(r.Uint32())
		}
		w.First = min(w.First, 1<<16-max(1, n))
		for range n {
			v := uint16(r.Uint32())
			if w.Table.Bits() {
				v &= 1
			}
			w.Words = append(w.Words, v)
		}
		if err := w.Valid(); err != nil {
			t.Fatalf("%+v: %v", w, err)
		}
		data := w.Append([]byte{})
		if len(data) > 252 {
			t.Fatalf("%s: %d bytes", w, len(data))
		}
		if got, refused := ParseWriteRequest(w.Function, data); refused != 0 || !reflect.DeepEqual(got, w) {
			t.Fatalf("got %+v, %v; want %+v", got, refused, w)
		}
	}
}

func FuzzParseWriteRequest(f *testing.F) {
	f.Add(byte(5), []byte{0, 1, 0xff, 0})
	f.Add(byte(15), []byte{0, 0x13, 0, 0x0a, 2, 0xcd, 0x01})
	f.Add(byte(16), []byte{0, 1, 0, 2, 4, 0, 0x0a, 1, 2})
	f.Add(byte(22), []byte{0, 4, 0, 0xf2, 0, 0x25})
	f.Fuzz(func(t *testing.T, function byte, data []byte) {
		w, refused := ParseWriteRequest(function, data)
		if refused != 0 {
			return
		}
		if err := w.Valid(); err != nil {
			t.Fatalf("accepted %+v: %v", w, err)
		}
		back := w.Append(nil)
		if function == WriteCoils { // bits behind the last are not kept
			back[len(back)-1], data = 0, append(bytes.Clone(data[:len(data)-1]), 0)
		}
		if !bytes.Equal(back, data) {
			t.Fatalf("got % x, want % x", back, data)
		}
		if w.String() == "" {
			t.Error("no name")
		}
	})
}
