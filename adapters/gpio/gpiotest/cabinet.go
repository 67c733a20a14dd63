package gpiotest

import (
	"context"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// The lines of a cabinet.
const (
	doorLine = iota
	waterLine
	tachoLine
	runningLine
	lampLine
	pumpLine
	buzzerLine
	upLine
	downLine
	cabinetLines
)

// CabinetLabel is the label of a cabinet's chip.
const CabinetLabel = "cabinet"

// Cabinet is a small simulated control cabinet: a door that is opened now and then, a
// water meter with a pulse for each litre, the tachometer of a fan, a pump with its
// contactor's contact, a lamp, a buzzer, and a blind that goes up or down. Water flows
// while the pump is on. [CabinetTree] describes its lines.
type Cabinet struct {
	*Board
	chip *Chip
}

// NewCabinet makes a cabinet; nothing moves until Run.
func NewCabinet() *Cabinet {
	b := NewBoard()
	c := b.Add(CabinetLabel, cabinetLines)
	c.Name(0, "DOOR", "WATER", "TACHO", "RUNNING", "LAMP", "PUMP", "BUZZER", "UP", "DOWN")
	return &Cabinet{b, c}
}

// Run moves the cabinet until ctx ends.
func (c *Cabinet) Run(ctx context.Context) error {
	const tick = 20 * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		c.chip.Drive(tachoLine, n%2 == 0) // 25 Hz
		pumping := c.chip.Level(pumpLine)
		c.chip.Drive(runningLine, pumping)
		switch second := n / 50; {
		case pumping: // a litre a second
			c.chip.Drive(waterLine, n%50 < 5)
		default: // somebody's tap: one every ten seconds
			c.chip.Drive(waterLine, second%10 == 0 && n%50 < 5)
		}
		c.chip.Drive(doorLine, n/50%30 >= 25) // open for five seconds of thirty
	}
}

// CabinetTree describes a cabinet, as a chip node "cabinet" below the root.
func CabinetTree() []*nodes.Node {
	line := func(name, typ, line string, more nodes.Params) *nodes.Node {
		p := nodes.Params{"Line": nodes.String(line)}
		for id, v := range more {
			p[id] = v
		}
		return &nodes.Node{Spec: nodes.Spec{Name: name, Type: typ, Params: p}}
	}
	const in, out = "gpio.input", "gpio.output"
	s, yes := nodes.String, nodes.Bool(true)
	return []*nodes.Node{{Spec: nodes.Spec{ID: "cabinet", Name: "cabinet", Type: "gpio.chip", Parent: nodes.RootID,
		Params: nodes.Params{"Chip": nodes.String(CabinetLabel)}},
		Children: []*nodes.Node{
			line("door", in, "DOOR", nodes.Params{"Debounce": nodes.Duration(0, 10*time.Millisecond), "OnTime": yes}),
			line("water", in, "WATER", nodes.Params{"Count": s("rising"), "PerPulse": nodes.Double(0.001), "Unit": s("m³"), "RatePer": s("hour")}),
			line("fan", in, "TACHO", nodes.Params{"Frequency": yes}),
			line("pump runs", in, "RUNNING", nil),
			line("lamp", out, "LAMP", nil),
			line("pump", out, "PUMP", nodes.Params{"MinOn": nodes.Duration(0, 3*time.Second), "MinOff": nodes.Duration(0, 3*time.Second)}),
			line("buzzer", out, "BUZZER", nodes.Params{"Lease": nodes.Duration(0, time.Minute)}),
			line("blind up", out, "UP", nodes.Params{"Interlock": s("blind")}),
			line("blind down", out, "DOWN", nodes.Params{"Interlock": s("blind")}),
		}}}
}
