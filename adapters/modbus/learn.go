package modbus

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// What was found out about a unit is kept on the shelf of its gateway, a record for
// each unit node, and holds for the device that it was found out about: another unit
// id or another address is another device. After a day it is found out anew.
const (
	recordVersion = 1
	relearn       = 24 * time.Hour
)

// record is what was learned of a unit.
type record struct {
	Version int                    `json:"v"`
	Of      string                 `json:"of"` // endpoint and unit id
	Since   time.Time              `json:"since"`
	Pause   time.Duration          `json:"pause,omitempty"` // ns, before a request
	Tables  map[string]tableRecord `json:"tables,omitempty"`
}

type tableRecord struct {
	Holes [][2]int `json:"holes,omitempty"` // first and last address
	Cuts  []int    `json:"cuts,omitempty"`
	Most  int      `json:"most,omitempty"`
	Least int      `json:"least,omitempty"`
}

var tables = [...]wire.Table{wire.Coil, wire.DiscreteInput, wire.InputRegister, wire.HoldingRegister}

func recordKey(u *unit) string { return "unit " + u.id }

// of names the device behind a unit node.
func (d *device) of(u *unit) string {
	return fmt.Sprintf("%d %s %d", d.cfg.endpoint.kind, d.cfg.endpoint.addr, u.cfg.id)
}

// recall takes what was learned of a unit from the shelf.
func (d *device) recall(u *unit) {
	data, ok := d.host.Shelf().Get(recordKey(u))
	if !ok {
		return
	}
	var r record
	if json.Unmarshal(data, &r) != nil || r.Version != recordVersion || r.Of != d.of(u) {
		return // of another device, or of a later version of the hub
	}
	age := time.Since(r.Since)
	if age < 0 || age > relearn {
		return
	}
	u.since = r.Since
	d.line.health.teach(u.peer, r.Pause)
	for _, t := range tables {
		x, k := r.Tables[t.String()], &u.known[t]
		for _, h := range x.Holes {
			if 0 <= h[0] && h[0] <= h[1] && h[1] < 1<<16 {
				k.hole(h[0], h[1]+1)
			}
		}
		for _, a := range x.Cuts {
			k.cut(a)
		}
		if x.Most > 0 && (x.Least == 0 || x.Most < x.Least) {
			k.most, k.least = x.Most, x.Least
		}
	}
}

// save writes what was learned since the last time.
func (d *device) save() {
	for _, u := range d.units {
		if !u.unsaved {
			continue
		}
		u.unsaved = false
		r := record{Version: recordVersion, Of: d.of(u), Pause: d.line.health.learnedPause(u.peer), Tables: make(map[string]tableRecord)}
		for _, t := range tables {
			k := &u.known[t]
			x := tableRecord{Holes: spans(k.holes), Cuts: slices.Sorted(maps.Keys(k.cuts))}
			if k.least > 0 {
				x.Most, x.Least = k.most, k.least
			}
			if len(x.Holes) > 0 || len(x.Cuts) > 0 || x.Least > 0 {
				r.Tables[t.String()] = x
			}
		}
		if r.Pause == 0 && len(r.Tables) == 0 {
			d.host.Shelf().Delete(recordKey(u))
			u.since = time.Time{}
			continue
		}
		if u.since.IsZero() {
			u.since = time.Now()
		}
		r.Since = u.since
		if data, err := json.Marshal(r); err == nil {
			d.host.Shelf().Put(recordKey(u), data)
		}
	}
}

// outdated has what was learned of units found out anew when it is old: devices get
// new firmware.
func (d *device) outdated() {
	for _, u := range d.units {
		if !u.since.IsZero() && time.Since(u.since) > relearn {
			d.forget(u)
			d.replan(u)
		}
	}
}

// spans brings addresses into ranges, first and last.
func spans(set map[int]bool) (out [][2]int) {
	for _, a := range slices.Sorted(maps.Keys(set)) {
		if n := len(out); n > 0 && out[n-1][1] == a-1 {
			out[n-1][1] = a
			continue
		}
		out = append(out, [2]int{a, a})
	}
	return out
}

// forgetLearned drops what was learned of a unit, so that it is found out anew. Safe
// for concurrent use.
func (d *device) forgetLearned(unit string) {
	d.inbox.mu.Lock()
	d.inbox.forget = append(d.inbox.forget, unit)
	d.inbox.mu.Unlock()
	d.poke()
}

// chorePause is how often what is not pressing is done.
const chorePause = 5 * time.Second

// chores does what is not pressing.
func (d *device) chores() {
	d.outdated()
	d.save()
	d.reckon()
	d.publish()
}
