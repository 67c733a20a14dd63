package concentrator

import (
	"context"
	"fmt"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

// EditForm returns the parameters of a node with their values, secrets left out; of
// several nodes those that they have in common, with Differ for those whose values are
// not all the same. A parameter whose name ends in ".clear" takes a secret away.
func (c *Client) EditForm(ctx context.Context, list []nodes.Ref) (nodes.Form, error) {
	const op = "edit"
	var e *wire.Element
	var err error
	var first nodes.Ref
	if len(list) == 1 {
		first = list[0]
		e, err = c.get(ctx, op, first, appendRef(c.request("getNodeParametersForEdit"), first.Resolved()), "x")
	} else {
		b := append(appendRefs(c.request("getCommonNodeParametersForEdit"), list), "</getCommonNodeParametersForEdit>"...)
		e, err = c.ask(ctx, op, first, "get", b, "x")
	}
	if err != nil {
		return nodes.Form{}, err
	}
	f, err := form.Parse(e)
	if err != nil {
		return nodes.Form{}, nodes.Errorf(nodes.Internal, op, first, "the hub's form: "+err.Error())
	}
	f.Differ = make(map[string]bool)
	for id, differs := range f.NotSame {
		if differs && len(list) > 1 {
			f.Differ[id] = true
		}
	}
	return f.Form, nil
}

// Edit changes a node. Of e, Node is ignored; a zero Value among the parameters empties
// the field; an empty secret stays as it is. Wrong parameters are told in the error's
// Fields.
func (c *Client) Edit(ctx context.Context, r nodes.Ref, e nodes.Edit) (nodes.Info, error) {
	b := append(appendRef(c.request("setNodeParametersAfterEdit"), r.Resolved()), '>')
	b = append(form.AppendSubmit(b, edited(e)), "</setNodeParametersAfterEdit>"...)
	answer, err := c.ask(ctx, "edit", r, "set", b, "nodeInfo")
	if err != nil {
		return nodes.Info{}, err
	}
	return readInfo(answer), nil
}

// EditAll changes several nodes alike: all or none. A zero Value for a parameter in which
// they differ leaves each as it is.
func (c *Client) EditAll(ctx context.Context, list []nodes.Ref, e nodes.Edit) error {
	if len(list) == 0 {
		return nil
	}
	b := appendRefs(c.request("setCommonNodeParametersAfterEdit"), list)
	b = append(form.AppendSubmit(b, edited(e)), "</setCommonNodeParametersAfterEdit>"...)
	_, err := c.ask(ctx, "edit", list[0], "set", b, "")
	return err
}

// edited are the fields of an edit.
func edited(e nodes.Edit) nodes.Params {
	out := make(nodes.Params, len(e.Params)+2)
	for id, v := range e.Params {
		out[id] = v
	}
	if e.ID != "" {
		out[fieldID] = nodes.String(e.ID)
	}
	if e.Name != "" {
		out[fieldName] = nodes.String(e.Name)
	}
	return out
}

// Move moves nodes one place up or down among their siblings; those at the edge stay.
func (c *Client) Move(ctx context.Context, down bool, list ...nodes.Ref) error {
	direction := "Up"
	if down {
		direction = "Down"
	}
	switch len(list) {
	case 0:
		return nil
	case 1:
		_, err := c.ask(ctx, "move", list[0], "set", append(appendRef(c.request("moveNode"+direction), list[0].Resolved()), '/', '>'), "")
		return err
	}
	b := appendRefs(c.request("moveNodes"+direction), list)
	_, err := c.ask(ctx, "move", list[0], "set", fmt.Appendf(b, "</moveNodes%s>", direction), "")
	return err
}
