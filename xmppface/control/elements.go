package control

import (
	"strconv"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Parameter is a value for a control parameter.
type Parameter struct {
	Name  string
	Value nodes.Value
}

// wish is a parsed set or getForm element.
type wish struct {
	refs   []nodes.Ref // each once, as they were written
	params []Parameter
	form   *wire.Element // nil: none
}

// parse reads an element; only a set may hold more than nodes.
func parse(e *wire.Element) (*wish, error) {
	w := &wish{}
	seen := make(map[nodes.Ref]bool)
	for _, c := range e.Children {
		switch {
		case c.Name.Local == "nd" && c.Name.Space == e.Name.Space:
			ref, ok := c.Ref()
			if !ok {
				return nil, ext.Invalid("<nd/> names no node; write its id")
			}
			if seen[ref.Resolved()] {
				continue
			}
			if len(w.refs) == MaxNodes {
				return nil, nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "more than "+strconv.Itoa(MaxNodes)+" nodes in a request; name some at a time")
			}
			seen[ref.Resolved()] = true
			w.refs = append(w.refs, ref)
		case c.Name.Local == "x" && (c.Name.Space == form.NS || c.Name.Space == e.Name.Space) && e.Name.Local == "set":
			if w.form != nil {
				return nil, ext.Invalid("the request holds two forms; write one")
			}
			w.form = c
		case c.Name.Space != e.Name.Space:
		case e.Name.Local == "set" && kinds[c.Name.Local] != 0:
			p, err := parseParameter(c)
			if err != nil {
				return nil, err
			}
			if len(w.params) == MaxSettings {
				return nil, tooMany()
			}
			w.params = append(w.params, p)
		default:
			return nil, ext.Invalid("<" + ext.Clip(c.Name.Local) + "/> has no place in " + e.Name.Local)
		}
	}
	if len(w.refs) == 0 {
		return nil, nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "the hub itself has no control parameters; name a node: <nd id='…'/>")
	}
	return w, nil
}

func tooMany() error {
	return nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "more than "+strconv.Itoa(MaxSettings)+" values in a request; set some at a time")
}

func parseParameter(e *wire.Element) (Parameter, error) {
	p := Parameter{Name: e.Attr("n")}
	text, ok := e.Lookup("v")
	switch {
	case p.Name == "":
		return p, ext.Invalid("<" + e.Name.Local + "/> names no parameter; write its name as n")
	case !ok:
		return p, ext.Invalid("<" + e.Name.Local + "/> has no value for " + ext.Clip(p.Name) + "; write it as v")
	}
	if p.Value, ok = parseValue(e.Name.Local, text, e.Attr("t")); !ok {
		return p, &wrongParams{condition: badRequest, fields: map[string]string{
			p.Name: strconv.Quote(ext.Clip(text)) + " is not " + wanted[kinds[e.Name.Local]]}}
	}
	return p, nil
}

// appendSet appends a set element of parameters.
func appendSet(b []byte, space string, refs []nodes.Ref, list []Parameter) ([]byte, error) {
	b = append(appendOpen(b, "set", space), '>')
	b = appendRefs(b, refs)
	for _, p := range list {
		var err error
		if b, err = appendParameter(b, p); err != nil {
			return nil, err
		}
	}
	return append(b, "</set>"...), nil
}

func appendOpen(b []byte, name, space string) []byte {
	return wire.AppendAttr(append(append(b, '<'), name...), "xmlns", space)
}

func appendRefs(b []byte, refs []nodes.Ref) []byte {
	for _, ref := range refs {
		b = append(wire.AppendRef(append(b, "<nd"...), ref), '/', '>')
	}
	return b
}

// appendResp appends a resp element.
func appendResp(b []byte, space string, refs []nodes.Ref, names []string) []byte {
	b = appendOpen(b, "resp", space)
	if len(refs)+len(names) == 0 {
		return append(b, '/', '>')
	}
	b = appendRefs(append(b, '>'), refs)
	for _, name := range names {
		b = append(wire.AppendAttr(append(b, "<p"...), "n", name), '/', '>')
	}
	return append(b, "</resp>"...)
}

// readResp reads what a resp lists.
func readResp(e *wire.Element) (refs []nodes.Ref, names []string) {
	for _, c := range e.Children {
		switch c.Name.Local {
		case "nd":
			if ref, ok := c.Ref(); ok {
				refs = append(refs, ref)
			}
		case "p":
			if n := c.Attr("n"); n != "" {
				names = append(names, n)
			}
		}
	}
	return refs, names
}

// appendParamError appends why a parameter was not set.
func appendParamError(b []byte, space, name, text string) []byte {
	b = appendOpen(b, "paramError", space)
	b = wire.AppendAttr(wire.AppendAttr(b, "n", name), "var", name)
	b = append(b, '>')
	b = wire.AppendText(b, text)
	return append(b, "</paramError>"...)
}

// readParamErrors reads why parameters were not set, by name.
func readParamErrors(e *wire.Element) map[string]string {
	var out map[string]string
	for _, c := range e.Children {
		if c.Name.Local != "paramError" {
			continue
		}
		name := c.Attr("n")
		if name == "" {
			name = c.Attr("var")
		}
		if name == "" {
			continue
		}
		if out == nil {
			out = make(map[string]string)
		}
		if out[name] == "" {
			out[name] = c.Text
		}
	}
	return out
}
