package concentrator

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

// CommonCommands lists what may be done with all of the nodes, as [Client.Commands] does
// with one.
func (c *Client) CommonCommands(ctx context.Context, list []nodes.Ref) ([]nodes.Command, error) {
	b := append(appendRefs(c.request("getCommonNodeCommands"), list), "</getCommonNodeCommands>"...)
	e, err := c.ask(ctx, "list commands of several nodes", nodes.Ref{}, "get", b, "commands")
	if err != nil {
		return nil, err
	}
	var out []nodes.Command
	for _, child := range e.Children {
		if cmd, ok := readCommand(child); ok {
			out = append(out, cmd)
		}
	}
	return out, nil
}

// CommonCommandForm returns the parameters that a command has on all of the nodes.
func (c *Client) CommonCommandForm(ctx context.Context, list []nodes.Ref, command string) (*form.Received, error) {
	op := "form of " + command + " at several nodes"
	b := wire.AppendAttr(c.request("getCommonCommandParameters"), "command", command)
	e, err := c.ask(ctx, op, nodes.Ref{}, "get", append(appendRefs(b, list), "</getCommonCommandParameters>"...), "x")
	if err != nil {
		return nil, err
	}
	f, err := form.Parse(e)
	if err != nil {
		return nil, &nodes.Error{Op: op, Kind: nodes.Internal, Err: err}
	}
	return f, nil
}

// ExecuteAll runs a command on nodes, at most [MaxNodes], and returns for each why it was
// not done; nil where it was. The parameters are as for [Client.Execute]. The error is that
// nothing was begun, or, of kind Timeout, that nobody knows.
func (c *Client) ExecuteAll(ctx context.Context, list []nodes.Ref, command string, params nodes.Params) ([]error, error) {
	b := appendRefs(wire.AppendAttr(c.request("executeCommonNodeCommand"), "command", command), list)
	if params != nil {
		b = form.AppendSubmit(b, params)
	}
	return c.partial(ctx, command, list, append(b, "</executeCommonNodeCommand>"...))
}

// partial sends a request that is answered for each node.
func (c *Client) partial(ctx context.Context, command string, list []nodes.Ref, b []byte) ([]error, error) {
	e, err := c.ask(ctx, command+" at several nodes", nodes.Ref{}, "set", b, "partialExecution")
	if err != nil {
		return nil, err
	}
	out, err := readPartial(e, command, list)
	if err != nil {
		return nil, &nodes.Error{Op: command + " at several nodes", Kind: nodes.Internal, Err: err}
	}
	return out, nil
}

// readPartial reads what became of each node.
func readPartial(e *wire.Element, command string, list []nodes.Ref) ([]error, error) {
	out := make([]error, 0, len(list))
	for _, child := range e.Children {
		if child.Name.Local != "result" {
			continue
		}
		if len(out) == len(list) {
			return nil, fmt.Errorf("the hub answered for more than %d nodes", len(list))
		}
		done, ok := wire.ParseBool(strings.TrimSpace(child.Text))
		reason := child.Attr("error")
		switch {
		case !ok:
			return nil, fmt.Errorf("the hub answered %q for %s", clip(child.Text), list[len(out)])
		case done:
			out = append(out, nil)
			continue
		case reason == "":
			reason = "the hub does not say why"
		}
		out = append(out, nodes.Errorf(nodes.NotAcceptable, command+" at", list[len(out)], reason))
	}
	if len(out) < len(list) {
		return nil, fmt.Errorf("the hub answered for %d of %d nodes", len(out), len(list))
	}
	return out, nil
}

// QueryAll runs a query on nodes, at most [MaxNodes], and hands over what it finds on each,
// by the index of the node: those of one node in order, those of different nodes as they
// come. It returns when all have ended, with why for each where it did not get to its end;
// nil where it did. The error is that nothing was begun, or why the rest was given up: that
// of put, or the end of ctx. All else is as for [Client.Query].
func (c *Client) QueryAll(ctx context.Context, list []nodes.Ref, command string, params nodes.Params, put func(i int, found nodes.Finding) error) ([]error, error) {
	op, id := command+" at several nodes", rand.Text()
	all := &followings{wake: make(chan struct{}, 1)}
	c.mu.Lock()
	if c.following == nil {
		c.following = make(map[string]*following)
	}
	for i, r := range list {
		f := &following{wake: all.wake, held: make(map[uint64]*wire.Element), all: all, index: i}
		f.reader = findings{put: func(found nodes.Finding) error { return put(i, found) }}
		all.list = append(all.list, f)
		c.following[memberKey(id, r.Resolved())] = f
	}
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, r := range list {
			delete(c.following, memberKey(id, r.Resolved()))
		}
	}()
	attrs := func(name string) []byte {
		return wire.AppendAttr(wire.AppendAttr(c.request(name), "command", command), "queryId", id)
	}
	abort := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
		defer cancel()
		b := append(appendRefs(attrs("abortCommonNodeQuery"), list), "</abortCommonNodeQuery>"...)
		_, _ = c.Link.Ask(ctx, c.To, "set", b) // it may have ended meanwhile
	}
	b := form.AppendSubmit(appendRefs(attrs("executeCommonNodeQuery"), list), params)
	out, err := c.partial(ctx, command, list, append(b, "</executeCommonNodeQuery>"...))
	if err != nil {
		if ctx.Err() != nil {
			abort()
		}
		return nil, err
	}
	all.list = slices.DeleteFunc(all.list, func(f *following) bool { return out[f.index] != nil })
	look := time.NewTicker(maxGap / 5)
	defer look.Stop()
	for len(all.list) > 0 {
		select {
		case <-all.wake:
		case <-look.C:
		case <-ctx.Done():
			abort()
			return out, ext.Failed(op, nodes.Ref{}, ctx.Err())
		}
		var failed error
		all.list = slices.DeleteFunc(all.list, func(f *following) bool {
			if failed != nil {
				return false
			}
			ended, why, err := c.advance(ctx, f)
			failed = err
			if ended {
				c.drop(f)
			}
			if why != nil {
				why = ext.Failed(command+" at", list[f.index], why)
				out[f.index] = why
			}
			return ended
		})
		if failed != nil {
			abort()
			return out, failed
		}
	}
	return out, nil
}

// followings are a query on several nodes at the client's end.
type followings struct {
	wake  chan struct{} // of all of them
	list  []*following  // that have not ended; only for who runs the query
	bytes int           // of all of them
}

// memberKey is under which the query of one of several nodes is kept.
func memberKey(id string, r nodes.Ref) string {
	return id + "\n" + r.Source + "\n" + r.Partition + "\n" + r.ID
}

// drop forgets what is left of one that has ended.
func (c *Client) drop(f *following) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f.weigh(-f.bytes)
	f.ready, f.held = nil, nil
	f.fail(io.EOF)
}

// advance hands over what has come from one of several nodes. The error ends all.
func (c *Client) advance(ctx context.Context, f *following) (ended bool, why, err error) {
	if c.lost(f) {
		return true, nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, "a part of the result was lost on its way; try again"), nil
	}
	for ctx.Err() == nil {
		e, end := c.next(f)
		switch {
		case nodes.KindOf(end) == nodes.Exhausted && end != nil:
			return true, end, end
		case end != nil:
			return true, end, nil
		case e == nil:
			return false, nil, nil
		}
		switch ending, err := f.reader.read(e); {
		case err != nil:
			return true, err, err
		case ending == queryDone:
			return true, nil, nil
		case ending == queryAborted:
			return true, errors.New(f.reader.reason()), nil
		}
	}
	return false, nil, nil
}
