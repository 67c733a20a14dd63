package gpio

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// output is the state of an output.
type output struct {
	begun    bool // the line was had before in this Run
	value    bool // that was set
	since    time.Time
	lease    time.Time // when it ends; zero: never
	sequence *sequence
}

func (o *output) reading(p *pin, level bool, at time.Time) nodes.Reading {
	return nodes.Reading{Node: p.id, Fields: []nodes.Field{
		{Name: p.name, Value: nodes.Bool(level), Time: at, Category: nodes.Momentary, Writable: p.out.writable}}}
}

// first returns what an output is to show from the first moment on.
func (d *device) first(p *pin) bool {
	on := false
	switch o := p.out; {
	case (p.output.begun || d.crashed) && o.safe != "keep":
		on = o.safe == "on"
	case p.output.begun:
		on = p.output.value
	case o.initial == "last":
		last, _ := d.host.Shelf().Get(keyLast(p.id))
		on = string(last) == "on"
	default:
		on = o.initial == "on"
	}
	if on {
		if other, ok := d.locks.claim(p.out.group, p.id); !ok {
			d.interlocked(p, other)
			return false
		}
	}
	return on
}

func (d *device) interlocked(p *pin, other string) {
	d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityWarning, EventID: EventInterlock,
		Text: fmt.Sprintf("%s stays off: %s of the same interlock group (%s) is on", p.place, other, p.out.group)})
}

// began begins with an output whose line was requested with a value.
func (d *device) began(p *pin, on bool, now time.Time) {
	p.output = output{begun: true, value: on, since: time.Now()} // not before it was so
	p.at = now.Round(0)
	if on {
		d.locks.release(p.id, p.out.group) // one it had before
	} else {
		d.locks.release(p.id, "")
	}
	d.renew(p, now)
	d.tap.Note(snifferTx, p.id, fmt.Sprintf("%s is an output, %s", p.place, onOff(on)))
	d.tell(p)
}

// renew begins the lease of an output anew.
func (d *device) renew(p *pin, now time.Time) {
	p.output.lease = time.Time{}
	if o := p.out; o.lease > 0 && o.safe != "keep" && (p.output.value != (o.safe == "on") || p.output.sequence != nil) {
		p.output.lease = now.Add(o.lease)
		d.poke()
	}
}

// Set implements [nodes.Setter].
func (d *device) Set(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	waited := d.ready(ctx)
	for i, s := range list {
		err := ctx.Err()
		if err == nil {
			err = waited
		}
		if err != nil {
			yield(i, nodes.Outcome{State: nodes.WriteExpired, Time: time.Now(), Err: err})
			d.skip(list, i+1, s, yield)
			return
		}
		o := d.set(s)
		yield(i, o)
		if !o.State.Good() {
			d.skip(list, i+1, s, yield)
			return
		}
	}
}

func (d *device) skip(list []nodes.Setting, from int, failed nodes.Setting, yield func(int, nodes.Outcome)) {
	for i := from; i < len(list); i++ {
		yield(i, nodes.Outcome{State: nodes.WriteSkipped, Time: time.Now(),
			Err: nodes.Errorf(nodes.NotAcceptable, "set", nodes.In(list[i].Node), "not tried, since "+failed.Node+" could not be set")})
	}
}

// set sets an output for somebody.
func (d *device) set(s nodes.Setting) nodes.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := time.Now()
	refused := func(kind nodes.ErrorKind, text string) nodes.Outcome {
		return nodes.Outcome{State: nodes.WriteRefused, Time: now, Err: nodes.Errorf(kind, "set", nodes.In(s.Node), text)}
	}
	p := d.byID[s.Node]
	switch {
	case !d.running:
		return refused(nodes.Gone, "the chip was stopped")
	case p == nil || p.out == nil || p.name != s.Name:
		return refused(nodes.NotFound, "no output of that name here")
	case !p.out.writable:
		return refused(nodes.NotAcceptable, p.place+" may not be set: Writable is false")
	case s.Value.Kind() != nodes.KindBool:
		return refused(nodes.Invalid, "an output is on or off: write true or false")
	case p.line == nil:
		return refused(nodes.Unreachable, d.why(p).Err.Error())
	}
	on := s.Value.Bool()
	before := p.output.sequence
	p.output.sequence = nil
	if err := d.switchTo(p, on, now); err != nil {
		if p.output.value != on {
			p.output.sequence = before // a pulse that may not be cut short ends as it should
		} else {
			d.renew(p, now) // it was set, but shows otherwise
		}
		return nodes.Outcome{State: nodes.WriteRefused, Time: now, Err: err}
	}
	d.renew(p, now)
	d.host.Clear(p.id, EventLease, EventInterlock)
	if p.out.initial == "last" {
		d.host.Shelf().Put(keyLast(p.id), []byte(onOff(on)))
	}
	state := nodes.WriteDone
	if p.out.readBack {
		state = nodes.WriteVerified
	}
	return nodes.Outcome{State: state, Time: time.Now(), Value: nodes.Bool(on)}
}

// switchTo sets an output within its limits, and tells what it shows.
func (d *device) switchTo(p *pin, on bool, now time.Time) *nodes.Error {
	o := &p.output
	no := func(text string) *nodes.Error {
		return nodes.Errorf(nodes.NotAcceptable, "set", nodes.In(p.id), text)
	}
	if on != o.value {
		least := p.out.minOff
		if o.value {
			least = p.out.minOn
		}
		if left := least - now.Sub(o.since); least > 0 && left > 0 {
			return no(fmt.Sprintf("%s has to stay %s for %v at least: try again in %v", p.place, onOff(o.value), least, left.Round(time.Millisecond)))
		}
	}
	if on {
		if other, ok := d.locks.claim(p.out.group, p.id); !ok {
			return no(fmt.Sprintf("%s stays off: %s of the same interlock group (%s) is on; set that off first", p.place, other, p.out.group))
		}
	}
	return d.drive(p, on, now)
}

// drive sets an output, whatever its limits say.
func (d *device) drive(p *pin, on bool, now time.Time) *nodes.Error {
	o := &p.output
	err := p.line.Set(on)
	if err != nil {
		if !o.value {
			d.locks.release(p.id, "")
		}
		d.breaks(p, p.line, err)
		return nodes.Errorf(nodes.Unreachable, "set", nodes.In(p.id), p.place+" cannot be set: "+reason(err))
	}
	if on != o.value {
		o.value, o.since = on, time.Now()
	}
	p.at = now.Round(0)
	d.tap.Note(snifferTx, p.id, p.place+" "+onOff(on))
	level, err := p.line.Get()
	if err != nil {
		d.breaks(p, p.line, err)
		return nodes.Errorf(nodes.Unreachable, "set", nodes.In(p.id), p.place+" was set, but cannot be read back: "+reason(err))
	}
	d.host.Report([]nodes.Reading{o.reading(p, level, p.at)})
	if level != on && p.out.readBack {
		text := fmt.Sprintf("%s was set %s, but shows %s: look for a short circuit, or something else that drives it", p.place, onOff(on), onOff(level))
		d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventReadBack, Text: text})
		return nodes.Errorf(nodes.NotAcceptable, "set", nodes.In(p.id), text)
	}
	if !on && o.sequence == nil { // not before it shows: what is stuck on keeps its group
		d.locks.release(p.id, "")
	}
	d.host.Clear(p.id, EventReadBack)
	return nil
}

// makeSafe gives an output its safe value, at once.
func (d *device) makeSafe(p *pin, now time.Time) {
	p.output.sequence, p.output.lease = nil, time.Time{}
	if p.out.safe == "keep" {
		return
	}
	on := p.out.safe == "on"
	if on == p.output.value {
		return
	}
	if err := d.drive(p, on, now); err != nil {
		d.log.Warn("no safe value", "node", p.id, "error", err)
	}
}

// leave ends with an output whose line is given back: one that stays on keeps its
// group.
func (d *device) leave(p *pin) {
	if !p.output.value {
		d.locks.release(p.id, "")
	}
}

// regroup applies a change of the group of an output.
func (d *device) regroup(p *pin) {
	now := time.Now()
	d.locks.release(p.id, p.out.group)
	if !p.output.value {
		return
	}
	if other, ok := d.locks.claim(p.out.group, p.id); !ok {
		d.interlocked(p, other)
		p.output.sequence = nil
		if err := d.drive(p, false, now); err != nil {
			d.log.Warn("an output cannot be set off", "node", p.id, "error", err)
		}
	}
	d.renew(p, now)
}
