package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

type addCmd struct {
	Type   string   `arg:"" help:"Type of the node; \"hub types PARENT\" lists them."`
	Name   string   `arg:"" help:"Its name, unique among its siblings."`
	Params []string `arg:"" optional:"" help:"Parameters, e.g. Host=192.0.2.20 Port=502." placeholder:"ID=VALUE"`
	Parent string   `help:"Id or path of the parent; the root when left out." short:"p"`
	ID     string   `help:"Id; made from parent and name when left out." name:"id"`
	Ask    bool     `help:"On a terminal, ask for every parameter that is not given; without it, for those that are required."`
}

func (c *addCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		parent := nodes.In(nodes.RootID)
		var err error
		if c.Parent != "" {
			if parent, err = s.find(ctx, c.Parent); err != nil {
				return err
			}
		}
		f, err := s.nodes.NewForm(ctx, parent, c.Type)
		if err != nil {
			return err
		}
		given, err := parseParams(f.Params, c.Params, "a "+c.Type)
		if err != nil {
			return err
		}
		if p.mayAsk() {
			list := slices.DeleteFunc(slices.Clone(f.Params), func(x nodes.Param) bool { return x.ID == "NodeId" || x.ID == "Name" })
			if err := p.complete(f.Title, list, f.Values, given, c.Ask); err != nil {
				return err
			}
		}
		n := nodes.NewNode{Parent: parent, Type: c.Type, ID: c.ID, Name: c.Name, Params: given}
		info, err := s.nodes.Create(ctx, n)
		var e *nodes.Error
		if errors.As(err, &e) && len(e.Fields) > 0 {
			var text []string
			for _, id := range slices.Sorted(maps.Keys(e.Fields)) {
				text = append(text, id+" "+e.Fields[id])
			}
			return errors.New(strings.Join(text, "\n     "))
		}
		if err != nil {
			return err
		}
		if p.options.JSON {
			return line(p.out, lineOf(info))
		}
		fmt.Fprintf(p.out, "added %s\n", info.Ref.ID)
		return nil
	})
}

type rmCmd struct {
	Node string `arg:"" help:"Id or path of the node."`
}

func (c *rmCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		ref, err := s.find(ctx, c.Node)
		if err != nil {
			return err
		}
		if err := s.nodes.Destroy(ctx, ref); err != nil {
			return err
		}
		if !p.options.JSON {
			fmt.Fprintf(p.out, "removed %s\n", ref.ID)
		}
		return nil
	})
}
