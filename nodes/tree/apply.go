package tree

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// apply makes the tree what was just written, tells the devices, and publishes.
func (t *Tree) apply(p *pending, group []*change, batch Batch) {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	t.mu.Lock()
	t.version++
	t.changed = p.now
	kept := make(map[string]string) // ids of nodes with messages that people left, and the new ones
	saved := min(len(t.unsaved), batch.unsaved)
	t.unsaved = append([]nodes.Event(nil), t.unsaved[saved:]...)
	told := make(map[*device]*nodes.Change)
	tell := func(d *device) *nodes.Change {
		if told[d] == nil {
			told[d] = &nodes.Change{}
		}
		return told[d]
	}
	var ended []*device
	var forgotten []string // ids of connecting nodes that are gone
	var made []*node       // disabled from the beginning
	for _, c := range group {
		for _, id := range c.gone {
			n := t.nodes[id]
			if n.hasKept() {
				kept[id] = ""
			}
			delete(t.nodes, id)
			if n.parent != nil {
				n.parent.drop(n)
			}
			switch d := n.owner; {
			case n.typ.Connects:
				forgotten = append(forgotten, id)
				if d == nil {
					d = t.devices[id] // it was disabled, and may still be stopping
				}
				if d != nil {
					d.gone = true
					ended = append(ended, d)
					delete(told, d)
				}
			case d != nil:
				tell(d).Removed = append(tell(d).Removed, id)
			}
			n.owner = nil
		}
	}
	for _, n := range p.order {
		t.nodes[n.spec.ID] = n
		n.parent.place(n)
		if n.off {
			made = append(made, n)
			continue
		}
		if n.typ.Connects {
			continue // below, when all its nodes are there
		}
		if n.owner = n.parent.owner; n.owner != nil && p.nodes[n.owner.id] == nil {
			c := tell(n.owner)
			c.Put = append(c.Put, &nodes.Node{Spec: n.configured()})
		}
	}
	for _, n := range p.order {
		if n.typ.Connects && !n.off {
			t.start(n)
		}
	}
	for _, e := range p.edited {
		if e.id != e.node.spec.ID && e.node.hasKept() {
			kept[e.node.spec.ID] = e.id
		}
	}
	renamed, turned := t.applyEdits(p.edited, tell)
	for _, x := range renamed {
		forgotten = append(forgotten, x.id)
		if x.device != nil {
			ended = append(ended, x.device)
		}
	}
	t.queue = append(t.queue, batch.Events[saved:]...)
	for _, n := range made {
		t.setMessage(n, offMessage(n))
	}
	turned.show(t, p.edited)
	for _, d := range turned.ended {
		delete(told, d)
	}
	version, watched := t.version, t.watchers > 0
	t.mu.Unlock()

	for _, d := range slices.Concat(ended, turned.ended) {
		d.end()
	}
	for _, id := range forgotten {
		t.cfg.Opener.Forget(id)
	}
	if len(kept) > 0 {
		t.moveKept(kept)
	}
	t.tell(told, version)
	turned.tell()
	t.publish()
	if watched {
		t.wakeInterest()
	}
}

// tell tells devices of changes, and waits a moment until they have taken them.
func (t *Tree) tell(told map[*device]*nodes.Change, version uint64) {
	if len(told) == 0 {
		return
	}
	waiting := make(map[*session]<-chan struct{}, len(told))
	for d, c := range told {
		if s, taken := d.update(*c, version); taken != nil {
			waiting[s] = taken
		}
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	var out bool
	for s, taken := range waiting {
		if !out {
			select {
			case <-taken:
				continue
			case <-timer.C:
				out = true
			}
		}
		s.overdue(taken)
	}
}

// saveEvents writes events of states that wait.
func (t *Tree) saveEvents() error {
	t.mu.RLock()
	events := slices.Clone(t.unsaved)
	t.mu.RUnlock()
	if len(events) == 0 {
		return nil
	}
	if err := t.cfg.Store.Commit(Batch{Events: events}); err != nil {
		return err
	}
	t.mu.Lock() // only what was written goes: more may have come
	t.unsaved = append([]nodes.Event(nil), t.unsaved[min(len(events), len(t.unsaved)):]...)
	t.mu.Unlock()
	return nil
}

// subscriber is told of events.
type subscriber struct {
	notify func(nodes.Event)
	ended  atomic.Bool
}

// Subscribe tells of the source's events from now on, in order, until stop is
// called; stop may be called more than once, from anywhere, also from notify.
// After it no call of notify begins, but one that has may still be under way.
// notify must not block, nor change the tree or its messages.
func (t *Tree) Subscribe(notify func(nodes.Event)) (stop func()) {
	s := &subscriber{notify: notify}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subs = append(slices.Clone(t.subs), s)
	return func() {
		s.ended.Store(true)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.subs = slices.DeleteFunc(slices.Clone(t.subs), func(have *subscriber) bool { return have == s })
	}
}

// Events calls f for the events that are kept since a time, oldest first, until it
// returns false. The store keeps them for a while, or not at all.
func (t *Tree) Events(since time.Time, f func(nodes.Event) bool) error {
	t.mu.RLock()
	unsaved := slices.Clone(t.unsaved)
	t.mu.RUnlock()
	more := true
	if store, ok := t.cfg.Store.(eventReader); ok {
		if err := store.Events(since, func(e nodes.Event) bool { more = f(e); return more }); err != nil {
			return err
		}
	}
	for i := 0; i < len(unsaved) && more; i++ {
		if !unsaved[i].Time.Before(since) {
			more = f(unsaved[i])
		}
	}
	return nil
}

// publish tells the subscribers what is in the queue. Whoever comes while another
// is at it leaves its events to that one, or waits its turn: the order is kept.
func (t *Tree) publish() {
	t.publishing.Lock()
	defer t.publishing.Unlock()
	for {
		t.mu.Lock()
		queue, subs := t.queue, t.subs
		t.queue = nil
		t.mu.Unlock()
		if len(queue) == 0 {
			return
		}
		for _, e := range queue {
			for _, s := range subs {
				if !s.ended.Load() {
					s.notify(e)
				}
			}
		}
	}
}

// Fault sets a message on a node, for the hub itself.
func (t *Tree) Fault(id string, m nodes.Message) { t.fault(nil, id, m) }

// Clear removes the messages with these event ids from a node, for the hub
// itself.
func (t *Tree) Clear(id string, eventIDs ...string) { t.clear(nil, id, eventIDs...) }

// fault sets a message; d is the device that does, or nil.
func (t *Tree) fault(d *device, id string, m nodes.Message) {
	t.mu.Lock()
	n := t.nodes[id]
	if n == nil || d != nil && n.owner != d {
		t.mu.Unlock()
		return
	}
	changed := t.setMessage(n, message{Message: m, from: d})
	t.mu.Unlock()
	if changed {
		t.publish()
	}
}

// setMessage sets a message on a node and tells whether that changes anything; the tree
// is locked.
func (t *Tree) setMessage(n *node, m message) bool {
	i := slices.IndexFunc(n.messages, func(have message) bool { return have.EventID == m.EventID })
	if i >= 0 && n.messages[i].Severity == m.Severity && n.messages[i].Text == m.Text {
		return false
	}
	if m.Time.IsZero() {
		m.Time = now()
	}
	n.messages = slices.Clone(n.messages)
	if i >= 0 {
		n.messages[i] = m
	} else {
		n.messages = append(n.messages, m)
	}
	t.restate(n)
	return true
}

func (t *Tree) clear(d *device, id string, eventIDs ...string) {
	t.mu.Lock()
	n := t.nodes[id]
	changed := n != nil && (d == nil || n.owner == d) &&
		t.forget(n, func(m *message) bool { return slices.Contains(eventIDs, m.EventID) })
	t.mu.Unlock()
	if changed {
		t.publish()
	}
}

// clearAll removes what the device said when it ran before.
func (t *Tree) clearAll(d *device) {
	t.mu.Lock()
	if t.nodes[d.id] == d.node {
		d.node.each(func(n *node) {
			t.forget(n, func(m *message) bool { return m.from == d && m.EventID != faultEvent })
		})
	}
	t.mu.Unlock()
	t.publish()
}

// forget removes messages from a node and tells whether there were any; the tree
// is locked.
func (t *Tree) forget(n *node, which func(*message) bool) bool {
	left := slices.DeleteFunc(slices.Clone(n.messages), func(m message) bool { return which(&m) })
	if len(left) == len(n.messages) {
		return false
	}
	n.messages = left
	t.restate(n)
	return true
}

// restate computes the state of a node whose messages changed and queues the
// event; the tree is locked. Events beyond what waits to be written are told, but
// not kept.
func (t *Tree) restate(n *node) {
	n.state = nodes.StateNone
	for i := range n.messages {
		n.state = max(n.state, n.messages[i].state())
	}
	e := nodes.Event{Kind: nodes.NodeStatusChanged, Time: now(), Info: t.info(n, nodes.Detail{Messages: true})}
	t.queue = append(t.queue, e)
	if len(t.unsaved) < maxUnsaved {
		t.unsaved = append(t.unsaved, e)
	}
}
