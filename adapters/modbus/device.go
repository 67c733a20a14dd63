package modbus

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// device is a gateway with all below it. Everything but the inbox and what look
// shows belongs to the goroutine of Run.
type device struct {
	id     string
	host   nodes.Host
	tap    *sniffer.Tap
	log    *slog.Logger
	lines  *pool
	timing timing

	inbox inbox
	ended chan struct{} // closed when Run is over

	outside outside
	lacks   lacking // which functions units refused as unknown

	// What look shows: changed by Run only, inside alter.
	shape   sync.Mutex
	seen    atomic.Pointer[view]
	cfg     gatewayConfig
	line    *line   // nil before Run and after it
	units   []*unit // in the order of the tree
	points  map[string]*point
	configs map[registerConfig]*registerConfig // one for all that are alike

	call   call
	wishes map[string]time.Duration // interest, by node
	urgent []*unit                  // somebody waits for some of their points

	down    *nodes.Error  // why there is no connection; nil when there is
	retry   time.Time     // when to try again
	tried   moment        // the last attempt
	lastEnd moment        // of the last transaction
	took    time.Duration // of the last answer
	phase   float64       // spreads starts over the interval
	out     []nodes.Reading

	plan       load // what polling of the whole line takes
	stretch    stretch
	warned     bool            // that the line cannot carry all
	overbooked bool            // with what the stretch is now
	told       map[string]bool // nodes that show that interest cannot be met

	statistics statistics

	queue     queue  // of the units that do not rest
	replanned bool   // it has to be made anew
	nextProbe moment // when to look for a unit that rests and may be asked

	nextChores moment
}

// unit is a unit node.
type unit struct {
	id      string
	cfg     unitConfig
	force   unitConfig // with what was learned, as look shows it
	points  []*point
	blocks  []*block
	known   [5]learned // by table
	refused [5]int     // points refused with another exception than 2, by table
	queued  bool       // in device.urgent

	peer    *peer        // what the line knows of it; nil before Run
	resting bool         // asked by probes only: silent, or never heard
	silent  *nodes.Error // why it counts as silent; nil when it answers, or was never heard
	asked   moment       // last attempt
	turn    int          // which of its blocks the last probe asked for
	counts  counts
	unsaved bool      // what was learned of it is not on the shelf yet
	since   time.Time // when the first of that was learned
}

// point is a register node.
type point struct {
	*registerConfig // never changed, only replaced
	id              string
	unit            *unit
	every           time.Duration // how often it is read, with interest
	maxAge          time.Duration
	bad             bool // refused by itself: illegal address
	refused         bool // refused otherwise
	stale           bool // to be read soon: refresh
	waiters         []waiter
}

// block is one request that is repeated.
type block struct {
	batch
	table  wire.Table
	unit   *unit
	order  uint32 // in the plan
	every  time.Duration
	next   moment
	anchor moment        // its times are this plus multiples of every
	took   time.Duration // its transaction, on average
}

// inbox is what other goroutines want of Run.
type inbox struct {
	mu       sync.Mutex
	changes  []nodes.Change
	interest []nodes.Interest
	interset bool // interest was set
	reads    []*readCall
	notes    []note
	refresh  map[string]bool
	forget   []string // units
	wake     chan struct{}
}

func open(e adapters.Env, lines *pool, t timing) (nodes.Device, error) {
	d := &device{
		id: e.Node.ID, host: e.Host, tap: e.Tap, log: e.Host.Log(), lines: lines, timing: t,
		inbox: inbox{wake: make(chan struct{}, 1)},
		ended: make(chan struct{}), outside: outside{begun: make(chan struct{})},
		cfg: readGateway(&e.Node.Spec), points: make(map[string]*point), configs: make(map[registerConfig]*registerConfig),
	}
	if d.cfg.endpoint.addr == "" || d.cfg.timeout <= 0 || d.cfg.interval <= 0 {
		return nil, nodes.Errorf(nodes.Invalid, "open", nodes.In(d.id), "its address, Timeout and PollInterval are needed")
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
	d.alter(func() { d.line = d.lines.acquire(d.cfg.endpoint) })
	for _, u := range d.units {
		d.adopt(u)
	}
	d.outside.begin(ctx)
	defer func() {
		d.save()
		d.line.budget.want(d, nil)
		close(d.ended)
		d.outside.end()
		d.lines.release(d.line)
		d.alter(func() { d.line = nil })
	}()
	d.call = call{ctx: ctx, tap: d.tap}
	for _, u := range d.units {
		d.replan(u)
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		d.takeInbox()
		if ctx.Err() != nil {
			return nil
		}
		wait := d.step()
		if wait <= 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return nil
		case <-d.inbox.wake:
		case <-timer.C:
		}
	}
}

// Update implements [nodes.Device].
func (d *device) Update(c nodes.Change) {
	d.inbox.mu.Lock()
	d.inbox.changes = append(d.inbox.changes, c)
	d.inbox.mu.Unlock()
	d.poke()
}

// Interest implements [nodes.Interested].
func (d *device) Interest(list []nodes.Interest) {
	d.inbox.mu.Lock()
	d.inbox.interest, d.inbox.interset = append([]nodes.Interest(nil), list...), true
	d.inbox.mu.Unlock()
	d.poke()
}

func (d *device) poke() {
	select {
	case d.inbox.wake <- struct{}{}:
	default:
	}
}

// takeInbox does what others want, in the order changes, interest, notes, reads.
func (d *device) takeInbox() {
	d.inbox.mu.Lock()
	changes, interest, interset, reads := d.inbox.changes, d.inbox.interest, d.inbox.interset, d.inbox.reads
	notes, refresh, forget := d.inbox.notes, d.inbox.refresh, d.inbox.forget
	d.inbox.changes, d.inbox.interest, d.inbox.interset, d.inbox.reads = nil, nil, false, nil
	d.inbox.notes, d.inbox.refresh, d.inbox.forget = nil, nil, nil
	d.inbox.mu.Unlock()
	for _, c := range changes {
		d.change(c)
	}
	if interset {
		d.wishes = make(map[string]time.Duration, len(interest))
		for _, i := range interest {
			if have, ok := d.wishes[i.Node]; i.Interval > 0 && (!ok || i.Interval < have) {
				d.wishes[i.Node] = i.Interval
			}
		}
		for _, u := range d.units {
			if d.wanted(u) {
				d.replan(u)
			}
		}
		d.tellInterest()
	}
	for _, n := range notes {
		d.hearNote(n)
	}
	for _, id := range forget {
		if u := d.unit(id); u != nil {
			d.forget(u)
			d.replan(u)
		}
	}
	for id := range refresh {
		if p := d.points[id]; p != nil && p.unit.silent == nil {
			p.stale = true
			d.await(p.unit, p)
		}
	}
	for _, r := range reads {
		d.begin(r)
	}
}

// where names a request for people.
func (d *device) where(u *unit, r wire.ReadRequest) string {
	return d.place(u, what(r))
}

func what(r wire.ReadRequest) string { return fmt.Sprintf("function %d, %s", r.Table.Function(), r) }

func (d *device) place(u *unit, what string) string {
	return fmt.Sprintf("%s, unit %d, %s", d.line.addr, u.cfg.id, what)
}

func failure(kind nodes.ErrorKind, id, text string) *nodes.Error {
	return nodes.Errorf(kind, "read", nodes.In(id), text)
}
