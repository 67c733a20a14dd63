package modbus

import (
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// What polling costs is known before it is done: from the baud rate and the sizes of
// requests, and from what the units' answers took. Where it is more than the line can
// carry, intervals are stretched: those of the slow groups first, since what is read
// often is so for a reason, all by the same factor; then all.
const (
	// mostSlow is by how much the slow groups are stretched before the fastest one is.
	mostSlow = 4
	// full is the part of a line's time that polling may take.
	full = 0.99
	// tight is from what load on a plan counts as one that fits again: between the two
	// nothing is said.
	tight = 0.95
	// firstGuess is what a unit is thought to need for an answer before any came.
	firstGuess = 5 * time.Millisecond
)

// load is what reading takes: for each interval, how much line time one round of all
// its requests takes.
type load map[time.Duration]time.Duration

// stretch is by how much intervals are longer than wanted: 1 or more.
type stretch struct {
	fastest time.Duration // the interval of the line's fastest group
	quick   float64       // its factor
	slow    float64       // that of all others
}

// of returns how often what is wanted at an interval is read; an interval that was
// not stretched stays as it is.
func (s stretch) of(every time.Duration) time.Duration {
	f := s.slow
	if every <= s.fastest {
		f = s.quick
	}
	if f <= 1 {
		return every
	}
	return time.Duration(float64(every) * f)
}

// share is the part of the time that a load takes, 1 being all of it.
func (l load) share() (sum float64) {
	for every, took := range l {
		sum += float64(took) / float64(every)
	}
	return sum
}

// fit finds the stretch by which a load takes no more of the line's time than it may.
func (l load) fit() stretch {
	s := stretch{quick: 1, slow: 1, fastest: math.MaxInt64}
	for every := range l {
		s.fastest = min(s.fastest, every)
	}
	sum := l.share()
	if sum <= full {
		return s
	}
	quick := float64(l[s.fastest]) / float64(s.fastest)
	slow := sum - quick
	if slow > 0 {
		s.slow = mostSlow
		if rest := full - quick; rest > 0 {
			s.slow = min(mostSlow, max(1, slow/rest))
		}
	}
	if more := (quick + slow/s.slow) / full; more > 1 {
		s.quick, s.slow = more, s.slow*more
	}
	return s
}

// budget is what the devices that share a line want of its time. Safe for concurrent
// use.
type budget struct {
	mu    sync.Mutex
	loads map[*device]load
}

// want says what a device wants; nil: nothing. It returns what all want together.
func (b *budget) want(d *device, l load) load {
	b.mu.Lock()
	defer b.mu.Unlock()
	if l == nil {
		delete(b.loads, d)
		return nil
	}
	if b.loads == nil {
		b.loads = make(map[*device]load)
	}
	b.loads[d] = l
	all := make(load, len(l))
	for _, one := range b.loads {
		for every, took := range one {
			all[every] += took
		}
	}
	return all
}

// cost is what reading a block takes of the line's time: as measured, or else as the
// sizes say and what answers on this line took.
func (d *device) cost(b *block) time.Duration {
	u := b.unit
	pause := u.cfg.pause
	if pause == 0 {
		pause = d.cfg.pause
	}
	if d.line.ep.kind == kindSerial {
		pause = max(pause, d.line.ep.port.Silence())
	}
	if b.took > 0 {
		return b.took + pause
	}
	onWire := d.line.duration(5, 2+b.table.AnswerBytes(b.words))
	answer := d.line.health.typical()
	if answer == 0 {
		answer = firstGuess + onWire
	}
	return max(answer, onWire) + pause
}

// reckon finds out what polling takes, and stretches or relaxes intervals. What is
// asked by probes only takes no part.
func (d *device) reckon() {
	mine := make(load)
	for _, u := range d.units {
		if u.resting {
			continue
		}
		for _, b := range u.blocks {
			mine[b.every] += d.cost(b)
		}
	}
	d.plan = d.line.budget.want(d, mine)
	s := d.plan.fit()
	if s.fastest != d.stretch.fastest || !near(s.quick, d.stretch.quick) || !near(s.slow, d.stretch.slow) {
		d.stretch = s
		d.tellInterest()
		d.overbooked = false // tell it anew
	}
	d.tellBudget()
}

func near(a, b float64) bool { return a == b || a > 1 && b > 1 && math.Abs(a-b) < 0.05*b }

// tellBudget shows on the gateway whether the line can carry what is wanted.
func (d *device) tellBudget() {
	s, share := d.stretch, d.plan.share()
	if s.quick <= 1 && s.slow <= 1 {
		if d.warned && share < tight {
			d.warned, d.overbooked = false, false
			d.host.Clear(d.id, EventBudget)
			d.log.Info("modbus: the line carries all again", "address", d.line.addr)
		}
		return
	}
	if d.overbooked {
		return
	}
	text := fmt.Sprintf("%s: what is to be read takes %.0f %% of the line's time. What is wanted every %s is read every %s",
		d.line.addr, 100*share, s.fastest, brief(s.of(s.fastest)))
	if s.slow > s.quick {
		text += fmt.Sprintf(", the rest %.1f times as seldom as wanted", s.slow)
	}
	d.host.Fault(d.id, nodes.Message{Severity: nodes.SeverityWarning, EventID: EventBudget,
		Text: text + ". Make PollInterval longer, the baud rate higher, or read fewer registers."})
	d.overbooked = true
	if !d.warned {
		d.warned = true
		d.log.Warn("modbus: the line cannot carry all", "address", d.line.addr, "load", math.Round(100*share)/100)
	}
}

// tellInterest shows on a node when somebody wants its values more often than they
// come.
func (d *device) tellInterest() {
	told := make(map[string]bool)
	for id, wish := range d.wishes {
		every, ok := d.pace(id)
		if !ok || every <= wish {
			continue
		}
		why := "more is not allowed by MinInterval of the gateway"
		if every > max(wish, d.cfg.shortest) {
			why = "the line cannot carry more"
		}
		told[id] = true
		d.host.Fault(id, nodes.Message{Severity: nodes.SeverityInformation, EventID: EventInterest,
			Text: fmt.Sprintf("A subscriber wants values every %s; they come every %s: %s.", wish, brief(every), why)})
	}
	for id := range d.told {
		if !told[id] {
			d.host.Clear(id, EventInterest)
		}
	}
	d.told = told
}

// brief is a time for people, to two or three digits.
func brief(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit)
}

// pace is how often a node's values come: of a unit or the gateway the slowest.
func (d *device) pace(id string) (every time.Duration, ok bool) {
	slowest := func(list []*point) {
		for _, p := range list {
			every, ok = max(every, d.stretch.of(p.every)), true
		}
	}
	if p := d.points[id]; p != nil {
		slowest([]*point{p})
	} else if u := d.unit(id); u != nil {
		slowest(u.points)
	} else if id == d.id {
		for _, u := range d.units {
			slowest(u.points)
		}
	}
	return every, ok
}

// scanTime is how long it takes to read everything of a line once.
func (l load) scanTime() (sum time.Duration) {
	for _, took := range l {
		sum += took
	}
	return sum
}
