package tree

import (
	"context"
	"slices"
	"sync"

	"github.com/fieldhub/hub/nodes"
)

// flight is that somebody asks a device for a node. Others who want it wait. All of
// it is guarded by the tree's lock.
type flight struct {
	node    *node
	waiting []chan<- landing // they have room
}

// landing is the end of a flight.
type landing struct {
	leaf  string
	err   error // why there is no answer; nil: there is, or the device has none
	again bool  // whoever asked has given up
}

// Read yields the reading of each node once, one call at a time, as soon as it
// is there: current values from memory, the others from the devices, each asked
// at the same time. It returns after the last. When ctx ends, what is still open
// is yielded with the last values and an error; a device that does not heed ctx is
// not waited for.
func (t *Tree) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	r := &readout{t: t, yield: yield, open: make(map[string][]*request)}
	byDevice := make(map[*device][]string)
	t.mu.RLock()
	at := now()
	asked := make(map[string]bool)
	var ready []nodes.Reading
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		if seen[id] {
			continue
		}
		seen[id] = true
		n := t.nodes[id]
		if n == nil || !readable(n) {
			ready = append(ready, nodes.Reading{Node: id, Err: t.failed(nodes.Unsupported, "read", id, "this node has no values of its own")})
			continue
		}
		if n.off {
			ready = append(ready, nodes.Reading{Node: id, Err: t.offError("read", n)})
			continue
		}
		if reading, fresh := current(n, at, nil); fresh {
			ready = append(ready, reading)
			continue
		}
		q := &request{id: id}
		parts(n, func(p *node) {
			if p.last.Node == "" && p == n && hasParts(n) {
				return // a device without fields of its own
			}
			if _, fresh := shown(p, at, nil); fresh || p.owner == nil {
				return
			}
			q.left++
			leaf := p.spec.ID
			r.open[leaf] = append(r.open[leaf], q)
			if !asked[leaf] {
				asked[leaf] = true
				byDevice[p.owner] = append(byDevice[p.owner], leaf)
			}
		})
		if q.left == 0 {
			reading, _ := current(n, at, nil)
			ready = append(ready, reading)
		}
	}
	t.mu.RUnlock()
	for _, reading := range ready {
		r.say(reading)
	}
	var wg sync.WaitGroup
	for d, leaves := range byDevice {
		wg.Go(func() { r.ask(ctx, d, leaves) })
	}
	wg.Wait()
	r.rest(ctx)
}

// readout is one call of Read.
type readout struct {
	t     *Tree
	mu    sync.Mutex
	yield func(nodes.Reading)
	open  map[string][]*request // by leaf that is waited for
	over  bool                  // Read has returned
}

// request is one of the nodes asked for.
type request struct {
	id   string
	left int              // leaves still waited for
	lost map[string]error // leaves that could not be read, and why
	said bool
}

func (r *readout) say(reading nodes.Reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.yield(reading)
}

// hasParts tells whether nodes describe parts of this one.
func hasParts(n *node) bool {
	return slices.ContainsFunc(n.children, func(c *node) bool { return c.typ.Part })
}

// ask gets the leaves of one device: those that nobody asks for yet from the
// device, the others from whoever does.
func (r *readout) ask(ctx context.Context, d *device, leaves []string) {
	landed := make(chan landing, len(leaves))
	mine, others := r.claim(d, leaves, landed)
	var wg sync.WaitGroup
	defer wg.Wait()
	if len(mine) > 0 {
		if others == 0 {
			r.fetch(ctx, d, mine)
			return
		}
		wg.Go(func() { r.fetch(ctx, d, mine) })
	}
	for ; others > 0; others-- {
		select {
		case l := <-landed:
			if l.again {
				wg.Go(func() { r.ask(ctx, d, []string{l.leaf}) }) // in his place
			} else {
				r.settled(l.leaf, l.err)
			}
		case <-ctx.Done():
			return
		}
	}
}

// claim divides leaves into those that we ask for, which it returns, and those
// that others do: their count, and each comes through landed.
func (r *readout) claim(d *device, leaves []string, landed chan<- landing) (mine map[string]*flight, others int) {
	mine = make(map[string]*flight, len(leaves))
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	for _, leaf := range leaves {
		n := r.t.nodes[leaf]
		switch {
		case n == nil || n.owner != d: // gone meanwhile
			others++
			landed <- landing{leaf: leaf}
		case n.flight != nil:
			others++
			n.flight.waiting = append(n.flight.waiting, landed)
		default:
			n.flight = &flight{node: n}
			mine[leaf] = n.flight
		}
	}
	return mine, others
}

// fetch asks the device for leaves.
func (r *readout) fetch(ctx context.Context, d *device, mine map[string]*flight) {
	ids := make([]string, 0, len(mine))
	for leaf := range mine {
		ids = append(ids, leaf)
	}
	slices.Sort(ids)
	var mu sync.Mutex // the device may still yield when it is not waited for any more
	take := func(leaf string) *flight {
		mu.Lock()
		defer mu.Unlock()
		f := mine[leaf]
		delete(mine, leaf)
		return f
	}
	s, err := d.current()
	if err != nil {
		// Nothing is stored: the device itself will say more when it runs.
		err = &nodes.Error{Op: "read", Ref: r.t.reference(d.id), Kind: nodes.Unreachable, Err: err}
	} else {
		err = s.read(ctx, ids, func(reading nodes.Reading) {
			f := take(reading.Node)
			if f == nil {
				return
			}
			r.t.report(d, []nodes.Reading{reading})
			r.t.land(f, landing{leaf: reading.Node})
			r.settled(reading.Node, nil)
		}, func() { // the device has returned, perhaps long after us
			for _, leaf := range ids {
				if f := take(leaf); f != nil {
					r.t.land(f, landing{leaf: leaf, again: true})
				}
			}
		})
		if err == errGivenUp {
			return
		}
		if err != nil {
			err = &nodes.Error{Op: "read", Ref: r.t.reference(d.id), Kind: nodes.Unreachable, Err: err}
		}
	}
	for _, leaf := range ids {
		if f := take(leaf); f != nil {
			r.t.land(f, landing{leaf: leaf, err: err})
			r.settled(leaf, err)
		}
	}
}

// land ends a flight.
func (t *Tree) land(f *flight, l landing) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f.node.flight == f {
		f.node.flight = nil
	}
	for _, landed := range f.waiting {
		landed <- l
	}
	f.waiting = nil
}

func (t *Tree) reference(id string) nodes.Ref { return nodes.Ref{Source: t.cfg.Source, ID: id} }

// settled tells that a leaf needs no more waiting, and why there is no answer (nil:
// there is), and yields what is complete.
func (r *readout) settled(leaf string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.over {
		return // the answer came too late; it is stored
	}
	for _, q := range r.open[leaf] {
		q.lose(leaf, err)
		if q.left--; q.left == 0 && !q.said {
			q.said = true
			r.finish(q)
		}
	}
	delete(r.open, leaf)
}

// lose notes why a leaf could not be read; nil: it could.
func (q *request) lose(leaf string, err error) {
	if err == nil {
		return
	}
	if q.lost == nil {
		q.lost = make(map[string]error)
	}
	q.lost[leaf] = err
}

// finish yields a node as it is now.
func (r *readout) finish(q *request) {
	t := r.t
	t.mu.RLock()
	reading := nodes.Reading{Node: q.id}
	if n := t.nodes[q.id]; n != nil && n.off {
		reading.Err = t.offError("read", n)
	} else if n != nil && readable(n) {
		reading, _ = current(n, now(), q.lost)
	} else {
		reading.Err = t.failed(nodes.Gone, "read", q.id, "the node was removed meanwhile")
	}
	t.mu.RUnlock()
	r.yield(reading)
}

// rest yields what did not come in time.
func (r *readout) rest(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	text := "the device did not answer in time"
	if ctx.Err() == context.Canceled {
		text = "the readout was stopped before the device answered"
	}
	r.over = true
	for leaf, list := range r.open {
		for _, q := range list {
			q.lose(leaf, r.t.failed(nodes.Timeout, "read", leaf, text))
		}
	}
	for _, list := range r.open {
		for _, q := range list {
			if !q.said {
				q.said = true
				r.finish(q)
			}
		}
	}
}
