package gpio

import (
	"slices"

	"github.com/fieldhub/hub/nodes"
)

// chipConfig is a chip node as the device uses it. Comparable, as are the others:
// a change that changes nothing does nothing.
type chipConfig struct {
	chip  string
	board string
	pins  string
}

func readChip(s *nodes.Spec) chipConfig {
	return chipConfig{s.Params.Text("Chip"), s.Params.Text("Board"), s.Params.Text("Pins")}
}

func chipType() nodes.Type {
	boards := []nodes.Option{{Value: "none", Label: "None"}}
	for _, b := range boardNames() {
		boards = append(boards, nodes.Option{Value: b.name, Label: b.title})
	}
	return nodes.Type{
		Name: TypeChip, Title: "GPIO chip",
		Parents:  []string{nodes.TypeRoot, nodes.TypeFolder},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Connects: true,
		Commands: described(chipCommands()),
		Params: []nodes.Param{
			{ID: "Chip", Page: "Chip", Label: "Chip", Kind: nodes.KindString, Required: true, Pattern: `\S(.*\S)?`,
				Description: "Label of the chip (pinctrl-bcm2711), its number (0), or its path (/dev/gpiochip0). A label stays the same when chips are plugged in in another order; gpiodetect lists them."},
			{ID: "Board", Page: "Board", Label: "Board", Kind: nodes.KindEnum, Default: nodes.Enum("none", "Board"),
				Description: "The board whose header names the lines.", Options: boards},
			{ID: "Pins", Page: "Board", Label: "Pins", Kind: nodes.KindString, Multi: true,
				Description: "Names of your own for lines, each as name = line, a line or a comma apart: door = 17, bell = GPIO4. They go before those of the board."},
		},
		Check: checkChip,
	}
}

func checkChip(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	if _, err := parsePins(p.Text("Pins")); err != nil {
		wrong["Pins"] = err.Error()
	}
	return wrong
}

// names returns the pins by name: those of the board, and those of the installer's
// own before them.
func (c *chipConfig) names() map[string]string {
	out := make(map[string]string)
	if i := slices.IndexFunc(boardNames(), func(b board) bool { return b.name == c.board }); i >= 0 {
		out, _ = parsePins(boardNames()[i].pins)
	}
	own, _ := parsePins(c.pins) // checked before
	for name, line := range own {
		out[name] = line
	}
	return out
}
