package concentrator

import (
	"context"

	"github.com/fieldhub/hub/nodes"
)

var moveOperations = []operation{
	{name: "moveNodeUp", typ: "set", change: move(false)},
	{name: "moveNodeDown", typ: "set", change: move(true)},
	{name: "moveNodesUp", typ: "set", change: moveSeveral(false)},
	{name: "moveNodesDown", typ: "set", change: moveSeveral(true)},
}

// move moves a node one place among its siblings. At the edge it stays, which is no
// error.
func move(down bool) func(*Server, context.Context, *call) ([]byte, error) {
	return func(s *Server, ctx context.Context, c *call) ([]byte, error) {
		r, err := ref(c.Payload)
		if err != nil {
			return nil, err
		}
		return nil, s.moved(ctx, c, down, []nodes.Ref{r})
	}
}

// moveSeveral moves nodes that may be neighbours: they keep their order.
func moveSeveral(down bool) func(*Server, context.Context, *call) ([]byte, error) {
	return func(s *Server, ctx context.Context, c *call) ([]byte, error) {
		list, err := several(c.Payload)
		if err != nil {
			return nil, err
		}
		return nil, s.moved(ctx, c, down, list)
	}
}

func (s *Server) moved(ctx context.Context, c *call, down bool, list []nodes.Ref) error {
	if err := s.backend.Move(ctx, c.who, down, list); err != nil {
		return err
	}
	s.log.Info("nodes moved", "node", list[0].String(), "nodes", len(list), "down", down, "by", c.who.String())
	return nil
}
