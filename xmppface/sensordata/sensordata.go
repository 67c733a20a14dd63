package sensordata

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
	NSNFI  = "urn:nfi:iot:sd:1.0"
	NSNF   = "urn:nf:iot:sd:1.0"
	NSIEEE = "urn:ieee:iot:sd:1.0"
)

// The limits of a server.
const (
	// DefaultMaxStanza is the default of [Server.MaxStanza], in bytes.
	DefaultMaxStanza = 10000
	// DefaultDeadline is the default of [Server.Deadline].
	DefaultDeadline = 30 * time.Second
	// MaxReadoutsEach is how many readouts of one bare address may run at a time
	// unless [Server.ReadoutsEach] says otherwise; more are answered with
	// resource-constraint.
	MaxReadoutsEach = 16
	// MaxReadouts is how many may run in all.
	MaxReadouts = 128
	// MaxNodes is how many nodes a request may name.
	MaxNodes = 5000
	// MaxNames is how many field names a request may hold.
	MaxNames = 1000
	// MaxPlannedEach is how many readouts of one bare address may wait for their time;
	// more are answered with resource-constraint.
	MaxPlannedEach = 32
	// MaxPlanned is how many may wait in all.
	MaxPlanned = 1024
	// MaxAhead is how far ahead that time may be.
	MaxAhead = 31 * 24 * time.Hour
	// MaxID is how many bytes the id of a request may have.
	MaxID = 1024
)

// Backend is what the server reads, as the caller may read it. Errors are
// [*nodes.Error]; what may not be seen is NotFound. Readings hold only fields that
// the readout wants, and references are as the readout has them. Safe for
// concurrent use.
type Backend interface {
	// Current answers at once or not at all: when all values are fresh enough it
	// yields every node and returns true.
	Current(c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (fresh bool, err error)
	// Read yields each node once, one call at a time, as soon as it is there. When
	// ctx ends it returns soon.
	Read(ctx context.Context, c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error
}

// Server is the hub's end: an [ext.Extension] that runs readouts for its peers.
// The exported fields are set before it is mounted.
type Server struct {
	// MaxStanza is how many bytes an answer or message should have at most; a single
	// field that is longer goes in a longer one.
	MaxStanza int
	// Deadline is how long a readout may take. Nodes that have not answered then
	// are sent as failed.
	Deadline time.Duration
	// ReadoutsEach is how many readouts of one bare address by one way in may run at a
	// time, whatever number of clients it has. More than [MaxReadouts] has no effect.
	ReadoutsEach int

	backend Backend
	log     *slog.Logger
	workers ext.Workers

	mu       sync.Mutex
	readouts map[key]*readout
	planned  map[plannedKey]*planned
	links    map[nodes.Way]ext.Link // the present one of each way
}

// New makes a server. It answers from fresh values when mounted, and reads devices
// while Run runs.
func New(b Backend, log *slog.Logger) *Server {
	return &Server{MaxStanza: DefaultMaxStanza, Deadline: DefaultDeadline, ReadoutsEach: MaxReadoutsEach, backend: b, log: log,
		readouts: make(map[key]*readout), planned: make(map[plannedKey]*planned), links: make(map[nodes.Way]ext.Link)}
}

// Spaces returns the three families.
func (s *Server) Spaces() []string { return []string{NSNFI, NSNF, NSIEEE} }

// Run lets the server read devices until ctx ends. What waits for its time then is
// forgotten.
func (s *Server) Run(ctx context.Context) error {
	s.workers.Run(ctx, MaxReadouts)
	s.forgetAll()
	return nil
}

// Running tells whether Run runs.
func (s *Server) Running() bool { return s.workers.Running() }
