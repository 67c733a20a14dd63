package concentrator

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The limits of queries.
const (
	// MaxQueriesEach is how many queries one bare address may run at a time.
	MaxQueriesEach = 8
	// MaxQueries is how many may run in all.
	MaxQueries = 32
	// MaxStall is how long a query waits for a client that takes nothing.
	MaxStall = time.Minute
)

const (
	maxQueryID = 256
	maxHead    = MaxAnswer - maxPart - 64 // the rest is a number and the end
	// soonFails is how long the answer waits for a query that may fail at once: an
	// error of the request says more than a query that began and broke off.
	soonFails = 250 * time.Millisecond
	// gatherFindings is how long what is found after a message waits for more.
	gatherFindings = 50 * time.Millisecond
	// farewell is how long the last message may take when the hub stops.
	farewell = 500 * time.Millisecond
)

var queryOperations = []operation{
	{name: "executeNodeQuery", typ: "set", begin: (*Server).executeNodeQuery},
	{name: "abortNodeQuery", typ: "set", answer: (*Server).abortNodeQuery},
}

// queryKey names a query: clients choose the ids, each for itself.
type queryKey struct {
	link    ext.Link
	jid, id string
}

// query is a query under way. What it finds is spelled into buf by the goroutine
// that runs it, which waits while a batch is there, and sent by another.
type query struct {
	key    queryKey
	who    nodes.Caller
	ref    nodes.Ref
	in     *invocation
	head   []byte        // of its messages, up to the number of each
	room   chan struct{} // 1: buf was taken
	wake   chan struct{} // 1: something is in buf
	filled chan struct{} // 1: buf takes no more

	mu     sync.Mutex
	report report
	buf    []byte
	why    error // why it was ended, when it was
	cancel context.CancelCauseFunc
}

// Why a query ends before it is done.
var (
	errAborted   = errors.New("aborted by who asked")
	errPeerGone  = errors.New("who asked went offline")
	errSlow      = errors.New("the receiver took nothing for " + MaxStall.String())
	errWithdrawn = errors.New("the right to run it was withdrawn")
)

func (s *Server) executeNodeQuery(c *call) error {
	in, err := s.named(c)
	if err != nil {
		return err
	}
	id := c.Payload.Attr("queryId")
	switch {
	case in.command.Kind != nodes.Query:
		return invalid(clip(in.command.ID) + " is no query; send executeNodeCommand")
	case id == "" || len(id) > maxQueryID:
		return invalid("a query needs a queryId of 1 to " + strconv.Itoa(maxQueryID) + " bytes")
	}
	if err := s.fill(c, in); err != nil {
		return err
	}
	q := &query{key: queryKey{c.Link, c.who.Full, id}, who: c.who, ref: in.ref, in: in,
		room: make(chan struct{}, 1), wake: make(chan struct{}, 1), filled: make(chan struct{}, 1)}
	// Clients compare the address with what they wrote.
	q.head = wire.AppendAttr([]byte("<queryProgress"), "xmlns", c.Space())
	for _, name := range []string{"id", "src", "pt"} {
		if v, ok := c.Payload.Lookup(name); ok {
			q.head = wire.AppendAttr(q.head, name, v)
		}
	}
	q.head = append(wire.AppendAttr(q.head, "queryId", id), " seqNr='"...)
	if len(q.head) > maxHead {
		return invalid("the address of the node is too long")
	}
	return s.addQuery(c, q)
}

// addQuery keeps a query and starts it.
func (s *Server) addQuery(c *call, q *query) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, o := range s.queries {
		if o.who.JID == q.who.JID && o.who.Way == q.who.Way {
			own++
		}
	}
	switch {
	case s.queries[q.key] != nil:
		return nodes.Errorf(nodes.Conflict, "", nodes.Ref{}, "a query with this id is under way; choose another id")
	case own >= MaxQueriesEach:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you run "+strconv.Itoa(own)+" queries already; abort one or wait")
	case len(s.queries) >= MaxQueries:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many queries are under way; try again later")
	case !s.workers.Go(func(ctx context.Context) { s.runQuery(ctx, c, q) }):
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is starting or stopping; try again in a moment")
	}
	s.queries[q.key] = q
	return nil
}

func (s *Server) removeQuery(q *query) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queries[q.key] == q {
		delete(s.queries, q.key)
	}
}

func (s *Server) abortNodeQuery(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	id := c.Payload.Attr("queryId")
	if id == "" {
		return nil, invalid("the request names no query; write its queryId")
	}
	s.mu.Lock()
	q := s.queries[queryKey{c.Link, c.who.Full, id}]
	s.mu.Unlock()
	if q == nil || q.ref != r || q.in.command.ID != c.Payload.Attr("command") {
		return nil, nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no such query; it has ended, or belongs to another node or command")
	}
	c.then = func() { q.end(errAborted) }
	return nil, nil
}

// endQueries ends those of a peer of the link; of all its peers when jid is empty.
func (s *Server) endQueries(link ext.Link, jid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, q := range s.queries {
		if k.link == link && (jid == "" || k.jid == jid) {
			q.end(errPeerGone)
		}
	}
}

// end ends a query; the first reason counts.
func (q *query) end(why error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.why == nil {
		q.why = why
	}
	if q.cancel != nil {
		q.cancel(q.why)
	}
}

// begin makes the context of the query's life.
func (q *query) begin(ctx context.Context) context.Context {
	q.mu.Lock()
	defer q.mu.Unlock()
	ctx, q.cancel = context.WithCancelCause(ctx)
	if q.why != nil {
		q.cancel(q.why)
	}
	return ctx
}

// put spells a finding into the buffer, and waits while the receiver is slow.
func (q *query) put(ctx context.Context, f nodes.Finding) error {
	for f != nil {
		q.mu.Lock()
		part, rest, err := q.report.spell(nil, f)
		q.mu.Unlock()
		if err != nil {
			return nodes.Errorf(nodes.Internal, "", q.ref, err.Error())
		}
		if err := q.add(ctx, part); err != nil {
			return err
		}
		f = rest
	}
	return ctx.Err()
}

func (q *query) add(ctx context.Context, part []byte) error {
	for {
		q.mu.Lock()
		if ctx.Err() != nil {
			q.mu.Unlock()
			return ctx.Err()
		}
		if fits := len(q.buf) == 0 || len(q.buf)+len(part) <= maxBatch; fits {
			q.buf = append(q.buf, part...)
			q.mu.Unlock()
			signal(q.wake)
			return nil
		}
		q.mu.Unlock()
		signal(q.filled)
		select {
		case <-q.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take empties the buffer.
func (q *query) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buf
	q.buf = nil
	for _, c := range []chan struct{}{q.wake, q.filled} {
		select {
		case <-c:
		default:
		}
	}
	signal(q.room)
	return b
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// runQuery runs a query to its end: it answers the request, and sends what is found
// and the end.
func (s *Server) runQuery(hub context.Context, c *call, q *query) {
	defer s.removeQuery(q)
	ctx := q.begin(hub)
	defer q.cancel(nil)
	command := q.in.command.ID
	start := time.Now()
	done := make(chan error, 1)
	go func() {
		done <- s.commands.Query(ctx, q.who, q.ref, command, q.in.params, func(f nodes.Finding) error { return q.put(ctx, f) })
	}()
	// It may fail before it has found anything.
	var err error
	ended := false
	soon := time.NewTimer(soonFails)
	defer soon.Stop()
	select {
	case err = <-done:
		ended = true
	case <-q.wake:
	case <-soon.C:
	case <-ctx.Done():
	}
	found := q.take()
	if ended && err != nil && len(found) == 0 && ctx.Err() == nil {
		s.removeQuery(q)
		s.finish(c, nil, q.in.failure(err))
		return
	}
	s.finish(c, nil, nil)
	s.log.Info("query started", "node", q.ref.String(), "command", command, "by", q.who.String())

	out := &progress{server: s, query: q}
	rest := append([]byte("<queryStarted/>"), found...)
	for !ended {
		if len(rest) > 0 && ctx.Err() == nil {
			if why := out.send(ctx, rest); why == nil {
				rest = nil
			} else {
				q.end(why)
			}
		}
		var more []byte
		more, ended, err = q.await(ctx, done)
		if len(rest)+len(more) > maxPart {
			rest = nil // only what nobody takes any more
		}
		rest = append(rest, more...)
	}
	why := context.Cause(ctx)
	out.finish(hub, rest, err, why)
	s.log.Info("query ended", "node", q.ref.String(), "command", command, "by", q.who.String(),
		"took", time.Since(start).Round(time.Millisecond), "messages", out.number, "err", err, "why", why)
}

// await waits for something to send: a moment, so that what is found in quick
// succession travels together, and then until there is something or the query has
// ended.
func (q *query) await(ctx context.Context, done <-chan error) (found []byte, ended bool, err error) {
	moment := time.NewTimer(gatherFindings)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-q.filled:
	case err = <-done:
		ended = true
	case <-ctx.Done():
	}
	if !ended {
		select {
		case <-q.wake:
		case err = <-done:
			ended = true
		case <-ctx.Done():
			err, ended = <-done, true
		}
	}
	return q.take(), ended, err
}

// progress numbers and sends the messages of a query.
type progress struct {
	server *Server
	query  *query
	number int // of the last message
}

// send sends a message with these elements. The error is why the query ends.
func (p *progress) send(ctx context.Context, elements []byte) error {
	q := p.query
	need := q.in.command.Rights
	if need == 0 {
		need = nodes.Configure
	}
	if !p.server.backend.May(q.who, nodes.See|need, q.ref) {
		return errWithdrawn
	}
	return p.tell(ctx, elements, MaxStall)
}

func (p *progress) tell(ctx context.Context, elements []byte, most time.Duration) error {
	q := p.query
	b := append(make([]byte, 0, len(q.head)+len(elements)+64), q.head...)
	b = append(strconv.AppendInt(b, int64(p.number+1), 10), "'>"...)
	b = append(append(b, elements...), "</queryProgress>"...)
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	err := q.key.link.Tell(ctx, q.who.Full, b)
	switch {
	case err == nil:
		p.number++
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return errSlow
	}
	return err
}

// finish sends what is left and how the query ended: queryDone when all was found,
// else queryAborted, after a message that says why unless it was asked for.
func (p *progress) finish(hub context.Context, rest []byte, err, why error) {
	q, most, reason := p.query, MaxStall, ""
	complete := err == nil && why != errWithdrawn
	stopping := hub.Err() != nil
	if stopping {
		hub, most = context.WithoutCancel(hub), farewell
	}
	switch {
	case why == errPeerGone:
		return
	case complete, why == errAborted:
	case why == errWithdrawn:
		reason, rest = "The query was ended: "+why.Error()+".", nil
	case why == errSlow:
		reason, most = "The query was ended: "+why.Error()+".", farewell
	case stopping:
		reason = "The hub is stopping."
	case why != nil: // a message could not be sent
		return
	default:
		reason = ext.Reason(err)
	}
	q.mu.Lock()
	end := q.report.close(nil)
	q.mu.Unlock()
	if reason != "" {
		end = appendQueryMessage(end, typeException, remarkLevels[nodes.SeverityError], reason)
	}
	if complete {
		end = append(end, "<queryDone/>"...)
	} else {
		end = append(end, "<queryAborted/>"...)
	}
	if len(rest)+len(end) > maxPart {
		if p.tell(hub, rest, most) != nil {
			return
		}
		rest = nil
	}
	_ = p.tell(hub, append(rest, end...), most) // who went meanwhile needs no end
}
