package xmppface

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp/jid"
)

// Session is from login until the connection drops; that of a [Face] lives on over
// another connection, when its server lets it. It implements ext.Link. Its methods are safe
// for concurrent use.
type Session struct {
	a    Account
	self jid.JID // as configured
	binding
	stay      *staying // nil: the session ends with its connection
	bare      string   // our own address
	domain    string
	markID    string // of the request that measures the server's pace
	from      string // what our stanzas say; empty where the server does it
	st        *stream.Stream
	routes    *routes
	pool      *pool
	own       bool // the pool is ours
	log       *slog.Logger
	server    string         // host:port, for messages
	strangers rate.Sometimes // logs whose presence was refused
	lost      sync.Once
	absurd    sync.Once

	asks    asks
	sets    sets
	roster  roster
	senders senders

	gone    chan struct{} // closed when the session is over
	mu      sync.Mutex
	why     *Failure // why it is over
	running int      // handlers
}

var _ ext.Link = (*Session)(nil)

// Dial connects, logs in and returns a session on which the extensions are
// mounted, or a [*Failure]. Nothing is read or sent before [Session.Run], which
// the caller must call: it closes the connection. Extensions that are an
// ext.Runner are run by the caller.
func Dial(ctx context.Context, a Account, extensions ...ext.Extension) (*Session, error) {
	r, err := newRoutes(extensions)
	if err != nil {
		return nil, err
	}
	s, err := dial(ctx, a, r, &pool{}, nil)
	if err != nil {
		return nil, err
	}
	s.own = true
	return s, nil
}

func dial(ctx context.Context, a Account, r *routes, p *pool, stay *staying) (*Session, error) {
	self, err := a.fill()
	if err != nil {
		return nil, err
	}
	wanted, err := self.WithResource(a.Resource + "-" + random())
	if err != nil {
		return nil, &Failure{Kind: Misconfigured, Text: "the resource " + a.Resource + " cannot be used", Err: err}
	}
	b := binding{resource: wanted.Resourcepart(), manage: stay != nil}
	c, err := arrive(ctx, &a, self, &b)
	if err != nil {
		return nil, err
	}
	s, err := newSession(a, c, b, r, p)
	if err != nil {
		c.Close()
		return nil, explain(err, &a, a.Server, self.Domainpart())
	}
	s.self, s.stay = self, stay
	return s, nil
}

// newSession makes a session of a negotiated connection.
func newSession(a Account, c *stream.Conn, b binding, r *routes, p *pool) (*Session, error) {
	bare, _, _ := strings.Cut(b.full, "/")
	_, domain, ok := strings.Cut(bare, "@")
	if !ok {
		domain = bare
	}
	from := ""
	if a.Component {
		from = b.full
	}
	s := &Session{a: a, binding: b, bare: bare, domain: domain, from: from, routes: r, pool: p,
		log: a.Log.With("jid", b.full), server: c.RemoteAddr().String(), gone: make(chan struct{})}
	st, err := stream.New(c, stream.Options{Trace: a.Trace, Drop: s.refuse})
	if err != nil {
		return nil, err
	}
	if b.managed {
		st.Manage(b.id)
	}
	s.st = st
	s.markID = random()
	mark := wire.AppendOptional([]byte("<iq type='get' id='"+s.markID+"'"), "from", from)
	mark = wire.AppendAttr(mark, "to", domain)
	st.Measure(append(mark, "><ping xmlns='urn:xmpp:ping'/></iq>"...))
	s.asks.init()
	s.sets.init()
	s.roster.init()
	s.senders.init()
	s.strangers = rate.Sometimes{First: 10, Interval: time.Minute}
	return s, nil
}

// Way says by which way in requests of this session come.
func (s *Session) Way() nodes.Way { return s.a.Way }

// Self is our own full address.
func (s *Session) Self() string { return s.full }

// Pace returns how fast the server takes what is sent. While it is slow, messages are
// kept back until they are taken soon, so that senders can replace what is stale by
// what is new; answers are not.
func (s *Session) Pace() stream.Pace { return s.st.Pace() }

// Done is closed when the session is over.
func (s *Session) Done() <-chan struct{} { return s.gone }

// Run sends presence, reads and dispatches until the session is over. When ctx
// ends it closes the session and returns nil; else it returns a [*Failure] that
// says why it is over. It returns after everything that it started, except
// handlers that hang.
func (s *Session) Run(ctx context.Context) error {
	if s.own {
		s.pool.start()
	}
	for _, j := range s.routes.joiners {
		j.Joined(s)
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	wg.Go(func() { // nothing goes on after Close
		select {
		case <-s.gone:
			cancel()
		case <-inner.Done():
		}
	})
	wg.Go(func() { s.keepAlive(inner) })
	wg.Go(func() { s.greet(inner) })
	err := s.live(inner, &wg)
	if ctx.Err() == nil {
		s.over(err)
	}
	cancel()
	wg.Wait()
	s.over(io.EOF)
	s.leave()
	if s.own {
		if err := s.pool.stop(ctx, handlerGrace); err != nil {
			s.log.Warn("session over", "err", err)
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return s.why
}

// Close ends the session at once; Run, if it was called, returns then. To part
// from the server in good manner, end the context of Run.
func (s *Session) Close() {
	err := &Failure{Kind: Lost, Text: "the connection was closed here"}
	s.over(err)
	s.st.Abort(err)
}

// handlerGrace is how long handlers may take to return when all is over.
const handlerGrace = 5 * time.Second

// over notes why the session is over and releases all who wait.
func (s *Session) over(err error) {
	s.mu.Lock()
	first := s.why == nil
	if first {
		s.why = explain(err, &s.a, s.server, s.domain)
	}
	s.mu.Unlock()
	if first {
		close(s.gone)
	}
}

func (s *Session) dropped(op string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &nodes.Error{Op: op, Kind: nodes.Unreachable, Err: errors.New("the connection is closed")}
	if s.why != nil {
		e.Err = s.why
	}
	return e
}

// read dispatches what comes until there is no more.
func (s *Session) read() error {
	for {
		e, err := s.st.Read()
		if err != nil {
			return err
		}
		switch e.Name.Local {
		case "iq":
			if len(e.Attr("id")) > maxID {
				s.passedOver(e.Attr("from"), "a request with an id of more than 1024 bytes")
				continue
			}
			if !s.meant(e) {
				s.respond(e, nil, &ext.StanzaError{Type: "cancel", Condition: "item-not-found"})
				continue
			}
			s.iq(e)
		case "message":
			s.message(e)
		case "presence":
			s.presence(e)
		}
	}
}

// maxID is how long the id of a request may be, in bytes. It is kept, and sent back with
// each answer; one that is longer serves only to fill memory and the line.
const maxID = 1024

// passedOver logs the first of the stanzas that nobody in his right mind sends.
func (s *Session) passedOver(from, why string) {
	s.absurd.Do(func() {
		s.log.Warn("a stanza was passed over; more of them are not logged", "from", from, "why", why)
	})
}

// refuse answers a stanza that was passed over: anybody can send such a one, so that it
// must not end the session. Where it is an answer, who waits for it is told.
func (s *Session) refuse(e *wire.Element, why *stream.Error) {
	s.passedOver(e.Attr("from"), why.Text)
	if e.Name.Local != "iq" || len(e.Attr("id")) > maxID {
		return
	}
	failure := &ext.StanzaError{Type: "modify", Condition: "policy-violation", Text: why.Text}
	switch e.Attr("type") {
	case "get", "set":
		s.respond(e, nil, failure)
	case "result", "error":
		from, id := xml.Attr{Name: xml.Name{Local: "from"}, Value: e.Attr("from")}, xml.Attr{Name: xml.Name{Local: "id"}, Value: e.Attr("id")}
		if answer, err := wire.Parse("<iq type='error'>" + string(failure.Append(nil)) + "</iq>"); err == nil {
			answer.Attrs = append(answer.Attrs, from, id)
			s.answer(answer)
		}
	}
}

// meant tells whether a request is for us: a component gets those for all addresses
// of its domain.
func (s *Session) meant(e *wire.Element) bool {
	to := e.Attr("to")
	if !s.a.Component || to == s.bare || to == s.full {
		return true
	}
	switch e.Attr("type") {
	case "result", "error":
		return true // the answer to nothing
	}
	return false
}

// Ask sends an iq and waits for the answer of exactly that peer. An empty address
// asks our own account.
func (s *Session) Ask(ctx context.Context, to, typ string, payload []byte) (*wire.Element, error) {
	id := random()
	answer := s.asks.add(id, to)
	defer s.asks.remove(id)
	b := append(make([]byte, 0, 128), "<iq"...)
	b = wire.AppendOptional(b, "from", s.from)
	b = wire.AppendOptional(b, "to", to)
	b = wire.AppendAttr(b, "type", typ)
	b = wire.AppendAttr(b, "id", id)
	b = append(b, '>')
	if err := s.send(ctx, "ask", b, payload, endIQ); err != nil {
		return nil, err
	}
	select {
	case e := <-answer:
		if e.Attr("type") == "error" {
			return nil, ext.ParseError(e)
		}
		return e.First(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.gone:
		return nil, s.dropped("ask")
	}
}

var endIQ, endMessage = []byte("</iq>"), []byte("</message>")

// Tell sends a message of type normal.
func (s *Session) Tell(ctx context.Context, to string, payload []byte) error {
	b := append(make([]byte, 0, 128), "<message"...)
	b = wire.AppendOptional(b, "from", s.from)
	b = wire.AppendAttr(b, "to", to)
	b = wire.AppendAttr(b, "id", random())
	b = append(b, '>')
	return s.send(ctx, "tell", b, payload, endMessage)
}

// send queues a stanza and waits for room when there is none.
func (s *Session) send(ctx context.Context, op string, parts ...[]byte) error {
	err := s.st.SendCtx(ctx, parts...)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, stream.ErrTooLarge):
		return &nodes.Error{Op: op, Kind: nodes.NotAcceptable, Err: err}
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return s.dropped(op)
}
