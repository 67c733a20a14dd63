package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// defaultHole is how many unwanted registers are read along to save a request.
const defaultHole = 8

// unitConfig is a unit node as the device uses it. Comparable.
type unitConfig struct {
	id        byte
	interval  time.Duration // 0: that of the gateway
	timeout   time.Duration // 0: learned, that of the gateway at most
	pause     time.Duration // 0: learned, that of the gateway at least
	registers limits
	bits      limits
	holes     string // never to be read along: see parseSpans
}

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
			{ID: "Timeout", Page: "Limits", Label: "Time-out", Kind: nodes.KindDuration,
				Min: nodes.Duration(0, 10*time.Millisecond), Max: nodes.Duration(0, time.Minute),
				Description: "How long to wait for an answer; empty: learned from what the unit's answers take, at most what the gateway says."},
			{ID: "RequestPause", Page: "Limits", Label: "Pause between requests", Kind: nodes.KindDuration,
				Min: nodes.Duration(0, 0), Max: nodes.Duration(0, time.Minute),
				Description: "The least silence before a request to the unit; empty: what the gateway says, or longer where the unit was found to need it."},
			{ID: "MaxRegisters", Page: "Limits", Label: "Registers per request", Kind: nodes.KindInt32,
				Min: nodes.Int32(2), Max: nodes.Int32(wire.MaxRegisters), Description: "The most registers to ask for at once; empty: what the unit was found to deliver, at most 125."},
			{ID: "MaxBits", Page: "Limits", Label: "Bits per request", Kind: nodes.KindInt32,
				Min: nodes.Int32(1), Max: nodes.Int32(wire.MaxBits), Description: "The most coils or discrete inputs to ask for at once; empty: what the unit was found to deliver, at most 2000."},
			{ID: "MaxHole", Page: "Limits", Label: "Largest hole", Kind: nodes.KindInt32,
				Min: nodes.Int32(0), Max: nodes.Int32(wire.MaxRegisters),
				Description: "How many unwanted registers (or 16 times as many bits) may be read along to save a request; empty: 8. Holes that the unit refuses are left out by themselves."},
			{ID: "Holes", Page: "Limits", Label: "Holes", Kind: nodes.KindString,
				Description: "Addresses, counted from zero, that are never read along, such as 10-19, 30; registers that stand there are read by themselves."},
		},
		Check: checkUnit,
	}
}

func checkUnit(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	for _, id := range []string{"PollInterval", "Timeout", "RequestPause"} {
		noMonths(p, id, wrong)
	}
	if _, err := parseSpans(p.Text("Holes")); err != nil {
		wrong["Holes"] = err.Error()
	}
	return wrong
}

// readUnit reads checked parameters.
func readUnit(s *nodes.Spec) unitConfig {
	p := s.Params
	number := func(id string, def int) int {
		if p[id].IsZero() {
			return def
		}
		return p.Int(id)
	}
	hole := number("MaxHole", defaultHole)
	c := unitConfig{
		id: byte(p.Int("UnitId")), interval: p.Span("PollInterval"), timeout: p.Span("Timeout"), pause: p.Span("RequestPause"),
		registers: limits{number("MaxRegisters", wire.MaxRegisters), hole},
		bits:      limits{number("MaxBits", wire.MaxBits), 16 * hole},
	}
	c.holes, _ = parseSpans(p.Text("Holes"))
	return c
}

// limits returns what one request of a table may do.
func (c *unitConfig) limits(t wire.Table) limits {
	if t.Bits() {
		return c.bits
	}
	return c.registers
}
