package datasources

import (
	"context"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// The queries that every node has, over the node and all below it that the caller
// may see.
const (
	ReadoutReport   = "ReadoutReport"
	FaultReport     = "FaultReport"
	InterfaceReport = "InterfaceReport"
)

// ownQueries are the queries that the catalog itself runs.
var ownQueries = []nodes.Command{
	{ID: ReadoutReport, Kind: nodes.Query, Title: "Readout report", Category: "Reports", SortKey: "1", Rights: nodes.Read,
		Description: "Reads this node and everything below it, and lists all values with unit, quality, age and state of their nodes. Devices are asked where values are not current."},
	{ID: FaultReport, Kind: nodes.Query, Title: "Fault report", Category: "Reports", SortKey: "2", Rights: nodes.See,
		Description: "Lists the nodes in error here and below, newest first: since when, the last message, and how often in the last seven days."},
	{ID: InterfaceReport, Kind: nodes.Query, Title: "Interface report", Category: "Reports", SortKey: "3", Rights: nodes.See,
		Description: "Lists the harmonised interfaces that are claimed here and below, whether the nodes fulfil them, and what lacks."},
}

// ownQuery returns one of the queries that the catalog itself runs; nil: it is none.
func ownQuery(command string) *nodes.Command {
	for i := range ownQueries {
		if ownQueries[i].ID == command {
			return &ownQueries[i]
		}
	}
	return nil
}

// report is a query over a branch of one source.
type report struct {
	c    *Catalog
	tree *tree.Tree
	who  nodes.Caller
	put  nodes.Put
}

func (r *report) ref(id string) nodes.Ref { return nodes.Ref{Source: r.tree.ID(), ID: id} }

// runOwn runs a query of the catalog's own.
func (c *Catalog) runOwn(ctx context.Context, t *tree.Tree, who nodes.Caller, ref nodes.Ref, command string, p nodes.Params, put nodes.Put) error {
	if len(p) > 0 {
		return nodes.Errorf(nodes.Invalid, "query", ref, command+" takes no parameters; leave them away")
	}
	r := &report{c: c, tree: t, who: who, put: put}
	switch command {
	case ReadoutReport:
		return r.readout(ctx, ref.ID)
	case InterfaceReport:
		return r.interfaces(ctx, ref.ID)
	}
	return r.faults(ctx, ref.ID)
}

// aborted is the error of a query that was given up; nil: it was not.
func aborted(ctx context.Context, ref nodes.Ref) error {
	switch ctx.Err() {
	case nil:
		return nil
	case context.Canceled:
		return &nodes.Error{Op: "query", Ref: ref, Kind: nodes.Gone, Err: context.Canceled}
	}
	return &nodes.Error{Op: "query", Ref: ref, Kind: nodes.Timeout, Err: ctx.Err()}
}

// all puts findings until one is not wanted any more.
func (r *report) all(list ...nodes.Finding) error {
	for _, f := range list {
		if err := r.put(f); err != nil {
			return err
		}
	}
	return nil
}

// shownAge is how old something is, to the second.
func shownAge(t, now time.Time) nodes.Value {
	if t.IsZero() {
		return nodes.Value{}
	}
	return nodes.Duration(0, max(now.Sub(t), 0).Round(time.Second))
}
