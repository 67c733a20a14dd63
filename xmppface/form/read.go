package form

import (
	"fmt"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Received is a form that a client got.
type Received struct {
	nodes.Form
	// Wrong holds the messages on fields, when the form came with an error.
	Wrong map[string]string
	// NotSame names the fields that shall be submitted only when edited.
	NotSame map[string]bool
	// Hidden are fields that nobody sees; they are submitted as they came.
	Hidden nodes.Params
}

// Parse reads a form that is to be filled in. What it does not understand it
// leaves out: fields without a name, fixed texts, bounds and patterns of unknown
// data types. A field of an unknown data type is a text.
func Parse(x *wire.Element) (*Received, error) {
	switch typ := x.Attr("type"); typ {
	case "form", "", "submit", "result":
	default:
		return nil, fmt.Errorf("a form of the type %q cannot be filled in", clip(typ))
	}
	r := &Received{Wrong: make(map[string]string), NotSame: make(map[string]bool), Hidden: make(nodes.Params)}
	r.Values = make(nodes.Params)
	var instructions []string
	places := make(map[string][2]string)
	at := make(map[string]int)
	for _, c := range x.Children {
		switch c.Name.Local {
		case "title":
			r.Title = c.Text
		case "instructions":
			instructions = append(instructions, c.Text)
		case "page":
			readLayout(c, c.Attr("label"), "", places)
		case "field":
			if len(at) == MaxFields {
				return nil, fmt.Errorf("the form has more than %d fields", MaxFields)
			}
			id, typ := c.Attr("var"), c.Attr("type")
			if _, twice := at[id]; twice || id == "" {
				continue
			}
			if e := c.Child("error"); e != nil {
				r.Wrong[id] = e.Text
			}
			switch typ {
			case "fixed":
				continue
			case "hidden":
				r.Hidden[id] = nodes.String(valueOf(c))
				continue
			}
			p := readField(c, id, typ)
			if v := readValue(&p, c); !v.IsZero() {
				r.Values[id] = v
			}
			r.NotSame[id] = c.Child("notSame") != nil
			at[id] = len(r.Params)
			r.Params = append(r.Params, p)
		}
	}
	r.Instructions = strings.Join(instructions, "\n")
	for id, place := range places {
		if i, ok := at[id]; ok {
			r.Params[i].Page, r.Params[i].Section = place[0], place[1]
		}
	}
	return r, nil
}

// readLayout notes where fields stand; a section within a section is joined to
// the outer one.
func readLayout(e *wire.Element, page, section string, places map[string][2]string) {
	for _, c := range e.Children {
		switch c.Name.Local {
		case "fieldref":
			if id := c.Attr("var"); id != "" {
				if _, twice := places[id]; !twice {
					places[id] = [2]string{page, section}
				}
			}
		case "section":
			label := c.Attr("label")
			if section != "" && label != "" {
				label = section + ", " + label
			} else if label == "" {
				label = section
			}
			readLayout(c, page, label, places)
		}
	}
}

func readField(f *wire.Element, id, typ string) nodes.Param {
	p := nodes.Param{ID: id, Label: f.Attr("label"), Kind: nodes.KindString,
		Required: f.Child("required") != nil, ReadOnly: f.Child("readOnly") != nil}
	if d := f.Child("desc"); d != nil {
		p.Description = d.Text
	}
	switch typ {
	case "boolean":
		p.Kind = nodes.KindBool
		return p
	case "text-private":
		p.Secret = true
	case "text-multi", "list-multi", "jid-multi":
		p.Multi = true
	}
	for _, c := range f.Children {
		if c.Name.Local != "option" {
			continue
		}
		if v := c.Child("value"); v != nil {
			o := nodes.Option{Value: v.Text, Label: c.Attr("label")}
			if o.Label == o.Value {
				o.Label = ""
			}
			p.Options = append(p.Options, o)
		}
	}
	if typ == "list-single" {
		p.Kind = nodes.KindEnum
		return p
	}
	v := f.Child("validate")
	if v == nil || p.Multi {
		return p
	}
	datatype := v.Attr("datatype")
	if kind, ok := kinds[datatype[strings.IndexByte(datatype, ':')+1:]]; ok {
		p.Kind = kind
	}
	if e := v.Child("range"); e != nil {
		p.Min, p.Max = readText(&p, e.Attr("min")), readText(&p, e.Attr("max"))
	}
	if e := v.Child("regex"); e != nil && p.Kind == nodes.KindString {
		p.Pattern = e.Text
	}
	return p
}

// readValue reads the present value; one that does not fit its own data type is
// kept as a text, so that a person sees it.
func readValue(p *nodes.Param, f *wire.Element) nodes.Value {
	text := valueOf(f)
	switch {
	case text == "" || p.Secret:
		return nodes.Value{}
	case p.Kind == nodes.KindEnum:
		return nodes.Enum(text, p.ID)
	}
	if v := readText(p, text); !v.IsZero() {
		return v
	}
	return nodes.String(text)
}

func readText(p *nodes.Param, text string) nodes.Value {
	if text == "" {
		return nodes.Value{}
	}
	v, err := param.Parse(nodes.Param{Kind: p.Kind, Multi: true}, text)
	if err != nil {
		return nodes.Value{}
	}
	return v
}

// Submission returns what a client submits: the values, and the hidden fields as
// they came. Read-only fields are left out; so are those that shall be sent only
// when edited and have their present value.
func (r *Received) Submission(values nodes.Params) nodes.Params {
	out := make(nodes.Params, len(values)+len(r.Hidden))
	for id, v := range r.Hidden {
		out[id] = v
	}
	for id, v := range values {
		if !(r.NotSame[id] && v == r.Values[id]) {
			out[id] = v
		}
	}
	for i := range r.Params {
		if r.Params[i].ReadOnly {
			delete(out, r.Params[i].ID)
		}
	}
	return out
}
