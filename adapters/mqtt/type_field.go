package mqtt

import (
	"strings"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
)

// fieldConfig is a field node as the adapter uses it. Comparable.
type fieldConfig struct {
	topic    string // as written; empty: that of the device
	format   payload.Format
	own      bool // the format is not that of the device
	path     string
	timePath string
	category nodes.Category
	mapping  mappingConfig
	command  commandConfig
}

// fieldSetup is a configuration and what is made of it. There are many fields, most of
// them alike.
type fieldSetup struct {
	fieldConfig
	built payload.Mapping
}

// mappingConfig is how an item becomes a value, as written. Comparable.
type mappingConfig struct {
	typ                    payload.Type
	unit                   string
	decimals               int
	scale, divisor, offset float64
	options, enum          string
	on, off                string
	missing                string
}

func (c *mappingConfig) build() payload.Mapping {
	m := payload.Mapping{Type: c.typ, Unit: c.unit, Decimals: c.decimals, Scale: c.scale, Divisor: c.divisor, Offset: c.offset,
		Enum: c.enum, On: c.on, Off: c.off, Missing: list(c.missing)}
	m.Options, _ = payload.ParseOptions(c.options) // checked before
	m.Prepare()
	return m
}

// list takes apart a text of words that are a comma apart.
func list(text string) []string {
	var out []string
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}

var categories = map[string]nodes.Category{"momentary": nodes.Momentary, "peak": nodes.Peak, "status": nodes.Status,
	"computed": nodes.Computed, "identity": nodes.Identity, "historical": nodes.Historical}

func readField(s *nodes.Spec) fieldConfig {
	p := s.Params
	c := fieldConfig{topic: p.Text("Topic"), path: p.Text("Path"), timePath: p.Text("TimePath"), category: categories[p.Text("Category")]}
	c.format, c.own = payload.ParseFormat(p.Text("Format"))
	if c.category == 0 {
		c.category = nodes.Momentary
	}
	m := mappingConfig{unit: p.Text("Unit"), decimals: -1, scale: 1, divisor: 1, offset: p.Double("Offset"),
		options: p.Text("Options"), enum: s.Name, on: p.Text("OnValue"), off: p.Text("OffValue"), missing: p.Text("NotAvailable")}
	m.typ, _ = payload.ParseType(p.Text("Type"))
	if v := p["Decimals"]; !v.IsZero() {
		m.decimals = int(v.Int())
	}
	if v := p["Scale"]; !v.IsZero() {
		m.scale = v.Double()
	}
	if v := p["Divisor"]; !v.IsZero() {
		m.divisor = v.Double()
	}
	c.mapping = m
	c.command = readCommand(p)
	return c
}

func fieldType() nodes.Type {
	return nodes.Type{
		Name: TypeField, Title: "MQTT field", Part: true,
		Parents:  []string{TypeDevice, TypeTemplate},
		Caps:     nodes.CanRead | nodes.CanControl,
		Check:    checkField,
		Controls: fieldControls,
		Params: append([]nodes.Param{
			{ID: "Topic", Page: "Payload", Label: "Topic", Kind: nodes.KindString, Description: "Empty: that of the device. May begin with ~ for it: ~/temperature."},
			{ID: "Format", Page: "Payload", Label: "Format", Kind: nodes.KindEnum, Options: formatOptions(), Description: "How the payload is written; empty: as the device says."},
			{ID: "Path", Page: "Payload", Label: "Path", Kind: nodes.KindString,
				Description: "Where the value is. JSON: the names on the way, with points between (state.temperature, values.0), or any path of gjson; pairs: the key; CSV: the column, from 1; bytes: offset:type:order (4:int16:le, 0.3:bool, 8:text:12). Empty: the whole payload."},
			{ID: "TimePath", Page: "Payload", Label: "Path of the time", Kind: nodes.KindString, Description: "Empty: as the device says."},
			{ID: "Type", Page: "Value", Label: "Type", Kind: nodes.KindEnum, Default: nodes.Enum("auto", "Type"),
				Options:     options("auto", "As the payload says", "number", "A number", "integer", "A whole number", "bool", "True or false", "text", "A text", "time", "A time"),
				Description: "What the value is. With a unit or scale it is a number by itself."},
			{ID: "Unit", Page: "Value", Label: "Unit", Kind: nodes.KindString, Pattern: `\S(.{0,30}\S)?`, Description: "Unit of the value, e.g. °C or kWh."},
			{ID: "Scale", Page: "Value", Label: "Scale", Kind: nodes.KindDouble, Default: nodes.Double(1), Description: "The value is what the payload holds times this, divided by Divisor, plus Offset."},
			{ID: "Divisor", Page: "Value", Label: "Divisor", Kind: nodes.KindDouble, Default: nodes.Double(1), Description: "Divides: 10 is the same as a scale of 0.1."},
			{ID: "Offset", Page: "Value", Label: "Offset", Kind: nodes.KindDouble, Default: nodes.Double(0), Description: "Added after scaling."},
			{ID: "Decimals", Page: "Value", Label: "Decimals", Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(15), Description: "How many the value has; empty: as many as payload and scale have."},
			{ID: "Options", Page: "Value", Label: "Choices", Kind: nodes.KindString, Multi: true, Description: "Texts for what the payload holds, such as 0=off, 1=on. What has no text shows as itself."},
			{ID: "OnValue", Page: "Value", Label: "On", Kind: nodes.KindString, Description: "What stands for true, beside true, on, yes, open and 1."},
			{ID: "OffValue", Page: "Value", Label: "Off", Kind: nodes.KindString, Description: "What stands for false, beside false, off, no, closed and 0."},
			{ID: "NotAvailable", Page: "Value", Label: "Not available", Kind: nodes.KindString, Description: "What the payload holds when there is no value, a comma apart: unavailable, -127. JSON's null always says so."},
			{ID: "Category", Page: "Value", Label: "Category", Kind: nodes.KindEnum, Default: nodes.Enum("momentary", "Category"),
				Options:     options("momentary", "Momentary", "peak", "Peak", "status", "Status", "computed", "Computed", "identity", "Identity", "historical", "Historical"),
				Description: "What the value means in the life of the device."},
		}, commandParams()...),
	}
}

func checkField(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	c := readField(&nodes.Spec{Params: p})
	if c.topic != "" {
		if err := checkTopic(absolute(c.topic, "x")); err != nil {
			wrong["Topic"] = err.Error()
		}
	}
	if c.own {
		for id, path := range map[string]string{"Path": c.path, "TimePath": c.timePath} {
			if id == "Path" || path != "" {
				if err := payload.CheckPath(c.format, path); err != nil {
					wrong[id] = err.Error()
				}
			}
		}
	}
	m := &c.mapping
	if _, err := payload.ParseOptions(m.options); err != nil {
		wrong["Options"] = err.Error()
	}
	if m.scale == 0 {
		wrong["Scale"] = "must not be 0"
	}
	if m.divisor == 0 {
		wrong["Divisor"] = "must not be 0"
	}
	if m.on != "" && m.on == m.off {
		wrong["OffValue"] = "must not be the same as OnValue"
	}
	checkCommand(p, &c, wrong)
	return wrong
}
