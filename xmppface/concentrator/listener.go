package concentrator

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// MaxEvents is how many events wait at a [Listener]; then the oldest are dropped
// and counted.
const MaxEvents = 4096

// maxEarly is how many sniff messages are kept that overtook the answer to their
// registration, and of how many unknown sniffers.
const maxEarly = 64

// Listener is a sniffer at the client's end.
type Listener struct {
	client  *Client
	ref     nodes.Ref
	id      string
	expires time.Time
	wake    chan struct{} // 1: something to take, or the end

	mu      sync.Mutex
	queue   []sniffer.Event
	dropped int
	end     error // why it has ended; nil while it lives
}

// Expires returns when the hub ends it.
func (l *Listener) Expires() time.Time { return l.expires }

// Next waits for events and returns all that are waiting, oldest first, and how
// many were dropped before them here since the last call. After the last event of
// a sniffer that expired or was closed it returns [io.EOF]; a nodes.Error of kind
// Unreachable when the hub or the link is gone.
func (l *Listener) Next(ctx context.Context) (events []sniffer.Event, dropped int, err error) {
	for {
		l.mu.Lock()
		events, dropped, err = l.queue, l.dropped, l.end
		l.queue, l.dropped = nil, 0
		l.mu.Unlock()
		if len(events) > 0 || dropped > 0 {
			return events, dropped, nil
		}
		if err != nil {
			return nil, 0, err
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
			return nil, 0, ctx.Err()
		}
	}
}

// Close unregisters the sniffer. The listener has ended even when the hub could
// not be told.
func (l *Listener) Close(ctx context.Context) error {
	c := l.client
	c.mu.Lock()
	lives := c.listeners[l.id] == l
	delete(c.listeners, l.id)
	c.mu.Unlock()
	l.stop(io.EOF)
	if !lives {
		return nil
	}
	b := appendRef(c.request("unregisterSniffer"), l.ref.Resolved())
	b = append(wire.AppendAttr(b, "snifferId", l.id), '/', '>')
	_, err := c.ask(ctx, "stop listening to", l.ref, "set", b, "")
	return err
}

// put adds events and tells whether the sniffer has expired.
func (l *Listener) put(events []sniffer.Event) (expired bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range events {
		if l.end != nil {
			break
		}
		if e.Kind == sniffer.Expired {
			l.end = io.EOF
			expired = true
		}
		if len(l.queue) >= MaxEvents {
			l.queue = l.queue[1:]
			l.dropped++
		}
		l.queue = append(l.queue, e)
	}
	l.signal()
	return expired
}

func (l *Listener) stop(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.end == nil {
		l.end = err
	}
	l.signal()
}

func (l *Listener) signal() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Receive takes the sniff and queryProgress messages of the hub; others are ignored.
func (c *Client) Receive(m *ext.Message) {
	switch {
	case m.From != c.To:
	case m.Payload.Name.Local == "sniff":
		c.sniffed(m)
	case m.Payload.Name.Local == "queryProgress":
		c.progressed(m)
	default:
		c.happened(m)
	}
}

func (c *Client) sniffed(m *ext.Message) {
	id := m.Payload.Attr("snifferId")
	c.mu.Lock()
	defer c.mu.Unlock()
	l := c.listeners[id]
	if l == nil {
		waiting := c.early[id]
		if c.asking > 0 && (waiting != nil || len(c.early) < maxEarly) && len(waiting) < maxEarly {
			if c.early == nil {
				c.early = make(map[string][]*wire.Element)
			}
			c.early[id] = append(waiting, m.Payload)
		}
		return
	}
	if l.put(readSniff(m.Payload)) {
		delete(c.listeners, id)
	}
}

// Gone ends all listeners and queries when the hub or the link is gone.
func (c *Client) Gone(_ ext.Link, jid string) {
	if jid != "" && jid != c.To {
		return
	}
	c.mu.Lock()
	list := c.listeners
	c.listeners = nil
	for source, f := range c.subscribed {
		delete(c.subscribed, source)
		defer f(nodes.Event{})
	}
	for _, f := range c.following {
		f.fail(nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, "the hub is gone"))
	}
	c.mu.Unlock()
	for _, l := range list {
		l.stop(nodes.Errorf(nodes.Unreachable, "listen to", l.ref, "the hub is gone"))
	}
}
