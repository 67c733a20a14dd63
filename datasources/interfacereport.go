package datasources

import (
	"context"
	"fmt"

	"github.com/fieldhub/hub/nodes"
)

const interfacesTable = "interfaces"

// interfaces lists the harmonised interfaces that nodes of a branch claim, and what they
// lack of them: an interface of which something lacks is told nobody else.
func (r *report) interfaces(ctx context.Context, id string) error {
	err := r.all(nodes.QueryTitle("Interfaces of "+id), nodes.QueryStatus("comparing"),
		nodes.Table{ID: interfacesTable, Name: "Interfaces", Columns: []nodes.Column{
			{ID: "Node", Source: r.tree.ID()}, {ID: "Interface"}, {ID: "Fulfilled"}, {ID: "Lacks"}}})
	if err != nil {
		return err
	}
	claims, fulfilled := 0, 0
	for _, m := range r.tree.Branch(id) {
		if err := aborted(ctx, r.ref(id)); err != nil {
			return err
		}
		if !r.c.May(r.who, nodes.See, r.ref(m.ID)) {
			continue
		}
		list, err := r.c.Interfaces(r.who, r.ref(m.ID))
		if err != nil || len(list) == 0 {
			continue // it was removed meanwhile, or claims nothing
		}
		rows := make([][]nodes.Value, len(list))
		for i, x := range list {
			claims++
			if x.Lacks == "" {
				fulfilled++
			}
			rows[i] = []nodes.Value{nodes.String(m.ID), nodes.String(x.Interface), nodes.Bool(x.Lacks == ""), nodes.String(x.Lacks)}
		}
		if err := r.put(nodes.Rows{Table: interfacesTable, Rows: rows}); err != nil {
			return err
		}
	}
	end := nodes.Remark{Text: "No node claims an interface; write them into the parameter " + nodes.ParamInterfaces + "."}
	switch {
	case fulfilled < claims:
		end = nodes.Remark{Severity: nodes.SeverityWarning, Text: fmt.Sprintf("%d of %d interfaces that are claimed are not fulfilled.", claims-fulfilled, claims)}
	case claims > 0:
		end.Text = fmt.Sprintf("All %d interfaces that are claimed are fulfilled.", claims)
	}
	return r.all(nodes.TableEnd(interfacesTable), end)
}
