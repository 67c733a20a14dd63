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
			map[string]string{"Type": "which one as Bit, or int16"}},
		{"number in a coil", TypeRegister, nodes.Params{"Table": s("coil"), "Address": i(0), "Type": s("int16")},
			map[string]string{"Type": "write bool"}},
		{"scaled coil", TypeRegister, nodes.Params{"Table": s("discreteInput"), "Address": i(0), "Scale": f(2), "Unit": s("V"),
			"Decimals": i(1), "Offset": f(1), "ByteOrder": s("DCBA")},
			map[string]string{"Scale": "no scale", "Unit": "no unit", "Decimals": "no decimals", "Offset": "no offset", "ByteOrder": "no byte order"}},
		{"beyond the end", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(65535), "Type": s("float32")},
			map[string]string{"Address": "at most 65534"}},
		{"at the end", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(65534), "Type": s("float32")}, nil},
		{"scale 0", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(0), "Scale": f(0)}, map[string]string{"Scale": "write 1"}},
		{"4xxxx", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(400001)}, map[string]string{"Address": "0 to 65536"}},
		{"beyond from 0", TypeRegister, nodes.Params{"Table": s("coil"), "Address": i(65536)}, map[string]string{"Address": "from 0 to 65535"}},
		{"base 1", TypeRegister, nodes.Params{"Table": s("coil"), "Address": i(65536), "AddressBase": i(1)}, nil},
		{"0 with base 1", TypeRegister, nodes.Params{"Table": s("coil"), "Address": i(0), "AddressBase": i(1)}, map[string]string{"Address": "from 1 to 65536"}},
		{"beyond the end, base 1", TypeRegister, nodes.Params{"Table": s("holdingRegister"), "Address": i(65536), "AddressBase": i(1), "Type": s("uint64")},
			map[string]string{"Address": "at most 65533"}},
		{"reference", TypeRegister, nodes.Params{"Reference": s("40108")}, nil},
		{"reference of a bit", TypeRegister, nodes.Params{"Reference": s("40108.3")}, nil},
		{"reference twice", TypeRegister, nodes.Params{"Reference": s("40108.3"), "Table": s("coil"), "Address": i(1), "AddressBase": i(1), "Bit": i(2)},
			map[string]string{"Table": "leave out one", "Address": "leave out one", "AddressBase": "counts from 1", "Bit": "leave out one"}},
		{"wrong reference", TypeRegister, nodes.Params{"Reference": s("108")}, map[string]string{"Reference": "write 0, 1, 3 or 4"}},
		{"no reference", TypeRegister, nodes.Params{"Reference": s("%MW108")}, map[string]string{"Reference": "does not fit"}},
		{"reference beyond the end", TypeRegister, nodes.Params{"Reference": s("465536"), "Type": s("int32")}, map[string]string{"Reference": "at most 465535"}},
		{"reference of several bits", TypeRegister, nodes.Params{"Reference": s("40108.3"), "Bits": i(4)}, nil},
		{"bit 16", TypeRegister, nodes.Params{"Reference": s("40108"), "Bit": i(16)}, map[string]string{"Bit": "0, the lowest, to 15"}},
		{"too many bits", TypeRegister, nodes.Params{"Reference": s("40108"), "Bit": i(12), "Bits": i(5)}, map[string]string{"Bits": "has 4"}},
		{"bits of a signed", TypeRegister, nodes.Params{"Reference": s("40108"), "Bit": i(1), "Bits": i(5), "Type": s("int16")}, map[string]string{"Type": "unsigned"}},
		{"bit without a count", TypeRegister, nodes.Params{"Reference": s("40108"), "Bit": i(1), "Type": s("uint32")}, map[string]string{"Bits": "how many bits"}},
		{"scaled bit", TypeRegister, nodes.Params{"Reference": s("40108.1"), "Scale": f(2), "Bits": i(1), "Type": s("bool")},
			map[string]string{"Scale": "no scale", "Bits": "number of bits"}},
		{"64 bits", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("float64"), "ByteOrder": s("CDABGHEF")}, nil},
		{"order of 64 bits", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("float32"), "ByteOrder": s("CDABGHEF")},
			map[string]string{"ByteOrder": "float32 has 4"}},
		{"text", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("string"), "Length": i(16), "ByteOrder": s("BADC")}, nil},
		{"endless text", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("string"), "ByteOrder": s("CDAB"), "Scale": f(2), "Options": s("0=a")},
			map[string]string{"Length": "how many registers", "ByteOrder": "write ABCD, or BADC", "Scale": "no scale", "Options": "no choices"}},
		{"length of a number", TypeRegister, nodes.Params{"Reference": s("40108"), "Length": i(2)}, map[string]string{"Length": "only a string"}},
		{"choices", TypeRegister, nodes.Params{"Reference": s("40108"), "Options": s("0=off, 1=on")}, nil},
		{"scaled choices", TypeRegister, nodes.Params{"Reference": s("40108"), "Options": s("0=off, 1=on"), "Unit": s("V")}, map[string]string{"Unit": "no unit"}},
		{"choices of a float", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("float32"), "Options": s("0=off")}, map[string]string{"Options": "whole numbers"}},
		{"choice without a number", TypeRegister, nodes.Params{"Reference": s("40108"), "Options": s("off, on")}, map[string]string{"Options": "0=off, 1=on"}},
		{"choice twice", TypeRegister, nodes.Params{"Reference": s("40108"), "Options": s("1=off, 0x1=on")}, map[string]string{"Options": "two texts"}},
		{"choice beyond", TypeRegister, nodes.Params{"Reference": s("40108"), "Bits": i(2), "Options": s("4=a")}, map[string]string{"Options": "2 bits: 0 to 3"}},
		{"number as choice", TypeRegister, nodes.Params{"Reference": s("40108"), "Options": s("1=2")}, map[string]string{"Options": "another number"}},
		{"not available", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("int16"), "NotAvailable": s("0x8000, -1, 65535")}, nil},
		{"not available, too large", TypeRegister, nodes.Params{"Reference": s("40108"), "NotAvailable": s("65536")}, map[string]string{"NotAvailable": "uint16 cannot hold"}},
		{"integer NaN", TypeRegister, nodes.Params{"Reference": s("40108"), "NotAvailable": s("NaN")}, map[string]string{"NotAvailable": "no NaN"}},
		{"divisor 0", TypeRegister, nodes.Params{"Reference": s("40108"), "Divisor": f(0)}, map[string]string{"Divisor": "write 1"}},
		{"writable", TypeRegister, nodes.Params{"Reference": s("40108"), "Writable": nodes.Bool(true), "WriteMin": f(5), "WriteMax": f(10)}, nil},
		{"writable input", TypeRegister, nodes.Params{"Reference": s("30108"), "Writable": nodes.Bool(true)}, map[string]string{"Writable": "use a holding register"}},
		{"writable discrete input", TypeRegister, nodes.Params{"Reference": s("10108"), "Writable": nodes.Bool(true)}, map[string]string{"Writable": "use a coil"}},
		{"single for two", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("int32"), "Writable": nodes.Bool(true), "WriteFunction": s("single")},
			map[string]string{"WriteFunction": "takes 2"}},
		{"writable, too long", TypeRegister, nodes.Params{"Reference": s("40108"), "Type": s("string"), "Length": i(124), "Writable": nodes.Bool(true)},
			map[string]string{"Length": "at most 123"}},
		{"least above greatest", TypeRegister, nodes.Params{"Reference": s("40108"), "Writable": nodes.Bool(true), "WriteMin": f(5), "WriteMax": f(4)},
			map[string]string{"WriteMax": "below WriteMin"}},
		{"least beyond the type", TypeRegister, nodes.Params{"Reference": s("40108"), "Scale": f(0.1), "Writable": nodes.Bool(true), "WriteMin": f(7000)},
			map[string]string{"WriteMin": "6553.5"}},
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

// Both notations are shown, whichever was written.
func TestBothNotationsAreShown(t *testing.T) {
	typ := typeNamed(t, TypeRegister)
	enum, text, number := nodes.Enum, nodes.String, nodes.Int32
	for _, tt := range []struct {
		in   nodes.Params
		want map[string]string
	}{
		{nodes.Params{"Table": enum("inputRegister", "Table"), "Address": number(99)}, map[string]string{"Location": "input register 99", "Reference": "30100"}},
		{nodes.Params{"Table": enum("coil", "Table"), "Address": number(100), "AddressBase": number(1)}, map[string]string{"Location": "coil 99", "Reference": "00100"}},
		{nodes.Params{"Reference": text("400100.3")}, map[string]string{"Location": "holding register 99, bit 3"}},
		{nodes.Params{"Table": enum("holdingRegister", "Table"), "Address": number(0), "Bit": number(4), "Bits": number(3)},
			map[string]string{"Location": "holding register 0, bits 4 to 6", "Reference": "40001.4"}},
		{nodes.Params{"Reference": text("40100"), "Type": enum("float64", "Type")}, map[string]string{"Location": "holding registers 99 to 102"}},
	} {
		got := make(map[string]string)
		for _, p := range typ.Properties(tt.in) {
			got[p.ID] = p.Value.Text()
		}
		if !maps.Equal(got, tt.want) {
			t.Errorf("%v: got %v, want %v", tt.in, got, tt.want)
		}
	}
}
