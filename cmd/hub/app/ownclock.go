package app

import (
	"fmt"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/synchronization"
)

// jumpSize is by how much the clock has to move to have jumped.
const jumpSize = time.Second

// clockPart is the clock of the machine.
func (h *hub) clockPart() *ownPart {
	c := &clock{}
	return newOwnPart("clock", "Clock", func(now time.Time) ([]nodes.Field, []nodes.Message) {
		f := fields{now: now}
		var messages []nodes.Message
		f.add(nodes.Momentary, "Time", nodes.DateTime(now))
		zone, offset := now.Zone()
		f.add(nodes.Status, "Zone", nodes.String(zone))
		f.add(nodes.Status, "Offset", nodes.Duration(0, time.Duration(offset)*time.Second))
		if synchronised, most, ok := clockState(); ok {
			f.add(nodes.Status, "Synchronised", nodes.Bool(synchronised))
			if synchronised {
				f.add(nodes.Status, "Largest error", nodes.Quantity(float64(most)/float64(time.Millisecond), 1, "ms"))
			} else {
				messages = append(messages, nodes.Message{Severity: nodes.SeverityInformation, EventID: "Clock",
					Text: "Nothing keeps the clock of this machine right; set up time synchronisation, or times of values and events may be wrong."})
			}
		}
		if at, by := c.jumped(now); by != 0 {
			f.add(nodes.Status, "Last jump", nodes.DateTime(at))
			f.add(nodes.Status, "Jumped by", nodes.Duration(0, by))
			if now.Sub(at) < time.Hour {
				messages = append(messages, nodes.Message{Time: at.Round(0), Severity: nodes.SeverityWarning, EventID: "Jump",
					Text: fmt.Sprintf("The clock was set by %v; times before and after do not fit together.", by)})
			}
		}
		if h.compared != nil {
			f.list = append(f.list, h.compared.Fields(now)...)
			messages = append(messages, h.clockMessages()...)
		}
		return f.list, messages
	})
}

// clockMonitor compares the clock as it is configured; nil: with none.
func (h *hub) clockMonitor() *synchronization.Monitor {
	if h.cfg.Clock == nil {
		return nil
	}
	return &synchronization.Monitor{Source: h.cfg.Clock.Source, Every: h.cfg.Clock.Every, Log: h.log,
		Link: func() ext.Link {
			f := h.face(nodes.WayBroker)
			if f == nil {
				return nil
			}
			s := f.Session()
			if s == nil {
				return nil // and not a link that holds one
			}
			return s
		}}
}

// clockMessages tells what is wrong with the clock beside another one.
func (h *hub) clockMessages() (out []nodes.Message) {
	d, at, err := h.compared.Last()
	if err != nil {
		out = append(out, nodes.Message{Severity: nodes.SeverityWarning, EventID: "ClockSource",
			Text: fmt.Sprintf("The clock could not be compared with that of %s: %v. Check the address below clock in the configuration, and that it may be asked.", h.compared.Source, err)})
	}
	if !at.IsZero() && d.Offset.Abs() > h.cfg.Clock.Limit {
		way := "behind"
		if d.Offset < 0 {
			way = "ahead of"
		}
		out = append(out, nodes.Message{Time: at.Round(0), Severity: nodes.SeverityWarning, EventID: "ClockOffset",
			Text: fmt.Sprintf("The clock of this machine is %v %s that of %s; set up time synchronisation.", d.Offset.Abs().Round(time.Millisecond), way, h.compared.Source)})
	}
	return out
}

// clock notices when the time of day jumps. Safe for concurrent use.
type clock struct {
	mu   sync.Mutex
	last time.Time
	at   time.Time
	by   time.Duration
}

// jumped returns when the clock jumped last, and by how much; 0: not yet.
func (c *clock) jumped(now time.Time) (at time.Time, by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.last.IsZero() {
		if by := jump(c.last.Round(0), now.Round(0), now.Sub(c.last)); by != 0 {
			c.at, c.by = now, by
		}
	}
	c.last = now
	return c.at, c.by
}

// jump is by how much the time of day moved beside what has passed, to 100 ms; 0
// when that is little.
func jump(before, after time.Time, passed time.Duration) time.Duration {
	by := after.Sub(before) - passed
	if by.Abs() < jumpSize {
		return 0
	}
	return by.Round(100 * time.Millisecond)
}
