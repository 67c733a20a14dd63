package tree

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// notice is a change to be told to a watcher.
type notice struct {
	w *watcher
	r nodes.Reading
}

// report stores readings of a device's nodes and tells those who watch. Reports
// of one device are told in the order in which they are stored.
func (t *Tree) report(d *device, list []nodes.Reading) {
	order := &t.reporting
	if d != nil {
		order = &d.reporting
	}
	order.Lock()
	defer order.Unlock()
	var notices []notice
	at := now()
	t.mu.Lock()
	var before *node
	for i := range list {
		n := t.reported(before, list[i].Node)
		if n != nil && n.owner == d {
			notices = t.store(n, list[i], at, notices)
			before = n
		}
	}
	t.mu.Unlock()
	for _, x := range notices {
		x.w.notify(x.r)
	}
}

// reported finds a node of a report. What a device reports at once, it nearly always
// reports in the same order the next time: each node remembers who came after it.
// The tree is locked.
func (t *Tree) reported(before *node, id string) *node {
	if before != nil {
		if n := before.following; n != nil && n.spec.ID == id && n.owner != nil {
			return n // one that is gone has no owner
		}
	}
	n := t.nodes[id]
	if before != nil {
		before.following = n
	}
	return n
}

// Report stores readings of nodes that belong to no device, such as the root, which
// is the hub itself.
func (t *Tree) Report(list []nodes.Reading) { t.report(nil, list) }

// store keeps a reading that came at a time; the tree is locked. After a failure the last good fields
// stay.
func (t *Tree) store(n *node, r nodes.Reading, at time.Time, notices []notice) []notice {
	old := n.last
	r = t.numbers(r)
	if r.Err != nil && len(r.Fields) == 0 {
		r.Fields = old.Fields
	} else {
		n.at = at.Sub(began)
		for i := range r.Fields {
			// Once only: a reading may come twice (reported and as an answer), and
			// by then others see its fields.
			if f := &r.Fields[i]; r.MaxAge > 0 && f.QoS&nodes.AutomaticReadout == 0 {
				f.QoS |= nodes.AutomaticReadout
			}
		}
	}
	n.last = r
	for up := n; ; up = up.parent {
		if len(up.watchers) > 0 {
			if diff, any := difference(&old, &r); any {
				diff.Node = up.spec.ID
				for _, w := range up.watchers {
					notices = append(notices, notice{w, diff})
				}
			}
		}
		if !up.typ.Part || up.parent == nil {
			return notices
		}
	}
}

// numbers leaves out fields that are not a number and names them in the error.
func (t *Tree) numbers(r nodes.Reading) nodes.Reading {
	bad := func(f nodes.Field) bool {
		return f.Value.IsZero() || f.Value.Kind() == nodes.KindDouble && !f.Value.IsNumber()
	}
	i := slices.IndexFunc(r.Fields, bad)
	if i < 0 {
		return r
	}
	if r.Err == nil {
		r.Err = t.failed(nodes.NotAcceptable, "read", r.Node, r.Fields[i].Name+" is not a number")
	}
	r.Fields = slices.DeleteFunc(slices.Clone(r.Fields), bad)
	return r
}

// difference returns what a watcher has to learn: the fields whose value or
// quality changed, and the error. After a failure all fields are flagged.
func difference(old, r *nodes.Reading) (nodes.Reading, bool) {
	out := nodes.Reading{Err: r.Err, MaxAge: r.MaxAge}
	failed, before := r.Err != nil, old.Err != nil
	for i := range r.Fields {
		f := &r.Fields[i]
		if failed == before && old.Node != "" && same(old.Fields, i, f) {
			continue
		}
		shown := *f
		if failed {
			shown.QoS |= nodes.Erroneous
		}
		out.Fields = append(out.Fields, shown)
	}
	return out, len(out.Fields) > 0 || failed != before || failed && r.Err.Error() != old.Err.Error()
}

// same tells whether a field is as before. Fields nearly always keep their place.
func same(old []nodes.Field, i int, f *nodes.Field) bool {
	if i >= len(old) || old[i].Name != f.Name {
		i = slices.IndexFunc(old, func(o nodes.Field) bool { return o.Name == f.Name })
		if i < 0 {
			return false
		}
	}
	return old[i].Value == f.Value && old[i].QoS == f.QoS && old[i].Writable == f.Writable
}

// parts calls f for the node and, in order, the nodes that describe a part of it,
// but for those that are disabled by themselves.
func parts(n *node, f func(*node)) {
	f(n)
	for _, c := range n.children {
		if c.typ.Part && (!c.off || n.off) {
			parts(c, f)
		}
	}
}

// readable tells whether a node can be asked for values.
func readable(n *node) bool { return n.typ.Caps&nodes.CanRead != 0 }

// Current returns a node's last values: for a device those of all its parts. A
// value older than its node's MaxAge carries the warning flag, after a failed
// attempt the last good one carries the error flag beside Err; what was never read
// is named in Err. fresh tells whether none of this is so, and asking the device would give nothing newer. ok is false when the
// node does not exist or has no values of its own. The fields are shared and must
// not be changed.
func (t *Tree) Current(id string) (r nodes.Reading, fresh, ok bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil || !readable(n) {
		return nodes.Reading{}, false, false
	}
	if n.off {
		return nodes.Reading{Node: id, Err: t.offError("read", n)}, true, true
	}
	r, fresh = current(n, now(), nil)
	return r, fresh, true
}

// current computes Current; the tree is locked for reading. lost are nodes that
// were asked for just now in vain, and why.
func current(n *node, at time.Time, lost map[string]error) (r nodes.Reading, fresh bool) {
	count := 0
	parts(n, func(*node) { count++ })
	if count == 1 {
		return shown(n, at, lost)
	}
	r.Node = n.spec.ID
	fresh = true
	var failures []failure
	r.Fields = make([]nodes.Field, 0, count)
	add := func(p *node) {
		one, ok := shown(p, at, lost)
		fresh = fresh && ok
		r.Fields = append(r.Fields, one.Fields...)
		if one.Err != nil {
			failures = append(failures, failure{p.spec.Name, one.Err})
		}
		if r.MaxAge == 0 || one.MaxAge > 0 && one.MaxAge < r.MaxAge {
			r.MaxAge = one.MaxAge
		}
	}
	parts(n, func(p *node) {
		if p != n {
			add(p)
		}
	})
	if n.last.Node != "" { // else a device without fields of its own
		add(n)
	}
	r.Err = joined(n, failures)
	return r, fresh
}

// shown is a node's own last reading with its flags.
func shown(n *node, at time.Time, lost map[string]error) (nodes.Reading, bool) {
	r := n.last
	r.Node = n.spec.ID
	stale := r.MaxAge > 0 && at.Sub(began)-n.at > r.MaxAge
	switch err := lost[n.spec.ID]; {
	case err != nil && (stale || r.Err != nil || n.last.Node == ""):
		r.Err = err
		r.Fields = flagged(r.Fields, nodes.Erroneous)
		return r, false
	case n.last.Node == "":
		r.Err = nodes.Errorf(nodes.Unreachable, "read", nodes.Ref{ID: n.spec.ID}, n.spec.Name+" has not been read yet")
		return r, false
	case r.Err != nil:
		r.Fields = flagged(r.Fields, nodes.Erroneous)
		return r, false
	case stale:
		r.Fields = flagged(r.Fields, nodes.Warning)
		return r, false
	}
	return r, true
}

func flagged(fields []nodes.Field, q nodes.QoS) []nodes.Field {
	out := slices.Clone(fields)
	for i := range out {
		out[i].QoS |= q
	}
	return out
}

// failure is why a part could not be read.
type failure struct {
	part string
	err  error
}

// joined makes one error of those of a device's parts.
func joined(n *node, list []failure) error {
	if len(list) == 0 {
		return nil
	}
	first := list[0].err
	alike := true
	for _, f := range list {
		alike = alike && f.err.Error() == first.Error()
	}
	if len(list) == 1 || alike {
		return first
	}
	const most = 3
	text := ""
	for i, f := range list {
		if i == most {
			text += fmt.Sprintf("; and %d more", len(list)-most)
			break
		}
		if i > 0 {
			text += "; "
		}
		text += f.part + ": " + cause(f.err)
	}
	return nodes.Errorf(nodes.KindOf(first), "read", nodes.Ref{ID: n.spec.ID}, text)
}

// cause is the text of an error without operation and node.
func cause(err error) string {
	var e *nodes.Error
	if errors.As(err, &e) && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}
