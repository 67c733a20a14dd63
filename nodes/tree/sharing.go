package tree

import (
	"hash/maphash"
	"slices"

	"github.com/fieldhub/hub/nodes"
)

// sharing finds the settings of a node among those of others of its type: in a plant
// there are thousands of alike ones, which then share the memory. Not safe for
// concurrent use.
type sharing struct {
	seed  maphash.Seed
	known map[uint64][]*shared // by hash of the settings
}

type shared struct {
	typ      *nodes.Type
	settings []setting
	params   nodes.Params // nil: not made yet
}

func newSharing() *sharing {
	return &sharing{seed: maphash.MakeSeed(), known: make(map[uint64][]*shared)}
}

func (s *sharing) find(typ *nodes.Type, settings []setting) *shared {
	hash := maphash.Comparable(s.seed, typ)
	for i := range settings {
		hash = hash*31 + maphash.Comparable(s.seed, settings[i])
	}
	for _, k := range s.known[hash] {
		if k.typ == typ && slices.Equal(k.settings, settings) {
			return k
		}
	}
	k := &shared{typ: typ, settings: settings}
	s.known[hash] = append(s.known[hash], k)
	return k
}

// settings returns those of a node that came before, if they are the same.
func (s *sharing) settings(typ *nodes.Type, list []setting) []setting {
	return s.find(typ, list).settings
}

// params returns all parameters of a node, defaults filled in; read-only.
func (s *sharing) params(n *node) nodes.Params {
	k := s.find(n.typ, n.settings)
	if k.params == nil {
		k.params = n.params()
	}
	return k.params
}
