// Package treefile reads and writes trees as YAML files:
//
//	# a list of nodes
//	- name: Plant            # unique among its siblings
//	  id: plant              # unique; left out: parent's id, "/", name
//	  parent: Root           # only at the top, for another parent than the root
//	  type: modbus.gateway
//	  params: {Host: 192.0.2.20}
//	  children:
//	    - name: Tank
//	      …
//
// A file is wrong as a whole when anything in it is: all problems are told, each
// with its line and what to write instead. Reading needs the node types, but no
// tree; what only the tree can know (a name that is taken) is told afterwards with
// the same lines, by [File.Explain].
package treefile

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// Types finds a node type by name, for [Append].
type Types func(name string) (nodes.Type, bool)

// File is a tree file that was read.
type File struct {
	Nodes []*nodes.Node // tops, with all below; Parent is set where the file does
	Count int           // of all nodes

	doc   *strict.Document
	where map[string]strict.Value // by node id
}

// Parse reads and checks a file against all types of the tree that it is for. Its
// errors are of type *strict.Problems.
func Parse(name string, b []byte, all []nodes.Type) (*File, error) {
	doc, top, err := strict.Parse(name, b)
	if err != nil {
		return nil, err
	}
	r := &reader{all: all, file: &File{doc: doc, where: make(map[string]strict.Value)}}
	r.file.Nodes = r.list(top, "", "")
	if err := doc.Err(); err != nil {
		return nil, err
	}
	r.file.Count = len(r.file.where)
	return r.file, nil
}

// Explain gives an error of the tree, which names a node, its place in the file.
func (f *File) Explain(err error) error {
	var e *nodes.Error
	if !errors.As(err, &e) {
		return err
	}
	at, ok := f.where[e.Ref.ID]
	if !ok {
		return err
	}
	if len(e.Fields) == 0 {
		at.Problem("%v", e.Err)
	}
	for _, id := range slices.Sorted(maps.Keys(e.Fields)) {
		at.Problem("%s %s", strings.NewReplacer("NodeId", "id", "Name", "name").Replace(id), e.Fields[id])
	}
	return f.doc.Err()
}

type reader struct {
	all  []nodes.Type
	file *File
}

func (r *reader) types(name string) (nodes.Type, bool) {
	i := slices.IndexFunc(r.all, func(t nodes.Type) bool { return t.Name == name })
	if i < 0 {
		return nodes.Type{}, false
	}
	return r.all[i], true
}

func (r *reader) list(v strict.Value, parentID, parentType string) []*nodes.Node {
	var out []*nodes.Node
	names := make(map[string]bool)
	for _, item := range v.List("a list of nodes") {
		n := r.node(item, parentID, parentType)
		if n == nil {
			continue
		}
		if parentID != "" && n.Name != "" {
			if names[n.Name] {
				item.Problem("name %q is used twice among siblings; choose another", n.Name)
			}
			names[n.Name] = true
		}
		out = append(out, n)
	}
	return out
}

func (r *reader) node(v strict.Value, parentID, parentType string) *nodes.Node {
	known := []string{"name", "id", "type", "params", "children"}
	if parentID == "" {
		known = append(known, "parent")
	}
	f := v.Fields("a node", known...)
	n := &nodes.Node{Spec: nodes.Spec{Name: f["name"].Text("name"), ID: f["id"].Text("id"), Type: f["type"].Text("type"), Parent: parentID}}
	if parentID == "" {
		n.Parent = f["parent"].Text("parent")
	}
	if parentID == "" && (n.Parent == "" || n.Parent == nodes.RootID) {
		parentType = nodes.TypeRoot
	}
	if n.Name == "" {
		if n.Name = n.ID; n.ID == "" {
			v.Problem("a node without a name; write name: …")
			return nil
		}
	}
	id := n.ID
	if id == "" {
		id = n.Name
		if n.Parent != "" && n.Parent != nodes.RootID {
			id = n.Parent + "/" + n.Name
		}
	}
	if _, twice := r.file.where[id]; twice {
		v.Problem("id %q is used twice; choose another", id)
		return nil
	}
	r.file.where[id] = v.Place()
	t, ok := r.types(n.Type)
	switch {
	case n.Type == "":
		v.Problem("node %q has no type; write type: …", n.Name)
	case !ok || len(t.Parents) == 0:
		f["type"].Problem("there is no node type %q; %s", n.Type, r.possible(parentType))
	case parentType != "" && !r.fits(t, parentType):
		f["type"].Problem("a %s cannot stand below a %s, only below: %s", n.Type, parentType, strings.Join(t.Parents, ", "))
	}
	if ok {
		n.Params = r.params(v, f["params"], t)
	}
	n.Children = r.list(f["children"], id, n.Type)
	return n
}

// possible says which types may stand below a parent of that type; "" is one that
// the file does not tell.
func (r *reader) possible(parent string) string {
	var names []string
	_, known := r.types(parent)
	for _, t := range r.all {
		if len(t.Parents) > 0 && (!known || r.fits(t, parent)) {
			names = append(names, t.Name)
		}
	}
	switch {
	case len(names) == 0:
		return "nothing can stand below a " + parent
	case parent == nodes.TypeRoot:
		return "at the top there can be: " + strings.Join(names, ", ")
	case known:
		return "below a " + parent + " there can be: " + strings.Join(names, ", ")
	}
	return "there are: " + strings.Join(names, ", ")
}

// fits tells whether a type may stand below a parent of that type.
func (r *reader) fits(t nodes.Type, parent string) bool {
	for depth := 0; parent != "" && depth < 32; depth++ {
		if slices.Contains(t.Parents, parent) {
			return true
		}
		p, ok := r.types(parent)
		if !ok {
			return true // told at the parent
		}
		parent = p.Base
	}
	return false
}

func (r *reader) params(node, v strict.Value, t nodes.Type) nodes.Params {
	given := make(nodes.Params)
	where := make(map[string]strict.Value)
	bad := false
	for _, e := range v.Entries("params") {
		where[e.Key] = e.Value
		i := slices.IndexFunc(t.Params, func(p nodes.Param) bool { return p.ID == e.Key })
		if i < 0 {
			given[e.Key] = nodes.String("") // told below
			continue
		}
		if !e.Value.Present() {
			continue
		}
		if t.Params[i].Secret {
			e.Value.Hide()
		}
		value, err := param.Parse(t.Params[i], e.Value.Text(e.Key))
		if err != nil {
			e.Value.Problem("%s: %v", e.Key, err)
			bad = true
			continue
		}
		given[e.Key] = value
	}
	out, wrong := param.Check(t.Params, given)
	if len(wrong) == 0 && !bad && t.Check != nil {
		wrong = t.Check(out)
	}
	for _, id := range slices.Sorted(maps.Keys(wrong)) {
		at, ok := where[id]
		switch {
		case ok:
			at.Problem("%s %s", id, wrong[id])
		case bad && given[id].IsZero():
			continue // told already, or a consequence
		case v.Present():
			v.Problem("%s %s", id, wrong[id])
		default:
			node.Problem("params: %s %s", id, wrong[id])
		}
	}
	return given
}
