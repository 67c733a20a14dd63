package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// edited is a node as it will be.
type edited struct {
	node     *node
	id, name string
	settings []setting
	controls bool
	position uint64
	kind     nodes.EventKind // 0: no event, its position or parent's id changes only
}

// Edit changes nodes, all or none, and returns once that is on disk. The error's
// Ref names the first node that is wrong, its Fields the parameters, with NodeId
// and Name among them.
func (t *Tree) Edit(ctx context.Context, list ...nodes.Edit) error {
	if len(list) == 0 {
		return nil
	}
	return t.change(&change{ctx: ctx, edits: slices.Clone(list)})
}

// moves are nodes to be moved one step among their siblings.
type moves struct {
	ids  []string
	down bool
}

// Move moves nodes one step up or down among their siblings, where the order of
// these matters ([nodes.Type.Ordered]), and returns once that is on disk. Nodes of
// one parent keep their order: at the end none passes another one that is moved.
// What is unknown, at the end already or has no order stays where it is.
func (t *Tree) Move(ctx context.Context, down bool, ids ...string) error {
	if len(ids) == 0 {
		return nil
	}
	return t.change(&change{ctx: ctx, moves: &moves{slices.Clone(ids), down}})
}

// edit validates edits against the tree and each other.
func (p *pending) edit(c *change) error {
	ids, names := make(map[string]bool), make(map[place]*node)
	byNode := make(map[*node]*edited)
	var list []*edited
	for i := range c.edits {
		e, err := p.editOne(&c.edits[i])
		if err != nil {
			return err
		}
		if e == nil {
			continue // nothing changes
		}
		n := e.node
		wrong := make(map[string]string)
		if byNode[n] != nil {
			wrong["NodeId"] = "the node is named twice"
		}
		if e.id != n.spec.ID && (ids[e.id] || p.t.nodes[e.id] != nil) {
			wrong["NodeId"] = fmt.Sprintf("there is a node %q already; choose another id", clip(e.id))
		}
		at := place{n.spec.Parent, e.name}
		if other := n.parent.named(e.name); names[at] != nil || other != nil && other != n {
			wrong["Name"] = "a sibling has this name already; choose another"
		}
		if len(wrong) > 0 {
			return p.t.wrong("edit", n.spec.ID, wrong)
		}
		ids[e.id], names[at], byNode[n] = true, n, e
		list = append(list, e)
	}
	for _, e := range slices.Clone(list) { // children are stored with the id of their parent
		if e.id == e.node.spec.ID {
			continue
		}
		for _, child := range e.node.children {
			if byNode[child] == nil {
				byNode[child] = unchanged(child)
				list = append(list, byNode[child])
			}
		}
	}
	slices.SortStableFunc(list, func(a, b *edited) int { return cmp.Compare(a.node.depth(), b.node.depth()) })
	p.edited = list
	return nil
}

// depth is how many nodes stand above.
func (n *node) depth() (d int) {
	for ; n.parent != nil; n = n.parent {
		d++
	}
	return d
}

// unchanged is a node that stays as it is.
func unchanged(n *node) *edited {
	return &edited{node: n, id: n.spec.ID, name: n.spec.Name, settings: n.settings, controls: n.controls, position: n.position}
}

// editOne validates one edit by itself; nil: it changes nothing.
func (p *pending) editOne(c *nodes.Edit) (*edited, error) {
	const op = "edit"
	t := p.t
	n := t.nodes[c.Node]
	switch {
	case n == nil:
		return nil, t.failed(nodes.NotFound, op, c.Node, "no such node")
	case n == t.root:
		return nil, t.failed(nodes.NotAcceptable, op, c.Node, "the root node cannot be edited")
	}
	e := unchanged(n)
	e.kind = nodes.NodeUpdated
	e.id, e.name = firstOf(c.ID, e.id), firstOf(c.Name, e.name)
	params := n.params()
	wrong := make(map[string]string)
	for _, id := range slices.Sorted(maps.Keys(c.Params)) {
		v := c.Params[id]
		for i := range n.typ.Params {
			if d := &n.typ.Params[i]; d.ID == id && d.ReadOnly && !v.IsZero() && v != params[id] {
				wrong[id] = "cannot be changed"
			}
		}
		if v.IsZero() {
			delete(params, id)
		} else {
			params[id] = v
		}
	}
	params, more := param.Check(n.typ.Params, params)
	maps.Copy(wrong, more)
	if len(wrong) == 0 && n.typ.Check != nil {
		more, err := check(n.typ, params)
		if err != nil {
			return nil, t.failed(nodes.Internal, op, c.Node, err.Error())
		}
		maps.Copy(wrong, more)
	}
	if text := badText(e.id, MaxID); text != "" {
		wrong["NodeId"] = text
	}
	if text := badText(e.name, MaxName); text != "" {
		wrong["Name"] = text
	}
	if len(wrong) > 0 {
		return nil, t.wrong(op, c.Node, wrong)
	}
	e.settings = pack(n.typ, params)
	if e.id == n.spec.ID && e.name == n.spec.Name && slices.Equal(e.settings, n.settings) {
		return nil, nil
	}
	e.controls = len(ownControls(n.typ, &nodes.Spec{ID: e.id, Name: e.name, Type: n.typ.Name, Parent: n.spec.Parent, Params: params})) > 0
	return e, nil
}

// wrong is that parameters of a node are.
func (t *Tree) wrong(op, id string, fields map[string]string) error {
	return &nodes.Error{Op: op, Ref: t.reference(id), Kind: nodes.Invalid, Err: errors.New(words(fields)), Fields: fields}
}

// move finds the new positions.
func (p *pending) move(m *moves) {
	ids := slices.Clone(m.ids)
	if m.down {
		slices.Reverse(ids)
	}
	orders := make(map[*node][]*node)  // children in their new order
	stuck := make(map[*node][]*node)   // moved ones that can go no further
	changed := make(map[*node]*edited) // by node
	get := func(n *node) *edited {
		if changed[n] == nil {
			changed[n] = unchanged(n)
			p.edited = append(p.edited, changed[n])
		}
		return changed[n]
	}
	for _, id := range ids {
		n := p.t.nodes[id]
		if n == nil || n.parent == nil || !n.parent.typ.Ordered {
			continue
		}
		order := orders[n.parent]
		if order == nil {
			order = slices.Clone(n.parent.children)
			orders[n.parent] = order
		}
		i := slices.Index(order, n)
		j, kind := i-1, nodes.NodeMovedUp
		if m.down {
			j, kind = i+1, nodes.NodeMovedDown
		}
		if j < 0 || j >= len(order) || slices.Contains(stuck[n.parent], order[j]) {
			stuck[n.parent] = append(stuck[n.parent], n)
			continue
		}
		a, b := get(n), get(order[j])
		a.kind = kind
		a.position, b.position = b.position, a.position
		order[i], order[j] = order[j], order[i]
	}
}

// batchEdits adds what is to be written; the tree is locked for reading.
func (p *pending) batchEdits(b *Batch) {
	renamed := make(map[*node]string)
	for _, e := range p.edited {
		if e.id != e.node.spec.ID {
			b.Delete = append(b.Delete, e.node.spec.ID)
			renamed[e.node] = e.id
		}
	}
	for _, e := range p.edited {
		after := e.as(p)
		if id := renamed[e.node.parent]; id != "" {
			after.spec.Parent = id
		}
		b.Put = append(b.Put, after.stored())
		if e.kind == 0 {
			continue
		}
		event := nodes.Event{Kind: e.kind, Time: p.now, Info: p.t.info(after, nodes.Detail{Properties: true, Messages: true})}
		if id := renamed[e.node.parent]; id != "" {
			event.Info.Parent.ID = id
		}
		if e.id != e.node.spec.ID {
			event.OldID = e.node.spec.ID
		}
		b.Events = append(b.Events, event)
	}
}

// as is a copy of the node as it will be.
func (e *edited) as(p *pending) *node {
	n := *e.node
	n.spec.ID, n.spec.Name, n.settings, n.controls, n.position = e.id, e.name, e.settings, e.controls, e.position
	if e.kind == nodes.NodeUpdated {
		n.changed = instant(p.now)
	}
	return &n
}

// applyEdits makes the nodes what was just written; the tree is locked. It returns
// the devices whose own node has another id now, which have to end, and what is
// disabled or enabled.
func (t *Tree) applyEdits(list []*edited, tell func(*device) *nodes.Change) (ended []renaming, turned switched) {
	for _, e := range list {
		e.node.parent.drop(e.node)
		delete(t.nodes, e.node.spec.ID)
	}
	renamed := make(map[*device]bool)
	former := make(map[*node]string)
	for _, e := range list {
		n, d := e.node, e.node.owner
		if old := n.spec.ID; old != e.id {
			former[n] = old
			switch {
			case n.typ.Connects:
				if d == nil {
					d = t.devices[old] // it was disabled, and may still be stopping
				} else {
					renamed[d] = true
				}
				if d != nil {
					d.gone = true
				}
				ended = append(ended, renaming{d, old})
			case d != nil:
				tell(d).Removed = append(tell(d).Removed, old)
			}
		}
		if e.kind == nodes.NodeUpdated {
			n.changed = instant(t.changed)
		}
		if n.controls && !e.controls { // it cannot be written well any more, which would take the message away
			t.forget(n, func(m *message) bool {
				return (m.EventID == controlEvent || m.EventID == writtenEvent) && m.from == nil
			})
		}
		n.spec.ID, n.spec.Name, n.settings, n.controls, n.position = e.id, e.name, e.settings, e.controls, e.position
		n.spec.Parent = n.parent.spec.ID // the parent came before
		if n.last.Node != "" {
			n.last.Node = e.id
		}
		t.nodes[e.id] = n
		n.parent.place(n)
	}
	turned = t.turn(list, former, tell)
	for _, e := range list {
		if d := e.node.owner; d != nil && !renamed[d] && !slices.Contains(turned.nodes, e.node) {
			tell(d).Put = append(tell(d).Put, &nodes.Node{Spec: e.node.configured()})
		}
	}
	for d := range renamed {
		d.node.each(func(n *node) { t.forget(n, func(m *message) bool { return m.from == d }) })
		if !d.node.off {
			t.start(d.node)
		}
	}
	return ended, turned
}

// renaming is the device of a node that has another id now; nil: it has none.
type renaming struct {
	device *device
	id     string // the former one
}

// copyShelves gives devices that get another id what they kept under the old one,
// but for the last few seconds. The old one goes with the record.
func (p *pending) copyShelves() (undo func()) {
	var made []nodes.Shelf
	for _, e := range p.edited {
		if old := e.node.spec.ID; old != e.id && e.node.typ.Connects {
			to := p.t.cfg.Store.Shelf(e.id)
			p.t.cfg.Store.Shelf(old).Range(func(key string, value []byte) bool {
				to.Put(key, slices.Clone(value))
				return true
			})
			made = append(made, to)
		}
	}
	return func() {
		for _, s := range made {
			var keys []string
			s.Range(func(key string, _ []byte) bool { keys = append(keys, key); return true })
			for _, key := range keys {
				s.Delete(key)
			}
		}
	}
}
