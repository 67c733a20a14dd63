package gpio

import (
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// change applies a change of the tree.
func (d *device) change(c nodes.Change) {
	for _, id := range c.Removed {
		if p := d.byID[id]; p != nil {
			d.remove(p)
			d.host.Shelf().Delete(keyKept(id))
			d.host.Shelf().Delete(keyLast(id))
		}
	}
	for _, n := range c.Put {
		if n.ID != d.id {
			d.put(&n.Spec)
			continue
		}
		if cfg := readChip(&n.Spec); cfg != d.cfg {
			d.cfg = cfg
			d.closeLines()
			d.closeChip()
		}
	}
	for _, p := range d.pins { // a line may have come free, or have another name
		if p.line == nil {
			p.retry = time.Time{}
		}
	}
	d.look = time.Time{}
}

// put adds or changes a pin.
func (d *device) put(s *nodes.Spec) {
	if s.Type != TypeInput && s.Type != TypeOutput {
		return
	}
	p := d.byID[s.ID]
	if p != nil && (p.in != nil) != (s.Type == TypeInput) {
		d.remove(p) // cannot be, but costs nothing
		p = nil
	}
	if p == nil {
		p = &pin{id: s.ID}
		d.byID[s.ID] = p
		d.pins = append(d.pins, p)
	}
	renamed := p.name != s.Name
	p.name = s.Name
	switch s.Type {
	case TypeInput:
		c := readInput(s)
		if p.in != nil && *p.in == c && !renamed {
			return
		}
		rewire := p.in != nil && (p.in.wiring != c.wiring || p.in.poll != c.poll)
		if p.in == nil {
			p.meter.cfg = c.meter
		} else {
			p.meter.rescale(c.meter)
			p.dirty = true
		}
		p.in = &c
		d.changed(p, rewire)
	case TypeOutput:
		c := readOutput(s)
		if p.out != nil && *p.out == c && !renamed {
			return
		}
		rewire := p.out != nil && p.out.wiring != c.wiring
		p.out = &c
		d.changed(p, rewire)
	}
}

// changed has a pin that was configured anew request its line again, when it must,
// and show what it is now.
func (d *device) changed(p *pin, rewire bool) {
	switch {
	case rewire:
		d.release(p)
	case p.line != nil && p.out != nil:
		d.regroup(p)
		d.tell(p)
	case p.line != nil:
		d.tell(p)
	}
}

func (d *device) remove(p *pin) {
	d.release(p)
	d.locks.release(p.id, "")
	delete(d.byID, p.id)
	d.pins = slices.DeleteFunc(d.pins, func(x *pin) bool { return x == p })
}
