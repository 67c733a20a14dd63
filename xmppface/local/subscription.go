package local

// The subscription states of RFC 6121, 3 and appendix A, of both sides at once,
// since both are accounts of this server. All are called with social locked; p is
// the stanza to be delivered.

// both returns copies of the two contacts of a pair: the other one in the client's
// roster, and the client in the other's. known is false when there is no such
// account.
func (o *social) both(s *Server, c *client, jid string) (mine, theirs Contact, known bool, err error) {
	if mine, err = o.contact(c.name, jid); err != nil {
		return
	}
	if name := s.nameOf(jid); s.exists(name) {
		known = true
		theirs, err = o.contact(name, c.bare)
	}
	return
}

// subscribe asks to see somebody. It is kept until it is answered, and granted at
// once when it was before.
func (o *social) subscribe(s *Server, c *client, jid string, p stanza) error {
	mine, theirs, known, err := o.both(s, c, jid)
	if err != nil {
		return err
	}
	name := s.nameOf(jid)
	before, beforeTheirs := mine, theirs
	mine.Listed = true
	if known && theirs.From {
		mine.To, mine.Ask = true, false
		if err := o.set(s, c.name, before, mine); err != nil {
			return err
		}
		o.tell(s, c.name, c.bare, plainPresence(jid, "subscribed"))
		for _, t := range s.table.available(name) {
			o.inform(s, c.name, *t.presence)
		}
		return nil
	}
	mine.To, mine.Ask = false, true
	if known && !theirs.Asked {
		theirs.Asked = true
		if err := o.set(s, name, beforeTheirs, theirs); err != nil {
			return err
		}
	}
	if err := o.set(s, c.name, before, mine); err != nil {
		return err
	}
	o.tell(s, name, jid, p)
	return nil
}

// subscribed lets somebody who has asked see the account.
func (o *social) subscribed(s *Server, c *client, jid string, p stanza) error {
	mine, theirs, known, err := o.both(s, c, jid)
	if err != nil || !known || !mine.Asked {
		return err
	}
	name := s.nameOf(jid)
	before, beforeTheirs := mine, theirs
	mine.Asked, mine.From, mine.Listed = false, true, true
	if err := o.set(s, c.name, before, mine); err != nil {
		return err
	}
	if !theirs.Ask { // withdrawn meanwhile, or the account is a new one
		return nil
	}
	theirs.Ask, theirs.To = false, true
	if err := o.set(s, name, beforeTheirs, theirs); err != nil {
		return err
	}
	o.tell(s, name, jid, p)
	for _, t := range s.table.available(c.name) {
		o.inform(s, name, *t.presence)
	}
	return nil
}

// unsubscribe no longer wants to see somebody.
func (o *social) unsubscribe(s *Server, c *client, jid string, p stanza) error {
	mine, theirs, known, err := o.both(s, c, jid)
	if err != nil {
		return err
	}
	name := s.nameOf(jid)
	if mine.To || mine.Ask {
		before := mine
		mine.To, mine.Ask = false, false
		if err := o.set(s, c.name, before, mine); err != nil {
			return err
		}
	}
	if !known || !theirs.From && !theirs.Asked {
		return nil
	}
	before, saw := theirs, theirs.From
	theirs.From, theirs.Asked = false, false
	if err := o.set(s, name, before, theirs); err != nil {
		return err
	}
	o.tell(s, name, jid, p)
	if saw {
		o.vanish(s, name, c.name)
	}
	return nil
}

// unsubscribed no longer lets somebody see the account, or refuses a request.
func (o *social) unsubscribed(s *Server, c *client, jid string, p stanza) error {
	mine, theirs, known, err := o.both(s, c, jid)
	if err != nil || !mine.From && !mine.Asked {
		return err
	}
	name := s.nameOf(jid)
	before, saw := mine, mine.From
	mine.From, mine.Asked = false, false
	if err := o.set(s, c.name, before, mine); err != nil {
		return err
	}
	if !known {
		return nil
	}
	if theirs.To || theirs.Ask {
		before := theirs
		theirs.To, theirs.Ask = false, false
		if err := o.set(s, name, before, theirs); err != nil {
			return err
		}
	}
	if saw {
		o.vanish(s, c.name, name)
	}
	o.tell(s, name, jid, p)
	return nil
}

// tell delivers to all available clients of an account, under its bare address.
func (o *social) tell(s *Server, name, bare string, p stanza) {
	to := appendTo(nil, bare)
	for _, t := range s.table.available(name) {
		t.st.Reply(p.open, to, p.inner, []byte(p.close))
	}
}

// vanish makes the clients of one account look offline to those of another.
func (o *social) vanish(s *Server, name, watcher string) {
	for _, t := range s.table.available(name) {
		o.inform(s, watcher, plainPresence(t.full, "unavailable"))
	}
}
