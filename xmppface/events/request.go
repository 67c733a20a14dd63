package events

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// request is a parsed subscribe element.
type request struct {
	id             string
	refs           []nodes.Ref
	bare           bool // it names no node: the messages have no nd
	categories     nodes.Category
	names          []string        // each once
	named          map[string]bool // those of names, while it is parsed
	rules          map[string]rule // by field name; those with a condition only
	minInt, maxInt time.Duration
	maxAge         time.Duration // older values are left out; 0: none are
	now            bool          // req: everything is to be sent at once
}

// readout returns what to read for the subscription.
func (q *request) readout() *nodes.Readout {
	return &nodes.Readout{Refs: q.refs, Categories: q.categories, Fields: q.names}
}

// tooOld tells whether a field is older than the subscription allows. What a device is
// does not age.
func (q *request) tooOld(f *nodes.Field) bool {
	return q.maxAge > 0 && f.Category != nodes.Identity && time.Since(f.Time) > q.maxAge
}

// interval is how often values are wanted.
func (q *request) interval() time.Duration {
	if q.minInt > 0 {
		return q.minInt
	}
	return q.maxInt
}

func parse(e *wire.Element) (*request, error) {
	q := &request{}
	for i := range e.Attrs {
		a := &e.Attrs[i]
		if a.Name.Space != "" {
			continue
		}
		if err := q.attr(a.Name.Local, a.Value); err != nil {
			return nil, err
		}
	}
	switch {
	case q.id == "":
		return nil, ext.Invalid("the request has no id; write one, it comes back with the values")
	case len(q.id) > MaxID:
		return nil, ext.Invalid("the id of the request is longer than " + strconv.Itoa(MaxID) + " bytes")
	case q.maxInt > 0 && q.maxInt < q.minInt:
		return nil, ext.Invalid("maxInt is shorter than minInt")
	}
	for _, c := range e.Children {
		if err := q.child(e, c); err != nil {
			return nil, err
		}
	}
	q.named = nil
	if q.bare = len(q.refs) == 0; q.bare {
		q.refs = []nodes.Ref{nodes.In(nodes.RootID)}
	}
	return q, nil
}

func (q *request) attr(name, value string) error {
	switch name {
	case "id":
		q.id = value
		return nil
	case "minInt", "maxInt", "maxAge":
		d, err := interval(name, value)
		switch {
		case err != nil:
			return err
		case name == "minInt":
			q.minInt = d
		case name == "maxAge":
			q.maxAge = d
		case name == "maxInt" && d == 0:
			return ext.Invalid("maxInt is zero; leave it out to be told of changes only")
		case name == "maxInt":
			q.maxInt = max(d, leastMaxInt)
		}
		return nil
	}
	category, ok := wire.CategoryAttr(name)
	if !ok && name != "req" {
		return nil
	}
	set, ok := wire.ParseBool(value)
	if !ok {
		return ext.Invalid(name + "=" + quote(value) + " is neither true nor false")
	}
	if name == "req" {
		q.now = set
	} else if set {
		q.categories |= category
	}
	return nil
}

// month is what a month of a duration counts.
const month = 30 * 24 * time.Hour

func interval(name, value string) (time.Duration, error) {
	months, d, ok := wire.ParseDuration(value)
	if !ok {
		return 0, ext.Invalid(name + "=" + quote(value) + " is no duration; write it as PT10S")
	}
	if months < 0 || d < 0 {
		return 0, ext.Invalid(name + " is negative")
	}
	if months > 1200 || d > 1200*month {
		return 0, ext.Invalid(name + " is longer than a hundred years")
	}
	return time.Duration(months)*month + d, nil
}

func (q *request) child(req, c *wire.Element) error {
	switch {
	case c.Name.Space != req.Name.Space:
	case c.Name.Local == "nd":
		r, ok := c.Ref()
		if !ok {
			return ext.Invalid("<nd/> names no node; write its id")
		}
		for _, have := range q.refs {
			if have.Resolved() == r.Resolved() {
				return nil
			}
		}
		if len(q.refs) == MaxNodes {
			return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "more than "+strconv.Itoa(MaxNodes)+" nodes in a subscription; subscribe to some at a time")
		}
		q.refs = append(q.refs, r)
	case c.Name.Local == "f":
		return q.field(c)
	default:
		return ext.Invalid("<" + ext.Clip(c.Name.Local) + "/> has no place in subscribe; write <nd id='…'/> or <f n='…'/>")
	}
	return nil
}

// field reads an f element.
func (q *request) field(c *wire.Element) error {
	name := c.Attr("n")
	if name == "" {
		return ext.Invalid("<f/> names no field; write its name as n")
	}
	if len(q.names) == MaxNames {
		return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "more than "+strconv.Itoa(MaxNames)+" field names in a subscription; leave them out to get all fields")
	}
	var u rule
	for _, p := range []struct {
		attr string
		to   *float64
	}{{"by", &u.by}, {"up", &u.up}, {"dn", &u.dn}, {"v", &u.v}} {
		text, ok := c.Lookup(p.attr)
		if !ok || p.attr == "v" && strings.TrimSpace(text) == "" {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(text, "xX_") {
			return ext.Invalid(p.attr + "=" + quote(text) + " of field " + quote(name) + " is no number")
		}
		if p.attr != "v" && f <= 0 {
			return ext.Invalid(p.attr + " of field " + quote(name) + " must be greater than zero")
		}
		*p.to = f
		u.known = u.known || p.attr == "v"
	}
	if u.by == 0 && u.up == 0 && u.dn == 0 {
		u = rule{} // v alone says nothing
	}
	if q.named[name] {
		if q.rules[name] != u {
			return ext.Invalid("the field " + quote(name) + " has two rules; write one")
		}
		return nil
	}
	if q.named == nil {
		q.named = make(map[string]bool)
	}
	q.named[name] = true
	q.names = append(q.names, name)
	if u != (rule{}) {
		if q.rules == nil {
			q.rules = make(map[string]rule)
		}
		q.rules[name] = u
	}
	return nil
}

func quote(s string) string { return strconv.Quote(ext.Clip(s)) }
