package xmppface

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

const nsRoster = "jabber:iq:roster"

// Limits of what is known of contacts.
const (
	maxContacts  = 10000
	maxResources = 10000
)

// roster is what is known of contacts: who may see whom, and who is online where.
type roster struct {
	mu       sync.Mutex
	contacts map[string]contact  // by bare address
	online   map[string][]string // full addresses by bare address, in order of arrival
	count    int                 // of full addresses
	greeted  bool                // the roster is known, presence is sent
	changed  chan struct{}       // closed at the next change
}

type contact struct {
	subscription string // none, to, from, both
	asked        bool   // we have asked to see them
}

func (r *roster) init() {
	r.contacts = make(map[string]contact)
	r.online = make(map[string][]string)
	r.changed = make(chan struct{})
}

// change is called with r locked.
func (r *roster) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// greet fetches the roster, then sends the first presence. A component has none to
// send it to: who shows us theirs, or asks, is told.
func (s *Session) greet(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.a.Timeout)
	defer cancel()
	if !s.a.Component {
		if e, err := s.Ask(ctx, "", "get", []byte("<query xmlns='"+nsRoster+"'/>")); err == nil && e != nil {
			s.push(e)
			s.Revise()
		}
		s.send(ctx, "presence", s.available(""))
	} else {
		s.Revise()
	}
	s.roster.mu.Lock()
	defer s.roster.mu.Unlock()
	s.roster.greeted = true
	s.roster.change()
}

// available is our presence, for all who may see it when nobody is named.
func (s *Session) available(to string) []byte {
	b := wire.AppendOptional([]byte("<presence"), "from", s.from)
	b = append(wire.AppendOptional(b, "to", to), '>')
	if s.a.Priority != 0 {
		b = append(b, "<priority>"+strconv.Itoa(s.a.Priority)+"</priority>"...)
	}
	b = append(b, s.routes.presence...)
	return append(b, "</presence>"...)
}

// Revise takes our presence from contacts who may see it no more, asks those who may for
// theirs, again when they have not answered, and accepts requests that were held until
// now. It is done at each login, and to be called when it has changed who is welcome.
func (s *Session) Revise() {
	if s.a.Welcome == nil {
		return
	}
	s.roster.mu.Lock()
	contacts := maps.Clone(s.roster.contacts)
	s.roster.mu.Unlock()
	if s.a.Requests != nil {
		for _, bare := range s.a.Requests.Accepted() {
			s.Accept(bare)
		}
	}
	for bare, c := range contacts {
		if c.subscription != "from" && c.subscription != "both" {
			continue
		}
		switch {
		case !s.a.Welcome(nodes.Caller{JID: bare, Full: bare, Way: s.a.Way}):
			s.log.Info("presence withdrawn: no access any more", "from", bare)
			s.tellPresence(bare, "unsubscribed")
		case c.subscription == "from":
			s.tellPresence(bare, "subscribe")
		}
	}
}

// push takes over items of the roster.
func (s *Session) push(query *wire.Element) {
	r := &s.roster
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, item := range query.Children {
		bare, _, err := normal(item.Attr("jid"))
		if item.Name.Local != "item" || err != nil || bare == "" {
			continue
		}
		if item.Attr("subscription") == "remove" {
			delete(r.contacts, bare)
		} else if _, known := r.contacts[bare]; known || len(r.contacts) < maxContacts {
			r.contacts[bare] = contact{item.Attr("subscription"), item.Attr("ask") == "subscribe"}
		}
	}
	r.change()
}

// presence handles a received presence.
func (s *Session) presence(e *wire.Element) {
	who := s.sender(e.Attr("from"))
	if who == nil {
		return
	}
	full, bare := who.caller.Full, who.caller.JID
	switch e.Attr("type") {
	case "":
		if s.expected(who.caller) {
			s.roster.arrive(bare, full)
		}
	case "unavailable", "error":
		if full != bare {
			s.roster.depart(bare, full)
			s.left(e.Attr("from"))
		}
	case "subscribe":
		if v, _ := s.admit(who, time.Now()); v == admitted {
			s.asked(who.caller)
		}
	case "probe": // our server answers for an account, but not for a component
		if s.a.Component && s.a.Welcome != nil && s.a.Welcome(who.caller) {
			s.st.Reply(s.available(bare))
		}
	case "unsubscribed", "unsubscribe":
		if e.Attr("type") == "unsubscribed" {
			s.roster.denied(bare)
		}
		for _, full := range s.Resources(bare) {
			s.left(full)
		}
	}
}

// expected tells whether the presence of somebody is kept: that of strangers, who may
// show theirs to anybody, would crowd out that of others.
func (s *Session) expected(who nodes.Caller) bool {
	if s.a.Welcome == nil || who.JID == s.bare {
		return true
	}
	s.roster.mu.Lock()
	_, known := s.roster.contacts[who.JID]
	s.roster.mu.Unlock()
	return known || s.a.Welcome(who)
}

// denied notes that a contact does not show us its presence any more. ejabberd 23.01
// leaves that out of the roster while the contact waits for our answer.
func (r *roster) denied(bare string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, known := r.contacts[bare]
	if !known {
		return
	}
	c.asked = false
	switch c.subscription {
	case "to":
		c.subscription = "none"
	case "both":
		c.subscription = "from"
	}
	r.contacts[bare] = c
	r.change()
}

func (r *roster) arrive(bare, full string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.count >= maxResources || slices.Contains(r.online[bare], full) {
		return
	}
	r.online[bare] = append(r.online[bare], full)
	r.count++
	r.change()
}

func (r *roster) depart(bare, full string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.online[bare], full)
	if i < 0 {
		return
	}
	r.count--
	if len(r.online[bare]) == 1 {
		delete(r.online, bare)
	} else {
		r.online[bare] = slices.Delete(slices.Clone(r.online[bare]), i, i+1)
	}
	r.change()
}

// asked answers somebody who asks to see our presence.
func (s *Session) asked(who nodes.Caller) {
	if s.a.Welcome == nil {
		return
	}
	switch {
	case s.a.Welcome(who):
		s.accept(who.JID)
	case s.a.Requests != nil && s.a.Requests.Hold(who): // it waits for a decision
	default:
		s.strangers.Do(func() { s.log.Info("presence refused: no access", "to", who.JID) })
		s.Refuse(who.JID)
	}
}

// Requests keeps requests for our presence, of those who are not welcome, until somebody
// decides. Its methods must not block, and are called by several goroutines.
type Requests interface {
	// Hold keeps a request, which is not answered then; false: it is refused.
	Hold(who nodes.Caller) bool
	// Accepted lists the bare addresses whose requests were accepted, and those whose
	// requests wait though they are welcome now.
	Accepted() []string
}

// Accept shows a bare address our presence and asks for its own, unless that is done.
func (s *Session) Accept(bare string) {
	s.roster.mu.Lock()
	c := s.roster.contacts[bare]
	s.roster.mu.Unlock()
	if c.subscription == "both" || c.subscription == "from" && c.asked {
		return
	}
	s.accept(bare)
}

// accept does so whatever the roster says.
func (s *Session) accept(bare string) {
	s.roster.mu.Lock()
	c := s.roster.contacts[bare]
	s.roster.mu.Unlock()
	s.tellPresence(bare, "subscribed")
	if s.a.Component {
		s.st.Reply(s.available(bare))
	}
	if c.subscription != "to" && c.subscription != "both" && !c.asked {
		s.tellPresence(bare, "subscribe")
	}
}

// Refuse refuses a bare address our presence, or takes it away.
func (s *Session) Refuse(bare string) { s.tellPresence(bare, "unsubscribed") }

func (s *Session) tellPresence(to, typ string) {
	from := ""
	if s.a.Component {
		from = s.bare
	}
	b := wire.AppendOptional([]byte("<presence"), "from", from)
	b = wire.AppendAttr(b, "to", to)
	b = wire.AppendAttr(b, "type", typ)
	s.st.Reply(append(b, "/>"...))
}

// Resources returns the full addresses of a bare one that are online and show us
// their presence, our own session left out; oldest first.
func (s *Session) Resources(bare string) []string {
	full, _ := s.resources(bare)
	return full
}

func (s *Session) resources(bare string) ([]string, <-chan struct{}) {
	s.roster.mu.Lock()
	defer s.roster.mu.Unlock()
	list := slices.Clone(s.roster.online[bare])
	return slices.DeleteFunc(list, func(full string) bool { return full == s.full }), s.roster.changed
}

// WaitAvailable waits until a bare address is online and shows us its presence,
// and returns its full addresses. Unless the roster says that we may see it, it
// is asked for a subscription.
func (s *Session) WaitAvailable(ctx context.Context, bare string) ([]string, error) {
	bare, _, err := Normalize(bare)
	if err != nil {
		return nil, err
	}
	// An answer to an older request may come first; ask again only after a while.
	asked := time.Time{}
	for {
		full, changed := s.resources(bare)
		select {
		case <-s.gone: // what it knows is old
			return nil, s.dropped("find")
		default:
		}
		if len(full) > 0 {
			return full, nil
		}
		s.roster.mu.Lock()
		c, greeted := s.roster.contacts[bare], s.roster.greeted
		s.roster.mu.Unlock()
		sees := c.subscription == "to" || c.subscription == "both" || bare == s.bare
		if !sees && greeted && time.Since(asked) > 10*time.Second {
			asked = time.Now()
			s.tellPresence(bare, "subscribe")
		}
		select {
		case <-changed:
		case <-ctx.Done():
			offline := bare + " is not online"
			if !sees {
				offline += ", or does not let " + s.bare + " see it"
			}
			return nil, &nodes.Error{Op: "find", Kind: nodes.Unreachable, Err: errors.New(offline)}
		case <-s.gone:
			return nil, s.dropped("find")
		}
	}
}
