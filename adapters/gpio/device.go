package gpio

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// device is a chip with its lines.
type device struct {
	id     string
	host   nodes.Host
	tap    *sniffer.Tap
	log    *slog.Logger
	system cdev.System
	locks  *interlocks
	timing timing

	inbox inbox
	tried chan struct{} // closed when the chip was looked for once
	ended chan struct{} // closed when Run is over
	wait  sync.WaitGroup

	mu      sync.Mutex // guards all below; lines and the host are called under it
	cfg     chipConfig
	pins    []*pin // in the order of the tree
	byID    map[string]*pin
	running bool

	chip    cdev.Chip // nil when there is none
	info    cdev.ChipInfo
	names   map[string][]int  // offsets, by name in lower case
	aliases map[string]string // lines, by pin of the board
	absent  *nodes.Error      // why there is no chip
	crashed bool              // the last Run did not end, in this boot of the machine

	surveyed time.Time // when it was looked who uses lines
	others   string    // who does, but for the nodes

	look time.Time // when to look for the chip, or whether it is there
	tick time.Time // when to tell values that change without an edge
	save time.Time // when to put counts on the shelf
}

// pin is an input or output node.
type pin struct {
	id, name string
	in       *inputConfig // of an input, never changed
	out      *outputConfig

	line   cdev.Line     // nil when it could not be had
	stop   chan struct{} // closed when the line is given back
	offset int
	place  string // "line 17 (GPIO17) of gpiochip0"
	fail   *nodes.Error
	absent string // why there is no chip, as it was told last
	retry  time.Time

	meter    meter
	recalled bool      // what was kept is in the meter
	dirty    bool      // what is to be kept changed
	at       time.Time // when the level came to be
	told     told

	output output
}

// inbox is what other goroutines want of Run.
type inbox struct {
	mu      sync.Mutex
	changes []nodes.Change
	broken  []broken
	wake    chan struct{}
}

// broken is a line that failed.
type broken struct {
	pin  *pin
	line cdev.Line
	err  error
}

func open(e adapters.Env, s cdev.System, locks *interlocks, t timing) (nodes.Device, error) {
	d := &device{
		id: e.Node.ID, host: e.Host, tap: e.Tap, log: e.Host.Log(), system: s, locks: locks, timing: t,
		inbox: inbox{wake: make(chan struct{}, 1)}, tried: make(chan struct{}), ended: make(chan struct{}),
		byID: make(map[string]*pin),
	}
	d.cfg = readChip(&e.Node.Spec)
	if d.cfg.chip == "" {
		return nil, nodes.Errorf(nodes.Invalid, "open", nodes.In(d.id), "Chip is needed")
	}
	e.Node.Walk(func(n *nodes.Node) bool {
		if n != e.Node {
			d.put(&n.Spec)
		}
		return true
	})
	return d, nil
}

// Run implements [nodes.Device].
func (d *device) Run(ctx context.Context) error {
	d.mu.Lock()
	d.running = true
	d.begin()
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.finish()
		d.mu.Unlock()
		d.wait.Wait()
		close(d.ended)
	}()
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for first := true; ctx.Err() == nil; first = false {
		next := d.step(time.Now())
		if first {
			close(d.tried)
		}
		timer.Reset(max(time.Until(next), 0))
		select {
		case <-ctx.Done():
		case <-d.inbox.wake:
		case <-timer.C:
		}
	}
	return nil
}

// step does what is due, and returns when to come again.
func (d *device) step(now time.Time) (next time.Time) {
	d.inbox.mu.Lock()
	changes, failed := d.inbox.changes, d.inbox.broken
	d.inbox.changes, d.inbox.broken = nil, nil
	d.inbox.mu.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range changes {
		d.change(c)
	}
	for _, b := range failed {
		d.lineFailed(b)
	}
	d.lookAfterChip(now)
	next = d.look
	soonest := func(t time.Time) {
		if !t.IsZero() && t.Before(next) {
			next = t
		}
	}
	if d.chip != nil {
		for _, p := range d.pins {
			if p.line == nil && !now.Before(p.retry) {
				d.acquire(p, now)
			}
			switch {
			case p.line == nil:
				soonest(p.retry)
			case p.out != nil:
				soonest(d.advance(p, now))
			}
		}
	}
	soonest(d.chores(now))
	return next
}

// begin is the beginning of Run.
func (d *device) begin() {
	boot := d.timing.boot
	if boot == "" {
		boot = cdev.Boot()
	}
	before, ok := d.host.Shelf().Get(keyRunning)
	d.crashed = ok && boot != "" && string(before) == boot
	d.host.Shelf().Put(keyRunning, []byte(boot))
	if d.crashed {
		d.log.Warn("the hub did not stop properly: outputs begin with their safe values")
	}
}

// finish is the end of Run: outputs take their safe values, lines are given back.
func (d *device) finish() {
	for _, p := range d.pins {
		d.release(p)
	}
	d.closeChip()
	d.saveAll()
	d.host.Shelf().Delete(keyRunning)
	d.running = false
}

// keyRunning is the record of the shelf that says that Run has not ended yet: the
// name of the machine's boot.
const keyRunning = "running"

// Update implements [nodes.Device].
func (d *device) Update(c nodes.Change) {
	d.inbox.mu.Lock()
	d.inbox.changes = append(d.inbox.changes, c)
	d.inbox.mu.Unlock()
	d.poke()
}

func (d *device) poke() {
	select {
	case d.inbox.wake <- struct{}{}:
	default:
	}
}

// ready waits until the chip was looked for once.
func (d *device) ready(ctx context.Context) error {
	select {
	case <-d.tried:
		return nil
	default:
	}
	select {
	case <-d.tried:
		return nil
	case <-d.ended:
		return nodes.Errorf(nodes.Gone, "", nodes.In(d.id), "the chip was stopped")
	case <-ctx.Done():
		return &nodes.Error{Ref: nodes.In(d.id), Kind: nodes.Timeout, Err: ctx.Err()}
	}
}

// Read implements [nodes.Reader].
func (d *device) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	if d.ready(ctx) != nil {
		return
	}
	for _, id := range ids {
		if ctx.Err() != nil {
			return
		}
		yield(d.read(id))
	}
}

func (d *device) read(id string) nodes.Reading {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.byID[id]
	switch {
	case !d.running:
		return nodes.Reading{Node: id, Err: failure(nodes.Gone, id, "the chip was stopped")}
	case id == d.id && d.chip != nil:
		d.others = d.usedByOthers()
		return d.chipReading(time.Now())
	case id == d.id:
		return nodes.Reading{Node: id, Err: d.why(nil)}
	case p == nil:
		return nodes.Reading{Node: id, Err: failure(nodes.NotFound, id, "no such line here")}
	case p.line == nil:
		return nodes.Reading{Node: id, Err: d.why(p)}
	}
	level, err := p.line.Get()
	if err != nil {
		d.breaks(p, p.line, err)
		return nodes.Reading{Node: id, Err: failure(nodes.Unreachable, id, p.place+" cannot be read: "+reason(err))}
	}
	return d.reading(p, level, time.Now())
}

// why returns why a pin has no line, or, of no pin, why there is no chip.
func (d *device) why(p *pin) *nodes.Error {
	switch {
	case p != nil && p.fail != nil:
		return p.fail
	case d.absent != nil:
		return d.absent
	}
	return failure(nodes.Unreachable, d.id, "the line was not requested yet")
}

func failure(kind nodes.ErrorKind, id, text string) *nodes.Error {
	return nodes.Errorf(kind, "read", nodes.In(id), text)
}
