package events

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// envelope is what is left of a stanza's bytes for the message itself.
const envelope = 512

// key names a subscription.
type key struct {
	link ext.Link
	jid  string // full
	id   string
}

// subscription is one of a peer.
type subscription struct {
	key
	*pending
	who   nodes.Caller
	space string // of sensor data
	stop  func() // of the watch

	ending sync.Mutex
	ended  bool
	cancel func() // of its context, while it runs
}

// finish ends the subscription; it may be called more than once.
func (u *subscription) finish() {
	u.ending.Lock()
	defer u.ending.Unlock()
	if u.ended = true; u.cancel != nil {
		u.cancel()
	}
}

// begin returns the context of the subscription, which has ended when it has.
func (u *subscription) begin(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	u.ending.Lock()
	defer u.ending.Unlock()
	if u.cancel = cancel; u.ended {
		cancel()
	}
	return ctx, cancel
}

// Serve handles a request.
func (s *Server) Serve(r *ext.Request) {
	var err error
	switch r.Payload.Name.Local {
	case "subscribe":
		err = s.subscribe(r)
	case "unsubscribe":
		err = s.unsubscribe(r)
	default:
		err = nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "the hub does not serve "+ext.Clip(r.Payload.Name.Local)+"; there are subscribe and unsubscribe")
	}
	if err != nil {
		s.log.Debug("request refused", "from", r.Caller.Full, "way", r.Caller.Way, "operation", ext.Clip(r.Payload.Name.Local), "err", err)
		r.Fail(err)
	}
}

func (s *Server) subscribe(r *ext.Request) error {
	q, err := parse(r.Payload)
	if err != nil {
		return err
	}
	u := &subscription{key: key{r.Link, r.Caller.Full, q.id}, pending: newPending(q), who: r.Caller,
		space: sensorData(r.Space())}
	s.mu.Lock()
	err = s.room(u)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if len(q.rules) > 0 {
		if _, err := s.backend.Current(u.who, u.ro, u.seed); err != nil {
			return err
		}
	}
	if u.stop, err = s.backend.Watch(u.who, nodes.Watch{Refs: q.refs, Interval: q.interval(), Notify: u.notify}); err != nil {
		return err
	}
	s.mu.Lock()
	former := s.subs[u.key]
	if err = s.room(u); err == nil && !s.workers.Go(func(ctx context.Context) { s.run(ctx, r, u) }) {
		err = nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is starting or stopping; try again in a moment")
	}
	if err == nil {
		s.put(u)
	}
	s.mu.Unlock()
	switch {
	case err != nil:
		u.stop()
	case former != nil:
		former.finish()
	}
	return err
}

// person is whom subscriptions are counted for.
type person struct {
	way nodes.Way
	jid string // bare
}

func (u *subscription) person() person { return person{u.who.Way, u.who.JID} }

// put keeps a subscription, in place of one with its key. It is called with s locked.
func (s *Server) put(u *subscription) {
	s.remove(u.key)
	s.subs[u.key] = u
	s.own[u.person()]++
}

// remove forgets a subscription and returns it, if there is one. It is called with s
// locked.
func (s *Server) remove(k key) *subscription {
	u := s.subs[k]
	if u == nil {
		return nil
	}
	delete(s.subs, k)
	if s.own[u.person()]--; s.own[u.person()] == 0 {
		delete(s.own, u.person())
	}
	return u
}

// room tells whether one more subscription is allowed. It is called with s locked.
func (s *Server) room(u *subscription) error {
	own := s.own[u.person()]
	switch {
	case s.subs[u.key] != nil: // takes its place
	case own >= s.MaxEach:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you have "+strconv.Itoa(own)+" subscriptions (limits, subscriptions, in hub.yaml); end one first")
	case len(s.subs) >= s.MaxAll:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "this hub has too many subscriptions; try again later")
	}
	return nil
}

func (s *Server) unsubscribe(r *ext.Request) error {
	id := r.Payload.Attr("id")
	if id == "" {
		return ext.Invalid("the request names no subscription; write its id")
	}
	k := key{r.Link, r.Caller.Full, id}
	s.mu.Lock()
	u := s.remove(k)
	s.mu.Unlock()
	if u == nil {
		return nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no such subscription; it ends when its owner goes offline")
	}
	u.finish()
	r.Result(nil)
	return nil
}

// Gone ends the subscriptions of a peer that went offline, or of all peers of a
// link that dropped.
func (s *Server) Gone(l ext.Link, jid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, u := range s.subs {
		if k.link == l && (jid == "" || k.jid == jid) {
			s.remove(k)
			u.finish()
		}
	}
}

// run accepts a subscription and sends what changes until it ends.
func (s *Server) run(ctx context.Context, r *ext.Request, u *subscription) {
	defer func() {
		s.mu.Lock()
		if s.subs[u.key] == u {
			s.remove(u.key)
		}
		s.mu.Unlock()
		u.stop()
	}()
	if ctx.Err() != nil {
		r.Fail(nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is stopping"))
		return
	}
	b := wire.AppendAttr([]byte("<accepted"), "xmlns", u.space)
	r.Result(append(wire.AppendAttr(b, "id", u.id), "/>"...))
	ctx, cancel := u.begin(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer cancel()
	if err := s.deliver(ctx, u, &others); err != nil {
		s.log.Debug("subscription ended", "by", u.who.String(), "err", err)
	}
}

// deliver sends messages as they become due.
func (s *Server) deliver(ctx context.Context, u *subscription, others *sync.WaitGroup) error {
	reading := make(chan struct{}, 1) // holds one while all fields are being read
	readAll := func() {
		select {
		case reading <- struct{}{}:
			others.Go(func() { s.readAll(ctx, u); <-reading })
		default:
		}
	}
	if u.q.now {
		readAll()
	}
	gap := max(u.q.minInt, minGap)
	var last time.Time
	var tick *time.Timer
	var silent <-chan time.Time // nothing was sent for maxInt
	if u.q.maxInt > 0 {
		tick = time.NewTimer(u.q.maxInt)
		defer tick.Stop()
		silent = tick.C
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-silent:
			tick.Reset(u.q.maxInt)
			readAll()
			continue
		case <-u.wake:
		}
		if !u.isDue() {
			continue
		}
		if wait := time.Until(last.Add(gap)); wait > 0 {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(wait):
			}
		}
		if err := s.send(ctx, u); err != nil {
			return err
		}
		last = time.Now()
		if tick != nil {
			tick.Reset(u.q.maxInt)
		}
	}
}

// readAll reads all fields and makes them due: after a while those that are there,
// then each as it comes.
func (s *Server) readAll(ctx context.Context, u *subscription) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	began := time.Now()
	first := time.AfterFunc(readGather, u.flush)
	defer u.flush()
	defer first.Stop()
	err := s.backend.Read(ctx, u.who, u.ro, func(ref nodes.Ref, r nodes.Reading) {
		u.put(ref, r, true)
		if time.Since(began) > readGather {
			u.flush()
		}
	})
	if err != nil && ctx.Err() == nil {
		for _, ref := range u.q.refs {
			u.put(ref, nodes.Reading{Node: ref.ID, Err: err}, true)
		}
	}
}

// send sends what is due.
func (s *Server) send(ctx context.Context, u *subscription) error {
	w := &wire.Responses{Space: u.space, ID: u.id, Max: s.MaxStanza - envelope, Bare: u.q.bare,
		Send: func(payload []byte) error { return u.link.Tell(ctx, u.jid, payload) }}
	order, list := u.take()
	for _, ref := range order {
		c := list[ref]
		if err := w.Add(ref, c.fields, strings.Join(c.failures, "; "), c.failed); err != nil {
			return err
		}
	}
	return w.Flush(false)
}
