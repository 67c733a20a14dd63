package datasources

import (
	"context"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// The parameters that every node has, whatever its type.
var identity = []nodes.Param{
	{ID: "NodeId", Page: "Identity", Label: "Node id", Kind: nodes.KindString,
		Description: "Unique in the data source. Left empty, it is made from the parent's id and the name."},
	{ID: "Name", Page: "Identity", Label: "Name", Kind: nodes.KindString,
		Description: "Unique among the siblings; the name of the field, where the node has one. Left empty, it is the node id."},
}

// Addable returns the types of which children may be created below a node, by
// title.
func (c *Catalog) Addable(who nodes.Caller, parent nodes.Ref) ([]nodes.Type, error) {
	t, err := c.node(who, "list types", parent, nodes.Configure)
	if err != nil {
		return nil, err
	}
	if t.Fixed() {
		return nil, nil
	}
	spec, _ := t.Spec(parent.ID)
	var out []nodes.Type
	for _, typ := range t.Types() {
		if fits(t, typ, spec.Type) {
			out = append(out, typ)
		}
	}
	return out, nil
}

func fits(t *tree.Tree, child nodes.Type, parent string) bool {
	return slices.ContainsFunc(child.Parents, func(p string) bool { return t.Derives(parent, p) })
}

// NewForm returns the parameters of a node to be created, with their defaults.
func (c *Catalog) NewForm(who nodes.Caller, parent nodes.Ref, typ string) (nodes.Form, error) {
	t, err := c.node(who, "new form", parent, nodes.Configure)
	if err != nil {
		return nodes.Form{}, err
	}
	spec, _ := t.Spec(parent.ID)
	nt, ok := t.Type(typ)
	if !ok {
		return nodes.Form{}, nodes.Errorf(nodes.NotFound, "new form", parent, "no node type "+clip(typ))
	}
	if !fits(t, nt, spec.Type) {
		return nodes.Form{}, nodes.Errorf(nodes.NotAcceptable, "new form", parent, "a "+nt.Title+" cannot stand below this node")
	}
	f := nodes.Form{Title: nt.Title, Params: slices.Concat(identity, nt.Params), Values: make(nodes.Params)}
	for _, p := range f.Params {
		if !p.Default.IsZero() && !p.Secret {
			f.Values[p.ID] = p.Default
		}
	}
	return f, nil
}

// Create creates a node and returns it once it is on disk. Wrong parameters are
// told in the error's Fields.
func (c *Catalog) Create(ctx context.Context, who nodes.Caller, n nodes.NewNode) (nodes.Info, error) {
	t, err := c.node(who, "create below", n.Parent, nodes.Configure)
	if err != nil {
		return nodes.Info{}, err
	}
	n.Parent = n.Parent.Resolved()
	info, err := t.Create(ctx, n)
	if err != nil {
		c.note(who, "create", n.Parent, n.Name, "", n.Type, err)
		return nodes.Info{}, err
	}
	c.note(who, "create", info.Ref, info.Name, "", n.Type, nil)
	return c.seen(who, info), nil
}

// Destroy destroys a node with everything below it and returns once that is on
// disk. The root stays.
func (c *Catalog) Destroy(ctx context.Context, who nodes.Caller, ref nodes.Ref) error {
	t, err := c.node(who, "destroy", ref, nodes.Configure)
	if err != nil {
		return err
	}
	if ref.ID == nodes.RootID {
		return nodes.Errorf(nodes.NotAcceptable, "destroy", ref, "the root node cannot be destroyed")
	}
	spec, _ := t.Spec(ref.ID)
	err = t.Destroy(ctx, ref.ID)
	c.note(who, "remove", ref, spec.Name, spec.Type, "", err)
	return err
}
