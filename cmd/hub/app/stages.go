package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// stages are the parts of a running hub. They stop in the reverse of the order in
// which they were started, each after those that depend on it.
type stages struct {
	parent context.Context // its values; its end stops nothing by itself
	failed chan error      // the first part that ended by itself

	mu   sync.Mutex
	list []*stage
}

type stage struct {
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

func newStages(ctx context.Context) *stages {
	return &stages{parent: context.WithoutCancel(ctx), failed: make(chan error, 1)}
}

// start runs a part until stop.
func (s *stages) start(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(s.parent)
	g := &stage{name: name, cancel: cancel, done: make(chan struct{})}
	s.mu.Lock()
	s.list = append(s.list, g)
	s.mu.Unlock()
	go func() {
		defer close(g.done)
		g.err = run(ctx)
		if ctx.Err() == nil {
			err := g.err
			if err == nil {
				err = errors.New("ended by itself")
			}
			select {
			case s.failed <- fmt.Errorf("%s: %w", name, err):
			default:
			}
		}
	}()
}

// stop stops all parts, the last one first, and returns what went wrong while they
// stopped.
func (s *stages) stop() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for i := len(s.list) - 1; i >= 0; i-- {
		g := s.list[i]
		running := true
		select {
		case <-g.done:
			running = false // told by failed
		default:
		}
		g.cancel()
		<-g.done
		if running && g.err != nil && !errors.Is(g.err, context.Canceled) {
			errs = append(errs, fmt.Errorf("%s: %w", g.name, g.err))
		}
	}
	s.list = nil
	return errors.Join(errs...)
}
