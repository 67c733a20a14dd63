package tree

import (
	"maps"
	"slices"
	"sync"

	"github.com/fieldhub/hub/nodes"
)

// Memory is a [Store] that keeps everything in memory, for tests and for trees
// that need not survive. The zero value is empty and ready. Safe for concurrent
// use.
type Memory struct {
	mu      sync.Mutex
	records map[string]Record
	events  []nodes.Event
	shelves map[string]*memoryShelf
}

// Load implements [Store].
func (m *Memory) Load(take func(Record)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range m.records {
		take(r)
	}
	return nil
}

// Commit implements [Store].
func (m *Memory) Commit(b Batch) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.records == nil {
		m.records = make(map[string]Record)
	}
	for _, id := range b.Delete {
		delete(m.records, id)
		delete(m.shelves, id)
	}
	for _, r := range b.Put {
		m.records[r.Spec.ID] = r
	}
	m.events = append(m.events, b.Events...)
	return nil
}

// Events returns all events committed so far.
func (m *Memory) Events() []nodes.Event {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.events)
}

// Shelf implements [Store].
func (m *Memory) Shelf(device string) nodes.Shelf {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shelves == nil {
		m.shelves = make(map[string]*memoryShelf)
	}
	s := m.shelves[device]
	if s == nil {
		s = &memoryShelf{m: make(map[string][]byte)}
		m.shelves[device] = s
	}
	return s
}

type memoryShelf struct {
	mu sync.Mutex
	m  map[string][]byte
}

func (s *memoryShelf) Get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.m[key]
	return slices.Clone(v), ok
}

func (s *memoryShelf) Put(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m[key] = slices.Clone(value)
}

func (s *memoryShelf) Delete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.m, key)
}

func (s *memoryShelf) Range(f func(key string, value []byte) bool) {
	s.mu.Lock()
	m := maps.Clone(s.m)
	s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(m)) {
		if !f(k, m[k]) {
			return
		}
	}
}
