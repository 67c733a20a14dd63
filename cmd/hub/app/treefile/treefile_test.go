package treefile

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

var all = append(modbus.Factory().Types,
	nodes.Type{Name: nodes.TypeRoot},
	nodes.Type{Name: nodes.TypeFolder, Parents: []string{nodes.TypeRoot, nodes.TypeFolder},
		Params: []nodes.Param{{ID: "Note", Kind: nodes.KindString, Multi: true}, {ID: "Key", Kind: nodes.KindString, Secret: true}}})

func types(name string) (nodes.Type, bool) {
	for _, t := range all {
		if t.Name == name {
			return t, true
		}
	}
	return nodes.Type{}, false
}

func TestExample(t *testing.T) {
	b, err := os.ReadFile("../../../../examples/tree.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := Parse("tree.yaml", b, all)
	if err != nil {
		t.Fatal(err)
	}
	if f.Count != 7 || len(f.Nodes) != 1 || f.Nodes[0].Children[0].Children[1].Params["Unit"].Text() != "°C" {
		t.Errorf("%d nodes: %+v", f.Count, f.Nodes)
	}
	filled(f.Nodes)
	again, err := Parse("again.yaml", Append(nil, f.Nodes, types), all)
	if err != nil {
		t.Fatalf("%v\n%s", err, Append(nil, f.Nodes, types))
	}
	if !reflect.DeepEqual(f.Nodes, filled(again.Nodes)) {
		t.Errorf("what was written and read again differs:\n%s", Append(nil, f.Nodes, types))
	}
}

func TestBad(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"no list", "name: a", ":1:1: a list of nodes must be a list"},
		{"unknown key", "- name: a\n  type: folder\n  chilren: []", `:3:3: unknown key "chilren" in a node; there are: name, id, type, params, children, parent`},
		{"no name", "- type: folder", ":1:3: a node without a name"},
		{"no type", "- name: a", `:1:3: node "a" has no type`},
		{"unknown type", "- name: a\n  type: foldr", `:2:9: there is no node type "foldr"; at the top there can be: modbus.gateway, modbus.serial, folder`},
		{"unknown type below", "- name: a\n  type: modbus.gateway\n  params: {Host: plc}\n  children:\n    - {name: b, type: modbus.unti}", `:5:23: there is no node type "modbus.unti"; below a modbus.gateway there can be: modbus.unit`},
		{"unknown type somewhere", "- {name: a, type: x, parent: F}", `there is no node type "x"; there are: modbus.gateway, modbus.serial, modbus.unit, modbus.register, folder`},
		{"wrong place at the top", "- {name: a, type: modbus.unit}", `a modbus.unit cannot stand below a root, only below: modbus.gateway`},
		{"root", "- name: a\n  type: root", `there is no node type "root"`},
		{"id twice", "- {name: a, type: folder}\n- {name: b, id: a, type: folder}", `:2:3: id "a" is used twice`},
		{"name twice", "- name: a\n  type: folder\n  children:\n    - {name: b, type: folder}\n    - {name: b, id: c, type: folder}", `:5:7: name "b" is used twice`},
		{"wrong place", "- name: a\n  type: folder\n  children:\n    - {name: b, type: modbus.unit}", "only below: modbus.gateway"},
		{"parent inside", "- name: a\n  type: folder\n  children:\n    - {name: b, type: folder, parent: a}", `unknown key "parent"`},
		{"unknown parameter", "- name: a\n  type: modbus.gateway\n  params: {Hots: plc}", `Hots no such parameter; did you mean Host?`},
		{"required parameter", "- name: a\n  type: modbus.gateway", `:1:3: params: Host is required`},
		{"wrong parameter", "- name: a\n  type: modbus.gateway\n  params:\n    Host: plc\n    Port: 70000", `:5:11: Port: 70000 is out of range`},
		{"no number", "- name: a\n  type: modbus.gateway\n  params: {Host: plc, Port: many}", `Port: "many": write a whole number`},
		{"nested list as value", "- name: a\n  type: modbus.gateway\n  params: {Host: [plc]}", `Host must be a single value`},
		{"wrong combination", "- name: a\n  type: modbus.gateway\n  params: {Host: plc}\n  children:\n    - name: u\n      type: modbus.unit\n      children:\n        - name: r\n          type: modbus.register\n          params: {Table: coil, Address: 1, Type: float32}", ":10:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse("tree.yaml", []byte(tt.doc), all)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	doc := "- name: a\n  type: folder\n  parent: F\n  children:\n    - {name: b, type: folder}"
	f, err := Parse("tree.yaml", []byte(doc), all)
	if err != nil {
		t.Fatal(err)
	}
	if f.Nodes[0].Parent != "F" {
		t.Errorf("parent %q", f.Nodes[0].Parent)
	}
	got := f.Explain(&nodes.Error{Ref: nodes.In("F/a/b"), Kind: nodes.Invalid, Fields: map[string]string{"NodeId": "is taken"}})
	if !strings.Contains(got.Error(), "tree.yaml:5:7: id is taken") {
		t.Errorf("got %v", got)
	}
	other := errors.New("disk full")
	if f.Explain(other) != other {
		t.Error("another error was changed")
	}
}

func TestSecretsStay(t *testing.T) {
	n := &nodes.Node{Spec: nodes.Spec{ID: "x", Name: "a: b", Type: "folder", Params: nodes.Params{"Key": nodes.String("geheim"), "Note": nodes.String("two\nlines: #1")}}}
	out := string(Append(nil, []*nodes.Node{n}, types))
	if strings.Contains(out, "geheim") || !strings.Contains(out, "# Key is a secret") {
		t.Errorf("got\n%s", out)
	}
	f, err := Parse("a", []byte(out), all)
	if err != nil || f.Nodes[0].Name != "a: b" || f.Nodes[0].ID != "x" || f.Nodes[0].Params.Text("Note") != "two\nlines: #1" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestSecretsAreNotShown: what is wrong is shown with its line, but without the secrets in it.
func TestSecretsAreNotShown(t *testing.T) {
	for name, value := range map[string]string{
		"plain": "geheim", "quoted": `"geheim"`, "escaped": `"\u0067eheim\t"`, "single quotes": "'geheim'", "block": "|\n      geheim\n      geheim 2",
	} {
		tail := "}"
		head := "- {name: a, type: folder, parent: F, nothing: 1, params: {Bad: 1, Key: "
		if name == "block" {
			head, tail = "- name: a\n  type: folder\n  nothing: 1\n  params:\n    Bad: 1\n    Key: ", ""
		}
		_, err := Parse("a.yaml", []byte(head+value+tail+strings.Repeat("}", len(tail))), all)
		if err == nil || !strings.Contains(err.Error(), "Bad") || !strings.Contains(err.Error(), "nothing") {
			t.Errorf("%s: %v, want what is wrong", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "geheim") || strings.Contains(err.Error(), "eheim")) {
			t.Errorf("%s: the secret is shown:\n%v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("- {name: a, type: folder, params: {Note: \"x\"}}")
	f.Add("- name: a\n  type: modbus.gateway\n  params: {Host: plc, Timeout: 2s}\n  children: [{name: u, type: modbus.unit}]")
	f.Fuzz(func(t *testing.T, doc string) {
		file, err := Parse("a", []byte(doc), all)
		if err != nil {
			return
		}
		for _, n := range file.Nodes {
			if n.Parent != "" {
				return
			}
		}
		out := Append(nil, filled(file.Nodes), types)
		if _, err := Parse("b", out, all); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	})
}

// filled gives nodes the ids that a tree would.
func filled(list []*nodes.Node) []*nodes.Node {
	for _, n := range list {
		n.Walk(func(n *nodes.Node) bool {
			if n.ID == "" {
				n.ID = n.Name
				if n.Parent != "" {
					n.ID = n.Parent + "/" + n.Name
				}
			}
			if t, ok := types(n.Type); ok {
				n.Params, _ = param.Check(t.Params, n.Params)
			}
			return true
		})
	}
	return list
}
