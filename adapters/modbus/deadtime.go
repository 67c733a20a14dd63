package modbus

import (
	"sync"
	"time"
)

// What a line may spend on units that do not answer: a twentieth of its time, of
// which some may be saved up.
const (
	deadShare = 20
	deadSaved = time.Second
)

// deadTime is what a line has left to wait for units that are silent. It belongs to
// the line, since all its users pay for a dead unit of any of them. Safe for
// concurrent use.
type deadTime struct {
	mu   sync.Mutex
	at   time.Time // of left; zero: never used
	left time.Duration
}

// take spends time, or returns how long until there is so much. Once all that can
// be saved is there it may be overdrawn: a time-out longer than that must be
// possible, too.
func (t *deadTime) take(now time.Time, cost time.Duration) (wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.at.IsZero() {
		t.at, t.left = now, deadSaved/2
	}
	if since := now.Sub(t.at); since > 0 {
		t.at, t.left = now, min(deadSaved, t.left+since/deadShare)
	}
	if need := min(cost, deadSaved); t.left < need {
		return (need - t.left) * deadShare
	}
	t.left -= cost
	return 0
}

// give takes a spending back: the unit answered.
func (t *deadTime) give(cost time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = min(deadSaved, t.left+cost)
}
