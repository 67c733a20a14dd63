package nodes

import "time"

// EventKind is what happened to a node.
type EventKind uint8

// The source events of the concentrator interface.
const (
	NodeAdded EventKind = iota + 1
	NodeUpdated
	NodeStatusChanged
	NodeRemoved
	NodeMovedUp
	NodeMovedDown
)

var eventNames = [...]string{"", "added", "updated", "status changed", "removed", "moved up", "moved down"}

// String returns what happened, for logs.
func (k EventKind) String() string {
	if int(k) < len(eventNames) {
		return eventNames[k]
	}
	return "unknown"
}

// Event is a change in a data source.
type Event struct {
	Kind  EventKind
	Time  time.Time
	Info  Info     // the node as it is afterwards; before, when removed
	OldID string   // its former id, when renamed
	After string   // id of the sibling before it, when added
	Above []string // ids of the nodes above it, nearest first, when removed; not kept on disk
}
