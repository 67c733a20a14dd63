package modbus

import (
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func unitType() nodes.Type {
	return nodes.Type{
		Name: TypeUnit, Title: "Modbus unit",
		Parents:  []string{TypeGateway, TypeSerial},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Commands: commandsOfUnit(),
		Params: []nodes.Param{
			{ID: "UnitId", Page: "Unit", Label: "Unit id", Kind: nodes.KindInt32, Default: nodes.Int32(1),
				Min: nodes.Int32(0), Max: nodes.Int32(255),
				Description: "Address of the unit behind the gateway, 1 to 247; devices with their own TCP port often take 1, 0 or 255."},
			pollInterval(0, "How often the unit's registers are read; empty: as the gateway says."),
			{ID: "MaxRegisters", Page: "Limits", Label: "Registers per request", Kind: nodes.KindInt32, Default: nodes.Int32(wire.MaxRegisters),
				Min: nodes.Int32(2), Max: nodes.Int32(wire.MaxRegisters), Description: "The most registers that the unit delivers at once."},
			{ID: "MaxBits", Page: "Limits", Label: "Bits per request", Kind: nodes.KindInt32, Default: nodes.Int32(wire.MaxBits),
				Min: nodes.Int32(1), Max: nodes.Int32(wire.MaxBits), Description: "The most coils or discrete inputs that the unit delivers at once."},
			{ID: "MaxHole", Page: "Limits", Label: "Largest hole", Kind: nodes.KindInt32, Default: nodes.Int32(8),
				Min: nodes.Int32(0), Max: nodes.Int32(wire.MaxRegisters),
				Description: "How many unwanted registers (or 16 times as many bits) may be read along to save a request. Holes that the unit refuses are left out by themselves."},
		},
		Check: checkUnit,
	}
}

func checkUnit(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, "PollInterval", wrong)
	return wrong
}
