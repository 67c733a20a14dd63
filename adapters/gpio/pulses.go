package gpio

import (
	"fmt"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// sequence is pulses under way.
type sequence struct {
	on, off time.Duration
	left    int // pulses to come; -1: without end
	next    time.Time
}

// advance does what is due of an output, and returns when to come again; the zero
// time: not.
func (d *device) advance(p *pin, now time.Time) (next time.Time) {
	o := &p.output
	if s := o.sequence; s != nil && !now.Before(s.next) {
		d.toggle(p, s, now)
	}
	if !o.lease.IsZero() && !now.Before(o.lease) {
		d.log.Warn("a lease ended", "node", p.id, "lease", p.out.lease)
		d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityWarning, EventID: EventLease,
			Text: fmt.Sprintf("%s was not set again within its lease of %v and shows its safe value, %s", p.place, p.out.lease, p.out.safe)})
		d.makeSafe(p, now)
	}
	next = o.lease
	if s := o.sequence; s != nil && (next.IsZero() || s.next.Before(next)) {
		next = s.next
	}
	return next
}

// toggle begins or ends a pulse.
func (d *device) toggle(p *pin, s *sequence, now time.Time) {
	on, span := !p.output.value, s.on
	if !on {
		span = s.off
		if s.left == 0 {
			p.output.sequence = nil
		}
	} else if s.left > 0 {
		s.left--
	}
	if err := d.drive(p, on, now); err != nil {
		d.log.Warn("pulses ended early", "node", p.id, "error", err)
		p.output.sequence = nil
		d.giveUp(p, now)
		return
	}
	s.next = p.output.since.Add(span) // what began late is not shortened
}

// giveUp sets an output off whose pulse failed: it may be on, though it does not
// show it.
func (d *device) giveUp(p *pin, now time.Time) {
	if p.output.value {
		p.output.sequence = nil
		if err := d.drive(p, false, now); err != nil {
			d.log.Warn("an output cannot be set off", "node", p.id, "error", err)
		}
	} else if p.output.sequence == nil {
		d.locks.release(p.id, "")
	}
}

// pulses begins pulses.
func (d *device) pulses(node string, s sequence) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	p := d.byID[node]
	no := func(kind nodes.ErrorKind, text string) error {
		return nodes.Errorf(kind, "pulse", nodes.In(node), text)
	}
	switch {
	case !d.running:
		return no(nodes.Gone, "the chip was stopped")
	case p == nil || p.out == nil:
		return no(nodes.NotFound, "no output of that name here")
	case !p.out.writable:
		return no(nodes.NotAcceptable, p.place+" may not be set: Writable is false")
	case p.line == nil:
		return no(nodes.Unreachable, d.why(p).Err.Error())
	case p.output.value && p.output.sequence == nil:
		return no(nodes.Conflict, p.place+" is on: set it off first")
	case s.on < p.out.minOn:
		return no(nodes.NotAcceptable, fmt.Sprintf("%s has to stay on for %v at least", p.place, p.out.minOn))
	case s.left != 0 && s.off < p.out.minOff:
		return no(nodes.NotAcceptable, fmt.Sprintf("%s has to stay off for %v at least", p.place, p.out.minOff))
	case p.output.value:
		return no(nodes.Conflict, p.place+" is in the middle of a pulse: try again afterwards, or set it off first")
	}
	before := p.output.sequence
	p.output.sequence = &s
	if err := d.switchTo(p, true, now); err != nil {
		p.output.sequence = before
		d.giveUp(p, now)
		return err
	}
	s.next = p.output.since.Add(s.on)
	d.host.Clear(p.id, EventLease, EventInterlock)
	d.renew(p, now)
	d.poke()
	return nil
}
