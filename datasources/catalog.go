package datasources

import (
	"log/slog"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/sniffer"
)

// Catalog is all data sources of a hub as callers may see them. Safe for
// concurrent use. Errors are of type *nodes.Error; a source or node that the
// caller may not see gives the same NotFound as one that does not exist.
type Catalog struct {
	// Log gets a line for each Set, Execute and Query: who, what, and what became of
	// it, but no secrets. Nil: none. It is set before the catalog is used.
	Log *slog.Logger
	// Audit gets a record of each change, control action and refusal; it must be quick.
	// Nil: none. It is set before the catalog is used.
	Audit func(nodes.Record)

	refusals refusals

	access *Access
	tap    func(owner string) *sniffer.Tap
	trees  []*tree.Tree // in the order in which they are listed
}

// New makes a catalog of trees. tap returns the tap of a connecting node, or nil.
func New(access *Access, tap func(owner string) *sniffer.Tap, trees ...*tree.Tree) *Catalog {
	return &Catalog{access: access, tap: tap, trees: trees}
}

// May tells whether the caller has all of the rights on a node.
func (c *Catalog) May(who nodes.Caller, r nodes.Rights, ref nodes.Ref) bool {
	return c.rights(who, ref)&r == r
}

// rights returns what the caller may do with a node.
func (c *Catalog) rights(who nodes.Caller, ref nodes.Ref) nodes.Rights {
	return c.access.Rights(who, ref, func() []string {
		path, _ := c.path(ref)
		return path
	})
}

// path returns the ids of a node, its parent, and so on.
func (c *Catalog) path(ref nodes.Ref) ([]string, bool) {
	ref = ref.Resolved()
	for _, t := range c.trees {
		if t.ID() == ref.Source && ref.Partition == "" {
			return t.Path(ref.ID)
		}
	}
	return nil, false
}

// Friend tells whether the caller has any right at all, so that his presence
// subscription is accepted.
func (c *Catalog) Friend(who nodes.Caller) bool { return c.access.Person(who) != 0 }

// Explain tells somebody who may administer what a person may do with a node, and the
// rules that give it.
func (c *Catalog) Explain(who, person nodes.Caller, ref nodes.Ref) (nodes.Rights, []Rule, error) {
	if _, err := c.node(who, "explain", ref, nodes.Administer); err != nil {
		return 0, nil, err
	}
	path, _ := c.path(ref)
	return c.rights(person, ref), c.access.Explain(person, ref, path), nil
}

// source returns a source that the caller may see something of.
func (c *Catalog) source(who nodes.Caller, op, id string) (*tree.Tree, error) {
	if id == "" {
		id = nodes.DefaultSource
	}
	for _, t := range c.trees {
		if t.ID() == id && c.sees(who, t) {
			return t, nil
		}
	}
	if !c.Friend(who) {
		c.refused(who, op, nodes.Ref{}, "a stranger")
	}
	return nil, nodes.Errorf(nodes.NotFound, op, nodes.Ref{}, "no data source "+clip(id))
}

// sees tells whether the caller may see something of a source.
func (c *Catalog) sees(who nodes.Caller, t *tree.Tree) bool {
	ids, whole := c.access.scopes(who, t.ID())
	return whole || len(c.tops(who, t, ids)) > 0
}

// tops returns those of some nodes that exist, that the caller may see, and that are
// not below others of them.
func (c *Catalog) tops(who nodes.Caller, t *tree.Tree, ids []string) (out []string) {
	seen := make(map[string]bool)
	for _, id := range ids {
		seen[id] = c.May(who, nodes.See, nodes.Ref{Source: t.ID(), ID: id})
	}
	for _, id := range ids {
		path, ok := t.Path(id)
		if ok && seen[id] && !slices.ContainsFunc(path[1:], func(above string) bool { return seen[above] }) {
			out = append(out, id)
		}
	}
	return out
}

// node returns the tree of a node that the caller may see and has the rights on.
func (c *Catalog) node(who nodes.Caller, op string, ref nodes.Ref, need nodes.Rights) (*tree.Tree, error) {
	ref = ref.Resolved()
	t, err := c.source(who, op, ref.Source)
	if err != nil {
		return nil, err
	}
	rights := c.rights(who, ref)
	if !t.Has(ref.ID) || ref.Partition != "" || rights&nodes.See == 0 {
		if rights&nodes.See == 0 {
			c.refused(who, op, ref, "may not see it")
		}
		return nil, nodes.Errorf(nodes.NotFound, op, ref, "no node "+clip(ref.ID))
	}
	if missing := need &^ rights; missing != 0 {
		c.refused(who, op, ref, "may not "+missing.String())
		return nil, nodes.Errorf(nodes.Forbidden, op, ref, "you may see this node, but not: "+missing.String())
	}
	return t, nil
}

// clip keeps what strangers send short in messages.
func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
