package local

import (
	"errors"
	"slices"

	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp/jid"
)

const (
	nsPing    = "urn:xmpp:ping"
	nsInfo    = "http://jabber.org/protocol/disco#info"
	nsItems   = "http://jabber.org/protocol/disco#items"
	nsVersion = "jabber:iq:version"
	nsRoster  = "jabber:iq:roster"
)

// result answers a request with a payload, which may be nil.
func (c *client) result(e *wire.Element, payload []byte) {
	b := wire.AppendAttr([]byte("<iq type='result'"), "id", e.Attr("id"))
	b = wire.AppendOptional(b, "from", e.Attr("to"))
	c.st.Reply(b, c.to, payload, []byte("</iq>"))
}

// askServer answers what is asked of the domain.
func (c *client) askServer(e *wire.Element) {
	switch payload := e.First(); {
	case payload == nil:
		c.refuse(e, "modify", "bad-request", "a request holds an element")
	case c.discover(e, payload, "<identity category='server' type='im' name='hub'/>", nsInfo, nsItems, nsPing, nsVersion):
	case e.Attr("type") == "get" && payload.Name.Space == nsVersion:
		b := []byte("<query xmlns='" + nsVersion + "'><name>")
		b = append(wire.AppendText(b, c.s.name), "</name><version>"...)
		b = append(wire.AppendText(b, c.s.version), "</version></query>"...)
		c.result(e, b)
	case isSession(e, payload):
		c.result(e, nil)
	default:
		c.refuse(e, "cancel", "service-unavailable", "")
	}
}

// isSession tells whether a session is asked for, of the domain or the account (RFC
// 3921, 3); it does nothing.
func isSession(e, payload *wire.Element) bool {
	return payload.Name.Space == nsSession && payload.Name.Local == "session" && e.Attr("type") == "set"
}

// askAccount answers what is asked of the client's own account.
func (c *client) askAccount(e *wire.Element) {
	switch payload := e.First(); {
	case payload == nil:
		c.refuse(e, "modify", "bad-request", "a request holds an element")
	case c.discover(e, payload, "<identity category='account' type='registered'/>", nsInfo, nsItems, nsPing, nsRoster):
	case payload.Name.Space == nsRoster && payload.Name.Local == "query":
		c.askRoster(e, payload)
	case isSession(e, payload):
		c.result(e, nil)
	default:
		c.refuse(e, "cancel", "service-unavailable", "")
	}
}

// discover answers pings, and what an entity is (XEP-0030).
func (c *client) discover(e, payload *wire.Element, identity string, features ...string) bool {
	space := payload.Name.Space
	if e.Attr("type") != "get" || space != nsPing && space != nsInfo && space != nsItems {
		return false
	}
	switch {
	case space == nsPing:
		c.result(e, nil)
	case payload.Attr("node") != "":
		c.refuse(e, "cancel", "item-not-found", "")
	case space == nsItems:
		c.result(e, []byte("<query xmlns='"+nsItems+"'/>"))
	default:
		b := []byte("<query xmlns='" + nsInfo + "'>" + identity)
		for _, f := range features {
			b = append(wire.AppendAttr(append(b, "<feature"...), "var", f), "/>"...)
		}
		c.result(e, append(b, "</query>"...))
	}
	return true
}

// askRoster is RFC 6121, 2.
func (c *client) askRoster(e, query *wire.Element) {
	if e.Attr("type") == "get" {
		payload, err := c.s.social.list(c)
		if err != nil {
			c.broken(e, err)
			return
		}
		c.result(e, payload)
		return
	}
	if len(query.Children) != 1 || query.Children[0].Name.Local != "item" {
		c.refuse(e, "modify", "bad-request", "exactly one item is changed at a time")
		return
	}
	item := query.Children[0]
	j, err := jid.Parse(item.Attr("jid"))
	if err != nil {
		c.refuse(e, "modify", "jid-malformed", "")
		return
	}
	bare := j.Bare().String()
	if bare == c.bare {
		c.refuse(e, "cancel", "not-allowed", "nobody is a contact of itself")
		return
	}
	if item.Attr("subscription") == "remove" {
		err = c.s.social.remove(c.s, c, bare)
	} else {
		var groups []string
		for _, g := range item.Children {
			if g.Name.Local != "group" {
				continue
			}
			switch {
			case g.Text == "" || len(g.Text) > maxName || len(groups) >= maxGroups:
				c.refuse(e, "modify", "not-acceptable", "a group has a name, of 1000 bytes at most, and there are 20 at most")
				return
			case slices.Contains(groups, g.Text):
				c.refuse(e, "modify", "bad-request", "a group is named twice")
				return
			}
			groups = append(groups, g.Text)
		}
		name := item.Attr("name")
		if len(name) > maxName {
			c.refuse(e, "modify", "not-acceptable", "the name is longer than 1000 bytes")
			return
		}
		err = c.s.social.name(c.s, c, bare, name, groups)
	}
	switch {
	case errors.Is(err, errNoContact):
		c.refuse(e, "cancel", "item-not-found", "")
	case errors.Is(err, errTooMany):
		c.refuse(e, "wait", "resource-constraint", err.Error())
	case err != nil:
		c.broken(e, err)
	default:
		c.result(e, nil)
	}
}

const (
	maxName   = 1000
	maxGroups = 20
)

// broken answers that the rosters' store has failed.
func (c *client) broken(e *wire.Element, err error) {
	c.log.Error("the roster cannot be read or changed", "err", err)
	c.refuse(e, "wait", "internal-server-error", "the roster cannot be read or changed at present")
}

// item appends the item of a contact in a roster.
func (k *Contact) item(b []byte) []byte {
	b = wire.AppendAttr(append(b, "<item"...), "jid", k.JID)
	b = wire.AppendOptional(b, "name", k.Name)
	b = wire.AppendAttr(b, "subscription", k.subscription())
	if k.Ask {
		b = append(b, " ask='subscribe'"...)
	}
	if len(k.Groups) == 0 {
		return append(b, "/>"...)
	}
	b = append(b, '>')
	for _, g := range k.Groups {
		b = append(wire.AppendText(append(b, "<group>"...), g), "</group>"...)
	}
	return append(b, "</item>"...)
}

func (k *Contact) subscription() string {
	switch {
	case k.To && k.From:
		return "both"
	case k.To:
		return "to"
	case k.From:
		return "from"
	}
	return "none"
}

// push tells an account's clients of a changed contact; nil when it was removed.
func (s *Server) push(name, jid string, k *Contact) {
	item := wire.AppendAttr([]byte("<item"), "jid", jid)
	item = append(item, " subscription='remove'/>"...)
	if k != nil {
		item = k.item(nil)
	}
	for _, c := range s.table.of(name) {
		if c.interested {
			b := wire.AppendAttr([]byte("<iq type='set'"), "id", "push-"+random())
			c.inform(stanza{b, append(append([]byte("<query xmlns='"+nsRoster+"'>"), item...), "</query>"...), "</iq>"})
		}
	}
}

var errNoContact = errors.New("no such contact")
var errTooMany = errors.New("the roster is full")
