package control

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// The families of the namespace, canonical first.
const (
	NSNFI  = "urn:nfi:iot:ctr:1.0"
	NSNF   = "urn:nf:iot:ctr:1.0"
	NSIEEE = "urn:ieee:iot:ctr:1.0"
)

// The limits of a server.
const (
	// AnswerTime is how long after a set came it is answered at the latest. Clients
	// give up after 15 s.
	AnswerTime = 11500 * time.Millisecond
	// SetTime is the time to live of a set: what was not sent to the device by then
	// is not sent any more. Devices have 5 s more to answer.
	SetTime = 6 * time.Second
	// WaitTime is how long a set waits for earlier ones of its sender.
	WaitTime = 5 * time.Second
	// MaxSetsEach is how many sets of one bare address may be under way; more are
	// answered with resource-constraint.
	MaxSetsEach = 16
	// MaxSets is how many may be under way in all.
	MaxSets = 128
	// MaxNodes is how many nodes a request may name.
	MaxNodes = 1000
	// MaxSettings is how many values a set may write: nodes times parameters.
	MaxSettings = 1000
	// MaxAnswer is how many bytes a form may have. Servers on the way refuse stanzas
	// of more than 256 KiB.
	MaxAnswer = 252 << 10
)

// Backend is what the server sets, as the caller may. Errors are [*nodes.Error];
// what may not be seen is NotFound. Only Set blocks. Safe for concurrent use.
type Backend interface {
	// May tells whether the caller has all of the rights on a node.
	May(c nodes.Caller, r nodes.Rights, ref nodes.Ref) bool
	// Controls returns the control parameters of a node, a device's with those of its
	// parts; none when nothing can be set. It is Forbidden for who may only see.
	Controls(c nodes.Caller, ref nodes.Ref) ([]nodes.Param, error)
	// Last returns the last values of a node, a device's with those of its parts: those
	// that are not current are flagged. It waits for no device.
	Last(c nodes.Caller, ref nodes.Ref) (nodes.Reading, error)
	// Set checks all values before it writes the first: an error says that nothing was
	// tried, with Fields by parameter name where these are wrong. Otherwise there is
	// one final outcome for each, in order. The end of ctx is the time to live.
	Set(ctx context.Context, c nodes.Caller, list []nodes.Assignment) ([]nodes.Outcome, error)
}

// Server is the hub's end: an [ext.Extension] that sets values for its peers.
type Server struct {
	backend Backend
	log     *slog.Logger
	workers ext.Workers
	answer  time.Duration // AnswerTime
	live    time.Duration // SetTime
	wait    time.Duration // WaitTime

	mu   sync.Mutex
	sets map[*set]bool  // under way
	last map[place]*set // the one that came last, of a sender at a node
}

// New makes a server. It shows forms when mounted, and sets while Run runs.
func New(b Backend, log *slog.Logger) *Server {
	return &Server{backend: b, log: log, answer: AnswerTime, live: SetTime, wait: WaitTime,
		sets: make(map[*set]bool), last: make(map[place]*set)}
}

// Spaces returns the three families.
func (s *Server) Spaces() []string { return []string{NSNFI, NSNF, NSIEEE} }

// Run lets the server set values until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	s.workers.Run(ctx, MaxSets)
	return nil
}

// Running tells whether Run runs.
func (s *Server) Running() bool { return s.workers.Running() }

// Serve handles a request.
func (s *Server) Serve(r *ext.Request) {
	var err error
	switch name := r.Payload.Name.Local; {
	case name == "set" && r.Type == "set":
		err = s.set(r)
	case name == "getForm" && r.Type == "get":
		err = s.getForm(r)
	case name == "set" || name == "getForm":
		err = ext.Invalid("set is sent in an iq of type set, getForm in one of type get")
	default:
		err = nodes.Errorf(nodes.Unsupported, "", nodes.Ref{}, "the hub does not serve "+ext.Clip(name)+"; there are set and getForm")
	}
	if err != nil {
		s.fail(r, err)
	}
}

func (s *Server) fail(r *ext.Request, err error) {
	s.log.Debug("request refused", "from", r.Caller.Full, "way", r.Caller.Way, "operation", ext.Clip(r.Payload.Name.Local), "err", err)
	r.Fail(err)
}

// Gone ends the sets of a peer that wait, when it went offline, or those of all
// peers of a link that dropped. What was begun is done.
func (s *Server) Gone(l ext.Link, jid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for x := range s.sets {
		if x.request.Link == l && (jid == "" || x.request.Caller.Full == jid) {
			x.life.CompareAndSwap(waits, over)
		}
	}
}
