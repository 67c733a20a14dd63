package datasources

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// faultsOver is how far back a fault report counts.
const faultsOver = 7 * 24 * time.Hour

const faultsTable = "faults"

// fault is a node in error.
type fault struct {
	id          string
	state       nodes.State
	since, last time.Time
	text        string
}

// faults lists the nodes in error of a branch.
func (r *report) faults(ctx context.Context, id string) error {
	if err := r.all(nodes.QueryTitle("Faults of "+id), nodes.QueryStatus("looking")); err != nil {
		return err
	}
	var list []fault
	seen := 0
	for _, m := range r.tree.Branch(id) {
		if err := aborted(ctx, r.ref(id)); err != nil {
			return err
		}
		if !r.c.May(r.who, nodes.See, r.ref(m.ID)) {
			continue
		}
		seen++
		if m.State < nodes.StateErrorSigned {
			continue
		}
		if info, ok := r.tree.Info(m.ID, nodes.Detail{Messages: true}); ok {
			list = append(list, faultOf(&info))
		}
	}
	slices.SortStableFunc(list, func(a, b fault) int { return b.since.Compare(a.since) })
	counts, counted := r.tree.Falls(ctx, time.Now().Add(-faultsOver))
	if err := aborted(ctx, r.ref(id)); err != nil {
		return err
	}
	err := r.put(nodes.Table{ID: faultsTable, Name: "Nodes in error", Columns: []nodes.Column{
		{ID: "Node", Source: r.tree.ID()}, {ID: "State"}, {ID: "Since"}, {ID: "Message"},
		{ID: "Times", Header: "Times in 7 days", Align: nodes.AlignRight}}})
	if err != nil {
		return err
	}
	for page := range slices.Chunk(list, readoutRows) {
		rows := make([][]nodes.Value, len(page))
		for i, f := range page {
			var times nodes.Value // empty: nobody counted
			if counted {
				times = nodes.Int32(int32(max(counts[f.id], 1))) // it is in error, whatever was kept
			}
			rows[i] = []nodes.Value{nodes.String(f.id), nodes.String(f.state.String()), nodes.DateTime(f.since), nodes.String(f.text), times}
		}
		if err := r.put(nodes.Rows{Table: faultsTable, Rows: rows}); err != nil {
			return err
		}
		if err := aborted(ctx, r.ref(id)); err != nil {
			return err
		}
	}
	end := nodes.Remark{Text: fmt.Sprintf("None of %d nodes is in error.", seen)}
	if len(list) > 0 {
		end = nodes.Remark{Severity: nodes.SeverityError, Text: fmt.Sprintf("%d of %d nodes in error.", len(list), seen)}
	}
	return r.all(nodes.TableEnd(faultsTable), end)
}

// faultOf is what a node in error says: since when, and last.
func faultOf(i *nodes.Info) fault {
	f := fault{id: i.Ref.ID, state: i.State, since: i.LastChanged}
	for _, m := range i.Messages {
		if m.Severity != nodes.SeverityError {
			continue
		}
		if f.text == "" || m.Time.Before(f.since) {
			f.since = m.Time
		}
		if f.text == "" || m.Time.After(f.last) {
			f.last, f.text = m.Time, m.Text
		}
	}
	return f
}
