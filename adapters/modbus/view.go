package modbus

import "time"

// view is the device's configuration as it is at one moment, for goroutines other
// than that of Run: immutable, made anew after each change. Its line may be given
// up after a change; a call on it then still ends, with an answer or an error.
type view struct {
	line   *line
	cfg    gatewayConfig
	units  map[string]*unitView  // by node id
	points map[string]*pointView // by node id
}

// unitView is a unit node.
type unitView struct {
	id     string
	cfg    unitConfig // with the limits, pause and time-out in force
	points []*pointView
}

// pointView is a register node.
type pointView struct {
	id   string
	cfg  *registerConfig // never changed
	unit *unitView
}

// look returns the device's configuration; nil before Run and after it. Safe for
// concurrent use.
func (d *device) look() *view {
	if v := d.seen.Load(); v != nil {
		return v
	}
	d.shape.Lock()
	defer d.shape.Unlock()
	if d.line == nil {
		return nil
	}
	v := &view{line: d.line, cfg: d.cfg, units: make(map[string]*unitView, len(d.units)), points: make(map[string]*pointView, len(d.points))}
	for _, u := range d.units {
		uv := &unitView{id: u.id, cfg: u.force, points: make([]*pointView, 0, len(u.points))}
		v.units[u.id] = uv
		for _, p := range u.points {
			pv := &pointView{id: p.id, cfg: p.registerConfig, unit: uv}
			uv.points = append(uv.points, pv)
			v.points[p.id] = pv
		}
	}
	d.seen.Store(v)
	return v
}

// alter changes what look shows; only Run calls it.
func (d *device) alter(change func()) {
	d.shape.Lock()
	defer d.shape.Unlock()
	change()
	d.seen.Store(nil)
}

// note is what became of a transaction outside Run.
type note struct {
	unit, what string
	took       time.Duration
	err        error
}

// heard takes note of a transaction with a unit that was done outside Run: err is
// that of the line, what names the request for people ("function 6, holding
// register 4"). An answer, also one that refuses, shows that the unit lives; no
// answer counts as one to polling does. Safe for concurrent use.
func (d *device) heard(unit, what string, took time.Duration, err error) {
	d.inbox.mu.Lock()
	if len(d.inbox.notes) < maxNotes {
		d.inbox.notes = append(d.inbox.notes, note{unit, what, took, err})
	}
	d.inbox.mu.Unlock()
	d.poke()
}

// maxNotes bounds what waits for Run; more is not worth knowing.
const maxNotes = 1000

// refresh has points read soon, ahead of polling, and reported. Ids that are no
// points are left out. Safe for concurrent use.
func (d *device) refresh(points ...string) {
	d.inbox.mu.Lock()
	for _, id := range points {
		if d.inbox.refresh == nil {
			d.inbox.refresh = make(map[string]bool)
		}
		d.inbox.refresh[id] = true
	}
	d.inbox.mu.Unlock()
	d.poke()
}
