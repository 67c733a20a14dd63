package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

const (
	// controlEvent names the condition that a value could not be written.
	controlEvent = "Control"
	// writtenEvent is the last value that was.
	writtenEvent = "Written"
)

// setTime is the time to live of writes to which the caller gives none.
const setTime = time.Minute

// ownControls returns the control parameters of a node by itself; none when its
// adapter panics.
func ownControls(typ *nodes.Type, s *nodes.Spec) (list []nodes.Param) {
	if typ.Controls == nil {
		return nil
	}
	defer func() {
		if recover() != nil {
			list = nil
		}
	}()
	return typ.Controls(s)
}

// controllable tells whether a node or one of its parts has control parameters;
// the tree is locked for reading.
func controllable(n *node) bool {
	return n.controls || slices.ContainsFunc(n.children, func(c *node) bool { return c.typ.Part && controllable(c) })
}

// control is a control parameter and the node that has it.
type control struct {
	param nodes.Param
	node  *node
	id    string  // of the node, as its device knows it
	owner *device // nil: none
}

// controls are the control parameters of a node and its parts.
type controls struct {
	list []control
	// shared are names that several of the parts have, and the ids of these. They
	// are not in the list: they can be set only where they are.
	shared map[string][]string
	// fixed are the names of the parts that have none.
	fixed map[string]bool
}

// controlsOf returns the control parameters of a node; ok tells whether it is
// there.
func (t *Tree) controlsOf(id string) (c controls, ok bool) {
	type part struct {
		control
		spec nodes.Spec
	}
	var list []part
	c = controls{shared: make(map[string][]string), fixed: make(map[string]bool)}
	t.mu.RLock()
	n := t.nodes[id]
	if n != nil {
		parts(n, func(p *node) {
			if p.controls {
				list = append(list, part{control{node: p, id: p.spec.ID, owner: p.owner}, p.configured()})
			} else {
				c.fixed[p.spec.Name] = true
			}
		})
	}
	t.mu.RUnlock()
	at := make(map[string]string) // ids by name
	for i := range list {
		x := &list[i]
		for _, p := range ownControls(x.node.typ, &x.spec) {
			switch {
			case p.ID == "":
				continue
			case c.shared[p.ID] != nil:
				c.shared[p.ID] = append(c.shared[p.ID], x.id)
				continue
			case at[p.ID] != "":
				c.shared[p.ID] = []string{at[p.ID], x.id}
				continue
			}
			at[p.ID] = x.id
			x.param = p
			c.list = append(c.list, x.control)
		}
	}
	c.list = slices.DeleteFunc(c.list, func(x control) bool { return c.shared[x.param.ID] != nil })
	return c, n != nil
}

// find returns a parameter by name, or says why there is none.
func (c *controls) find(name string) (*control, error) {
	for i := range c.list {
		if c.list[i].param.ID == name {
			return &c.list[i], nil
		}
	}
	switch {
	case c.shared[name] != nil:
		return nil, fmt.Errorf("stands for several values; set it on the node that is meant: %s", few(c.shared[name]))
	case c.fixed[name]:
		return nil, errors.New("cannot be set: the node's configuration does not say that it is writable")
	case len(c.list) == 0:
		return nil, errors.New("cannot be set: nothing of this node is writable")
	}
	var names []string
	for i := range c.list {
		names = append(names, c.list[i].param.ID)
	}
	return nil, errors.New("no such control parameter; there are " + few(names))
}

// few joins names, not more than a person wants to read.
func few(names []string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// Controls returns the control parameters of a node and of its parts, in the
// order of the nodes. A name that several of the parts have is left out: it can be
// set only where it is.
func (t *Tree) Controls(id string) ([]nodes.Param, error) {
	c, ok := t.controlsOf(id)
	if !ok {
		return nil, t.failed(nodes.NotFound, "list controls", id, "no such node")
	}
	var out []nodes.Param
	for i := range c.list {
		out = append(out, c.list[i].param)
	}
	return out, nil
}

// assignment is a checked setting.
type assignment struct {
	*control
	value nodes.Value
}

func (a *assignment) setting() nodes.Setting {
	return nodes.Setting{Node: a.id, Name: a.param.ID, Value: a.value}
}

// CheckSet tells whether Set would try these settings: its error is that of Set.
func (t *Tree) CheckSet(list []nodes.Setting) error {
	_, err := t.plan(list)
	return err
}

// plan checks settings and finds the parts that they mean.
func (t *Tree) plan(list []nodes.Setting) ([]assignment, error) {
	const op = "set"
	known := make(map[string]*controls)
	for _, s := range list {
		if known[s.Node] == nil {
			c, ok := t.controlsOf(s.Node)
			if !ok {
				return nil, t.failed(nodes.NotFound, op, s.Node, "no such node")
			}
			if err := t.whenOn(op, s.Node); err != nil {
				return nil, err
			}
			known[s.Node] = &c
		}
	}
	out := make([]assignment, len(list))
	var bad string // the first node with wrong parameters
	wrong := make(map[string]string)
	for i, s := range list {
		c, err := known[s.Node].find(s.Name)
		v := s.Value
		switch {
		case err != nil:
		case v.IsZero():
			err = errors.New("has no value: write " + param.Wanted(c.param))
		case c.param.ReadOnly:
			err = errors.New("cannot be changed")
		default:
			v, err = param.Value(c.param, v)
		}
		if err != nil {
			if len(wrong) == 0 {
				bad = s.Node
			}
			if s.Node == bad {
				wrong[s.Name] = err.Error()
			}
			continue
		}
		out[i] = assignment{c, v}
	}
	if len(wrong) > 0 {
		return nil, t.wrong(op, bad, wrong)
	}
	return out, nil
}

// Set writes values, in order; a parameter of a device means that of its part. All
// are checked before the first is written: an error (NotFound, or Invalid with
// Fields, for the first node that is wrong) says that nothing was tried. Otherwise
// there is one outcome, final, for each setting. At the first that is not good
// writing stops; the others are skipped.
//
// The end of ctx is the time to live of the writes, a minute when it has none.
// Devices have 5 s more to say what has become of what was sent; then it is
// unknown, as is all that a device does not say. What became of the last write of a
// parameter is a message on its node; one that is refused, unknown or expired gives the
// node a state, too.
func (t *Tree) Set(ctx context.Context, list []nodes.Setting) ([]nodes.Outcome, error) {
	todo, err := t.plan(list)
	if err != nil {
		return nil, err
	}
	if _, limited := ctx.Deadline(); !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, setTime)
		defer cancel()
	}
	out := make([]nodes.Outcome, 0, len(todo))
	good := true
	for len(todo) > 0 && good {
		run := 1 // of one device
		for run < len(todo) && todo[run].owner == todo[0].owner {
			run++
		}
		for i, o := range t.setSome(ctx, todo[:run]) {
			t.noteWrite(&todo[i], &o)
			good = good && o.State.Good()
			out = append(out, o)
		}
		todo = todo[run:]
	}
	return append(out, skipped(len(todo))...), nil
}

// skipped are the outcomes of what was not tried.
func skipped(n int) []nodes.Outcome {
	out := make([]nodes.Outcome, n)
	for i := range out {
		out[i] = nodes.Outcome{State: nodes.WriteSkipped, Time: now(),
			Err: errors.New("not tried, because one before it was not written")}
	}
	return out
}

// setSome writes values of one device's nodes.
func (t *Tree) setSome(ctx context.Context, list []assignment) []nodes.Outcome {
	d := list[0].owner
	refuse := func(state nodes.WriteState, kind nodes.ErrorKind, cause error) []nodes.Outcome {
		err := &nodes.Error{Op: "set", Ref: t.reference(list[0].id), Kind: kind, Err: cause}
		return append([]nodes.Outcome{{State: state, Time: now(), Err: err}}, skipped(len(list)-1)...)
	}
	if d == nil {
		return refuse(nodes.WriteRefused, nodes.Unsupported, errors.New("the node belongs to no device"))
	}
	s, err := d.current()
	switch {
	case ctx.Err() != nil:
		return refuse(nodes.WriteExpired, nodes.Timeout, errors.New("its time was over before it was sent; nothing was written"))
	case err != nil:
		return refuse(nodes.WriteRefused, nodes.Unreachable, fmt.Errorf("nothing was sent: %w", err))
	}
	settings := make([]nodes.Setting, len(list))
	for i := range list {
		settings[i] = list[i].setting()
	}
	out, err := s.set(ctx, settings)
	if err != nil {
		return refuse(nodes.WriteRefused, refusal(err), err)
	}
	return out
}

// noteWrite shows what became of a write on its node, in place of what became of the
// one before. The device need not be there any more.
func (t *Tree) noteWrite(a *assignment, o *nodes.Outcome) {
	m := nodes.Message{Time: o.Time, Severity: nodes.SeverityWarning, EventID: controlEvent}
	value := a.value.String()
	if a.param.Secret {
		value = "a secret value"
	}
	write := fmt.Sprintf("%s was not set to %s", a.param.ID, clip(value))
	switch o.State {
	case nodes.WriteDone, nodes.WriteVerified:
		t.wrote(a, o, clip(value))
		return
	case nodes.WriteSkipped:
		return
	case nodes.WriteUnknown:
		m.Severity = nodes.SeverityError
		write = fmt.Sprintf("Nobody knows whether %s was set to %s", a.param.ID, clip(value))
		m.Text = write + ": " + cause(o.Err) + ". Read it, and set it again if need be."
	default:
		m.Text = write + ": " + cause(o.Err)
	}
	t.mu.Lock()
	if n := a.node; t.nodes[n.spec.ID] == n {
		n.messages = slices.DeleteFunc(slices.Clone(n.messages), func(x message) bool { return x.EventID == writtenEvent && x.about == a.param.ID })
		t.setMessage(n, message{Message: m, about: a.param.ID})
	}
	t.mu.Unlock()
	t.publish()
}

// quietTime is for how long writes of one parameter that go well are one event: some
// are written all the time.
const quietTime = time.Minute

// wrote shows that a parameter was written.
func (t *Tree) wrote(a *assignment, o *nodes.Outcome, value string) {
	m := message{Message: nodes.Message{Time: o.Time, Severity: nodes.SeverityInformation, EventID: writtenEvent,
		Text: fmt.Sprintf("%s was set to %s.", a.param.ID, value)}, about: a.param.ID, done: true, told: o.Time}
	if o.State == nodes.WriteVerified {
		m.Text = fmt.Sprintf("%s was set to %s, and read back.", a.param.ID, value)
	}
	t.mu.Lock()
	if t.nodes[a.node.spec.ID] != a.node {
		t.mu.Unlock()
		return
	}
	n := a.node
	n.messages = slices.Clone(n.messages)
	i := slices.IndexFunc(n.messages, func(x message) bool { return x.EventID == writtenEvent })
	failed := func(x message) bool { return x.EventID == controlEvent && x.about == a.param.ID }
	if i >= 0 && n.messages[i].about == a.param.ID && o.Time.Sub(n.messages[i].told) < quietTime && !slices.ContainsFunc(n.messages, failed) {
		m.told = n.messages[i].told
		n.messages[i] = m
		t.mu.Unlock()
		return
	}
	n.messages = slices.DeleteFunc(n.messages, func(x message) bool { return failed(x) || x.EventID == writtenEvent })
	t.setMessage(n, m)
	t.mu.Unlock()
	t.publish()
}
