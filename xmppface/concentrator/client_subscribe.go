package concentrator

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Subscription is a wish for the events of a source.
type Subscription struct {
	Source string            // empty: the default one
	Kinds  []nodes.EventKind // none: all
	Detail nodes.Detail      // what the nodes of events come with
	TTL    time.Duration     // how long it lives unless it is renewed; whole seconds, 1 h when 0
	Since  time.Time         // events since then are told first; zero: none
}

// Subscribe asks for the events of a source, or renews the wish: then f takes the place
// of what was given before. f is called in order and must not block; with the zero Event
// when the hub or the link is gone. A subscription that is not renewed ends silently.
func (c *Client) Subscribe(ctx context.Context, w Subscription, f func(nodes.Event)) error {
	if w.Source == "" {
		w.Source = nodes.DefaultSource
	}
	if w.TTL <= 0 {
		w.TTL = time.Hour
	}
	b := wire.AppendAttr(c.request("subscribe"), "src", w.Source)
	b = wire.AppendAttr(b, "ttl", strconv.Itoa(max(1, int(w.TTL/time.Second))))
	if !w.Since.IsZero() {
		b = appendTime(b, "getEventsSince", w.Since)
	}
	b = appendKinds(appendDetail(b, w.Detail), w.Kinds)
	c.mu.Lock()
	before := c.subscribed[w.Source]
	if c.subscribed == nil {
		c.subscribed = make(map[string]func(nodes.Event))
	}
	c.subscribed[w.Source] = f // events come before the answer is read
	c.mu.Unlock()
	_, err := c.ask(ctx, "subscribe", nodes.Ref{}, "set", append(b, '/', '>'), "")
	if err != nil {
		c.mu.Lock()
		if c.subscribed[w.Source] = before; before == nil {
			delete(c.subscribed, w.Source)
		}
		c.mu.Unlock()
	}
	return err
}

// Unsubscribe ends the wish for some kinds of events of a source; none: for all.
func (c *Client) Unsubscribe(ctx context.Context, source string, kinds ...nodes.EventKind) error {
	if source == "" {
		source = nodes.DefaultSource
	}
	if len(kinds) == 0 {
		c.mu.Lock()
		delete(c.subscribed, source)
		c.mu.Unlock()
	}
	b := appendKinds(wire.AppendAttr(c.request("unsubscribe"), "src", source), kinds)
	_, err := c.ask(ctx, "unsubscribe", nodes.Ref{}, "set", append(b, '/', '>'), "")
	return err
}

// appendKinds turns off the kinds that are not wanted.
func appendKinds(b []byte, kinds []nodes.EventKind) []byte {
	if len(kinds) == 0 {
		return b
	}
	for k, name := range eventNames {
		if name != "" && !slices.Contains(kinds, nodes.EventKind(k)) {
			b = wire.AppendAttr(b, name, "false")
		}
	}
	return b
}

// happened takes an event.
func (c *Client) happened(m *ext.Message) {
	k := slices.Index(eventNames[:], m.Payload.Name.Local)
	if k <= 0 {
		return
	}
	c.mu.Lock()
	f := c.subscribed[source(m.Payload)]
	c.mu.Unlock()
	if f == nil {
		return
	}
	e := nodes.Event{Kind: nodes.EventKind(k), Info: readInfo(m.Payload), OldID: m.Payload.Attr("oid"), After: m.Payload.Attr("aid")}
	e.Time, _ = wire.ParseDateTime(m.Payload.Attr("ts"))
	f(e)
}
