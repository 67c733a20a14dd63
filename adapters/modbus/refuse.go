package modbus

import (
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

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
		d.forgive(p)
		p.bad = true
		u.known[p.table].hole(p.first, p.first+p.words())
		d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventAddress, Text: text})
		d.replan(u)
	}
}

// forgive forgets that a point was refused, and tells whether it was bad.
func (d *device) forgive(p *point) bool {
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
