package xmppface

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Limits of a pool.
const (
	poolSlots = 64        // handlers at the same time
	poolJobs  = 2048      // jobs that wait
	poolBytes = 4 << 20   // size of the stanzas that wait
	peerSlots = 16        // handlers of one peer at the same time
	peerJobs  = 256       // jobs of one peer that wait, by default
	peerBytes = 512 << 10 // size of the stanzas of one peer that wait
	ordinary  = 64 << 10  // more than most stanzas have
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
	peer   *peer // all queues of a bare address share one
	jobs   []job
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
// much waits already, of the queue's peer at most as many jobs as most.
func (p *pool) add(q *queue, size, most int, must bool, do func()) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	full := p.jobs >= poolJobs || p.bytes+size > poolBytes || q.peer.jobs >= most || q.peer.bytes+size > peerBytes
	if !p.open || full && !must {
		return false
	}
	p.count(q, 1, size)
	q.jobs = append(q.jobs, job{do, size})
	if q.active {
		return true
	}
	q.active = true
	if p.free == 0 || q.peer.slots >= peerSlots {
		p.ready = append(p.ready, q)
		return true
	}
	p.free--
	q.peer.slots++
	p.wg.Go(func() { p.work(q) })
	return true
}

// count takes note that jobs of a queue came, or that they wait no more.
func (p *pool) count(q *queue, jobs, bytes int) {
	p.jobs += jobs
	p.bytes += bytes
	q.peer.jobs += jobs
	q.peer.bytes += bytes
}

// next takes the first queue that may have a slot, which it then has; nil: there is none.
func (p *pool) next() *queue {
	for i, q := range p.ready {
		if q.peer.slots < peerSlots {
			p.ready = append(p.ready[:i], p.ready[i+1:]...)
			q.peer.slots++
			return q
		}
	}
	return nil
}

// idle tells whether a queue has nothing to do.
func (p *pool) idle(q *queue) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !q.active
}

// crowded tells whether so many jobs of a peer wait, or so large ones, that he has no room
// for more.
func (p *pool) crowded(x *peer, most int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return x.jobs >= most || x.jobs > 0 && x.bytes+ordinary > peerBytes
}

// forgettable tells whether a peer has nothing to do and nothing to make up for.
func (p *pool) forgettable(x *peer, now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return x.forgettable(now)
}

// work does the jobs of a queue, then those of the next that waits for a slot.
func (p *pool) work(q *queue) {
	for {
		p.mu.Lock()
		if !p.open {
			q.jobs = nil // stop has forgotten them
		}
		if len(q.jobs) == 0 {
			q.jobs, q.active = nil, false
			q.peer.slots--
			if q = p.next(); q == nil {
				p.free++
				p.mu.Unlock()
				return
			}
			p.mu.Unlock()
			continue
		}
		j := q.jobs[0]
		q.jobs[0] = job{}
		q.jobs = q.jobs[1:]
		p.count(q, -1, -j.size)
		p.mu.Unlock()
		j.do()
		p.mu.Lock()
		if len(q.jobs) > 0 { // let the others have a turn
			q.peer.slots--
			if other := p.next(); other != nil {
				p.ready = append(p.ready, q)
				q = other
			} else {
				q.peer.slots++
			}
		}
		p.mu.Unlock()
	}
}
