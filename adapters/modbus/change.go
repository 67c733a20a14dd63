package modbus

import (
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// put takes over a node below the gateway and returns the units whose plans may
// have to change.
func (d *device) put(s *nodes.Spec) []*unit {
	switch s.Type {
	case TypeUnit:
		return d.putUnit(s)
	case TypeRegister:
		return d.putRegister(s)
	}
	return nil
}

func (d *device) putUnit(s *nodes.Spec) []*unit {
	cfg := readUnit(s)
	u := d.unit(s.ID)
	switch {
	case u == nil:
		u = &unit{id: s.ID, cfg: cfg}
		d.alter(func() { d.units = append(d.units, u) })
		d.adopt(u)
		return []*unit{u}
	case u.cfg == cfg:
		return nil
	}
	other := u.cfg.id != cfg.id
	d.alter(func() { u.cfg = cfg })
	d.adopt(u)
	if other {
		d.recovered(u)
		d.forget(u)
	}
	return []*unit{u}
}

// forget drops what was learned of a unit, since it may be another one now.
func (d *device) forget(u *unit) {
	for t := range u.known {
		u.known[t] = learned{fixed: u.cfg.holes}
	}
	u.unsaved, u.since = true, time.Time{}
	if u.peer != nil {
		d.line.health.forget(u.peer)
	}
	for _, p := range u.points {
		d.forgive(p)
	}
}

func (d *device) putRegister(s *nodes.Spec) []*unit {
	u := d.unit(s.Parent)
	p := d.points[s.ID]
	if u == nil {
		return d.remove(s.ID) // moved away, or its unit is not ours
	}
	cfg := d.shared(readRegister(s))
	if p == nil {
		p = &point{id: s.ID, unit: u, registerConfig: cfg}
		d.alter(func() {
			d.points[s.ID] = p
			u.points = append(u.points, p)
		})
		return []*unit{u}
	}
	touched := []*unit{u}
	if p.unit != u {
		touched = append(touched, p.unit)
		d.forgive(p)
		d.alter(func() {
			p.unit.drop(p)
			p.unit = u
			u.points = append(u.points, p)
		})
	} else if p.registerConfig == cfg {
		return nil
	}
	d.forgive(p)
	d.alter(func() { p.registerConfig = cfg })
	d.await(u, p)
	return touched
}

// shared returns a configuration that all registers with the same one share: units
// of one kind have the same registers.
func (d *device) shared(cfg registerConfig) *registerConfig {
	if c := d.configs[cfg]; c != nil {
		return c
	}
	if len(d.configs) > 2*len(d.points)+100 { // of registers that are gone or edited
		clear(d.configs)
		for _, p := range d.points {
			d.configs[*p.registerConfig] = p.registerConfig
		}
	}
	c := &cfg
	d.configs[cfg] = c
	return c
}

func (u *unit) drop(p *point) {
	u.points = slices.DeleteFunc(u.points, func(q *point) bool { return q == p })
}

func (d *device) unit(id string) *unit {
	for _, u := range d.units {
		if u.id == id {
			return u
		}
	}
	return nil
}

// remove forgets a node.
func (d *device) remove(id string) []*unit {
	if p := d.points[id]; p != nil {
		d.answerAll(p, nodes.Reading{Node: id, Err: failure(nodes.Gone, id, "the register was removed")})
		d.forgive(p)
		d.alter(func() {
			delete(d.points, id)
			p.unit.drop(p)
		})
		return []*unit{p.unit}
	}
	u := d.unit(id)
	if u == nil {
		return nil
	}
	for _, p := range slices.Clone(u.points) {
		d.remove(p.id)
	}
	d.alter(func() { d.units = slices.DeleteFunc(d.units, func(x *unit) bool { return x == u }) })
	d.urgent = slices.DeleteFunc(d.urgent, func(x *unit) bool { return x == u })
	d.replanned = true
	return nil
}

// change applies a change, touching only what changed.
func (d *device) change(c nodes.Change) {
	touched := make(map[*unit]bool)
	edited := make(map[*point]bool)
	for _, id := range c.Removed {
		for _, u := range d.remove(id) {
			touched[u] = true
		}
	}
	for _, n := range c.Put {
		if n.ID == d.id {
			if d.reconfigure(readGateway(&n.Spec)) {
				for _, u := range d.units {
					touched[u] = true
				}
			}
			continue
		}
		known := d.points[n.ID] != nil
		list := d.put(&n.Spec)
		for _, u := range list {
			touched[u] = true
		}
		if p := d.points[n.ID]; p != nil && len(list) > 0 {
			edited[p] = true
			if !known {
				d.greet(p)
			}
		}
	}
	for _, u := range d.units {
		if touched[u] {
			d.replan(u)
			u.hasten(edited)
		}
	}
}

// hasten makes new and edited points show what they are now.
func (u *unit) hasten(edited map[*point]bool) {
	for _, b := range u.blocks {
		for _, it := range b.items {
			if edited[it.point] {
				b.next = 0
			}
		}
	}
}

// greet tells of a new register what is known of its unit.
func (d *device) greet(p *point) {
	_, configured := d.interval(p)
	p.maxAge = configured + configured/2
	switch {
	case d.down != nil:
		d.report(nodes.Reading{Node: p.id, Err: d.down, MaxAge: p.maxAge})
	case p.unit.silent != nil:
		d.report(nodes.Reading{Node: p.id, Err: p.unit.silent, MaxAge: p.maxAge})
	}
}

func (d *device) report(r nodes.Reading) {
	d.out = append(d.out[:0], r)
	d.host.Report(d.out)
}

// reconfigure takes over the gateway's own parameters and tells whether they
// changed.
func (d *device) reconfigure(cfg gatewayConfig) bool {
	if cfg == d.cfg {
		return false
	}
	old := d.cfg
	d.alter(func() { d.cfg = cfg })
	if old.endpoint != cfg.endpoint {
		d.line.budget.want(d, nil)
		d.lines.release(d.line)
		d.alter(func() { d.line = d.lines.acquire(cfg.endpoint) })
		d.up()
		for _, u := range d.units {
			d.recovered(u)
			d.adopt(u)
			d.forget(u)
			for _, b := range u.blocks {
				b.next = 0
			}
		}
	}
	return true
}
