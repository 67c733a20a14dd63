package tree

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

// builtin are the types that every tree has.
var builtin = []nodes.Type{
	{Name: nodes.TypeNode, Title: "Node"},
	{Name: nodes.TypeRoot, Title: "Hub", Ordered: true, Caps: nodes.CanRead},
	{Name: nodes.TypeFolder, Title: "Folder", Ordered: true, Parents: []string{nodes.TypeRoot, nodes.TypeFolder}},
}

type typeSet struct {
	list   []nodes.Type // by title
	byName map[string]*nodes.Type
}

// newTypeSet completes types with what every node has. fixed: none can be disabled.
func newTypeSet(types []nodes.Type, ofRoot []nodes.Command, fixed bool) (*typeSet, error) {
	s := &typeSet{list: slices.Concat(builtin, types), byName: make(map[string]*nodes.Type)}
	for i := range s.list {
		if s.list[i].Name == nodes.TypeRoot {
			s.list[i].Commands = ofRoot
		}
		var err error
		if s.list[i], err = completed(s.list[i], fixed); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(s.list, func(a, b nodes.Type) int { return strings.Compare(a.Title, b.Title) })
	for i := range s.list {
		s.byName[s.list[i].Name] = &s.list[i]
	}
	if len(s.byName) != len(s.list) {
		return nil, fmt.Errorf("two node types have the same name")
	}
	return s, nil
}

// bases returns the types a type derives from, nearest first, ending with node.
func (s *typeSet) bases(name string) []string {
	var out []string
	for t := s.byName[name]; t != nil && t.Name != nodes.TypeNode && len(out) < 32; {
		base := t.Base
		if base == "" {
			base = nodes.TypeNode
		}
		out = append(out, base)
		t = s.byName[base]
	}
	return out
}

func (s *typeSet) derives(name, base string) bool {
	return name == base || slices.Contains(s.bases(name), base)
}

// fits tells whether a child of that type may stand below a parent of that type.
func (s *typeSet) fits(child *nodes.Type, parent string) bool {
	return slices.ContainsFunc(child.Parents, func(p string) bool { return s.derives(parent, p) })
}
