package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

type editCmd struct {
	Node   string   `arg:"" help:"Id or path of the node."`
	Params []string `arg:"" optional:"" help:"What to change, e.g. Host=192.0.2.21 PollInterval=; an empty value is the default. NodeId= and Name= give it another id or name. Left out: what there is to change." placeholder:"ID=VALUE"`
	And    []string `help:"Further nodes to change alike: all or none." placeholder:"NODE"`
	Clear  []string `help:"Secrets to take away." placeholder:"ID"`
}

// Run changes parameters of nodes, or shows them.
func (c *editCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		refs, err := s.findAll(ctx, append([]string{c.Node}, c.And...))
		if err != nil {
			return err
		}
		f, err := s.nodes.EditForm(ctx, refs)
		if err != nil {
			return err
		}
		if len(c.Params)+len(c.Clear) == 0 {
			return c.show(p, &f)
		}
		e, err := c.edit(&f)
		if err != nil {
			return err
		}
		if len(refs) > 1 {
			if err := s.nodes.EditAll(ctx, refs, e); err != nil {
				return wrongFields(err)
			}
			if !p.options.JSON {
				fmt.Fprintf(p.out, "changed %d nodes\n", len(refs))
			}
			return nil
		}
		info, err := s.nodes.Edit(ctx, refs[0], e)
		if err != nil {
			return wrongFields(err)
		}
		if p.options.JSON {
			return line(p.out, lineOf(info))
		}
		fmt.Fprintf(p.out, "changed %s\n", info.Ref.ID)
		return nil
	})
}

// edit reads the arguments.
func (c *editCmd) edit(f *nodes.Form) (nodes.Edit, error) {
	e := nodes.Edit{Params: make(nodes.Params)}
	for _, text := range c.Params {
		id, value, ok := strings.Cut(text, "=")
		if !ok {
			return e, usageError{fmt.Errorf("%q: write a parameter as ID=VALUE", text)}
		}
		i := slices.IndexFunc(f.Params, func(x nodes.Param) bool { return strings.EqualFold(x.ID, id) })
		if i < 0 {
			var names []string
			for _, x := range f.Params {
				names = append(names, x.ID)
			}
			return e, usageError{fmt.Errorf("there is no parameter %s here; there are: %s", id, strings.Join(names, ", "))}
		}
		x := f.Params[i]
		v, err := param.Parse(x, value)
		if err != nil {
			return e, usageError{fmt.Errorf("%s: %w", x.ID, err)}
		}
		switch x.ID {
		case "NodeId":
			e.ID = v.Text()
		case "Name":
			e.Name = v.Text()
		default:
			e.Params[x.ID] = v
		}
	}
	for _, id := range c.Clear {
		i := slices.IndexFunc(f.Params, func(x nodes.Param) bool { return strings.EqualFold(x.ID, id+".clear") })
		if i < 0 {
			return e, usageError{fmt.Errorf("%s is no secret here", id)}
		}
		e.Params[f.Params[i].ID] = nodes.Bool(true)
	}
	return e, nil
}

// show lists what can be changed.
func (c *editCmd) show(p *program, f *nodes.Form) error {
	t := newTable(p.out, "PARAMETER", "VALUE", "PAGE", "")
	for _, x := range f.Params {
		value := param.Format(x, f.Values[x.ID])
		switch {
		case x.Secret:
			value = "(a secret)"
		case f.Differ[x.ID]:
			value = "(not all the same)"
		}
		t.row(x.ID, value, x.Page, x.Description)
	}
	return t.end()
}

type mvCmd struct {
	Direction string   `arg:"" enum:"up,down" help:"up or down: one place among its siblings."`
	Nodes     []string `arg:"" help:"Ids or paths of nodes; several keep their order."`
}

// Run moves nodes among their siblings.
func (c *mvCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		refs, err := s.findAll(ctx, c.Nodes)
		if err != nil {
			return err
		}
		return s.nodes.Move(ctx, c.Direction == "down", refs...)
	})
}
