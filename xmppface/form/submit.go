package form

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

// ErrCancelled is returned for a form that was submitted as cancelled.
var ErrCancelled = errors.New("the form was cancelled")

// AppendSubmit appends a submission with these values, in order of their names.
// A zero value empties its field.
func AppendSubmit(b []byte, values nodes.Params) []byte {
	b = append(b, "<x xmlns='"+NS+"' type='submit'>"...)
	for _, id := range slices.Sorted(maps.Keys(values)) {
		b = append(b, "<field"...)
		b = wire.AppendAttr(b, "var", id)
		b = append(b, '>')
		b = appendValues(b, spellValue(&nodes.Param{}, values[id]), values[id].Kind() == nodes.KindString)
		b = append(b, "</field>"...)
	}
	return append(b, "</x>"...)
}

// ParseSubmit reads a submitted form. Fields may be left out. The type of the
// form may be missing; a form that is none, has a field twice or too many of
// them is an error whose text tells the submitter.
func ParseSubmit(x *wire.Element) (Texts, error) {
	switch typ := x.Attr("type"); typ {
	case "submit", "", "form":
	case "cancel":
		return nil, ErrCancelled
	default:
		return nil, fmt.Errorf("the form has the type %q; write type='submit'", clip(typ))
	}
	out := make(Texts)
	for _, f := range x.Children {
		if f.Name.Local != "field" || f.Attr("type") == "fixed" {
			continue
		}
		id := f.Attr("var")
		if id == "" {
			return nil, errors.New("a field of the form has no name; write its attribute var")
		}
		if _, twice := out[id]; twice {
			return nil, fmt.Errorf("the form has the field %q twice", clip(id))
		}
		if len(out) == MaxFields {
			return nil, fmt.Errorf("the form has more than %d fields", MaxFields)
		}
		out[id] = valueOf(f)
	}
	return out, nil
}

// valueOf joins the values of a field as lines.
func valueOf(f *wire.Element) string {
	var lines []string
	for _, v := range f.Children {
		if v.Name.Local == "value" {
			lines = append(lines, v.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// Read reads what was submitted by the descriptions of the form. It returns the
// values that were given: none for an empty secret, none for a read-only field
// that came back as it was, the zero Value for a field that was emptied; and a
// message for each field that is wrong in itself or not in the form. Whether all
// that is required was given is for param.Check to say, once the present values
// are known.
func (s Texts) Read(f *nodes.Form) (given nodes.Params, wrong map[string]string) {
	given, wrong = make(nodes.Params, len(s)), make(map[string]string)
	known := make(map[string]bool, len(f.Params))
	for i := range f.Params {
		p := &f.Params[i]
		known[p.ID] = true
		text, ok := s[p.ID]
		if !ok || p.Secret && text == "" {
			continue
		}
		v, err := param.Parse(*p, text)
		switch {
		case p.ReadOnly:
			// Displayed times and numbers may be rounded, so the spelling counts.
			if text != spellValue(p, f.Values[p.ID]) && (err != nil || v != f.Values[p.ID]) {
				wrong[p.ID] = "cannot be changed"
			}
		case err != nil:
			wrong[p.ID] = err.Error()
		default:
			given[p.ID] = v
		}
	}
	// param.Check words what is unknown; the first few are enough for a person.
	unknown := make(nodes.Params)
	for _, id := range slices.Sorted(maps.Keys(s)) {
		if !known[id] {
			wrong[id] = "no such parameter"
			if len(unknown) < maxUnknown {
				unknown[id] = nodes.String("")
			}
		}
	}
	if len(unknown) > 0 {
		_, all := param.Check(f.Params, unknown)
		for id := range unknown {
			wrong[id] = all[id]
		}
	}
	return given, wrong
}
