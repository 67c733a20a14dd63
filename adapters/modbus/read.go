package modbus

import (
	"context"
	"slices"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// triedLately is how young a failure must be to answer a reader without asking
// again.
const triedLately = time.Second

// readCall is one call of Read.
type readCall struct {
	ctx context.Context
	ids []string
	out chan nodes.Reading // has room for all
}

// waiter is somebody who waits for a point: for itself, or for its unit.
type waiter struct {
	call *readCall
	sum  *sum // nil: for the point itself
}

// sum gathers the points of a unit into one reading.
type sum struct {
	left    int
	reading nodes.Reading
	own     []nodes.Field // of the unit itself
}

// Read implements [nodes.Reader].
func (d *device) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	call := &readCall{ctx, ids, make(chan nodes.Reading, len(ids))}
	d.inbox.mu.Lock()
	d.inbox.reads = append(d.inbox.reads, call)
	d.inbox.mu.Unlock()
	d.poke()
	left := make(map[string]bool, len(ids))
	for _, id := range ids {
		left[id] = true
	}
	for len(left) > 0 {
		select {
		case r := <-call.out:
			if left[r.Node] {
				delete(left, r.Node)
				yield(r)
			}
		case <-ctx.Done():
			return
		case <-d.ended:
			for _, id := range ids {
				if left[id] {
					delete(left, id)
					yield(nodes.Reading{Node: id, Err: failure(nodes.Gone, id, "the gateway was stopped")})
				}
			}
		}
	}
}

// begin takes up a call of Read.
func (d *device) begin(call *readCall) {
	for _, id := range call.ids {
		if p := d.points[id]; p != nil {
			d.want(p, waiter{call: call})
			continue
		}
		u := d.unit(id)
		switch {
		case u != nil && len(u.points) > 0:
			w := waiter{call, &sum{len(u.points), nodes.Reading{Node: id}, d.unitStatus(u).Fields}}
			for _, p := range u.points {
				d.want(p, w)
			}
		case u != nil:
			call.out <- d.unitStatus(u)
		case id == d.id:
			call.out <- d.lineStatus(d.now())
		default:
			call.out <- nodes.Reading{Node: id, Err: failure(nodes.NotFound, id, "no such register here")}
		}
	}
}

// want lets somebody wait for a point, or answers at once when the reason why it
// cannot be read is fresh.
func (d *device) want(p *point, w waiter) {
	u := p.unit
	p.waiters = append(p.waiters, w)
	switch {
	case d.down != nil && d.now()-d.tried < triedLately:
		d.answerAll(p, nodes.Reading{Node: p.id, Err: d.down, MaxAge: p.maxAge})
	case d.down == nil && u.silent != nil && (d.now()-u.asked < triedLately || !d.line.health.hasten(u.peer, d.now())):
		d.answerAll(p, nodes.Reading{Node: p.id, Err: u.silent, MaxAge: p.maxAge})
	case d.down == nil && u.silent != nil:
		d.nextProbe = 0 // after those who answer
	default:
		d.await(u, p)
	}
}

// await queues a unit when somebody waits for a point of it.
func (d *device) await(u *unit, p *point) {
	if (p.stale || len(p.waiters) > 0) && !u.queued {
		u.queued = true
		d.urgent = append(d.urgent, u)
	}
}

// answerAll gives a reading to all who wait for the point.
func (d *device) answerAll(p *point, r nodes.Reading) {
	for _, w := range p.waiters {
		if w.sum == nil {
			w.call.out <- r
			continue
		}
		s := w.sum
		s.reading.Fields = append(s.reading.Fields, r.Fields...)
		if r.Err != nil && s.reading.Err == nil {
			s.reading.Err = r.Err
		}
		if s.reading.MaxAge == 0 || r.MaxAge < s.reading.MaxAge {
			s.reading.MaxAge = r.MaxAge
		}
		if s.left--; s.left == 0 {
			s.reading.Fields = append(s.reading.Fields, s.own...)
			w.call.out <- s.reading
		}
	}
	p.waiters, p.stale = p.waiters[:0], false
}

// answerWaiters gives an error to all who wait for anything.
func (d *device) answerWaiters(err error) {
	for _, p := range d.points {
		d.answerAll(p, nodes.Reading{Node: p.id, Err: err, MaxAge: p.maxAge})
	}
}

// nextUrgent returns the unit whose readers wait longest and takes it to the end
// of the queue.
func (d *device) nextUrgent() *unit {
	for len(d.urgent) > 0 {
		u := d.urgent[0]
		d.urgent = slices.Delete(d.urgent, 0, 1)
		u.queued = false
		waiting := false
		for _, p := range u.points {
			p.waiters = slices.DeleteFunc(p.waiters, func(w waiter) bool { return w.call.ctx.Err() != nil })
			waiting = waiting || p.stale || len(p.waiters) > 0
		}
		switch {
		case !waiting:
		case u.silent != nil && d.down == nil:
		default:
			return u
		}
	}
	return nil
}

// readUrgent sends one request for what readers want of a unit.
func (d *device) readUrgent(u *unit) {
	var items []item
	var t wire.Table
	for _, p := range u.points {
		if len(p.waiters) == 0 && !p.stale || t != 0 && p.table != t {
			continue
		}
		t = p.table
		items = append(items, u.item(p))
	}
	d.ask(u, t, plan(items, u.limits(t), &u.known[t])[0], reading)
	for _, p := range u.points {
		d.await(u, p)
	}
}
