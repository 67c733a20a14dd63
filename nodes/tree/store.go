package tree

import (
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Store keeps a tree on disk. Load and Commit are called by one goroutine at a
// time, Shelf by any, also meanwhile.
type Store interface {
	// Load hands over all records, one by one and in any order. None is an empty tree.
	Load(take func(Record)) error
	// Commit writes the whole batch or nothing, and returns when it is on disk.
	Commit(Batch) error
	// Shelf returns the small store of a device. It is never nil.
	Shelf(device string) nodes.Shelf
}

// Record is a node as it is stored.
type Record struct {
	Spec     nodes.Spec
	Position uint64 // order among the siblings, ascending; unique among them
	Changed  time.Time
}

// Batch is what is written at once.
type Batch struct {
	Delete []string // ids; done before Put
	Put    []Record
	Events []nodes.Event // oldest first

	unsaved int // how many of the events are of states that waited
}

// Opener opens the devices of connecting nodes. adapters.Set is one.
type Opener interface {
	// Open makes the device of a node; the node is the device's to keep.
	Open(n *nodes.Node, h nodes.Host) (nodes.Device, error)
	// Forget tells that a connecting node is gone for good.
	Forget(id string)
}
