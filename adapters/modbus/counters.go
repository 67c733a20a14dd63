package modbus

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// lineCounters count what passed a line since it was opened. Safe for concurrent
// use.
type lineCounters struct {
	requests, timeouts, exceptions, damaged, discarded atomic.Int64
	sent, received                                     atomic.Int64 // bytes
	busy                                               atomic.Int64 // nanoseconds with a transaction under way
}

// exchange counts a transaction.
func (n *lineCounters) exchange(kind endpointKind, ended time.Time, adu, answer []byte, c *call, err error) {
	var down *downError
	if errors.As(err, &down) || c.sent.IsZero() {
		return // nothing was sent
	}
	n.requests.Add(1)
	n.sent.Add(int64(len(adu)))
	n.received.Add(int64(len(answer)))
	n.busy.Add(int64(ended.Sub(c.sent)))
	n.discarded.Add(int64(len(c.late)))
	var silent *silentError
	var damaged *damagedError
	switch {
	case errors.As(err, &silent):
		n.timeouts.Add(1)
	case errors.As(err, &damaged):
		n.damaged.Add(1)
	case err == nil && refusal(kind, answer):
		n.exceptions.Add(1)
	}
}

// refusal tells whether a frame is an exception.
func refusal(kind endpointKind, frame []byte) bool {
	if kind == kindTCP {
		return len(frame) > wire.HeaderSize && frame[wire.HeaderSize]&wire.Refuses != 0
	}
	return len(frame) > 1 && frame[1]&wire.Refuses != 0
}
