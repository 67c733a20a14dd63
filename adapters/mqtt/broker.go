package mqtt

import (
	"context"
	"log/slog"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// broker is a broker with the devices below it.
type broker struct {
	id     string
	host   nodes.Host
	tap    *sniffer.Tap
	log    *slog.Logger
	timing timing

	wake   chan struct{} // something is to be reported
	meets  chan struct{} // names came up, or templates changed
	relink chan struct{} // the connection is to be made anew, or its subscriptions looked at
	over   chan struct{} // closed when Run comes to its end
	noted  time.Time     // when a message was last kept for listeners to come; for the one who receives

	outbox sync.Mutex // held while messages are put into the outbox or taken out

	mu        sync.Mutex // guards all below; nobody else is called under it, but for the shelf
	cfg       brokerConfig
	devices   map[string]*device
	templates map[string]*template
	members   map[string]*member // devices of templates
	touched   map[string]bool    // templates of which something changed
	fields    map[string]*field
	routes    map[string]*route // by topic
	again     map[string]bool   // topics to subscribe once more, for their retained messages
	queue     []*feed           // what is to be reported
	changed   []*device         // those of which messages are to be set or cleared
	client    mqtt.Client       // nil without a connection
	ready     bool              // the connection has its subscriptions, so that no answer is missed
	epoch     int               // counts connections made with other settings
	down      error             // why values are not current: there is no connection; nil
	since     time.Time         // of the connection, or of its loss
	stats     statistics
	turned    chan struct{} // closed and replaced when the connection came or went

	commands uint64 // counts those that were published
}

// route is who wants the messages of a topic.
type route struct {
	feeds     []*feed
	answers   []*field  // whose acknowledgements it carries
	available []*device // whose availability it tells
}

func (r *route) empty() bool {
	return len(r.feeds) == 0 && len(r.available) == 0 && len(r.answers) == 0
}

func open(e adapters.Env, t timing) (nodes.Device, error) {
	b := &broker{
		id: e.Node.ID, host: e.Host, tap: e.Tap, log: e.Host.Log(), timing: t,
		wake: make(chan struct{}, 1), relink: make(chan struct{}, 1), meets: make(chan struct{}, 1), over: make(chan struct{}), turned: make(chan struct{}),
		cfg:     readBroker(&e.Node.Spec),
		devices: make(map[string]*device), fields: make(map[string]*field), routes: make(map[string]*route), again: make(map[string]bool),
		templates: make(map[string]*template), members: make(map[string]*member), touched: make(map[string]bool),
	}
	if b.cfg.host == "" {
		return nil, nodes.Errorf(nodes.Invalid, "open", nodes.In(b.id), "Host is needed")
	}
	var all []*nodes.Node
	e.Node.Walk(func(n *nodes.Node) bool {
		if n != e.Node {
			all = append(all, n)
		}
		return true
	})
	b.put(all)
	return b, nil
}

// Run implements [nodes.Device].
func (b *broker) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	stop := context.AfterFunc(ctx, func() { close(b.over) })
	defer stop()
	n := waiting(b.host.Shelf())
	b.mu.Lock()
	b.stats.waiting = n
	b.mu.Unlock()
	wait.Go(func() { b.report(ctx) })
	wait.Go(func() { b.look(ctx) })
	wait.Go(func() { b.adopt(ctx) })
	poke(b.meets) // templates may have fields that their devices do not
	b.connect(ctx)
	wait.Wait()
	return nil
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Update implements [nodes.Device].
func (b *broker) Update(c nodes.Change) {
	b.mu.Lock()
	for _, id := range c.Removed {
		b.forget(id)
		b.remove(id)
	}
	for _, n := range c.Put {
		if n.ID == b.id {
			b.configure(readBroker(&n.Spec))
		}
	}
	b.put(c.Put)
	b.mu.Unlock()
	poke(b.relink)
	poke(b.wake)
	poke(b.meets)
}

// configure changes the broker's own node.
func (b *broker) configure(c brokerConfig) {
	if c.linkConfig != b.cfg.linkConfig {
		b.epoch++
	}
	b.cfg = c
}

// put adds or changes nodes.
func (b *broker) put(list []*nodes.Node) {
	list = b.expand(list)
	touched := make(map[*device]bool)
	setups := make(map[fieldConfig]*fieldSetup)
	for _, n := range list {
		switch n.Type {
		case TypeDevice:
			d := b.devices[n.ID]
			c := readDevice(b.spec(n))
			if d == nil {
				d = &device{b: b, id: n.ID, heard: time.Now()}
				b.devices[n.ID] = d
			} else if d.cfg == c && d.name == n.Name {
				continue
			}
			if d.cfg.topic != "" && (d.cfg.topic != c.topic || d.cfg.format != c.format) {
				for _, f := range d.fields {
					f.forget()
				}
			}
			d.name, d.cfg = n.Name, c
			touched[d] = true
		case TypeField:
			d := b.devices[n.Parent]
			if d == nil {
				if b.fields[n.ID] != nil { // it is one of a template now
					b.remove(n.ID)
				}
				continue
			}
			c := readField(b.spec(n))
			f := b.fields[n.ID]
			if f != nil && f.dev == d && f.cfg.fieldConfig == c && f.name == n.Name {
				continue
			}
			if f == nil {
				f = &field{id: n.ID}
				b.fields[n.ID] = f
			} else if f.dev != d {
				f.dev.drop(f)
				touched[f.dev] = true
			}
			if f.dev != d {
				f.dev = d
				d.fields = append(d.fields, f)
			}
			if f.cfg == nil || f.cfg.mapping != c.mapping || f.cfg.path != c.path || f.cfg.topic != c.topic || f.cfg.format != c.format {
				f.forget()
			}
			if setups[c] == nil {
				setups[c] = &fieldSetup{c, c.mapping.build()}
			}
			f.name, f.cfg = n.Name, setups[c]
			touched[d] = true
		}
	}
	for d := range touched {
		if b.devices[d.id] == d {
			d.build()
		}
	}
}

func (b *broker) remove(id string) {
	if f := b.fields[id]; f != nil {
		delete(b.fields, id)
		f.gone = true
		f.dev.drop(f)
		f.dev.build()
	}
	if d := b.devices[id]; d != nil {
		delete(b.devices, id)
		d.unroute()
		for _, f := range d.fields { // they were removed before
			delete(b.fields, f.id)
			f.gone = true
		}
	}
}

// route returns that of a topic, made when there is none.
func (b *broker) route(topic string) *route {
	r := b.routes[topic]
	if r == nil {
		r = &route{}
		b.routes[topic] = r
	}
	return r
}
