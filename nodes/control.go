package nodes

import (
	"context"
	"time"
)

// Setting is a wish to set a control parameter. Its name is that of the field
// that shows the value ([Field.Writable]).
type Setting struct {
	Node  string // id within the source
	Name  string
	Value Value // as [Type.Controls] describes it
}

// Assignment is a [Setting] of somebody who speaks of several data sources.
type Assignment struct {
	Ref   Ref
	Name  string
	Value Value
}

// WriteState is where a write stands in its life. A write ends in one of those
// for which [WriteState.Final] is true, exactly once, and is never repeated by
// the hub: whoever asked decides.
type WriteState uint8

// The states of a write.
const (
	WriteQueued   WriteState = iota + 1 // waits for its turn
	WriteSent                           // is on its way to the device
	WriteDone                           // the device acknowledged it
	WriteVerified                       // the device acknowledged it, and reading back shows it
	WriteRefused                        // the device refused it, or shows another value afterwards
	WriteExpired                        // its time was over before it was sent; nothing happened
	WriteUnknown                        // it was sent, and nobody knows whether it was done
	WriteSkipped                        // not tried, since one before it failed
)

var writeStateNames = [...]string{"", "queued", "sent", "done", "verified", "refused", "expired", "unknown", "skipped"}

// String returns the name of the state.
func (s WriteState) String() string {
	if int(s) < len(writeStateNames) {
		return writeStateNames[s]
	}
	return "?"
}

// Final tells whether nothing follows.
func (s WriteState) Final() bool { return s > WriteSent }

// Good tells whether the value was written.
func (s WriteState) Good() bool { return s == WriteDone || s == WriteVerified }

// Outcome is what has become of a [Setting].
type Outcome struct {
	State WriteState
	Time  time.Time // when it came to be so
	Value Value     // what the device shows, when it was read back
	Err   error     // why, when the state is not good; names device and address
}

// Setter is a device whose nodes have control parameters ([Type.Controls]).
type Setter interface {
	// Set writes values in the order of the list, ahead of all polling. Every value
	// was checked against its description before. At the first failure writing
	// stops, and the rest is skipped; what the protocol can write at once may go in
	// one request. yield is called once per setting with its final outcome, in order,
	// from Set's own goroutine. The end of ctx is the time to live: what was not
	// sent by then expires; what was sent is waited for a little longer, until the
	// answer or the device's time-out. A write is sent at most once.
	Set(ctx context.Context, list []Setting, yield func(i int, o Outcome))
}
