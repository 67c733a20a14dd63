package sensordata

import (
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// request is a parsed req element.
type request struct {
	id   string
	ro   nodes.Readout
	bare bool // it names no node: the answer has no nd
	when time.Time
	one  [1]nodes.Ref // backs ro.Refs
}

// parse reads a req element.
func (q *request) parse(e *wire.Element) error {
	for i := range e.Attrs {
		a := &e.Attrs[i]
		if a.Name.Space != "" {
			continue
		}
		if err := q.attr(a.Name.Local, a.Value); err != nil {
			return err
		}
	}
	switch {
	case q.id == "":
		return ext.Invalid("the request has no id; write one, it comes back with the values")
	case len(q.id) > MaxID:
		return ext.Invalid("the id of the request is longer than " + strconv.Itoa(MaxID) + " bytes")
	case !q.ro.From.IsZero() && !q.ro.To.IsZero() && q.ro.To.Before(q.ro.From):
		return ext.Invalid("to is before from")
	}
	q.ro.Refs = q.one[:0]
	for _, c := range e.Children {
		if err := q.child(e, c); err != nil {
			return err
		}
	}
	if q.bare = len(q.ro.Refs) == 0; q.bare {
		q.ro.Refs = append(q.ro.Refs, nodes.In(nodes.RootID))
	}
	q.ro.Refs = unique(q.ro.Refs)
	return nil
}

func (q *request) attr(name, value string) error {
	var at *time.Time
	switch name {
	case "id":
		q.id = value
		return nil
	case "from":
		at = &q.ro.From
	case "to":
		at = &q.ro.To
	case "when":
		at = &q.when
	default:
		category, ok := wire.CategoryAttr(name)
		if !ok {
			return nil
		}
		set, ok := wire.ParseBool(value)
		if !ok {
			return ext.Invalid(name + "=" + quote(value) + " is neither true nor false")
		}
		if set {
			q.ro.Categories |= category
		}
		return nil
	}
	t, ok := wire.ParseDateTime(value)
	if !ok {
		return ext.Invalid(name + "=" + quote(value) + " is no time; write it as 2026-12-31T23:59:59Z")
	}
	*at = t
	return nil
}

func (q *request) child(req, c *wire.Element) error {
	switch {
	case c.Name.Space != req.Name.Space:
	case c.Name.Local == "nd":
		r, ok := c.Ref()
		if !ok {
			return ext.Invalid("<nd/> names no node; write its id")
		}
		if len(q.ro.Refs) == MaxNodes {
			return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "more than "+strconv.Itoa(MaxNodes)+" nodes in a request; ask for some at a time")
		}
		q.ro.Refs = append(q.ro.Refs, r)
	case c.Name.Local == "f":
		n := c.Attr("n")
		if n == "" {
			return ext.Invalid("<f/> names no field; write its name as n")
		}
		if len(q.ro.Fields) == MaxNames {
			return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "more than "+strconv.Itoa(MaxNames)+" field names in a request; leave them out to get all fields")
		}
		q.ro.Fields = append(q.ro.Fields, n)
	default:
		return ext.Invalid("<" + ext.Clip(c.Name.Local) + "/> has no place in req; write <nd id='…'/> or <f n='…'/>")
	}
	return nil
}

// unique removes nodes that are named again.
func unique(refs []nodes.Ref) []nodes.Ref {
	if len(refs) < 2 {
		return refs
	}
	seen := make(map[nodes.Ref]bool, len(refs))
	out := refs[:0]
	for _, r := range refs {
		if k := r.Resolved(); !seen[k] {
			seen[k] = true
			out = append(out, r)
		}
	}
	return out
}

func quote(s string) string { return strconv.Quote(ext.Clip(s)) }
