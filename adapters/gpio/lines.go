package gpio

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// The event ids of messages.
const (
	EventChip      = "Chip"      // chip: it is not there, or may not be opened
	EventLine      = "Line"      // the line cannot be had
	EventPolled    = "Polled"    // input: the line has no interrupt
	EventLost      = "Lost"      // input: edges came faster than they could be taken
	EventCounter   = "Counter"   // input: what was kept is damaged
	EventInterlock = "Interlock" // output: another of its group is on
	EventReadBack  = "ReadBack"  // output: the line does not show what was set
	EventLease     = "Lease"     // output: nobody renewed the lease
)

const (
	snifferInfo = sniffer.Info
	snifferRx   = sniffer.Rx
	snifferTx   = sniffer.Tx
)

// How many edges the kernel keeps of a line.
const (
	fewEdges  = 64
	manyEdges = 1024 // where they are counted: half a second at 2000 edges a second
)

// acquire requests the line of a pin.
func (d *device) acquire(p *pin, now time.Time) {
	p.retry = now.Add(d.timing.retry)
	w := p.wiring()
	offset, err := d.resolve(w.line)
	if err != nil {
		d.noLine(p, nodes.NotAcceptable, err.Error())
		return
	}
	name := ""
	before, _ := d.chip.Line(offset)
	if before.Name != "" {
		name = " (" + before.Name + ")"
	}
	p.offset, p.place = offset, fmt.Sprintf("line %d%s of %s", offset, name, d.info.Name)
	for _, other := range d.pins {
		if other != p && other.line != nil && other.offset == offset {
			d.noLine(p, nodes.Conflict, fmt.Sprintf("%s is taken by the node %s: remove one of the two, or write another line", p.place, other.id))
			return
		}
	}
	r := cdev.Request{Offset: offset, Consumer: "hub " + p.name, Flags: w.flags, Debounce: w.debounce}
	polled := false
	if p.in != nil {
		r.Flags |= cdev.EdgeRising | cdev.EdgeFalling
		r.Buffer = fewEdges
		if m := p.in.meter; m.count != countNone || m.frequency {
			r.Buffer = manyEdges
		}
	} else {
		r.Value = d.first(p)
	}
	line, err := d.chip.Request(r)
	if p.in != nil && errors.Is(err, syscall.ENXIO) {
		polled = true
		r.Flags &^= cdev.EdgeRising | cdev.EdgeFalling
		r.Debounce, r.Buffer = 0, 0
		line, err = d.chip.Request(r)
	}
	if err != nil {
		d.refused(p, err)
		return
	}
	if p.fail != nil {
		d.log.Info("a line can be had again", "node", p.id, "line", p.place)
	}
	p.line, p.stop, p.fail = line, make(chan struct{}), nil
	d.host.Clear(p.id, EventLine)
	if p.out != nil {
		d.began(p, r.Value, now)
		return
	}
	d.listen(p, polled, now)
}

// wiring is what the pin's line is requested with.
func (p *pin) wiring() wiring {
	if p.in != nil {
		return p.in.wiring
	}
	return p.out.wiring
}

// refused says why the kernel refused a line.
func (d *device) refused(p *pin, err error) {
	switch {
	case errors.Is(err, syscall.EBUSY):
		user := "somebody"
		if info, err := d.chip.Line(p.offset); err == nil && info.Consumer != "" {
			user = fmt.Sprintf("%q", info.Consumer)
		}
		d.noLine(p, nodes.Conflict, fmt.Sprintf("%s is used by %s: end that, or write another line", p.place, user))
	case errors.Is(err, syscall.EINVAL), errors.Is(err, syscall.EOPNOTSUPP):
		d.noLine(p, nodes.NotAcceptable, fmt.Sprintf("%s cannot be had with %s: the chip refuses one of these%s", p.place, p.wiring().describe(), p.wiring().advice()))
	case errors.Is(err, syscall.ENODEV):
		d.noLine(p, nodes.Unreachable, d.info.Name+" is gone: plug it in again")
		d.look = time.Time{}
		d.poke()
	default:
		d.noLine(p, nodes.Unreachable, fmt.Sprintf("%s cannot be had: %s", p.place, reason(err)))
	}
}

// describe names what a line is requested with.
func (w wiring) describe() string {
	s := "direction in"
	if w.flags&cdev.Output != 0 {
		s = "direction out"
	}
	for _, x := range []struct {
		flag cdev.Flags
		text string
	}{{cdev.OpenDrain, "open drain"}, {cdev.OpenSource, "open source"}, {cdev.BiasPullUp, "bias pull up"},
		{cdev.BiasPullDown, "bias pull down"}, {cdev.BiasDisabled, "bias none"}, {cdev.ActiveLow, "active low"}} {
		if w.flags&x.flag != 0 {
			s += ", " + x.text
		}
	}
	if w.debounce > 0 {
		s += ", debounce " + w.debounce.String()
	}
	return s
}

// advice says what to try when a chip refuses it.
func (w wiring) advice() string {
	switch {
	case w.flags&(cdev.BiasPullUp|cdev.BiasPullDown|cdev.BiasDisabled) != 0:
		return "; try Bias as is, and a resistor on the line"
	case w.flags&(cdev.OpenDrain|cdev.OpenSource) != 0:
		return "; try Drive push pull"
	}
	return ""
}

// noLine says that a pin has no line, once for each reason.
func (d *device) noLine(p *pin, kind nodes.ErrorKind, text string) {
	if p.fail == nil || p.fail.Err.Error() != text {
		d.log.Warn("no line", "node", p.id, "error", text)
	}
	p.fail = failure(kind, p.id, text)
	d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventLine, Text: text})
	d.host.Report([]nodes.Reading{{Node: p.id, Err: p.fail}})
}

// release gives the line of a pin back; an output takes its safe value before.
func (d *device) release(p *pin) {
	p.retry = time.Time{}
	if p.line == nil {
		return
	}
	if p.out != nil {
		d.makeSafe(p, time.Now())
		d.leave(p)
	} else {
		d.pause(p)
	}
	line := p.line
	p.line = nil
	close(p.stop)
	line.Close()
}

// breaks tells Run of a line that failed.
func (d *device) breaks(p *pin, line cdev.Line, err error) {
	d.inbox.mu.Lock()
	defer d.inbox.mu.Unlock()
	if len(d.inbox.broken) < 1000 { // more is not worth knowing
		d.inbox.broken = append(d.inbox.broken, broken{p, line, err})
	}
	d.poke()
}

// lineFailed gives a line back that failed; it is requested again later.
func (d *device) lineFailed(b broken) {
	if b.pin.line != b.line {
		return // given back meanwhile
	}
	d.release(b.pin)
	b.pin.retry = time.Now().Add(d.timing.retry)
	d.noLine(b.pin, nodes.Unreachable, fmt.Sprintf("%s failed: %s", b.pin.place, reason(b.err)))
	d.look = time.Time{} // perhaps the chip is gone
}

// reason is an error of the system in words.
func reason(err error) string {
	var errno syscall.Errno
	switch {
	case errors.Is(err, syscall.ENODEV):
		return "the chip is gone"
	case errors.Is(err, os.ErrClosed):
		return "the line was given back"
	case errors.As(err, &errno):
		return errno.Error()
	}
	return err.Error()
}
