package datasources

import (
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fieldhub/hub/nodes"
)

// Rule gives rights to people.
type Rule struct {
	// Who are bare addresses ("ops@example.org") or whole domains
	// ("@example.org"); case does not matter.
	Who []string
	// Way is the way in by which they must come; empty: the broker. An address of
	// another way in is another person.
	Way nodes.Way
	May nodes.Rights
}

// Access is who may do what. The zero value lets nobody in. Safe for concurrent
// use; rules may be replaced at any time and hold at once.
type Access struct {
	rules atomic.Pointer[map[subject]nodes.Rights]
}

type subject struct {
	way nodes.Way
	who string // lower case
}

// NewAccess makes the access that the rules describe. Rights of several rules for
// one person add up; without See none of them counts.
func NewAccess(rules ...Rule) *Access {
	a := new(Access)
	a.Replace(rules)
	return a
}

// Replace puts other rules in place of all.
func (a *Access) Replace(rules []Rule) {
	m := make(map[subject]nodes.Rights)
	for _, r := range rules {
		way := r.Way
		if way == "" {
			way = nodes.WayBroker
		}
		for _, who := range r.Who {
			if who == "" || who == "@" {
				continue // nobody
			}
			m[subject{way, strings.ToLower(who)}] |= r.May
		}
	}
	a.rules.Store(&m)
}

// Rights returns what the caller may do with a node.
func (a *Access) Rights(c nodes.Caller, _ nodes.Ref) nodes.Rights {
	return a.Person(c)
}

// Person returns what the caller may do anywhere.
func (a *Access) Person(c nodes.Caller) nodes.Rights {
	if c.Way == nodes.WaySystem {
		return nodes.AllRights
	}
	m := a.rules.Load()
	if m == nil || c.JID == "" {
		return 0
	}
	jid := strings.ToLower(c.JID)
	r := (*m)[subject{c.Way, jid}]
	if _, domain, ok := strings.Cut(jid, "@"); ok {
		r |= (*m)[subject{c.Way, "@" + domain}]
	}
	if r&nodes.See == 0 {
		return 0
	}
	return r
}

// People returns the bare addresses that have any right by that way in, sorted.
func (a *Access) People(way nodes.Way) []string {
	var out []string
	if m := a.rules.Load(); m != nil {
		for s, r := range *m {
			if s.way == way && r&nodes.See != 0 && !strings.HasPrefix(s.who, "@") {
				out = append(out, s.who)
			}
		}
	}
	slices.Sort(out)
	return out
}
