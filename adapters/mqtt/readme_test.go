package mqtt

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/adapters/mqtt/server"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

type yamlNode struct {
	ID       string         `yaml:"id"`
	Name     string         `yaml:"name"`
	Type     string         `yaml:"type"`
	Params   map[string]any `yaml:"params"`
	Children []yamlNode     `yaml:"children"`
}

// The tables name every parameter, command, message, field and format, and the example
// works on a broker.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```yaml\n")
	example, _, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("no example")
	}
	file, err := os.ReadFile("../../examples/mqtt.yaml")
	if _, same, _ := strings.Cut(string(file), "\n"); err != nil || same != example {
		t.Errorf("examples/mqtt.yaml is not the example of the README: %v", err)
	}
	named := func(what, name string) {
		t.Helper()
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s %s is not described", what, name)
		}
	}
	f := factory(hasty)
	params := make(map[string]map[string]nodes.Param)
	for _, typ := range f.Types {
		params[typ.Name] = make(map[string]nodes.Param)
		if !strings.Contains(string(text), "### "+typ.Name+"\n") {
			t.Errorf("type %s is not described", typ.Name)
		}
		for _, p := range typ.Params {
			params[typ.Name][p.ID] = p
			named("parameter", p.ID)
		}
		for _, c := range typ.Commands {
			named("command", c.ID)
			for _, p := range c.Params {
				named("parameter", p.ID)
			}
		}
	}
	for _, event := range []string{EventConnection, EventSubscription, EventAvailability, EventSilence, EventPayload, EventListen, EventTemplate} {
		if !strings.Contains(string(text), "| `"+event+"` |") {
			t.Errorf("message %s is not described", event)
		}
	}
	for _, name := range payload.Formats() {
		named("format", name)
	}
	b := &broker{since: time.Now()}
	for _, f := range b.statistics(time.Now()).Fields {
		named("field", f.Name)
	}
	own, err := server.New(server.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range (&serving{}).reading(own).Fields {
		named("field", f.Name)
	}
	var list []yamlNode
	if err := yaml.UnmarshalWithOptions([]byte(example), &list, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	srv := startBroker(t, mqtttest.Options{})
	var convert func(y yamlNode) *nodes.Node
	convert = func(y yamlNode) *nodes.Node {
		n := &nodes.Node{Spec: nodes.Spec{ID: y.ID, Name: y.Name, Type: y.Type, Params: make(nodes.Params)}}
		for id, v := range y.Params {
			value, err := param.Parse(params[y.Type][id], fmt.Sprint(v))
			if err != nil {
				t.Errorf("%s: %s: %v", y.Name, id, err)
			}
			n.Params[id] = value
		}
		for _, c := range y.Children {
			n.Children = append(n.Children, convert(c))
		}
		return n
	}
	n := convert(list[0])
	n.Params["Port"] = nodes.Int32(int32(srv.Port()))
	d := start(t, adaptertest.Fill(t, f, n))
	connected(t, d, srv, "plant/meter/tariff")
	srv.Publish("plant/boiler", `{"time":"2026-03-04T05:06:07Z","water":{"temperature":61.25,"target":65},"mode":1}`, false)
	srv.Publish("plant/meter", "\x39\x30\x00\x00", false)
	srv.Publish("plant/meter/tariff", "night", false)
	srv.Publish("works/hall1/pump3/state", `{"speed":1450}`, true)
	srv.Publish("works/hall1/pump3/mode", "auto", true)
	adopted(t, d, 0, 1)
	for node, want := range map[string]nodes.Value{
		"broker/boiler/temperature": nodes.Quantity(61.3, 1, "°C"), "broker/boiler/target": nodes.Quantity(65, 0, "°C"),
		"broker/boiler/mode": nodes.Enum("eco", "mode"), "broker/meter/energy": nodes.Quantity(12.345, 3, "kWh"),
		"broker/meter/tariff":            nodes.String("night"),
		"broker/pumps/hall1 pump3/speed": nodes.Quantity(1450, 0, "1/min"), "broker/pumps/hall1 pump3/mode": nodes.String("auto"),
	} {
		d.Host.Wait(t, soon, fmt.Sprintf("%s is %v", node, want), func() bool { return d.Host.Value(node) == want })
	}
}
