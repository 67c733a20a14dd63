package gpio

import (
	"errors"
	"fmt"
	"math"
	"os"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// batch is how many edges are taken from the kernel at once; fewEach how many of
// them are told one by one: of more, only what they come to.
const (
	batch   = 64
	fewEach = 4
)

// told is what was told last of values that change without an edge.
type told struct {
	rate, freq float64
	on         time.Duration
	keptOn     time.Duration // that is on the shelf
	lost       int64
}

// listen begins with an input whose line was requested.
func (d *device) listen(p *pin, polled bool, now time.Time) {
	if !p.recalled {
		p.recalled = true
		d.recall(p)
	}
	level, err := p.line.Get()
	if err != nil {
		d.breaks(p, p.line, err)
		return
	}
	p.meter.start(level, cdev.Now())
	p.meter.lost, p.told.lost = 0, 0
	d.host.Clear(p.id, EventLost)
	p.at = now.Round(0)
	if polled {
		d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityInformation, EventID: EventPolled,
			Text: fmt.Sprintf("%s has no interrupt: it is looked at every %v, and what is shorter is missed", p.place, p.in.poll)})
	} else {
		d.host.Clear(p.id, EventPolled)
	}
	line, stop, poll, debounce := p.line, p.stop, p.in.poll, p.in.debounce
	if polled {
		d.wait.Go(func() { d.sample(p, line, stop, level, poll, debounce) })
	} else {
		d.wait.Go(func() { d.follow(p, line, stop) })
	}
	d.tap.Note(snifferInfo, p.id, fmt.Sprintf("%s is an input, %s", p.place, onOff(level)))
	d.tell(p)
	d.rouse(p, now)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

// follow takes the edges of a line until it is given back or fails. An edge after
// silence is taken at once; edges that keep coming are taken together.
func (d *device) follow(p *pin, line cdev.Line, stop chan struct{}) {
	buf := make([]cdev.Event, batch)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		began := time.Now()
		n, err := line.Read(buf)
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				d.breaks(p, line, err)
			}
			return
		}
		d.edges(p, line, buf[:n])
		rest := d.timing.pace - time.Since(began)
		if rest <= 0 || n == len(buf) {
			continue
		}
		timer.Reset(rest)
		select {
		case <-stop:
			return
		case <-timer.C:
		}
	}
}

// sample looks at a line without interrupt, and makes edges of what it sees: a level
// counts when it has lasted for the time of debounce.
func (d *device) sample(p *pin, line cdev.Line, stop chan struct{}, level bool, poll, debounce time.Duration) {
	ticker := time.NewTicker(poll)
	defer ticker.Stop()
	seen, since := level, cdev.Now()
	seq := uint32(0)
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now := cdev.Now()
		got, err := line.Get()
		if err != nil {
			if !errors.Is(err, os.ErrClosed) {
				d.breaks(p, line, err)
			}
			return
		}
		if got != seen {
			seen, since = got, now
		}
		if seen != level && now-since >= debounce {
			level = seen
			seq++
			d.edges(p, line, []cdev.Event{{Time: since, Rising: level, LineSeq: seq}})
		}
	}
}

// edges takes edges of a line.
func (d *device) edges(p *pin, line cdev.Line, list []cdev.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.line != line || len(list) == 0 {
		return // given back meanwhile
	}
	wall, clock := time.Now().Round(0), cdev.Now()
	trace := len(list) <= fewEach || d.tap.Active()
	var out []nodes.Reading
	for i, e := range list {
		p.meter.edge(e)
		p.at = wall.Add(-max(clock-e.Time, 0))
		if trace {
			d.trace(p, e)
		}
		if len(list) <= fewEach || i == len(list)-1 {
			out = append(out, d.shown(p, clock, wall))
		}
	}
	d.host.Report(out)
	p.dirty = p.dirty || p.keeps()
	d.rouse(p, wall)
}

// trace passes an edge to those who listen, with the time at which the kernel saw it.
func (d *device) trace(p *pin, e cdev.Event) {
	way := "falling"
	if e.Rising {
		way = "rising"
	}
	d.tap.Note(snifferRx, p.id, fmt.Sprintf("%s %s at %s, edge %d", p.place, way, p.at.UTC().Format("15:04:05.000000"), e.LineSeq))
}

// shown is the reading of an input as its meter has it, and notes what it tells.
func (d *device) shown(p *pin, clock time.Duration, wall time.Time) nodes.Reading {
	m := &p.meter
	p.told.rate, p.told.freq, p.told.on = m.perTime(clock), m.freq.hertz(clock, m.cfg.idle), m.onTime(clock)
	return nodes.Reading{Node: p.id, Fields: m.fields(p.name, clock, p.at, wall)}
}

// tell reports what a pin shows.
func (d *device) tell(p *pin) {
	if p.in != nil {
		d.host.Report([]nodes.Reading{d.shown(p, cdev.Now(), time.Now().Round(0))})
		return
	}
	level, err := p.line.Get()
	if err != nil {
		d.breaks(p, p.line, err)
		return
	}
	d.host.Report([]nodes.Reading{p.output.reading(p, level, p.at)})
}

// reading is what a pin shows whose line was just read.
func (d *device) reading(p *pin, level bool, now time.Time) nodes.Reading {
	now = now.Round(0)
	if p.out != nil {
		return p.output.reading(p, level, now)
	}
	r := nodes.Reading{Node: p.id, Fields: p.meter.fields(p.name, cdev.Now(), now, now)}
	r.Fields[0].Value = nodes.Bool(level) // perhaps an edge is still on its way
	return r
}

// rouse has Run come when the pin has something to be told or kept later.
func (d *device) rouse(p *pin, now time.Time) {
	poke := false
	if d.tick.IsZero() && p.moves(cdev.Now()) {
		d.tick, poke = now.Add(d.timing.tick), true
	}
	if d.save.IsZero() && p.dirty {
		d.save, poke = now.Add(d.timing.save), true
	}
	if poke {
		d.poke()
	}
}

// moves tells whether values of the pin change without an edge.
func (p *pin) moves(clock time.Duration) bool {
	m := &p.meter
	return p.in != nil && p.line != nil && (m.cfg.onTime && m.level || m.lost != p.told.lost ||
		m.cfg.perPulse != 0 && m.perTime(clock) != 0 || m.cfg.frequency && m.freq.hertz(clock, m.cfg.idle) != 0 ||
		m.cfg.perPulse != 0 && p.told.rate != 0 || m.cfg.frequency && p.told.freq != 0)
}

// pause ends with an input whose line is given back.
func (d *device) pause(p *pin) {
	if p.keeps() {
		p.meter.on = p.meter.onTime(cdev.Now())
		p.dirty = true
		d.rouse(p, time.Now())
	}
	p.meter.level = false
}

// chores tells values that change without an edge, and keeps counts; it returns when
// to come again, the zero time when not.
func (d *device) chores(now time.Time) (next time.Time) {
	if !d.tick.IsZero() && !now.Before(d.tick) {
		d.tick = time.Time{}
		clock := cdev.Now()
		var out []nodes.Reading
		for _, p := range d.pins {
			if !p.moves(clock) {
				continue
			}
			d.tick = now.Add(d.timing.tick)
			if p.meter.lost != p.told.lost {
				p.told.lost = p.meter.lost
				d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityWarning, EventID: EventLost, Text: fmt.Sprintf(
					"%s had %d edges that came faster than they could be taken: they are counted, but were not timed; a debounce may keep bounces away", p.place, p.meter.lost)})
			}
			if p.differs(clock) {
				out = append(out, d.shown(p, clock, now.Round(0)))
			}
			if m := &p.meter; m.cfg.onTime && m.onTime(clock)-p.told.keptOn >= time.Minute {
				p.dirty = true
				d.rouse(p, now)
			}
		}
		if len(out) > 0 {
			d.host.Report(out)
		}
	}
	if !d.save.IsZero() && !now.Before(d.save) {
		d.saveAll()
	}
	if next = d.tick; next.IsZero() || !d.save.IsZero() && d.save.Before(next) {
		next = d.save
	}
	return next
}

// differs tells whether what the pin shows is worth telling again: a rate that is 5 %
// off, or 0 now; ten more seconds of on time.
func (p *pin) differs(clock time.Duration) bool {
	off := func(told, now float64) bool {
		return now == 0 && told != 0 || math.Abs(now-told) > 0.05*math.Abs(told)
	}
	m := &p.meter
	return m.cfg.perPulse != 0 && off(p.told.rate, m.perTime(clock)) ||
		m.cfg.frequency && off(p.told.freq, m.freq.hertz(clock, m.cfg.idle)) ||
		m.cfg.onTime && m.onTime(clock)-p.told.on >= 10*time.Second
}
