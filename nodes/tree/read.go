package tree

import (
	"context"
	"errors"
	"sync"

	"github.com/fieldhub/hub/nodes"
)

// flight is that somebody asks a device for a node; others wait for it.
type flight struct{ done chan struct{} }

// Read yields the reading of each node once, one call at a time, as soon as it
// is there: current values from memory, the others from the devices, each asked
// at the same time. It returns after the last. When ctx ends, what is still open
// is yielded with the last values and an error.
func (t *Tree) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	r := &readout{t: t, yield: yield, open: make(map[string][]*request)}
	byDevice := make(map[*device][]string)
	t.mu.RLock()
	at := now()
	asked := make(map[string]bool)
	var ready []nodes.Reading
	for _, id := range ids {
		n := t.nodes[id]
		if n == nil || !readable(n) {
			ready = append(ready, nodes.Reading{Node: id, Err: t.failed(nodes.Unsupported, "read", id, "this node has no values of its own")})
			continue
		}
		if reading, fresh := current(n, at, nil); fresh {
			ready = append(ready, reading)
			continue
		}
		q := &request{id: id}
		parts(n, func(p *node) {
			if p.last.Node == "" && p == n && len(n.children) > 0 && n.children[0].typ.Part {
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

// ask gets the leaves of one device: those that nobody asks for yet from the
// device, the others from whoever does.
func (r *readout) ask(ctx context.Context, d *device, leaves []string) {
	for round := 0; len(leaves) > 0 && ctx.Err() == nil; round++ {
		mine, others := r.claim(d, leaves)
		if len(mine) > 0 {
			r.fetch(ctx, d, mine)
		}
		leaves = nil
		for leaf, f := range others {
			select {
			case <-f.done:
			case <-ctx.Done():
				return
			}
			// Whoever asked may have given up: then ask, but not for ever.
			if round < 2 && r.stale(leaf) {
				leaves = append(leaves, leaf)
			} else {
				r.answered(leaf)
			}
		}
	}
}

func (r *readout) stale(leaf string) bool {
	r.t.mu.RLock()
	defer r.t.mu.RUnlock()
	n := r.t.nodes[leaf]
	if n == nil {
		return false
	}
	_, fresh := shown(n, now(), nil)
	return !fresh && n.last.Err == nil
}

// claim divides leaves into those that we ask for and those that others do.
func (r *readout) claim(d *device, leaves []string) (mine []string, others map[string]*flight) {
	others = make(map[string]*flight)
	r.t.mu.Lock()
	defer r.t.mu.Unlock()
	for _, leaf := range leaves {
		n := r.t.nodes[leaf]
		switch {
		case n == nil || n.owner != d:
			others[leaf] = &flight{done: closed} // gone meanwhile
		case n.flight != nil:
			others[leaf] = n.flight
		default:
			n.flight = &flight{done: make(chan struct{})}
			mine = append(mine, leaf)
		}
	}
	return mine, others
}

var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

func (r *readout) fetch(ctx context.Context, d *device, mine []string) {
	waiting := make(map[string]bool, len(mine))
	for _, leaf := range mine {
		waiting[leaf] = true
	}
	dev, err := d.current()
	reader, ok := dev.(nodes.Reader)
	switch {
	case dev == nil:
		if err == nil {
			err = errors.New("it is not running")
		}
		// Nothing is stored: the device itself will say more when it runs.
		err = &nodes.Error{Op: "read", Ref: nodes.In(d.id), Kind: nodes.Unreachable, Err: err}
	case ok:
		reader.Read(ctx, mine, func(reading nodes.Reading) {
			if !waiting[reading.Node] {
				return
			}
			delete(waiting, reading.Node)
			r.t.report(d, []nodes.Reading{reading})
			r.t.land(reading.Node)
			r.answered(reading.Node)
		})
	}
	for leaf := range waiting {
		r.t.land(leaf)
		if ctx.Err() == nil {
			r.failed(leaf, err)
		}
	}
}

// land ends the flight of a leaf.
func (t *Tree) land(leaf string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := t.nodes[leaf]; n != nil && n.flight != nil {
		close(n.flight.done)
		n.flight = nil
	}
}

// answered tells that a leaf needs no more waiting, and yields what is complete.
func (r *readout) answered(leaf string) { r.failed(leaf, nil) }

func (r *readout) failed(leaf string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
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
	if n := t.nodes[q.id]; n != nil && readable(n) {
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
