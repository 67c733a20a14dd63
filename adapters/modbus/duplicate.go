package modbus

import (
	"context"
	"fmt"
	"maps"

	"github.com/fieldhub/hub/nodes"
)

func duplicateUnit() command {
	return command{nodes.Command{
		ID: "Duplicate", Kind: nodes.Parametrized, Title: "Duplicate", Category: "Registers", SortKey: "3",
		Description: "Makes a copy of the unit with all its registers, at another unit id.",
		Success:     "The copy is there.", Failure: "There is no copy:",
		Params: []nodes.Param{
			{ID: "UnitId", Label: "Unit id", Kind: nodes.KindInt32, Required: true, Min: nodes.Int32(0), Max: nodes.Int32(255), Description: "Of the copy."},
			{ID: "Name", Label: "Name", Kind: nodes.KindString, Required: true, Description: "Of the copy, unique below the gateway."},
		},
	}, runDuplicate}
}

func runDuplicate(ctx context.Context, d *device, node string, p nodes.Params, _ *report) error {
	unit, ok := d.host.Node(node)
	v := d.look()
	if !ok || v == nil {
		return nodes.Errorf(nodes.Gone, "duplicate", nodes.In(node), "the unit was removed")
	}
	id := byte(p.Int("UnitId"))
	for _, u := range v.units {
		if u.cfg.id == id {
			return wrongParam("duplicate", node, "UnitId", fmt.Sprintf("%s has unit id %d already: write another", u.id, id))
		}
	}
	copied := copyOf(unit)
	copied.Name, copied.Parent = p.Text("Name"), unit.Parent
	copied.Params["UnitId"] = nodes.Int32(int32(id))
	return d.host.Create(ctx, []*nodes.Node{copied})
}

// copyOf copies a branch without its ids.
func copyOf(n *nodes.Node) *nodes.Node {
	out := &nodes.Node{Spec: nodes.Spec{Name: n.Name, Type: n.Type, Params: maps.Clone(n.Params)}}
	if out.Params == nil {
		out.Params = make(nodes.Params)
	}
	for _, c := range n.Children {
		out.Children = append(out.Children, copyOf(c))
	}
	return out
}

func forgetUnit() command {
	return command{nodes.Command{
		ID: "ForgetLearned", Kind: nodes.Simple, Title: "Forget what was learned", Category: "Commissioning", SortKey: "4",
		Description: "Drops what was found out about the unit: holes, longest request, pause, time-out, and functions that it does not know. It is found out anew, with a few refused requests.",
		Success:     "What was learned is forgotten.",
	}, func(_ context.Context, d *device, node string, _ nodes.Params, _ *report) error {
		if v := d.look(); v != nil && v.units[node] != nil {
			d.lacks.forget(v.units[node].cfg.id)
		}
		d.forgetLearned(node)
		return nil
	}}
}
