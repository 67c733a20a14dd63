package tree

import (
	"context"
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// eventReader is a [Store] that tells of the events that it keeps, oldest first,
// until f returns false.
type eventReader interface {
	Events(since time.Time, f func(nodes.Event) bool) error
}

// Member is a node of a branch.
type Member struct {
	ID       string
	Parent   string // id; empty for the root
	State    nodes.State
	Part     bool // its values are among those of its parent
	Readable bool
}

// Branch returns a node and all below it, parents first, in order; none when there
// is no such node.
func (t *Tree) Branch(id string) (out []Member) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil {
		return nil
	}
	n.each(func(n *node) {
		out = append(out, Member{n.spec.ID, n.spec.Parent, n.state, n.typ.Part && !(n.off && !n.parent.off), readable(n)})
	})
	return out
}

// Falls returns how often each node went into error since a time, as far as the
// store keeps events; ok is false when it does not tell of them. It ends early with
// ctx.
func (t *Tree) Falls(ctx context.Context, since time.Time) (count map[string]int, ok bool) {
	store, ok := t.cfg.Store.(eventReader)
	if !ok {
		return nil, false
	}
	t.mu.RLock()
	waiting := slices.Clone(t.unsaved)
	t.mu.RUnlock()
	count = make(map[string]int)
	failed := make(map[string]bool)
	var last time.Time
	take := func(e nodes.Event) bool {
		id := e.Info.Ref.ID
		switch {
		case e.Kind == nodes.NodeRemoved:
			delete(count, id)
			delete(failed, id)
		case e.Kind == nodes.NodeUpdated && e.OldID != "":
			count[id], failed[id] = count[e.OldID], failed[e.OldID]
			delete(count, e.OldID)
			delete(failed, e.OldID)
		case e.Kind == nodes.NodeStatusChanged:
			now := e.Info.State >= nodes.StateErrorSigned
			if now && !failed[id] {
				count[id]++
			}
			failed[id] = now
		}
		return ctx.Err() == nil
	}
	err := store.Events(since, func(e nodes.Event) bool {
		last = e.Time
		return take(e)
	})
	if err != nil {
		t.log.Warn("events not read", "error", err)
		return nil, false
	}
	for _, e := range waiting {
		if e.Time.After(last) { // else it was written meanwhile
			take(e)
		}
	}
	return count, true
}
