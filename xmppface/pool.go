package xmppface

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Limits of a pool.
const (
	poolSlots   = 64        // handlers at the same time
	poolJobs    = 2048      // jobs that wait
	poolBytes   = 4 << 20   // size of the stanzas that wait
	senderJobs  = 256       // jobs of one sender that wait
	senderBytes = 512 << 10 // size of the stanzas of one sender that wait
)

// pool runs jobs: those of one queue one after the other, those of different
// queues at the same time. It outlives sessions, so that a handler that hangs
// does not keep the next session from beginning.
type pool struct {
	mu    sync.Mutex
	open  bool
	free  int      // slots
	ready []*queue // have jobs, wait for a slot
	jobs  int
	bytes int
	wg    sync.WaitGroup
}

// queue is the jobs of one sender.
type queue struct {
	jobs   []job
	bytes  int
	active bool // has a slot, or waits for one
}

type job struct {
	do   func()
	size int
}

// start lets jobs run.
func (p *pool) start() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open, p.free = true, poolSlots
}

// stop takes no more jobs, drops those that wait, and waits for those that run,
// at most for grace.
func (p *pool) stop(ctx context.Context, grace time.Duration) error {
	p.mu.Lock()
	p.open = false
	for _, q := range p.ready {
		q.jobs, q.active = nil, false
	}
	p.ready, p.jobs, p.bytes = nil, 0, 0
	p.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		p.wg.Wait()
		close(ended)
	}()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
		return errors.New("a request is still being handled: its handler hangs")
	}
}

// add appends a job to a queue. Unless it must be done, it is refused when too
// much waits already.
func (p *pool) add(q *queue, size int, must bool, do func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := p.jobs >= poolJobs || p.bytes+size > poolBytes || len(q.jobs) >= senderJobs || q.bytes+size > senderBytes
	if !p.open || full && !must {
		return false
	}
	p.jobs++
	p.bytes += size
	q.bytes += size
	q.jobs = append(q.jobs, job{do, size})
	if q.active {
		return true
	}
	q.active = true
	if p.free == 0 {
		p.ready = append(p.ready, q)
		return true
	}
	p.free--
	p.wg.Go(func() { p.work(q) })
	return true
}

// idle tells whether a queue has nothing to do.
func (p *pool) idle(q *queue) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !q.active
}

// work does the jobs of a queue, then those of the next that waits for a slot.
func (p *pool) work(q *queue) {
	for {
		p.mu.Lock()
		if !p.open {
			q.jobs = nil // stop has forgotten them
		}
		if len(q.jobs) == 0 {
			q.jobs, q.bytes, q.active = nil, 0, false
			if len(p.ready) == 0 {
				p.free++
				p.mu.Unlock()
				return
			}
			q, p.ready = p.ready[0], p.ready[1:]
			p.mu.Unlock()
			continue
		}
		j := q.jobs[0]
		q.jobs[0] = job{}
		q.jobs = q.jobs[1:]
		p.jobs--
		p.bytes -= j.size
		q.bytes -= j.size
		p.mu.Unlock()
		j.do()
		p.mu.Lock()
		if len(p.ready) > 0 && len(q.jobs) > 0 { // let the others have a turn
			p.ready = append(p.ready, q)
			q, p.ready = p.ready[0], p.ready[1:]
		}
		p.mu.Unlock()
	}
}
