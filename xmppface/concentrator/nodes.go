package concentrator

import (
	"errors"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

var nodeOperations = []operation{
	{name: "containsNode", typ: "get", answer: (*Server).containsNode},
	{name: "containsNodes", typ: "get", answer: (*Server).containsNodes},
	{name: "getNode", typ: "get", answer: (*Server).getNode},
	{name: "getNodes", typ: "get", answer: (*Server).getNodes},
	{name: "getAllNodes", typ: "get", answer: (*Server).getAllNodes},
	{name: "getNodeInheritance", typ: "get", answer: (*Server).getNodeInheritance},
	{name: "getRootNodes", typ: "get", answer: (*Server).getRootNodes},
	{name: "getChildNodes", typ: "get", answer: (*Server).getChildNodes},
	{name: "getAncestors", typ: "get", answer: (*Server).getAncestors},
}

// contains tells whether a node exists for the caller.
func (s *Server) contains(c *call, r nodes.Ref) (bool, error) {
	_, err := s.backend.Node(c.who, r, nodes.Detail{})
	if err != nil && nodes.KindOf(err) == nodes.NotFound {
		return false, nil
	}
	return err == nil, err
}

func (s *Server) containsNode(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	found, err := s.contains(c, r)
	if err != nil {
		return nil, err
	}
	return appendBool(c.open(nil, "bool"), found), nil
}

func (s *Server) containsNodes(c *call) ([]byte, error) {
	list, err := refs(c.Payload)
	if err != nil {
		return nil, err
	}
	b := append(c.open(nil, "bools"), '>')
	for _, r := range list {
		found, err := s.contains(c, r)
		if err != nil {
			return nil, err
		}
		b = appendBool(append(b, "<bool"...), found)
	}
	b = append(b, "</bools>"...)
	if len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

func (s *Server) getNode(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	d := detail(c.Payload)
	info, err := s.backend.Node(c.who, r, d)
	if err != nil {
		return nil, err
	}
	return c.info(&info, d)
}

// info is the answer that is one node.
func (c *call) info(info *nodes.Info, d nodes.Detail) ([]byte, error) {
	b := appendInfo(c.open(nil, "nodeInfo"), info, d)
	if len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

func (s *Server) getNodes(c *call) ([]byte, error) {
	list, err := refs(c.Payload)
	if err != nil {
		return nil, err
	}
	d := detail(c.Payload)
	b := append(c.open(nil, "nodeInfos"), '>')
	for _, r := range list {
		info, err := s.backend.Node(c.who, r, d)
		if err != nil {
			return nil, err
		}
		b = appendInfo(append(b, "<nodeInfo"...), &info, d)
		if len(b) > MaxAnswer {
			return nil, errTooLong
		}
	}
	return append(b, "</nodeInfos>"...), nil
}

func (s *Server) getAllNodes(c *call) ([]byte, error) {
	var types []string
	for _, e := range c.Payload.Children {
		typ := strings.TrimSpace(e.Text)
		if e.Name.Local != "onlyIfDerivedFrom" || typ == "" {
			return nil, invalid("<" + clip(e.Name.Local) + "/> has no place in getAllNodes; write <onlyIfDerivedFrom>a node type</onlyIfDerivedFrom>")
		}
		types = append(types, typ)
	}
	d := detail(c.Payload)
	if w, ok := s.backend.(walker); ok {
		b := append(c.open(nil, "nodeInfos"), '>')
		err := w.Each(c.who, source(c.Payload), types, d, func(i *nodes.Info) bool {
			b = appendInfo(append(b, "<nodeInfo"...), i, d)
			return len(b) <= MaxAnswer
		})
		if err == nil && len(b) > MaxAnswer {
			err = errTooLong
		}
		if err != nil {
			return nil, err
		}
		return append(b, "</nodeInfos>"...), nil
	}
	list, err := s.backend.All(c.who, source(c.Payload), types, d)
	return c.infos(list, d, err)
}

// walker is a [Backend] that hands over what All returns one by one, until f returns
// false, so that an answer which is too long costs no more memory than the longest.
type walker interface {
	Each(c nodes.Caller, source string, derivedFrom []string, d nodes.Detail, f func(*nodes.Info) bool) error
}

func (s *Server) getNodeInheritance(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	bases, err := s.backend.Inheritance(c.who, r)
	if err != nil {
		return nil, err
	}
	b := append(c.open(nil, "inheritance"), "><baseClasses>"...)
	b = appendStrings(b, bases)
	return append(b, "</baseClasses></inheritance>"...), nil
}

func (s *Server) getRootNodes(c *call) ([]byte, error) {
	d := detail(c.Payload)
	list, err := s.backend.Roots(c.who, source(c.Payload), d)
	return c.infos(list, d, err)
}

func (s *Server) getChildNodes(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	d := detail(c.Payload)
	list, err := s.backend.Children(c.who, r, d)
	return c.infos(list, d, err)
}

func (s *Server) getAncestors(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	d := detail(c.Payload)
	list, err := s.backend.Ancestors(c.who, r, d)
	return c.infos(list, d, err)
}

var errTooLong = &nodes.Error{Kind: nodes.NotAcceptable,
	Err: errors.New("the answer is longer than a stanza may be; ask branch by branch with getChildNodes, for fewer nodes, or without parameters and messages")}

// infos is the answer that is a list of nodes.
func (c *call) infos(list []nodes.Info, d nodes.Detail, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	each := 384
	if d.Properties {
		each = 1024
	}
	b := make([]byte, 0, min(MaxAnswer, 256+len(list)*each))
	b = append(c.open(b, "nodeInfos"), '>')
	for i := range list {
		b = appendInfo(append(b, "<nodeInfo"...), &list[i], d)
		if len(b) > MaxAnswer {
			return nil, errTooLong
		}
	}
	return append(b, "</nodeInfos>"...), nil
}
