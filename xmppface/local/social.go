package local

import (
	"bytes"
	"maps"
	"slices"
	"sync"

	"github.com/fieldhub/hub/xmppface/wire"
)

// social is who sees whom. One change is made at a time, so that everybody hears
// of changes in the order in which they were made.
type social struct {
	mu      sync.Mutex
	store   Rosters
	rosters map[string]map[string]*Contact // of accounts that exist, as far as needed
}

func (o *social) init(store Rosters) {
	o.store = store
	o.rosters = make(map[string]map[string]*Contact)
}

// roster returns the contacts of an account that exists; locked.
func (o *social) roster(name string) (map[string]*Contact, error) {
	if r := o.rosters[name]; r != nil {
		return r, nil
	}
	list, err := o.store.Roster(name)
	if err != nil {
		return nil, err
	}
	r := make(map[string]*Contact)
	for _, k := range list {
		r[k.JID] = &k
	}
	o.rosters[name] = r
	return r, nil
}

// forget drops what is known of an account.
func (o *social) forget(name string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	delete(o.rosters, name)
}

// contact returns a copy of a contact, a new one when there is none; locked.
func (o *social) contact(name, jid string) (Contact, error) {
	r, err := o.roster(name)
	if err != nil {
		return Contact{}, err
	}
	if k := r[jid]; k != nil {
		return *k, nil
	}
	return Contact{JID: jid}, nil
}

// set stores a changed contact, or deletes one about which there is nothing to
// know, and tells the account's clients; locked.
func (o *social) set(s *Server, name string, before, k Contact) error {
	r, err := o.roster(name)
	if err != nil {
		return err
	}
	if !k.Listed && !k.Asked {
		if r[k.JID] == nil {
			return nil
		}
		if err := o.store.DeleteContact(name, k.JID); err != nil {
			return err
		}
		delete(r, k.JID)
		if before.Listed {
			s.push(name, k.JID, nil)
		}
		return nil
	}
	if r[k.JID] == nil && (len(r) >= s.limits.Contacts || size(r) > maxRoster) {
		return errTooMany
	}
	if err := o.store.SetContact(name, k); err != nil {
		return err
	}
	r[k.JID] = &k
	// A request that came in is not part of what clients see.
	if k.Listed && (!before.Listed || !bytes.Equal(before.item(nil), k.item(nil))) {
		s.push(name, k.JID, &k)
	}
	return nil
}

// SetContact puts a contact into the roster of an account, or takes one out that is not
// Listed, as the one who runs the server wishes, and tells the account's clients. It is
// safe for concurrent use.
func (s *Server) SetContact(account string, k Contact) error {
	o := &s.social
	o.mu.Lock()
	defer o.mu.Unlock()
	before, err := o.contact(account, k.JID)
	if err != nil {
		return err
	}
	return o.set(s, account, before, k)
}

// maxRoster keeps a roster within one stanza.
const maxRoster = 200 << 10

func size(r map[string]*Contact) int {
	n := 0
	for _, k := range r {
		n += len(k.JID) + len(k.Name) + 100
		for _, g := range k.Groups {
			n += len(g) + 20
		}
	}
	return n
}

// list returns the roster for a client, which is told of changes from now on.
func (o *social) list(c *client) ([]byte, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, err := o.roster(c.name)
	if err != nil {
		return nil, err
	}
	c.interested = true
	b := []byte("<query xmlns='" + nsRoster + "'>")
	for _, jid := range slices.Sorted(maps.Keys(r)) {
		if r[jid].Listed {
			b = r[jid].item(b)
		}
	}
	return append(b, "</query>"...), nil
}

// name adds a contact to the list, or changes what it is called.
func (o *social) name(s *Server, c *client, jid, name string, groups []string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	before, err := o.contact(c.name, jid)
	if err != nil {
		return err
	}
	k := before
	k.Name, k.Groups, k.Listed = name, groups, true
	r, err := o.roster(c.name)
	if err != nil {
		return err
	}
	if size(map[string]*Contact{jid: &k})+size(r) > maxRoster {
		return errTooMany
	}
	return o.set(s, c.name, before, k)
}

// remove takes a contact off the list and ends all subscriptions.
func (o *social) remove(s *Server, c *client, jid string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	k, err := o.contact(c.name, jid)
	if err != nil {
		return err
	}
	if !k.Listed {
		return errNoContact
	}
	if k.To || k.Ask {
		if err := o.unsubscribe(s, c, jid, plainPresence(c.bare, "unsubscribe")); err != nil {
			return err
		}
	}
	if k.From || k.Asked {
		if err := o.unsubscribed(s, c, jid, plainPresence(c.bare, "unsubscribed")); err != nil {
			return err
		}
	}
	return o.set(s, c.name, k, Contact{JID: jid})
}

// plainPresence makes a presence with no content.
func plainPresence(from, typ string) stanza {
	b := wire.AppendAttr([]byte("<presence"), "from", from)
	return stanza{open: wire.AppendAttr(b, "type", typ), close: "</presence>"}
}

// enter makes a client reachable, after the answer that tells it its address. A
// client of the same address has to go. It tells whether there was room.
func (o *social) enter(s *Server, c *client, answer []byte) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if old := s.table.full(c.full); old != nil {
		o.gone(s, old)
		old.end("conflict", "the resource is used by a new connection")
	}
	if !s.table.room(c.name, s.limits.Clients, s.limits.ClientsOfOne) {
		return false
	}
	c.st.Reply(answer)
	s.table.add(c)
	return true
}

// leave takes a client out and tells those who saw it.
func (o *social) leave(s *Server, c *client) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.gone(s, c)
}

func (o *social) gone(s *Server, c *client) {
	if s.table.remove(c) {
		o.hide(s, c, plainPresence(c.full, "unavailable"))
	}
}

// hide sends the last presence of a client to those who saw it.
func (o *social) hide(s *Server, c *client, p stanza) {
	if c.presence != nil {
		s.table.show(c, nil, 0)
		o.broadcast(s, c, p)
	}
	for address := range c.directed {
		if t := s.table.full(address); t != nil {
			t.inform(p)
		} else if name := s.nameOf(address); name != "" {
			o.inform(s, name, p)
		}
	}
	clear(c.directed)
}

// broadcast sends presence to those who may see the account, itself included.
func (o *social) broadcast(s *Server, c *client, p stanza) {
	r, err := o.roster(c.name)
	if err != nil {
		c.log.Error("presence cannot be sent: the roster cannot be read", "err", err)
	}
	for _, k := range r {
		if k.From {
			o.inform(s, s.nameOf(k.JID), p)
		}
	}
	o.inform(s, c.name, p)
}

// inform sends presence to all available clients of an account.
func (o *social) inform(s *Server, name string, p stanza) {
	for _, t := range s.table.available(name) {
		t.inform(p)
	}
}

// show is a client's presence without an address (RFC 6121, 4.2 and 4.4).
func (o *social) show(s *Server, c *client, p *stanza, priority int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if s.table.full(c.full) != c {
		return
	}
	first := c.presence == nil
	s.table.show(c, p, priority)
	o.broadcast(s, c, *p)
	if !first {
		return
	}
	for _, t := range s.table.available(c.name) {
		if t != c {
			c.inform(*t.presence)
		}
	}
	for jid, k := range o.rosters[c.name] {
		if name := s.nameOf(jid); k.To && o.sees(c.bare, name) {
			o.probe(s, c, name)
		}
		if k.Asked {
			c.st.Reply(ask(jid, c.bare))
		}
	}
}

// sees tells whether an account lets somebody see its presence; locked.
func (o *social) sees(bare, name string) bool {
	if name == "" {
		return false
	}
	k, err := o.contact(name, bare)
	return err == nil && k.From
}

// probe sends a client the presence of an account.
func (o *social) probe(s *Server, c *client, name string) {
	for _, t := range s.table.available(name) {
		c.inform(*t.presence)
	}
}

func ask(from, to string) []byte {
	b := wire.AppendAttr([]byte("<presence type='subscribe'"), "from", from)
	return append(wire.AppendAttr(b, "to", to), "/>"...)
}
