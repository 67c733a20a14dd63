package datasources

import (
	"context"
	"slices"
	"sync"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// share is the part of a readout that one tree answers.
type share struct {
	tree *tree.Tree
	ids  []string               // each once, in order
	refs map[string][]nodes.Ref // as the caller wrote them
}

// shares checks the readout and divides it. A node that may not be seen is
// NotFound, one that may not be read Forbidden.
func (c *Catalog) shares(who nodes.Caller, op string, refs []nodes.Ref) ([]*share, error) {
	var out []*share
	for _, ref := range refs {
		t, err := c.node(who, op, ref, nodes.Read)
		if err != nil {
			return nil, err
		}
		var s *share
		for _, have := range out {
			if have.tree == t {
				s = have
			}
		}
		if s == nil {
			s = &share{tree: t, refs: make(map[string][]nodes.Ref)}
			out = append(out, s)
		}
		if s.refs[ref.ID] == nil {
			s.ids = append(s.ids, ref.ID)
		}
		if !slices.Contains(s.refs[ref.ID], ref) { // asked for twice, answered once
			s.refs[ref.ID] = append(s.refs[ref.ID], ref)
		}
	}
	return out, nil
}

// Current answers a readout at once from values fresh enough. When all are, it
// yields every node once, in the order asked for, and returns true; otherwise it yields
// nothing and returns false. It never waits.
func (c *Catalog) Current(who nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (bool, error) {
	if len(ro.Refs) == 1 { // most readouts
		ref := ro.Refs[0]
		t, err := c.node(who, "read", ref, nodes.Read)
		if err != nil {
			return false, err
		}
		r, fresh, ok := t.Current(ref.ID)
		if !ok {
			r, fresh = unreadable(ref), true
		}
		if fresh {
			yield(ref, wanted(ro, r))
		}
		return fresh, nil
	}
	shares, err := c.shares(who, "read", ro.Refs)
	if err != nil {
		return false, err
	}
	readings := make([]nodes.Reading, len(ro.Refs))
	for i, ref := range ro.Refs {
		source := ref.Resolved().Source
		at := slices.IndexFunc(shares, func(s *share) bool { return s.tree.ID() == source })
		r, fresh, ok := shares[at].tree.Current(ref.ID)
		if !ok {
			r, fresh = unreadable(ref), true
		}
		if !fresh {
			return false, nil
		}
		readings[i] = r
	}
	said := make(map[nodes.Ref]bool, len(ro.Refs))
	for i, ref := range ro.Refs {
		if !said[ref] {
			said[ref] = true
			yield(ref, wanted(ro, readings[i]))
		}
	}
	return true, nil
}

// Read answers a readout, asking devices where values are not fresh enough. It
// yields each node once, one call at a time, as soon as its reading is there, and
// returns after the last. When ctx ends, nodes still open are yielded with an
// error.
func (c *Catalog) Read(ctx context.Context, who nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error {
	shares, err := c.shares(who, "read", ro.Refs)
	if err != nil {
		return err
	}
	var mu sync.Mutex
	read := func(s *share) {
		s.tree.Read(ctx, s.ids, func(r nodes.Reading) {
			mu.Lock()
			defer mu.Unlock()
			for _, ref := range s.refs[r.Node] {
				yield(ref, wanted(ro, r))
			}
		})
	}
	var wg sync.WaitGroup
	for i, s := range shares {
		if i == len(shares)-1 {
			read(s)
			break
		}
		wg.Go(func() { read(s) })
	}
	wg.Wait()
	return nil
}

// wanted leaves the fields that the readout asks for. The reading's fields are
// shared and stay as they are.
func wanted(ro *nodes.Readout, r nodes.Reading) nodes.Reading {
	n := 0
	for i := range r.Fields {
		if ro.Wants(&r.Fields[i]) {
			n++
		}
	}
	if n == len(r.Fields) {
		return r
	}
	fields := make([]nodes.Field, 0, n)
	for i := range r.Fields {
		if ro.Wants(&r.Fields[i]) {
			fields = append(fields, r.Fields[i])
		}
	}
	r.Fields = fields
	return r
}

func unreadable(ref nodes.Ref) nodes.Reading {
	return nodes.Reading{Node: ref.ID, Err: nodes.Errorf(nodes.Unsupported, "read", ref, "this node has no values of its own")}
}
