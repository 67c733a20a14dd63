package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldhub/hub/nodes"
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
		before, err := s.placesOf(ctx, refs)
		if err != nil {
			return err
		}
		if err := s.nodes.Move(ctx, direction == "down", refs...); err != nil {
			return err
		}
		after, err := s.placesOf(ctx, refs)
		if err != nil {
			return err
		}
		for i, ref := range refs {
			text := "moved " + ref.ID + " " + direction
			switch {
			case p.options.JSON:
				err = line(p.out, movedLine{Node: ref.ID, Position: after[i].index + 1, Moved: after[i].index != before[i].index})
				if err != nil {
					return err
				}
				continue
			case after[i].parent == "":
				text = ref.ID + " stays: it is the root"
			case !after[i].ordered:
				text = fmt.Sprintf("%s stays: %s does not keep an order of what is below it", ref.ID, after[i].parent)
			case after[i].index == before[i].index:
				text = ref.ID + " stays: it is at the edge, or its neighbour is and keeps its place"
			}
			fmt.Fprintln(p.out, text)
		}
		return nil
	})
}

// movedLine is a node that was to be moved, in JSON.
type movedLine struct {
	Node     string `json:"node"`
	Position int    `json:"position"` // among its siblings, from 1
	Moved    bool   `json:"moved"`
}

// place is where a node stands.
type place struct {
	parent  string
	index   int  // among its siblings
	ordered bool // whether that means something
}

// placesOf finds where nodes stand.
func (c *client) placesOf(ctx context.Context, refs []nodes.Ref) ([]place, error) {
	list, err := c.nodes.Nodes(ctx, refs, nodes.Detail{})
	if err != nil {
		return nil, err
	}
	out := make([]place, len(list))
	parents := make(map[nodes.Ref]nodes.Info)
	siblings := make(map[nodes.Ref][]nodes.Info)
	for i, n := range list {
		if n.Parent.ID == "" {
			continue
		}
		if _, known := parents[n.Parent]; !known {
			if parents[n.Parent], err = c.nodes.Node(ctx, n.Parent, nodes.Detail{}); err != nil {
				return nil, err
			}
			if siblings[n.Parent], err = c.nodes.Children(ctx, n.Parent, nodes.Detail{}); err != nil {
				return nil, err
			}
		}
		index := slices.IndexFunc(siblings[n.Parent], func(s nodes.Info) bool { return s.Ref == n.Ref })
		out[i] = place{n.Parent.ID, index, parents[n.Parent].ChildrenOrdered}
	}
	return out, nil
}
