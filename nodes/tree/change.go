package tree

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// The most bytes an id and a name may have.
const (
	MaxID   = 1024
	MaxName = 256
)

// change is a wish of one caller, done whole or not at all.
type change struct {
	ctx    context.Context
	host   *host         // of the device that wishes it; nil: a person does
	create []*nodes.Node // branches; Parent of their tops is set
	remove *string       // id of the top of a branch; nil: nothing is removed
	edits  []nodes.Edit  // of nodes that are there
	moves  *moves        // nodes to be moved among their siblings; nil: none
	made   []string      // ids of the created nodes, parents first
	gone   []string      // ids of the removed nodes, children first
	done   chan error    // buffered
}

// Create creates a node and returns it once it is on disk.
func (t *Tree) Create(ctx context.Context, n nodes.NewNode) (nodes.Info, error) {
	parent := n.Parent.ID
	c := &change{ctx: ctx, create: []*nodes.Node{{Spec: nodes.Spec{ID: n.ID, Name: n.Name, Type: n.Type, Parent: parent, Params: n.Params}}}}
	if err := t.change(c); err != nil {
		return nodes.Info{}, err
	}
	info, ok := t.Info(c.made[0], nodes.Detail{Properties: true, Messages: true})
	if !ok {
		return info, t.failed(nodes.Gone, "create", c.made[0], "the node was removed again meanwhile")
	}
	return info, nil
}

// Import creates branches below the Parent of each, or the root where none is
// named, all or none, and returns once they are on disk. The error's Ref names the
// first node that is wrong.
func (t *Tree) Import(ctx context.Context, list []*nodes.Node) error {
	c := &change{ctx: ctx}
	for _, n := range list {
		if n == nil {
			return t.failed(nodes.Invalid, "import", "", "a node of the list is missing")
		}
		top := *n
		if top.Parent == "" {
			top.Parent = nodes.RootID
		}
		c.create = append(c.create, &top)
	}
	if len(c.create) == 0 {
		return nil
	}
	return t.change(c)
}

// discovered creates branches below nodes of a device, as its host's Create.
func (t *Tree) discovered(ctx context.Context, h *host, list []*nodes.Node) error {
	if slices.Contains(list, nil) {
		return t.failed(nodes.Invalid, "create", h.d.id, "a node of the list is missing")
	}
	c := &change{ctx: ctx, host: h, create: slices.Clone(list)}
	if err := c.stale(t); err != nil || len(list) == 0 {
		return err
	}
	err := t.change(c)
	if err == nil {
		t.log.Info("nodes created by their device", "node", h.d.id, "nodes", len(c.made))
	}
	return err
}

// stale says that a device has stopped which wishes a change.
func (c *change) stale(t *Tree) error {
	if c.host != nil && c.host.closed.Load() {
		return t.failed(nodes.Gone, "create", c.host.d.id, "the device was stopped meanwhile")
	}
	return nil
}

// Destroy removes a node with everything below it and returns once that is on
// disk.
func (t *Tree) Destroy(ctx context.Context, id string) error {
	return t.change(&change{ctx: ctx, remove: &id})
}

// change hands a change to the goroutine that writes and waits for it.
func (t *Tree) change(c *change) error {
	if t.Fixed() {
		return t.failed(nodes.NotAcceptable, "change", "", "the nodes of this data source are the hub's own and cannot be changed")
	}
	c.done = make(chan error, 1)
	select {
	case t.changes <- c:
	case <-c.ctx.Done():
		return t.givenUp(c)
	case <-t.stopped:
		return t.stopping()
	}
	return <-c.done // the writer looks at ctx before it begins
}

func (t *Tree) stopping() error {
	return t.failed(nodes.Gone, "change", "", "the hub is stopping; try again when it runs")
}

func (t *Tree) givenUp(c *change) error {
	return &nodes.Error{Op: "change", Ref: nodes.Ref{Source: t.cfg.Source}, Kind: nodes.Timeout,
		Err: fmt.Errorf("nothing was changed: it was given up before its turn came: %w", c.ctx.Err())}
}

func (t *Tree) failed(kind nodes.ErrorKind, op, id, text string) *nodes.Error {
	return nodes.Errorf(kind, op, nodes.Ref{Source: t.cfg.Source, ID: id}, text)
}

// The writer: how many changes one commit takes, and how long events of states
// wait for one.
const (
	maxGroup   = 512
	eventDelay = 2 * time.Second
	maxUnsaved = 4096
)

// write groups changes, validates, writes, applies, publishes and acknowledges
// them, in this order, until ctx ends.
func (t *Tree) write(ctx context.Context) error {
	tick := time.NewTicker(eventDelay)
	defer tick.Stop()
	failing := false // said once
	for {
		select {
		case c := <-t.changes:
			group := []*change{c}
			for more := true; more && len(group) < maxGroup; {
				select {
				case c := <-t.changes:
					group = append(group, c)
				default:
					more = false
				}
			}
			if ctx.Err() != nil {
				for _, c := range group {
					c.done <- t.stopping()
				}
				return nil
			}
			t.commit(group)
		case <-tick.C:
			err := t.saveEvents()
			if err != nil && !failing {
				t.log.Error("events could not be written; it is tried again", "error", err)
			}
			failing = err != nil
		case <-ctx.Done():
			return nil
		}
	}
}

func (t *Tree) commit(group []*change) {
	p := t.pending()
	var good, later []*change
	for _, c := range group {
		var err error
		if c.ctx.Err() != nil {
			err = t.givenUp(c)
		} else {
			err = p.add(c)
		}
		switch err {
		case nil:
			if (c.edits != nil || c.moves != nil) && p.edited == nil {
				c.done <- nil // nothing to change
				continue
			}
			good = append(good, c)
		case errLater:
			later = append(later, c)
		default:
			c.done <- err
		}
	}
	if len(later) > 0 {
		defer t.commit(later)
	}
	if len(good) == 0 {
		return
	}
	t.mu.RLock()
	batch := p.batch(good)
	t.mu.RUnlock()
	undo := p.copyShelves()
	err := t.cfg.Store.Commit(batch)
	if err != nil {
		undo()
		err = &nodes.Error{Op: "write", Kind: nodes.Internal, Err: fmt.Errorf("nothing was changed, because it could not be written: %w", err)}
		t.log.Error("change not written", "error", err)
	} else {
		t.apply(p, good, batch)
	}
	for _, c := range good {
		c.done <- err
	}
}

func (t *Tree) pending() *pending {
	return &pending{t: t, nodes: make(map[string]*node), removed: make(map[string]bool),
		names: make(map[place]*node), last: make(map[string]*node), now: time.Now()}
}

// pending is what a group of changes will make of the tree.
type pending struct {
	t       *Tree
	nodes   map[string]*node // created, by id
	order   []*node          // created, parents first
	removed map[string]bool
	names   map[place]*node  // created, by parent and name
	last    map[string]*node // created last, by parent
	edited  []*edited        // nodes that change; then nothing else is in the group
	now     time.Time
}

type place struct{ parent, name string }

// get returns a node as it will be. Only the writer changes the tree, so that it
// may read without the lock.
func (p *pending) get(id string) *node {
	if n := p.nodes[id]; n != nil {
		return n
	}
	if p.removed[id] {
		return nil
	}
	return p.t.nodes[id]
}

// add validates a change against the tree and what is pending, and takes it in
// whole or not at all.
func (p *pending) add(c *change) error {
	alone := c.edits != nil || c.moves != nil
	switch {
	case p.edited != nil, alone && len(p.order)+len(p.removed) > 0:
		return errLater
	case c.moves != nil:
		p.move(c.moves)
		return nil
	case alone:
		return p.edit(c)
	}
	if c.remove != nil {
		return p.remove(c, *c.remove)
	}
	if err := c.stale(p.t); err != nil {
		return err
	}
	was := len(p.order)
	for _, n := range c.create {
		err := p.within(c.host, n.Parent)
		if err == nil {
			err = p.create(c, n, n.Parent)
		}
		if err != nil {
			p.undo(was)
			return err
		}
	}
	return nil
}

// within checks that a device may create nodes there: only below its own.
func (p *pending) within(h *host, parent string) error {
	if h == nil {
		return nil
	}
	n := p.get(parent)
	for n != nil && n == p.nodes[n.spec.ID] && !n.typ.Connects { // not there yet
		n = n.parent
	}
	if n == nil || n.owner != h.d {
		return p.t.failed(nodes.NotFound, "create", parent, "no such node below "+h.d.id)
	}
	return nil
}

// undo forgets the nodes of a change that was refused.
func (p *pending) undo(was int) {
	for _, n := range p.order[was:] {
		delete(p.nodes, n.spec.ID)
		delete(p.names, place{n.spec.Parent, n.spec.Name})
		delete(p.last, n.spec.Parent)
	}
	for _, n := range p.order[:was] {
		p.last[n.spec.Parent] = n
	}
	p.order = p.order[:was]
}

// errLater makes a change wait for the next group.
var errLater = errors.New("in the next group")

func (p *pending) remove(c *change, id string) error {
	n := p.get(id)
	switch {
	case n == nil:
		return p.t.failed(nodes.NotFound, "destroy", id, "no such node")
	case n == p.t.root:
		return p.t.failed(nodes.NotAcceptable, "destroy", id, "the root node cannot be destroyed")
	case len(p.nodes) > 0:
		return errLater // nodes created in this group may hang below it
	}
	n.each(func(n *node) {
		if !p.removed[n.spec.ID] {
			p.removed[n.spec.ID] = true
			c.gone = append(c.gone, n.spec.ID)
		}
	})
	slices.Reverse(c.gone)
	return nil
}

func (p *pending) create(c *change, n *nodes.Node, parentID string) error {
	const op = "create"
	t := p.t
	if n == nil {
		return t.failed(nodes.Invalid, op, parentID, "one of its children is missing")
	}
	typ := t.types.byName[n.Type]
	name := firstOf(n.Name, n.ID)
	id := n.ID
	if id == "" {
		id = name
		if parentID != nodes.RootID {
			id = parentID + "/" + name
		}
	}
	fail := func(kind nodes.ErrorKind, text string) error { return t.failed(kind, op, id, text) }
	parent := p.get(parentID)
	switch {
	case parent == nil:
		return fail(nodes.NotFound, fmt.Sprintf("its parent %q does not exist", clip(parentID)))
	case typ == nil:
		return fail(nodes.NotFound, fmt.Sprintf("there is no node type %q; %s", clip(n.Type), t.possible(parent)))
	case !t.types.fits(typ, parent.typ.Name):
		return fail(nodes.NotAcceptable, fmt.Sprintf("a %s cannot stand below a %s; %s", typ.Name, parent.typ.Name, t.possible(parent)))
	}
	params, wrong := param.Check(typ.Params, n.Params)
	if len(wrong) == 0 && typ.Check != nil {
		var err error
		if wrong, err = check(typ, params); err != nil {
			return fail(nodes.Internal, err.Error())
		}
	}
	if wrong == nil {
		wrong = make(map[string]string)
	}
	if text := badText(name, MaxName); text != "" {
		wrong["Name"] = text
	} else if sibling := p.sibling(parent, name); sibling != nil {
		wrong["Name"] = fmt.Sprintf("its sibling %q has this name already; choose another", clip(sibling.spec.ID))
	}
	if text := badText(id, MaxID); text != "" {
		wrong["NodeId"] = text
	} else if p.get(id) != nil || p.removed[id] {
		wrong["NodeId"] = fmt.Sprintf("there is a node %q already; choose another id", clip(id))
	}
	if len(wrong) > 0 {
		return &nodes.Error{Op: op, Ref: nodes.Ref{Source: t.cfg.Source, ID: id}, Kind: nodes.Invalid, Err: errors.New(words(wrong)), Fields: wrong}
	}
	position := parent.nextPosition()
	if before := p.last[parentID]; before != nil {
		position = before.position + 1
	}
	made := &node{typ: typ, parent: parent, position: position, changed: instant(p.now),
		spec: identity{ID: id, Name: name, Parent: parentID}, settings: pack(typ, params)}
	made.off = parent.off || made.disabled()
	made.controls = len(ownControls(typ, &nodes.Spec{ID: id, Name: name, Type: typ.Name, Parent: parentID, Params: params})) > 0
	p.nodes[id] = made
	p.names[place{parentID, name}] = made
	p.last[parentID] = made
	p.order = append(p.order, made)
	c.made = append(c.made, id)
	for _, child := range n.Children {
		if err := p.create(c, child, id); err != nil {
			return err
		}
	}
	return nil
}

// check asks the type about parameters in combination.
func check(typ *nodes.Type, params nodes.Params) (wrong map[string]string, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault of its adapter while the parameters were checked: %v", r)
		}
	}()
	return typ.Check(params), nil
}

// sibling returns the child of that name which the parent will have, or nil.
func (p *pending) sibling(parent *node, name string) *node {
	if n := parent.named(name); n != nil && !p.removed[n.spec.ID] {
		return n
	}
	return p.names[place{parent.spec.ID, name}]
}

// possible names the types that may stand below a node.
func (t *Tree) possible(parent *node) string {
	var names []string
	for i := range t.types.list {
		if t.types.fits(&t.types.list[i], parent.typ.Name) {
			names = append(names, t.types.list[i].Name)
		}
	}
	if len(names) == 0 {
		return "nothing can"
	}
	slices.Sort(names)
	return "possible here: " + strings.Join(names, ", ")
}

// batch is what is to be written; the tree is locked for reading.
func (p *pending) batch(group []*change) Batch {
	b := Batch{Events: slices.Clone(p.t.unsaved), unsaved: len(p.t.unsaved)}
	after := make(map[*node]string)
	for _, c := range group {
		for _, id := range c.gone {
			b.Delete = append(b.Delete, id)
			n := p.t.nodes[id]
			e := nodes.Event{Kind: nodes.NodeRemoved, Time: p.now, Info: p.t.info(n, nodes.Detail{})}
			for up := n.parent; up != nil; up = up.parent {
				e.Above = append(e.Above, up.spec.ID)
			}
			b.Events = append(b.Events, e)
		}
	}
	for _, n := range p.order {
		b.Put = append(b.Put, n.stored())
		e := nodes.Event{Kind: nodes.NodeAdded, Time: p.now, Info: p.t.info(n, nodes.Detail{Properties: true})}
		e.Info.HasChildren = p.last[n.spec.ID] != nil
		if after[n.parent] == "" {
			after[n.parent] = p.lastLeft(n.parent)
		}
		e.After, after[n.parent] = after[n.parent], n.spec.ID
		b.Events = append(b.Events, e)
	}
	p.batchEdits(&b)
	return b
}

// lastLeft returns the id of the last child that is not removed, or "".
func (p *pending) lastLeft(parent *node) string {
	for _, n := range slices.Backward(parent.children) {
		if !p.removed[n.spec.ID] {
			return n.spec.ID
		}
	}
	return ""
}

func badText(s string, most int) string {
	switch {
	case s == "":
		return "is empty; write a name"
	case len(s) > most:
		return fmt.Sprintf("is too long: %d bytes, at most %d", len(s), most)
	case !utf8.ValidString(s):
		return "is not valid UTF-8"
	case strings.TrimSpace(s) != s:
		return "begins or ends with white space; leave it away"
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return fmt.Sprintf("holds the control character U+%04X; leave it away", r)
		}
	}
	return ""
}

// words joins the messages of wrong parameters.
func words(wrong map[string]string) string {
	var out []string
	for _, id := range slices.Sorted(maps.Keys(wrong)) {
		out = append(out, id+" "+wrong[id])
	}
	return strings.Join(out, "; ")
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "…"
	}
	return s
}
