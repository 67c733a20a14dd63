package concentrator

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext"
)

// The families of the namespace, canonical first.
const (
	NSNFI  = "urn:nfi:iot:concentrator:1.0"
	NSNF   = "urn:nf:iot:concentrator:1.0"
	NSIEEE = "urn:ieee:iot:concentrator:1.0"
)

// The limits of a server.
const (
	// MaxAnswer is how many bytes an answer may have. Servers on the way refuse
	// stanzas of more than 256 KiB.
	MaxAnswer = 252 << 10
	// MaxWaiting is how many changes of one sender may wait for the disk; more are
	// answered with resource-constraint.
	MaxWaiting = 64
	// MaxChanging is how many senders may have changes under way at a time.
	MaxChanging = 64
)

// Backend is what the server shows: all of it as the caller may see and use it.
// Errors are [*nodes.Error]; what may not be seen is NotFound. Only Create, Edit,
// Move and Destroy may block, for the disk. Safe for concurrent use.
type Backend interface {
	Sources(c nodes.Caller) []nodes.Source
	ChildSources(c nodes.Caller, source string) ([]nodes.Source, error)
	Node(c nodes.Caller, ref nodes.Ref, d nodes.Detail) (nodes.Info, error)
	Roots(c nodes.Caller, source string, d nodes.Detail) ([]nodes.Info, error)
	Children(c nodes.Caller, ref nodes.Ref, d nodes.Detail) ([]nodes.Info, error)
	// Ancestors returns the node itself, its parent, and so on up to the root.
	Ancestors(c nodes.Caller, ref nodes.Ref, d nodes.Detail) ([]nodes.Info, error)
	// All returns the nodes of a source that derive from any of the types; an
	// unknown type is NotFound.
	All(c nodes.Caller, source string, derivedFrom []string, d nodes.Detail) ([]nodes.Info, error)
	// Inheritance returns the base types of the node's type, nearest first.
	Inheritance(c nodes.Caller, ref nodes.Ref) ([]string, error)
	Addable(c nodes.Caller, parent nodes.Ref) ([]nodes.Type, error)
	// NewForm includes the parameters NodeId and Name, which Create takes as ID and
	// Name.
	NewForm(c nodes.Caller, parent nodes.Ref, typ string) (nodes.Form, error)
	// Create tells wrong parameters in its error's Fields.
	Create(ctx context.Context, c nodes.Caller, n nodes.NewNode) (nodes.Info, error)
	Destroy(ctx context.Context, c nodes.Caller, ref nodes.Ref) error
	// EditForm returns the parameters of a node with their values, secrets left out, and
	// NodeId and Name; of several nodes what they have in common, with Differ.
	EditForm(c nodes.Caller, refs []nodes.Ref) (nodes.Form, error)
	// Edit changes nodes of one source, all or none; its Node is ignored. An empty text
	// for a secret leaves it, a zero Value takes it away. It tells wrong parameters in
	// its error's Fields.
	Edit(ctx context.Context, c nodes.Caller, refs []nodes.Ref, e nodes.Edit) ([]nodes.Info, error)
	// Move moves nodes one place among their siblings; at the edge they stay.
	Move(ctx context.Context, c nodes.Caller, down bool, refs []nodes.Ref) error
	// Commands returns those that the caller may run.
	Commands(c nodes.Caller, ref nodes.Ref) ([]nodes.Command, error)
	// CommandForm is Forbidden for a command that the caller may not run.
	CommandForm(c nodes.Caller, ref nodes.Ref, command string) (nodes.Form, error)
	// Execute runs a simple or parametrized command. It tells wrong parameters in
	// its error's Fields; those left out get their default.
	Execute(ctx context.Context, c nodes.Caller, ref nodes.Ref, command string, p nodes.Params) error
	// Query runs a query and hands over what it finds, in order, one at a time. It
	// ends when the caller loses the right to run it, and with the error of put.
	Query(ctx context.Context, c nodes.Caller, ref nodes.Ref, command string, p nodes.Params, put nodes.Put) error
	Sniff(c nodes.Caller, ref nodes.Ref, expires time.Time) (*sniffer.Subscription, error)
	// Subscribe tells of the events of a source from now on, of nodes that the caller may
	// see. notify must not block.
	Subscribe(c nodes.Caller, source string, notify func(nodes.Event)) (stop func(), err error)
	// Events calls f for the events that are kept since a time, oldest first, until it
	// returns false.
	Events(c nodes.Caller, source string, since time.Time, f func(nodes.Event) bool) error
	May(c nodes.Caller, r nodes.Rights, ref nodes.Ref) bool
}

// Server is the hub's end: an [ext.Extension] that keeps sniffers for its peers and
// runs their queries.
type Server struct {
	// SniffersEach, QueriesEach and SubscriptionsEach are how many sniffers, queries under
	// way and subscriptions to the events of sources one bare address may have by one way
	// in, whatever number of clients it has. More than [MaxSniffers], [MaxQueries] and
	// [MaxSubscriptions] have no effect. To be set before the server runs.
	SniffersEach, QueriesEach, SubscriptionsEach int

	backend    Backend
	log        *slog.Logger
	operations map[string]operation
	names      []string // of the operations, in the order of the tables
	workers    ext.Workers

	mu            sync.Mutex
	lanes         map[laneOf]*lane
	subscriptions map[subscriptionKey]*subscription

	sniffers map[string]*listening // by id
	queries  map[queryKey]inquiry
}

// New makes a server. It serves when mounted, and changes and listens while Run
// runs.
func New(b Backend, log *slog.Logger) *Server {
	s := &Server{
		SniffersEach:      MaxSniffersEach,
		QueriesEach:       MaxQueriesEach,
		SubscriptionsEach: MaxSubscriptionsEach,

		backend:    b,
		log:        log,
		operations: make(map[string]operation),
		lanes:      make(map[laneOf]*lane),
		sniffers:   make(map[string]*listening),

		subscriptions: make(map[subscriptionKey]*subscription),
		queries:       make(map[queryKey]inquiry),
	}
	for _, op := range operations() {
		s.operations[op.name] = op
		if !op.alias {
			s.names = append(s.names, op.name)
		}
	}
	return s
}

// Spaces returns the three families.
func (s *Server) Spaces() []string { return []string{NSNFI, NSNF, NSIEEE} }

// Run lets the server change nodes, run commands and listen to traffic until ctx
// ends.
func (s *Server) Run(ctx context.Context) error {
	s.workers.Run(ctx, MaxChanging+MaxCommands+MaxQueries+MaxSniffers+MaxSubscriptions)
	return nil
}

// Running tells whether Run runs.
func (s *Server) Running() bool { return s.workers.Running() }

// Gone ends the sniffers and queries of a peer that went offline, or of all peers
// of a link that dropped. Commands that were begun are done.
func (s *Server) Gone(l ext.Link, jid string) {
	s.endSniffers(l, jid)
	s.endSubscriptions(l, jid)
	s.endQueries(l, jid)
}
