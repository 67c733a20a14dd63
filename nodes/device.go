package nodes

import (
	"context"
	"log/slog"
)

// Device is a live subtree: one connection owner and everything below it, opened
// by its adapter. All methods but Run are called while Run is running, from any
// goroutine.
//
// A device implements the capability interfaces ([Reader], [Interested],
// [Setter], [Commander]) that its type's Caps announce.
type Device interface {
	// Run owns every goroutine and connection of the device and returns after all
	// of them, when ctx ends. It returns earlier only when it cannot go on; the
	// tree then shows the error on the node and opens the device again, with
	// growing pauses. A peer that is off is no reason to return.
	Run(ctx context.Context) error
	// Update tells that nodes below the device changed. It touches only what
	// changed and returns quickly; wrong parameters were refused before.
	Update(Change)
}

// Change is what changed below a device, applied in one step.
type Change struct {
	// Put are nodes that were added, edited or moved; Children is not set, a new
	// branch comes parents first. The device's own node may be among them.
	Put []*Node
	// Removed are ids of nodes that are gone, children before their parents.
	Removed []string
}

// Reader is a device that can be asked for current values.
type Reader interface {
	// Read asks the device for the nodes with these ids, none twice, and calls
	// yield once for each, one call at a time, as soon as its reading is there:
	// one silent unit delays only itself. It returns after the last, or soon after
	// ctx ends, when nodes not yet yielded are given up. Readings yielded need
	// not be reported too.
	Read(ctx context.Context, ids []string, yield func(Reading))
}

// Interested is a device that polls, and wants to know how often somebody wants
// which values.
type Interested interface {
	// Interest replaces all interest in the device's nodes. Calls come at most
	// every 100 ms.
	Interest([]Interest)
}

// Host is all of the hub that a device sees. It is safe for concurrent use, and
// its methods but Create do not wait for the network or the disk. After Run has
// returned they do nothing.
type Host interface {
	// Report hands over readings of nodes of the subtree, in the order in which
	// they were taken. The slice is the caller's again afterwards; the field
	// slices in it are not.
	Report([]Reading)
	// Fault sets a message on a node, in place of one with the same EventID, and so
	// its state. Setting the same severity and text again does nothing.
	Fault(node string, m Message)
	// Clear removes the messages with these event ids from a node.
	Clear(node string, eventIDs ...string)
	// Create makes nodes below nodes of the subtree, as discovery and imports do:
	// each branch below its Parent, all or none. It returns when they are on disk; the
	// device learns of them by Update as of any others. It must not be called from
	// Run, Update or Interest. The error's Ref names the first node that is wrong.
	Create(ctx context.Context, branches []*Node) error
	// Node returns a node of the subtree with everything below it, as it is configured
	// now, with defaults filled in; false when there is none. The copy is the caller's,
	// but for the Params, which are read-only.
	Node(id string) (*Node, bool)
	// Shelf is a small store of the device's own that survives restarts: counters,
	// learned limits.
	Shelf() Shelf
	// Log is the device's logger; it names the node.
	Log() *slog.Logger
}

// Shelf keeps named records on disk. Put and Delete return before the record is
// on disk; what is lost in a crash is at most the last few seconds. Safe for
// concurrent use.
type Shelf interface {
	Get(key string) ([]byte, bool)
	Put(key string, value []byte)
	Delete(key string)
	// Range calls f for each record in order of keys until it returns false. The
	// value is valid only during the call.
	Range(f func(key string, value []byte) bool)
}
