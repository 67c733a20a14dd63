package adaptertest

import (
	"maps"
	"slices"
	"sync"
)

// Shelf is a [nodes.Shelf] in memory.
type Shelf struct {
	mu      sync.Mutex
	records map[string][]byte
}

// NewShelf makes an empty shelf.
func NewShelf() *Shelf { return &Shelf{records: make(map[string][]byte)} }

// Get implements [nodes.Shelf].
func (s *Shelf) Get(key string) ([]byte, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.records[key]
	return slices.Clone(v), ok
}

// Put implements [nodes.Shelf].
func (s *Shelf) Put(key string, value []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[key] = slices.Clone(value)
}

// Delete implements [nodes.Shelf].
func (s *Shelf) Delete(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, key)
}

// Range implements [nodes.Shelf].
func (s *Shelf) Range(f func(key string, value []byte) bool) {
	s.mu.Lock()
	records := maps.Clone(s.records)
	s.mu.Unlock()
	for _, k := range slices.Sorted(maps.Keys(records)) {
		if !f(k, records[k]) {
			return
		}
	}
}
