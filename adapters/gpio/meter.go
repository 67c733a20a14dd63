package gpio

import (
	"math"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// meter makes counts and other quantities of the edges of a line. Its times are on
// the clock of edges.
type meter struct {
	cfg   meterConfig
	level bool
	since time.Duration // when the level came to be
	seq   uint32        // of the last edge; 0: none yet
	kept
	lost  int64 // edges that were counted by their numbers only
	rate  cadence
	freq  cadence
	pulse time.Duration // how long the line was on the last time
}

// kept is what of a meter outlives a restart.
type kept struct {
	count int64
	base  float64       // total = base + count x perPulse
	on    time.Duration // on time without the present one
}

// start begins with a level, of which it is not known for how long it has been so.
func (m *meter) start(level bool, at time.Duration) {
	m.level, m.since, m.seq = level, at, 0
	m.rate, m.freq = cadence{}, cadence{}
}

// edge takes an edge.
func (m *meter) edge(e cdev.Event) {
	lost := int64(0)
	if m.seq != 0 {
		// Numbers run over after 2^32; what seems to go back is a new beginning.
		if gap := e.LineSeq - m.seq - 1; gap < 1<<31 {
			lost = int64(gap)
		}
	}
	m.seq = e.LineSeq
	if lost > 0 {
		// Edges alternate, from the level that was seen last.
		rising, falling := lost/2, (lost+1)/2
		if !m.level {
			rising, falling = falling, rising
		}
		m.lost += lost
		m.take(rising, falling, e.Time)
	}
	if m.level && lost == 0 && !e.Rising {
		m.pulse = max(e.Time-m.since, 0)
	}
	if m.level {
		m.on += max(e.Time-m.since, 0)
	}
	if e.Rising {
		m.take(1, 0, e.Time)
	} else {
		m.take(0, 1, e.Time)
	}
	m.level, m.since = e.Rising, e.Time
}

// take counts edges up to a time.
func (m *meter) take(rising, falling int64, at time.Duration) {
	n := int64(0)
	if m.cfg.count == countRising || m.cfg.count == countBoth {
		n += rising
	}
	if m.cfg.count == countFalling || m.cfg.count == countBoth {
		n += falling
	}
	m.count += n
	m.rate.add(n, at)
	m.freq.add(rising, at)
}

// rescale changes the configuration; the total stays what it is.
func (m *meter) rescale(c meterConfig) {
	m.base += float64(m.count) * (m.cfg.perPulse - c.perPulse)
	if m.cfg.count != c.count {
		m.rate = cadence{}
	}
	m.cfg = c
}

func (m *meter) total() float64 { return m.base + float64(m.count)*m.cfg.perPulse }

// setTotal makes the total so much; without a quantity per pulse, the count.
func (m *meter) setTotal(total float64) {
	if m.cfg.perPulse == 0 {
		m.count, m.base = int64(math.Round(total)), 0
		return
	}
	m.base = total - float64(m.count)*m.cfg.perPulse
}

// onTime returns how long the line was on in all.
func (m *meter) onTime(now time.Duration) time.Duration {
	if m.level {
		return m.on + max(now-m.since, 0)
	}
	return m.on
}

// perTime returns the rate in its unit.
func (m *meter) perTime(now time.Duration) float64 {
	return m.rate.hertz(now, m.cfg.idle) * m.cfg.perPulse * m.cfg.ratePer.Seconds()
}

// fields makes the fields of an input of that name: now is the moment on the clock
// of edges, at when the level was so, on that of the wall.
func (m *meter) fields(name string, now time.Duration, at, wall time.Time) []nodes.Field {
	list := make([]nodes.Field, 1, 4)
	list[0] = nodes.Field{Name: name, Value: nodes.Bool(m.level), Time: at, Category: nodes.Momentary}
	add := func(what string, v nodes.Value, at time.Time, c nodes.Category) {
		list = append(list, nodes.Field{Name: name + " " + what, Value: v, Time: at, Category: c})
	}
	c := &m.cfg
	if c.count != countNone {
		add("count", nodes.Int64(m.count), at, nodes.Momentary)
		if c.perPulse != 0 {
			add("total", nodes.Quantity(m.total(), c.decimals, c.unit), at, nodes.Momentary)
			add("rate", sensible(m.perTime(now), c.rateUnit), wall, nodes.Computed)
		}
	}
	if c.frequency {
		add("frequency", sensible(m.freq.hertz(now, c.idle), "Hz"), wall, nodes.Computed)
	}
	if c.pulseLength && m.pulse > 0 {
		add("pulse length", nodes.Quantity(m.pulse.Seconds(), 6, "s"), at, nodes.Momentary)
	}
	if c.onTime {
		add("on time", nodes.Quantity(m.onTime(now).Seconds(), 1, "s"), wall, nodes.Computed)
	}
	return list
}

// sensible is a quantity with four significant digits, no more than its measurement
// is worth.
func sensible(f float64, unit string) nodes.Value {
	decimals := 0
	if f != 0 {
		decimals = min(max(3-int(math.Floor(math.Log10(math.Abs(f)))), 0), 9)
	}
	scale := math.Pow10(decimals)
	return nodes.Quantity(math.Round(f*scale)/scale, decimals, unit)
}

// cadence reckons how often something happens, from the times between edges: over a
// second at least, or one period where that is longer.
type cadence struct {
	begun  bool
	anchor time.Duration // an edge
	n      int64         // edges since then
	last   time.Duration
	period float64 // seconds; 0: not known
}

func (c *cadence) add(n int64, at time.Duration) {
	switch {
	case n == 0:
		return
	case !c.begun:
		c.begun, c.anchor = true, at
	default:
		c.n += n
	}
	c.last = at
	if span := at - c.anchor; span >= time.Second {
		c.period = span.Seconds() / float64(c.n)
		c.anchor, c.n = at, 0
	}
}

// hertz returns how often it happens now. It falls when nothing happens for longer
// than before, to 0 when that is as long as idle.
func (c *cadence) hertz(now, idle time.Duration) float64 {
	period := c.period
	if period == 0 && c.n > 0 {
		period = (c.last - c.anchor).Seconds() / float64(c.n)
	}
	since := now - c.last
	if !c.begun || period <= 0 || since >= idle {
		return 0
	}
	return 1 / max(period, since.Seconds())
}
