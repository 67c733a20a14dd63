package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func registerType() nodes.Type {
	return nodes.Type{
		Name: TypeRegister, Title: "Modbus register",
		Parents:    []string{TypeUnit},
		Caps:       nodes.CanRead | nodes.CanControl,
		Part:       true,
		Params:     registerParams(),
		Check:      checkRegister,
		Properties: registerProperties,
		Controls:   registerControls,
	}
}

func registerParams() []nodes.Param {
	return []nodes.Param{
		{ID: "Table", Page: "Register", Label: "Table", Kind: nodes.KindEnum,
			Description: "Where the value is; with Address. Or else write a Reference.",
			Options: []nodes.Option{
				{Value: wire.Coil.String(), Label: "Coil (0xxxx)"},
				{Value: wire.DiscreteInput.String(), Label: "Discrete input (1xxxx)"},
				{Value: wire.InputRegister.String(), Label: "Input register (3xxxx)"},
				{Value: wire.HoldingRegister.String(), Label: "Holding register (4xxxx)"}}},
		{ID: "Address", Page: "Register", Label: "Address", Kind: nodes.KindInt32,
			Min: nodes.Int32(0), Max: nodes.Int32(65536),
			Description: "Counted from AddressBase: from 0, as on the wire, 40001 in a manual is holding register 0."},
		{ID: "AddressBase", Page: "Register", Label: "First address", Kind: nodes.KindInt32, Default: nodes.Int32(0),
			Min: nodes.Int32(0), Max: nodes.Int32(1),
			Description: "What the manual calls the first register: 0 or 1."},
		{ID: "Reference", Page: "Register", Label: "Reference", Kind: nodes.KindString, Pattern: `[0-9xX. ]{1,20}`,
			Description: "Table and address in one, as in manuals, in place of Table and Address: 40108 or 400108 is holding register 107, 40108.3 its bit 3."},
		{ID: "Type", Page: "Register", Label: "Type", Kind: nodes.KindEnum, Options: typeOptions,
			Description: "What the registers hold; empty: bool for coils, discrete inputs and single bits, else uint16."},
		{ID: "ByteOrder", Page: "Register", Label: "Byte order", Kind: nodes.KindEnum, Default: nodes.Enum("ABCD", "ByteOrder"), Options: orderOptions,
			Description: "How the bytes of a value, A the highest, lie in its registers. The names of four letters fit every width; 16 bits and texts are swapped by BADC."},
		{ID: "Bit", Page: "Register", Label: "Bit", Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(63),
			Description: "The bit of a register, 0 the lowest; of several (Bits) the lowest."},
		{ID: "Bits", Page: "Register", Label: "Bits", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(64),
			Description: "How many bits from Bit on are an unsigned number; empty: the whole."},
		{ID: "Length", Page: "Register", Label: "Length", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(wire.MaxRegisters),
			Description: "Of a string: in registers, two bytes each."},
		{ID: "Scale", Page: "Value", Label: "Scale", Kind: nodes.KindDouble, Default: nodes.Double(1),
			Description: "The value is what the registers hold times this, divided by Divisor, plus Offset."},
		{ID: "Divisor", Page: "Value", Label: "Divisor", Kind: nodes.KindDouble, Default: nodes.Double(1),
			Description: "Divides, where the manual says so: 10 is the same as a scale of 0.1."},
		{ID: "Offset", Page: "Value", Label: "Offset", Kind: nodes.KindDouble, Default: nodes.Double(0),
			Description: "Added after scaling."},
		{ID: "Unit", Page: "Value", Label: "Unit", Kind: nodes.KindString, Pattern: `\S(.{0,30}\S)?`,
			Description: "Unit of the value, e.g. °C or kWh."},
		{ID: "Decimals", Page: "Value", Label: "Decimals", Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(15),
			Description: "How many decimals the value has; empty: as many as scale, divisor and offset make."},
		{ID: "Options", Page: "Value", Label: "Choices", Kind: nodes.KindString, Multi: true,
			Description: "Texts for numbers, such as 0=off, 1=on, 0x10=fault. A number without a text shows as itself."},
		{ID: "NotAvailable", Page: "Value", Label: "Not available", Kind: nodes.KindString,
			Description: "What the registers hold when there is no value, such as 0x8000, 65535. NaN and infinite numbers are never values."},
		{ID: "Writable", Page: "Writing", Label: "Writable", Kind: nodes.KindBool, Default: nodes.Bool(false),
			Description: "Whether the value may be set. Coils and holding registers only."},
		{ID: "ReadBack", Page: "Writing", Label: "Read back", Kind: nodes.KindBool, Default: nodes.Bool(false),
			Description: "Whether a value is read again after it was written, and has to be the same."},
		{ID: "Tolerance", Page: "Writing", Label: "Tolerance", Kind: nodes.KindDouble, Default: nodes.Double(0), Min: nodes.Double(0),
			Description: "By how much a number that is read back may differ, in the unit of the value."},
		{ID: "WriteFunction", Page: "Writing", Label: "Write function", Kind: nodes.KindEnum, Default: nodes.Enum("auto", "WriteFunction"),
			Description: "Which functions the device takes for writing.",
			Options: []nodes.Option{
				{Value: "auto", Label: "The one that fits"},
				{Value: "single", Label: "Single: 5 for coils, 6 for registers"},
				{Value: "multiple", Label: "Multiple: 15 for coils, 16 for registers"}}},
		{ID: "WriteMin", Page: "Writing", Label: "Least value", Kind: nodes.KindDouble,
			Description: "The least number that may be written, in the unit of the value; empty: what the type and scale allow."},
		{ID: "WriteMax", Page: "Writing", Label: "Greatest value", Kind: nodes.KindDouble,
			Description: "The greatest number that may be written."},
		pollInterval(0, "How often this register is read; empty: as the unit says."),
	}
}

var typeOptions = []nodes.Option{
	{Value: "bool", Label: "Bit"},
	{Value: "int8high", Label: "8 bit, signed, in the high byte"}, {Value: "int8low", Label: "8 bit, signed, in the low byte"},
	{Value: "uint8high", Label: "8 bit, unsigned, in the high byte"}, {Value: "uint8low", Label: "8 bit, unsigned, in the low byte"},
	{Value: "int16", Label: "16 bit, signed"}, {Value: "uint16", Label: "16 bit, unsigned"},
	{Value: "int32", Label: "32 bit, signed"}, {Value: "uint32", Label: "32 bit, unsigned"},
	{Value: "int64", Label: "64 bit, signed"}, {Value: "uint64", Label: "64 bit, unsigned"},
	{Value: "float16", Label: "16 bit floating point"}, {Value: "float32", Label: "32 bit floating point"}, {Value: "float64", Label: "64 bit floating point"},
	{Value: "bcd16", Label: "BCD, 4 digits"}, {Value: "bcd32", Label: "BCD, 8 digits"}, {Value: "bcd64", Label: "BCD, 16 digits"},
	{Value: "string", Label: "Text"},
}

var orderOptions = []nodes.Option{
	{Value: "ABCD", Label: "ABCD: big-endian, as the protocol itself"},
	{Value: "BADC", Label: "BADC: bytes swapped in each register"},
	{Value: "CDAB", Label: "CDAB: low register first"},
	{Value: "DCBA", Label: "DCBA: little-endian"},
	{Value: "ABCDEFGH", Label: "ABCDEFGH: the same as ABCD"}, {Value: "BADCFEHG", Label: "BADCFEHG: the same as BADC"},
	{Value: "GHEFCDAB", Label: "GHEFCDAB: the same as CDAB"}, {Value: "HGFEDCBA", Label: "HGFEDCBA: the same as DCBA"},
	{Value: "EFGHABCD", Label: "EFGHABCD: 64 bits, low half first"}, {Value: "FEHGBADC", Label: "FEHGBADC: the same, bytes swapped"},
	{Value: "CDABGHEF", Label: "CDABGHEF: 64 bits, registers swapped in each half"}, {Value: "DCBAHGFE", Label: "DCBAHGFE: the same, bytes swapped"},
}

// writeFunction is which functions a device takes for writing.
type writeFunction uint8

const (
	writeAuto     writeFunction = iota // the one that fits
	writeSingle                        // 5 and 6 only
	writeMultiple                      // 15 and 16 only
)

// registerConfig is a register node as the device uses it. Comparable.
type registerConfig struct {
	format
	name      string        // of the field
	interval  time.Duration // 0: that of the unit
	writable  bool
	readBack  bool
	function  writeFunction
	tolerance float64 // in the unit of the value
}

func readRegister(s *nodes.Spec) registerConfig {
	p := s.Params
	return registerConfig{
		format: newFormat(p, s.Name), name: s.Name, interval: p.Span("PollInterval"),
		writable: p.Bool("Writable"), readBack: p.Bool("ReadBack"), tolerance: p.Double("Tolerance"),
		function: readFunction(p),
	}
}

func readFunction(p nodes.Params) writeFunction {
	switch p.Text("WriteFunction") {
	case "single":
		return writeSingle
	case "multiple":
		return writeMultiple
	}
	return writeAuto
}
