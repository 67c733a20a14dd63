package app

import (
	"context"
	"errors"
	"fmt"
)

type mvCmd struct {
	Nodes []string `arg:"" help:"Ids or paths of nodes, and where they go, up or down, first or last: one place among their siblings. Several keep their order; at the edge they stay."`
}

// Run moves nodes among their siblings.
func (c *mvCmd) Run(p *program) error {
	list, direction := c.Nodes, ""
	if last := len(list) - 1; list[last] == "up" || list[last] == "down" {
		list, direction = list[:last], list[last]
	} else if list[0] == "up" || list[0] == "down" {
		list, direction = list[1:], list[0]
	}
	switch {
	case direction == "":
		return usageError{errors.New("write where to: hub mv NODE up, or down")}
	case len(list) == 0:
		return usageError{fmt.Errorf("write which node goes %s: hub mv NODE %s", direction, direction)}
	}
	return p.with(func(ctx context.Context, s *client) error {
		refs, err := s.findAll(ctx, list)
		if err != nil {
			return err
		}
		return s.nodes.Move(ctx, direction == "down", refs...)
	})
}
