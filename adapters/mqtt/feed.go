package mqtt

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
)

// device is a device node.
type device struct {
	b         *broker
	id, name  string
	cfg       deviceConfig
	fields    []*field
	feeds     []*feed
	available string    // topic of its availability that is routed
	heard     time.Time // when a live message came, or one could have come
	offline   bool      // it said so
	silent    error     // nothing came for too long
	fault     string    // what is wrong with its payloads
	faulty    *feed     // whose fault that is
	told      map[string]string
	noticed   bool // it is in the list of those to be told of
}

// field is a field node.
type field struct {
	id, name string
	dev      *device
	cfg      *fieldSetup // shared by all fields that are configured alike
	gone     bool

	value   nodes.Value // zero: none yet
	at      time.Time   // of the value
	qos     nodes.QoS
	err     error     // why the last message gave no value
	stamp   time.Time // the device's time of the value; zero: it has none
	older   time.Time // the device's time of a message that was too old, and how many there were
	olders  int
	live    bool // the value came live since the connection was made
	pending bool // it is to be reported

	writing chan struct{} // taken by the write under way; made for the first
	writes  []*write      // that wait for an answer
	ack     string        // topic of the acknowledgements that is routed
}

// feed is a topic as a device reads it in one format.
type feed struct {
	dev    *device
	topic  string
	format payload.Format
	layout *payload.Layout
	items  []payload.Item
	places []place
	queued bool
}

// place is where in the items of a feed those of a field are.
type place struct {
	f                    *field
	value, time, quality int // -1: none
}

func (d *device) drop(f *field) {
	d.b.unanswer(f)
	d.fields = slices.DeleteFunc(d.fields, func(x *field) bool { return x == f })
}

// unroute takes the device out of the routes.
func (d *device) unroute() {
	for _, f := range d.feeds {
		r := d.b.routes[f.topic]
		r.feeds = slices.DeleteFunc(r.feeds, func(x *feed) bool { return x == f })
		if r.empty() {
			delete(d.b.routes, f.topic)
		}
	}
	if r := d.b.routes[d.available]; r != nil && d.available != "" {
		r.available = slices.DeleteFunc(r.available, func(x *device) bool { return x == d })
		if r.empty() {
			delete(d.b.routes, d.available)
		}
	}
	for _, f := range d.fields {
		d.b.unanswer(f)
	}
	d.feeds, d.available = nil, ""
}

// unanswer takes a field out of the route of its acknowledgements.
func (b *broker) unanswer(f *field) {
	if r := b.routes[f.ack]; r != nil && f.ack != "" {
		r.answers = slices.DeleteFunc(r.answers, func(x *field) bool { return x == f })
		if r.empty() {
			delete(b.routes, f.ack)
		}
	}
	f.ack = ""
}

// build makes the feeds of a device anew, and has their topics subscribed once more,
// since what is retained there may be of a new field.
func (d *device) build() {
	d.unroute()
	d.fault, d.faulty = "", nil
	type key struct {
		topic  string
		format payload.Format
	}
	feeds := make(map[key]*feed)
	paths := make(map[*feed][]string)
	slot := func(f *feed, path string) int {
		if path == "" {
			return -1
		}
		list := paths[f]
		if i := slices.Index(list, path); i >= 0 {
			return i
		}
		paths[f] = append(list, path)
		return len(list)
	}
	for _, f := range d.fields {
		if c := &f.cfg.command; c.writable && c.ack == ackTopic {
			f.ack = absolute(c.ackTopic, d.cfg.topic)
			r := d.b.route(f.ack)
			r.answers = append(r.answers, f)
		}
		k := key{absolute(f.cfg.topic, d.cfg.topic), d.cfg.format}
		if f.cfg.own {
			k.format = f.cfg.format
		}
		if err := payload.CheckPath(k.format, f.cfg.path); err != nil {
			f.err = nodes.Errorf(nodes.Invalid, "read", nodes.In(f.id), fmt.Sprintf("Path %q does not fit the format %v of the device: %v", f.cfg.path, k.format, err))
			f.value, f.pending = nodes.Value{}, true
			d.fault = f.name + ": " + f.err.(*nodes.Error).Err.Error()
			d.notice()
			continue
		}
		fd := feeds[k]
		if fd == nil {
			fd = &feed{dev: d, topic: k.topic, format: k.format}
			feeds[k] = fd
			d.feeds = append(d.feeds, fd)
		}
		p := place{f: f, time: -1, quality: -1}
		if p.value = slot(fd, f.cfg.path); p.value < 0 {
			p.value = len(paths[fd])
			paths[fd] = append(paths[fd], "")
		}
		switch {
		case f.cfg.timePath != "":
			p.time = slot(fd, f.cfg.timePath)
		case k.format == d.cfg.format:
			p.time = slot(fd, d.cfg.timePath)
		}
		if k.format == d.cfg.format {
			p.quality = slot(fd, d.cfg.qualityPath)
		}
		fd.places = append(fd.places, p)
		if !f.value.IsZero() || f.err != nil {
			f.pending = true // the name may be another
		}
	}
	for _, fd := range d.feeds {
		var err error
		if fd.layout, err = payload.NewLayout(fd.format, paths[fd]); err != nil { // a time path that does not fit
			d.fault = err.Error()
			fd.layout, _ = payload.NewLayout(fd.format, nil)
			fd.places = nil
		}
		fd.items = make([]payload.Item, len(paths[fd]))
		r := d.b.route(fd.topic)
		r.feeds = append(r.feeds, fd)
		d.b.again[fd.topic] = true
		fd.enqueue()
	}
	if a := d.cfg.availability; a != "" {
		d.available = a
		r := d.b.route(a)
		r.available = append(r.available, d)
		d.b.again[a] = true
	} else {
		d.offline = false
	}
	if d.told != nil || d.fault != "" {
		d.notice()
	}
}

// enqueue has what is pending of a feed reported.
func (f *feed) enqueue() {
	if !f.queued {
		f.queued = true
		f.dev.b.queue = append(f.dev.b.queue, f)
	}
}

// why returns why the values of a device are not current; nil when they are.
func (d *device) why() error {
	switch {
	case d.b.down != nil:
		return d.b.down
	case d.offline:
		return nodes.Errorf(nodes.Unreachable, "read", nodes.In(d.id), d.offlineText())
	}
	return d.silent
}

func (d *device) offlineText() string {
	return fmt.Sprintf("%s is offline, as %s says", d.name, d.cfg.availability)
}

// retell has all fields of a device reported again, since what is known of the device
// changed.
func (d *device) retell() {
	for _, fd := range d.feeds {
		for i := range fd.places {
			fd.places[i].f.pending = true
		}
		fd.enqueue()
	}
	d.notice()
}

// back does as retell where values are current once more, but may have changed
// meanwhile.
func (d *device) back() {
	if d.why() != nil {
		d.retell()
		return
	}
	for _, f := range d.fields {
		if !f.live {
			f.qos |= nodes.Warning
		}
	}
	d.retell()
}

// notice has the messages of a device looked at.
func (d *device) notice() {
	if !d.noticed {
		d.noticed = true
		d.b.changed = append(d.b.changed, d)
	}
}

// silence is the time-out of a device; 0: none.
func (d *device) silence() time.Duration {
	if d.cfg.silenceSet {
		return d.cfg.silence
	}
	return d.b.cfg.silence
}

// forget has a field that was configured anew show nothing until something comes: what it
// showed was read in another way.
func (f *field) forget() {
	if f.value.IsZero() && f.err == nil {
		return
	}
	f.value, f.qos, f.stamp, f.live, f.pending = nodes.Value{}, 0, time.Time{}, false, true
	f.err = nodes.Errorf(nodes.Unreachable, "read", nodes.In(f.id), "nothing has come since it was configured anew")
}

// reading is what is to be reported of a field; false: nothing yet.
func (f *field) reading(store []nodes.Field) (nodes.Reading, bool) {
	if err := f.dev.why(); err != nil {
		return nodes.Reading{Node: f.id, Err: err}, true
	}
	if f.err != nil {
		return nodes.Reading{Node: f.id, Err: f.err}, true
	}
	if f.value.IsZero() {
		return nodes.Reading{}, false
	}
	store[0] = nodes.Field{Name: f.name, Value: f.value, Time: f.at, Category: f.cfg.category, QoS: f.qos, Writable: f.cfg.command.writable}
	return nodes.Reading{Node: f.id, Fields: store[:1:1]}, true
}

func isMissing(err error) bool { return errors.Is(err, payload.ErrMissing) }
