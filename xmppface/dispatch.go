package xmppface

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
)

// routes are the mounted extensions by namespace.
type routes struct {
	serve   map[string]ext.Extension
	receive map[string]ext.Receiver
	leavers []ext.Leaver
	joiners []ext.Joiner
	// presence is what extensions add to our presence.
	presence []byte
}

// announcer is an extension that adds an element to our presence, such as entity
// capabilities.
type announcer interface{ Presence() []byte }

func newRoutes(extensions []ext.Extension) (*routes, error) {
	r := &routes{serve: make(map[string]ext.Extension), receive: make(map[string]ext.Receiver)}
	for _, x := range extensions {
		receiver, receives := x.(ext.Receiver)
		for _, space := range x.Spaces() {
			if r.serve[space] != nil || space == nsRoster {
				return nil, fmt.Errorf("namespace %s is mounted twice", space)
			}
			r.serve[space] = x
			if receives {
				r.receive[space] = receiver
			}
		}
		if j, ok := x.(ext.Joiner); ok {
			r.joiners = append(r.joiners, j)
		}
		if l, ok := x.(ext.Leaver); ok {
			r.leavers = append(r.leavers, l)
		}
		if a, ok := x.(announcer); ok {
			r.presence = append(r.presence, a.Presence()...)
		}
	}
	return r, nil
}

// maxSenders is how many senders, and how many peers, are remembered; those with nothing
// to do are forgotten beyond it.
const maxSenders = 4096

// senders are whom stanzas came from, and the bare addresses of these. Only the reader
// uses it.
type senders struct {
	byAddress map[string]*sender
	peers     map[string]*peer
	flooders  map[string]*peer // by bare address: whose flood was told of, not yet its end
	calmed    time.Time        // when ends were looked for
}

type sender struct {
	queue
	caller nodes.Caller
}

func (t *senders) init() {
	t.byAddress, t.peers, t.flooders = make(map[string]*sender), make(map[string]*peer), make(map[string]*peer)
}

// sender finds who sent a stanza; nil when the address is none.
func (s *Session) sender(from string) *sender {
	if who := s.senders.byAddress[from]; who != nil {
		return who
	}
	address := from
	if address == "" {
		address = s.bare
	}
	bare, full, err := Normalize(address)
	if err != nil {
		return nil
	}
	if len(s.senders.byAddress) >= maxSenders {
		for k, v := range s.senders.byAddress {
			if s.pool.idle(&v.queue) {
				delete(s.senders.byAddress, k)
			}
		}
	}
	who := &sender{queue: queue{peer: s.peer(bare)}, caller: nodes.Caller{JID: bare, Full: full, Way: s.a.Way}}
	s.senders.byAddress[from] = who
	return who
}

// peer finds a bare address.
func (s *Session) peer(bare string) *peer {
	p := s.senders.peers[bare]
	if p != nil {
		return p
	}
	if len(s.senders.peers) >= maxSenders {
		now := time.Now()
		for k, v := range s.senders.peers {
			if s.pool.forgettable(v, now) && s.owed(v) == 0 {
				delete(s.senders.peers, k)
			}
		}
	}
	p = s.a.Limits.peer()
	s.senders.peers[bare] = p
	return p
}

// iq handles a received iq.
func (s *Session) iq(e *wire.Element) {
	typ := e.Attr("type")
	switch typ {
	case "result", "error":
		s.answer(e)
		return
	}
	from, id := e.Attr("from"), e.Attr("id")
	payload := e.First()
	switch {
	case typ != "get" && typ != "set":
		s.respond(e, nil, &ext.StanzaError{Type: "modify", Condition: "bad-request", Text: "the type of an iq is get, set, result or error"})
		return
	case payload == nil:
		s.respond(e, nil, &ext.StanzaError{Type: "modify", Condition: "bad-request", Text: "an iq of type " + typ + " holds one element"})
		return
	case payload.Name.Space == nsRoster && typ == "set" && s.ours(from):
		s.push(payload)
		s.respond(e, nil, nil)
		return
	}
	x := s.routes.serve[payload.Name.Space]
	who := s.sender(from)
	if who != nil && !s.ours(from) {
		switch v, why := s.admit(who, time.Now()); v {
		case turnedAway:
			s.respondTo(who.peer, e, nil, why)
			return
		case ignored:
			return
		}
	}
	if who == nil {
		s.respond(e, nil, &ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
		return
	}
	if x == nil {
		s.respondTo(who.peer, e, nil, &ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
		return
	}
	if s.st.Congested() {
		s.respondTo(who.peer, e, nil, congested)
		return
	}
	var entry *set
	// Strangers are refused whatever they ask, however often.
	if (typ == "set" || changes(x, payload)) && s.expected(who.caller) {
		var first, done bool
		entry, first, done = s.sets.enter(time.Now(), from, id, payload)
		switch {
		case done:
			s.respondTo(who.peer, e, entry.payload, entry.err)
			return
		case !first:
			return
		}
	}
	answered := new(atomic.Bool)
	r := &ext.Request{Link: s, Caller: who.caller, ID: id, Type: typ, Payload: payload}
	r.Caller.Lang = payload.Lang()
	if r.Caller.Lang == "" {
		r.Caller.Lang = e.Lang()
	}
	r.Respond = func(payload []byte, err *ext.StanzaError) {
		if answered.Swap(true) {
			return
		}
		who.peer.answered(time.Now(), len(payload))
		times := 1
		if entry != nil {
			times += s.sets.settle(time.Now(), entry, payload, err)
		}
		for range times {
			s.respondTo(who.peer, e, payload, err)
		}
	}
	if !s.pool.add(&who.queue, len(s.st.Raw()), s.a.Limits.Waiting, false, func() { s.serve(x, r) }) {
		text := "too many requests of all wait for their turn; try again"
		if s.pool.crowded(who.peer, s.a.Limits.Waiting) {
			text = "too many requests of yours wait for their turn (limits, waiting, in hub.yaml); try again"
			s.flooded(who, time.Now(), text)
		}
		r.Respond(nil, &ext.StanzaError{Type: "wait", Condition: "resource-constraint", Text: text})
	}
}

// changes tells whether a request changes something though it is of type get.
func changes(x ext.Extension, payload *wire.Element) bool {
	c, ok := x.(ext.Changer)
	return ok && c.Changes(payload.Name.Local)
}

// ours tells whether an address is our own account's or its server's.
func (s *Session) ours(from string) bool {
	return from == "" || from == s.bare || from == s.domain
}

// serve calls a handler.
func (s *Session) serve(x ext.Extension, r *ext.Request) {
	if !s.begin() {
		return
	}
	defer s.finish()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a handler panicked", "namespace", r.Space(), "request", r.Payload.Name.Local,
				"from", r.Caller.Full, "panic", p, "stack", string(debug.Stack()))
			r.Fail(nodes.Errorf(nodes.Internal, "", nodes.Ref{}, "panic"))
		}
	}()
	x.Serve(r)
}

// begin counts a handler unless the session is over.
func (s *Session) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.why != nil {
		return false
	}
	s.running++
	return true
}

// finish counts a handler that is done. The last one after the end of the
// session says again that all are gone: it may have kept something for a peer.
func (s *Session) finish() {
	s.mu.Lock()
	s.running--
	last := s.running == 0 && s.why != nil
	s.mu.Unlock()
	if last {
		s.tellGone("")
	}
}

// leave tells that all peers are gone.
func (s *Session) leave() { s.tellGone("") }

func (s *Session) tellGone(address string) {
	for _, l := range s.routes.leavers {
		func() {
			defer func() {
				if p := recover(); p != nil {
					s.log.Error("a handler panicked", "about", "peer gone", "panic", p, "stack", string(debug.Stack()))
				}
			}()
			l.Gone(s, address)
		}()
	}
}

// left handles that a full address went offline or bounces what is sent to it;
// in order after what it had sent.
func (s *Session) left(from string) {
	who := s.sender(from)
	if who == nil {
		return
	}
	s.sets.forget(from)
	if len(s.routes.leavers) > 0 {
		full := who.caller.Full
		s.pool.add(&who.queue, 0, 0, true, func() {
			if s.begin() {
				defer s.finish()
				s.tellGone(full)
			}
		})
	}
	if s.pool.idle(&who.queue) {
		delete(s.senders.byAddress, from)
	}
}

// respond sends the answer to an iq; it never waits. An answer for which there is
// no room becomes an error that says so. It returns about how many bytes were queued.
func (s *Session) respond(e *wire.Element, payload []byte, failure *ext.StanzaError) int {
	b := append(make([]byte, 0, 192), "<iq"...)
	if s.from != "" {
		b = wire.AppendOptional(b, "from", e.Attr("to"))
	}
	b = wire.AppendOptional(b, "to", e.Attr("from"))
	b = wire.AppendAttr(b, "id", e.Attr("id"))
	if failure != nil {
		b = append(b, " type='error'>"...)
		b = failure.Append(b)
		s.st.Reply(b, endIQ)
		return len(b)
	}
	b = append(b, " type='result'>"...)
	switch err := s.st.Send(b, payload, endIQ); err {
	case stream.ErrTooLarge:
		return s.respond(e, nil, &ext.StanzaError{Type: "cancel", Condition: "policy-violation",
			Text: "the answer would be larger than 256 KiB: ask for less at a time"})
	case stream.ErrFull:
		return s.respond(e, nil, congested)
	}
	return len(b) + len(payload)
}

var congested = &ext.StanzaError{Type: "wait", Condition: "resource-constraint",
	Text: "more answers wait to be sent than the connection takes; try again"}

// message handles a received message.
func (s *Session) message(e *wire.Element) {
	from := e.Attr("from")
	if e.Attr("type") == "error" {
		if strings.Contains(from, "/") {
			s.left(from)
		}
		return
	}
	for _, payload := range e.Children {
		x := s.routes.receive[payload.Name.Space]
		if x == nil {
			continue
		}
		who := s.sender(from)
		if who == nil {
			return
		}
		m := &ext.Message{Link: s, From: who.caller.Full, Payload: payload}
		if v, _ := s.admit(who, time.Now()); v != admitted {
			return
		}
		if !s.pool.add(&who.queue, len(s.st.Raw()), s.a.Limits.Waiting, false, func() { s.receive(x, m) }) {
			s.lost.Do(func() {
				s.log.Warn("messages come faster than they are handled; some were dropped", "from", from)
			})
		}
		return
	}
}

func (s *Session) receive(x ext.Receiver, m *ext.Message) {
	if !s.begin() {
		return
	}
	defer s.finish()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error("a handler panicked", "message", m.Payload.Name.Local, "from", m.From,
				"panic", p, "stack", string(debug.Stack()))
		}
	}()
	x.Receive(m)
}
