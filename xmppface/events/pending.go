package events

import (
	"slices"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// pending is what of a subscription has changed and was not sent yet: the newest
// of each field, so that it stays small however slow the peer is.
type pending struct {
	q  *request
	ro *nodes.Readout

	wake chan struct{} // 1: something is to be sent

	mu    sync.Mutex
	due   bool
	nodes map[nodes.Ref]*change
	order []nodes.Ref
	past  map[fieldKey]past // of fields with a condition
}

type fieldKey struct {
	ref  nodes.Ref
	name string
}

// change is what changed of one node.
type change struct {
	fields   []nodes.Field
	at       map[string]int // in fields, by name
	failures []string
	failed   time.Time
}

func newPending(q *request) *pending {
	p := &pending{q: q, ro: q.readout(), wake: make(chan struct{}, 1)}
	if len(q.rules) > 0 {
		p.past = make(map[fieldKey]past)
	}
	return p
}

// notify takes a reading in which something changed. It is quick.
func (p *pending) notify(ref nodes.Ref, r nodes.Reading) { p.put(ref, r, false) }

// put keeps what of a reading is wanted and wakes the sender when it is to be sent.
// When it was asked for, it is sent whether or not it has changed, but not before
// it is triggered.
func (p *pending) put(ref nodes.Ref, r nodes.Reading, asked bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.nodes[ref]
	add := func() {
		if c == nil {
			if c = (&change{at: make(map[string]int)}); p.nodes == nil {
				p.nodes = make(map[nodes.Ref]*change)
			}
			p.nodes[ref] = c
			p.order = append(p.order, ref)
		}
	}
	due := false
	for i := range r.Fields {
		f := &r.Fields[i]
		if !p.ro.Wants(f) || p.q.tooOld(f) {
			continue
		}
		due = due || !asked && p.triggers(ref, f)
		add()
		c.put(f)
	}
	if text := ext.Reason(r.Err); text != "" {
		add()
		due = due || !asked
		c.fail(text)
	}
	if due {
		p.trigger()
	}
}

func (c *change) put(f *nodes.Field) {
	i, ok := c.at[f.Name]
	switch {
	case !ok:
		c.at[f.Name] = len(c.fields)
		c.fields = append(c.fields, *f)
	case !f.Time.Before(c.fields[i].Time):
		c.fields[i] = *f
	}
}

// maxFailures is how many different failures of a node are kept.
const maxFailures = 8

func (c *change) fail(text string) {
	if !slices.Contains(c.failures, text) && len(c.failures) < maxFailures {
		c.failures = append(c.failures, text)
	}
	c.failed = time.Now()
}

// triggers is called with p locked.
func (p *pending) triggers(ref nodes.Ref, f *nodes.Field) bool {
	u, ok := p.q.rules[f.Name]
	if !ok {
		return true
	}
	old, ok := p.past[fieldKey{ref, f.Name}]
	if !ok && u.known {
		old, ok = past{number: u.v, any: true}, true
	}
	return !ok || u.differs(&old, f)
}

// seed notes a value at the time of the subscription, which changes are measured
// against.
func (p *pending) seed(ref nodes.Ref, r nodes.Reading) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range r.Fields {
		f := &r.Fields[i]
		if u, ok := p.q.rules[f.Name]; ok && !u.known {
			p.past[fieldKey{ref, f.Name}] = remember(f)
		}
	}
}

// trigger is called with p locked.
func (p *pending) trigger() {
	p.due = true
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// flush has sent what was asked for.
func (p *pending) flush() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.order) > 0 {
		p.trigger()
	}
}

// isDue tells whether there is something to send.
func (p *pending) isDue() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.due
}

// take returns what is to be sent and forgets it; later changes are measured
// against it.
func (p *pending) take() (order []nodes.Ref, list map[nodes.Ref]*change) {
	p.mu.Lock()
	defer p.mu.Unlock()
	order, list = p.order, p.nodes
	p.order, p.nodes, p.due = nil, nil, false
	if len(p.q.rules) > 0 {
		for ref, c := range list {
			for i := range c.fields {
				if _, ok := p.q.rules[c.fields[i].Name]; ok {
					p.past[fieldKey{ref, c.fields[i].Name}] = remember(&c.fields[i])
				}
			}
		}
	}
	return order, list
}
