package modbus

import (
	"math"
	"slices"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

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
	d.due = nil
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
		groups[g] = append(groups[g], item{p.first, p.words(), p.bad, p})
	}
	type key struct {
		group
		first, words int
	}
	old := make(map[key]*block, len(u.blocks))
	for _, b := range u.blocks {
		old[key{group{b.table, b.every}, b.first, b.words}] = b
	}
	now := time.Now()
	u.blocks = u.blocks[:0:0]
	for _, g := range order {
		for _, x := range plan(groups[g], u.cfg.limits(g.table), &u.known[g.table]) {
			k := key{g, x.first, x.words}
			b := old[k]
			if b == nil {
				b = &block{table: g.table, every: g.every}
				d.stagger(b, now, x.items[0].alone)
			}
			delete(old, k) // two alike do not share one
			b.batch = x
			u.blocks = append(u.blocks, b)
		}
	}
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
func (d *device) stagger(b *block, now time.Time, tried bool) {
	_, d.phase = math.Modf(d.phase + 0.6180339887498949)
	soon := min(b.every, time.Second)
	slot := max(shortestSlot, soon/slots)
	at := func(span time.Duration) time.Time {
		return now.Add(time.Duration(d.phase * float64(span))).Truncate(slot)
	}
	b.anchor = at(b.every)
	if b.next = at(soon); b.next.Before(now) {
		b.next = now
	}
	if tried {
		b.next = now.Add(b.every)
	}
}

// advance sets the next time of a block that was just read, on its own grid: what
// was missed is left out, never made up for.
func (b *block) advance(now time.Time) {
	b.next = b.anchor
	if late := now.Sub(b.anchor); late >= 0 {
		b.next = b.anchor.Add((late/b.every + 1) * b.every)
	}
}

// due is a block whose time has come.
type due struct {
	u *unit
	b *block
}

// step does the most pressing thing, if any is due, and returns how long there is
// nothing to do.
func (d *device) step(now time.Time) time.Duration {
	if u := d.nextUrgent(); u != nil {
		d.readUrgent(u)
		return 0
	}
	const never = time.Hour
	if d.down != nil {
		if wait := d.retry.Sub(now); wait > 0 {
			return min(wait, never)
		}
	}
	for len(d.due) > 0 {
		x := d.due[0]
		d.due = d.due[1:]
		if x.u.silent == nil {
			d.poll(x.u, x.b)
			return 0
		}
	}
	return d.gather(now, now.Add(never))
}

// gather finds what is due now, in the order of its times, tries one silent unit if
// one is due and the line can afford it, and returns how long there is nothing to
// do; first is when at last.
func (d *device) gather(now, first time.Time) time.Duration {
	d.due = d.due[:0]
	var probe *unit
	for _, u := range d.units {
		if u.silent != nil {
			switch {
			case len(u.blocks) == 0:
			case !u.probe.After(now) && (probe == nil || u.probe.Before(probe.probe)):
				probe = u
			case u.probe.Before(first):
				first = u.probe
			}
			continue
		}
		for _, b := range u.blocks {
			if !b.next.After(now) {
				d.due = append(d.due, due{u, b})
			} else if b.next.Before(first) {
				first = b.next
			}
		}
	}
	slices.SortStableFunc(d.due, func(a, b due) int { return a.b.next.Compare(b.b.next) })
	switch {
	case probe != nil:
		d.probe(probe, now)
		return 0
	case len(d.due) > 0:
		return 0
	}
	return first.Sub(now)
}

// living tells whether a unit answers that would be held up.
func (d *device) living() bool {
	return slices.ContainsFunc(d.units, func(u *unit) bool { return u.silent == nil && len(u.blocks) > 0 })
}

// probe tries a silent unit, when the line can afford it; else those who wait are
// told what is known.
func (d *device) probe(u *unit, now time.Time) {
	cost := d.patience(u)
	if wait := d.line.dead.take(now, cost); wait > 0 && d.living() {
		u.probe = now.Add(wait)
		for _, p := range u.points {
			d.answerAll(p, nodes.Reading{Node: p.id, Err: u.silent, MaxAge: p.maxAge})
		}
		return
	}
	d.poll(u, u.blocks[0])
	if u.silent == nil {
		d.line.dead.give(cost)
	}
}
