package concentrator

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strconv"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The limits of sniffers.
const (
	// DefaultLife is how long a sniffer lives when its request does not say.
	DefaultLife = time.Hour
	// MaxLife is how long it lives at most, whatever the request says.
	MaxLife = 24 * time.Hour
	// MaxSniffersEach is how many sniffers one bare address may have unless
	// [Server.SniffersEach] says otherwise.
	MaxSniffersEach = 8
	// MaxSniffers is how many there may be in all.
	MaxSniffers = 64
)

// How events are gathered: the first goes out at once, then what came meanwhile
// every gather; a message holds events of at most span, and about maxSniff bytes.
const (
	gather   = 100 * time.Millisecond
	span     = 100 * time.Millisecond
	many     = 64 // events after which the next message does not wait
	maxSniff = 64 << 10
	maxFrame = 24 << 10 // bytes of a frame or remark that are shown
)

var sniffOperations = []operation{
	{name: "registerSniffer", typ: "set", answer: (*Server).registerSniffer},
	{name: "unregisterSniffer", typ: "set", answer: (*Server).unregisterSniffer},
}

// listening is one sniffer of a peer.
type listening struct {
	id    string
	link  ext.Link
	who   nodes.Caller
	space string
	ref   nodes.Ref
	sub   *sniffer.Subscription
	begun chan struct{} // closed when the answer has been sent

	mu     sync.Mutex
	ended  bool
	cancel context.CancelFunc
}

func (s *Server) registerSniffer(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	expires := now.Add(DefaultLife)
	if text, ok := c.Payload.Lookup("expires"); ok {
		if expires, ok = wire.ParseDateTime(text); !ok {
			return nil, invalid(strconv.Quote(clip(text)) + " is no time; write expires as 2026-12-31T23:59:59Z")
		}
		if !expires.After(now) {
			return nil, invalid("expires has passed: by the hub's clock it is " + string(wire.AppendDateTime(nil, now)))
		}
	}
	if last := now.Add(MaxLife); expires.After(last) {
		expires = last
	}
	expires = expires.Truncate(time.Millisecond) // as it is told
	l := &listening{id: rand.Text(), link: c.Link, who: c.who, space: c.Space(), ref: r, begun: make(chan struct{})}
	if l.sub, err = s.backend.Sniff(c.who, r, expires); err != nil {
		return nil, err
	}
	if err := s.addSniffer(l); err != nil {
		l.sub.Close()
		return nil, err
	}
	c.then = func() { close(l.begun) }
	s.log.Info("sniffer registered", "node", r.String(), "by", c.who.String(), "expires", expires)
	b := wire.AppendAttr(c.open(nil, "sniffer"), "snifferId", l.id)
	return append(appendTime(b, "expires", expires), '/', '>'), nil
}

func (s *Server) unregisterSniffer(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	id := c.Payload.Attr("snifferId")
	if id == "" {
		return nil, invalid("the request names no sniffer; write its snifferId")
	}
	s.mu.Lock()
	l := s.sniffers[id]
	s.mu.Unlock()
	if l == nil || l.who.JID != c.who.JID || l.who.Way != c.who.Way || l.ref != r {
		return nil, nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no such sniffer; it has ended, or belongs to another node")
	}
	s.removeSniffer(l)
	return nil, nil
}

// addSniffer keeps a sniffer and starts its goroutine.
func (s *Server) addSniffer(l *listening) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, o := range s.sniffers {
		if o.who.JID == l.who.JID && o.who.Way == l.who.Way {
			own++
		}
	}
	switch {
	case own >= s.SniffersEach:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you listen already "+strconv.Itoa(own)+" times (limits, sniffers, in hub.yaml); unregister a sniffer first")
	case len(s.sniffers) >= MaxSniffers:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many people listen to this hub; try again later")
	case !s.workers.Go(func(ctx context.Context) { s.listen(ctx, l) }):
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is starting or stopping; try again in a moment")
	}
	s.sniffers[l.id] = l
	return nil
}

// removeSniffer ends a sniffer; it may be called more than once.
func (s *Server) removeSniffer(l *listening) {
	s.mu.Lock()
	delete(s.sniffers, l.id)
	s.mu.Unlock()
	l.end()
}

// endSniffers ends those of a peer of the link; of all its peers when jid is
// empty.
func (s *Server) endSniffers(link ext.Link, jid string) {
	s.mu.Lock()
	var list []*listening
	for _, l := range s.sniffers {
		if l.link == link && (jid == "" || l.who.Full == jid) {
			list = append(list, l)
		}
	}
	s.mu.Unlock()
	for _, l := range list {
		s.removeSniffer(l)
	}
}

func (l *listening) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.sub.Close()
	if l.cancel != nil {
		l.cancel()
	}
}

// begin waits until the answer has been sent and makes the context of the
// sniffer's life.
func (l *listening) begin(ctx context.Context) (context.Context, context.CancelFunc) {
	select {
	case <-l.begun:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithCancel(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cancel = cancel
	if l.ended {
		cancel()
	}
	return ctx, cancel
}

// listen sends what the sniffer hears until it ends.
func (s *Server) listen(ctx context.Context, l *listening) {
	ctx, cancel := l.begin(ctx)
	defer cancel()
	defer s.removeSniffer(l)
	for {
		events, dropped, ok := l.sub.Next(ctx)
		if ctx.Err() != nil {
			return
		}
		if ok && !s.backend.May(l.who, nodes.See|nodes.Listen, l.ref) {
			events, dropped, ok = []sniffer.Event{{Time: time.Now(), Kind: sniffer.Expired}}, 0, false
		}
		for len(events) > 0 || dropped > 0 {
			var payload []byte
			payload, events = appendSniff(nil, l.space, l.id, events, dropped)
			dropped = 0
			if l.link.Tell(ctx, l.who.Full, payload) != nil {
				return
			}
		}
		if !ok {
			s.log.Info("sniffer ended", "node", l.ref.String(), "by", l.who.String())
			return
		}
		if len(events) < many {
			pause(ctx, gather)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// sniffNames are the elements of the kinds of events.
var sniffNames = [...]string{sniffer.RxBin: "rxBin", sniffer.TxBin: "txBin", sniffer.Rx: "rx", sniffer.Tx: "tx",
	sniffer.Info: "info", sniffer.Warning: "warning", sniffer.Error: "error", sniffer.Exception: "exception", sniffer.Expired: "expired"}

// appendSniff appends one sniff element and returns the events that are left for
// the next: those later than the time span of one message, or beyond its size.
// There is an event, or some were dropped before the first.
func appendSniff(b []byte, space, id string, events []sniffer.Event, dropped int) ([]byte, []sniffer.Event) {
	start := time.Now()
	if len(events) > 0 {
		start = events[0].Time
	}
	b = wire.AppendAttr(append(b, "<sniff"...), "xmlns", space)
	b = wire.AppendAttr(b, "snifferId", id)
	b = append(appendTime(b, "timestamp", start), '>')
	if dropped > 0 {
		b = append(b, "<warning>"...)
		b = strconv.AppendInt(b, int64(dropped), 10)
		b = append(b, " events before this were lost: the way to you is slower than the line.</warning>"...)
	}
	for len(events) > 0 && len(b) < maxSniff && events[0].Time.Sub(start) <= span {
		b = appendEvent(b, &events[0])
		events = events[1:]
	}
	return append(b, "</sniff>"...), events
}

func appendEvent(b []byte, e *sniffer.Event) []byte {
	name, text := "info", e.Text
	if int(e.Kind) < len(sniffNames) && sniffNames[e.Kind] != "" {
		name = sniffNames[e.Kind]
	}
	binary := e.Kind == sniffer.RxBin || e.Kind == sniffer.TxBin
	switch {
	case e.Kind == sniffer.Expired:
		return append(b, "<expired/>"...)
	case binary && len(e.Data) > maxFrame:
		binary, name, text = false, name[:2], "<"+strconv.Itoa(len(e.Data))+" bytes.>"
	case len(text) > maxFrame:
		text = text[:maxFrame] + "…"
	}
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	if binary {
		b = base64.StdEncoding.AppendEncode(b, e.Data)
	} else {
		b = wire.AppendText(b, text)
	}
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}
