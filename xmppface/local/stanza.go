package local

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp/jid"
)

// stanza is one to be delivered: all but the address it goes to.
type stanza struct {
	open  []byte // the opening tag, up to that address
	inner []byte
	close string
}

// newStanza makes one of what a client has sent. Its bytes are valid until the
// client's next stanza is read.
func (c *client) newStanza(e *wire.Element, from string) (stanza, *stream.Error) {
	inner, err := content(c.st.Raw(), e)
	if err != nil {
		return stanza{}, err
	}
	b := append(make([]byte, 0, 256), '<')
	b = append(b, e.Name.Local...)
	b = wire.AppendAttr(b, "from", from)
	lang := c.lang // RFC 6120, 8.1.5
	for i, a := range e.Attrs {
		if isLang(a.Name) {
			lang = ""
		}
		switch {
		case isXML(a.Name.Space):
			b = wire.AppendAttr(b, "xml:"+a.Name.Local, a.Value)
		case a.Name.Space != "":
			prefix := "n" + strconv.Itoa(i)
			b = wire.AppendAttr(b, "xmlns:"+prefix, a.Name.Space)
			b = wire.AppendAttr(b, prefix+":"+a.Name.Local, a.Value)
		case a.Name.Local != "from" && a.Name.Local != "to":
			b = wire.AppendAttr(b, a.Name.Local, a.Value)
		}
	}
	b = wire.AppendOptional(b, "xml:lang", lang)
	return stanza{b, inner, "</" + e.Name.Local + ">"}, nil
}

// appendTo appends the end of an opening tag.
func appendTo(b []byte, to string) []byte { return append(wire.AppendAttr(b, "to", to), '>') }

// keep makes a copy that stays valid.
func (p stanza) keep() *stanza {
	p.inner = bytes.Clone(p.inner)
	return &p
}

// send queues a stanza to a client, if there is room.
func (c *client) send(p stanza) error {
	return c.st.Send(p.open, c.to, p.inner, []byte(p.close))
}

// inform queues one that must not be lost; a client with no room even for it is
// disconnected.
func (c *client) inform(p stanza) {
	c.st.Reply(p.open, c.to, p.inner, []byte(p.close))
}

// place is what kind of address something goes to.
type place int

const (
	toAccount   place = iota // the sender's own account: no address, or its bare one
	toServer                 // the domain
	toBare                   // another account
	toFull                   // a resource of any account
	toNobody                 // nothing can be there
	toForeign                // another domain
	toMalformed              // no address at all
)

// target is where something goes.
type target struct {
	place  place
	name   string // of the account
	bare   string
	client *client // of a full address, when it is online
}

func (c *client) target(address string) target {
	if address == "" {
		return target{place: toAccount, name: c.name, bare: c.bare}
	}
	if t := c.s.table.full(address); t != nil {
		return target{toFull, t.name, t.bare, t}
	}
	j, err := jid.Parse(address)
	if err != nil {
		return target{place: toMalformed}
	}
	name, resource := j.Localpart(), j.Resourcepart()
	t := target{name: name, bare: j.Bare().String()}
	switch {
	case j.Domainpart() != c.s.domain:
		t.place = toForeign
	case name == "" && resource == "":
		t.place = toServer
	case name == "":
		t.place = toNobody
	case resource != "":
		t.place, t.client = toFull, c.s.table.full(j.String())
	case t.bare == c.bare:
		t.place = toAccount
	default:
		t.place = toBare
	}
	return t
}

// handle serves one stanza. An error ends the stream.
func (c *client) handle(e *wire.Element) *stream.Error {
	kind := e.Name.Local
	if e.Name.Space != nsClient || kind != "iq" && kind != "message" && kind != "presence" {
		return &stream.Error{Condition: "unsupported-stanza-type", Text: e.Name.Local}
	}
	if from, ok := e.Lookup("from"); ok && !c.isFrom(from) {
		return &stream.Error{Condition: "invalid-from"}
	}
	to := c.target(e.Attr("to"))
	from := c.full
	if kind == "presence" && isSubscription(e.Attr("type")) {
		from = c.bare
	}
	p, err := c.newStanza(e, from)
	if err != nil {
		return err
	}
	switch kind {
	case "iq":
		c.iq(e, p, to)
	case "message":
		c.message(e, p, to)
	default:
		c.shown(e, p, to)
	}
	return nil
}

func (c *client) isFrom(from string) bool {
	if from == c.full || from == c.bare {
		return true
	}
	j, err := jid.Parse(from)
	return err == nil && (j.String() == c.full || j.String() == c.bare)
}

// refuse answers a stanza with an error, in the name of where it was sent to.
// Errors and results are never answered.
func (c *client) refuse(e *wire.Element, typ, condition, text string) {
	if t := e.Attr("type"); t == "error" || e.Name.Local == "iq" && t == "result" {
		return
	}
	c.st.Reply(appendError(nil, e, e.Attr("to"), c.full, &ext.StanzaError{Type: typ, Condition: condition, Text: text}))
}

func appendError(b []byte, e *wire.Element, from, to string, err *ext.StanzaError) []byte {
	b = append(append(b, '<'), e.Name.Local...)
	b = append(b, " type='error'"...)
	b = wire.AppendOptional(b, "id", e.Attr("id"))
	b = wire.AppendOptional(b, "from", from)
	b = wire.AppendAttr(b, "to", to)
	b = err.Append(append(b, '>'))
	return append(append(append(b, "</"...), e.Name.Local...), '>')
}

// undeliverable tells the sender what became of a stanza.
func (c *client) undeliverable(e *wire.Element, err error) {
	switch err {
	case stream.ErrFull:
		c.refuse(e, "wait", "resource-constraint", "the recipient reads too slowly")
	case stream.ErrTooLarge:
		c.refuse(e, "modify", "policy-violation", "stanza larger than 256 KiB with the sender's address")
	default:
		c.refuse(e, "cancel", "service-unavailable", "")
	}
}

// message routes a message (RFC 6121, 8.5).
func (c *client) message(e *wire.Element, p stanza, to target) {
	typ := e.Attr("type")
	silent := typ == "headline" || typ == "error"
	var takers []*client
	switch to.place {
	case toMalformed:
		c.refuse(e, "modify", "jid-malformed", "")
		return
	case toForeign:
		c.refuse(e, "cancel", "remote-server-not-found", "this server talks to no other")
		return
	case toFull:
		if to.client != nil {
			takers = []*client{to.client}
		}
	case toAccount, toBare:
		if typ != "error" && typ != "groupchat" {
			takers = c.s.table.best(to.name, silent)
		}
	}
	var err error
	delivered := false
	for _, t := range takers {
		if err2 := t.send(p); err2 != nil {
			err = err2
		} else {
			delivered = true
		}
	}
	if !delivered && !silent {
		c.undeliverable(e, err)
	}
}

// iq routes a request or an answer.
func (c *client) iq(e *wire.Element, p stanza, to target) {
	typ := e.Attr("type")
	request := typ == "get" || typ == "set"
	answer := typ == "result" || typ == "error"
	switch {
	case !request && !answer, e.Attr("id") == "":
		c.refuse(e, "modify", "bad-request", "an iq has an id, and the type get, set, result or error")
	case to.place == toMalformed:
		c.refuse(e, "modify", "jid-malformed", "")
	case to.place == toForeign:
		c.refuse(e, "cancel", "remote-server-not-found", "this server talks to no other")
	case to.client != nil && answer:
		c.answer(e, p, to.client)
	case to.client != nil && c.st.Congested():
		c.refuse(e, "wait", "resource-constraint", "there is no room for the answer: read the others first")
	case to.client != nil:
		if err := to.client.send(p); err != nil {
			c.undeliverable(e, err)
		}
	case request && to.place == toAccount:
		c.askAccount(e)
	case request && to.place == toServer:
		c.askServer(e)
	default:
		c.refuse(e, "cancel", "service-unavailable", "")
	}
}

// answer delivers an answer; when it does not fit, an error takes its place, so
// that nobody waits in vain.
func (c *client) answer(e *wire.Element, p stanza, to *client) {
	err := to.send(p)
	instead := &ext.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "the answer was lost: you read too slowly"}
	switch err {
	case stream.ErrTooLarge:
		instead = &ext.StanzaError{Type: "modify", Condition: "policy-violation", Text: "the answer is larger than 256 KiB"}
	case stream.ErrFull:
	default:
		return
	}
	to.st.Reply(appendError(nil, e, c.full, to.full, instead))
}

func isSubscription(typ string) bool {
	return typ == "subscribe" || typ == "subscribed" || typ == "unsubscribe" || typ == "unsubscribed"
}

// nameOf returns the account of a bare address of this server, or "".
func (s *Server) nameOf(bare string) string {
	name, domain, ok := strings.Cut(bare, "@")
	if !ok || domain != s.domain {
		return ""
	}
	return name
}
