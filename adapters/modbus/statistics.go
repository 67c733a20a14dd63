package modbus

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// unitPause is how old what a unit node says of its traffic may be: to say it costs
// more than to count.
const unitPause = time.Minute

// statistics is what was said last.
type statistics struct {
	busy time.Duration // of the line, in all
	at   moment
	next int // of the units
}

// status makes fields of category status, true at one time.
type status struct {
	at     time.Time
	fields []nodes.Field
}

func (s *status) add(name string, v nodes.Value) {
	s.fields = append(s.fields, nodes.Field{Name: name, Value: v, Time: s.at, Category: nodes.Status})
}

func (s *status) count(name string, n int64) { s.add(name, nodes.Int64(n)) }

func (s *status) seconds(name string, d time.Duration, decimals int) {
	s.add(name, nodes.Quantity(d.Seconds(), decimals, "s"))
}

func (s *status) percent(name string, part float64) {
	s.add(name, nodes.Quantity(100*part, 1, "%"))
}

// publish reports what the line and some of the units did: all units within unitPause.
func (d *device) publish() {
	now := d.now()
	d.out = append(d.out[:0], d.lineStatus(now))
	turns := int(unitPause / chorePause)
	for range min((len(d.units)+turns-1)/turns, len(d.units)) {
		d.statistics.next %= len(d.units)
		if u := d.units[d.statistics.next]; u.counts.requests > 0 {
			d.out = append(d.out, d.unitStatus(u))
		}
		d.statistics.next++
	}
	d.host.Report(d.out)
}

// lineStatus is what the gateway node says of its line, which others may share.
func (d *device) lineStatus(now moment) nodes.Reading {
	s := status{at: time.Now()}
	n := &d.line.count
	s.count("Requests", n.requests.Load())
	s.count("Time-outs", n.timeouts.Load())
	s.count("Exceptions", n.exceptions.Load())
	s.count("Damaged answers", n.damaged.Load())
	s.count("Discarded answers", n.discarded.Load())
	s.count("Bytes sent", n.sent.Load())
	s.count("Bytes received", n.received.Load())
	d.line.health.quantiles(&s, &d.line.health.times)
	busy := time.Duration(n.busy.Load())
	if span := now - d.statistics.at; d.statistics.at > 0 && span > 0 {
		s.percent("Utilisation", min(1, float64(busy-d.statistics.busy)/float64(span)))
	}
	d.statistics.busy, d.statistics.at = busy, now
	s.percent("Planned utilisation", d.plan.share())
	s.seconds("Scan time", d.plan.scanTime(), 3)
	silent := 0
	for _, u := range d.units {
		if u.silent != nil {
			silent++
		}
	}
	s.count("Silent units", int64(silent))
	return nodes.Reading{Node: d.id, Fields: s.fields}
}

// unitStatus is what a unit node says of itself, beside its registers.
func (d *device) unitStatus(u *unit) nodes.Reading {
	s := status{at: time.Now()}
	s.count("Requests", u.counts.requests)
	s.count("Time-outs", u.counts.timeouts)
	s.count("Exceptions", u.counts.exceptions)
	s.count("Damaged answers", u.counts.damaged)
	if u.peer != nil {
		d.line.health.quantiles(&s, &u.peer.times)
		if wait := d.line.health.learnedTimeout(u.peer, d.timeout(u)); u.cfg.timeout == 0 && wait < d.timeout(u) {
			s.seconds("Learned time-out", wait, 3)
		}
		if pause := d.line.health.learnedPause(u.peer); pause > 0 {
			s.seconds("Learned pause", pause, 3)
		}
	}
	var holes []string
	for _, t := range tables {
		k := &u.known[t]
		if lim := u.cfg.limits(t).words; u.limits(t).words < lim {
			s.count("Longest "+t.String()+" request", int64(u.limits(t).words))
		}
		for _, span := range spans(k.holes) {
			text := t.String() + " " + strconv.Itoa(span[0])
			if span[1] > span[0] {
				text += "-" + strconv.Itoa(span[1])
			}
			holes = append(holes, text)
		}
	}
	if len(holes) > 0 {
		s.add("Learned holes", nodes.String(strings.Join(holes, ", ")))
	}
	return nodes.Reading{Node: u.id, Fields: s.fields}
}

// counts count transactions with a unit.
type counts struct {
	requests, timeouts, exceptions, damaged, others int64
}

// note counts a transaction by the error that the line returned. Where there was no
// connection there was none.
func (n *counts) note(err error) {
	var down *downError
	if errors.As(err, &down) {
		return
	}
	n.requests++
	if err == nil {
		return
	}
	var refused wire.Exception
	var silent *silentError
	var damaged *damagedError
	switch {
	case errors.As(err, &refused):
		n.exceptions++
	case errors.As(err, &silent):
		n.timeouts++
	case errors.As(err, &damaged):
		n.damaged++
	default:
		n.others++
	}
}
