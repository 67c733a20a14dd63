package tree

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Config is what a tree is made of.
type Config struct {
	Source string // id of the data source
	Name   string // what a person calls it
	Types  []nodes.Type
	Store  Store
	Opener Opener
	Log    *slog.Logger // nil: none
	// Fixed are the nodes of a source that the program itself makes, below the root.
	// They are not stored, and nobody can change them: no node is created, edited,
	// moved, disabled or destroyed. Nil: a tree that people change.
	Fixed []*nodes.Node
	// Commands are those of the root, which is the hub itself, and Run runs them, none
	// of them a query. The parameters were checked and have their defaults.
	Commands []nodes.Command
	Run      func(ctx context.Context, command string, p nodes.Params) error
}

// Tree is a live data source. Safe for concurrent use.
type Tree struct {
	cfg   Config
	types *typeSet
	log   *slog.Logger

	changes chan *change
	running chan struct{} // closed when Run begins
	stopped chan struct{} // closed when no more changes are taken

	mu       sync.RWMutex
	nodes    map[string]*node
	root     *node
	version  uint64 // counts applied batches
	changed  time.Time
	queue    []nodes.Event // to be published, in order
	unsaved  []nodes.Event // status events that are not on disk yet
	subs     []*subscriber
	devices  map[string]*device // by id of the connecting node; the latest of each
	watchers int                // nodes watched, each counted for each watcher
	closing  bool

	publishing sync.Mutex
	reporting  sync.Mutex    // as that of a device
	keeping    sync.Mutex    // over what people left on nodes and its shelf; taken before mu
	opening    chan struct{} // 1: a device is being opened
	supervised sync.WaitGroup
	ctx        context.Context // of Run; set before running is closed
	interest   chan struct{}   // 1: the interest in some device changed
}

// New loads a tree. It starts nothing. Records that cannot be used (an unknown
// type, a missing parent) are kept on disk and left out, with a warning in the
// log and a message on the root node.
func New(cfg Config) (*Tree, error) {
	types, err := newTypeSet(cfg.Types, cfg.Commands, cfg.Fixed != nil)
	if err != nil {
		return nil, err
	}
	if cfg.Source == "" {
		cfg.Source = nodes.DefaultSource
	}
	if cfg.Name == "" {
		cfg.Name = cfg.Source
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	t := &Tree{cfg: cfg, types: types, log: cfg.Log.With("source", cfg.Source),
		changes: make(chan *change), running: make(chan struct{}), stopped: make(chan struct{}),
		nodes: make(map[string]*node), devices: make(map[string]*device), interest: make(chan struct{}, 1), opening: make(chan struct{}, 1)}
	t.root = &node{spec: identity{ID: nodes.RootID, Name: nodes.RootID}, typ: types.byName[nodes.TypeRoot]}
	t.nodes[nodes.RootID] = t.root
	if err := t.grow(); err != nil {
		return nil, fmt.Errorf("data source %s: %w", cfg.Source, err)
	}
	t.changed = now()
	return t, nil
}

// grow makes the nodes of the tree.
func (t *Tree) grow() error {
	if t.cfg.Fixed == nil {
		return t.load()
	}
	p := t.pending()
	c := &change{}
	for _, n := range t.cfg.Fixed {
		if err := p.create(c, n, nodes.RootID); err != nil {
			return err
		}
	}
	for _, n := range p.order {
		t.nodes[n.spec.ID] = n
		n.parent.place(n)
	}
	t.loadKept()
	return nil
}

// Fixed tells whether the nodes are the program's own, which nobody can change.
func (t *Tree) Fixed() bool { return t.cfg.Fixed != nil }

// load makes the nodes of all records and links them into a tree, parents first.
func (t *Tree) load() error {
	below := make(map[string][]*node) // by id of the parent
	records, linked := 0, 0
	params := make(nodes.Params) // of one node after the other
	alike := newSharing()
	err := t.cfg.Store.Load(func(r Record) {
		records++
		typ := t.types.byName[r.Spec.Type]
		if typ == nil {
			t.log.Warn("stored node left out", "node", r.Spec.ID, "type", r.Spec.Type)
			return
		}
		n := &node{spec: identity{r.Spec.ID, r.Spec.Name, r.Spec.Parent}, settings: alike.settings(typ, pack(typ, r.Spec.Params)),
			typ: typ, position: r.Position, changed: instant(r.Changed)}
		if typ.Controls != nil {
			clear(params)
			n.fill(params)
			s := n.identified()
			s.Params = params
			n.controls = len(ownControls(typ, &s)) > 0
		}
		if strings.HasSuffix(n.spec.ID, n.spec.Name) { // they share the text
			n.spec.Name = n.spec.ID[len(n.spec.ID)-len(n.spec.Name):]
		}
		below[n.spec.Parent] = append(below[n.spec.Parent], n)
	})
	if err != nil {
		return err
	}
	var link func(parent *node)
	link = func(parent *node) {
		list := below[parent.spec.ID]
		slices.SortFunc(list, func(a, b *node) int {
			return cmp.Or(cmp.Compare(a.position, b.position), strings.Compare(a.spec.ID, b.spec.ID))
		})
		parent.children = make([]*node, 0, len(list))
		for _, n := range list {
			if t.nodes[n.spec.ID] != nil {
				t.log.Warn("stored node left out", "node", n.spec.ID, "type", n.typ.Name)
				continue
			}
			n.parent, n.spec.Parent = parent, parent.spec.ID
			t.nodes[n.spec.ID] = n
			if n.off = parent.off || n.disabled(); n.off {
				n.messages = []message{offMessage(n)}
				n.state = nodes.StateInformation
			}
			parent.place(n)
			linked++
			link(n)
		}
	}
	link(t.root)
	defer t.loadKept()
	if lost := records - linked; lost > 0 {
		t.root.messages = []message{{Message: nodes.Message{Time: time.Now(), Severity: nodes.SeverityWarning, EventID: "Storage",
			Text: fmt.Sprintf("%d stored nodes cannot be shown, because this program does not know their type or their parent is missing. They are kept; install the adapter they belong to, and restart.", lost)}}}
		t.root.state = nodes.StateWarning
	}
	return nil
}

// Run opens the devices and applies changes until ctx ends. It returns after all
// devices have stopped and everything is on disk. It may be called once.
func (t *Tree) Run(ctx context.Context) error {
	devices, stop := context.WithCancel(ctx)
	defer stop()
	t.ctx = devices
	t.mu.Lock()
	t.root.each(func(n *node) {
		switch {
		case n.off:
		case n.typ.Connects:
			t.start(n)
		case n.parent != nil:
			n.owner = n.parent.owner
		}
	})
	t.mu.Unlock()
	close(t.running)

	var helpers sync.WaitGroup
	helpers.Go(func() { t.gatherInterest(devices) })
	err := t.write(ctx)
	close(t.stopped)

	t.mu.Lock()
	t.closing = true
	t.mu.Unlock()
	stop()
	helpers.Wait()
	t.supervised.Wait()
	return errors.Join(err, t.saveEvents())
}

// ID returns the id of the data source.
func (t *Tree) ID() string { return t.cfg.Source }

// Name returns what a person calls the data source.
func (t *Tree) Name() string { return t.cfg.Name }

// LastChanged returns when a node was last added, edited, moved or removed, or
// when the tree was loaded, whichever is later: it never goes back, not over a
// restart either.
func (t *Tree) LastChanged() time.Time {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.changed
}

// Type returns a node type.
func (t *Tree) Type(name string) (nodes.Type, bool) {
	typ := t.types.byName[name]
	if typ == nil {
		return nodes.Type{}, false
	}
	return *typ, true
}

// Types returns all node types, by title.
func (t *Tree) Types() []nodes.Type { return t.types.list }

// Bases returns the types that a type derives from, nearest first; the last is
// "node".
func (t *Tree) Bases(typ string) []string { return t.types.bases(typ) }

// Derives tells whether a type is or derives from another.
func (t *Tree) Derives(typ, base string) bool { return t.types.derives(typ, base) }

// Info shows a node.
func (t *Tree) Info(id string, d nodes.Detail) (nodes.Info, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil {
		return nodes.Info{}, false
	}
	return t.info(n, d), true
}

// Children shows the children of a node in their order.
func (t *Tree) Children(id string, d nodes.Detail) ([]nodes.Info, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil {
		return nil, false
	}
	out := make([]nodes.Info, len(n.children))
	for i, c := range n.children {
		out[i] = t.info(c, d)
	}
	return out, true
}

// Path returns the ids of the node itself, its parent, and so on up to the root.
func (t *Tree) Path(id string) ([]string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []string
	for n := t.nodes[id]; n != nil; n = n.parent {
		out = append(out, n.spec.ID)
	}
	return out, len(out) > 0
}

// Walk calls f for all nodes, parents first, in order, until it returns false. f
// must be quick and not call the tree.
func (t *Tree) Walk(f func(id, typ string) bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	walk(t.root, f)
}

// WalkStates calls f with the state of each node. f must be quick and not call the
// tree.
func (t *Tree) WalkStates(f func(nodes.State)) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, n := range t.nodes {
		f(n.state)
	}
}

func walk(n *node, f func(id, typ string) bool) bool {
	if !f(n.spec.ID, n.typ.Name) {
		return false
	}
	for _, c := range n.children {
		if !walk(c, f) {
			return false
		}
	}
	return true
}

// Has tells whether there is a node.
func (t *Tree) Has(id string) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.nodes[id] != nil
}

// Spec returns a node as it was configured, defaults filled in.
func (t *Tree) Spec(id string) (nodes.Spec, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil {
		return nodes.Spec{}, false
	}
	return n.configured(), true
}

// Owner returns the id of the connecting node at or above a node.
func (t *Tree) Owner(id string) (string, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for n := t.nodes[id]; n != nil; n = n.parent {
		if n.typ.Connects {
			return n.spec.ID, true
		}
	}
	return "", false
}

// Export returns a copy of the root with everything below; its Params are read-only.
func (t *Tree) Export() *nodes.Node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root.export(nil)
}
