package concentrator

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

var editOperations = []operation{
	{name: "getNodeParametersForEdit", typ: "get", answer: (*Server).getNodeParametersForEdit},
	{name: "setNodeParametersAfterEdit", typ: "set", change: (*Server).setNodeParametersAfterEdit},
	// The text of the specification calls it so in one place.
	{name: "setNodeParametersForEdit", typ: "set", change: (*Server).setNodeParametersAfterEdit, alias: true},
	{name: "getCommonNodeParametersForEdit", typ: "get", change: slowly((*Server).getCommonNodeParametersForEdit)},
	{name: "setCommonNodeParametersAfterEdit", typ: "set", change: (*Server).setCommonNodeParametersAfterEdit},
}

// clearing is what follows the name of a secret in the name of the field that takes
// the secret away: a secret never goes out, and an empty one means that it stays. One
// that must be there has no such field.
const clearing = ".clear"

// editForm is a node's form for editing, with a box to clear each secret; of several
// nodes what they have in common.
func (s *Server) editForm(c *call, list []nodes.Ref) (*nodes.Form, error) {
	f, err := s.backend.EditForm(c.who, list)
	if err != nil {
		return nil, err
	}
	params := make([]nodes.Param, 0, len(f.Params)+2)
	for _, p := range f.Params {
		clears := p.Secret && !p.ReadOnly && !p.Required
		if p.Secret || f.Differ[p.ID] {
			p.Required = false // left empty it stays as it is
		}
		params = append(params, p)
		if clears {
			params = append(params, nodes.Param{ID: p.ID + clearing, Page: p.Page, Section: p.Section, Label: "Clear: " + p.Label, Kind: nodes.KindBool,
				Description: p.Label + " is never shown. Left empty it stays as it is; with this box it is taken away."})
		}
	}
	f.Params = params
	return &f, nil
}

func (s *Server) getNodeParametersForEdit(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	return s.appendEditForm(c, []nodes.Ref{r})
}

func (s *Server) getCommonNodeParametersForEdit(c *call) ([]byte, error) {
	list, err := several(c.Payload)
	if err != nil {
		return nil, err
	}
	return s.appendEditForm(c, list)
}

func (s *Server) appendEditForm(c *call, list []nodes.Ref) ([]byte, error) {
	f, err := s.editForm(c, list)
	if err != nil {
		return nil, err
	}
	b := form.Append(nil, f)
	if len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

func (s *Server) setNodeParametersAfterEdit(ctx context.Context, c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	list, err := s.edit(ctx, c, []nodes.Ref{r}, "getNodeParametersForEdit")
	if err != nil {
		return nil, err
	}
	info := list[0]
	all := nodes.Detail{Properties: true, Messages: true}
	if full, err := s.backend.Node(c.who, info.Ref, all); err == nil {
		info = full
	}
	return c.info(&info, all)
}

func (s *Server) setCommonNodeParametersAfterEdit(ctx context.Context, c *call) ([]byte, error) {
	list, err := several(c.Payload)
	if err != nil {
		return nil, err
	}
	_, err = s.edit(ctx, c, list, "getCommonNodeParametersForEdit")
	return nil, err
}

// edit applies the form of a request to nodes: all or none. What is left out of the
// form stays as it is, what is emptied gets its default; where several nodes differ, an
// empty field leaves each as it is.
func (s *Server) edit(ctx context.Context, c *call, list []nodes.Ref, from string) ([]nodes.Info, error) {
	f, err := s.editForm(c, list)
	if err != nil {
		return nil, err
	}
	x := form.Find(c.Payload)
	if x == nil {
		return nil, invalid("the request holds no form; fill in that of " + from + " and submit it")
	}
	submitted, err := form.ParseSubmit(x)
	if err != nil {
		return nil, invalid(err.Error())
	}
	given, wrong := submitted.Read(f)
	e := nodes.Edit{Params: make(nodes.Params, len(given))}
	for id, v := range given {
		secret, clears := strings.CutSuffix(id, clearing)
		clears = clears && slices.ContainsFunc(f.Params, func(p nodes.Param) bool { return p.ID == secret && p.Secret })
		switch {
		case id == fieldID || id == fieldName:
			if v.Text() == "" {
				wrong[id] = "cannot be empty"
			}
		case clears && v.Bool():
			if !given[secret].IsZero() {
				wrong[secret] = "is to be cleared and set at once; do one of them"
			}
			e.Params[secret] = nodes.Value{}
		case clears, v.IsZero() && f.Differ[id]: // clients that do not know notSame send it empty
		default:
			e.Params[id] = v
		}
	}
	if len(wrong) > 0 {
		return nil, wrongForm(f, submitted, wrong)
	}
	e.ID, e.Name = given.Text(fieldID), given.Text(fieldName)
	out, err := s.backend.Edit(ctx, c.who, list, e)
	if e := (*nodes.Error)(nil); errors.As(err, &e) && len(e.Fields) > 0 {
		return nil, wrongForm(f, submitted, e.Fields)
	}
	if err != nil {
		return nil, err
	}
	if len(out) != len(list) {
		return nil, nodes.Errorf(nodes.Gone, "", nodes.Ref{}, "the nodes were changed, and removed meanwhile")
	}
	s.log.Info("nodes edited", "node", list[0].String(), "nodes", len(list), "by", c.who.String())
	return out, nil
}

// several reads the nodes of a request that names at least one, and none twice; a
// form may stand beside them.
func several(e *wire.Element) ([]nodes.Ref, error) {
	var out []nodes.Ref
	seen := make(map[nodes.Ref]bool, len(e.Children))
	for _, c := range e.Children {
		switch c.Name.Local {
		case "x":
			continue
		case "nd":
		default:
			return nil, invalid("<" + clip(c.Name.Local) + "/> has no place in " + clip(e.Name.Local) + "; write <nd id='…'/>")
		}
		r, err := ref(c)
		if err != nil {
			return nil, err
		}
		if seen[r] {
			return nil, invalid(clip(e.Name.Local) + " names the node " + clip(r.String()) + " twice; name each once")
		}
		seen[r] = true
		out = append(out, r)
	}
	if len(out) == 0 {
		return nil, invalid(clip(e.Name.Local) + " names no node; write <nd id='…'/>")
	}
	return out, nil
}
