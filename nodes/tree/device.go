package tree

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Pauses before a device is opened again, how long one may take to stop, and how
// long one waits for another to be opened. Set by tests only.
var (
	firstPause = time.Second
	lastPause  = time.Minute
	stopTime   = 10 * time.Second
	openTime   = time.Second
)

// faultEvent names the condition that a device cannot be used.
const faultEvent = "Device"

func now() time.Time { return time.Now() }

// device is a connecting node's device and what keeps it alive.
type device struct {
	t      *Tree
	id     string
	node   *node
	cancel context.CancelFunc
	over   chan struct{}   // closed when it has stopped for good
	before <-chan struct{} // over of an earlier device with the same id, which has to stop first; or nil

	mu      sync.Mutex // held briefly, never while the device is called
	session *session   // the present opening, or nil
	why     error      // why there is none

	gone bool // its node was destroyed; guarded by the tree's lock

	reporting sync.Mutex // keeps reports, and those told of them, in order
}

// start makes the device of a node and of all below it that belong to it; the
// tree is locked.
func (t *Tree) start(n *node) {
	ctx, cancel := context.WithCancel(t.ctx)
	d := &device{t: t, id: n.spec.ID, node: n, cancel: cancel, over: make(chan struct{})}
	own(n, d)
	if t.closing {
		cancel()
		close(d.over)
		return
	}
	if earlier := t.devices[d.id]; earlier != nil {
		d.before = earlier.over
		d.why = errors.New("an earlier device with the same id is still stopping")
	}
	t.devices[d.id] = d
	t.supervised.Go(func() {
		defer close(d.over)
		defer cancel()
		d.supervise(ctx)
		t.mu.Lock()
		gone := d.gone
		if t.devices[d.id] == d {
			delete(t.devices, d.id)
		}
		t.mu.Unlock()
		if gone {
			t.cfg.Opener.Forget(d.id) // again: it may have been opened meanwhile
		}
	})
}

// own gives a device the node and what is below it, but for what stands apart.
func own(n *node, d *device) {
	n.owner = d
	for _, c := range n.children {
		if !apart(c) {
			own(c, d)
		}
	}
}

// end stops the device without waiting.
func (d *device) end() { d.cancel() }

// supervise opens and runs the device, again with growing pauses when it cannot
// go on, until ctx ends.
func (d *device) supervise(ctx context.Context) {
	if d.before != nil {
		// Also when ctx ends: whoever comes next waits for both of us.
		<-d.before
	}
	pause := firstPause
	for ctx.Err() == nil {
		began := now()
		err := d.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if now().Sub(began) > lastPause {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause)
		d.t.log.Warn("device stopped", "node", d.id, "error", err, "again_in", wait.Round(time.Millisecond))
		d.say(fmt.Sprintf("The device cannot be used: %v. It is tried again by itself.", err))
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, lastPause)
	}
}

// say shows on the node why the device cannot be used.
func (d *device) say(text string) {
	d.t.fault(d, d.id, nodes.Message{Severity: nodes.SeverityError, EventID: faultEvent, Text: text})
}

// run opens the device and runs it until it cannot go on, or ctx ends. It returns
// why, never nil.
func (d *device) run(ctx context.Context) (err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	h := &host{d: d, log: d.t.log.With("node", d.id)}
	defer h.closed.Store(true)
	s, err := d.prepareAndOpen(ctx, cancel, h)
	defer func() { d.finish(s, err) }()
	if err != nil {
		return err
	}
	d.t.clearAll(d) // what an earlier opening said
	done := make(chan error, 1)
	d.t.supervised.Go(func() { done <- d.guard(ctx, s.dev) })
	d.t.supervised.Go(s.deliver)
	d.t.wakeInterest()
	settled := time.After(firstPause)
	for {
		select {
		case err = <-done:
		case <-settled: // not at once: the state of one that falls over again and again would flicker
			d.t.clear(d, d.id, faultEvent)
			continue
		case <-ctx.Done():
			err = d.stop(s, done)
			if cause := context.Cause(ctx); cause != context.Canceled {
				err = cause
			}
		}
		if err == nil {
			err = errors.New("it stopped without saying why")
		}
		return err
	}
}

// stop waits for a device whose context has ended.
func (d *device) stop(s *session, done <-chan error) error {
	d.finish(s, errors.New("the device is stopping"))
	timer := time.NewTimer(stopTime)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	d.t.log.Error("device does not stop; the hub waits for it", "node", d.id, "after", stopTime)
	d.say(fmt.Sprintf("The device cannot be used: it was told to stop and has not done so for %v. Restart the hub if this stays.", stopTime))
	return <-done
}

// guard turns a panic of a device into an error.
func (d *device) guard(ctx context.Context, dev nodes.Device) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = d.panicked(r)
		}
	}()
	return dev.Run(ctx)
}

// prepareAndOpen opens the device, one at a time: what each is handed is large, and
// needed for a moment only. One that hangs does not hold up the others for long.
func (d *device) prepareAndOpen(ctx context.Context, cancel context.CancelCauseFunc, h nodes.Host) (*session, error) {
	timer := time.NewTimer(openTime)
	defer timer.Stop()
	select {
	case d.t.opening <- struct{}{}:
		defer func() { <-d.t.opening }()
	case <-timer.C:
	case <-ctx.Done():
	}
	s, snapshot := d.prepare(cancel)
	return s, d.open(s, snapshot, h)
}

// prepare begins a session: changes from here on reach the device as such, those
// before are in the snapshot.
func (d *device) prepare(cancel context.CancelCauseFunc) (*session, *nodes.Node) {
	d.t.mu.RLock()
	defer d.t.mu.RUnlock()
	s := newSession(d, d.t.version, cancel)
	d.mu.Lock()
	d.session = s
	d.mu.Unlock()
	return s, d.node.export(apart)
}

func (d *device) open(s *session, snapshot *nodes.Node, h nodes.Host) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = d.panicked(r)
		}
	}()
	dev, err := d.t.cfg.Opener.Open(snapshot, h)
	if err == nil && dev == nil {
		err = errors.New("fault of its adapter: it made no device")
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.dev = dev
	s.mu.Unlock()
	return nil
}

// finish ends a session; why is told to those who ask for the device until it
// runs again.
func (d *device) finish(s *session, why error) {
	s.end()
	d.mu.Lock()
	d.session, d.why = nil, why
	d.mu.Unlock()
}

// update tells the device of a change, unless it was opened with it. The channel,
// when there is one, is closed as soon as the device has taken it.
func (d *device) update(c nodes.Change, version uint64) (*session, <-chan struct{}) {
	d.mu.Lock()
	s := d.session
	d.mu.Unlock()
	if s == nil || version <= s.version {
		return nil, nil
	}
	return s, s.post(c)
}

// current returns the session of the running device, or why there is none.
func (d *device) current() (*session, error) {
	d.mu.Lock()
	s, why := d.session, d.why
	d.mu.Unlock()
	if s != nil && s.opened() {
		return s, nil
	}
	if why == nil {
		why = errors.New("the device is being opened")
	}
	return nil, why
}

// host is what one opening of a device sees of the hub.
type host struct {
	d      *device
	log    *slog.Logger
	closed atomic.Bool
}

func (h *host) Report(list []nodes.Reading) {
	if !h.closed.Load() {
		h.d.t.report(h.d, list)
	}
}

func (h *host) Fault(id string, m nodes.Message) {
	if !h.closed.Load() {
		h.d.t.fault(h.d, id, m)
	}
}

func (h *host) Clear(id string, eventIDs ...string) {
	if !h.closed.Load() {
		h.d.t.clear(h.d, id, eventIDs...)
	}
}

// Create lets a device make nodes below its own.
func (h *host) Create(ctx context.Context, branches []*nodes.Node) error {
	return h.d.t.discovered(ctx, h, branches)
}

// Node returns a node of the device with what is below it.
func (h *host) Node(id string) (*nodes.Node, bool) {
	t := h.d.t
	t.mu.RLock()
	defer t.mu.RUnlock()
	n := t.nodes[id]
	if n == nil || n.owner != h.d || h.closed.Load() {
		return nil, false
	}
	return n.export(apart), true
}

func (h *host) Shelf() nodes.Shelf { return h.d.t.cfg.Store.Shelf(h.d.id) }

func (h *host) Log() *slog.Logger { return h.log }
