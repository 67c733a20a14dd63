package mqtt

import (
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

// templateOnly are the parameters of a template that its devices do not have.
var templateOnly = []string{"Automatic", "MaxDevices", "Ids"}

// substituted are the parameters in which placeholders are put in.
var substituted = []string{"Topic", "AvailabilityTopic", "CommandTopic", "AckTopic", "Path", "TimePath"}

func templateType() nodes.Type {
	t := deviceType()
	t.Name, t.Title, t.Parents, t.Caps = TypeTemplate, "MQTT template", []string{TypeBroker}, nodes.CanCommand
	t.Check = checkTemplate
	t.Commands = described(templateCommands())
	t.Params = slices.DeleteFunc(slices.Clone(t.Params), func(p nodes.Param) bool { return p.ID == "Names" })
	for i := range t.Params {
		if t.Params[i].ID == "Topic" {
			t.Params[i].Description = "Where the devices publish, with a placeholder for each level that differs: plant/{line}/{device}/state. It may be a part of the level."
		}
	}
	t.Params = append(t.Params,
		nodes.Param{ID: "Automatic", Page: "Devices", Label: "Create automatically", Kind: nodes.KindBool, Default: nodes.Bool(false),
			Description: "Whether a device is made of each name that comes up; if not, a person adopts them."},
		nodes.Param{ID: "MaxDevices", Page: "Devices", Label: "Most devices", Kind: nodes.KindInt32, Default: nodes.Int32(100), Min: nodes.Int32(1), Max: nodes.Int32(10000),
			Description: "How many devices the template has at most. Of further ones it is only told."},
		nodes.Param{ID: "Ids", Page: "Devices", Label: "Ids are names", Kind: nodes.KindBool, Default: nodes.Bool(false),
			Description: "Whether levels that look like GUIDs name devices, too. They are often new each time."})
	return t
}

func checkTemplate(p nodes.Params) map[string]string {
	wrong := checkDevice(p)
	if wrong["Topic"] == "" {
		if _, err := parsePattern(p.Text("Topic")); err != nil {
			wrong["Topic"] = err.Error()
		}
	}
	return wrong
}

// fill returns the parameters of a template, or of a field of one, for a device: with
// values in the place of placeholders.
func fill(p nodes.Params, values map[string]string) nodes.Params {
	out := maps.Clone(p)
	for _, id := range templateOnly {
		delete(out, id)
	}
	for _, id := range substituted {
		if v := p[id]; v.Kind() == nodes.KindString {
			out[id] = nodes.String(substitute(v.Text(), values))
		}
	}
	return out
}

// writeNames writes what placeholders stand for, as the parameter Names has it.
func writeNames(values map[string]string) string {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(values)) {
		lines = append(lines, name+"="+values[name])
	}
	return strings.Join(lines, "\n")
}

// readNames does the opposite of writeNames. Lines without a word before = are passed over.
func readNames(text string) map[string]string {
	out := make(map[string]string)
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, ok := strings.Cut(strings.TrimSuffix(line, "\r"), "="); ok && value != "" && !strings.ContainsAny(value, "/+#") {
			out[strings.TrimSpace(name)] = value
		}
	}
	return out
}
