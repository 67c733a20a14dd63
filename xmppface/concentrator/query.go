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
	// MaxQueriesEach is how many queries one bare address may run at a time unless
	// [Server.QueriesEach] says otherwise.
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
	r, err := ref(c.Payload)
	if err != nil {
		return err
	}
	in, err := s.named(c, r)
	if err != nil {
		return err
	}
	key, err := s.queryKey(c, in, "executeNodeCommand")
	if err != nil {
		return err
	}
	if err := s.fill(c, in, "getCommandParameters"); err != nil {
		return err
	}
	q, err := newQuery(c, key, in, c.Payload)
	if err != nil {
		return err
	}
	return s.addQuery(key, q, func(ctx context.Context) { s.runQuery(ctx, c, q) })
}

// queryKey reads how a request names its query.
func (s *Server) queryKey(c *call, in *invocation, instead string) (queryKey, error) {
	id := c.Payload.Attr("queryId")
	switch {
	case in.command.Kind != nodes.Query:
		return queryKey{}, invalid(clip(in.command.ID) + " is no query; send " + instead)
	case id == "" || len(id) > maxQueryID:
		return queryKey{}, invalid("a query needs a queryId of 1 to " + strconv.Itoa(maxQueryID) + " bytes")
	}
	return queryKey{c.Link, c.who.Full, id}, nil
}

// newQuery makes a query; the address of its node stands in an element of the request.
func newQuery(c *call, key queryKey, in *invocation, address *wire.Element) (*query, error) {
	q := &query{key: key, who: c.who, ref: in.ref, in: in,
		room: make(chan struct{}, 1), wake: make(chan struct{}, 1), filled: make(chan struct{}, 1)}
	// Clients compare the address with what they wrote.
	q.head = wire.AppendAttr([]byte("<queryProgress"), "xmlns", c.Space())
	for _, name := range []string{"id", "src", "pt"} {
		if v, ok := address.Lookup(name); ok {
			q.head = wire.AppendAttr(q.head, name, v)
		}
	}
	q.head = append(wire.AppendAttr(q.head, "queryId", key.id), " seqNr='"...)
	if len(q.head) > maxHead {
		return nil, invalid("the address of the node is too long")
	}
	return q, nil
}

// inquiry is what runs under a query id: a query, or one on several nodes.
type inquiry interface {
	asker() nodes.Caller
	// end ends it; the first reason counts.
	end(why error)
	// has tells whether it is that command on the node, perhaps among others.
	has(r nodes.Ref, command string) bool
	// abort ends it for the node.
	abort(r nodes.Ref)
}

// addQuery keeps a query and starts it.
func (s *Server) addQuery(key queryKey, q inquiry, run func(context.Context)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	own := 0
	for _, o := range s.queries {
		if a, b := o.asker(), q.asker(); a.JID == b.JID && a.Way == b.Way {
			own++
		}
	}
	switch {
	case s.queries[key] != nil:
		return nodes.Errorf(nodes.Conflict, "", nodes.Ref{}, "a query with this id is under way; choose another id")
	case own >= s.QueriesEach:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "you run "+strconv.Itoa(own)+" queries already (limits, queries, in hub.yaml); abort one or wait")
	case len(s.queries) >= MaxQueries:
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "too many queries are under way; try again later")
	case !s.workers.Go(run):
		return nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is starting or stopping; try again in a moment")
	}
	s.queries[key] = q
	return nil
}

func (s *Server) removeQuery(key queryKey, q inquiry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.queries[key] == q {
		delete(s.queries, key)
	}
}

// asked returns the query that a request to abort one names; nil: there is none.
func (s *Server) asked(c *call) (inquiry, error) {
	id := c.Payload.Attr("queryId")
	if id == "" {
		return nil, invalid("the request names no query; write its queryId")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[queryKey{c.Link, c.who.Full, id}], nil
}

var errNoQuery = nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no such query; it has ended, or belongs to another node or command")

func (s *Server) abortNodeQuery(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	q, err := s.asked(c)
	if err != nil {
		return nil, err
	}
	if q == nil || !q.has(r, c.Payload.Attr("command")) {
		return nil, errNoQuery
	}
	c.then = func() { q.abort(r) }
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

func (q *query) asker() nodes.Caller { return q.who }

func (q *query) has(r nodes.Ref, command string) bool {
	return q.ref == r && q.in.command.ID == command
}

func (q *query) abort(nodes.Ref) { q.end(errAborted) }

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
