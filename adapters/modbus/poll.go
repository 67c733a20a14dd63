package modbus

import (
	"errors"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// poll reads the first block of the queue and sets its next time.
func (d *device) poll(b *block) {
	u := b.unit
	ready, rests := d.line.health.ready(u.peer)
	switch {
	case rests && !u.resting: // another device found it silent
		d.replanned, d.nextProbe = true, 0
		return
	case u.cfg.pause == 0 && ready > d.now(): // others have the line meanwhile
		b.next = ready
		d.queue.sink(0)
		return
	}
	d.ask(u, b.table, b.batch, polling)
	switch {
	case d.took == 0: // no answer
	case b.took == 0:
		b.took = d.took
	default:
		b.took += (d.took - b.took) / 8
	}
	d.advance(b, d.now())
	if !d.replanned {
		d.queue.sink(0)
	}
}

// owingPause is when to look again whether a unit's late answer to an earlier
// request has come.
const owingPause = 100 * time.Millisecond

// result is what became of a transaction.
type result uint8

const (
	unheard   result = iota // no answer, no connection, or the end
	delivered               // values came
	misplaced               // the address or the count is refused
	refused                 // refused otherwise, or answered wrongly
)

// transact does one transaction with a unit, reports the values that come, and takes
// note of the unit's state. The error is that of the line.
func (d *device) transact(u *unit, t wire.Table, b batch, p priority) (result, error) {
	r := wire.ReadRequest{Table: t, First: b.first, Count: b.words}
	c := &d.call
	c.unit, c.node, c.priority = u.cfg.id, u.id, p
	start := d.now()
	var ready moment
	c.dial, c.settle = d.cfg.timeout, d.cfg.settle
	c.timeout, ready = d.line.health.patience(u.peer, start, d.timeout(u), d.line.duration(5, 2+t.AnswerBytes(b.words)), d.timing.probe)
	if u.cfg.timeout > 0 && !u.resting {
		c.timeout = u.cfg.timeout // as a person says
	}
	if c.pause = u.cfg.pause; c.pause == 0 {
		c.pause = d.cfg.pause
		if ready > start {
			c.pause = max(c.pause, ready-d.lastEnd)
		}
	}
	c.late = c.late[:0]
	u.asked, d.tried, d.took = start, start, 0
	err := d.line.read(c, r)
	end := d.now()
	d.lastEnd = end
	d.hear(c.late)

	var exception wire.Exception
	var down *downError
	var wrong *answerError
	var broken *brokenError
	switch {
	case err == nil:
	case errors.As(err, &exception), errors.As(err, &wrong):
	case errors.As(err, &down):
		d.lost(down)
		return unheard, err
	case c.ctx.Err() != nil:
		return unheard, err
	case errors.As(err, &broken) && d.down != nil:
		d.retry = time.Now() // closed again at once: the line says when to try again
		return unheard, err
	}
	d.up()
	var silent *silentError
	if u.resting && errors.As(err, &silent) && silent.owing {
		d.line.health.later(u.peer, end+owingPause)
		return unheard, err
	}
	if exception == wire.PathUnavailable || exception == wire.TargetNotResponded || err != nil && exception == 0 && wrong == nil {
		u.counts.note(err)
		d.fell(u, what(r), err, start)
		return unheard, err
	}
	d.took = c.answered.Sub(c.sent)
	u.counts.note(err)
	d.answered(u, start, end, d.took)
	switch {
	case err == nil:
		if u.known[t].accept(b.words) {
			u.unsaved = true
			d.replan(u)
		}
		d.deliver(u, b, c)
		return delivered, nil
	case exception == wire.IllegalAddress || exception == wire.IllegalValue:
		return misplaced, err
	}
	return refused, err
}

// ask reads a batch, reports what came, and learns from what did not. It tells
// whether all values came.
func (d *device) ask(u *unit, t wire.Table, b batch, p priority) (whole bool) {
	switch result, err := d.transact(u, t, b, p); result {
	case delivered:
		return true
	case misplaced:
		d.split(u, t, b, p, err)
	case refused:
		d.refuse(u, b, wire.ReadRequest{Table: t, First: b.first, Count: b.words}, err)
	}
	return false
}

// hear takes note of units that answered too late.
func (d *device) hear(late []byte) {
	for _, id := range late {
		if d.line.health.late(id, d.now()) {
			d.nextProbe = 0
		}
	}
}

// deliver reports the fields of a batch: one call for one answer.
func (d *device) deliver(u *unit, b batch, c *call) {
	d.out = d.out[:0]
	fields := make([]nodes.Field, len(b.items))
	replan, waiting := false, false
	for i, it := range b.items {
		p := it.point
		reading := nodes.Reading{Node: p.id, MaxAge: p.maxAge}
		if v, err := p.value(b.first, c.data); err != nil {
			reading.Err = failure(nodes.NotAcceptable, p.id, d.line.addr+", unit "+itoa(u.cfg.id)+": "+err.Error())
		} else {
			fields[i] = nodes.Field{Name: p.name, Value: v, Time: c.answered, Category: nodes.Momentary}
			reading.Fields = fields[i : i+1 : i+1]
		}
		if p.bad || p.refused {
			replan = d.forgive(p) || replan
		}
		waiting = waiting || p.stale || len(p.waiters) > 0
		d.out = append(d.out, reading)
	}
	d.host.Report(d.out)
	if waiting {
		for i, it := range b.items {
			d.answerAll(it.point, d.out[i])
		}
	}
	if replan {
		d.replan(u)
	}
}
