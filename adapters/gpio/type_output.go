package gpio

import (
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// outputConfig is an output node as the device uses it. Comparable.
type outputConfig struct {
	wiring
	initial  string // off, on, last
	safe     string // off, on, keep
	minOn    time.Duration
	minOff   time.Duration
	lease    time.Duration // 0: none
	group    string        // interlock; empty: none
	readBack bool
	writable bool
}

func outputType() nodes.Type {
	onOff := func(third, label string) []nodes.Option {
		return []nodes.Option{{Value: "off", Label: "Off"}, {Value: "on", Label: "On"}, {Value: third, Label: label}}
	}
	return nodes.Type{
		Name: TypeOutput, Title: "GPIO output", Part: true,
		Parents:  []string{TypeChip},
		Caps:     nodes.CanRead | nodes.CanControl | nodes.CanSniff | nodes.CanCommand,
		Commands: described(outputCommands()),
		Controls: outputControls,
		Check:    checkOutput,
		Params: append(wiringParams(),
			nodes.Param{ID: "Drive", Page: "Line", Label: "Drive", Kind: nodes.KindEnum, Default: nodes.Enum("push pull", "Drive"),
				Description: "Push pull drives both levels; open drain only the low one, open source only the high one, and a resistor makes the other.",
				Options:     []nodes.Option{{Value: "push pull", Label: "Push pull"}, {Value: "open drain", Label: "Open drain"}, {Value: "open source", Label: "Open source"}}},
			nodes.Param{ID: "Writable", Page: "Output", Label: "Writable", Kind: nodes.KindBool, Default: nodes.Bool(true),
				Description: "Whether the output may be set; if not, it shows its initial value."},
			nodes.Param{ID: "Initial", Page: "Output", Label: "Initial value", Kind: nodes.KindEnum, Default: nodes.Enum("off", "Initial"),
				Description: "What the output shows from the first moment on; last: what it was set to before.", Options: onOff("last", "As before")},
			nodes.Param{ID: "Safe", Page: "Output", Label: "Safe value", Kind: nodes.KindEnum, Default: nodes.Enum("off", "Safe"),
				Description: "What the output shows when the hub stops, when it starts after a crash, and when a lease ends; keep: as it is.", Options: onOff("keep", "As it is")},
			span("MinOn", "Limits", "Shortest on", "How long the output stays on at least; it is not set off before, but by its safe value. Empty: no limit.", 0, 24*time.Hour),
			span("MinOff", "Limits", "Shortest off", "How long the output stays off at least, also after a start; it is not set on before. Empty: no limit.", 0, 24*time.Hour),
			span("Lease", "Limits", "Lease", "The output takes its safe value when nobody has set it again for so long. Empty: never.", 10*time.Millisecond, 7*24*time.Hour),
			nodes.Param{ID: "Interlock", Page: "Limits", Label: "Interlock group", Kind: nodes.KindString, Pattern: `(\S(.*\S)?)?`,
				Description: "At most one output of a group is on, on whatever chip; another is refused meanwhile. Empty: none."},
			nodes.Param{ID: "ReadBack", Page: "Output", Label: "Read back", Kind: nodes.KindBool, Default: nodes.Bool(true),
				Description: "Whether the line is read after it was set, and a line that shows otherwise is a failure."},
		),
	}
}

func checkOutput(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, wrong, "MinOn", "MinOff", "Lease")
	if p.Text("Interlock") != "" && p.Text("Safe") == "on" {
		wrong["Safe"] = "outputs of an interlock group cannot all be on: write off or keep"
	}
	if !p["Lease"].IsZero() && p.Text("Safe") == "keep" {
		wrong["Lease"] = "does nothing when the safe value is keep: write off or on as Safe, or leave it out"
	}
	return wrong
}

var drives = map[string]cdev.Flags{"open drain": cdev.OpenDrain, "open source": cdev.OpenSource}

func readOutput(s *nodes.Spec) outputConfig {
	p := s.Params
	c := outputConfig{wiring: readWiring(p), initial: p.Text("Initial"), safe: p.Text("Safe"), minOn: p.Span("MinOn"), minOff: p.Span("MinOff"),
		lease: p.Span("Lease"), group: p.Text("Interlock"), readBack: p.Bool("ReadBack"), writable: p.Bool("Writable")}
	c.flags |= cdev.Output | drives[p.Text("Drive")]
	return c
}

// outputControls returns the control parameter of a writable output, named as its
// field.
func outputControls(s *nodes.Spec) []nodes.Param {
	if !s.Params.Bool("Writable") {
		return nil
	}
	return []nodes.Param{{ID: s.Name, Page: "GPIO", Label: s.Name, Kind: nodes.KindBool, Required: true,
		Description: "Sets line " + s.Params.Text("Line") + " on or off."}}
}
