package control

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

func (s *Server) getForm(r *ext.Request) error {
	w, err := parse(r.Payload)
	if err != nil {
		return err
	}
	refs, err := s.permitted(r.Caller, w.refs)
	if err != nil {
		return err
	}
	f, err := s.form(r.Caller, refs)
	if err != nil {
		return err
	}
	b := form.AppendControlIn(nil, f, nil, nil, r.Space())
	if len(b) > MaxAnswer {
		return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "the form would be longer than a stanza may be; ask for the nodes below this one")
	}
	r.Result(b)
	return nil
}

// permitted returns the nodes that the caller may control; when there are none, why
// the first may not be.
func (s *Server) permitted(c nodes.Caller, refs []nodes.Ref) ([]nodes.Ref, error) {
	var out []nodes.Ref
	var refused error
	for _, ref := range refs {
		if s.backend.May(c, nodes.See|nodes.Control, ref.Resolved()) {
			out = append(out, ref)
			continue
		}
		_, err := s.backend.Controls(c, ref)
		if err == nil { // granted just now
			out = append(out, ref)
			continue
		}
		if nodes.KindOf(err) != nodes.Forbidden {
			return nil, err
		}
		if refused == nil {
			refused = err
		}
	}
	if len(out) == 0 {
		return nil, refused
	}
	return out, nil
}

// form makes the form of nodes: the parameters that all of them have, with the
// values that they show when all show the same.
func (s *Server) form(c nodes.Caller, refs []nodes.Ref) (*nodes.Form, error) {
	f := &nodes.Form{Title: strconv.Itoa(len(refs)) + " nodes", Values: make(nodes.Params), Differ: make(map[string]bool)}
	if len(refs) == 1 {
		f.Title = refs[0].ID
	}
	for i, ref := range refs {
		list, err := s.backend.Controls(c, ref)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			f.Params = slices.Clone(list)
		} else {
			f.Params = common(f.Params, list)
		}
	}
	for i, ref := range refs {
		shown := s.shown(c, ref, f.Params)
		for j := range f.Params {
			id := f.Params[j].ID
			switch v := shown[id]; {
			case i == 0 && !v.IsZero():
				f.Values[id] = v
			case i > 0 && v != f.Values[id]:
				f.Differ[id] = true
			}
		}
	}
	maps.DeleteFunc(f.Values, func(id string, _ nodes.Value) bool { return f.Differ[id] })
	return f, nil
}

// shown returns the present values of parameters, each as far as it is known and
// current, whatever the rest of the device is.
func (s *Server) shown(c nodes.Caller, ref nodes.Ref, list []nodes.Param) nodes.Params {
	out := make(nodes.Params)
	known := make(map[string]*nodes.Param, len(list))
	for i := range list {
		known[list[i].ID] = &list[i]
	}
	if len(list) == 0 {
		return out
	}
	// Who may control but not read gets an error, and sees no values.
	r, _ := s.backend.Last(c, ref)
	for i := range r.Fields {
		x := &r.Fields[i]
		p := known[x.Name]
		if p == nil || p.Secret || x.Category != nodes.Momentary && !x.Writable || x.QoS&(nodes.Missing|nodes.Warning|nodes.Erroneous) != 0 {
			continue
		}
		out[x.Name] = x.Value
	}
	return out
}

// common keeps the parameters that are in both lists, with what is allowed in both.
func common(a, b []nodes.Param) []nodes.Param {
	var out []nodes.Param
	for _, p := range a {
		i := slices.IndexFunc(b, func(q nodes.Param) bool { return q.ID == p.ID && q.Kind == p.Kind })
		if i < 0 {
			continue
		}
		q := &b[i]
		p.Secret, p.ReadOnly = p.Secret || q.Secret, p.ReadOnly || q.ReadOnly
		if p.Description != q.Description {
			p.Description = ""
		}
		if p.Min != q.Min || p.Max != q.Max { // whoever is set checks them
			p.Min, p.Max = nodes.Value{}, nodes.Value{}
		}
		if p.Pattern != q.Pattern {
			p.Pattern = ""
		}
		if p.Kind == nodes.KindEnum {
			p.Options = slices.DeleteFunc(slices.Clone(p.Options), func(o nodes.Option) bool {
				return !slices.ContainsFunc(q.Options, func(x nodes.Option) bool { return x.Value == o.Value })
			})
			if len(p.Options) == 0 {
				continue
			}
		}
		out = append(out, p)
	}
	return out
}

// submitted reads a form. It returns what is to be set, in the order of the form.
func submitted(x *wire.Element, f *nodes.Form) ([]Parameter, error) {
	texts, err := form.ParseSubmit(x)
	if err != nil {
		return nil, ext.Invalid(err.Error())
	}
	for _, c := range x.Children {
		// Hidden fields, such as the session of a dynamic form, are no parameters.
		if c.Name.Local == "field" && (c.Attr("type") == "hidden" || strings.HasPrefix(c.Attr("var"), "xdd ")) {
			delete(texts, c.Attr("var"))
		}
	}
	for id, text := range texts {
		if _, shown := f.Values[id]; text == "" && !shown {
			delete(texts, id) // it came empty
		}
	}
	given, wrong := texts.Read(f)
	if len(wrong) > 0 {
		return nil, &wrongParams{condition: badRequest, fields: wrong, form: f, texts: texts}
	}
	var list []Parameter
	for i := range f.Params {
		if v := given[f.Params[i].ID]; !v.IsZero() {
			list = append(list, Parameter{f.Params[i].ID, v})
		}
	}
	return list, nil
}
