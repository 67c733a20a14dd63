package mqtt

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// write is a value on its way to a device.
type write struct {
	f       *field
	cmd     commandConfig
	want    nodes.Value
	turn    chan struct{} // taken while it is under way
	topic   string
	data    string
	id      string // that the acknowledgement has to hold; empty: none
	shown   nodes.Value
	waiting bool
	answer  chan nodes.Outcome // of one place
}

// Set implements [nodes.Setter].
func (b *broker) Set(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	for i, s := range list {
		o := b.set(ctx, s)
		if o.Time.IsZero() {
			o.Time = time.Now()
		}
		yield(i, o)
		if o.State.Good() {
			continue
		}
		for i++; i < len(list); i++ {
			yield(i, nodes.Outcome{State: nodes.WriteSkipped, Time: time.Now(),
				Err: nodes.Errorf(nodes.NotAcceptable, "set", nodes.In(list[i].Node), "not tried, since "+s.Node+" could not be set")})
		}
		return
	}
}

func outcome(state nodes.WriteState, kind nodes.ErrorKind, node, text string) nodes.Outcome {
	return nodes.Outcome{State: state, Time: time.Now(), Err: nodes.Errorf(kind, "set", nodes.In(node), text)}
}

// set writes one value and waits for what becomes of it.
func (b *broker) set(ctx context.Context, s nodes.Setting) nodes.Outcome {
	w, refused := b.prepare(s)
	if w == nil {
		return refused
	}
	select { // one write of a field at a time, so that answers are not mixed up
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return outcome(nodes.WriteExpired, nodes.Timeout, s.Node, "an earlier write of the same field took too long; nothing was sent")
	case <-b.over:
		return outcome(nodes.WriteExpired, nodes.Gone, s.Node, "the broker node was stopped; nothing was sent")
	}
	client, err := b.connection(ctx)
	if err != nil {
		if state, ok := b.keep(posting{Topic: w.topic, Data: []byte(w.data), QoS: w.cmd.qos, Retain: w.cmd.retain}); ok {
			return outcome(nodes.WriteUnknown, nodes.Timeout, s.Node, state)
		}
		state := nodes.WriteRefused
		if kind := nodes.KindOf(err); kind == nodes.Timeout || kind == nodes.Gone {
			state = nodes.WriteExpired
		}
		return nodes.Outcome{State: state, Time: time.Now(), Err: err}
	}
	b.waitFor(w, true)
	defer b.waitFor(w, false)
	token := client.Publish(w.topic, w.cmd.qos, w.cmd.retain, w.data)
	b.sent(w.f.dev.id, w.topic, w.cmd.qos, w.cmd.retain, []byte(w.data))
	return b.outcome(w, token)
}

// prepare looks at a setting and makes the message of it.
func (b *broker) prepare(s nodes.Setting) (*write, nodes.Outcome) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.fields[s.Node]
	switch {
	case f == nil || f.name != s.Name:
		return nil, outcome(nodes.WriteRefused, nodes.NotFound, s.Node, "no field of that name here")
	case !f.cfg.command.writable:
		return nil, outcome(nodes.WriteRefused, nodes.NotAcceptable, s.Node, "it may not be set: Writable is false")
	}
	if f.writing == nil {
		f.writing = make(chan struct{}, 1)
	}
	w := &write{f: f, cmd: f.cfg.command, want: s.Value, turn: f.writing, topic: absolute(f.cfg.command.topic, f.dev.cfg.topic), answer: make(chan nodes.Outcome, 1)}
	template := w.cmd.template
	if template == "" {
		format := f.dev.cfg.format
		if f.cfg.own {
			format = f.cfg.format
		}
		var ok bool
		if template, ok = payload.Template(format, f.cfg.path); !ok {
			return nil, outcome(nodes.WriteRefused, nodes.NotAcceptable, s.Node, "write as Command what is to be published: it cannot be made of Format and Path")
		}
	}
	text, asJSON, err := f.cfg.built.Encode(s.Value)
	if err != nil {
		return nil, outcome(nodes.WriteRefused, nodes.Invalid, s.Node, err.Error())
	}
	b.commands++
	id := strconv.FormatInt(time.Now().UnixMilli()%1e9, 36) + "-" + strconv.FormatUint(b.commands, 36)
	if w.data = payload.Fill(template, text, asJSON, id, time.Now()); bytes.Contains([]byte(template), []byte("{id}")) {
		w.id = id
	}
	return w, nodes.Outcome{}
}

// connection returns the client. While a connection is being made it is waited for.
func (b *broker) connection(ctx context.Context) (mqtt.Client, error) {
	for {
		b.mu.Lock()
		client, down, changed := b.client, b.down, b.turned
		if !b.ready {
			client = nil
		}
		b.mu.Unlock()
		select {
		case <-b.over:
			return nil, nodes.Errorf(nodes.Gone, "set", nodes.In(b.id), "the broker node was stopped; nothing was sent")
		default:
		}
		switch {
		case ctx.Err() != nil:
			return nil, nodes.Errorf(nodes.Timeout, "set", nodes.In(b.id), "its time was over before there was a connection; nothing was sent")
		case client != nil && client.IsConnectionOpen():
			return client, nil
		case down != nil:
			return nil, down
		}
		timer := time.NewTimer(b.timing.tick) // a connection may break before that is known here
		select {
		case <-changed:
		case <-timer.C:
		case <-b.over:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// waitFor begins or ends waiting for the answer to a write.
func (b *broker) waitFor(w *write, begin bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if w.waiting = begin; begin {
		w.f.writes = append(w.f.writes, w)
		return
	}
	w.f.writes = slices.DeleteFunc(w.f.writes, func(x *write) bool { return x == w })
}

// outcome waits for what becomes of a message that was published.
func (b *broker) outcome(w *write, token mqtt.Token) nodes.Outcome {
	node := w.f.id
	timer := time.NewTimer(max(w.cmd.wait, b.timing.answer/2))
	defer timer.Stop()
	select {
	case <-token.Done():
		if err := token.Error(); err != nil {
			return outcome(nodes.WriteUnknown, nodes.Timeout, node, "the connection broke while it was sent: "+err.Error())
		}
	case o := <-w.answer: // before the broker's own answer
		return o
	case <-timer.C:
		return outcome(nodes.WriteUnknown, nodes.Timeout, node, "the broker did not say that it has the command")
	case <-b.over:
		return outcome(nodes.WriteUnknown, nodes.Timeout, node, "the broker node was stopped while it was sent")
	}
	if w.cmd.ack == ackNone {
		return nodes.Outcome{State: nodes.WriteDone, Time: time.Now()}
	}
	timer.Reset(w.cmd.wait)
	select {
	case o := <-w.answer:
		return o
	case <-timer.C:
	case <-b.over:
		return outcome(nodes.WriteUnknown, nodes.Timeout, node, "the broker node was stopped before the device had answered")
	}
	b.mu.Lock()
	seen := w.shown
	b.mu.Unlock()
	if w.cmd.ack == ackEcho && !seen.IsZero() {
		o := outcome(nodes.WriteRefused, nodes.NotAcceptable, node, fmt.Sprintf("%s was told %v, but shows %v", w.f.name, w.want, seen))
		o.Value = seen
		return o
	}
	return outcome(nodes.WriteUnknown, nodes.Timeout, node, fmt.Sprintf("the device has not answered within %v: outcome unknown", w.cmd.wait))
}

// echo tells the writes of a field what it shows now. The broker is locked.
func (f *field) echo(v nodes.Value) {
	for _, w := range f.writes {
		if w.cmd.ack != ackEcho {
			continue
		}
		w.shown = v
		if equal(w.want, v, w.cmd.tolerance) {
			w.give(nodes.Outcome{State: nodes.WriteVerified, Time: time.Now(), Value: v})
		}
	}
}

func (w *write) give(o nodes.Outcome) {
	select {
	case w.answer <- o:
	default: // it has one
	}
}

func equal(want, v nodes.Value, tolerance float64) bool {
	if want.IsNumber() && v.IsNumber() {
		a, b := want.Double(), v.Double()
		return math.Abs(a-b) <= tolerance || math.Abs(a-b) <= 1e-9*math.Max(math.Abs(a), math.Abs(b))
	}
	if want.Kind() == nodes.KindEnum || want.Kind() == nodes.KindString {
		return want.Text() == v.Text()
	}
	return want == v
}

// answered takes a message on the acknowledgement topic of a field. The broker is
// locked.
func (f *field) answered(data []byte) {
	for _, w := range f.writes {
		if w.cmd.ack != ackTopic || w.id != "" && !bytes.Contains(data, []byte(w.id)) {
			continue
		}
		said := string(bytes.TrimSpace(data))
		if w.cmd.ackPath != "" {
			var items [1]payload.Item
			l, err := payload.NewLayout(payload.JSON, []string{w.cmd.ackPath})
			if err == nil {
				err = l.Take(data, items[:])
			}
			if err != nil || items[0].Kind == payload.Absent {
				continue
			}
			said = items[0].Word()
		}
		if w.cmd.ackValue == "" || slices.Contains(list(w.cmd.ackValue), said) {
			w.give(nodes.Outcome{State: nodes.WriteDone, Time: time.Now()})
		} else {
			w.give(outcome(nodes.WriteRefused, nodes.NotAcceptable, f.id, "the device refuses it: "+clip(said)))
		}
	}
}

// sent takes note of a message that was published.
func (b *broker) sent(node, topic string, qos byte, retain bool, data []byte) {
	b.mu.Lock()
	b.stats.sent++
	b.mu.Unlock()
	b.tap.Note(sniffer.Tx, node, frame(topic, qos, retain, data))
}
