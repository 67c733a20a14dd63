package exttest

import (
	"context"
	"sync"
)

// inboxBytes is how much may wait at an end before Tell waits too.
const inboxBytes = 64 << 10

// inbox delivers what is sent to one end, in order, one at a time.
type inbox struct {
	mu      sync.Mutex
	changed sync.Cond
	list    []delivery
	bytes   int
	stalled bool
	closed  bool
}

type delivery struct {
	bytes   int
	deliver func()
}

func newInbox() *inbox {
	q := &inbox{}
	q.changed.L = &q.mu
	return q
}

func (q *inbox) put(bytes int, deliver func()) {
	q.mu.Lock()
	q.list = append(q.list, delivery{bytes, deliver})
	q.bytes += bytes
	q.mu.Unlock()
	q.changed.Broadcast()
}

// wait waits while the inbox is full.
func (q *inbox) wait(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.changed.Broadcast()
	})
	defer stop()
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.bytes > inboxBytes && !q.closed && ctx.Err() == nil {
		q.changed.Wait()
	}
	return ctx.Err()
}

func (q *inbox) stall(on bool) {
	q.mu.Lock()
	q.stalled = on
	q.mu.Unlock()
	q.changed.Broadcast()
}

func (q *inbox) close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.changed.Broadcast()
}

// run delivers until the inbox is closed; what waits then is still delivered,
// so that nobody waits for it.
func (q *inbox) run() {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		for (len(q.list) == 0 || q.stalled) && !q.closed {
			q.changed.Wait()
		}
		if len(q.list) == 0 {
			return
		}
		d := q.list[0]
		q.list = q.list[1:]
		q.mu.Unlock()
		d.deliver()
		q.mu.Lock()
		q.bytes -= d.bytes
		q.changed.Broadcast()
	}
}
