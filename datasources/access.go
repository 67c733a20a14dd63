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
	// On are the nodes that the rule is about, each with everything below it; without
	// an ID: all of that source. Empty: everything.
	On []nodes.Ref
	// Text names the rule for people, e.g. "hub.yaml, line 12"; may be empty.
	Text string
}

// Access is who may do what. The zero value lets nobody in. Safe for concurrent
// use; rules may be replaced at any time and hold at once.
type Access struct {
	grants atomic.Pointer[map[subject]*granted]
}

type subject struct {
	way nodes.Way
	who string // lower case
}

// granted is what all rules for one subject give.
type granted struct {
	everywhere nodes.Rights
	anywhere   nodes.Rights // on something at least
	scopes     map[nodes.Ref]nodes.Rights
	rules      []Rule
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
	m := make(map[subject]*granted)
	for _, r := range rules {
		way := r.Way
		if way == "" {
			way = nodes.WayBroker
		}
		for _, who := range r.Who {
			if who == "" || who == "@" {
				continue // nobody
			}
			key := subject{way, strings.ToLower(who)}
			if m[key] == nil {
				m[key] = &granted{scopes: make(map[nodes.Ref]nodes.Rights)}
			}
			m[key].add(r)
		}
	}
	a.grants.Store(&m)
}

func (g *granted) add(r Rule) {
	g.rules = append(g.rules, r)
	g.anywhere |= r.May
	if len(r.On) == 0 {
		g.everywhere |= r.May
	}
	for _, ref := range r.On {
		g.scopes[scope(ref)] |= r.May
	}
}

// scope is a place that a rule is about; without an ID it is a whole source.
func scope(ref nodes.Ref) nodes.Ref {
	if ref.Source == "" {
		ref.Source = nodes.DefaultSource
	}
	ref.Partition = ""
	return ref
}

// of returns what is granted to the caller: by address, and by domain.
func (a *Access) of(c nodes.Caller) (out [2]*granted) {
	m := a.grants.Load()
	if m == nil || c.JID == "" {
		return out
	}
	jid := strings.ToLower(c.JID)
	out[0] = (*m)[subject{c.Way, jid}]
	if _, domain, ok := strings.Cut(jid, "@"); ok {
		out[1] = (*m)[subject{c.Way, "@" + domain}]
	}
	return out
}

// Rights returns what the caller may do with a node. path are the ids of the node, its
// parent, and so on; it is called only when a rule for the caller is about some nodes
// only.
func (a *Access) Rights(c nodes.Caller, ref nodes.Ref, path func() []string) nodes.Rights {
	if c.Way == nodes.WaySystem {
		return nodes.AllRights
	}
	var r nodes.Rights
	var ids []string
	for _, g := range a.of(c) {
		if g == nil {
			continue
		}
		r |= g.everywhere
		if len(g.scopes) == 0 {
			continue
		}
		source := scope(ref).Source
		r |= g.scopes[nodes.Ref{Source: source}]
		if ids == nil {
			ids = path()
		}
		for _, id := range ids {
			r |= g.scopes[nodes.Ref{Source: source, ID: id}]
		}
	}
	return sighted(r)
}

// sighted takes away all rights where there is none to see.
func sighted(r nodes.Rights) nodes.Rights {
	if r&nodes.See == 0 {
		return 0
	}
	return r
}

// Person returns what the caller may do somewhere at least.
func (a *Access) Person(c nodes.Caller) nodes.Rights {
	if c.Way == nodes.WaySystem {
		return nodes.AllRights
	}
	var r nodes.Rights
	for _, g := range a.of(c) {
		if g != nil {
			r |= g.anywhere
		}
	}
	return sighted(r)
}

// scopes returns the ids of nodes of a source that rules for the caller are about, and
// whether there is also one about the whole source.
func (a *Access) scopes(c nodes.Caller, source string) (ids []string, whole bool) {
	if c.Way == nodes.WaySystem {
		return nil, true
	}
	for _, g := range a.of(c) {
		if g == nil {
			continue
		}
		whole = whole || g.everywhere&nodes.See != 0
		for ref, r := range g.scopes {
			switch {
			case ref.Source != source || r == 0:
			case ref.ID == "":
				whole = whole || r&nodes.See != 0
			case !slices.Contains(ids, ref.ID):
				ids = append(ids, ref.ID)
			}
		}
	}
	slices.Sort(ids)
	return ids, whole
}

// Explain returns the rules that give the caller something on a node; path are the ids
// of the node, its parent, and so on.
func (a *Access) Explain(c nodes.Caller, ref nodes.Ref, path []string) []Rule {
	var out []Rule
	for _, g := range a.of(c) {
		if g == nil {
			continue
		}
		for _, r := range g.rules {
			if len(r.On) == 0 || slices.ContainsFunc(r.On, func(on nodes.Ref) bool {
				on = scope(on)
				return on.Source == scope(ref).Source && (on.ID == "" || slices.Contains(path, on.ID))
			}) {
				out = append(out, r)
			}
		}
	}
	return out
}

// People returns the bare addresses that have any right by that way in, sorted.
func (a *Access) People(way nodes.Way) []string {
	var out []string
	if m := a.grants.Load(); m != nil {
		for s, g := range *m {
			if s.way == way && g.anywhere&nodes.See != 0 && !strings.HasPrefix(s.who, "@") {
				out = append(out, s.who)
			}
		}
	}
	slices.Sort(out)
	return out
}
