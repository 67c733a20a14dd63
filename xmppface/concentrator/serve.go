package concentrator

import (
	"context"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// operation is one request element. Exactly one of its functions is set.
type operation struct {
	name string
	typ  string // of the iq: "get" or "set"; empty: either, where deployed clients differ
	// answer returns the payload at once: it waits for nothing.
	answer func(*Server, *call) ([]byte, error)
	// change may wait for the disk. Changes of one sender are made one at a time, in
	// order.
	change func(*Server, context.Context, *call) ([]byte, error)
}

// operations joins the tables of the nouns. getCapabilities lists them in this
// order.
func operations() []operation {
	return slices.Concat(sourceOperations, nodeOperations, paramOperations, createOperations, sniffOperations)
}

// call is a request under way.
type call struct {
	*ext.Request
	who nodes.Caller
	// then is done after the answer has been sent; may be nil.
	then func()
}

// Serve handles a request.
func (s *Server) Serve(r *ext.Request) {
	c := &call{Request: r, who: r.Caller}
	if lang := r.Payload.Lang(); lang != "" {
		c.who.Lang = lang
	}
	op, ok := s.operations[r.Payload.Name.Local]
	switch {
	case !ok:
		s.finish(c, nil, nodes.Errorf(nodes.Unsupported, "", nodes.Ref{},
			"the hub does not serve "+clip(r.Payload.Name.Local)+"; getCapabilities lists what it does"))
	case op.typ != "" && op.typ != r.Type:
		s.finish(c, nil, invalid(op.name+" is sent in an iq of type "+op.typ))
	case op.answer != nil:
		payload, err := op.answer(s, c)
		s.finish(c, payload, err)
	default:
		s.enqueue(c, op)
	}
}

// finish sends the answer.
func (s *Server) finish(c *call, payload []byte, err error) {
	if err != nil {
		s.log.Debug("request refused", "from", c.who.Full, "way", c.who.Way, "operation", clip(c.Payload.Name.Local), "err", err)
		c.Fail(err)
		return
	}
	c.Result(payload)
	if c.then != nil {
		c.then()
	}
}

// sender is whose changes are made in order.
type sender struct {
	link ext.Link
	jid  string
}

// lane holds the changes of one sender that wait.
type lane struct{ waiting []func(context.Context) }

// enqueue makes a change after the sender's earlier ones.
func (s *Server) enqueue(c *call, op operation) {
	from := sender{c.Link, c.who.Full}
	job := func(ctx context.Context) {
		if ctx.Err() != nil {
			s.finish(c, nil, nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is stopping; nothing was changed"))
			return
		}
		payload, err := op.change(s, ctx, c)
		s.finish(c, payload, err)
	}
	s.mu.Lock()
	l := s.lanes[from]
	full := l != nil && len(l.waiting) >= MaxWaiting
	switch {
	case full:
	case l != nil:
		l.waiting = append(l.waiting, job)
	default:
		l = &lane{waiting: []func(context.Context){job}}
		full = len(s.lanes) >= MaxChanging || !s.workers.Go(func(ctx context.Context) { s.drain(ctx, from, l) })
		if !full {
			s.lanes[from] = l
		}
	}
	s.mu.Unlock()
	if full {
		s.finish(c, nil, nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many changes are under way; try again in a moment"))
	}
}

// drain makes the changes of one sender until none waits.
func (s *Server) drain(ctx context.Context, from sender, l *lane) {
	for {
		s.mu.Lock()
		if len(l.waiting) == 0 {
			delete(s.lanes, from)
			s.mu.Unlock()
			return
		}
		job := l.waiting[0]
		l.waiting = l.waiting[1:]
		s.mu.Unlock()
		job(ctx)
	}
}

// open appends the start of an answer element in the family of the request.
func (c *call) open(b []byte, name string) []byte {
	b = append(b, '<')
	b = append(b, name...)
	return wire.AppendAttr(b, "xmlns", c.Space())
}

// ref reads the address of a node from an element.
func ref(e *wire.Element) (nodes.Ref, error) {
	id := e.Attr("id")
	if id == "" {
		return nodes.Ref{}, invalid("<" + clip(e.Name.Local) + "/> names no node; write its id")
	}
	return nodes.Ref{Source: e.Attr("src"), Partition: e.Attr("pt"), ID: id}.Resolved(), nil
}

// refs reads the nd children of a request.
func refs(e *wire.Element) ([]nodes.Ref, error) {
	var out []nodes.Ref
	for _, c := range e.Children {
		if c.Name.Local != "nd" {
			return nil, invalid("<" + clip(c.Name.Local) + "/> has no place in " + clip(e.Name.Local) + "; write <nd id='…'/>")
		}
		r, err := ref(c)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// source reads the data source of a request.
func source(e *wire.Element) string {
	if src := e.Attr("src"); src != "" {
		return src
	}
	return nodes.DefaultSource
}

// detail reads what of nodes is wanted.
func detail(e *wire.Element) nodes.Detail {
	return nodes.Detail{Properties: e.Flag("parameters"), Messages: e.Flag("messages")}
}

func invalid(text string) error { return nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, text) }

// clip shortens what a peer wrote, for texts that go back or to the log.
func clip(s string) string {
	if len(s) <= 64 {
		return s
	}
	return s[:64] + "…"
}
