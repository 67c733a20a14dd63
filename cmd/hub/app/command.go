package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/form"
)

var commandKinds = map[nodes.CommandKind]string{nodes.Simple: "simple", nodes.Parametrized: "parametrized", nodes.Query: "query"}

type commandsCmd struct {
	Node    string `arg:"" help:"Id or path of the node."`
	Command string `arg:"" optional:"" help:"Only this one, with what its parameters mean."`
}

// commandLine is a command in JSON.
type commandLine struct {
	Command      string          `json:"command"`
	Kind         string          `json:"kind"`
	Title        string          `json:"title"`
	Description  string          `json:"description,omitempty"`
	Confirmation string          `json:"confirmation,omitempty"`
	Parameters   []parameterLine `json:"parameters,omitempty"`
}

type parameterLine struct {
	ID       string `json:"id"`
	Label    string `json:"label,omitempty"`
	Default  any    `json:"default,omitempty"`
	Required bool   `json:"required,omitempty"`
	Takes    string `json:"takes"`
}

func (c *commandsCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		ref, err := s.find(ctx, c.Node)
		if err != nil {
			return err
		}
		list, err := s.nodes.Commands(ctx, ref)
		if err != nil {
			return err
		}
		if c.Command != "" {
			cmd, err := choose(list, c.Command, ref)
			if err != nil {
				return err
			}
			list = []nodes.Command{*cmd}
		}
		if len(list) == 0 && !p.options.JSON {
			fmt.Fprintf(p.err, "%s has no commands that you may run\n", ref.ID)
			return nil
		}
		t := table{}
		if !p.options.JSON && c.Command == "" {
			t = newTable(p.out, "COMMAND", "KIND", "TITLE", "PARAMETERS")
		}
		for i := range list {
			f, err := s.commandForm(ctx, ref, &list[i])
			if err != nil {
				return err
			}
			switch {
			case p.options.JSON:
				err = line(p.out, lineOfCommand(&list[i], f))
			case c.Command != "":
				err = p.explain(&list[i], f)
			default:
				t.row(list[i].ID, commandKinds[list[i].Kind], list[i].Title, defaults(f.Params, f.Values))
			}
			if err != nil {
				return err
			}
		}
		if t.grid == nil {
			return nil
		}
		return t.end()
	})
}

func lineOfCommand(cmd *nodes.Command, f *form.Received) commandLine {
	l := commandLine{Command: cmd.ID, Kind: commandKinds[cmd.Kind], Title: cmd.Title, Description: f.Instructions, Confirmation: cmd.Confirmation}
	for _, x := range f.Params {
		q := parameterLine{ID: x.ID, Label: x.Label, Required: x.Required, Takes: param.Wanted(x)}
		if v := f.Values[x.ID]; !v.IsZero() {
			q.Default = plainValue(v)
		}
		l.Parameters = append(l.Parameters, q)
	}
	return l
}

// explain prints what a command does and takes.
func (p *program) explain(cmd *nodes.Command, f *form.Received) error {
	fmt.Fprintln(p.out, clean(fmt.Sprintf("%s: %s (%s)", cmd.ID, cmd.Title, commandKinds[cmd.Kind])))
	if f.Instructions != "" {
		fmt.Fprintln(p.out, clean(f.Instructions))
	}
	if cmd.Confirmation != "" {
		fmt.Fprintln(p.out, clean("Asked before: "+cmd.Confirmation))
	}
	if len(f.Params) == 0 {
		return nil
	}
	fmt.Fprintln(p.out)
	t := newTable(p.out, "PARAMETER", "DEFAULT", "WHAT TO WRITE")
	for _, x := range f.Params {
		value := param.Format(x, f.Values[x.ID])
		if x.Required && value == "" {
			value = "(required)"
		}
		t.row(x.ID, value, param.Wanted(x)+sentence(x.Description))
	}
	return t.end()
}

// commandForm is the form of a command; that of a simple one is empty.
func (c *client) commandForm(ctx context.Context, ref nodes.Ref, cmd *nodes.Command) (*form.Received, error) {
	if cmd.Kind == nodes.Simple {
		return &form.Received{}, nil
	}
	return c.nodes.CommandForm(ctx, ref, cmd.ID)
}

// choose finds a command that a person names, in any case.
func choose(list []nodes.Command, name string, ref nodes.Ref) (*nodes.Command, error) {
	var names []string
	for i := range list {
		if strings.EqualFold(list[i].ID, name) {
			return &list[i], nil
		}
		names = append(names, list[i].ID)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("%s has no commands that you may run", ref.ID)
	}
	return nil, fmt.Errorf("%s has no command %s; there are: %s", ref.ID, name, strings.Join(names, ", "))
}

// prepared is a command that a person wants to run, with its parameters.
type prepared struct {
	ref    nodes.Ref
	cmd    *nodes.Command
	params nodes.Params // nil for a simple one
}

// prepare finds a command, reads its parameters and asks what is to be asked.
func (p *program) prepare(ctx context.Context, s *client, c *chosen, query bool) (*prepared, error) {
	ref, err := s.find(ctx, c.Node)
	if err != nil {
		return nil, err
	}
	list, err := s.nodes.Commands(ctx, ref)
	if err != nil {
		return nil, err
	}
	cmd, err := choose(list, c.Command, ref)
	switch {
	case err != nil:
		return nil, err
	case query && cmd.Kind != nodes.Query:
		return nil, usageError{fmt.Errorf("%s is no query; run it with \"hub do %s %s\"", cmd.ID, c.Node, cmd.ID)}
	case !query && cmd.Kind == nodes.Query:
		return nil, usageError{fmt.Errorf("%s is a query; run it with \"hub query %s %s\"", cmd.ID, c.Node, cmd.ID)}
	}
	f, err := s.commandForm(ctx, ref, cmd)
	if err != nil {
		return nil, err
	}
	out := &prepared{ref: ref, cmd: cmd}
	given, err := parseParams(f.Params, c.Params, cmd.ID)
	if err != nil {
		return nil, err
	}
	if cmd.Kind != nodes.Simple {
		out.params = given
		if p.mayAsk() {
			if err := p.complete(cmp.Or(f.Instructions, cmd.Title), f.Params, f.Values, given, c.Ask); err != nil {
				return nil, err
			}
		}
		if _, missing := param.Check(f.Params, merged(f.Values, given)); len(missing) > 0 {
			return nil, usageError{wrongFields(&nodes.Error{Fields: missing})}
		}
		for id, v := range f.Hidden {
			out.params[id] = v
		}
	}
	return out, p.confirm(cmd.Confirmation, c.Yes)
}

// failure words why a command did not succeed.
func (x *prepared) failure(err error) error {
	err = plain(wrongFields(err))
	if x.cmd.Failure == "" || errors.Is(err, errInterrupted) {
		return err
	}
	return fmt.Errorf("%s %w", ended(x.cmd.Failure), err)
}

// chosen is which command a person wants to run, and how.
type chosen struct {
	Node    string   `arg:"" help:"Id or path of the node."`
	Command string   `arg:"" help:"The command or query; \"hub commands NODE\" lists them."`
	Params  []string `arg:"" optional:"" help:"Its parameters; @FILE as a value is what is in the file." placeholder:"NAME=VALUE"`
	Yes     bool     `help:"Do not ask whether to do it." short:"y"`
	Ask     bool     `help:"On a terminal, ask for every parameter that is not given; without it, for those that are required."`
}

type doCmd struct {
	chosen
}

func (c *doCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		x, err := p.prepare(ctx, s, &c.chosen, false)
		if err != nil {
			return err
		}
		if err := s.nodes.Execute(ctx, x.ref, x.cmd.ID, x.params); err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted; nobody knows whether the command was done")
			}
			return x.failure(err)
		}
		if p.options.JSON {
			return line(p.out, map[string]any{"node": x.ref.ID, "command": x.cmd.ID, "done": true})
		}
		said := x.cmd.Success
		if said == "" {
			said = x.cmd.ID + ": done"
		}
		_, err = fmt.Fprintln(p.out, clean(said))
		return err
	})
}
