package concentrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
)

var createOperations = []operation{
	{name: "createNewNode", typ: "set", change: (*Server).createNewNode},
	{name: "destroyNode", typ: "set", change: (*Server).destroyNode},
}

// The fields of a form that are not parameters of the type.
const (
	fieldID   = "NodeId"
	fieldName = "Name"
)

func (s *Server) createNewNode(ctx context.Context, c *call) ([]byte, error) {
	parent, typ, err := newNode(c.Payload)
	if err != nil {
		return nil, err
	}
	f, err := s.backend.NewForm(c.who, parent, typ)
	if err != nil {
		return nil, err
	}
	submitted, given, err := submission(c, &f, "fill in that of getParametersForNewNode and submit it")
	if err != nil {
		return nil, err
	}
	n := nodes.NewNode{Parent: parent, Type: typ, ID: given.Text(fieldID), Name: given.Text(fieldName), Params: given}
	delete(given, fieldID)
	delete(given, fieldName)
	info, err := s.backend.Create(ctx, c.who, n)
	if e := (*nodes.Error)(nil); errors.As(err, &e) && len(e.Fields) > 0 {
		return nil, wrongForm(&f, submitted, e.Fields)
	}
	if err != nil {
		return nil, err
	}
	s.log.Info("node created", "node", info.Ref.String(), "type", typ, "by", c.who.String())
	all := nodes.Detail{Properties: true, Messages: true}
	if full, err := s.backend.Node(c.who, info.Ref, all); err == nil {
		info = full
	}
	return c.info(&info, all)
}

func (s *Server) destroyNode(ctx context.Context, c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	if err := s.backend.Destroy(ctx, c.who, r); err != nil {
		return nil, err
	}
	s.log.Info("node destroyed", "node", r.String(), "by", c.who.String())
	return nil, nil
}

// submission reads the form that came with a request and checks it alone.
// Values that were emptied are left out. The hint says where a form is to be had.
func submission(c *call, f *nodes.Form, hint string) (form.Texts, nodes.Params, error) {
	x := form.Find(c.Payload)
	if x == nil {
		return nil, nil, invalid("the request holds no form; " + hint)
	}
	submitted, err := form.ParseSubmit(x)
	if err != nil {
		return nil, nil, invalid(err.Error())
	}
	given, wrong := submitted.Read(f)
	maps.DeleteFunc(given, func(_ string, v nodes.Value) bool { return v.IsZero() })
	if _, missing := param.Check(f.Params, given); len(missing) > 0 {
		for id, text := range missing {
			if wrong[id] == "" {
				wrong[id] = text
			}
		}
	}
	if len(wrong) > 0 {
		return nil, nil, wrongForm(f, submitted, wrong)
	}
	return submitted, given, nil
}

// wrongForm is the error that shows a form again. It is the only one of type
// modify: clients look for a form in it.
func wrongForm(f *nodes.Form, submitted form.Texts, wrong map[string]string) error {
	payload := form.AppendWrong(nil, f, submitted, wrong)
	if len(payload) > MaxAnswer {
		payload = form.AppendWrong(nil, f, nil, wrong)
	}
	return &ext.StanzaError{Type: "modify", Condition: "not-acceptable", Text: wrongText(wrong), Payload: payload}
}

// wrongText says in one text what is wrong with the first few parameters.
func wrongText(wrong map[string]string) string {
	const most = 3
	var b strings.Builder
	for i, id := range slices.Sorted(maps.Keys(wrong)) {
		if i == most {
			fmt.Fprintf(&b, "; and %d more", len(wrong)-most)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(clip(id) + ": " + wrong[id])
	}
	return b.String()
}
