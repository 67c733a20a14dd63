package datasources

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// TestInterfaces: what a node claims is compared with what it has.
func TestInterfaces(t *testing.T) {
	c, _, p, trees := grow(t)
	claim := func(id, text string) {
		t.Helper()
		if err := trees[0].Edit(t.Context(), nodes.Edit{Node: id, Params: nodes.Params{nodes.ParamInterfaces: nodes.String(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	field := func(name string, v nodes.Value, c nodes.Category) nodes.Field {
		return nodes.Field{Name: name, Value: v, Time: noon, Category: c}
	}
	degrees := nodes.Quantity(21.5, 1, "°C")
	for _, tt := range []struct {
		claim  string
		fields []nodes.Field
		want   string
	}{
		{"", nil, ""},
		{"sensor:temperature", []nodes.Field{field("Temperature", degrees, nodes.Momentary)}, "urn:nfi:iot:hi:sensor:temperature:1.0"},
		{"urn:nfi:iot:hi:sensor:temperature:1.0\n sensor:temperature:1.0\nsensor:temperature", []nodes.Field{field("Temperature", degrees, nodes.Momentary)}, "urn:nfi:iot:hi:sensor:temperature:1.0"},
		{"sensor:temperature", []nodes.Field{field("temperature", degrees, nodes.Momentary)}, "!it has no field Temperature"},
		{"sensor:temperature", []nodes.Field{field("Temperature", nodes.Int32(21), nodes.Momentary)}, "!the field Temperature is of kind int32, not double"},
		{"sensor:temperature", []nodes.Field{field("Temperature", degrees, nodes.Status)}, "!the field Temperature is status, not momentary"},
		{"sensor:temperature", []nodes.Field{field("Temperature", nodes.Quantity(1, 0, "bar"), nodes.Momentary)}, `!the field Temperature has the unit "bar", not one such as °C`},
		{"sensor:humidity\nsensor:temperature", []nodes.Field{field("Temperature", degrees, nodes.Momentary), field("Relative Humidity", nodes.Quantity(40, 0, "%"), nodes.Momentary)},
			"urn:nfi:iot:hi:sensor:humidity:1.0 urn:nfi:iot:hi:sensor:temperature:1.0"},
		{"sensor:humidity", []nodes.Field{field("Relative Humidity", nodes.Quantity(40, 0, "%"), nodes.Momentary), field("Temperature", nodes.String("warm"), nodes.Momentary)},
			"!the field Temperature is of kind string, not double"},
		{"sensor:windSpeed", []nodes.Field{field("Gusts", nodes.Quantity(1, 0, "m/s"), nodes.Momentary)}, "!none of its fields is there"},
		{"sensor:windSpeed", []nodes.Field{field("Wind, Speed", nodes.Quantity(1, 0, "m/s"), nodes.Momentary)}, "urn:nfi:iot:hi:sensor:windSpeed:1.0"},
		{"sensor:digitalInputs", []nodes.Field{field("Digital Input 1", nodes.Bool(true), nodes.Momentary), field("Digital Input 12", nodes.Bool(true), nodes.Momentary)}, "urn:nfi:iot:hi:sensor:digitalInputs:1.0"},
		{"sensor:digitalInputs", []nodes.Field{field("Digital Input A", nodes.Bool(true), nodes.Momentary)}, "!it has no field Digital Input 1"},
		{"meter:electricity", []nodes.Field{field("Energy", nodes.Quantity(1, 0, "kWh"), nodes.Momentary), field("Power", nodes.Quantity(1, 0, "kW"), nodes.Momentary)}, "urn:nfi:iot:hi:meter:electricity:1.0"},
		{"actuator:fan", nil, "!it has no control parameter Fan"},
		{"sensor:telepathy", nil, "!no such interface is known to this hub"},
		{"urn:example:valve:1.0 https://example.org/valve Example.Valve", nil, "urn:example:valve:1.0 https://example.org/valve Example.Valve"},
	} {
		claim("L/U/r", tt.claim)
		p.host("L").Report([]nodes.Reading{{Node: "L/U/r", MaxAge: time.Minute, Fields: tt.fields}})
		claims, err := c.Interfaces(person("looker"), nodes.In("L/U/r"))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range claims {
			if x.Lacks != "" {
				got = append(got, "!"+x.Lacks)
			} else {
				got = append(got, x.Interface)
			}
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q with %v: got %q, want %q", tt.claim, tt.fields, got, tt.want)
		}
	}
	// A part that has not been read yet speaks by its name, for itself and its device.
	if err := trees[0].Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "Lamp", Parent: "L/U", Type: "lamp"}},
		{Spec: nodes.Spec{Name: "Fan", Parent: "L/U", Type: "register"}}}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{"L/U/Lamp": "", "L/U": ""} {
		claim(id, "actuator:lamp")
		if got, err := c.Interfaces(person("looker"), nodes.In(id)); err != nil || len(got) != 1 || got[0].Lacks != want {
			t.Errorf("%s: %v, %v", id, got, err)
		}
	}
	claim("L/U/Fan", "actuator:fan")
	if got, err := c.Interfaces(person("looker"), nodes.In("L/U/Fan")); err != nil || len(got) != 1 || got[0].Lacks != "" {
		t.Errorf("fan: %v, %v", got, err)
	}
	if got, err := c.Interfaces(person("reader"), nodes.In("F")); err != nil || got != nil {
		t.Errorf("a folder: %v, %v", got, err)
	}
}

// TestPublished: the table itself makes sense.
func TestPublished(t *testing.T) {
	for name, a := range published {
		if len(a.fields)+len(a.params) == 0 || !strings.HasSuffix(name, ":1.0") || strings.Count(name, ":") != 2 {
			t.Errorf("%s: %+v", name, a)
		}
		if fullName(strings.TrimSuffix(name, ":1.0")) != publishedPrefix+name || fullName(name) != publishedPrefix+name {
			t.Errorf("%s in short is %s", name, fullName(name))
		}
		for _, f := range a.fields {
			if len(f.kinds) == 0 || f.category == 0 || f.name == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

// TestInterfaceReport: what is claimed in a branch, and what lacks.
func TestInterfaceReport(t *testing.T) {
	c, _, p, trees := grow(t)
	if f, err := query(t, c, nodes.System, "L", InterfaceReport); err != nil || len(f.rows) != 0 || !strings.HasPrefix(f.remark.Text, "No node claims an interface") {
		t.Errorf("nothing claimed: %+v, %v", f, err)
	}
	for id, text := range map[string]string{"L/U/r": "sensor:temperature", "L/V/r": "sensor:temperature\nurn:example:valve:1.0"} {
		if err := trees[0].Edit(t.Context(), nodes.Edit{Node: id, Params: nodes.Params{nodes.ParamInterfaces: nodes.String(text)}}); err != nil {
			t.Fatal(err)
		}
	}
	p.host("L").Report([]nodes.Reading{{Node: "L/U/r", Fields: []nodes.Field{{Name: "Temperature", Value: nodes.Quantity(21.5, 1, "°C"), Time: noon, Category: nodes.Momentary}}}})
	f, err := query(t, c, nodes.System, "L", InterfaceReport)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"L/U/r|urn:nfi:iot:hi:sensor:temperature:1.0|true|",
		"L/V/r|urn:nfi:iot:hi:sensor:temperature:1.0|false|it has no field Temperature",
		"L/V/r|urn:example:valve:1.0|true|"}
	if !slices.Equal(f.rows, want) || f.remark.Text != "1 of 3 interfaces that are claimed are not fulfilled." {
		t.Errorf("got %q, %v, want %q", f.rows, f.remark, want)
	}
}
