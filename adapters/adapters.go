package adapters

import (
	"fmt"
	"sync"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// Factory is an adapter. Making one starts nothing.
type Factory struct {
	Name  string       // "modbus"
	Types []nodes.Type // what it can open or describe
	// Open makes the device of a node whose type Connects. It starts nothing and
	// touches no device: that is Run's task. An error means that the configuration
	// cannot be used.
	Open func(Env) (nodes.Device, error)
}

// Env is what a device is opened with.
type Env struct {
	// Node is the connecting node with everything below it; a descendant that
	// connects itself is left out with all below that. The device must not change
	// it.
	Node *nodes.Node
	Host nodes.Host
	Tap  *sniffer.Tap // every frame sent or received passes it
}

// Set is the adapters of a hub. It opens devices and keeps a tap for each. Safe
// for concurrent use.
type Set struct {
	types   []nodes.Type
	factory map[string]*Factory // by type name

	mu   sync.Mutex
	taps map[string]*sniffer.Tap // by id of the connecting node
}

// NewSet makes a set. It fails when two adapters publish a type of the same name
// or a type is used that nobody publishes.
func NewSet(factories ...Factory) (*Set, error) {
	s := &Set{factory: make(map[string]*Factory), taps: make(map[string]*sniffer.Tap)}
	known := map[string]bool{nodes.TypeNode: true, nodes.TypeRoot: true, nodes.TypeFolder: true}
	for i := range factories {
		f := &factories[i]
		for _, t := range f.Types {
			if known[t.Name] {
				return nil, fmt.Errorf("adapter %s: type %s is published twice", f.Name, t.Name)
			}
			known[t.Name] = true
			s.factory[t.Name] = f
			s.types = append(s.types, t)
		}
	}
	for _, t := range s.types {
		for _, name := range append([]string{t.Base}, t.Parents...) {
			if name != "" && !known[name] {
				return nil, fmt.Errorf("type %s: unknown type %s", t.Name, name)
			}
		}
	}
	return s, nil
}

// Types returns all published types.
func (s *Set) Types() []nodes.Type { return s.types }

// Open opens the device of a connecting node, with a tap that stays the same
// when the device is opened again.
func (s *Set) Open(n *nodes.Node, host nodes.Host) (nodes.Device, error) {
	f := s.factory[n.Type]
	if f == nil || f.Open == nil {
		return nil, nodes.Errorf(nodes.NotFound, "open", nodes.In(n.ID), "no adapter for type "+n.Type+" in this hub")
	}
	s.mu.Lock()
	tap := s.taps[n.ID]
	if tap == nil {
		tap = sniffer.NewTap()
		s.taps[n.ID] = tap
	}
	s.mu.Unlock()
	return f.Open(Env{Node: n, Host: host, Tap: tap})
}

// Tap returns the tap of a connecting node, or nil when it was never opened.
func (s *Set) Tap(id string) *sniffer.Tap {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.taps[id]
}

// Forget drops the tap of a connecting node that is gone for good.
func (s *Set) Forget(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.taps, id)
}
