package datasources

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// publishedPrefix is that of the interfaces that the Neuro-Foundation publishes.
const publishedPrefix = "urn:nfi:iot:hi:"

// Interfaces returns the harmonised interfaces that the configuration of a node
// claims, in its order, each once, with what the node lacks of them: published ones are
// compared with the fields that the node has shown, the names of its parts and its
// control parameters. It waits for no device.
func (c *Catalog) Interfaces(who nodes.Caller, ref nodes.Ref) ([]nodes.Claim, error) {
	t, err := c.node(who, "list interfaces", ref, 0)
	if err != nil {
		return nil, err
	}
	spec, _ := t.Spec(ref.ID)
	claimed := strings.Fields(spec.Params.Text(nodes.ParamInterfaces))
	if len(claimed) == 0 {
		return nil, nil
	}
	e := evidenceOf(t, ref.ID)
	var out []nodes.Claim
	for _, name := range claimed {
		name = fullName(name)
		if !slices.ContainsFunc(out, func(have nodes.Claim) bool { return have.Interface == name }) {
			out = append(out, nodes.Claim{Interface: name, Lacks: e.lacks(name)})
		}
	}
	return out, nil
}

// fullName is the namespace of an interface that was written in short.
func fullName(name string) string {
	if strings.HasPrefix(name, "urn:") || strings.Contains(name, "/") || !strings.Contains(name, ":") {
		return name
	}
	name = publishedPrefix + name
	if parts := strings.Split(name, ":"); strings.Trim(parts[len(parts)-1], "0123456789.") != "" {
		name += ":1.0"
	}
	return name
}

// evidence is what is known of the fields and parameters of a node.
type evidence struct {
	fields   []nodes.Field
	parts    []string // fields that are configured, of which nothing else is known yet
	controls []nodes.Param
}

func evidenceOf(t *tree.Tree, id string) evidence {
	var e evidence
	r, _, _ := t.Current(id)
	e.fields = r.Fields
	e.controls, _ = t.Controls(id)
	for _, m := range t.Branch(id) {
		if m.ID != id && !m.Part {
			continue
		}
		if spec, ok := t.Spec(m.ID); ok && !slices.ContainsFunc(e.fields, func(f nodes.Field) bool { return f.Name == spec.Name }) {
			e.parts = append(e.parts, spec.Name)
		}
	}
	return e
}

// lacks says what is missing of an interface, or nothing.
func (e *evidence) lacks(name string) string {
	short, ours := strings.CutPrefix(name, publishedPrefix)
	if !ours {
		return "" // somebody's own
	}
	a, known := published[short]
	if !known {
		return "no such interface is known to this hub"
	}
	found := false
	for i := range a.fields {
		any, text := e.term(&a.fields[i])
		if text != "" {
			return text
		}
		found = found || any
	}
	for i := range a.params {
		any, text := e.handle(&a.params[i])
		if text != "" {
			return text
		}
		found = found || any
	}
	if !found {
		return "none of its fields is there"
	}
	return ""
}

// term looks for a field: whether there is one, and what is wrong.
func (e *evidence) term(x *term) (found bool, lack string) {
	for i := range e.fields {
		f := &e.fields[i]
		if !answers(x.name, f.Name) {
			continue
		}
		found = true
		switch unit := f.Value.Unit(); {
		case !slices.Contains(x.kinds, f.Value.Kind()):
			return true, fmt.Sprintf("the field %s is of kind %s, not %s", f.Name, f.Value.Kind(), listed(x.kinds))
		case f.Category != x.category:
			return true, fmt.Sprintf("the field %s is %s, not %s", f.Name, f.Category, x.category)
		case len(x.units) > 0 && !slices.Contains(x.units, unit):
			return true, fmt.Sprintf("the field %s has the unit %q, not one such as %s", f.Name, unit, x.units[0])
		}
	}
	found = found || slices.ContainsFunc(e.parts, func(name string) bool { return answers(x.name, name) })
	if !found && !x.optional {
		return false, "it has no field " + numbered(x.name)
	}
	return found, ""
}

// handle looks for a control parameter: whether there is one, and what is wrong.
func (e *evidence) handle(x *handle) (found bool, lack string) {
	for i := range e.controls {
		p := &e.controls[i]
		if !answers(x.name, p.ID) {
			continue
		}
		found = true
		switch {
		case !slices.Contains(x.kinds, p.Kind):
			return true, fmt.Sprintf("the parameter %s is of kind %s, not %s", p.ID, p.Kind, listed(x.kinds))
		case x.ranged && (p.Min.IsZero() || p.Max.IsZero()):
			return true, fmt.Sprintf("the parameter %s has no range", p.ID)
		case x.max > 0 && (p.Min.Double() != 0 || p.Max.Double() != x.max):
			return true, fmt.Sprintf("the parameter %s is not from 0 to %v", p.ID, x.max)
		}
	}
	if !found && !x.optional {
		return false, "it has no control parameter " + numbered(x.name)
	}
	return found, ""
}

// number stands for a number in a name.
const number = "%1%"

// answers tells whether a name is that of an agreement.
func answers(pattern, name string) bool {
	before, after, ok := strings.Cut(pattern, number)
	if !ok {
		return name == pattern
	}
	rest, ok := strings.CutPrefix(name, before)
	rest, ok2 := strings.CutSuffix(rest, after)
	return ok && ok2 && rest != "" && strings.Trim(rest, "0123456789") == ""
}

func numbered(name string) string { return strings.Replace(name, number, "1", 1) }

func listed(kinds []nodes.Kind) string {
	var list []string
	for _, k := range kinds {
		list = append(list, k.String())
	}
	return strings.Join(list, " or ")
}
