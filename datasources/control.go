package datasources

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// Controls returns the control parameters of a node, a device's with those of its
// parts; none when nothing of it can be set.
func (c *Catalog) Controls(who nodes.Caller, ref nodes.Ref) ([]nodes.Param, error) {
	t, err := c.node(who, "list controls", ref, nodes.Control)
	if err != nil {
		return nil, err
	}
	return t.Controls(ref.ID)
}

// Set writes values, in order, and returns one final outcome for each; see
// [tree.Tree.Set] for what ctx means to them. All are checked before the first is
// written: an error says that nothing was tried. It is NotFound or Forbidden, or
// Invalid with Fields by parameter name for the first node that is wrong. At the
// first outcome that is not good writing stops, and the rest is skipped.
func (c *Catalog) Set(ctx context.Context, who nodes.Caller, list []nodes.Assignment) (out []nodes.Outcome, err error) {
	before := c.present(who, list)
	defer func() {
		c.logSet(who, list, out, err)
		c.auditSet(who, list, before, out, err)
	}()
	parts, err := c.runs(who, list)
	if err != nil {
		return nil, err
	}
	for _, p := range parts {
		if err := p.tree.CheckSet(p.list); err != nil {
			return nil, err
		}
	}
	out = make([]nodes.Outcome, 0, len(list))
	good := true
	for i, p := range parts {
		if !good {
			out = append(out, leftOut(len(p.list), nil)...)
			continue
		}
		some, err := p.tree.Set(ctx, p.list)
		switch {
		case err != nil && i == 0:
			return nil, err
		case err != nil: // it changed after it was checked
			some = leftOut(len(p.list), err)
		}
		good = !slices.ContainsFunc(some, func(o nodes.Outcome) bool { return !o.State.Good() })
		out = append(out, some...)
	}
	return out, nil
}

// stretch are assignments in a row that are of one tree.
type stretch struct {
	tree *tree.Tree
	list []nodes.Setting
}

// runs checks the rights and divides the list by trees, in order.
func (c *Catalog) runs(who nodes.Caller, list []nodes.Assignment) ([]*stretch, error) {
	var out []*stretch
	for _, a := range list {
		t, err := c.node(who, "set", a.Ref, nodes.Control)
		if err != nil {
			return nil, err
		}
		if len(out) == 0 || out[len(out)-1].tree != t {
			out = append(out, &stretch{tree: t})
		}
		s := out[len(out)-1]
		s.list = append(s.list, nodes.Setting{Node: a.Ref.ID, Name: a.Name, Value: a.Value})
	}
	return out, nil
}

// leftOut are the outcomes of what was not tried; why is the reason that the first
// was refused, when it is one of these.
func leftOut(n int, why error) []nodes.Outcome {
	out := make([]nodes.Outcome, n)
	for i := range out {
		out[i] = nodes.Outcome{State: nodes.WriteSkipped, Time: time.Now(),
			Err: errors.New("not tried, because one before it was not written")}
	}
	if why != nil {
		out[0].State, out[0].Err = nodes.WriteRefused, why
	}
	return out
}

// logSet logs who set what, and what became of it. Strangers are not worth it.
func (c *Catalog) logSet(who nodes.Caller, list []nodes.Assignment, out []nodes.Outcome, err error) {
	if c.Log == nil || len(list) == 0 || !c.Friend(who) {
		return
	}
	const most = 20
	var what []string
	for i, a := range list {
		if i == most {
			what = append(what, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		text := clip(a.Ref.String()) + " " + clip(a.Name) + "=" + c.loggable(who, &a)
		if i < len(out) {
			text += " " + out[i].State.String()
			if out[i].Err != nil && out[i].State != nodes.WriteSkipped {
				text += " (" + reason(out[i].Err) + ")"
			}
		}
		what = append(what, text)
	}
	if err != nil {
		c.Log.Info("nothing set", "caller", who.String(), "what", strings.Join(what, ", "), "why", reason(err))
		return
	}
	c.Log.Info("set", "caller", who.String(), "what", strings.Join(what, ", "))
}

// loggable is a value as it may be logged: what is not known to be no secret is
// left out.
func (c *Catalog) loggable(who nodes.Caller, a *nodes.Assignment) string {
	list, _ := c.Controls(who, a.Ref)
	for i := range list {
		if p := &list[i]; p.ID == a.Name && !p.Secret {
			return clip(a.Value.String())
		}
	}
	return hidden
}

// hidden stands for what may be a secret.
const hidden = "…"

// reason is an error for the log. Messages about parameters may quote a secret:
// only the names of these are told.
func reason(err error) string {
	var e *nodes.Error
	if errors.As(err, &e) && len(e.Fields) > 0 {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(e.Fields)) {
			names = append(names, clip(name))
		}
		return "wrong: " + strings.Join(names, ", ")
	}
	if text := err.Error(); len(text) <= 500 {
		return text
	}
	return err.Error()[:500] + "…"
}
