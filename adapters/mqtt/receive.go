package mqtt

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
)

// receive takes a message. It is called by one goroutine at a time, and does not
// block.
func (b *broker) receive(m mqtt.Message) {
	now := time.Now()
	topic, data := m.Topic(), m.Payload()
	b.sniffRx(now, m)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.received++
	r := b.routes[topic]
	if r == nil {
		b.stats.unknown++
		if len(b.templates) > 0 && b.meet(topic) {
			poke(b.meets)
		}
		return
	}
	before := len(b.queue) + len(b.changed)
	tooLong := len(data) > b.cfg.maxPayload
	if tooLong {
		b.stats.tooLong++
	}
	for _, f := range r.feeds {
		f.take(data, m.Retained(), tooLong, now)
	}
	for _, d := range r.available {
		d.hear(data)
	}
	for _, f := range r.answers {
		if !m.Retained() {
			f.answered(data)
		}
	}
	if len(b.queue)+len(b.changed) > before {
		poke(b.wake)
	}
}

// take takes a message of a feed.
func (f *feed) take(data []byte, kept, tooLong bool, now time.Time) {
	d := f.dev
	if kept && d.cfg.retained == retainedIgnore {
		return
	}
	if !kept || d.cfg.retained == retainedTrust {
		d.heard = now
		if d.silent != nil {
			d.silent = nil
			d.back()
		}
	}
	var err error
	if tooLong {
		err = fmt.Errorf("%w: it is longer than MaxPayload of the broker, %d bytes", payload.ErrFormat, d.b.cfg.maxPayload)
	} else {
		err = f.layout.Take(data, f.items)
	}
	if err != nil {
		f.refuse(err)
		return
	}
	var wrong error
	for i := range f.places {
		if err := f.places[i].take(f.items, kept, now); err != nil && wrong == nil {
			wrong = fmt.Errorf("%s: %w", f.places[i].f.name, err)
		}
	}
	f.enqueue()
	switch {
	case wrong != nil:
		f.blame(wrong)
	case d.faulty == f:
		d.fault, d.faulty = "", nil
		d.notice()
	}
}

// refuse takes note of a payload out of which nothing can be taken.
func (f *feed) refuse(err error) {
	f.dev.b.stats.broken++
	text := fmt.Sprintf("a message on %s: %v", f.topic, err)
	for i := range f.places {
		x := f.places[i].f
		x.err = nodes.Errorf(nodes.NotAcceptable, "read", nodes.In(x.id), text)
		x.pending = true
	}
	f.enqueue()
	f.blame(err)
}

// blame has it said on the device what is wrong with a payload.
func (f *feed) blame(err error) {
	d := f.dev
	d.fault, d.faulty = fmt.Sprintf("%s: %v", f.topic, err), f
	d.notice()
}

// Limits on the times of devices.
const (
	ahead  = time.Second // that much a device's clock may be ahead
	enough = 3           // so many messages in a row that are older but in order: the clock was set back
)

var earliest = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC) // before it a clock was never set

// take takes the value of a field. The error is one of what the device sends.
func (p *place) take(items []payload.Item, kept bool, now time.Time) error {
	f := p.f
	it := &items[p.value]
	if it.Kind == payload.Absent {
		if f.cfg.path != "" && f.value.IsZero() && f.err == nil && !kept {
			// Other messages on the topic may have it; until one comes it is said why
			// there is nothing.
			f.err = nodes.Errorf(nodes.NotAcceptable, "read", nodes.In(f.id), fmt.Sprintf("the payload has nothing at %q", f.cfg.path))
			f.pending = true
		}
		return nil
	}
	at, qos := now, nodes.QoS(0)
	var stamp time.Time
	if p.time >= 0 && items[p.time].Kind != payload.Absent && items[p.time].Kind != payload.Null {
		t, ok := items[p.time].Time()
		switch {
		case !ok:
			return fmt.Errorf("%w: the time %q cannot be read", payload.ErrFormat, clip(items[p.time].Word()))
		case t.Before(earliest) || t.After(now.Add(ahead)):
			qos |= nodes.TimeOffset
		default:
			stamp, at = t, t
		}
	}
	if !stamp.IsZero() && !f.inOrder(stamp) {
		f.dev.b.stats.late++
		return nil
	}
	if p.quality >= 0 && items[p.quality].Kind != payload.Absent && !good(f.dev.cfg.good, &items[p.quality]) {
		qos |= nodes.Erroneous
	}
	v, err := f.cfg.built.Value(it, f.value)
	if err != nil {
		f.err = nodes.Errorf(nodes.NotAcceptable, "read", nodes.In(f.id), err.Error())
		f.pending = true
		if isMissing(err) {
			return nil
		}
		return err
	}
	if kept && f.dev.cfg.retained == retainedMark {
		if f.err == nil && f.value == v && f.qos&nodes.Warning == 0 {
			return nil // the one that came live before
		}
		qos |= nodes.Warning
	} else {
		f.live = true
	}
	if !kept {
		f.echo(v)
	}
	f.value, f.at, f.qos, f.err, f.stamp, f.pending = v, at, qos, nil, stamp, true
	return nil
}

// inOrder tells whether a message with this time of the device is to be taken: not one
// that is older than the value, unless the clock of the device was set back.
func (f *field) inOrder(stamp time.Time) bool {
	if !stamp.Before(f.stamp) {
		f.olders = 0
		return true
	}
	if stamp.After(f.older) || f.olders == 0 {
		f.olders++
	} else {
		f.olders = 1
	}
	f.older = stamp
	if f.olders >= enough {
		f.olders = 0
		return true
	}
	return false
}

func good(words string, it *payload.Item) bool {
	return slices.Contains(list(strings.ToLower(words)), strings.ToLower(it.Word()))
}

func clip(s string) string {
	if len(s) > 40 {
		return s[:40] + "…"
	}
	return s
}

// hear takes a message on the availability topic of a device.
func (d *device) hear(data []byte) {
	text := string(data)
	var object struct {
		State string `json:"state"`
	}
	if strings.HasPrefix(text, "{") && json.Unmarshal(data, &object) == nil {
		text = object.State
	}
	was := d.offline
	switch strings.TrimSpace(text) {
	case d.cfg.online:
		d.offline = false
		if was {
			d.heard = time.Now()
			d.silent = nil
		}
	case d.cfg.offline:
		d.offline = true
		for _, f := range d.fields {
			f.live = false
		}
	default:
		return
	}
	if was != d.offline {
		d.back()
	}
}
