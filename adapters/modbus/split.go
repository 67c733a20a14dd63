package modbus

import (
	"errors"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// split deals with a batch whose address or count is refused: it finds out what the
// unit does not want, so that one bad register does not blank its neighbours, and
// remembers it. Holes are tried one by one, each with the registers at its ends;
// when none of them is to blame, both halves are.
func (d *device) split(u *unit, t wire.Table, b batch, p priority, err error) {
	if len(b.items) == 1 {
		var refused wire.Exception
		errors.As(err, &refused)
		d.bad(u, b.items[0].point, wire.ReadRequest{Table: t, First: b.first, Count: b.words}, refused)
		return
	}
	known := &u.known[t]
	known.refuse(b)
	defer func() {
		u.unsaved = true
		d.replan(u)
	}()
	found, ok := d.tryHoles(u, t, b, p)
	if !ok {
		return
	}
	if found {
		// What is left is asked for as it will be from now on.
		for _, part := range plan(append([]item(nil), b.items...), u.limits(t), known) {
			if d.ask(u, t, part, p); u.silent != nil || d.down != nil {
				return
			}
		}
		return
	}
	parts := halves(b)
	whole := true
	for _, part := range parts {
		whole = d.ask(u, t, part, p) && whole
		if u.silent != nil || d.down != nil {
			return
		}
	}
	if !whole {
		return
	}
	if known.most > 0 && known.most >= b.words || parts[1].first < parts[0].first+parts[0].words {
		// As much was delivered elsewhere: the device wants a border here.
		known.cut(parts[1].first)
		return
	}
	known.tooLong(b)
}

// tryHoles asks for each hole of a batch with a register before and after it, and
// remembers those that are refused. ok is false when the unit fell silent.
func (d *device) tryHoles(u *unit, t wire.Table, b batch, p priority) (found, ok bool) {
	known := &u.known[t]
	last := b.items[0]
	for _, it := range b.items[1:] {
		end := last.first + last.words
		if it.first > end {
			bridge := batchOf([]item{last, it})
			if bridge.words == b.words { // it is this that was refused
				known.hole(end, it.first)
				return true, true
			}
			switch result, _ := d.transact(u, t, bridge, p); result {
			case misplaced:
				known.hole(end, it.first)
				found = true
			case unheard:
				return false, false
			}
		}
		if it.first+it.words > end {
			last = it
		}
	}
	return found, true
}

// halves splits the items of a batch, which are sorted by address.
func halves(b batch) []batch {
	mid := len(b.items) / 2
	return []batch{batchOf(b.items[:mid:mid]), batchOf(b.items[mid:])}
}

func batchOf(items []item) batch {
	b := batch{first: items[0].first, items: items}
	for _, it := range items {
		b.words = max(b.words, it.first+it.words-b.first)
	}
	return b
}
