package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func registerType() nodes.Type {
	return nodes.Type{
		Name: TypeRegister, Title: "Modbus register",
		Parents: []string{TypeUnit},
		Caps:    nodes.CanRead,
		Part:    true,
		Params: []nodes.Param{
			{ID: "Table", Page: "Register", Label: "Table", Kind: nodes.KindEnum, Required: true,
				Description: "Where the value is.",
				Options: []nodes.Option{
					{Value: wire.Coil.String(), Label: "Coil (0xxxx)"},
					{Value: wire.DiscreteInput.String(), Label: "Discrete input (1xxxx)"},
					{Value: wire.InputRegister.String(), Label: "Input register (3xxxx)"},
					{Value: wire.HoldingRegister.String(), Label: "Holding register (4xxxx)"}}},
			{ID: "Address", Page: "Register", Label: "Address", Kind: nodes.KindInt32, Required: true,
				Min: nodes.Int32(0), Max: nodes.Int32(65535),
				Description: "Zero-based, as on the wire: 40001 in a manual is holding register 0."},
			{ID: "Type", Page: "Register", Label: "Type", Kind: nodes.KindEnum,
				Description: "What the registers hold; empty: bool for coils and discrete inputs, else uint16.",
				Options: []nodes.Option{
					{Value: "bool", Label: "Bit"},
					{Value: "int16", Label: "16 bit, signed"}, {Value: "uint16", Label: "16 bit, unsigned"},
					{Value: "int32", Label: "32 bit, signed"}, {Value: "uint32", Label: "32 bit, unsigned"},
					{Value: "float32", Label: "32 bit floating point"}}},
			{ID: "ByteOrder", Page: "Register", Label: "Byte order", Kind: nodes.KindEnum, Default: nodes.Enum("ABCD", "ByteOrder"),
				Description: "How the bytes of a 32 bit value, A the highest, lie in its two registers. 16 bit values are swapped by BADC and DCBA.",
				Options: []nodes.Option{
					{Value: "ABCD", Label: "ABCD: big-endian, as the protocol itself"},
					{Value: "BADC", Label: "BADC: bytes swapped in each register"},
					{Value: "CDAB", Label: "CDAB: low register first"},
					{Value: "DCBA", Label: "DCBA: little-endian"}}},
			{ID: "Scale", Page: "Value", Label: "Scale", Kind: nodes.KindDouble, Default: nodes.Double(1),
				Description: "The value is what the register holds times this, plus the offset."},
			{ID: "Offset", Page: "Value", Label: "Offset", Kind: nodes.KindDouble, Default: nodes.Double(0),
				Description: "Added after scaling."},
			{ID: "Unit", Page: "Value", Label: "Unit", Kind: nodes.KindString, Pattern: `\S(.{0,30}\S)?`,
				Description: "Unit of the value, e.g. °C or kWh."},
			{ID: "Decimals", Page: "Value", Label: "Decimals", Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(15),
				Description: "How many decimals the value has; empty: as many as scale and offset."},
			pollInterval(0, "How often this register is read; empty: as the unit says."),
		},
		Check:      checkRegister,
		Properties: registerProperties,
	}
}

func checkRegister(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, "PollInterval", wrong)
	f := newFormat(p)
	if f.table.Bits() {
		if f.typ != wire.Bool {
			wrong["Type"] = "a " + f.table.Range(f.first, 1) + " is one bit: write bool, or choose inputRegister or holdingRegister as Table"
			return wrong
		}
		leave := func(id string, set bool, what string) {
			if set {
				wrong[id] = "a bit has no " + what + ": leave this out"
			}
		}
		leave("Scale", f.scale != 1, "scale")
		leave("Offset", f.offset != 0, "offset")
		leave("Unit", f.unit != "", "unit")
		leave("Decimals", !p["Decimals"].IsZero(), "decimals")
		leave("ByteOrder", f.order != wire.ABCD, "byte order")
		return wrong
	}
	if f.typ == wire.Bool {
		wrong["Type"] = "a register holds a number: write int16, uint16, int32, uint32 or float32, or choose coil or discreteInput as Table"
	}
	if f.first+f.typ.Words() > 1<<16 {
		wrong["Address"] = "65535 is the last register and " + f.typ.String() + " takes two: write at most 65534, or a 16 bit Type"
	}
	if f.scale == 0 {
		wrong["Scale"] = "with 0 every value is the same: write 1 or the factor from the manual"
	}
	return wrong
}

func registerProperties(p nodes.Params) []nodes.Property {
	f := newFormat(p)
	return []nodes.Property{{ID: "Reference", Name: "Reference", Value: nodes.String(f.table.Reference(f.first))}}
}

type registerConfig struct {
	format
	name     string        // of the field
	interval time.Duration // 0: that of the unit
}

func readRegister(s *nodes.Spec) registerConfig {
	return registerConfig{newFormat(s.Params), s.Name, s.Params.Span("PollInterval")}
}
