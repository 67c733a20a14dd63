package app

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/control"
)

type setCmd struct {
	Node   string   `arg:"" help:"Id or path of the node: a device, or the part that shows the value."`
	Values []string `arg:"" help:"Values, e.g. speed=1200; of a node that has only one, the value alone. They are all checked before the first is written." placeholder:"NAME=VALUE"`
}

// outcomeLine is what has become of a value, in JSON.
type outcomeLine struct {
	Node      string `json:"node"`
	Parameter string `json:"parameter"`
	Value     any    `json:"value"`
	State     string `json:"state"`
	Error     string `json:"error,omitempty"`
}

// negative is an argument that is a number, not a flag.
var negative = regexp.MustCompile(`^-\.?[0-9]`)

// negatives lets "set NODE -5" mean the number: no flag begins with a digit.
func negatives(args []string) []string {
	at := slices.Index(args, "set")
	if at < 0 || slices.Contains(args, "--") {
		return args
	}
	var flags, numbers []string
	for i, a := range args {
		if i > at && negative.MatchString(a) {
			numbers = append(numbers, a)
		} else {
			flags = append(flags, a)
		}
	}
	if numbers == nil {
		return args
	}
	return append(append(flags, "--"), numbers...)
}

func (c *setCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		ref, err := s.find(ctx, c.Node)
		if err != nil {
			return err
		}
		f, err := s.controls.Form(ctx, ref)
		if err != nil {
			return err
		}
		list, err := c.parse(ref, f.Params)
		if err != nil {
			return err
		}
		out, err := s.controls.Set(ctx, []nodes.Ref{ref}, list...)
		if err != nil {
			if ctx.Err() != nil {
				return errors.New("interrupted; nobody knows whether the values were written: read them before you set them again")
			}
			return wrongFields(err)
		}
		return p.printOutcomes(ref, list, out)
	})
}

// parse reads the values by the descriptions of what can be set.
func (c *setCmd) parse(ref nodes.Ref, controls []nodes.Param) ([]control.Parameter, error) {
	if len(controls) == 0 {
		return nil, fmt.Errorf("nothing of %s can be set; a value can be where its configuration says that it is writable", ref.ID)
	}
	var out []control.Parameter
	var wrong []string
	for _, text := range c.Values {
		name, value, named := strings.Cut(text, "=")
		x := paramNamed(controls, name)
		switch {
		case named && x != nil:
		case len(controls) == 1 && len(c.Values) == 1 && (!named || controls[0].Kind == nodes.KindString):
			x, value = &controls[0], text
		case !named:
			return nil, usageError{fmt.Errorf("%q: write a value as NAME=VALUE; %s has: %s", text, ref.ID, paramNames(controls))}
		default:
			wrong = append(wrong, fmt.Sprintf("%s has no %s that can be set; there are: %s", ref.ID, name, paramNames(controls)))
			continue
		}
		v, err := param.Parse(*x, value)
		if err == nil && v.IsZero() {
			err = errors.New("write " + param.Wanted(*x))
		}
		if err != nil {
			wrong = append(wrong, x.ID+": "+err.Error())
			continue
		}
		out = append(out, control.Parameter{Name: x.ID, Value: v})
	}
	if len(wrong) > 0 {
		return nil, usageError{errors.New(strings.Join(wrong, "\n     "))}
	}
	return out, nil
}

// printOutcomes prints what has become of each value; the error is that of the
// first that was not written.
func (p *program) printOutcomes(ref nodes.Ref, list []control.Parameter, out []nodes.Outcome) error {
	var failed error
	t := table{}
	if !p.options.JSON {
		t = newTable(p.out, "NODE", "PARAMETER", "VALUE", "OUTCOME")
	}
	for i, o := range out {
		if !o.State.Good() && failed == nil {
			failed = fmt.Errorf("%s was not set: %s", list[i].Name, reason(o.Err))
			if o.State == nodes.WriteUnknown {
				failed = fmt.Errorf("nobody knows whether %s was set: %s. Read it before you set it again", list[i].Name, reason(o.Err))
			}
		}
		if !p.options.JSON {
			outcome := cell{o.State.String(), red}
			if o.State.Good() {
				outcome.style = green
			}
			t.cells(cell{text: ref.ID}, cell{text: list[i].Name}, cell{text: list[i].Value.String()}, outcome)
			continue
		}
		l := outcomeLine{Node: ref.ID, Parameter: list[i].Name, Value: plainValue(list[i].Value), State: o.State.String()}
		if o.Err != nil {
			l.Error = reason(o.Err)
		}
		if err := line(p.out, l); err != nil {
			return err
		}
	}
	if p.options.JSON {
		return failed
	}
	if err := t.end(); err != nil {
		return err
	}
	return failed
}

// reason is the cause of an outcome, without the node, which is named beside it.
func reason(err error) string {
	var e *nodes.Error
	switch {
	case errors.As(err, &e) && e.Err != nil:
		return e.Err.Error()
	case err == nil:
		return "the hub gives no reason"
	}
	return err.Error()
}
