package sensordata

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

const (
	// maxWaiting is how many messages of a readout may wait for who reads it.
	maxWaiting = 1024
	// parting is how long a hub may take to hear that nobody waits any more.
	parting = 500 * time.Millisecond
)

// Client reads one hub. Its errors are [*nodes.Error]; one that the hub sent
// unwraps to its [*ext.StanzaError]. Safe for concurrent use; the exported fields
// are set before.
//
// It is an [ext.Receiver] of messages in the three families, whichever it asks in:
// deployed hubs send them in another one. It is an [ext.Leaver] too. Messages whose
// id it does not know are ignored.
type Client struct {
	Link  ext.Link
	To    string // full JID of the hub
	Space string // the family to ask in: the first of nfi, nf, ieee that the hub has; empty: nfi

	mu       sync.Mutex
	readouts map[string]*pending // by id
}

// pending is a readout whose messages are still coming.
type pending struct {
	wake     chan struct{} // 1: something arrived, or the end
	messages []*wire.Element
	end      error
}

// Read reads nodes and yields what each delivered, from the calling goroutine and as
// it arrives; a node with a long answer is yielded in parts. What could not be read
// is yielded with Err. References are as the readout has them; without any the hub
// itself is read, yielded as its root node. Read returns after the last, when ctx
// ends, or when the hub is gone.
func (c *Client) Read(ctx context.Context, ro nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error {
	return c.ReadAt(ctx, time.Time{}, ro, yield)
}

// ReadAt is Read at a later time, which the hub keeps: it reads then, not before. ctx has
// to last until after that. Zero is now.
func (c *Client) ReadAt(ctx context.Context, when time.Time, ro nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error {
	id := rand.Text()
	p := &pending{wake: make(chan struct{}, 1)}
	c.mu.Lock()
	if c.readouts == nil {
		c.readouts = make(map[string]*pending)
	}
	c.readouts[id] = p
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.readouts, id)
		c.mu.Unlock()
	}()
	one := nodes.Ref{}
	if len(ro.Refs) == 1 {
		one = ro.Refs[0]
	}
	e, err := c.Link.Ask(ctx, c.To, "get", c.request(id, when, &ro))
	if err != nil {
		if ctx.Err() != nil {
			c.cancel(ctx, id)
		}
		return ext.Failed("read", one, err)
	}
	y := yielder{ro: &ro, yield: yield}
	switch {
	case e == nil:
		return nodes.Errorf(nodes.Internal, "read", one, "the hub answered with nothing; does it serve sensor data?")
	case e.Attr("id") != id && e.Attr("id") != "":
		return nodes.Errorf(nodes.Internal, "read", one, "the hub answered another request")
	case e.Name.Local == "resp":
		if y.resp(e) {
			return nil
		}
	case e.Name.Local != "accepted" && e.Name.Local != "started":
		return nodes.Errorf(nodes.Internal, "read", one, "the hub answered with <"+ext.Clip(e.Name.Local)+"/>; does it serve sensor data?")
	}
	return c.wait(ctx, id, p, &y, one)
}

// wait handles the messages until the last.
func (c *Client) wait(ctx context.Context, id string, p *pending, y *yielder, one nodes.Ref) error {
	for {
		select {
		case <-p.wake:
		case <-ctx.Done():
			c.cancel(ctx, id)
			return ext.Failed("read", one, ctx.Err())
		}
		c.mu.Lock()
		list, end := p.messages, p.end
		p.messages = nil
		c.mu.Unlock()
		for _, e := range list {
			if e.Name.Local == "done" || e.Name.Local == "resp" && y.resp(e) {
				return nil
			}
		}
		if end != nil {
			return ext.Failed("read", one, end)
		}
	}
}

// cancel tells the hub that nobody waits any more.
func (c *Client) cancel(ctx context.Context, id string) {
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), parting)
	defer stop()
	b := wire.AppendAttr([]byte("<cancel"), "xmlns", c.space())
	c.Link.Ask(ctx, c.To, "set", append(wire.AppendAttr(b, "id", id), "/>"...)) // it ends by itself otherwise
}

func (c *Client) space() string {
	if c.Space == "" {
		return NSNFI
	}
	return c.Space
}

// request makes a req element.
func (c *Client) request(id string, when time.Time, ro *nodes.Readout) []byte {
	b := wire.AppendAttr(append(make([]byte, 0, 256), "<req"...), "xmlns", c.space())
	b = wire.AppendAttr(b, "id", id)
	b = wire.AppendCategories(b, ro.Categories)
	b = appendTime(b, "from", ro.From)
	b = appendTime(b, "to", ro.To)
	b = appendTime(b, "when", when)
	b = append(b, '>')
	for _, ref := range ro.Refs {
		b = append(wire.AppendRef(append(b, "<nd"...), ref), "/>"...)
	}
	for _, name := range ro.Fields {
		b = append(wire.AppendAttr(append(b, "<f"...), "n", name), "/>"...)
	}
	return append(b, "</req>"...)
}

func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(append(append(b, ' '), name...), "='"...)
	return append(wire.AppendDateTime(b, t), '\'')
}

// Receive takes the messages of readouts; others are ignored.
func (c *Client) Receive(m *ext.Message) {
	switch m.Payload.Name.Local {
	case "resp", "started", "done":
	default:
		return
	}
	if m.From != c.To {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.readouts[m.Payload.Attr("id")]
	switch {
	case p == nil || p.end != nil:
		return
	case len(p.messages) >= maxWaiting:
		p.end = nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "values come faster than they are taken")
	default:
		p.messages = append(p.messages, m.Payload)
	}
	p.signal()
}

// Gone ends all readouts when the hub or the link is gone.
func (c *Client) Gone(_ ext.Link, jid string) {
	if jid != "" && jid != c.To {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.readouts {
		if p.end == nil {
			p.end = nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, "the hub is gone")
		}
		p.signal()
	}
}

func (p *pending) signal() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// yielder hands on what resp elements hold.
type yielder struct {
	ro    *nodes.Readout
	yield func(nodes.Ref, nodes.Reading)
	byKey map[nodes.Ref]nodes.Ref // as the readout has them
}

// resp yields what a resp holds and tells whether it was the last.
func (y *yielder) resp(e *wire.Element) (last bool) {
	e.EachReading(func(ref nodes.Ref, fields []nodes.Field, failures []wire.Failure) {
		r := nodes.Reading{Fields: fields}
		ref = y.find(ref)
		r.Node = ref.ID
		if len(failures) > 0 {
			texts := make([]string, len(failures))
			for i, f := range failures {
				texts[i] = f.Text
			}
			r.Err = nodes.Errorf(nodes.Unreachable, "read", ref, strings.Join(texts, "; "))
		}
		y.yield(ref, r)
	})
	return !e.Flag("more")
}

// find returns a reference as the readout has it.
func (y *yielder) find(ref nodes.Ref) nodes.Ref {
	switch {
	case ref.ID == "" && len(y.ro.Refs) == 1:
		return y.ro.Refs[0]
	case ref.ID == "":
		return nodes.In(nodes.RootID)
	case len(y.ro.Refs) == 1 && y.ro.Refs[0].Resolved() == ref.Resolved():
		return y.ro.Refs[0]
	}
	if y.byKey == nil {
		y.byKey = make(map[nodes.Ref]nodes.Ref, len(y.ro.Refs))
		for _, r := range y.ro.Refs {
			y.byKey[r.Resolved()] = r
		}
	}
	if r, ok := y.byKey[ref.Resolved()]; ok {
		return r
	}
	return ref.Resolved()
}
