package tree

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// patience is how long a change waits for a device to take it; a device that needs
// longer takes it later. Set by tests only.
var patience = 250 * time.Millisecond

// grace is how long a readout that has ended waits for devices to say why they
// have no answer.
const grace = 100 * time.Millisecond

// session is one opening of a device. All calls of a device but Run and Open pass
// through it: a device that hangs or panics holds up nobody else. One that hangs
// in Update or Interest for longer than stopTime, or panics, is stopped and opened
// again.
type session struct {
	d       *device
	version uint64 // of the tree that it was opened with
	cancel  context.CancelCauseFunc
	ended   chan struct{} // closed when no more calls are made
	wake    chan struct{} // 1: something to deliver

	mu       sync.Mutex
	dev      nodes.Device // nil while it is being opened
	over     bool
	late     bool // it did not take a change in time, and has not yet
	queue    []delivery
	wishes   []nodes.Interest // to be told
	told     []nodes.Interest // what it knows
	toldOnce bool
	sets     int // calls that have not returned
	commands int // the same
}

// delivery is a change on its way to a device.
type delivery struct {
	change nodes.Change
	done   chan struct{} // closed when the device has taken it, or never will
}

func newSession(d *device, version uint64, cancel context.CancelCauseFunc) *session {
	return &session{d: d, version: version, cancel: cancel, ended: make(chan struct{}), wake: make(chan struct{}, 1)}
}

// post hands over a change. The channel is closed when the device has taken it; it
// is nil when there is no need, or no point, to wait.
func (s *session) post(c nodes.Change) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil
	}
	done := make(chan struct{})
	s.queue = append(s.queue, delivery{c, done})
	s.signal()
	if s.late {
		return nil
	}
	return done
}

// overdue notes that the device has not taken a change in time, unless it has: the
// next ones do not wait.
func (s *session) overdue(taken <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-taken:
	default:
		s.late = true
	}
}

// wish hands over the interest in the device's nodes, in place of what is not yet
// told.
func (s *session) wish(list []nodes.Interest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wishes = append([]nodes.Interest{}, list...) // never nil: nobody is interested
	s.signal()
}

// opened tells whether the device is there to be called.
func (s *session) opened() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dev != nil && !s.over
}

func (s *session) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// deliver tells the device of changes and interest, in order, until the session
// ends.
func (s *session) deliver() {
	for {
		select {
		case <-s.wake:
		case <-s.ended:
			return
		}
		for {
			s.mu.Lock()
			queue, wishes := s.queue, s.wishes
			s.queue, s.wishes = nil, nil
			over := s.over
			s.mu.Unlock()
			if over || len(queue) == 0 && wishes == nil {
				drop(queue)
				break
			}
			for _, x := range queue {
				s.call("take a change", func() { s.dev.Update(x.change) })
				s.taken(x.done)
			}
			if wishes != nil && !(s.toldOnce && slices.Equal(wishes, s.told)) {
				if i, ok := s.dev.(nodes.Interested); ok {
					s.told, s.toldOnce = wishes, true
					s.call("take the interest in its values", func() { i.Interest(slices.Clone(wishes)) })
				}
			}
		}
	}
}

// taken tells that the device has taken a change.
func (s *session) taken(done chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(done)
	s.late = false
}

// call calls the device, which has stopTime for it.
func (s *session) call(what string, f func()) {
	select {
	case <-s.ended:
		return
	default:
	}
	timer := time.AfterFunc(stopTime, func() {
		s.broke(fmt.Errorf("fault of its adapter: it did not %s within %v", what, stopTime))
	})
	defer timer.Stop()
	s.guard(f)
}

// guard turns a panic of a device into an end of its session: one adapter's fault
// must not take down the others.
func (s *session) guard(f func()) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.d.panicked(r)
			s.broke(err)
		}
	}()
	f()
	return nil
}

// panicked describes a panic of the device's adapter.
func (d *device) panicked(r any) error {
	d.t.log.Error("adapter panicked", "node", d.id, "panic", r, "stack", string(debug.Stack()))
	return fmt.Errorf("%w: %v", errPanicked, r)
}

// read asks the device for nodes and returns when it has answered, when the
// session has ended, or a little after ctx has. It returns why nothing more comes;
// nil: the device has yielded what it has. After the end of ctx that is errGivenUp:
// then free is called as soon as the device may be asked again, because it has
// returned or the session has ended. yield may be called until then.
func (s *session) read(ctx context.Context, ids []string, yield func(nodes.Reading), free func()) error {
	s.mu.Lock()
	reader, ok := s.dev.(nodes.Reader)
	switch {
	case s.over:
		s.mu.Unlock()
		return errStopped
	case !ok:
		s.mu.Unlock()
		return nil // it only ever reports
	}
	calling, cancel := context.WithCancel(ctx)
	defer cancel()
	var err error // of a panic; read when done is closed
	done := make(chan struct{})
	s.d.t.supervised.Go(func() { // the session is one of them, and has not ended
		defer close(done)
		err = s.guard(func() { reader.Read(calling, ids, yield) })
	})
	s.mu.Unlock()
	select {
	case <-done:
	case <-ctx.Done():
	case <-s.ended:
	}
	if ctx.Err() != nil || s.isOver() {
		cancel()
		timer := time.NewTimer(grace)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		}
	}
	if ctx.Err() != nil {
		s.later(done, free)
		return errGivenUp
	}
	select {
	case <-done:
		if err != nil {
			return err
		}
	default:
	}
	if s.isOver() {
		return errStopped
	}
	return nil
}

// later calls free when done is closed or the session has ended.
func (s *session) later(done <-chan struct{}, free func()) {
	select {
	case <-done:
		free()
		return
	default:
	}
	s.mu.Lock()
	over := s.over
	if !over {
		s.d.t.supervised.Go(func() {
			select {
			case <-done:
			case <-s.ended:
			}
			free()
		})
	}
	s.mu.Unlock()
	if over {
		free()
	}
}

func (s *session) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

var (
	errStopped  = errors.New("the device was stopped meanwhile")
	errGivenUp  = errors.New("given up")
	errPanicked = errors.New("fault of its adapter")
)

// broke ends the session of a device that cannot go on, and stops it.
func (s *session) broke(err error) {
	s.cancel(err)
	s.end()
}

// end ends the session: no more calls are begun.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return
	}
	s.over = true
	close(s.ended)
	drop(s.queue)
	s.queue = nil
}

func drop(queue []delivery) {
	for _, x := range queue {
		close(x.done)
	}
}
