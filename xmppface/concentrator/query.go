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
	missed bool  // something was found after the end
	why    error // why it was ended, when it was
	cancel context.CancelCauseFunc
}

// Why a query ends before it is done.
var (
	errAborted  = errors.New("aborted by who asked")
	errPeerGone = errors.New("who asked went offline")
	errSlow     = errors.New("the receiver took nothing for " + MaxStall.String())
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
