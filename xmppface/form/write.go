package form

import (
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Append appends the form, to be filled in.
func Append(b []byte, f *nodes.Form) []byte { return appendForm(b, f, nil, nil, false, "") }

// AppendControl appends the form with every field marked notSame, so that
// clients submit only what was edited.
func AppendControl(b []byte, f *nodes.Form) []byte { return appendForm(b, f, nil, nil, true, "") }

// AppendWrong appends the form once more after a submission that was wrong: with
// what was submitted, but for secrets, and a message on each wrong field. It
// belongs inside an error of type modify with condition not-acceptable. Messages
// on fields that the form does not have are shown as fixed texts.
func AppendWrong(b []byte, f *nodes.Form, submitted Texts, wrong map[string]string) []byte {
	return appendForm(b, f, submitted, wrong, false, "")
}

// AppendControlWrong is AppendWrong for a form of [AppendControl].
func AppendControlWrong(b []byte, f *nodes.Form, submitted Texts, wrong map[string]string) []byte {
	return appendForm(b, f, submitted, wrong, true, "")
}

// AppendControlIn is AppendControl, or AppendControlWrong when wrong is not empty, where
// parameters of one section also are a parameter group of the control namespace: they
// belong together, and whoever sets one sets all.
func AppendControlIn(b []byte, f *nodes.Form, submitted Texts, wrong map[string]string, space string) []byte {
	return appendForm(b, f, submitted, wrong, true, space)
}

// What of a wrong submission is shown again at most, so that the answer to any
// request that was small enough is small enough too.
const (
	maxEcho    = 1000 // bytes of one value; a longer one is shown as before
	maxUnknown = 20   // fields that the form does not have
	maxName    = 100  // bytes of the name of such a field
)

func appendForm(b []byte, f *nodes.Form, submitted Texts, wrong map[string]string, notSame bool, groups string) []byte {
	b = append(b, open...)
	b = append(b, " type='form'>"...)
	if f.Title != "" {
		b = appendElement(b, "title", f.Title)
	}
	if f.Instructions != "" {
		b = appendElement(b, "instructions", f.Instructions)
	}
	b = appendLayout(b, f.Params)
	for i := range f.Params {
		p := &f.Params[i]
		text, given := submitted[p.ID]
		if p.Secret || len(text) > maxEcho {
			given = false
		}
		if !given {
			text = spellValue(p, f.Values[p.ID])
		}
		b = appendField(b, p, text, wrong[p.ID], notSame || f.Differ[p.ID], groups)
	}
	left := maxUnknown
	for _, id := range slices.Sorted(maps.Keys(wrong)) {
		if slices.ContainsFunc(f.Params, func(p nodes.Param) bool { return p.ID == id }) {
			continue
		}
		if left--; left < 0 {
			break
		}
		b = append(b, "<field type='fixed'"...)
		b = wire.AppendAttr(b, "var", clip(id))
		b = append(b, '>')
		b = appendElement(b, "value", clip(id)+": "+wrong[id])
		b = appendElement(b, "xdd:error", wrong[id])
		b = append(b, "</field>"...)
	}
	return append(b, "</x>"...)
}

// appendLayout appends the pages and their sections in the order in which the
// parameters first name them.
func appendLayout(b []byte, ps []nodes.Param) []byte {
	var pages []string
	for i := range ps {
		if page := pageOf(&ps[i]); !slices.Contains(pages, page) {
			pages = append(pages, page)
		}
	}
	for _, page := range pages {
		b = append(b, "<xdl:page"...)
		b = wire.AppendAttr(b, "label", page)
		b = append(b, '>')
		var sections []string
		for i := range ps {
			if pageOf(&ps[i]) != page {
				continue
			}
			section := ps[i].Section
			if section == "" {
				b = appendReference(b, ps[i].ID)
			} else if !slices.Contains(sections, section) {
				sections = append(sections, section)
				b = append(b, "<xdl:section"...)
				b = wire.AppendAttr(b, "label", section)
				b = append(b, '>')
				for j := i; j < len(ps); j++ {
					if pageOf(&ps[j]) == page && ps[j].Section == section {
						b = appendReference(b, ps[j].ID)
					}
				}
				b = append(b, "</xdl:section>"...)
			}
		}
		b = append(b, "</xdl:page>"...)
	}
	return b
}

func pageOf(p *nodes.Param) string {
	if p.Page == "" {
		return general
	}
	return p.Page
}

func appendReference(b []byte, id string) []byte {
	b = append(b, "<xdl:fieldref"...)
	b = wire.AppendAttr(b, "var", id)
	return append(b, '/', '>')
}

func appendField(b []byte, p *nodes.Param, text, wrong string, notSame bool, groups string) []byte {
	s := spell(p)
	b = append(b, "<field"...)
	b = wire.AppendAttr(b, "var", p.ID)
	b = wire.AppendAttr(b, "type", s.field)
	b = wire.AppendOptional(b, "label", p.Label)
	b = append(b, '>')
	if p.Description != "" {
		b = appendElement(b, "desc", p.Description)
	}
	if p.Required {
		b = append(b, "<required/>"...)
	}
	if text != "" {
		b = appendValues(b, text, s.field == "text-multi")
	}
	for _, o := range p.Options {
		b = append(b, "<option"...)
		label := o.Label
		if label == "" {
			label = o.Value
		}
		b = wire.AppendAttr(b, "label", label)
		b = append(b, '>')
		b = appendElement(b, "value", o.Value)
		b = append(b, "</option>"...)
	}
	if s.datatype != "" {
		b = appendValidate(b, p, s.datatype)
	}
	if notSame {
		b = append(b, "<xdd:notSame/>"...)
	}
	if p.ReadOnly {
		b = append(b, "<xdd:readOnly/>"...)
	}
	if groups != "" && p.Section != "" {
		b = wire.AppendAttr(append(b, "<pGroup"...), "xmlns", groups)
		b = append(wire.AppendAttr(b, "n", p.Section), '/', '>')
	}
	if wrong != "" {
		b = appendElement(b, "xdd:error", wrong)
	}
	return append(b, "</field>"...)
}

func appendValidate(b []byte, p *nodes.Param, datatype string) []byte {
	b = append(b, "<xdv:validate"...)
	b = wire.AppendAttr(b, "datatype", datatype)
	b = append(b, '>')
	switch {
	case p.Pattern != "":
		b = appendElement(b, "xdv:regex", p.Pattern)
	case !p.Min.IsZero() || !p.Max.IsZero():
		b = append(b, "<xdv:range"...)
		b = appendBound(b, "min", p.Min)
		b = appendBound(b, "max", p.Max)
		b = append(b, '/', '>')
	default:
		b = append(b, "<xdv:basic/>"...)
	}
	return append(b, "</xdv:validate>"...)
}

func appendBound(b []byte, name string, v nodes.Value) []byte {
	if v.IsZero() {
		return b
	}
	return wire.AppendAttr(b, name, spellValue(&nodes.Param{}, v))
}

// spellValue writes a value as clients read it; package param reads it back.
// Secrets are never written.
func spellValue(p *nodes.Param, v nodes.Value) string {
	switch {
	case p.Secret:
		return ""
	case v.Kind() == nodes.KindDuration, v.Kind() == nodes.KindDateTime:
		return string(wire.AppendValue(nil, v))
	}
	return param.Format(*p, v)
}

func appendValues(b []byte, text string, lines bool) []byte {
	if !lines {
		return appendElement(b, "value", text)
	}
	for line := range strings.SplitSeq(text, "\n") {
		b = appendElement(b, "value", line)
	}
	return b
}

func appendElement(b []byte, name, text string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	b = append(b, '>')
	b = wire.AppendText(b, text)
	b = append(b, '<', '/')
	b = append(b, name...)
	return append(b, '>')
}

func clip(s string) string {
	if len(s) <= maxName {
		return s
	}
	return strings.ToValidUTF8(s[:maxName], "") + "…"
}
