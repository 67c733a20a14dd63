package datasources

import (
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// Sources returns the data sources the caller may see. All are roots: none has
// child sources.
func (c *Catalog) Sources(who nodes.Caller) []nodes.Source {
	var out []nodes.Source
	for _, t := range c.trees {
		if c.sees(who, t) {
			out = append(out, nodes.Source{ID: t.ID(), Name: t.Name(), LastChanged: t.LastChanged()})
		}
	}
	return out
}

// ChildSources returns the child sources of a source: none.
func (c *Catalog) ChildSources(who nodes.Caller, source string) ([]nodes.Source, error) {
	_, err := c.source(who, "list sources", source)
	return nil, err
}

// Node returns one node.
func (c *Catalog) Node(who nodes.Caller, ref nodes.Ref, d nodes.Detail) (nodes.Info, error) {
	t, err := c.node(who, "get", ref, 0)
	if err != nil {
		return nodes.Info{}, err
	}
	info, ok := t.Info(ref.ID, d)
	if !ok {
		return nodes.Info{}, nodes.Errorf(nodes.NotFound, "get", ref, "no node "+clip(ref.ID))
	}
	return c.seen(who, info), nil
}

// Roots returns the root nodes of a source; for somebody who may see parts of it only,
// the topmost nodes of these.
func (c *Catalog) Roots(who nodes.Caller, source string, d nodes.Detail) ([]nodes.Info, error) {
	t, err := c.source(who, "list roots", source)
	if err != nil {
		return nil, err
	}
	ids := []string{nodes.RootID}
	if scopes, whole := c.access.scopes(who, t.ID()); !whole {
		ids = c.tops(who, t, scopes)
	}
	return c.visible(who, infos(t, ids, d)), nil
}

// Children returns the children of a node in their order.
func (c *Catalog) Children(who nodes.Caller, ref nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	t, err := c.node(who, "list children", ref, 0)
	if err != nil {
		return nil, err
	}
	list, _ := t.Children(ref.ID, d)
	return c.visible(who, list), nil
}

// Ancestors returns the node itself, its parent, and so on up to the root, as far
// as the caller may see.
func (c *Catalog) Ancestors(who nodes.Caller, ref nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	t, err := c.node(who, "list ancestors", ref, 0)
	if err != nil {
		return nil, err
	}
	path, _ := t.Path(ref.ID)
	return c.visible(who, infos(t, path, d)), nil
}

// All returns all nodes of a source, parents first, in order; with type names
// given, those that are of or derive from any of them. An unknown type is
// NotFound.
func (c *Catalog) All(who nodes.Caller, source string, derivedFrom []string, d nodes.Detail) ([]nodes.Info, error) {
	var out []nodes.Info
	err := c.Each(who, source, derivedFrom, d, func(i *nodes.Info) bool { out = append(out, *i); return true })
	return out, err
}

// Each is as All, but hands the nodes over one by one, until f returns false: what is
// not wanted is not made. f may not keep the pointer.
func (c *Catalog) Each(who nodes.Caller, source string, derivedFrom []string, d nodes.Detail, f func(*nodes.Info) bool) error {
	t, err := c.source(who, "list", source)
	if err != nil {
		return err
	}
	for _, name := range derivedFrom {
		if _, ok := t.Type(name); !ok {
			return nodes.Errorf(nodes.NotFound, "list", nodes.Ref{}, "no node type "+clip(name))
		}
	}
	derives := make(map[string]bool)
	var ids []string
	t.Walk(func(id, typ string) bool {
		ok, known := derives[typ]
		if !known {
			ok = len(derivedFrom) == 0 || slices.ContainsFunc(derivedFrom, func(base string) bool { return t.Derives(typ, base) })
			derives[typ] = ok
		}
		if ok {
			ids = append(ids, id)
		}
		return true
	})
	for _, id := range ids {
		if !c.May(who, nodes.See, nodes.Ref{Source: t.ID(), ID: id}) {
			continue
		}
		if info, ok := t.Info(id, d); ok { // else it went meanwhile
			if info = c.seen(who, info); !f(&info) {
				break
			}
		}
	}
	return nil
}

// Inheritance returns the type that a node's type derives from, that one's, and
// so on.
func (c *Catalog) Inheritance(who nodes.Caller, ref nodes.Ref) ([]string, error) {
	t, err := c.node(who, "inheritance", ref, 0)
	if err != nil {
		return nil, err
	}
	spec, ok := t.Spec(ref.ID)
	if !ok {
		return nil, nodes.Errorf(nodes.NotFound, "inheritance", ref, "no node "+clip(ref.ID))
	}
	return t.Bases(spec.Type), nil
}

// infos looks nodes up; those that went meanwhile are left out.
func infos(t *tree.Tree, ids []string, d nodes.Detail) []nodes.Info {
	out := make([]nodes.Info, 0, len(ids))
	for _, id := range ids {
		if info, ok := t.Info(id, d); ok {
			out = append(out, info)
		}
	}
	return out
}

// visible leaves what the caller may see, in place.
func (c *Catalog) visible(who nodes.Caller, list []nodes.Info) []nodes.Info {
	out := list[:0]
	for _, info := range list {
		if c.May(who, nodes.See, info.Ref) {
			out = append(out, c.seen(who, info))
		}
	}
	return out
}

// seen shows a node as the caller may use it.
func (c *Catalog) seen(who nodes.Caller, info nodes.Info) nodes.Info {
	r := c.rights(who, info.Ref)
	if info.Parent.ID != "" && !c.May(who, nodes.See, info.Parent) {
		info.Parent = nodes.Ref{} // it does not exist
	}
	info.Readable = info.Readable && r&nodes.Read != 0
	info.Controllable = info.Controllable && r&nodes.Control != 0
	info.HasCommands = true // the fault report at least
	info.Sniffable = info.Sniffable && r&nodes.Listen != 0
	return info
}
