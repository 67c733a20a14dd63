package modbus

import (
	"fmt"
	"os"
	"strings"
	"testing"

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

// The example can be opened, and the tables name every parameter.
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
