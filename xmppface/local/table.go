package local

import (
	"slices"
	"sync"
)

// table is who is online. What it holds of a client's presence changes only with
// the lock of social held, too.
type table struct {
	mu     sync.RWMutex
	byFull map[string]*client
	byName map[string][]*client // by account, in order of arrival
}

func (t *table) init() {
	t.byFull = make(map[string]*client)
	t.byName = make(map[string][]*client)
}

// full returns the client of a full address, or nil.
func (t *table) full(address string) *client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.byFull[address]
}

// of returns the clients of an account.
func (t *table) of(name string) []*client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return slices.Clone(t.byName[name])
}

// available returns those that have sent presence.
func (t *table) available(name string) []*client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*client
	for _, c := range t.byName[name] {
		if c.presence != nil {
			out = append(out, c)
		}
	}
	return out
}

// best returns the available clients of the highest priority, or, with every, all
// those that take messages to the bare address.
func (t *table) best(name string, every bool) []*client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*client
	for _, c := range t.byName[name] {
		switch {
		case c.presence == nil || c.priority < 0:
		case every || len(out) == 0 || c.priority == out[0].priority:
			out = append(out, c)
		case c.priority > out[0].priority:
			out = append(out[:0], c)
		}
	}
	return out
}

// room tells whether there is room for one more client of an account.
func (t *table) room(name string, all, ofOne int) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.byFull) < all && len(t.byName[name]) < ofOne
}

// add adds a client whose address is free.
func (t *table) add(c *client) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byFull[c.full] = c
	t.byName[c.name] = append(t.byName[c.name], c)
}

// remove tells whether it was there.
func (t *table) remove(c *client) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.byFull[c.full] != c {
		return false
	}
	delete(t.byFull, c.full)
	list := t.byName[c.name]
	i := slices.Index(list, c)
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(t.byName, c.name)
	} else {
		t.byName[c.name] = list
	}
	return true
}

// show sets a client's presence; nil when it is not available.
func (t *table) show(c *client, p *stanza, priority int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c.presence, c.priority = p, priority
}

func (t *table) all() []*client {
	t.mu.RLock()
	defer t.mu.RUnlock()
	out := make([]*client, 0, len(t.byFull))
	for _, c := range t.byFull {
		out = append(out, c)
	}
	return out
}
