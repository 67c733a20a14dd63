package modbus

import (
	"context"
	"sync"
)

// priority is who passes first where several wait for a line.
type priority uint8

const (
	polling priority = iota // nobody waits for it
	reading                 // somebody waits for values
	writing                 // somebody sets something
	priorities
)

// gate is a lock with a queue for each priority.
type gate struct {
	mu      sync.Mutex
	busy    bool
	waiting [priorities][]chan struct{}
}

// enter waits for the gate. It fails only when ctx ends first.
func (g *gate) enter(ctx context.Context, p priority) error {
	g.mu.Lock()
	if !g.busy {
		g.busy = true
		g.mu.Unlock()
		return nil
	}
	queue := &g.waiting[p]
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
	for p := len(g.waiting) - 1; p >= 0; p-- {
		if q := g.waiting[p]; len(q) > 0 {
			close(q[0])
			g.waiting[p] = q[1:]
			return
		}
	}
	g.busy = false
}
