package modbus

import (
	"context"
	"sync"
)

// gate is a lock with two queues: whoever somebody waits for passes before
// whoever polls.
type gate struct {
	mu      sync.Mutex
	busy    bool
	waiting [2][]chan struct{} // urgent first
}

// enter waits for the gate. It fails only when ctx ends first.
func (g *gate) enter(ctx context.Context, urgent bool) error {
	g.mu.Lock()
	if !g.busy {
		g.busy = true
		g.mu.Unlock()
		return nil
	}
	queue := &g.waiting[1]
	if urgent {
		queue = &g.waiting[0]
	}
	ready := make(chan struct{})
	*queue = append(*queue, ready)
	g.mu.Unlock()
	select {
	case <-ready:
		return nil
	case <-ctx.Done():
	}
	g.mu.Lock()
	for i, c := range *queue {
		if c == ready {
			*queue = append((*queue)[:i], (*queue)[i+1:]...)
			g.mu.Unlock()
			return ctx.Err()
		}
	}
	g.mu.Unlock()
	g.leave() // it was handed over at the same moment
	return ctx.Err()
}

// leave hands the gate to the next.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i := range g.waiting {
		if q := g.waiting[i]; len(q) > 0 {
			close(q[0])
			g.waiting[i] = q[1:]
			return
		}
	}
	g.busy = false
}
