package tree

import (
	"fmt"
	"slices"

	"github.com/fieldhub/hub/nodes"
)

// disabledEvent names the condition that a node is disabled.
const disabledEvent = "Disabled"

// disabled tells whether the node itself is disabled; off tells of it or one above.
func (n *node) disabled() bool {
	for i := range n.settings {
		if n.settings[i].id == disabledParam.ID {
			return n.settings[i].value.Bool()
		}
	}
	return false
}

// disabler is the node, the nearest at or above n, that was disabled.
func (n *node) disabler() *node {
	for up := n; up != nil; up = up.parent {
		if up.disabled() {
			return up
		}
	}
	return n
}

// apart tells whether a child does not belong to its parent's device: it has one of
// its own, or none because it is disabled.
func apart(n *node) bool { return n.typ.Connects || n.off }

// offMessage says that a node is disabled, and since when.
func offMessage(n *node) message {
	text := "Disabled. It is not read, set or polled until it is enabled."
	by := n.disabler()
	if by != n {
		text = fmt.Sprintf("Disabled with %q above it. It is not read, set or polled until that is enabled.", by.spec.ID)
	}
	return message{Message: nodes.Message{Time: by.changedAt(), Severity: nodes.SeverityInformation, EventID: disabledEvent, Text: text}}
}

// offError says that something cannot be done with a node, because it is disabled;
// the tree is locked for reading.
func (t *Tree) offError(op string, n *node) error {
	text := "it is disabled; enable it first"
	if by := n.disabler(); by != n {
		text = fmt.Sprintf("it is disabled with %q above it; enable that first", by.spec.ID)
	}
	return t.failed(nodes.NotAcceptable, op, n.spec.ID, text)
}

// whenOn returns the error of a node that is disabled.
func (t *Tree) whenOn(op, id string) error {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n := t.nodes[id]; n != nil && n.off {
		return t.offError(op, n)
	}
	return nil
}

// switched are the nodes that edits disable and enable, parents first, and the
// devices that end for that.
type switched struct {
	nodes   []*node
	ended   []*device
	notices []notice
}

// turn disables or enables what the settings of some nodes, parents first, say; the
// tree is locked. old are the former ids of those that have another one now.
func (t *Tree) turn(list []*edited, old map[*node]string, tell func(*device) *nodes.Change) (s switched) {
	for _, e := range list {
		e.node.mark(&s)
	}
	started := make(map[*device]bool)
	for _, n := range s.nodes {
		switch {
		case n.off:
			t.turnOff(n, &s)
		case n.typ.Connects:
			t.start(n)
			started[n.owner] = true
		default:
			n.owner = n.parent.owner
			if n.owner != nil && !started[n.owner] {
				tell(n.owner).Put = append(tell(n.owner).Put, &nodes.Node{Spec: n.configured()})
			}
		}
	}
	for _, n := range slices.Backward(s.nodes) { // children before their parents
		d := n.owner
		if !n.off || d == nil {
			continue
		}
		if n.owner = nil; !n.typ.Connects && !slices.Contains(s.ended, d) && old[n] == "" {
			tell(d).Removed = append(tell(d).Removed, n.spec.ID)
		}
	}
	return s
}

// mark notes for a node and all below it whether they are disabled now, and which
// of them were not as they are.
func (n *node) mark(s *switched) {
	off := n.disabled() || n.parent.off
	if off == n.off {
		return // and so is all below
	}
	n.off = off
	s.nodes = append(s.nodes, n)
	for _, c := range n.children {
		c.mark(s)
	}
}

// turnOff takes away what a node's device left there; the tree is locked.
func (t *Tree) turnOff(n *node, s *switched) {
	if d := n.owner; d != nil && n.typ.Connects {
		s.ended = append(s.ended, d)
	}
	n.messages = slices.DeleteFunc(slices.Clone(n.messages), func(m message) bool { return m.from != nil })
	n.last, n.following = nodes.Reading{}, nil
	for _, w := range n.watchers {
		s.notices = append(s.notices, notice{w, nodes.Reading{Node: n.spec.ID, Err: t.offError("read", n)}})
	}
}

// show says on the nodes what has become of them; the tree is locked.
func (s *switched) show(t *Tree, list []*edited) {
	for _, e := range list {
		if e.node.off { // by itself or with another one than before, or one with another id
			e.node.each(func(n *node) { t.setMessage(n, offMessage(n)) })
		}
	}
	for _, n := range s.nodes {
		if !n.off {
			t.forget(n, func(m *message) bool { return m.EventID == disabledEvent && m.from == nil })
		}
	}
}

// tell tells those who watch, after all that the devices had reported before.
func (s *switched) tell() {
	for _, d := range s.ended {
		d.reporting.Lock()
		defer d.reporting.Unlock()
	}
	for _, x := range s.notices {
		x.w.notify(x.r)
	}
}
