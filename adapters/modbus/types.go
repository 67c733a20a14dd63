package modbus

import (
	"net"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// The node types of the adapter.
const (
	TypeGateway  = "modbus.gateway"
	TypeUnit     = "modbus.unit"
	TypeRegister = "modbus.register"
)

const (
	shortestInterval = 10 * time.Millisecond
	longestInterval  = 24 * time.Hour
)

func types() []nodes.Type {
	interval := nodes.Param{ID: "PollInterval", Page: "Polling", Label: "Poll interval", Kind: nodes.KindDuration,
		Min: nodes.Duration(0, shortestInterval), Max: nodes.Duration(0, longestInterval)}
	return []nodes.Type{
		{
			Name: TypeGateway, Title: "Modbus TCP gateway",
			Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
			Caps:     nodes.CanSniff,
			Connects: true,
			Params: []nodes.Param{
				{ID: "Host", Page: "Connection", Label: "Host", Kind: nodes.KindString, Required: true, Pattern: `[^\s/@]+`,
					Description: "Name or IP address of the device or gateway."},
				{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(502),
					Min: nodes.Int32(1), Max: nodes.Int32(65535), Description: "TCP port."},
				{ID: "Timeout", Page: "Connection", Label: "Time-out", Kind: nodes.KindDuration, Default: nodes.Duration(0, time.Second),
					Min: nodes.Duration(0, 10*time.Millisecond), Max: nodes.Duration(0, time.Minute),
					Description: "How long to wait for the connection and for each answer."},
				with(interval, time.Second, "How often the registers below are read, where they say nothing else."),
				{ID: "MinInterval", Page: "Polling", Label: "Shortest interval", Kind: nodes.KindDuration,
					Default: nodes.Duration(0, 100*time.Millisecond),
					Min:     nodes.Duration(0, shortestInterval), Max: nodes.Duration(0, longestInterval),
					Description: "Subscribers cannot make polling faster than this."},
			},
			Check: checkGateway,
		},
		{
			Name: TypeUnit, Title: "Modbus unit",
			Parents: []string{TypeGateway},
			Caps:    nodes.CanRead | nodes.CanSniff,
			Params: []nodes.Param{
				{ID: "UnitId", Page: "Unit", Label: "Unit id", Kind: nodes.KindInt32, Default: nodes.Int32(1),
					Min: nodes.Int32(0), Max: nodes.Int32(255),
					Description: "Address of the unit behind the gateway, 1 to 247; devices with their own TCP port often take 1, 0 or 255."},
				with(interval, 0, "How often the unit's registers are read; empty: as the gateway says."),
				{ID: "MaxRegisters", Page: "Limits", Label: "Registers per request", Kind: nodes.KindInt32, Default: nodes.Int32(wire.MaxRegisters),
					Min: nodes.Int32(2), Max: nodes.Int32(wire.MaxRegisters), Description: "The most registers that the unit delivers at once."},
				{ID: "MaxBits", Page: "Limits", Label: "Bits per request", Kind: nodes.KindInt32, Default: nodes.Int32(wire.MaxBits),
					Min: nodes.Int32(1), Max: nodes.Int32(wire.MaxBits), Description: "The most coils or discrete inputs that the unit delivers at once."},
				{ID: "MaxHole", Page: "Limits", Label: "Largest hole", Kind: nodes.KindInt32, Default: nodes.Int32(8),
					Min: nodes.Int32(0), Max: nodes.Int32(wire.MaxRegisters),
					Description: "How many unwanted registers (or 16 times as many bits) may be read along to save a request. Holes that the unit refuses are left out by themselves."},
			},
			Check: checkUnit,
		},
		{
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
				with(interval, 0, "How often this register is read; empty: as the unit says."),
			},
			Check:      checkRegister,
			Properties: registerProperties,
		},
	}
}

func with(p nodes.Param, def time.Duration, description string) nodes.Param {
	p.Description = description
	if def > 0 {
		p.Default = nodes.Duration(0, def)
	}
	return p
}

func checkGateway(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	if h := p.Text("Host"); strings.Contains(h, ":") && net.ParseIP(strings.Trim(h, "[]")) == nil {
		wrong["Host"] = "write the name or address alone, and the port as Port"
	}
	noMonths(p, "Timeout", wrong)
	noMonths(p, "PollInterval", wrong)
	noMonths(p, "MinInterval", wrong)
	return wrong
}

func checkUnit(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, "PollInterval", wrong)
	return wrong
}

func noMonths(p nodes.Params, id string, wrong map[string]string) {
	if p[id].Months() != 0 {
		wrong[id] = "months have no fixed length: write days, hours, minutes or seconds"
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
