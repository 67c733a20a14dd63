package ext

import (
	"context"
	"sync"
)

// Workers lets an extension start goroutines that end before its Run does. The
// zero value allows none before Run. Safe for concurrent use.
type Workers struct {
	mu    sync.Mutex
	ctx   context.Context
	limit int
	count int
	wg    sync.WaitGroup
}

// Run allows up to limit goroutines at a time until ctx ends, and returns after
// the last of them.
func (w *Workers) Run(ctx context.Context, limit int) {
	w.mu.Lock()
	w.ctx, w.limit = ctx, limit
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.limit = 0
	w.mu.Unlock()
	w.wg.Wait()
}

// Go starts f with the context of Run, or returns false when the limit is
// reached or Run is not running.
func (w *Workers) Go(f func(context.Context)) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.count >= w.limit {
		return false
	}
	w.count++
	ctx := w.ctx
	w.wg.Go(func() {
		defer func() {
			w.mu.Lock()
			w.count--
			w.mu.Unlock()
		}()
		f(ctx)
	})
	return true
}

// Running tells whether goroutines may be started: Run runs and ctx has not
// ended.
func (w *Workers) Running() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.limit > 0
}
