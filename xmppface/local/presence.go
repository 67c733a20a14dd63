package local

import (
	"strconv"
	"strings"

	"github.com/fieldhub/hub/xmppface/wire"
)

// maxPresence is how large a presence may be: it is kept.
const maxPresence = 32 << 10

// shown serves a presence stanza (RFC 6121, 3 and 4).
func (c *client) shown(e *wire.Element, p stanza, to target) {
	o, typ := &c.s.social, e.Attr("type")
	addressed := e.Attr("to") != ""
	switch {
	case len(p.open)+len(p.inner) > maxPresence:
		c.refuse(e, "modify", "policy-violation", "presence larger than 32 KiB")
	case to.place == toMalformed:
		c.refuse(e, "modify", "jid-malformed", "")
	case typ == "" && !addressed:
		priority, ok := priorityOf(e)
		if !ok {
			c.refuse(e, "modify", "bad-request", "a priority is a number from -128 to 127")
			return
		}
		o.show(c.s, c, p.keep(), priority)
	case typ == "unavailable" && !addressed:
		o.mu.Lock()
		defer o.mu.Unlock()
		o.hide(c.s, c, p)
	case typ == "" || typ == "unavailable":
		c.showTo(e, p, to)
	case typ == "error":
		if to.client != nil {
			to.client.inform(p)
		}
	case typ == "probe":
		o.mu.Lock()
		defer o.mu.Unlock()
		if to.place == toAccount || to.place == toBare && c.s.exists(to.name) && o.sees(c.bare, to.name) {
			o.probe(c.s, c, to.name)
		}
	case isSubscription(typ):
		c.subscription(e, p, to)
	default:
		c.refuse(e, "modify", "bad-request", "there is no such type of presence")
	}
}

// subscription serves requests to see others and answers to such.
func (c *client) subscription(e *wire.Element, p stanza, to target) {
	o, s := &c.s.social, c.s
	if to.place == toForeign {
		c.refuse(e, "cancel", "remote-server-not-found", "this server talks to no other")
		return
	}
	if to.place != toBare && to.place != toFull || to.bare == c.bare {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	var err error
	switch e.Attr("type") {
	case "subscribe":
		err = o.subscribe(s, c, to.bare, p)
	case "subscribed":
		err = o.subscribed(s, c, to.bare, p)
	case "unsubscribe":
		err = o.unsubscribe(s, c, to.bare, p)
	case "unsubscribed":
		err = o.unsubscribed(s, c, to.bare, p)
	}
	switch err {
	case nil:
	case errTooMany:
		c.refuse(e, "wait", "resource-constraint", "the roster is full, yours or theirs")
	default:
		c.broken(e, err)
	}
}

// showTo is presence to one address (RFC 6121, 4.6). Whom it went to will hear when
// the client is gone, too.
func (c *client) showTo(e *wire.Element, p stanza, to target) {
	o, s := &c.s.social, c.s
	o.mu.Lock()
	defer o.mu.Unlock()
	var takers []*client
	address := to.bare
	switch {
	case to.client != nil:
		takers, address = []*client{to.client}, to.client.full
	case to.place == toBare || to.place == toAccount:
		takers = s.table.available(to.name)
	}
	if len(takers) == 0 {
		return
	}
	if e.Attr("type") == "unavailable" {
		delete(c.directed, address)
	} else if !c.directed[address] {
		if len(c.directed) >= s.limits.DirectedPresence {
			c.refuse(e, "wait", "resource-constraint", "presence was sent to too many addresses")
			return
		}
		if c.directed == nil {
			c.directed = make(map[string]bool)
		}
		c.directed[address] = true
	}
	for _, t := range takers {
		t.inform(p)
	}
}

func priorityOf(e *wire.Element) (int, bool) {
	k := e.Child("priority")
	if k == nil {
		return 0, true
	}
	n, err := strconv.Atoi(strings.TrimSpace(k.Text))
	return n, err == nil && n >= -128 && n <= 127
}

// exists tells whether there is such an account.
func (s *Server) exists(name string) bool {
	if name == "" {
		return false
	}
	_, err := s.accounts.Account(name)
	return err == nil
}
