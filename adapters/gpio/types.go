package gpio

import (
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// The node types of the adapter.
const (
	TypeChip   = "gpio.chip"
	TypeInput  = "gpio.input"
	TypeOutput = "gpio.output"
)

func types() []nodes.Type { return []nodes.Type{chipType(), inputType(), outputType()} }

// wiring is what a line is requested with. A change of it means another request.
type wiring struct {
	line     string
	flags    cdev.Flags
	debounce time.Duration
}

// wiringParams are the parameters that inputs and outputs share.
func wiringParams() []nodes.Param {
	return []nodes.Param{
		{ID: "Line", Page: "Line", Label: "Line", Kind: nodes.KindString, Required: true, Pattern: `\S(.*\S)?`,
			Description: "Name of the line (GPIO17), its number on the chip (17), or a pin of the board (pin 11)."},
		{ID: "ActiveLow", Page: "Line", Label: "Active low", Kind: nodes.KindBool, Default: nodes.Bool(false),
			Description: "Whether a low level is on (true)."},
		{ID: "Bias", Page: "Line", Label: "Bias", Kind: nodes.KindEnum, Default: nodes.Enum("as is", "Bias"),
			Description: "Which resistor of the chip holds the level of a line that nobody drives. A chip that has none may say nothing and do nothing.",
			Options: []nodes.Option{{Value: "as is", Label: "As it is"}, {Value: "none", Label: "None"},
				{Value: "pull up", Label: "Pull up"}, {Value: "pull down", Label: "Pull down"}}},
	}
}

var biases = map[string]cdev.Flags{"none": cdev.BiasDisabled, "pull up": cdev.BiasPullUp, "pull down": cdev.BiasPullDown}

func readWiring(p nodes.Params) wiring {
	w := wiring{line: p.Text("Line"), flags: biases[p.Text("Bias")]}
	if p.Bool("ActiveLow") {
		w.flags |= cdev.ActiveLow
	}
	return w
}

// span is a parameter for a duration.
func span(id, page, label, description string, low, high time.Duration) nodes.Param {
	return nodes.Param{ID: id, Page: page, Label: label, Kind: nodes.KindDuration, Description: description,
		Min: nodes.Duration(0, low), Max: nodes.Duration(0, high)}
}

// noMonths says of durations with months that they are wrong.
func noMonths(p nodes.Params, wrong map[string]string, ids ...string) {
	for _, id := range ids {
		if p[id].Months() != 0 {
			wrong[id] = "months have no fixed length: write days, hours, minutes or seconds"
		}
	}
}
