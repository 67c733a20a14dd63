package datasources

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// needed are the rights for a command, beside See.
func needed(cmd *nodes.Command) nodes.Rights {
	if cmd.Rights == 0 {
		return nodes.Configure
	}
	return cmd.Rights
}

// Commands returns the commands and queries of a node that the caller may run.
func (c *Catalog) Commands(who nodes.Caller, ref nodes.Ref) ([]nodes.Command, error) {
	t, err := c.node(who, "list commands", ref, 0)
	if err != nil {
		return nil, err
	}
	list, err := t.Commands(ref.ID)
	if err != nil {
		return nil, err
	}
	r := c.rights(who, ref.Resolved())
	return slices.DeleteFunc(append(list, ownQueries...), func(cmd nodes.Command) bool { return needed(&cmd)&^r != 0 }), nil
}

// CommandForm returns the parameters of a command, with their defaults. A command
// that the caller may not run is Forbidden.
func (c *Catalog) CommandForm(who nodes.Caller, ref nodes.Ref, command string) (nodes.Form, error) {
	t, cmd, err := c.command(who, "command form", ref, command)
	if err != nil {
		return nodes.Form{}, err
	}
	if ownQuery(command) != nil {
		return nodes.Form{Title: cmd.Title, Instructions: cmd.Description, Values: make(nodes.Params)}, nil
	}
	return t.CommandForm(ref.ID, command)
}

// command returns a command that the caller may run, and the tree of its node.
func (c *Catalog) command(who nodes.Caller, op string, ref nodes.Ref, command string) (*tree.Tree, nodes.Command, error) {
	t, err := c.node(who, op, ref, 0)
	if err != nil {
		return nil, nodes.Command{}, err
	}
	var cmd nodes.Command
	if own := ownQuery(command); own != nil {
		cmd = *own
	} else if cmd, err = t.Command(ref.ID, command); err != nil {
		return nil, cmd, err
	}
	_, err = c.node(who, op, ref, needed(&cmd))
	return t, cmd, err
}

// Execute runs a simple or parametrized command and returns when it is done, or
// within a second of the end of ctx. Wrong parameters are Invalid, with Fields.
func (c *Catalog) Execute(ctx context.Context, who nodes.Caller, ref nodes.Ref, command string, p nodes.Params) (err error) {
	const op = "execute"
	t, cmd, err := c.command(who, op, ref, command)
	began := time.Now()
	defer func() { c.logRun(op, who, ref, &cmd, command, p, began, err) }()
	if err != nil {
		return err
	}
	if ownQuery(command) != nil {
		return nodes.Errorf(nodes.Invalid, op, ref, command+" is a query, which tells what it finds while it runs: run it as a query (hub query), not as a command")
	}
	return t.Execute(ctx, ref.ID, command, p)
}

// Query runs a query and hands its findings to put, from the caller's goroutine. It
// returns when the query is done, when put fails, with that error, or within a
// second of the end of ctx, which aborts it; put has to heed ctx itself. It ends
// as Forbidden when the right to run it is taken away.
func (c *Catalog) Query(ctx context.Context, who nodes.Caller, ref nodes.Ref, command string, p nodes.Params, put nodes.Put) (err error) {
	const op = "query"
	t, cmd, err := c.command(who, op, ref, command)
	began := time.Now()
	defer func() { c.logRun(op, who, ref, &cmd, command, p, began, err) }()
	if err != nil {
		return err
	}
	checked := func(f nodes.Finding) error {
		if !c.May(who, nodes.See|needed(&cmd), ref.Resolved()) {
			return nodes.Errorf(nodes.Forbidden, op, ref, "the right to run this query was taken away")
		}
		return put(f)
	}
	if ownQuery(command) != nil {
		return c.runOwn(ctx, t, who, ref, command, p, checked)
	}
	return t.Query(ctx, ref.ID, command, p, checked)
}

// logRun logs who ran what, and how it ended. Strangers are not worth it.
func (c *Catalog) logRun(op string, who nodes.Caller, ref nodes.Ref, cmd *nodes.Command, command string, p nodes.Params, began time.Time, err error) {
	if !c.Friend(who) {
		return
	}
	var what []string
	for i := range cmd.Params {
		d := &cmd.Params[i]
		if v := p[d.ID]; !v.IsZero() && d.Secret {
			what = append(what, d.ID+"=…")
		} else if !v.IsZero() {
			what = append(what, d.ID+"="+clip(v.String()))
		}
	}
	outcome := "done"
	if err != nil {
		outcome = reason(err)
	}
	if kind := nodes.KindOf(err); err == nil || kind != nodes.Forbidden && kind != nodes.NotFound {
		action := "command"
		if op == "query" {
			action = op
		}
		c.noteOutcome(who, action, ref, command, "", strings.Join(what, " "), outcome)
	}
	if c.Log == nil {
		return
	}
	c.Log.Info(op, "caller", who.String(), "node", clip(ref.String()), "command", clip(command),
		"params", strings.Join(what, " "), "outcome", outcome, "took", time.Since(began).Round(time.Millisecond))
}
