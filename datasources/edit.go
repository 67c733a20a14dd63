package datasources

import (
	"context"
	"strconv"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// EditForm returns the parameters of a node with their values, secrets left out,
// and NodeId and Name. Of several nodes it returns what they have in common:
// parameters of the same id and kind, those whose values differ named in Differ.
func (c *Catalog) EditForm(who nodes.Caller, refs []nodes.Ref) (nodes.Form, error) {
	var form nodes.Form
	last := "" // type whose parameters are intersected already
	for i, ref := range refs {
		t, err := c.node(who, "edit", ref, nodes.Configure)
		if err != nil {
			return nodes.Form{}, err
		}
		spec, _ := t.Spec(ref.ID)
		typ, _ := t.Type(spec.Type)
		value := func(p *nodes.Param) nodes.Value {
			if v := spec.Params[p.ID]; !v.IsZero() {
				return v
			}
			return p.Default
		}
		if i == 0 {
			form = nodes.Form{Title: typ.Title, Params: typ.Params, Values: make(nodes.Params), Differ: make(map[string]bool)}
			for i := range form.Params {
				p := &form.Params[i]
				if v := value(p); !v.IsZero() && !p.Secret {
					form.Values[p.ID] = v
				}
			}
			if len(refs) == 1 {
				form.Title += " " + spec.Name
				form.Params = append(identity[:len(identity):len(identity)], typ.Params...)
				form.Values["NodeId"], form.Values["Name"] = nodes.String(spec.ID), nodes.String(spec.Name)
			} else {
				form.Title = strconv.Itoa(len(refs)) + " nodes"
			}
			continue
		}
		if typ.Name != last {
			form.Params, last = common(form.Params, typ.Params), typ.Name
		}
		for i := range form.Params {
			if p := &form.Params[i]; !p.Secret && form.Values[p.ID] != value(p) {
				form.Differ[p.ID] = true
			}
		}
	}
	for id := range form.Differ {
		delete(form.Values, id)
	}
	return form, nil
}

// common returns the parameters of a that b has too, with the same kind.
func common(a, b []nodes.Param) []nodes.Param {
	var out []nodes.Param
	for _, p := range a {
		for i := range b {
			if b[i].ID == p.ID && b[i].Kind == p.Kind && b[i].Secret == p.Secret {
				out = append(out, p)
			}
		}
	}
	return out
}

// Edit changes nodes of one source, all or none, and returns them once that is on
// disk. The edit's Node is ignored; its ID and Name may be given for a single node
// only. An empty text for a secret leaves the secret as it is, a zero Value takes it
// away. Wrong parameters are told in the error's Fields.
func (c *Catalog) Edit(ctx context.Context, who nodes.Caller, refs []nodes.Ref, e nodes.Edit) ([]nodes.Info, error) {
	const op = "edit"
	var t *tree.Tree
	var list []nodes.Edit
	for _, ref := range refs {
		in, err := c.node(who, op, ref, nodes.Configure)
		if err != nil {
			return nil, err
		}
		if t != nil && in != t {
			return nil, nodes.Errorf(nodes.NotAcceptable, op, ref, "nodes of two data sources cannot be edited at once; edit those of each by themselves")
		}
		t = in
		spec, _ := t.Spec(ref.ID)
		typ, _ := t.Type(spec.Type)
		one := nodes.Edit{Node: ref.ID, ID: e.ID, Name: e.Name, Params: make(nodes.Params, len(e.Params))}
		for id, v := range e.Params {
			if !(v.Kind() == nodes.KindString && v.Text() == "" && secret(typ.Params, id)) {
				one.Params[id] = v
			}
		}
		list = append(list, one)
	}
	switch {
	case len(list) == 0:
		return nil, nil
	case len(list) > 1 && (e.ID != "" || e.Name != ""):
		return nil, nodes.Errorf(nodes.Invalid, op, refs[0], "several nodes cannot have the same id or name")
	}
	before := make([]nodes.Spec, len(list))
	for i, one := range list {
		before[i], _ = t.Spec(one.Node)
	}
	if err := t.Edit(ctx, list...); err != nil {
		for _, ref := range refs {
			c.note(who, "edit", ref, "", "", "", err)
		}
		return nil, err
	}
	out := make([]nodes.Info, 0, len(list))
	for i, one := range list {
		id := one.Node
		if one.ID != "" {
			id = one.ID
		}
		old := before[i]
		now, _ := t.Spec(id)
		typ, _ := t.Type(now.Type)
		ref := nodes.Ref{Source: t.ID(), ID: id}
		if old.ID != id {
			c.note(who, "edit", ref, "NodeId", old.ID, id, nil)
		}
		if now.ID != "" && old.Name != now.Name {
			c.note(who, "edit", ref, "Name", old.Name, now.Name, nil)
		}
		c.auditEdit(who, ref, &typ, old.Params, now.Params)
		if info, ok := t.Info(id, nodes.Detail{Properties: true, Messages: true}); ok {
			out = append(out, c.seen(who, info))
		}
	}
	return out, nil
}

func secret(list []nodes.Param, id string) bool {
	for i := range list {
		if list[i].ID == id {
			return list[i].Secret
		}
	}
	return false
}

// Move moves nodes one step up or down among their siblings, where these have an
// order, and returns once that is on disk.
func (c *Catalog) Move(ctx context.Context, who nodes.Caller, down bool, refs []nodes.Ref) error {
	byTree := make(map[*tree.Tree][]string)
	var order []*tree.Tree
	for _, ref := range refs {
		t, err := c.node(who, "move", ref, nodes.Configure)
		if err != nil {
			return err
		}
		if byTree[t] == nil {
			order = append(order, t)
		}
		byTree[t] = append(byTree[t], ref.ID)
	}
	for _, t := range order {
		err := t.Move(ctx, down, byTree[t]...)
		direction := "up"
		if down {
			direction = "down"
		}
		for _, id := range byTree[t] {
			c.note(who, "move", nodes.Ref{Source: t.ID(), ID: id}, direction, "", "", err)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
