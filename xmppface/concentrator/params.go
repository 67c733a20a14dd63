package concentrator

import (
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

var paramOperations = []operation{
	{name: "getAddableNodeTypes", typ: "get", answer: (*Server).getAddableNodeTypes},
	{name: "getParametersForNewNode", typ: "get", answer: (*Server).getParametersForNewNode},
}

func (s *Server) getAddableNodeTypes(c *call) ([]byte, error) {
	parent, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	types, err := s.backend.Addable(c.who, parent)
	if err != nil {
		return nil, err
	}
	b := append(c.open(nil, "nodeTypes"), '>')
	for i := range types {
		b = append(b, "<nodeType"...)
		b = wire.AppendAttr(b, "type", types[i].Name)
		b = wire.AppendAttr(b, "name", types[i].Title)
		b = append(b, '/', '>')
	}
	return append(b, "</nodeTypes>"...), nil
}

func (s *Server) getParametersForNewNode(c *call) ([]byte, error) {
	parent, typ, err := newNode(c.Payload)
	if err != nil {
		return nil, err
	}
	f, err := s.backend.NewForm(c.who, parent, typ)
	if err != nil {
		return nil, err
	}
	return form.Append(nil, &f), nil
}

// newNode reads the parent and the type of a node to be created.
func newNode(e *wire.Element) (parent nodes.Ref, typ string, err error) {
	if parent, err = ref(e); err != nil {
		return
	}
	if typ = e.Attr("type"); typ == "" {
		err = invalid("<" + clip(e.Name.Local) + "/> names no node type; write its type, one of those that getAddableNodeTypes lists")
	}
	return
}
