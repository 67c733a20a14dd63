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
	// change may wait for the disk, or reckon for a while. Changes of one sender are made
	// one at a time, in order.
	change func(*Server, context.Context, *call) ([]byte, error)
	// begin starts what takes longer and answers later itself, unless it returns an
	// error: then nothing was started.
	begin func(*Server, *call) error
	alias bool // another name of one that is listed
}

// slowly is an answer that looks at thousands of nodes: meanwhile others are served.
func slowly(answer func(*Server, *call) ([]byte, error)) func(*Server, context.Context, *call) ([]byte, error) {
	return func(s *Server, _ context.Context, c *call) ([]byte, error) { return answer(s, c) }
}

// operations joins the tables of the nouns. getCapabilities lists them in this
// order.
func operations() []operation {
	return slices.Concat(sourceOperations, nodeOperations, paramOperations, createOperations, editOperations, moveOperations,
		commandOperations, queryOperations, commonOperations, sniffOperations, subscribeOperations)
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
	case op.begin != nil:
		if err := op.begin(s, c); err != nil {
			s.finish(c, nil, err)
		}
	default:
		err := s.enqueue(laneOf{link: c.Link, jid: c.who.Full}, func(ctx context.Context) {
			if ctx.Err() != nil {
				s.finish(c, nil, errStopping)
				return
			}
			payload, err := op.change(s, ctx, c)
			s.finish(c, payload, err)
		})
		if err != nil {
			s.finish(c, nil, err)
		}
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

// laneOf is what is done in order: the changes that a sender makes to the tree, or
// his commands at a node.
type laneOf struct {
	link ext.Link
	jid  string
	node nodes.Ref // zero for changes
}

// lane holds what waits for its turn.
type lane struct{ waiting []func(context.Context) }

// enqueue does a job after the earlier ones of its lane, unless there are too many.
func (s *Server) enqueue(of laneOf, job func(context.Context)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.lanes[of]
	full := s.crowded(of)
	switch {
	case l != nil:
		if full = len(l.waiting) >= MaxWaiting; !full {
			l.waiting = append(l.waiting, job)
		}
	case !full:
		l = &lane{waiting: []func(context.Context){job}}
		if full = !s.workers.Go(func(ctx context.Context) { s.drain(ctx, of, l) }); !full {
			s.lanes[of] = l
		}
	}
	switch {
	case full && of.node == nodes.Ref{}:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many changes are under way; try again in a moment")
	case full:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many commands are under way; try again in a moment")
	}
	return nil
}

// crowded tells whether there are as many lanes of this kind as may be. s.mu is
// held.
func (s *Server) crowded(of laneOf) bool {
	changing, own, all := 0, 0, 0
	for o := range s.lanes {
		switch {
		case o.node == nodes.Ref{}:
			changing++
		case o.link == of.link && o.jid == of.jid:
			own++
			fallthrough
		default:
			all++
		}
	}
	if (of.node == nodes.Ref{}) {
		return changing >= MaxChanging
	}
	return own >= MaxCommandsEach || all >= MaxCommands
}

// drain does the jobs of a lane until none waits.
func (s *Server) drain(ctx context.Context, of laneOf, l *lane) {
	for {
		s.mu.Lock()
		if len(l.waiting) == 0 {
			delete(s.lanes, of)
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
