package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// limits returns what one request of a table may do, with what was learned.
func (u *unit) limits(t wire.Table) limits {
	lim := u.cfg.limits(t)
	lim.words = u.known[t].longest(lim.words)
	return lim
}

// item is the wish for a point. One that stands in a hole is asked for alone.
func (u *unit) item(p *point) item {
	return item{p.first, p.words(), p.bad || u.known[p.table].holes[p.first], p}
}

// timeout is how long to wait for a unit at most.
func (d *device) timeout(u *unit) time.Duration {
	if u.cfg.timeout > 0 {
		return u.cfg.timeout
	}
	return d.cfg.timeout
}

// settle shows others what holds for a unit, as configured or learned.
func (d *device) settle(u *unit) {
	if c := d.inForce(u); c != u.force {
		d.alter(func() { u.force = c })
	}
}

// inForce is a unit's configuration with what holds where it says nothing.
func (d *device) inForce(u *unit) unitConfig {
	c := u.cfg
	c.timeout = d.timeout(u)
	if c.pause == 0 && u.peer != nil {
		c.pause = max(d.cfg.pause, d.line.health.learnedPause(u.peer))
	}
	c.registers.words = min(u.limits(wire.HoldingRegister).words, u.limits(wire.InputRegister).words)
	c.bits.words = min(u.limits(wire.Coil).words, u.limits(wire.DiscreteInput).words)
	return c
}

// adopt ties a unit to what its line knows of it, and takes what was learned from
// the shelf. Before Run there is no line: Run does it then.
func (d *device) adopt(u *unit) {
	if d.line == nil {
		return
	}
	u.peer = d.line.health.peer(u.cfg.id)
	for t := range u.known {
		u.known[t].fixed = u.cfg.holes
	}
	d.recall(u)
	d.settle(u)
	d.replanned = true
}
