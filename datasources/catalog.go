package datasources

import (
	"log/slog"

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
	return c.access.Rights(who, ref)&r == r
}

// Friend tells whether the caller has any right at all, so that his presence
// subscription is accepted.
func (c *Catalog) Friend(who nodes.Caller) bool { return c.access.Person(who) != 0 }

// source returns a source that the caller may see something of.
func (c *Catalog) source(who nodes.Caller, op, id string) (*tree.Tree, error) {
	if id == "" {
		id = nodes.DefaultSource
	}
	if c.Friend(who) {
		for _, t := range c.trees {
			if t.ID() == id {
				return t, nil
			}
		}
	}
	return nil, nodes.Errorf(nodes.NotFound, op, nodes.Ref{}, "no data source "+clip(id))
}

// node returns the tree of a node that the caller may see and has the rights on.
func (c *Catalog) node(who nodes.Caller, op string, ref nodes.Ref, need nodes.Rights) (*tree.Tree, error) {
	ref = ref.Resolved()
	t, err := c.source(who, op, ref.Source)
	if err != nil {
		return nil, err
	}
	rights := c.access.Rights(who, ref)
	if !t.Has(ref.ID) || ref.Partition != "" || rights&nodes.See == 0 {
		return nil, nodes.Errorf(nodes.NotFound, op, ref, "no node "+clip(ref.ID))
	}
	if missing := need &^ rights; missing != 0 {
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
