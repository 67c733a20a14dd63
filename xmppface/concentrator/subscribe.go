package concentrator

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The limits of subscriptions to the events of sources.
const (
	// MaxTTL is how long a subscription lives at most without being renewed.
	MaxTTL = 24 * time.Hour
	// MaxSubscriptionsEach is how many one bare address may have unless
	// [Server.SubscriptionsEach] says otherwise.
	MaxSubscriptionsEach = 16
	// MaxSubscriptions is how many there may be in all.
	MaxSubscriptions = 256
	// maxEvents is how many events wait for one subscriber, those that are sent again
	// included. When there are more the subscription ends, so that no event is lost
	// unseen: who subscribes anew gets what he missed with getEventsSince.
	maxEvents = 10_000
	// crowded is how many events wait before a change of status takes the place of the
	// one of the same node that waits behind these: a subscriber slower than the plant
	// gets the latest states, and none that is old.
	crowded = 256
)

var subscribeOperations = []operation{
	{name: "subscribe", typ: "set", answer: (*Server).subscribe},
	{name: "unsubscribe", typ: "set", answer: (*Server).unsubscribe},
}

// eventNames are the elements of events, and the attributes that choose them.
var eventNames = [...]string{nodes.NodeAdded: "nodeAdded", nodes.NodeUpdated: "nodeUpdated", nodes.NodeStatusChanged: "nodeStatusChanged",
	nodes.NodeRemoved: "nodeRemoved", nodes.NodeMovedUp: "nodeMovedUp", nodes.NodeMovedDown: "nodeMovedDown"}

// eventKinds is a set of kinds of events.
type eventKinds [len(eventNames)]bool

// subscriptionKey is whose subscription it is: one for each client and source.
type subscriptionKey struct {
	link   ext.Link
	jid    string // full
	source string
}

// subscription is that a client wants the events of a source.
type subscription struct {
	key   subscriptionKey
	who   nodes.Caller
	begun chan struct{} // closed when the answer has been sent
	wake  chan struct{} // 1: there is something to do
	over  chan struct{} // closed at the end

	mu      sync.Mutex
	space   string // of the latest request
	kinds   eventKinds
	detail  nodes.Detail
	until   time.Time
	waiting []nodes.Event
	latest  map[nodes.Ref]int // where in waiting the status is that a later one replaces
	void    int               // how many waiting were replaced; their kind is 0
	full    bool
	ended   bool
	stop    func()
}

func (s *Server) subscribe(c *call) ([]byte, error) {
	p := c.Payload
	seconds, err := strconv.ParseUint(p.Attr("ttl"), 10, 32)
	if err != nil || seconds == 0 {
		return nil, invalid(strconv.Quote(clip(p.Attr("ttl"))) + " is no time to live; write ttl as a number of seconds above 0")
	}
	kinds, err := chosen(p)
	if err != nil {
		return nil, err
	}
	if kinds == (eventKinds{}) {
		return nil, invalid("no event is chosen; leave one of nodeAdded, nodeUpdated, nodeStatusChanged, nodeRemoved, nodeMovedUp and nodeMovedDown true")
	}
	now := time.Now()
	var since time.Time
	if text, ok := p.Lookup("getEventsSince"); ok {
		if since, ok = wire.ParseDateTime(text); !ok {
			return nil, invalid(strconv.Quote(clip(text)) + " is no time; write getEventsSince as 2026-12-31T23:59:59Z")
		}
	}
	key := subscriptionKey{c.Link, c.who.Full, source(p)}
	s.mu.Lock()
	sub := s.subscriptions[key]
	s.mu.Unlock()
	fresh := sub == nil
	if fresh {
		sub = &subscription{key: key, who: c.who, begun: make(chan struct{}), wake: make(chan struct{}, 1), over: make(chan struct{})}
		if sub.stop, err = s.backend.Subscribe(c.who, key.source, sub.notify); err != nil {
			return nil, err
		}
	}
	// What is sent again is what there was before now; from now on notify is called.
	var again []nodes.Event
	if !since.IsZero() {
		err = s.backend.Events(c.who, key.source, since, func(e nodes.Event) bool {
			if e.Time.Before(now) {
				again = append(again, e)
			}
			return len(again) < maxEvents
		})
		if err != nil && fresh {
			sub.end()
		}
		if err != nil {
			return nil, err
		}
	}
	sub.mu.Lock()
	for i, on := range kinds {
		sub.kinds[i] = sub.kinds[i] || on
	}
	d := detail(p)
	sub.detail.Properties = sub.detail.Properties || d.Properties
	sub.detail.Messages = sub.detail.Messages || d.Messages
	sub.until = now.Add(min(time.Duration(seconds)*time.Second, MaxTTL))
	sub.space = c.Space()
	sub.waiting = append(again, sub.waiting...)
	clear(sub.latest) // they stand elsewhere now
	sub.mu.Unlock()
	if !fresh {
		sub.signal()
		return nil, nil
	}
	if err := s.addSubscription(sub); err != nil {
		sub.end()
		return nil, err
	}
	c.then = func() { close(sub.begun) }
	s.log.Info("events subscribed", "source", key.source, "by", c.who.String())
	return nil, nil
}

// chosen reads which events a request means: all that it does not turn off.
func chosen(e *wire.Element) (kinds eventKinds, err error) {
	for i, name := range eventNames {
		if name == "" {
			continue
		}
		kinds[i] = true
		if text, ok := e.Lookup(name); ok {
			if kinds[i], ok = wire.ParseBool(text); !ok {
				return kinds, invalid(name + " is " + strconv.Quote(clip(text)) + "; write true or false")
			}
		}
	}
	return kinds, nil
}

func (s *Server) unsubscribe(c *call) ([]byte, error) {
	kinds, err := chosen(c.Payload)
	if err != nil {
		return nil, err
	}
	if _, err := s.backend.Roots(c.who, source(c.Payload), nodes.Detail{}); err != nil {
		return nil, err
	}
	s.mu.Lock()
	sub := s.subscriptions[subscriptionKey{c.Link, c.who.Full, source(c.Payload)}]
	s.mu.Unlock()
	if sub == nil {
		return nil, nil // it has ended already
	}
	sub.mu.Lock()
	for i, off := range kinds {
		if off {
			sub.kinds[i] = false
		}
	}
	none := sub.kinds == eventKinds{}
	sub.mu.Unlock()
	if none {
		s.removeSubscription(sub)
	}
	return nil, nil
}

// addSubscription keeps a subscription and starts its goroutine.
func (s *Server) addSubscription(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, o := range s.subscriptions {
		if o.who.JID == sub.who.JID && o.who.Way == sub.who.Way {
			own++
		}
	}
	switch {
	case own >= s.SubscriptionsEach:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you subscribe already "+strconv.Itoa(own)+" times (limits, source_subscriptions, in hub.yaml); unsubscribe first")
	case len(s.subscriptions) >= MaxSubscriptions:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many people subscribe to this hub; try again later")
	case !s.workers.Go(func(ctx context.Context) { s.tellEvents(ctx, sub) }):
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is starting or stopping; try again in a moment")
	}
	s.subscriptions[sub.key] = sub
	return nil
}

// removeSubscription ends a subscription; it may be called more than once.
func (s *Server) removeSubscription(sub *subscription) {
	s.mu.Lock()
	if s.subscriptions[sub.key] == sub {
		delete(s.subscriptions, sub.key)
	}
	s.mu.Unlock()
	sub.end()
}

// endSubscriptions ends those of a peer of the link; of all its peers when jid is empty.
func (s *Server) endSubscriptions(link ext.Link, jid string) {
	s.mu.Lock()
	var list []*subscription
	for key, sub := range s.subscriptions {
		if key.link == link && (jid == "" || key.jid == jid) {
			list = append(list, sub)
		}
	}
	s.mu.Unlock()
	for _, sub := range list {
		s.removeSubscription(sub)
	}
}

func (sub *subscription) end() {
	sub.mu.Lock()
	first := !sub.ended
	sub.ended = true
	sub.mu.Unlock()
	if first {
		sub.stop()
		close(sub.over)
	}
}

func (sub *subscription) signal() {
	select {
	case sub.wake <- struct{}{}:
	default:
	}
}

// notify takes an event; it never waits.
func (sub *subscription) notify(e nodes.Event) {
	sub.mu.Lock()
	switch {
	case sub.ended:
	default:
		sub.replace(e)
		if len(sub.waiting)-sub.void >= maxEvents {
			sub.full = true
			break
		}
		sub.waiting = append(sub.waiting, e)
	}
	sub.mu.Unlock()
	sub.signal()
}

// replace drops the change of status that e makes obsolete, when many events wait. What
// waits stays in the order of its times. mu is held.
func (sub *subscription) replace(e nodes.Event) {
	switch {
	case e.Kind != nodes.NodeStatusChanged:
		clear(sub.latest) // after this one the id may be another node's
		return
	case len(sub.waiting) < crowded:
		return
	case sub.latest == nil:
		sub.latest = make(map[nodes.Ref]int)
	}
	if i, ok := sub.latest[e.Info.Ref]; ok {
		sub.waiting[i] = nodes.Event{}
		delete(sub.latest, e.Info.Ref)
		sub.void++
	}
	if sub.void > len(sub.waiting)/2 {
		kept := sub.waiting[:0]
		for i, w := range sub.waiting {
			if w.Kind == 0 {
				continue
			}
			if at, ok := sub.latest[w.Info.Ref]; ok && at == i {
				sub.latest[w.Info.Ref] = len(kept)
			}
			kept = append(kept, w)
		}
		clear(sub.waiting[len(kept):])
		sub.waiting, sub.void = kept, 0
	}
	if len(sub.waiting)-sub.void < maxEvents {
		sub.latest[e.Info.Ref] = len(sub.waiting)
	}
}

// tellEvents sends events until the subscription ends.
func (s *Server) tellEvents(ctx context.Context, sub *subscription) {
	defer s.removeSubscription(sub)
	select {
	case <-sub.begun:
	case <-sub.over:
		return
	case <-ctx.Done():
		return
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		sub.mu.Lock()
		list, full, until, space, kinds, d := sub.waiting, sub.full, sub.until, sub.space, sub.kinds, sub.detail
		sub.waiting, sub.void = nil, 0
		clear(sub.latest)
		sub.mu.Unlock()
		for i := range list {
			select {
			case <-sub.over:
				return
			default:
			}
			if int(list[i].Kind) >= len(kinds) || !kinds[list[i].Kind] {
				continue
			}
			if sub.key.link.Tell(ctx, sub.key.jid, s.appendEvent(nil, space, sub.who, &list[i], d)) != nil {
				return
			}
		}
		left := time.Until(until)
		switch {
		case full:
			s.log.Warn("a subscription to events was ended: its client is too slow", "source", sub.key.source, "by", sub.who.String())
			return
		case left <= 0:
			s.log.Info("a subscription to events has expired", "source", sub.key.source, "by", sub.who.String())
			return
		}
		timer.Reset(left)
		select {
		case <-sub.wake:
		case <-timer.C:
		case <-sub.over:
			return
		case <-ctx.Done():
			return
		}
	}
}

// appendEvent appends an event as its subscriber may see it now.
func (s *Server) appendEvent(b []byte, space string, who nodes.Caller, e *nodes.Event, d nodes.Detail) []byte {
	name := eventNames[e.Kind]
	b = wire.AppendAttr(append(append(b, '<'), name...), "xmlns", space)
	b = appendTime(b, "ts", e.Time)
	info := e.Info
	if e.Kind == nodes.NodeAdded || e.Kind == nodes.NodeUpdated || e.Kind == nodes.NodeStatusChanged {
		if now, err := s.backend.Node(who, info.Ref, d); err == nil {
			state := info.State
			info = now
			if e.Kind == nodes.NodeStatusChanged {
				info.State = state
			}
		}
	}
	switch e.Kind {
	case nodes.NodeAdded, nodes.NodeUpdated:
		b = wire.AppendOptional(b, "aid", e.After)
		b = wire.AppendOptional(b, "oid", e.OldID)
		b = bytes.TrimSuffix(appendInfo(b, &info, d), []byte("</nodeInfo>"))
		return append(append(append(b, "</"...), name...), '>')
	case nodes.NodeStatusChanged:
		b = appendAlternative(b, &info)
		b = wire.AppendAttr(b, "state", states[min(int(info.State), len(states)-1)])
		b = append(b, '>')
		if d.Messages {
			b = appendMessages(b, info.Messages)
		}
		return append(append(append(b, "</"...), name...), '>')
	}
	return append(appendAlternative(b, &info), '/', '>')
}

// appendAlternative appends the address of a node with its other names.
func appendAlternative(b []byte, n *nodes.Info) []byte {
	b = appendRef(b, n.Ref)
	if n.Name != "" {
		b = wire.AppendAttr(b, "localId", n.Name)
	}
	return wire.AppendAttr(b, "logId", n.Ref.ID)
}
