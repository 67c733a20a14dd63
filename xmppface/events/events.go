package events

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// The families of the namespace, canonical first.
const (
	NSNFI  = "urn:nfi:iot:events:1.0"
	NSNF   = "urn:nf:iot:events:1.0"
	NSIEEE = "urn:ieee:iot:events:1.0"
)

// The limits of a server.
const (
	// DefaultMaxStanza is the default of [Server.MaxStanza], in bytes.
	DefaultMaxStanza = 10000
	// DefaultMaxEach is the default of [Server.MaxEach].
	DefaultMaxEach = 1024
	// DefaultMaxAll is the default of [Server.MaxAll].
	DefaultMaxAll = 4096
	// MaxNodes is how many nodes a subscription may name.
	MaxNodes = 1000
	// MaxNames is how many field names it may hold.
	MaxNames = 1000
	// MaxID is how many bytes its id may have.
	MaxID = 1024
)

const (
	// minGap is the shortest time between two messages of a subscription.
	minGap = 20 * time.Millisecond
	// leastMaxInt is the shortest maxInt.
	leastMaxInt = 100 * time.Millisecond
	// readTime is how long reading all fields may take.
	readTime = 30 * time.Second
	// readGather is how long nodes that were read wait for others.
	readGather = 500 * time.Millisecond
)

// Backend is what the server watches, as the caller may read it. Errors are
// [*nodes.Error]; what may not be seen is NotFound. References are as they were
// asked for. Safe for concurrent use.
type Backend interface {
	// Current answers at once or not at all.
	Current(c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (fresh bool, err error)
	// Read yields each node once, as soon as it is there.
	Read(ctx context.Context, c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error
	// Watch tells of changes until stop is called.
	Watch(c nodes.Caller, w nodes.Watch) (stop func(), err error)
}

// Server is the hub's end: an [ext.Extension] that keeps subscriptions for its
// peers. The exported fields are set before it is mounted.
type Server struct {
	// MaxStanza is how many bytes a message should have at most; a single field that is
	// longer goes in a longer one.
	MaxStanza int
	// MaxEach is how many subscriptions one bare address may have, MaxAll how many there
	// may be in all; more are answered with resource-constraint. One that waits takes
	// about 7 kB.
	MaxEach, MaxAll int

	backend Backend
	log     *slog.Logger
	workers ext.Workers

	mu   sync.Mutex
	subs map[key]*subscription
	own  map[person]int // how many of subs are whose
}

// New makes a server. It takes subscriptions while Run runs.
func New(b Backend, log *slog.Logger) *Server {
	return &Server{MaxStanza: DefaultMaxStanza, MaxEach: DefaultMaxEach, MaxAll: DefaultMaxAll, backend: b, log: log,
		subs: make(map[key]*subscription), own: make(map[person]int)}
}

// Spaces returns the three families.
func (s *Server) Spaces() []string { return []string{NSNFI, NSNF, NSIEEE} }

// Run lets the server send what changes until ctx ends.
func (s *Server) Run(ctx context.Context) error {
	s.workers.Run(ctx, s.MaxAll+s.MaxEach) // some are being replaced
	return nil
}

// Running tells whether Run runs.
func (s *Server) Running() bool { return s.workers.Running() }

// sensorData returns the namespace of sensor data in the family of a namespace of
// events.
func sensorData(space string) string { return strings.Replace(space, ":events:", ":sd:", 1) }
