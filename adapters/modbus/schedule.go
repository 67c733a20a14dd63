package modbus

import (
	"math"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// now is the present moment.
func (d *device) now() moment { return time.Since(d.lines.epoch) }

// interval returns how often a point is read, and how often it is at least.
func (d *device) interval(p *point) (every, configured time.Duration) {
	configured = p.interval
	if configured == 0 {
		configured = p.unit.cfg.interval
	}
	if configured == 0 {
		configured = d.cfg.interval
	}
	every = configured
	if len(d.wishes) == 0 {
		return every, configured
	}
	for _, id := range [...]string{p.id, p.unit.id, d.id} {
		if wish, ok := d.wishes[id]; ok {
			every = min(every, max(wish, d.cfg.shortest))
		}
	}
	return every, configured
}

// wanted tells whether the interest changes how often a point is read.
func (d *device) wanted(u *unit) bool {
	for _, p := range u.points {
		if every, _ := d.interval(p); every != p.every {
			return true
		}
	}
	return false
}

// replan makes the blocks of a unit anew. Those that stay the same keep their
// times.
func (d *device) replan(u *unit) {
	d.settle(u)
	type group struct {
		table wire.Table
		every time.Duration
	}
	groups := make(map[group][]item)
	var order []group
	for _, p := range u.points {
		every, configured := d.interval(p)
		p.every, p.maxAge = every, configured+configured/2
		if p.bad {
			every = max(every, d.timing.refuse)
		}
		g := group{p.table, every}
		if groups[g] == nil {
			order = append(order, g)
		}
		groups[g] = append(groups[g], u.item(p))
	}
	type key struct {
		group
		first, words int
	}
	old := make(map[key]*block, len(u.blocks))
	for _, b := range u.blocks {
		old[key{group{b.table, b.every}, b.first, b.words}] = b
	}
	now := d.now()
	u.blocks = u.blocks[:0:0]
	for _, g := range order {
		for _, x := range plan(groups[g], u.limits(g.table), &u.known[g.table]) {
			k := key{g, x.first, x.words}
			b := old[k]
			if b == nil {
				b = &block{table: g.table, every: g.every, unit: u}
				d.stagger(b, now, x.items[0].alone)
			}
			delete(old, k) // two alike do not share one
			b.batch = x
			u.blocks = append(u.blocks, b)
		}
	}
	d.replanned = true
}

// requeue fills the queue after plans changed.
func (d *device) requeue() {
	d.replanned = false
	clear(d.queue)
	d.queue = d.queue[:0]
	var order uint32
	for _, u := range d.units {
		u.resting = d.line.health.rests(u.peer)
		for _, b := range u.blocks {
			b.order, order = order, order+1
			if !u.resting {
				d.queue = append(d.queue, b)
			}
		}
	}
	d.queue.tidy()
	d.nextProbe = 0
	d.reckon()
}

// slots is how many times within an interval (a second at most) there are at which
// blocks begin, and shortestSlot the shortest distance of two.
const (
	slots        = 4
	shortestSlot = 10 * time.Millisecond
)

// stagger gives a new block its times: the first soon, within a second, so that
// there is a value; then a phase of its own within the interval, so that blocks
// do not come in bunches. The golden ratio spreads any number of them evenly. The
// times are those of slots, the same for all lines: what is due in one is done in
// one go, since to wake up costs more than a request.
func (d *device) stagger(b *block, now moment, tried bool) {
	_, d.phase = math.Modf(d.phase + 0.6180339887498949)
	soon := min(b.every, time.Second)
	slot := max(shortestSlot, soon/slots)
	at := func(span time.Duration) moment {
		return (now + time.Duration(d.phase*float64(span))).Truncate(slot)
	}
	b.anchor = at(b.every)
	b.next = max(at(soon), now)
	if tried {
		b.next = now + b.every
	}
}

// advance sets the next time of a block that was just read, on its own grid: what
// was missed is left out, never made up for. Where intervals are stretched there is
// no grid, only a place behind the others.
func (d *device) advance(b *block, now moment) {
	if every := d.stretch.of(b.every); every > b.every {
		b.next = now + every
		return
	}
	b.next = b.anchor
	if late := now - b.anchor; late >= 0 {
		b.next = b.anchor + (late/b.every+1)*b.every
	}
}

// due is when a block may be read: earlier than its turn where its interval is
// stretched and the line has time after all.
func (d *device) due(b *block) moment {
	return b.next - (d.stretch.of(b.every) - b.every)
}

// step does the most pressing thing, if any is due, and returns how long there is
// nothing to do. What somebody waits for comes first, then what is due, then units
// that are silent or were never heard, unless they have waited long.
func (d *device) step() time.Duration {
	if u := d.nextUrgent(); u != nil {
		d.readUrgent(u)
		return 0
	}
	if d.replanned {
		d.requeue()
	}
	const never = time.Hour
	if d.down != nil {
		if wait := time.Until(d.retry); wait > 0 {
			return min(wait, never)
		}
	}
	now := d.now()
	if now >= d.nextChores {
		d.nextChores = now + chorePause
		d.chores()
	}
	if d.down != nil { // whatever comes next shows whether there is a connection
		if len(d.queue) > 0 {
			d.poll(d.queue[0])
			return 0
		}
		d.nextProbe = 0
	}
	if now >= d.nextProbe {
		if u, at := d.nextSilent(now); u != nil && (at <= now-overdue || at <= now && (len(d.queue) == 0 || d.due(d.queue[0]) > now)) {
			d.probe(u)
			return 0
		}
	}
	wake := min(d.nextChores, d.nextProbe)
	if len(d.queue) > 0 {
		b := d.queue[0]
		at := d.due(b)
		if at <= now {
			d.poll(b)
			return 0
		}
		wake = min(wake, at)
	}
	return max(wake-now, time.Millisecond)
}
