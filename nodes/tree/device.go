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

// Pauses before a device is opened again, and how long one may take to stop. Set
// by tests only.
var (
	firstPause = time.Second
	lastPause  = time.Minute
	stopTime   = 10 * time.Second
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
	over   chan struct{} // closed when it has stopped for good

	mu      sync.Mutex // held while the device is opened, or told of a change
	version uint64     // of the tree that it was opened with
	dev     nodes.Device
	why     error // why there is none

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
	t.devices[d] = struct{}{}
	t.supervised.Go(func() {
		defer close(d.over)
		d.supervise(ctx)
		t.mu.Lock()
		delete(t.devices, d)
		t.mu.Unlock()
	})
}

// own gives a device the node and what is below it, up to the next that connects.
func own(n *node, d *device) {
	n.owner = d
	for _, c := range n.children {
		if !c.typ.Connects {
			own(c, d)
		}
	}
}

// end stops the device without waiting.
func (d *device) end() { d.cancel() }

// supervise opens and runs the device, again with growing pauses when it cannot
// go on, until ctx ends.
func (d *device) supervise(ctx context.Context) {
	pause := firstPause
	for {
		began := now()
		err := d.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil {
			err = errors.New("it stopped without saying why")
		}
		if now().Sub(began) > lastPause {
			pause = firstPause
		}
		wait := pause/2 + rand.N(pause)
		d.t.log.Warn("device stopped", "node", d.id, "error", err, "again_in", wait.Round(time.Millisecond))
		d.t.fault(d, d.id, nodes.Message{Severity: nodes.SeverityError, EventID: faultEvent,
			Text: fmt.Sprintf("The device cannot be used: %v. It is tried again by itself.", err)})
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
		pause = min(2*pause, lastPause)
	}
}

func (d *device) run(ctx context.Context) error {
	h := &host{d: d, log: d.t.log.With("node", d.id)}
	defer h.closed.Store(true)
	dev, err := d.open(h)
	if err != nil {
		return err
	}
	d.t.clearAll(d) // what an earlier opening said
	d.t.wakeInterest()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	d.t.supervised.Go(func() { done <- guard(ctx, dev) })
	settled := time.After(firstPause)
	for running := true; running; {
		select {
		case err = <-done:
			running = false
		case <-settled: // not at once: the state of one that falls over again and again would flicker
			d.t.clear(d, d.id, faultEvent)
		case <-ctx.Done():
			select {
			case err = <-done:
			case <-time.After(stopTime):
				d.t.log.Error("device does not stop; the hub waits for it", "node", d.id, "after", stopTime)
				err = <-done
			}
			running = false
		}
	}
	d.mu.Lock()
	d.dev, d.why = nil, err
	d.mu.Unlock()
	return err
}

// guard turns a panic of a device into an error: one adapter's fault must not
// take down the others.
func guard(ctx context.Context, dev nodes.Device) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fault of its adapter: %v", r)
		}
	}()
	return dev.Run(ctx)
}

func (d *device) open(h nodes.Host) (nodes.Device, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.t.mu.RLock()
	snapshot := d.node.export(func(n *node) bool { return n.typ.Connects })
	d.version = d.t.version
	d.t.mu.RUnlock()
	d.dev, d.why = d.t.cfg.Opener.Open(snapshot, h)
	return d.dev, d.why
}

// update tells the device of a change, unless it was opened with it.
func (d *device) update(c nodes.Change, version uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dev != nil && version > d.version {
		d.dev.Update(c)
	}
}

// current returns the running device, or why there is none.
func (d *device) current() (nodes.Device, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dev == nil && d.why == nil {
		return nil, errors.New("the device is being opened")
	}
	return d.dev, d.why
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

func (h *host) Shelf() nodes.Shelf { return h.d.t.cfg.Store.Shelf(h.d.id) }

func (h *host) Log() *slog.Logger { return h.log }
