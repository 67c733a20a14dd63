package sniffer

import (
	"context"
	"sync"
	"time"
)

// Subscription receives the events of a tap until it is closed or expires.
type Subscription struct {
	tap     *Tap
	accept  func(node string) bool
	expires time.Time
	wake    chan struct{} // 1: something to take, or the end

	mu      sync.Mutex
	queue   []Event // oldest first, at most limit
	limit   int
	dropped int
	ended   bool
}

// Subscribe listens until expires. accept filters by node and may be nil; it
// must be quick. At most limit events wait (256 when 0); when the listener is
// slower than the line, the oldest are dropped and counted. Nothing is received
// from a nil tap. The caller must Close the subscription.
func (t *Tap) Subscribe(expires time.Time, limit int, accept func(node string) bool) *Subscription {
	if limit <= 0 {
		limit = 256
	}
	s := &Subscription{tap: t, accept: accept, expires: expires, limit: limit, wake: make(chan struct{}, 1)}
	if t != nil {
		t.mu.Lock()
		t.list[s] = struct{}{}
		t.mu.Unlock()
		t.subs.Add(1)
	}
	return s
}

// Expires returns when the subscription ends by itself.
func (s *Subscription) Expires() time.Time { return s.expires }

// Next waits for events and returns all that are waiting, oldest first, with the
// count of those dropped since the last call. ok is false when the subscription
// has ended: closed, expired (the last event then is [Expired]) or ctx done.
func (s *Subscription) Next(ctx context.Context) (events []Event, dropped int, ok bool) {
	timer := time.NewTimer(time.Until(s.expires))
	defer timer.Stop()
	for {
		s.mu.Lock()
		events, dropped, s.queue, s.dropped = s.queue, s.dropped, nil, 0
		ended := s.ended
		s.mu.Unlock()
		switch {
		case len(events) > 0 || dropped > 0:
			return events, dropped, true
		case ended:
			return nil, 0, false
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, 0, false
		case <-timer.C:
			s.Close()
			return []Event{{Time: time.Now(), Kind: Expired}}, 0, false
		}
	}
}

// Close ends the subscription; it may be called more than once, from anywhere.
func (s *Subscription) Close() {
	s.mu.Lock()
	ended := s.ended
	s.ended = true
	s.mu.Unlock()
	if ended {
		return
	}
	if t := s.tap; t != nil {
		t.mu.Lock()
		delete(t.list, s)
		t.mu.Unlock()
		t.subs.Add(-1)
	}
	s.signal()
}

// put is called with the tap locked.
func (s *Subscription) put(e Event) {
	if s.accept != nil && e.Node != "" && !s.accept(e.Node) {
		return
	}
	s.mu.Lock()
	if !s.ended {
		if len(s.queue) >= s.limit {
			s.queue = s.queue[1:]
			s.dropped++
		}
		s.queue = append(s.queue, e)
	}
	s.mu.Unlock()
	s.signal()
}

func (s *Subscription) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}
