package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// Commands returns what can be done with a node, beside reading and setting it.
func (t *Tree) Commands(id string) ([]nodes.Command, error) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil {
		return nil, t.failed(nodes.NotFound, "list commands", id, "no such node")
	}
	return slices.Clone(n.typ.Commands), nil
}

// Command returns one of the commands of a node.
func (t *Tree) Command(id, command string) (nodes.Command, error) {
	list, err := t.Commands(id)
	if err != nil {
		return nodes.Command{}, err
	}
	var names []string
	for _, c := range list {
		if c.ID == command {
			return c, nil
		}
		names = append(names, c.ID)
	}
	text := fmt.Sprintf("no command %q; ", clip(command))
	if len(names) == 0 {
		text += "this node has none"
	} else {
		text += "there are " + few(names)
	}
	return nodes.Command{}, t.failed(nodes.NotFound, "find command", id, text)
}

// CommandForm returns the parameters of a command, with their defaults. That of a
// command without parameters is empty.
func (t *Tree) CommandForm(id, command string) (nodes.Form, error) {
	c, err := t.Command(id, command)
	if err != nil {
		return nodes.Form{}, err
	}
	f := nodes.Form{Title: c.Title, Instructions: c.Description, Params: slices.Clone(c.Params), Values: make(nodes.Params)}
	for i := range c.Params {
		if p := &c.Params[i]; !p.Default.IsZero() && !p.Secret {
			f.Values[p.ID] = p.Default
		}
	}
	return f, nil
}

// Execute runs a simple or parametrized command and returns when it is done.
// Wrong parameters are Invalid, with Fields. What the device fails with is
// NotAcceptable where it says nothing more precise. It returns within a second of
// the end of ctx, and says then what is not known. A device runs at most 8
// commands and queries at once; then Execute is Exhausted.
func (t *Tree) Execute(ctx context.Context, id, command string, p nodes.Params) error {
	const op = "execute"
	p, err := t.checkRun(op, id, command, p, false)
	if err != nil {
		return err
	}
	if ours(command) {
		return t.perform(ctx, id, command, p)
	}
	if id == nodes.RootID { // the others of the root
		if err := t.began(ctx, op, id); err != nil {
			return err
		}
		return t.ran(op, id, t.cfg.Run(ctx, command, p))
	}
	s, err := t.runner(ctx, op, id)
	if err != nil {
		return err
	}
	return t.ran(op, id, s.execute(ctx, id, command, p))
}

// Query runs a query and hands its findings to put, in order, from the caller's
// goroutine. It returns when the query is done, when put fails, with that error,
// or within a second of the end of ctx, which aborts it; put has to heed ctx
// itself. Else it is as Execute.
func (t *Tree) Query(ctx context.Context, id, command string, p nodes.Params, put nodes.Put) error {
	const op = "query"
	p, err := t.checkRun(op, id, command, p, true)
	if err != nil {
		return err
	}
	s, err := t.runner(ctx, op, id)
	if err != nil {
		return err
	}
	putErr, err := s.query(ctx, id, command, p, put)
	if putErr != nil {
		return putErr
	}
	return t.ran(op, id, err)
}

// checkRun checks a command and returns its parameters with their defaults.
func (t *Tree) checkRun(op, id, command string, p nodes.Params, query bool) (nodes.Params, error) {
	c, err := t.Command(id, command)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Kind == nodes.Query && !query:
		return nil, t.failed(nodes.Invalid, op, id, c.ID+" is a query, which tells what it finds while it runs: run it as a query (hub query), not as a command")
	case c.Kind != nodes.Query && query:
		return nil, t.failed(nodes.Invalid, op, id, c.ID+" is a command without findings: run it as a command (hub do), not as a query")
	}
	p, wrong := param.Check(c.Params, p)
	if len(wrong) > 0 {
		return nil, t.wrong(op, id, wrong)
	}
	return p, nil
}

// runner returns the opening of the device that runs a node's commands.
func (t *Tree) runner(ctx context.Context, op, id string) (*session, error) {
	t.mu.RLock()
	var d *device
	var off error
	if n := t.nodes[id]; n != nil {
		if d = n.owner; n.off {
			off = t.offError(op, n)
		}
	}
	t.mu.RUnlock()
	switch {
	case off != nil:
		return nil, off
	case d == nil:
		return nil, t.failed(nodes.Unsupported, op, id, "the node belongs to no device")
	}
	if err := t.began(ctx, op, id); err != nil {
		return nil, err
	}
	s, err := d.current()
	if err != nil {
		return nil, &nodes.Error{Op: op, Ref: t.reference(id), Kind: nodes.Unreachable, Err: fmt.Errorf("nothing was done: %w", err)}
	}
	return s, nil
}

// began returns the error of what need not begin any more.
func (t *Tree) began(ctx context.Context, op, id string) error {
	if ctx.Err() == nil {
		return nil
	}
	return &nodes.Error{Op: op, Ref: t.reference(id), Kind: ended(ctx), Err: fmt.Errorf("nothing was done: %w", ctx.Err())}
}

// ended is the kind of an error about the end of ctx.
func ended(ctx context.Context) nodes.ErrorKind {
	if ctx.Err() == context.Canceled {
		return nodes.Gone
	}
	return nodes.Timeout
}

// ran makes an error of ours of what a command ended with.
func (t *Tree) ran(op, id string, err error) error {
	var ours *nodes.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	kind := nodes.NotAcceptable
	switch {
	case errors.Is(err, errStopped):
		kind = nodes.Gone
	case errors.Is(err, context.Canceled):
		kind = nodes.Gone
	case errors.Is(err, context.DeadlineExceeded):
		kind = nodes.Timeout
	case refusal(err) != nodes.Unreachable:
		kind = refusal(err)
	case errors.Is(err, errPanicked):
		kind = nodes.Internal
	}
	return &nodes.Error{Op: op, Ref: t.reference(id), Kind: kind, Err: err}
}
