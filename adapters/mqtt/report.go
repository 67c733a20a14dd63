package mqtt

import (
	"context"
	"fmt"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// pace is the least time between rounds: what comes in the meantime goes in one, which
// costs less. A message that comes after a rest is not held up.
const pace = 2 * time.Millisecond

// batch is how many feeds are reported at once at most.
const batch = 256

// report hands over what changed until ctx ends.
func (b *broker) report(ctx context.Context) {
	var out []nodes.Reading
	var last time.Time
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		if rest := pace - time.Since(last); rest > 0 {
			timer.Reset(rest)
			select {
			case <-ctx.Done():
				return
			case <-timer.C:
			}
		}
		for {
			var notes []note
			b.mu.Lock()
			out = b.collect(out[:0])
			notes = b.notes()
			b.mu.Unlock()
			if len(out) == 0 && len(notes) == 0 {
				break
			}
			if ctx.Err() != nil {
				return
			}
			if len(out) > 0 {
				b.host.Report(out)
			}
			for _, n := range notes {
				if n.text == "" {
					b.host.Clear(n.node, n.event)
				} else {
					b.host.Fault(n.node, nodes.Message{Severity: n.severity, EventID: n.event, Text: n.text})
				}
			}
			clear(out)
		}
		last = time.Now()
	}
}

// collect takes readings of the feeds at the head of the queue.
func (b *broker) collect(out []nodes.Reading) []nodes.Reading {
	n := min(len(b.queue), batch)
	for _, f := range b.queue[:n] {
		f.queued = false
		count := 0
		for i := range f.places {
			if f.places[i].f.pending {
				count++
			}
		}
		store := make([]nodes.Field, count) // the hub keeps it; those of a feed are replaced together
		for i := range f.places {
			x := f.places[i].f
			if !x.pending {
				continue
			}
			x.pending = false
			if x.gone {
				continue
			}
			if r, ok := x.reading(store); ok {
				out = append(out, r)
				if r.Fields != nil {
					store = store[1:]
				}
			}
		}
	}
	clear(b.queue[:n])
	b.queue = b.queue[n:]
	return out
}

// note is a message to be set, or cleared when its text is empty.
type note struct {
	node, event, text string
	severity          nodes.Severity
}

// notes returns what is to be said of the devices that changed.
func (b *broker) notes() []note {
	var out []note
	for _, d := range b.changed {
		d.noticed = false
		if b.devices[d.id] != d {
			continue
		}
		say := func(event, text string, s nodes.Severity) {
			if d.told[event] == text {
				return
			}
			if d.told == nil {
				d.told = make(map[string]string)
			}
			if d.told[event] = text; text == "" {
				delete(d.told, event)
			}
			out = append(out, note{d.id, event, text, s})
		}
		text := ""
		if d.offline {
			text = d.offlineText() + ". Check its power and network."
		}
		say(EventAvailability, text, nodes.SeverityError)
		if text = ""; d.silent != nil && !d.offline {
			text = d.silent.(*nodes.Error).Err.Error() + ". Check the device, and that it publishes on " + d.cfg.topic + "."
		}
		say(EventSilence, text, nodes.SeverityWarning)
		if text = ""; d.fault != "" {
			text = d.fault + ". Check what the device sends, and Format, Path and Type of the field."
		}
		say(EventPayload, text, nodes.SeverityWarning)
	}
	b.changed = b.changed[:0]
	return out
}

// look looks who is silent, and tells statistics, until ctx ends.
func (b *broker) look(ctx context.Context) {
	tick := time.NewTicker(b.timing.tick)
	defer tick.Stop()
	var tell time.Time
	for {
		now := time.Now()
		b.mu.Lock()
		for _, d := range b.devices {
			d.listen(now)
		}
		var own nodes.Reading
		if !now.Before(tell) || b.stats.changed {
			own = b.statistics(now)
			tell = now.Add(b.timing.tell)
		}
		busy := len(b.queue)+len(b.changed) > 0
		b.mu.Unlock()
		if busy {
			poke(b.wake)
		}
		if own.Fields != nil && ctx.Err() == nil {
			b.host.Report([]nodes.Reading{own})
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// listen looks whether a device is silent.
func (d *device) listen(now time.Time) {
	limit := d.silence()
	if d.b.client == nil || limit == 0 || len(d.feeds) == 0 {
		if limit == 0 && d.silent != nil {
			d.silent = nil
			d.back()
		}
		return
	}
	quiet := now.Sub(d.heard) > limit
	switch {
	case quiet && d.silent == nil:
		d.silent = nodes.Errorf(nodes.Timeout, "read", nodes.In(d.id), fmt.Sprintf("%s has sent nothing for %v", d.name, limit))
		for _, f := range d.fields {
			f.live = false
		}
		d.retell()
	case !quiet && d.silent != nil: // the time-out is longer now
		d.silent = nil
		d.back()
	}
}
