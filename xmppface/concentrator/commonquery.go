package concentrator

import (
	"context"
	"maps"
	"sync"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

// queriesAtOnce is on how many nodes of a request a query runs at a time: each keeps up to
// a batch of findings, and some load their line.
const queriesAtOnce = 4

// queries are one query on several nodes, under one id. Each node's messages have its
// address and numbers of their own.
type queries struct {
	key queryKey
	who nodes.Caller
	in  *invocation

	mu      sync.Mutex
	waiting map[nodes.Ref]*wire.Element // where the address of each stands; running or waiting
	running map[nodes.Ref]*query
	aborted map[nodes.Ref]bool
	why     error
	cancel  context.CancelCauseFunc
}

// executeCommonNodeQuery runs a query on several nodes. The answer says of each whether it
// is run there: not where its parameters do not fit.
func (s *Server) executeCommonNodeQuery(c *call) error {
	list, in, err := s.namedBySeveral(c)
	if err != nil {
		return err
	}
	key, err := s.queryKey(c, in, "executeCommonNodeCommand")
	if err != nil {
		return err
	}
	if err := s.fillCommon(c, list, in); err != nil {
		return err
	}
	q := &queries{key: key, who: c.who, in: in, waiting: make(map[nodes.Ref]*wire.Element, len(list)),
		running: make(map[nodes.Ref]*query), aborted: make(map[nodes.Ref]bool)}
	var order []*query
	errs := make([]error, len(list))
	i := 0
	for _, e := range c.Payload.Children {
		if e.Name.Local != "nd" {
			continue
		}
		one := *in
		one.ref = list[i]
		member, err := newQuery(c, key, &one, e)
		if err == nil {
			err = s.fits(c, &one)
		}
		if errs[i] = err; err == nil {
			order = append(order, member)
			q.waiting[one.ref] = e
		}
		i++
	}
	payload, err := in.answer(c, errs)
	if err != nil || len(order) == 0 {
		s.finish(c, payload, err)
		return nil
	}
	return s.addQuery(key, q, func(ctx context.Context) {
		s.finish(c, payload, nil)
		s.runQueries(ctx, q, order)
	})
}

// fits tells whether the parameters of a request for several nodes fit one of them.
func (s *Server) fits(c *call, in *invocation) error {
	f, err := s.backend.CommandForm(c.who, in.ref, in.command.ID)
	if err != nil {
		return err
	}
	if _, wrong := param.Check(f.Params, maps.Clone(in.params)); len(wrong) > 0 {
		return &nodes.Error{Ref: in.ref, Kind: nodes.Invalid, Fields: wrong}
	}
	return nil
}

// runQueries runs a query on one node after the other, several at a time.
func (s *Server) runQueries(hub context.Context, q *queries, order []*query) {
	defer s.removeQuery(q.key, q)
	ctx := q.begin(hub)
	defer q.cancel(nil)
	o := newOutcomes(len(order))
	o.run(queriesAtOnce, func(i int) error {
		member := order[i]
		order[i] = nil // for the collector
		s.runMember(ctx, hub, q, member)
		return nil
	})
}

func (s *Server) runMember(ctx, hub context.Context, q *queries, member *query) {
	defer q.done(member)
	if !q.start(member) {
		// Who aborted it waits for its end.
		_ = (&progress{query: member}).send(ctx, []byte("<queryAborted/>"), MaxStall)
		return
	}
	ctx = member.begin(ctx)
	defer member.cancel(nil)
	s.report(ctx, hub, member, nil, s.find(ctx, member), false, nil)
	if context.Cause(ctx) == errSlow {
		q.end(errSlow)
	}
}

func (q *queries) begin(ctx context.Context) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	ctx, q.cancel = context.WithCancelCause(ctx)
	if q.why != nil {
		q.cancel(q.why)
	}
	return ctx
}

// start tells whether a node is still to be asked.
func (q *queries) start(member *query) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.aborted[member.ref] || q.why != nil {
		return false
	}
	q.running[member.ref] = member
	return true
}

func (q *queries) done(member *query) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.running, member.ref)
	delete(q.waiting, member.ref)
}

func (q *queries) asker() nodes.Caller { return q.who }

func (q *queries) has(r nodes.Ref, command string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.waiting[r] != nil && q.in.command.ID == command
}

func (q *queries) abort(r nodes.Ref) {
	q.mu.Lock()
	member := q.running[r]
	q.aborted[r] = true
	q.mu.Unlock()
	if member != nil {
		member.end(errAborted)
	}
}

func (q *queries) end(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.why == nil {
		q.why = why
	}
	if q.cancel != nil {
		q.cancel(q.why)
	}
}

// abortCommonNodeQuery ends a query on the nodes it names, those where it has ended
// already among them.
func (s *Server) abortCommonNodeQuery(c *call) ([]byte, error) {
	list, err := severalToRun(c.Payload)
	if err != nil {
		return nil, err
	}
	q, err := s.asked(c)
	if err != nil {
		return nil, err
	}
	var there []nodes.Ref
	for _, r := range list {
		if q != nil && q.has(r, c.Payload.Attr("command")) {
			there = append(there, r)
		}
	}
	if len(there) == 0 {
		return nil, errNoQuery
	}
	c.then = func() {
		for _, r := range there {
			q.abort(r)
		}
	}
	return nil, nil
}
