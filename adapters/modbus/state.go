package modbus

import (
	"errors"
	"math/rand/v2"
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

// fell takes note that a unit does not answer. At the first time all its points
// are marked at once; from then on only probes are sent, with growing pauses.
func (d *device) fell(u *unit, what string, cause error) {
	u.failures++
	u.slow = false
	wait := d.timing.unit.after(u.failures)
	u.probe = time.Now().Add(wait - wait/8 + rand.N(wait/4+1))
	if u.silent == nil {
		text := d.place(u, what) + ": " + cause.Error()
		u.silent = failure(nodes.Timeout, u.id, text)
		d.host.Fault(u.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventSilent,
			Text: text + ". Check the unit's power, wiring and UnitId; it is tried again by itself."})
		d.out = d.out[:0]
		for _, p := range u.points {
			d.out = append(d.out, nodes.Reading{Node: p.id, Err: u.silent, MaxAge: p.maxAge})
		}
		d.host.Report(d.out)
		d.log.Warn("modbus: unit silent", "unit", u.id, "error", cause)
	}
	for _, p := range u.points {
		d.answerAll(p, nodes.Reading{Node: p.id, Err: u.silent, MaxAge: p.maxAge})
	}
}

// answered takes note of an answer of a unit.
func (d *device) answered(u *unit, took time.Duration) {
	d.slowest = max(took, d.slowest-d.slowest/64)
	u.met = true
	if u.silent != nil {
		d.log.Info("modbus: unit answers again", "unit", u.id)
		d.recovered(u)
	}
}

// recovered clears a unit's silence.
func (d *device) recovered(u *unit) {
	u.failures, u.slow = 0, false
	if u.silent != nil {
		u.silent = nil
		d.host.Clear(u.id, EventSilent)
	}
	for _, p := range u.points {
		d.await(u, p)
	}
}

// hearNote takes note of what was done outside Run.
func (d *device) hearNote(n note) {
	u := d.unit(n.unit)
	if u == nil {
		return
	}
	var refused wire.Exception
	var wrong *answerError
	var down *downError
	var silent *silentError
	var broken *brokenError
	var damaged *damagedError
	switch {
	case n.err == nil, errors.As(n.err, &refused) && refused != wire.PathUnavailable && refused != wire.TargetNotResponded, errors.As(n.err, &wrong):
		d.up()
		d.answered(u, n.took)
	case errors.As(n.err, &down):
		d.lost(down)
	case refused != 0, errors.As(n.err, &silent), errors.As(n.err, &broken), errors.As(n.err, &damaged):
		d.fell(u, n.what, n.err)
	}
}
