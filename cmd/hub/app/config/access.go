package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
)

// isGroupName tells whether s is up to 100 letters, digits, spaces, dots, dashes and
// underscores, and begins with one of the first two.
func isGroupName(s string) bool {
	return s != "" && utf8.RuneCountInString(s) <= 100 && !strings.ContainsAny(s[:1], " _.-") &&
		strings.IndexFunc(s, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsNumber(r) && !strings.ContainsRune(" _.-", r)
		}) < 0
}

// access reads who belongs together, and who may do what.
func (c *Config) access(groups, rules strict.Value) {
	members := make(map[string][]string)
	if groups.Present() {
		for _, e := range groups.Entries("groups") {
			if !isGroupName(e.Key) {
				e.Value.Problem("%q is no name for a group; write letters and digits", e.Key)
				continue
			}
			members[e.Key] = []string{}
			for _, who := range e.Value.List("the members of a group") {
				s := who.Text("a member")
				if !isBare(s) && !isDomain(s) {
					who.Problem("%q is nobody; write name@domain, or \"@domain\" for everybody of a domain", s)
				}
				members[e.Key] = append(members[e.Key], s)
			}
		}
	}
	for _, v := range rules.List("access") {
		r := rule(v, members)
		r.Text = fmt.Sprintf("%s, line %d", filepath.Base(c.File), v.Line())
		c.Access = append(c.Access, r)
	}
}

// rule reads one rule.
func rule(v strict.Value, groups map[string][]string) datasources.Rule {
	var r datasources.Rule
	f := v.Fields("an access rule", "who", "may", "way", "source", "on")
	people, rights := f["who"].List("who"), f["may"].List("may") // nil: told already, or missing
	for _, who := range people {
		s := who.Text("who")
		group, known := groups[s]
		switch {
		case isBare(s), isDomain(s):
			r.Who = append(r.Who, s)
		case known:
			r.Who = append(r.Who, group...)
		case !strings.Contains(s, "@") && len(groups) > 0:
			who.Problem("there is no group %q; there are: %s", s, strings.Join(slices.Sorted(maps.Keys(groups)), ", "))
		default:
			who.Problem("%q is nobody; write name@domain, \"@domain\" for everybody of a domain, or the name of a group", s)
		}
	}
	for _, may := range rights {
		right, ok := nodes.ParseRight(may.Text("may"))
		if !ok {
			may.Problem("unknown right %q; there are: all, %s", may.Text("may"), strings.Join(nodes.RightNames[:], ", "))
		}
		r.May |= right
	}
	if way, ok := f["way"]; ok {
		switch s := way.Text("way"); nodes.Way(s) {
		case nodes.WayBroker, nodes.WayLocal:
			r.Way = nodes.Way(s)
		default:
			way.Problem("unknown way in %q; there are: %s, %s", s, nodes.WayBroker, nodes.WayLocal)
		}
	}
	r.On = places(f)
	switch {
	case !f["who"].Present(), people != nil && len(people) == 0:
		v.Problem("a rule without who; write who: [name@domain]")
	case !f["may"].Present(), rights != nil && len(rights) == 0:
		v.Problem("a rule without may; write may: [see, read]")
	case r.May != 0 && r.May&nodes.See == 0 && len(r.On) == 0:
		v.Problem("this rule gives nothing, because who may not see a node has no use of other rights; add see")
	case r.May&nodes.Administer != 0 && len(r.On) > 0:
		f["may"].Problem("administer is about the whole hub; put it into a rule without source and on")
	}
	return r
}

// places are the nodes that a rule is about; none: everything.
func places(f map[string]strict.Value) (out []nodes.Ref) {
	source := ""
	if v, ok := f["source"]; ok {
		if source = v.Text("source"); source == "" {
			v.Problem("source is empty; write the name of a data source, e.g. source: %s", nodes.DefaultSource)
		}
	}
	on, ok := f["on"]
	if !ok {
		if source != "" {
			out = append(out, nodes.Ref{Source: source})
		}
		return out
	}
	list := on.List("on")
	if list != nil && len(list) == 0 {
		on.Problem("on is empty, so the rule is about nothing; write the ids of nodes, e.g. on: [plant/tank]")
	}
	for _, v := range list {
		id := v.Text("a node")
		if id == "" {
			v.Problem("write the id of a node, e.g. plant/tank")
		}
		out = append(out, nodes.Ref{Source: source, ID: id})
	}
	return out
}
