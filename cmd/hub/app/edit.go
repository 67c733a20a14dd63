package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

type editCmd struct {
	Node   string   `arg:"" help:"Id or path of the node."`
	Params []string `arg:"" optional:"" help:"What to change, e.g. Host=192.0.2.21 PollInterval=; an empty value is the default, @FILE what is in the file. NodeId= and Name= give it another id or name. Left out: on a terminal, each is asked for; else, and with --show, what there is to change." placeholder:"ID=VALUE"`
	And    []string `help:"Further nodes to change alike: all or none." placeholder:"NODE"`
	Clear  []string `help:"Parameters to take away: a secret, or any other, which then has its default." placeholder:"ID"`
	Show   bool     `help:"Only show what can be changed, with the present values."`
}

// clearing is what follows the name of a secret in that of the field which takes it away.
const clearing = ".clear"

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
		var e nodes.Edit
		switch nothing := len(c.Params)+len(c.Clear) == 0; {
		case c.Show || nothing && (p.options.JSON || !isTerminal(os.Stdin)):
			return c.show(p, &f)
		case nothing:
			e, err = c.ask(p, &f)
		default:
			e, err = c.edit(&f)
		}
		if err != nil {
			return err
		}
		if len(refs) > 1 {
			if err := s.nodes.EditAll(ctx, refs, e); err != nil {
				return unsure(ctx, err)
			}
			if !p.options.JSON {
				fmt.Fprintf(p.out, "changed %d nodes\n", len(refs))
			}
			return nil
		}
		info, err := s.nodes.Edit(ctx, refs[0], e)
		if err != nil {
			return unsure(ctx, err)
		}
		if p.options.JSON {
			return line(p.out, lineOf(info))
		}
		fmt.Fprintf(p.out, "changed %s\n", info.Ref.ID)
		return nil
	})
}

// unsure words why an edit failed.
func unsure(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted; the change may have been made")
	}
	return wrongFields(err)
}

// edit reads the arguments. All that is wrong is told at once.
func (c *editCmd) edit(f *nodes.Form) (nodes.Edit, error) {
	e := nodes.Edit{Params: make(nodes.Params)}
	var wrong []string
	given := make(map[string]bool)
	for _, text := range c.Params {
		id, value, ok := strings.Cut(text, "=")
		if !ok {
			return e, usageError{fmt.Errorf("%q: write a parameter as ID=VALUE", text)}
		}
		x := paramNamed(f.Params, id)
		if x == nil {
			wrong = append(wrong, fmt.Sprintf("there is no parameter %s here; there are: %s", id, paramNames(f.Params)))
			continue
		}
		value, err := fileValue(value)
		if err != nil {
			return e, fmt.Errorf("%s: %w", x.ID, err)
		}
		if given[x.ID] {
			err = errors.New("is there twice")
		} else if given[x.ID] = true; value == "" && x.Secret {
			err = errors.New("an empty secret stays as it is; --clear takes it away")
		} else {
			err = alter(&e, f, x, value)
		}
		if err != nil {
			wrong = append(wrong, x.ID+": "+err.Error())
		}
	}
	for _, id := range c.Clear {
		switch x := paramNamed(f.Params, id); {
		case x == nil:
			wrong = append(wrong, fmt.Sprintf("there is no parameter %s here; there are: %s", id, paramNames(f.Params)))
		case given[x.ID]:
			wrong = append(wrong, x.ID+": cannot be set and taken away at once")
		default:
			if err := alter(&e, f, x, ""); err != nil {
				wrong = append(wrong, x.ID+": "+err.Error())
			}
		}
	}
	if len(wrong) > 0 {
		return e, usageError{errors.New(strings.Join(wrong, "\n     "))}
	}
	return e, nil
}

// alter notes what a person wants of a parameter; an empty value takes it away.
func alter(e *nodes.Edit, f *nodes.Form, x *nodes.Param, value string) error {
	v, err := param.Parse(*x, value)
	switch {
	case err != nil:
		return err
	case x.ReadOnly:
		return errors.New("cannot be changed")
	case x.ID == "NodeId" || x.ID == "Name":
		if value == "" {
			return errors.New("cannot be empty")
		}
		if x.ID == "NodeId" {
			e.ID = v.Text()
		} else {
			e.Name = v.Text()
		}
	case value == "" && x.Secret:
		if paramNamed(f.Params, x.ID+clearing) == nil {
			return errors.New("is required, it can only be changed")
		}
		e.Params[x.ID+clearing] = nodes.Bool(true)
	case value == "" && f.Differ[x.ID]:
		return errors.New("the nodes have different ones, which an empty value does not change; write a value, or edit them one by one")
	case value == "":
		e.Params[x.ID] = nodes.Value{}
	default:
		e.Params[x.ID] = v
	}
	return nil
}

// ask asks for one parameter after the other, and whether to make the changes.
func (c *editCmd) ask(p *program, f *nodes.Form) (nodes.Edit, error) {
	e := nodes.Edit{Params: make(nodes.Params)}
	q := p.questions()
	fmt.Fprintf(p.err, "%s. Enter keeps what is in brackets, - takes it away, Ctrl-C changes nothing.\n", clean(f.Title))
	var changes []string
	for i := range f.Params {
		x := &f.Params[i]
		if x.ReadOnly || x.Multi || strings.HasSuffix(x.ID, clearing) {
			continue
		}
		changed, err := q.param(x, present(f, x), func(text string) error { return alter(&e, f, x, text) })
		if err != nil {
			return e, err
		}
		if changed {
			changes = append(changes, x.ID)
		}
	}
	if len(changes) == 0 {
		return e, errDeclined
	}
	fmt.Fprintf(p.err, "Change %s? [y/N] ", strings.Join(changes, ", "))
	switch text, err := q.line(false); {
	case err != nil:
		return e, err
	case !strings.EqualFold(text, "y") && !strings.EqualFold(text, "yes"):
		return e, errDeclined
	}
	return e, nil
}

// present is the value of a parameter as it is.
func present(f *nodes.Form, x *nodes.Param) string {
	switch {
	case x.Secret:
		return "a secret"
	case f.Differ[x.ID]:
		return "not all the same"
	}
	return param.Format(*x, f.Values[x.ID])
}

// editableLine is a parameter in JSON.
type editableLine struct {
	ID       string `json:"id"`
	Value    any    `json:"value,omitempty"`
	Differs  bool   `json:"differs,omitempty"`
	Secret   bool   `json:"secret,omitempty"`
	ReadOnly bool   `json:"readOnly,omitempty"`
	Takes    string `json:"takes"`
}

// show lists what can be changed.
func (c *editCmd) show(p *program, f *nodes.Form) error {
	t := table{}
	if !p.options.JSON {
		t = newTable(p.out, "PARAMETER", "VALUE", "PAGE", "WHAT TO WRITE")
	}
	for i := range f.Params {
		x := &f.Params[i]
		if strings.HasSuffix(x.ID, clearing) && paramNamed(f.Params, strings.TrimSuffix(x.ID, clearing)) != nil {
			continue // --clear
		}
		if p.options.JSON {
			l := editableLine{ID: x.ID, Differs: f.Differ[x.ID], Secret: x.Secret, ReadOnly: x.ReadOnly, Takes: param.Wanted(*x)}
			if v := f.Values[x.ID]; !v.IsZero() {
				l.Value = plainValue(v)
			}
			if err := line(p.out, l); err != nil {
				return err
			}
			continue
		}
		value := present(f, x)
		if x.Secret || f.Differ[x.ID] {
			value = "(" + value + ")"
		}
		t.row(x.ID, value, x.Page, param.Wanted(*x)+sentence(x.Description))
	}
	if p.options.JSON {
		return nil
	}
	return t.end()
}
