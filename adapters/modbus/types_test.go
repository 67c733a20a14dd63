package modbus

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

func typeNamed(t *testing.T, name string) nodes.Type {
	t.Helper()
	for _, typ := range Factory().Types {
		if typ.Name == name {
			return typ
		}
	}
	t.Fatalf("no type %s", name)
	return nodes.Type{}
}

func TestChecks(t *testing.T) {
	s, i, f := nodes.String, nodes.Int32, nodes.Double
	for _, tt := range []struct {
		name string
		typ  string
		in   nodes.Params
		want map[string]string // id: part of the message
	}{
		{"gateway", TypeGateway, nodes.Params{"Host": s("plc.example")}, nil},
		{"IPv6", TypeGateway, nodes.Params{"Host": s("fe80::1")}, nil},
		{"port in the host", TypeGateway, nodes.Params{"Host": s("plc:502")}, map[string]string{"Host": "as Port"}},
		{"URL", TypeGateway, nodes.Params{"Host": s("tcp://plc")}, map[string]string{"Host": "does not fit"}},
		{"port", TypeGateway, nodes.Params{"Host": s("plc"), "Port": i(70000)}, map[string]string{"Port": "from 1 to 65535"}},
		{"months", TypeGateway, nodes.Params{"Host": s("plc"), "PollInterval": nodes.Duration(1, time.Second)}, map[string]string{"PollInterval": "months"}},
		{"no interval", TypeGateway, nodes.Params{"Host": s("plc"), "PollInterval": nodes.Duration(0, 0)}, map[string]string{"PollInterval": "10ms"}},
		{"unit", TypeUnit, nodes.Params{}, nil},
		{"unit id", TypeUnit, nodes.Params{"UnitId": i(256)}, map[string]string{"UnitId": "0 to 255"}},
		{"register", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(0)}, nil},
		{"coil", TypeRegister, nodes.Params{"Table": s("coil"), "Address": i(65535)}, nil},
		{"nothing", TypeRegister, nodes.Params{}, map[string]string{"Table": "required", "Address": "required"}},
		{"bool register", TypeRegister, nodes.Params{"Table": s("inputRegister"), "Address": i(0), "Type": s("bool")},
			map[string]string{"Type": "write int16"}},
		{"number in a coil", TypeRegister, nodes.Params{"Table": s("coil"), "Address": i(0), "Type": s("int16")},
			map[string]string{"Type": "write bool"}},
		{"scaled coil", TypeRegister, nodes.Params{"Table": s("discreteInput"), "Address": i(0), "Scale": f(2), "Unit": s("V"),
			"Decimals": i(1), "Offset": f(1), "ByteOrder": s("DCBA")},
			map[string]string{"Scale": "no scale", "Unit": "no unit", "Decimals": "no decimals", "Offset": "no offset", "ByteOrder": "no byte order"}},
		{"beyond the end", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(65535), "Type": s("float32")},
			map[string]string{"Address": "at most 65534"}},
		{"at the end", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(65534), "Type": s("float32")}, nil},
		{"scale 0", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(0), "Scale": f(0)}, map[string]string{"Scale": "write 1"}},
		{"4xxxx", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(400001)}, map[string]string{"Address": "0 to 65535"}},
	} {
		typ := typeNamed(t, tt.typ)
		params, wrong := param.Check(typ.Params, tt.in)
		if len(wrong) == 0 {
			wrong = typ.Check(params)
		}
		if got, want := slices.Sorted(maps.Keys(wrong)), slices.Sorted(maps.Keys(tt.want)); !slices.Equal(got, want) {
			t.Errorf("%s: wrong are %v, want %v", tt.name, wrong, want)
			continue
		}
		for id, part := range tt.want {
			if !strings.Contains(wrong[id], part) {
				t.Errorf("%s: %s: got %q, want it to hold %q", tt.name, id, wrong[id], part)
			}
		}
	}
}

func TestReferenceIsShown(t *testing.T) {
	typ := typeNamed(t, TypeRegister)
	got := typ.Properties(nodes.Params{"Table": nodes.Enum("inputRegister", "Table"), "Address": nodes.Int32(99)})
	if len(got) != 1 || got[0].Value != nodes.String("30100") {
		t.Errorf("got %v, want 30100", got)
	}
}
