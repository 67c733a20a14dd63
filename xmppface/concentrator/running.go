package concentrator

import (
	"context"
	"crypto/rand"
	"strconv"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Commands lists what may be done with a node: without their descriptions and
// parameters, which [Client.CommandForm] tells. Those of a kind that is not known are
// left out.
func (c *Client) Commands(ctx context.Context, r nodes.Ref) ([]nodes.Command, error) {
	e, err := c.get(ctx, "list commands of", r, appendRef(c.request("getNodeCommands"), r.Resolved()), "commands")
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

func readCommand(e *wire.Element) (nodes.Command, bool) {
	cmd := nodes.Command{ID: e.Attr("command"), Title: e.Attr("name"), Category: e.Attr("sortCategory"), SortKey: e.Attr("sortKey"),
		Confirmation: e.Attr("confirmationString"), Success: e.Attr("successString"), Failure: e.Attr("failureString")}
	switch e.Attr("type") {
	case "Simple":
		cmd.Kind = nodes.Simple
	case "Parametrized", "Parameterized":
		cmd.Kind = nodes.Parametrized
	case "Query":
		cmd.Kind = nodes.Query
	}
	return cmd, e.Name.Local == "command" && cmd.ID != "" && cmd.Kind != 0
}

// CommandForm returns the parameters of a parametrized command or a query.
func (c *Client) CommandForm(ctx context.Context, r nodes.Ref, command string) (*form.Received, error) {
	b := wire.AppendAttr(appendRef(c.request("getCommandParameters"), r.Resolved()), "command", command)
	e, err := c.get(ctx, "form of "+command+" at", r, b, "x")
	if err != nil {
		return nil, err
	}
	f, err := form.Parse(e)
	if err != nil {
		return nil, &nodes.Error{Op: "form of " + command + " at", Ref: r, Kind: nodes.Internal, Err: err}
	}
	return f, nil
}

// Execute runs a command and returns when it is done. The parameters are nil for a
// simple command, and not nil, though perhaps empty, for a parametrized one. When
// they are wrong, the error's Fields hold a message for each. An error of kind Timeout
// leaves open whether it was done; it must not be repeated blindly.
func (c *Client) Execute(ctx context.Context, r nodes.Ref, command string, params nodes.Params) error {
	b := wire.AppendAttr(appendRef(c.request("executeNodeCommand"), r.Resolved()), "command", command)
	b = append(b, '>')
	if params != nil {
		b = form.AppendSubmit(b, params)
	}
	_, err := c.ask(ctx, command+" at", r, "set", append(b, "</executeNodeCommand>"...), "")
	return err
}

// The limits of a query at the client's end.
const (
	maxFollowing = 32 << 20        // bytes of messages that wait for put
	maxAhead     = 256             // messages that wait for one before them
	maxGap       = 5 * time.Second // how long they wait
	parting      = time.Second     // how long a hub may take to hear that nobody waits any more
)

// Query runs a query and hands over what it finds, in order, from the calling
// goroutine, until it is done; then it returns nil. When ctx ends or put fails, whose
// error is returned, the query is aborted at the hub. A query that the hub could not
// bring to its end is an error with the hub's reason: what was found until then was
// handed over. When parameters are wrong, the error's Fields hold a message for each.
//
// put may be slow, but not for ever: findings wait up to 32 MiB, then the query ends
// with an error of kind Exhausted. The name of an [nodes.Object] is the header of a
// section that begins just before, without anything that looks like a folder.
func (c *Client) Query(ctx context.Context, r nodes.Ref, command string, params nodes.Params, put nodes.Put) error {
	op, id := command+" at", rand.Text()
	f := &following{wake: make(chan struct{}, 1), held: make(map[uint64]*wire.Element)}
	c.mu.Lock()
	if c.following == nil {
		c.following = make(map[string]*following)
	}
	c.following[id] = f
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.following, id)
		c.mu.Unlock()
	}()
	abort := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
		defer cancel()
		b := wire.AppendAttr(appendRef(c.request("abortNodeQuery"), r.Resolved()), "command", command)
		b = append(wire.AppendAttr(b, "queryId", id), '/', '>')
		_, _ = c.Link.Ask(ctx, c.To, "set", b) // it may have ended meanwhile
	}
	b := wire.AppendAttr(appendRef(c.request("executeNodeQuery"), r.Resolved()), "command", command)
	b = append(wire.AppendAttr(b, "queryId", id), '>')
	b = append(form.AppendSubmit(b, params), "</executeNodeQuery>"...)
	if _, err := c.ask(ctx, op, r, "set", b, ""); err != nil {
		if ctx.Err() != nil {
			abort()
		}
		return err
	}
	reader := findings{put: func(found nodes.Finding) error {
		if ctx.Err() != nil {
			return ext.Failed(op, r, ctx.Err())
		}
		return put(found)
	}}
	look := time.NewTicker(maxGap / 5)
	defer look.Stop()
	for {
		select {
		case <-f.wake:
		case <-look.C:
			if c.lost(f) {
				abort()
				return nodes.Errorf(nodes.Unreachable, op, r, "a part of the result was lost on its way; try again")
			}
		case <-ctx.Done():
			abort()
			return ext.Failed(op, r, ctx.Err())
		}
		for {
			e, end := c.next(f)
			if end != nil {
				if nodes.KindOf(end) == nodes.Exhausted {
					abort()
				}
				return ext.Failed(op, r, end)
			}
			if e == nil {
				break
			}
			switch ending, err := reader.read(e); {
			case err != nil:
				abort()
				return err
			case ending == queryDone:
				return nil
			case ending == queryAborted:
				return nodes.Errorf(nodes.NotAcceptable, op, r, reader.reason())
			}
		}
	}
}

// following is a query at the client's end. All is guarded by the client's mutex.
type following struct {
	wake  chan struct{} // 1: something arrived, or the end
	ready []*wire.Element
	held  map[uint64]*wire.Element // by number: those that came before their turn
	last  uint64                   // number of the last that is ready
	bytes int                      // of ready and held
	gap   time.Time                // since when one is missing; zero: none is
	end   error

	// Of one of several nodes:
	all    *followings
	index  int
	reader findings
}

// fail ends it; what is ready is still read.
func (f *following) fail(err error) {
	if f.end == nil {
		f.end = err
	}
	signal(f.wake)
}

// weigh counts what waits.
func (f *following) weigh(n int) {
	f.bytes += n
	if f.all != nil {
		f.all.bytes += n
	}
}

// progressed takes a message of a query: in the order of their numbers, or as they
// come when they have none.
func (c *Client) progressed(m *ext.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := m.Payload.Attr("queryId")
	f := c.following[id]
	if f == nil {
		if r, err := ref(m.Payload); err == nil {
			f = c.following[memberKey(id, r)]
		}
	}
	if f == nil || f.end != nil {
		return
	}
	n, err := strconv.ParseUint(m.Payload.Attr("seqNr"), 10, 63)
	if err != nil {
		n = f.last + 1
	}
	switch {
	case n <= f.last || f.held[n] != nil:
		return // repeated
	case f.bytes > maxFollowing, f.all != nil && f.all.bytes > maxFollowing, len(f.held) >= maxAhead:
		f.fail(nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the query finds more than is taken; ask for less, or take it faster"))
		return
	}
	f.held[n] = m.Payload
	f.weigh(sizeOf(m.Payload))
	if len(f.held) == 1 {
		f.gap = time.Now()
	}
	for e := f.held[f.last+1]; e != nil; e = f.held[f.last+1] {
		f.last++
		delete(f.held, f.last)
		f.ready = append(f.ready, e)
		f.gap = time.Now()
	}
	if len(f.held) == 0 {
		f.gap = time.Time{}
	}
	signal(f.wake)
}

// next returns the next message in order; none and the end, when there is one, after
// the last.
func (c *Client) next(f *following) (*wire.Element, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(f.ready) == 0 {
		return nil, f.end
	}
	e := f.ready[0]
	f.ready = f.ready[1:]
	f.weigh(-sizeOf(e))
	return e, nil
}

// lost tells whether messages have waited too long for one before them.
func (c *Client) lost(f *following) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(f.ready) == 0 && !f.gap.IsZero() && time.Since(f.gap) >= maxGap
}

// sizeOf is about how many bytes an element occupies.
func sizeOf(e *wire.Element) int {
	n := 128 + len(e.Text)
	for i := range e.Attrs {
		n += 64 + len(e.Attrs[i].Value)
	}
	for _, c := range e.Children {
		n += sizeOf(c)
	}
	return n
}
