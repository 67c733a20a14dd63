package concentrator

import (
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

var sourceOperations = []operation{
	{name: "getCapabilities", typ: "get", answer: (*Server).getCapabilities},
	{name: "getAllDataSources", typ: "get", answer: (*Server).getAllDataSources},
	{name: "getRootDataSources", typ: "get", answer: (*Server).getAllDataSources}, // all are roots
	{name: "getChildDataSources", typ: "get", answer: (*Server).getChildDataSources},
}

func (s *Server) getCapabilities(c *call) ([]byte, error) {
	b := append(c.open(nil, "strings"), '>')
	b = appendStrings(b, s.names)
	return append(b, "</strings>"...), nil
}

func (s *Server) getAllDataSources(c *call) ([]byte, error) {
	return appendSources(c.open(nil, "dataSources"), s.backend.Sources(c.who)), nil
}

func (s *Server) getChildDataSources(c *call) ([]byte, error) {
	list, err := s.backend.ChildSources(c.who, source(c.Payload))
	if err != nil {
		return nil, err
	}
	return appendSources(c.open(nil, "dataSources"), list), nil
}

func appendSources(b []byte, list []nodes.Source) []byte {
	b = append(b, '>')
	for i := range list {
		src := &list[i]
		b = append(b, "<dataSource"...)
		b = wire.AppendAttr(b, "src", src.ID)
		b = wire.AppendAttr(b, "name", src.Name)
		b = wire.AppendFlag(b, "hasChildren", src.HasChildren)
		b = appendTime(b, "lastChanged", src.LastChanged)
		b = append(b, '/', '>')
	}
	return append(b, "</dataSources>"...)
}
