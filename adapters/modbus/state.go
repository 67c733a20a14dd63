package modbus

import (
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// The event ids of messages that the adapter sets on nodes.
const (
	EventConnection = "Connection" // gateway: there is no connection
	EventSilent     = "Timeout"    // unit: it does not answer
	EventRefused    = "Exception"  // unit, with the table behind a blank: a request is refused
	EventAddress    = "Address"    // register: the unit refuses its address
	EventBudget     = "Budget"     // gateway: what is to be read takes more time than there is
	EventInterest   = "Interest"   // any: a subscriber wants values more often than they come
)

func refusedEvent(t wire.Table) string { return EventRefused + " " + t.String() }

func itoa(b byte) string { return strconv.Itoa(int(b)) }

// lost takes note that there is no connection, and marks everything below.
func (d *device) lost(e *downError) {
	d.retry = e.retry
	if d.down != nil && d.down.Err.Error() == e.Error() {
		d.answerWaiters(d.down)
		return
	}
	text := e.Error()
	first := d.down == nil
	d.down = failure(nodes.Unreachable, d.id, text)
	d.host.Fault(d.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventConnection,
		Text: text + ". Check the device, the network, Host and Port; it is tried again by itself."})
	d.out = d.out[:0]
	d.line.health.unknown(d.now())
	d.replanned = true
	for _, u := range d.units {
		d.recovered(u) // what is behind a lost connection is unknown
		for _, p := range u.points {
			d.out = append(d.out, nodes.Reading{Node: p.id, Err: d.down, MaxAge: p.maxAge})
		}
	}
	d.host.Report(d.out)
	if first {
		d.log.Warn("modbus: gateway lost", "address", e.addr, "error", e.err)
	}
	d.answerWaiters(d.down)
}

// up takes note that there is a connection.
func (d *device) up() {
	if d.down == nil {
		return
	}
	d.down = nil
	d.host.Clear(d.id, EventConnection)
	d.log.Info("modbus: gateway back", "address", d.line.addr)
}

// fell takes note that a unit did not answer a request that began at start. All its
// points are marked at once; from then on only probes are sent, with growing pauses.
func (d *device) fell(u *unit, what string, cause error, start moment) {
	text := d.place(u, what) + ": " + cause.Error()
	d.line.health.failed(u.peer, start, d.now(), d.timing.unit, text)
	d.mark(u, text)
	for _, p := range u.points {
		d.answerAll(p, nodes.Reading{Node: p.id, Err: u.silent, MaxAge: p.maxAge})
	}
}

// mark shows that a unit is silent, unless that is shown.
func (d *device) mark(u *unit, why string) {
	if !u.resting {
		u.resting, d.replanned = true, true
	}
	d.nextProbe = 0
	if u.silent != nil {
		return
	}
	u.silent = failure(nodes.Timeout, u.id, why)
	d.host.Fault(u.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventSilent,
		Text: why + ". Check the unit's power, wiring and UnitId; it is tried again by itself."})
	d.out = d.out[:0]
	for _, p := range u.points {
		d.out = append(d.out, nodes.Reading{Node: p.id, Err: u.silent, MaxAge: p.maxAge})
	}
	d.host.Report(d.out)
	d.log.Warn("modbus: unit silent", "unit", u.id, "error", why)
}

// answered takes note of an answer of a unit.
func (d *device) answered(u *unit, start, end moment, took time.Duration) {
	if d.line.health.answered(u.peer, start, end, took) {
		u.unsaved = true
		d.settle(u)
	}
	if u.resting {
		d.wake(u)
	}
	if u.silent != nil {
		d.log.Info("modbus: unit answers again", "unit", u.id)
		d.recovered(u)
	}
}

// wake has a unit polled that rested: what it missed is due now.
func (d *device) wake(u *unit) {
	u.resting, d.replanned = false, true
	for _, b := range u.blocks {
		b.next = min(b.next, d.now())
	}
}

// recovered clears a unit's silence.
func (d *device) recovered(u *unit) {
	if u.silent != nil {
		u.silent = nil
		d.host.Clear(u.id, EventSilent)
	}
	for _, p := range u.points {
		d.await(u, p)
	}
}

// nextSilent returns the unit that rests and is to be asked first, and when; nil:
// there is none.
func (d *device) nextSilent(now moment) (first *unit, at moment) {
	at = now + time.Hour
	for _, u := range d.units {
		if !u.resting || len(u.blocks) == 0 {
			continue
		}
		t, why, rests := d.line.health.due(u.peer, now)
		switch {
		case !rests: // another device heard it
			d.wake(u)
			d.recovered(u)
			continue
		case why != "":
			d.mark(u, why) // another device found that out
		}
		if t < at {
			first, at = u, t
		}
	}
	d.nextProbe = at
	return first, at
}

// probe asks a unit that rests for something, each time for something else: where
// half of all answers are lost, all its values shall come now and then.
func (d *device) probe(u *unit) {
	d.nextProbe = 0
	u.turn++
	b := u.blocks[u.turn%len(u.blocks)]
	d.ask(u, b.table, b.batch, polling)
	if u.resting || len(u.blocks) == 0 {
		return
	}
	if slices.Contains(u.blocks, b) && b.next <= d.now() { // its values came just now
		d.advance(b, d.now())
	}
}

// hearNote takes note of what was done outside Run.
func (d *device) hearNote(n note) {
	u := d.unit(n.unit)
	if u == nil {
		return
	}
	now := d.now()
	u.counts.note(n.err)
	var refused wire.Exception
	var wrong *answerError
	var down *downError
	var silent *silentError
	var broken *brokenError
	var damaged *damagedError
	switch {
	case n.err == nil, errors.As(n.err, &refused) && refused != wire.PathUnavailable && refused != wire.TargetNotResponded, errors.As(n.err, &wrong):
		d.up()
		d.answered(u, now-n.took, now, n.took)
	case errors.As(n.err, &down):
		d.lost(down)
	case refused != 0, errors.As(n.err, &silent), errors.As(n.err, &broken), errors.As(n.err, &damaged):
		d.fell(u, n.what, n.err, now-n.took)
	}
}
