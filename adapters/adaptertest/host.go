package adaptertest

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Host is a [nodes.Host] that records what a device says and looks at it: what
// breaks the contract is kept as a problem. Safe for concurrent use.
type Host struct {
	subtree map[string]bool // nil: anything
	root    *nodes.Node     // may be nil

	mu       sync.Mutex
	changed  chan struct{} // closed and replaced at each call of the device
	last     map[string]nodes.Reading
	good     map[string]nodes.Reading // the last with fields
	count    map[string]int
	reports  int
	messages map[string]map[string]nodes.Message
	created  []*nodes.Node
	shelf    *Shelf
	over     bool
	calls    int // of others that are under way
	problems []string
	log      *slog.Logger
}

// NewHost makes a host for a device opened with that node, which may be nil:
// then readings of any node are accepted.
func NewHost(n *nodes.Node) *Host {
	h := &Host{
		changed: make(chan struct{}), shelf: NewShelf(), log: slog.New(slog.DiscardHandler),
		last: make(map[string]nodes.Reading), good: make(map[string]nodes.Reading),
		count: make(map[string]int), messages: make(map[string]map[string]nodes.Message),
	}
	if n != nil {
		h.root = clone(n)
		h.subtree = make(map[string]bool)
		n.Walk(func(n *nodes.Node) bool { h.subtree[n.ID] = true; return true })
	}
	return h
}

// LogTo sends the device's log somewhere; before it is nowhere. Call it before
// the device is opened.
func (h *Host) LogTo(l *slog.Logger) { h.log = l }

// Allow adds ids to the subtree.
func (h *Host) Allow(ids ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, id := range ids {
		if h.subtree != nil {
			h.subtree[id] = true
		}
	}
}

// Report implements [nodes.Host].
func (h *Host) Report(list []nodes.Reading) {
	defer h.enter("Report")()
	h.reports++
	if len(list) == 0 {
		h.problem("Report of nothing")
	}
	for _, r := range list {
		h.check(r)
		h.last[r.Node] = r
		h.count[r.Node]++
		if len(r.Fields) > 0 {
			h.good[r.Node] = r
		}
	}
}

// check looks at a reading as the contract wants it.
func (h *Host) check(r nodes.Reading) {
	if h.subtree != nil && !h.subtree[r.Node] {
		h.problem("a reading of %q, which is not in the subtree", r.Node)
	}
	if len(r.Fields) == 0 && r.Err == nil {
		h.problem("a reading of %s with neither fields nor an error", r.Node)
	}
	if r.MaxAge < 0 {
		h.problem("%s: MaxAge %v", r.Node, r.MaxAge)
	}
	names := make(map[string]bool, len(r.Fields))
	for _, f := range r.Fields {
		switch {
		case f.Name == "" || names[f.Name]:
			h.problem("%s: field name %q is empty or not unique", r.Node, f.Name)
		case f.Value.IsZero() || f.Value.Kind() == nodes.KindDouble && !f.Value.IsNumber():
			h.problem("%s: field %s has no value", r.Node, f.Name)
		case f.Category == 0 || f.Category&(f.Category-1) != 0:
			h.problem("%s: field %s has category %v, not exactly one", r.Node, f.Name, f.Category)
		case f.Time.IsZero() || time.Until(f.Time) > time.Second:
			h.problem("%s: field %s has time %v", r.Node, f.Name, f.Time)
		}
		names[f.Name] = true
	}
}

// Create implements [nodes.Host] as the tree does, without a look at types: it
// allows the nodes, gives those without an id that of parent and name, and
// remembers them for Created. The device is not told: call its Update. After Run has
// returned it does nothing, which is no problem: a command may still be under way.
func (h *Host) Create(ctx context.Context, branches []*nodes.Node) error {
	defer h.lock()()
	switch {
	case h.over:
		return nodes.Errorf(nodes.Gone, "create", nodes.Ref{}, "the device was stopped meanwhile")
	case ctx.Err() != nil:
		return &nodes.Error{Op: "create", Kind: nodes.Timeout, Err: ctx.Err()}
	}
	added := make(map[string]bool)
	made := make([]*nodes.Node, 0, len(branches))
	for _, n := range branches {
		if n == nil {
			return nodes.Errorf(nodes.Invalid, "create", nodes.Ref{}, "a node of the list is missing")
		}
		if h.subtree != nil && !h.subtree[n.Parent] && !added[n.Parent] {
			return nodes.Errorf(nodes.NotFound, "create", nodes.In(n.Parent), "no such node below the device")
		}
		c, err := h.adopt(n, n.Parent, added)
		if err != nil {
			return err
		}
		made = append(made, c)
	}
	for id := range added {
		if h.subtree != nil {
			h.subtree[id] = true
		}
	}
	for _, n := range made {
		h.created = append(h.created, n)
		if p := h.find(n.Parent); p != nil {
			p.Children = append(p.Children, clone(n))
		}
	}
	return nil
}

// Node implements [nodes.Host]: of what the host was made with, and what was
// created. After Run has returned there is none, as with Create.
func (h *Host) Node(id string) (*nodes.Node, bool) {
	defer h.lock()()
	n := h.find(id)
	if n == nil || h.over {
		return nil, false
	}
	return clone(n), true
}

func (h *Host) find(id string) (found *nodes.Node) {
	if h.root != nil {
		h.root.Walk(func(n *nodes.Node) bool {
			if n.ID == id {
				found = n
			}
			return found == nil
		})
	}
	return found
}

func clone(n *nodes.Node) *nodes.Node {
	out := &nodes.Node{Spec: n.Spec}
	for _, c := range n.Children {
		out.Children = append(out.Children, clone(c))
	}
	return out
}

// adopt copies a branch and completes it.
func (h *Host) adopt(n *nodes.Node, parent string, added map[string]bool) (*nodes.Node, error) {
	if n == nil {
		return nil, nodes.Errorf(nodes.Invalid, "create", nodes.In(parent), "one of its children is missing")
	}
	c := &nodes.Node{Spec: n.Spec}
	c.Parent, c.Params = parent, maps.Clone(n.Params)
	c.Name = cmp.Or(c.Name, c.ID)
	c.ID = cmp.Or(c.ID, parent+"/"+c.Name)
	if added[c.ID] || h.subtree[c.ID] {
		return nil, &nodes.Error{Op: "create", Ref: nodes.In(c.ID), Kind: nodes.Invalid, Err: fmt.Errorf("there is a node %q already", c.ID),
			Fields: map[string]string{"NodeId": "there is a node with this id already"}}
	}
	added[c.ID] = true
	for _, below := range n.Children {
		b, err := h.adopt(below, c.ID, added)
		if err != nil {
			return nil, err
		}
		c.Children = append(c.Children, b)
	}
	return c, nil
}

// Created returns the branches that the device created so far, with their ids.
func (h *Host) Created() []*nodes.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.created)
}

// Fault implements [nodes.Host].
func (h *Host) Fault(node string, m nodes.Message) {
	defer h.enter("Fault")()
	if h.subtree != nil && !h.subtree[node] {
		h.problem("a message on %q, which is not in the subtree", node)
	}
	if m.EventID == "" || m.Text == "" {
		h.problem("%s: a message without event id or text: %+v", node, m)
	}
	if h.messages[node] == nil {
		h.messages[node] = make(map[string]nodes.Message)
	}
	h.messages[node][m.EventID] = m
}

// Clear implements [nodes.Host].
func (h *Host) Clear(node string, eventIDs ...string) {
	defer h.enter("Clear")()
	for _, id := range eventIDs {
		delete(h.messages[node], id)
	}
}

// Shelf implements [nodes.Host].
func (h *Host) Shelf() nodes.Shelf { return h.shelf }

// Log implements [nodes.Host].
func (h *Host) Log() *slog.Logger { return h.log }

// enter locks the host for a call of the device, which it must not make after Run
// unless somebody else's call is under way; the result unlocks it.
func (h *Host) enter(call string) func() {
	unlock := h.lock()
	if h.over && h.calls == 0 {
		h.problem("%s after Run had returned", call)
	}
	return unlock
}

func (h *Host) lock() (unlock func()) {
	h.mu.Lock()
	return func() {
		close(h.changed)
		h.changed = make(chan struct{})
		h.mu.Unlock()
	}
}

// Calling says that somebody calls the device, until done is called. The call may
// last a little longer than Run, and what the device says of it then is no problem.
func (h *Host) Calling() (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls++
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.calls--
	}
}

func (h *Host) problem(format string, a ...any) {
	if len(h.problems) < 20 {
		h.problems = append(h.problems, fmt.Sprintf(format, a...))
	}
}

// Problems returns what broke the contract so far.
func (h *Host) Problems() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.problems)
}

// Over says that Run has returned: any later call is a problem.
func (h *Host) Over() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
}

// Last returns the last reading of a node.
func (h *Host) Last(node string) (nodes.Reading, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.last[node]
	return r, ok
}

// Good returns the last reading of a node that had fields.
func (h *Host) Good(node string) (nodes.Reading, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.good[node]
	return r, ok
}

// Value returns the last value of a node's first field; the zero Value when its
// last reading has none.
func (h *Host) Value(node string) nodes.Value {
	if r, _ := h.Last(node); len(r.Fields) > 0 {
		return r.Fields[0].Value
	}
	return nodes.Value{}
}

// Err returns the error of the last reading of a node.
func (h *Host) Err(node string) error {
	r, _ := h.Last(node)
	return r.Err
}

// Count returns how many readings of a node were reported.
func (h *Host) Count(node string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.count[node]
}

// Reports returns how many calls of Report there were.
func (h *Host) Reports() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.reports
}

// Messages returns the messages of a node, by event id.
func (h *Host) Messages(node string) []nodes.Message {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.SortedFunc(maps.Values(h.messages[node]), func(a, b nodes.Message) int {
		return cmp.Compare(a.EventID, b.EventID)
	})
}

// AllMessages returns how many messages there are on all nodes, but for those with
// these event ids.
func (h *Host) AllMessages(except ...string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, list := range h.messages {
		for _, m := range list {
			if !slices.Contains(except, m.EventID) {
				n++
			}
		}
	}
	return n
}

// Wait waits until ok holds, looking after each call of the device, and fails the
// test when it takes longer than within.
func (h *Host) Wait(t testing.TB, within time.Duration, what string, ok func() bool) {
	t.Helper()
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		h.mu.Lock()
		changed := h.changed
		h.mu.Unlock()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // ok may depend on more than the host
		case <-timer.C:
			t.Fatalf("waited %v for: %s", within, what)
		}
	}
}
