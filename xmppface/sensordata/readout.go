package sensordata

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

const (
	// gather is how long a node that is ready waits for others to share a message.
	gather = 20 * time.Millisecond
	// grace is how long after the deadline messages may still wait for a slow peer.
	grace = 10 * time.Second
)

// key names a readout that runs.
type key struct {
	link ext.Link
	jid  string // full
	id   string
}

// readout is a request that is answered by messages.
type readout struct {
	key
	ask   *request
	who   nodes.Caller
	space string
	end   chan struct{} // closed when it is given up
	once  sync.Once

	mu     sync.Mutex
	ready  []item
	done   bool
	change chan struct{} // 1: something is ready, or done
}

type item struct {
	ref     nodes.Ref
	reading nodes.Reading
}

// giveUp ends a readout without another message.
func (o *readout) giveUp() { o.once.Do(func() { close(o.end) }) }

// start accepts a request and lets a worker read; current is what is to be sent when
// no device has to be asked.
func (s *Server) start(r *ext.Request, q *request, current []item) error {
	o := &readout{key: key{r.Link, r.Caller.Full, q.id}, ask: q, who: r.Caller, space: r.Space(),
		end: make(chan struct{}), change: make(chan struct{}, 1)}
	if current != nil {
		o.ready, o.done = current, true
		o.change <- struct{}{}
	}
	return s.begin(o, r)
}

// begin lets a worker read; r is answered when it does, nil when it was before.
func (s *Server) begin(o *readout, r *ext.Request) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	former, own := s.readouts[o.key], 0
	for k, have := range s.readouts {
		if k != o.key && have.who.JID == o.who.JID && have.who.Way == o.who.Way {
			own++
		}
	}
	if own >= s.ReadoutsEach {
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you have "+strconv.Itoa(own)+" readouts under way (limits, readouts, in hub.yaml); wait for one to end, or cancel it")
	}
	if !s.workers.Go(func(ctx context.Context) { s.run(ctx, r, o, former) }) {
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many readouts are under way; try again in a moment")
	}
	if former != nil {
		former.giveUp()
	}
	s.readouts[o.key] = o
	return nil
}

// cancel stops a readout of the peer, if it runs or waits for its time.
func (s *Server) cancel(r *ext.Request) {
	s.forget(r, r.Payload.Attr("id"))
	s.mu.Lock()
	o := s.readouts[key{r.Link, r.Caller.Full, r.Payload.Attr("id")}]
	s.mu.Unlock()
	if o != nil {
		o.giveUp()
	}
	r.Result(nil)
}

// Gone stops the readouts of a peer that went offline, or of all peers of a link
// that dropped.
func (s *Server) Gone(l ext.Link, jid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if jid == "" && s.links[l.Way()] == l {
		delete(s.links, l.Way())
	}
	for k, o := range s.readouts {
		if k.link == l && (jid == "" || k.jid == jid) {
			o.giveUp()
		}
	}
}

// run accepts, reads and sends. former is the readout whose place it takes.
func (s *Server) run(ctx context.Context, r *ext.Request, o, former *readout) {
	defer func() {
		s.mu.Lock()
		if s.readouts[o.key] == o {
			delete(s.readouts, o.key)
		}
		s.mu.Unlock()
	}()
	switch {
	case ctx.Err() != nil && r != nil:
		r.Fail(nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is stopping; nothing was read"))
		return
	case ctx.Err() != nil:
		return
	case r != nil:
		r.Result(short("accepted", o))
	}
	ctx, cancel := context.WithTimeout(ctx, s.Deadline+grace)
	defer cancel()
	stopped := make(chan struct{})
	defer func() { cancel(); <-stopped }()
	go func() {
		defer close(stopped)
		select {
		case <-o.end:
			cancel()
		case <-ctx.Done():
		}
	}()
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	if !o.done { // nobody else looks at it yet
		reading.Go(func() { s.fetch(ctx, o) })
	}
	if err := s.send(ctx, o); err != nil {
		s.log.Debug("readout given up", "by", o.who.String(), "err", err)
	}
}

// fetch reads the nodes. Each is made ready exactly once, with an error when the
// backend did not.
func (s *Server) fetch(ctx context.Context, o *readout) {
	ctx, cancel := context.WithTimeout(ctx, s.Deadline)
	defer cancel()
	open := make(map[nodes.Ref]bool, len(o.ask.ro.Refs))
	for _, ref := range o.ask.ro.Refs {
		open[ref] = true
	}
	err := s.backend.Read(ctx, o.who, &o.ask.ro, func(ref nodes.Ref, r nodes.Reading) {
		if open[ref] {
			delete(open, ref)
			o.put(item{ref, r}, false)
		}
	})
	if err == nil {
		err = nodes.Errorf(nodes.Timeout, "read", nodes.Ref{}, "the device did not answer in time")
	}
	for _, ref := range o.ask.ro.Refs {
		if open[ref] {
			o.put(item{ref, nodes.Reading{Node: ref.ID, Err: err}}, false)
		}
	}
	o.put(item{}, true)
}

// put makes a node ready, or says that all are.
func (o *readout) put(i item, done bool) {
	o.mu.Lock()
	if done {
		o.done = true
	} else {
		o.ready = append(o.ready, i)
	}
	o.mu.Unlock()
	select {
	case o.change <- struct{}{}:
	default:
	}
}

// send tells the peer of each node as soon as it is ready.
func (s *Server) send(ctx context.Context, o *readout) error {
	tell := func(payload []byte) error { return o.link.Tell(ctx, o.jid, payload) }
	if err := tell(short("started", o)); err != nil {
		return err
	}
	w := &wire.Responses{Space: o.space, ID: o.id, Max: s.MaxStanza - envelope, Bare: o.ask.bare, Send: tell}
	var late <-chan time.Time // the first node of a message has waited enough
	for {
		switch {
		case w.Empty():
			late = nil
		case late == nil:
			late = time.After(gather)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			if err := w.Flush(true); err != nil {
				return err
			}
			continue
		case <-o.change:
		}
		for done := false; ; {
			var list []item
			o.mu.Lock()
			list, o.ready, done = o.ready, nil, o.done
			o.mu.Unlock()
			for _, i := range list {
				if err := w.Add(i.ref, i.reading.Fields, ext.Reason(i.reading.Err), time.Now()); err != nil {
					return err
				}
			}
			if done {
				if w.Empty() {
					return tell(short("done", o))
				}
				return w.Flush(false)
			}
			if len(list) == 0 {
				break
			}
		}
	}
}

// short is an element that says only how far a readout is.
func short(name string, o *readout) []byte {
	b := wire.AppendAttr(append([]byte{'<'}, name...), "xmlns", o.space)
	return append(wire.AppendAttr(b, "id", o.id), "/>"...)
}
