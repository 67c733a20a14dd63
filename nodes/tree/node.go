package tree

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// node is a node of the live tree. All of it is guarded by the tree's lock; what
// last.Fields points to is never changed once it is there.
type node struct {
	spec     identity
	settings []setting
	typ      *nodes.Type
	position uint64
	changed  int64 // nanoseconds of Unix time; 0: unknown
	parent   *node
	children []*node          // by position
	names    map[string]*node // the children by name, when there are many
	owner    *device          // of the connecting node at or above; nil: none

	messages []message // at most one per event id
	state    nodes.State
	controls bool // has control parameters of its own
	off      bool // disabled, itself or with one above it

	last     nodes.Reading // Node is empty until there is one
	at       time.Duration // when the device last answered with values, since the program began
	watchers []*watcher
	flight   *flight // somebody is asking the device
	// following is the node that was reported after this one; it may be gone.
	following *node
}

// identity is what a node is called. There are many nodes: what is known otherwise (the
// type's name) or seldom wanted is not kept.
type identity struct {
	ID, Name string
	Parent   string // id
}

// manyChildren is from how many children on they are looked up by a map.
const manyChildren = 64

// began is where the clock of node.at starts; it runs evenly while that of the box is set.
var began = time.Now()

// instant is a time as node.changed has it.
func instant(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// changedAt is when a person last changed the node; zero: unknown.
func (n *node) changedAt() time.Time {
	if n.changed == 0 {
		return time.Time{}
	}
	return time.Unix(0, n.changed).UTC()
}

// identified is what a person configured, without parameters.
func (n *node) identified() nodes.Spec {
	return nodes.Spec{ID: n.spec.ID, Name: n.spec.Name, Type: n.typ.Name, Parent: n.spec.Parent}
}

// message is a message and the device that set it; nil: the hub.
type message struct {
	nodes.Message
	from   *device
	about  string    // the control parameter concerned, when it is of one
	signed bool      // acknowledged by a person
	done   bool      // it says that all went well, which changes no state
	told   time.Time // of done: when that was last an event
}

// state is the state that the message gives its node.
func (m *message) state() nodes.State {
	s := m.Severity.State()
	switch {
	case m.done:
		return nodes.StateNone
	case m.signed && s == nodes.StateWarning:
		return nodes.StateWarningSigned
	case m.signed && s == nodes.StateError:
		return nodes.StateErrorSigned
	}
	return s
}

// ref returns the node's reference.
func (t *Tree) ref(n *node) nodes.Ref { return nodes.Ref{Source: t.cfg.Source, ID: n.spec.ID} }

// info shows a node; the tree is locked for reading.
func (t *Tree) info(n *node, d nodes.Detail) nodes.Info {
	i := nodes.Info{
		Ref: t.ref(n), Name: n.spec.Name, Type: n.typ.Name, TypeTitle: n.typ.Title,
		State: n.state, HasChildren: len(n.children) > 0, ChildrenOrdered: n.typ.Ordered,
		Readable:     n.typ.Caps&nodes.CanRead != 0,
		Controllable: controllable(n),
		HasCommands:  len(n.typ.Commands) > 0,
		Sniffable:    n.typ.Caps&nodes.CanSniff != 0,
		LastChanged:  n.changedAt(),
	}
	if n.parent != nil {
		i.Parent = t.ref(n.parent)
	}
	if d.Properties {
		i.Properties = properties(n)
	}
	if d.Messages && len(n.messages) > 0 {
		i.Messages = make([]nodes.Message, len(n.messages))
		for k := range n.messages {
			i.Messages[k] = n.messages[k].Message
		}
		slices.SortStableFunc(i.Messages, func(a, b nodes.Message) int { return int(b.Severity) - int(a.Severity) })
	}
	return i
}

// properties are a node's parameters, but for secrets, in the order of its type,
// and what the type adds.
func properties(n *node) []nodes.Property {
	out := make([]nodes.Property, 0, len(n.typ.Params))
	for i := range n.typ.Params {
		p := &n.typ.Params[i]
		if v := n.param(p); !p.Secret && !v.IsZero() && (p.ID != disabledParam.ID || v.Bool()) {
			label := p.Label
			if label == "" {
				label = p.ID
			}
			out = append(out, nodes.Property{ID: p.ID, Name: label, Value: v})
		}
	}
	if n.typ.Properties != nil {
		out = append(out, added(n)...)
	}
	return out
}

// added are the properties that the type adds; none when its adapter panics.
func added(n *node) (out []nodes.Property) {
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	return n.typ.Properties(n.params())
}

// find returns where a child stands, or should.
func (n *node) find(c *node) (int, bool) {
	return slices.BinarySearchFunc(n.children, c, func(a, b *node) int {
		return cmp.Or(cmp.Compare(a.position, b.position), strings.Compare(a.spec.ID, b.spec.ID))
	})
}

// place puts a child where its position says.
func (n *node) place(c *node) {
	i, _ := n.find(c)
	n.children = slices.Insert(n.children, i, c)
	switch {
	case n.names != nil:
		n.names[c.spec.Name] = c
	case len(n.children) > manyChildren:
		n.names = make(map[string]*node, len(n.children))
		for _, c := range n.children {
			n.names[c.spec.Name] = c
		}
	}
}

// named returns the child of that name; nil: none.
func (n *node) named(name string) *node {
	if n.names != nil {
		return n.names[name]
	}
	for _, c := range n.children {
		if c.spec.Name == name {
			return c
		}
	}
	return nil
}

// drop takes a child away.
func (n *node) drop(c *node) {
	if i, ok := n.find(c); ok {
		n.children = slices.Delete(n.children, i, i+1)
	}
	if n.names[c.spec.Name] == c {
		delete(n.names, c.spec.Name)
	}
}

// nextPosition is that of a child to be added last.
func (n *node) nextPosition() uint64 {
	if len(n.children) == 0 {
		return 1
	}
	return n.children[len(n.children)-1].position + 1
}

// each calls f for the node and all below it, parents first.
func (n *node) each(f func(*node)) {
	f(n)
	for _, c := range n.children {
		c.each(f)
	}
}

// export copies the node and what is below it, leaving out descendants for which
// cut is true, with all below those. Nodes with the same settings share their parameters,
// which nobody may change.
func (n *node) export(cut func(*node) bool) *nodes.Node { return n.copied(cut, newSharing()) }

func (n *node) copied(cut func(*node) bool, s *sharing) *nodes.Node {
	out := &nodes.Node{Spec: n.identified()}
	out.Params = s.params(n)
	for _, c := range n.children {
		if cut == nil || !cut(c) {
			out.Children = append(out.Children, c.copied(cut, s))
		}
	}
	return out
}
