package modbus

import (
	"errors"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// poll reads a block and sets its next time.
func (d *device) poll(u *unit, b *block) {
	d.ask(u, b.table, b.batch, false)
	b.advance(time.Now())
}

// ask reads a batch, reports what came, and learns from what did not. It tells
// whether the unit still answers.
func (d *device) ask(u *unit, t wire.Table, b batch, urgent bool) bool {
	r := wire.ReadRequest{Table: t, First: b.first, Count: b.words}
	c := &d.call
	c.unit, c.node, c.priority = u.cfg.id, u.id, polling
	if urgent {
		c.priority = reading
	}
	c.pause, c.settle = d.cfg.pause, d.cfg.settle
	c.timeout = d.patience(u)
	c.late = c.late[:0]
	start := time.Now()
	u.asked, d.tried = start, start
	err := d.line.read(c, r)
	d.hear(c.late)

	var refused wire.Exception
	var down *downError
	var wrong *answerError
	var broken *brokenError
	switch {
	case err == nil, errors.As(err, &refused), errors.As(err, &wrong):
	case errors.As(err, &down):
		d.lost(down)
		return false
	case c.ctx.Err() != nil:
		return false
	case errors.As(err, &broken) && d.down != nil:
		d.retry = start // closed again at once: the line says when to try again
		return false
	}
	d.up()
	switch {
	case err == nil:
		d.answered(u, c.answered.Sub(start))
		d.deliver(u, b, c)
	case refused == wire.PathUnavailable, refused == wire.TargetNotResponded:
		d.fell(u, what(r), err)
		return false
	case refused == wire.IllegalAddress, refused == wire.IllegalValue:
		d.answered(u, c.answered.Sub(start))
		return d.split(u, t, b, r, refused, urgent)
	case refused != 0, wrong != nil:
		d.answered(u, c.answered.Sub(start))
		d.refuse(u, b, r, err)
	default:
		d.fell(u, what(r), err)
		return false
	}
	return true
}

// patience is how long to wait for a unit. One that has never answered, or not the
// last time, gets only a multiple of what others lately took, so that it does not
// hold them up; should its answer come late, that is heard and it gets the full
// time, as it does now and then in any case.
func (d *device) patience(u *unit) time.Duration {
	switch {
	case u.slow, u.met && u.failures == 0, u.failures%4 == 3, len(d.units) == 1 && u.failures < 2:
		return d.cfg.timeout
	}
	return min(d.cfg.timeout, max(d.timing.probe, 8*d.slowest)+d.onWire(u))
}

// onWire is what the longest request of a unit takes on a serial line.
func (d *device) onWire(u *unit) (longest time.Duration) {
	if d.line.ep.kind != kindSerial {
		return 0
	}
	for _, b := range u.blocks {
		longest = max(longest, d.line.duration(5, 2+b.table.AnswerBytes(b.words)))
	}
	return longest
}

// hear takes note of units that answered too late.
func (d *device) hear(late []byte) {
	for _, id := range late {
		for _, u := range d.units {
			if u.cfg.id == id && u.silent != nil && !u.slow {
				u.slow = true
				u.probe = time.Now()
			}
		}
	}
}

// deliver reports the fields of a batch: one call for one answer.
func (d *device) deliver(u *unit, b batch, c *call) {
	d.out = d.out[:0]
	fields := make([]nodes.Field, len(b.items))
	replan := false
	for i, it := range b.items {
		p := it.point
		reading := nodes.Reading{Node: p.id, MaxAge: p.maxAge}
		if v, err := p.value(b.first, c.data); err != nil {
			reading.Err = failure(nodes.NotAcceptable, p.id, d.line.addr+", unit "+itoa(u.cfg.id)+": "+err.Error())
		} else {
			fields[i] = nodes.Field{Name: p.name, Value: v, Time: c.answered, Category: nodes.Momentary, Writable: p.writable}
			reading.Fields = fields[i : i+1 : i+1]
		}
		replan = d.accepted(p) || replan
		d.out = append(d.out, reading)
	}
	d.host.Report(d.out)
	for i, it := range b.items {
		d.answerAll(it.point, d.out[i])
	}
	if replan {
		d.replan(u)
	}
}

// split deals with a refused address or count: it asks for the parts, so that one
// bad register does not blank its neighbours, and remembers what to avoid.
func (d *device) split(u *unit, t wire.Table, b batch, r wire.ReadRequest, refused wire.Exception, urgent bool) bool {
	known := &u.known[t]
	if len(b.items) == 1 {
		d.bad(u, b.items[0].point, r, refused)
		return true
	}
	// First without the holes.
	lim := u.cfg.limits(t)
	parts := plan(b.items, limits{lim.words, 0}, known)
	if len(parts) > 1 {
		for i := 1; i < len(parts); i++ {
			known.hole(parts[i-1].first+parts[i-1].words, parts[i].first)
		}
	} else {
		parts = halves(b)
	}
	for _, part := range parts {
		if !d.ask(u, t, part, urgent) {
			return false
		}
	}
	clean := true
	for _, it := range b.items {
		clean = clean && !it.point.bad
	}
	if clean && len(parts) == 2 && parts[0].first+parts[0].words >= parts[1].first && parts[1].first > b.first {
		// Each half is right, the whole is not: the device wants a border here.
		known.cut(parts[1].first)
	}
	d.replan(u)
	return true
}

// halves splits the items of a batch, which are sorted by address.
func halves(b batch) []batch {
	mid := len(b.items) / 2
	return []batch{batchOf(b.items[:mid:mid]), batchOf(b.items[mid:])}
}

func batchOf(items []item) batch {
	b := batch{first: items[0].first, items: items}
	for _, it := range items {
		b.words = max(b.words, it.first+it.words-b.first)
	}
	return b
}

// refuse reports an exception, or a wrong answer, to a whole batch.
func (d *device) refuse(u *unit, b batch, r wire.ReadRequest, cause error) {
	text := d.where(u, r) + ": " + cause.Error()
	err := failure(nodes.NotAcceptable, u.id, text)
	if u.refused[r.Table] == 0 { // one message for a table, not one for each request
		d.host.Fault(u.id, nodes.Message{Severity: nodes.SeverityError, EventID: refusedEvent(r.Table), Text: text})
	}
	d.out = d.out[:0]
	for _, it := range b.items {
		p := it.point
		if !p.refused {
			p.refused = true
			u.refused[p.table]++
		}
		d.out = append(d.out, nodes.Reading{Node: p.id, Err: err, MaxAge: p.maxAge})
	}
	d.host.Report(d.out)
	for i, it := range b.items {
		d.answerAll(it.point, d.out[i])
	}
}

// bad reports a register that the unit refuses by itself.
func (d *device) bad(u *unit, p *point, r wire.ReadRequest, refused wire.Exception) {
	text := d.where(u, r) + ": " + refused.Error() + ". Check Table and Address (zero-based) and Type; the registers around it are read without it."
	reading := nodes.Reading{Node: p.id, Err: failure(nodes.NotAcceptable, p.id, text), MaxAge: p.maxAge}
	d.report(reading)
	d.answerAll(p, reading)
	if !p.bad {
		d.accepted(p)
		p.bad = true
		u.known[p.table].hole(p.first, p.first+p.words())
		d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventAddress, Text: text})
		d.replan(u)
	}
}

// accepted forgets that a point was refused, and tells whether it was bad.
func (d *device) accepted(p *point) bool {
	if p.refused {
		p.refused = false
		if p.unit.refused[p.table]--; p.unit.refused[p.table] == 0 {
			d.host.Clear(p.unit.id, refusedEvent(p.table))
		}
	}
	if !p.bad {
		return false
	}
	p.bad = false
	p.unit.known[p.table].fill(p.first, p.first+p.words())
	d.host.Clear(p.id, EventAddress)
	return true
}
