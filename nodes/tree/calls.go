package tree

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// How long people wait for a device after the time that they gave it, and after
// its session has ended.
const (
	setGrace   = 5 * time.Second        // the answer to a write that was sent, or the device's time-out
	abortGrace = 500 * time.Millisecond // the end of a command
	endGrace   = time.Second
)

// How many calls of one device may be under way, those that nobody waits for any
// more included. More are refused.
const (
	maxSets     = 32
	maxCommands = 8 // commands and queries together
)

var (
	errWrites   = fmt.Errorf("the device is busy with %d other writes; try again later", maxSets)
	errCommands = fmt.Errorf("%d commands and queries of the device are running already; wait for one to end, or abort one", maxCommands)
	errNoSetter = errors.New("fault of its adapter: the device cannot be written")
	errNoRunner = errors.New("fault of its adapter: the device runs no commands")
)

// refusal is the kind of the errors with which calls are refused.
func refusal(err error) nodes.ErrorKind {
	switch err {
	case errWrites, errCommands:
		return nodes.Exhausted
	case errNoSetter, errNoRunner:
		return nodes.Unsupported
	}
	return nodes.Unreachable
}

// calling is a call of a device that somebody waits for.
type calling struct {
	done chan struct{} // closed when it has returned
	err  error         // of a panic; read when done is closed
}

// begin calls the device in a goroutine of its own, unless the session is over or
// most such calls are under way; running counts them.
func (s *session) begin(running *int, most int, full error, call func()) (*calling, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.over:
		return nil, errStopped
	case *running >= most:
		return nil, full
	}
	*running++
	c := &calling{done: make(chan struct{})}
	s.d.t.supervised.Go(func() { // the session is one of them, and has not ended
		defer close(c.done)
		c.err = s.guard(call)
		s.mu.Lock()
		defer s.mu.Unlock()
		*running--
	})
	return c, nil
}

// wait waits for a call, or until enough is closed: after the end of ctx as long as
// patient, after that of the session not long. It tells whether the call has
// returned; if not, nobody waits for it any more. cancel ends the context of the
// call, and is always called.
func (s *session) wait(ctx context.Context, c *calling, enough <-chan struct{}, patient time.Duration, cancel func()) bool {
	defer cancel()
	ended := s.ended
	select {
	case <-c.done:
		return true
	case <-enough:
		return false
	case <-ctx.Done():
	case <-ended:
		patient, ended = min(patient, endGrace), nil
	}
	cancel()
	timer := time.NewTimer(patient)
	defer timer.Stop()
	for {
		select {
		case <-c.done:
			return true
		case <-enough:
			return false
		case <-timer.C:
			return false
		case <-ended:
			ended = nil
			timer.Reset(min(patient, endGrace))
		}
	}
}

// set writes values. An error says that the device was not called.
func (s *session) set(ctx context.Context, list []nodes.Setting) ([]nodes.Outcome, error) {
	setter, ok := s.device().(nodes.Setter)
	if !ok {
		return nil, errNoSetter
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	t := &tally{list: make([]nodes.Outcome, len(list)), open: len(list), full: make(chan struct{})}
	c, err := s.begin(&s.sets, maxSets, errWrites, func() { setter.Set(inner, list, t.take) })
	if err != nil {
		return nil, err
	}
	switch returned := s.wait(ctx, c, t.full, setGrace, cancel); {
	case !returned && s.isOver():
		err = errStopped
	case !returned:
		err = fmt.Errorf("the device has not said so within %v of the end of its time", setGrace)
	case c.err != nil:
		err = c.err
	default:
		err = errors.New("fault of its adapter: it did not say so")
	}
	out, odd := t.close(&nodes.Error{Op: "set", Ref: s.d.t.reference(s.d.id), Kind: nodes.Timeout, Err: err})
	if odd > 0 {
		s.d.t.log.Warn("adapter gave outcomes that make no sense", "node", s.d.id, "settings", len(list), "outcomes", odd)
	}
	return out, nil
}

// device returns the device; nil when it is not there yet.
func (s *session) device() nodes.Device {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dev
}

// tally gathers what has become of settings. Safe for concurrent use.
type tally struct {
	mu     sync.Mutex
	list   []nodes.Outcome
	open   int           // still missing
	full   chan struct{} // closed when none is
	closed bool
	odd    int // outcomes of nothing, twice, or of no end
}

// take takes the outcome of one setting, the first that is final.
func (t *tally) take(i int, o nodes.Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	if i < 0 || i >= len(t.list) || t.list[i].State != 0 || !o.State.Final() || o.State > nodes.WriteSkipped {
		t.odd++
		return
	}
	switch {
	case o.State.Good():
		o.Err = nil
	case o.Err == nil:
		o.Err = errors.New("the device does not say why")
	}
	if o.Time.IsZero() {
		o.Time = now()
	}
	t.list[i] = o
	if t.open--; t.open == 0 {
		close(t.full)
	}
}

// close ends the taking and returns the outcomes. Those that are missing are
// unknown, and why.
func (t *tally) close(why error) (list []nodes.Outcome, odd int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for i := range t.list {
		if t.list[i].State == 0 {
			t.list[i] = nodes.Outcome{State: nodes.WriteUnknown, Time: now(), Err: why}
		}
	}
	return t.list, t.odd
}

// execute runs a command. Its error is that of the device, or one of ours.
func (s *session) execute(ctx context.Context, node, command string, p nodes.Params) error {
	commander, ok := s.device().(nodes.Commander)
	if !ok {
		return errNoRunner
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	var result error // read when the call has returned
	c, err := s.begin(&s.commands, maxCommands, errCommands, func() { result = commander.Execute(inner, node, command, p) })
	if err != nil {
		return err
	}
	switch returned := s.wait(ctx, c, nil, abortGrace, cancel); {
	case !returned && s.isOver():
		return fmt.Errorf("%w; nobody knows whether the command was done", errStopped)
	case !returned:
		return fmt.Errorf("nobody knows whether the command was done: the device goes on with it, though its time is over (%w)", ctx.Err())
	case c.err != nil:
		return c.err
	case s.isOver() && errors.Is(result, context.Canceled):
		return fmt.Errorf("%w; the command was not finished", errStopped)
	case ctx.Err() != nil && gaveUp(ctx, result):
		return fmt.Errorf("given up before the command was finished: %w", ctx.Err())
	}
	return result
}

// gaveUp tells whether a device ended because ctx did. It may see the end of ctx as a
// cancelled context, whatever ended it.
func gaveUp(ctx context.Context, result error) bool {
	return errors.Is(result, ctx.Err()) || errors.Is(result, context.Canceled)
}

// offer is a finding on its way to whoever asked.
type offer struct {
	finding nodes.Finding
	taken   chan error // 1
}

// query runs a query. put is called only by the caller's goroutine, so never after
// query has returned; what the device puts after the end is dropped. putErr is that
// of put, and then the result.
func (s *session) query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) (putErr, err error) {
	commander, ok := s.device().(nodes.Commander)
	if !ok {
		return nil, errNoRunner
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	offers := make(chan offer)
	over := make(chan struct{})
	defer close(over)
	give := func(f nodes.Finding) error {
		o := offer{f, make(chan error, 1)}
		select {
		case <-over:
			return errGivenUp
		case <-inner.Done():
			return inner.Err()
		case offers <- o:
		}
		select {
		case err := <-o.taken:
			return err
		case <-over:
			return errGivenUp
		}
	}
	var result error // read when the call has returned
	c, err := s.begin(&s.commands, maxCommands, errCommands, func() { result = commander.Query(inner, node, command, p, give) })
	if err != nil {
		return nil, err
	}
	for more := true; more; {
		select {
		case <-c.done:
			more = false
		case <-ctx.Done():
			more = false
		case <-s.ended:
			more = false
		case o := <-offers:
			if o.finding != nil && ctx.Err() == nil {
				putErr = put(o.finding)
			}
			o.taken <- putErr
			more = putErr == nil
		}
	}
	if putErr != nil {
		cancel()
	}
	returned := s.wait(inner, c, nil, abortGrace, cancel)
	switch {
	case putErr != nil:
		return putErr, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the query was aborted: %w", ctx.Err())
	case returned && c.err != nil:
		return nil, c.err
	case !returned, s.isOver() && errors.Is(result, context.Canceled):
		return nil, errStopped
	}
	return nil, result
}
