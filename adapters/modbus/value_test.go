package modbus

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func TestValue(t *testing.T) {
	q := nodes.Quantity
	for _, tt := range []struct {
		name string
		typ  string
		more nodes.Params
		raw  []byte
		want nodes.Value
	}{
		{"uint16", "uint16", nil, []byte{0xff, 0xfe}, nodes.Int32(65534)},
		{"int16", "int16", nil, []byte{0xff, 0xfe}, nodes.Int32(-2)},
		{"uint32", "uint32", nil, []byte{0xff, 0xff, 0xff, 0xff}, nodes.Int64(4294967295)},
		{"int32", "int32", nil, []byte{0xff, 0xff, 0xff, 0xff}, nodes.Int32(-1)},
		{"scaled", "int16", nodes.Params{"Scale": q(0.1, 1, ""), "Unit": nodes.String("°C")}, []byte{0, 235}, q(23.5, 1, "°C")},
		{"30.3 stays 30.3", "uint16", nodes.Params{"Scale": q(0.1, 1, "")}, []byte{1, 0x2f}, q(30.3, 1, "")},
		{"as written", "uint16", nodes.Params{"Scale": q(0.1, 2, "")}, []byte{0, 235}, q(23.5, 2, "")},
		{"offset", "uint16", nodes.Params{"Offset": q(-0.25, 2, "")}, []byte{0, 1}, q(0.75, 2, "")},
		{"unit alone", "uint16", nodes.Params{"Unit": nodes.String("rpm")}, []byte{0, 7}, q(7, 0, "rpm")},
		{"decimals", "uint16", nodes.Params{"Decimals": nodes.Int32(2)}, []byte{0, 7}, q(7, 2, "")},
		{"a third", "uint16", nodes.Params{"Scale": q(1.0/3, -1, "")}, []byte{0, 1}, q(1.0/3, -1, "")},
		{"swapped bytes", "uint16", nodes.Params{"ByteOrder": nodes.String("BADC")}, []byte{1, 0}, nodes.Int32(1)},
		{"float", "float32", nil, []byte{0x41, 0xbc, 0, 0}, q(23.5, -1, "")},
		{"float 0.1 is 0.1", "float32", nil, []byte{0x3d, 0xcc, 0xcc, 0xcd}, q(0.1, -1, "")},
		{"float, decimals", "float32", nodes.Params{"Decimals": nodes.Int32(2)}, []byte{0x41, 0xbc, 0, 0}, q(23.5, 2, "")},
		{"float, scaled", "float32", nodes.Params{"Scale": q(0.001, 3, "")}, []byte{0x3d, 0xcc, 0xcc, 0xcd}, q(0.0001, -1, "")},
		{"float, words swapped", "float32", nodes.Params{"ByteOrder": nodes.String("CDAB")}, []byte{0, 0, 0x41, 0xbc}, q(23.5, -1, "")},
		{"large float", "float32", nil, []byte{0x4b, 0x80, 0, 1}, q(16777218, -1, "")},
		{"NaN", "float32", nil, []byte{0x7f, 0xc0, 0, 0}, nodes.Value{}},
		{"infinite", "float32", nil, []byte{0xff, 0x80, 0, 0}, nodes.Value{}},
		{"overflow", "float32", nodes.Params{"Scale": q(1e300, -1, "")}, []byte{0x7f, 0x7f, 0xff, 0xff}, nodes.Value{}},
	} {
		p := nodes.Params{"Table": nodes.String("holdingRegister"), "Address": nodes.Int32(3), "Type": nodes.String(tt.typ)}
		for k, v := range tt.more {
			p[k] = v
		}
		f := newFormat(p)
		got, err := f.value(1, append([]byte{9, 9, 9, 9}, tt.raw...))
		if got != tt.want || (err != nil) != tt.want.IsZero() {
			t.Errorf("%s: got %#v, %v; want %#v", tt.name, got, err, tt.want)
		}
	}
}

// What a register can hold comes out as written in, in all types and orders.
func TestValueRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		for _, typ := range wire.Types[1:] {
			for _, o := range wire.Orders {
				raw := int64(r.Uint32())
				b := make([]byte, 4)
				want := float64(math.Float32frombits(uint32(raw)))
				if typ == wire.Float32 {
					wire.PutFloat(o, b, float32(want))
				} else {
					wire.PutInteger(typ, o, b, raw)
					want = float64(wire.Integer(typ, o, b))
				}
				f := newFormat(nodes.Params{"Table": nodes.String("inputRegister"), "Address": nodes.Int32(0),
					"Type": nodes.String(typ.String()), "ByteOrder": nodes.String(o.String())})
				v, err := f.value(0, b)
				switch {
				case math.IsNaN(want) || math.IsInf(want, 0):
					if err == nil {
						t.Fatalf("%s %s: %v is a value", typ, o, want)
					}
				case err != nil:
					t.Fatal(err)
				case typ == wire.Float32 && float32(v.Double()) != float32(want), typ != wire.Float32 && v.Double() != want:
					t.Fatalf("%s %s: got %v, want %v", typ, o, v, want)
				}
			}
		}
	}
}
