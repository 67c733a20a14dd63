package tree

import (
	"maps"
	"slices"

	"github.com/fieldhub/hub/nodes"
)

// setting is a parameter that differs from its default. Nodes keep only these, in
// memory and on disk: a plant has tens of thousands of nodes, most of whose
// parameters were never touched.
type setting struct {
	id    string
	value nodes.Value
}

// pack leaves out what is the default. Parameters that the type does not know, as
// another version of its adapter may have stored them, are kept.
func pack(typ *nodes.Type, p nodes.Params) []setting {
	out := make([]setting, 0, len(p))
	known := 0
	for i := range typ.Params {
		d := &typ.Params[i]
		v, ok := p[d.ID]
		if ok {
			known++
		}
		if !v.IsZero() && v != d.Default {
			out = append(out, setting{d.ID, interned(d, v)})
		}
	}
	if known < len(p) {
		for _, id := range slices.Sorted(maps.Keys(p)) {
			if !slices.ContainsFunc(typ.Params, func(d nodes.Param) bool { return d.ID == id }) {
				out = append(out, setting{id, p[id]})
			}
		}
	}
	return slices.Clip(out)
}

// interned returns a choice as the type spells it, so that nodes share the text.
func interned(d *nodes.Param, v nodes.Value) nodes.Value {
	for i := range d.Options {
		if shared := nodes.Enum(d.Options[i].Value, d.ID); v == shared {
			return shared
		}
	}
	return v
}

// params returns all parameters of a node, defaults filled in.
func (n *node) params() nodes.Params {
	out := make(nodes.Params, len(n.typ.Params))
	n.fill(out)
	return out
}

// fill puts all parameters of a node into an empty map.
func (n *node) fill(out nodes.Params) {
	for i := range n.typ.Params {
		if d := &n.typ.Params[i]; !d.Default.IsZero() && d.ID != disabledParam.ID { // most nodes are not
			out[d.ID] = d.Default
		}
	}
	for _, s := range n.settings {
		out[s.id] = s.value
	}
}

// param returns one parameter, its default when it was not set.
func (n *node) param(d *nodes.Param) nodes.Value {
	for i := range n.settings {
		if n.settings[i].id == d.ID {
			return n.settings[i].value
		}
	}
	return d.Default
}

// configured is the node as a person configured it, defaults filled in.
func (n *node) configured() nodes.Spec {
	s := n.identified()
	s.Params = n.params()
	return s
}

// stored is the node as it is written to disk, without defaults.
func (n *node) stored() Record {
	r := Record{Spec: n.identified(), Position: n.position, Changed: n.changedAt()}
	r.Spec.Params = make(nodes.Params, len(n.settings))
	for _, s := range n.settings {
		r.Spec.Params[s.id] = s.value
	}
	return r
}
