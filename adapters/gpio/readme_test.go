package gpio

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
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

// The example can be opened, and the tables name every parameter, command, message and
// field.
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
	file, err := os.ReadFile("../../examples/gpio.yaml")
	if _, same, _ := strings.Cut(string(file), "\n"); err != nil || same != example {
		t.Errorf("examples/gpio.yaml is not the example of the README: %v", err)
	}
	var list []yamlNode
	if err := yaml.UnmarshalWithOptions([]byte(example), &list, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	f := Factory()
	params := make(map[string]map[string]nodes.Param)
	for _, typ := range f.Types {
		params[typ.Name] = make(map[string]nodes.Param)
		if !strings.Contains(string(text), "### "+typ.Name+"\n") {
			t.Errorf("type %s is not described", typ.Name)
		}
		for _, p := range typ.Params {
			params[typ.Name][p.ID] = p
			if !strings.Contains(string(text), "`"+p.ID+"`") {
				t.Errorf("parameter %s of %s is not described", p.ID, typ.Name)
			}
		}
		for _, c := range typ.Commands {
			for _, p := range c.Params {
				if !strings.Contains(string(text), "`"+p.ID+"`") {
					t.Errorf("parameter %s of %s is not described", p.ID, c.ID)
				}
			}
			if !strings.Contains(string(text), "`"+c.ID+"`") {
				t.Errorf("command %s of %s is not described", c.ID, typ.Name)
			}
		}
	}
	for _, b := range boardNames() {
		if !strings.Contains(string(text), "`"+b.name+"`") {
			t.Errorf("board %s is not described", b.name)
		}
	}
	for _, event := range []string{EventChip, EventLine, EventPolled, EventLost, EventCounter, EventInterlock, EventReadBack, EventLease} {
		if !strings.Contains(string(text), "| `"+event+"` |") {
			t.Errorf("message %s is not described", event)
		}
	}
	m := meter{cfg: meterConfig{count: countBoth, perPulse: 1, frequency: true, pulseLength: true, onTime: true}, pulse: 1}
	for _, f := range m.fields("x", 0, time.Now(), time.Now()) {
		if !strings.Contains(string(text), "| `"+f.Name+"` | "+f.Category.String()+" |") {
			t.Errorf("field %s, %s, is not described", f.Name, f.Category)
		}
	}
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
	for _, y := range list {
		n := adaptertest.Fill(t, f, convert(y))
		if _, err := f.Open(adapters.Env{Node: n, Host: adaptertest.NewHost(n)}); err != nil {
			t.Error(err)
		}
	}
}
