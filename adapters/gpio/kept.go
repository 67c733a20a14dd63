package gpio

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// What a counter has counted is kept on the shelf of its chip, a record for each
// input. A record is written when it is timing.save old, and when the hub stops; what
// a crash or a power cut loses is that, and the seconds that the shelf takes.

const keptVersion = 1

// keptRecord is the record of an input.
type keptRecord struct {
	Version int     `json:"v"`
	Count   int64   `json:"count"`
	Base    float64 `json:"base"`     // total = base + count x perPulse
	Pulse   float64 `json:"perPulse"` // that was in force
	On      int64   `json:"on"`       // ns
	Sum     uint32  `json:"sum"`      // CRC-32 of the rest
}

func (r *keptRecord) sum() uint32 {
	return crc32.ChecksumIEEE(fmt.Appendf(nil, "%d %d %x %x %d", r.Version, r.Count, math.Float64bits(r.Base), math.Float64bits(r.Pulse), r.On))
}

func keyKept(id string) string { return "count " + id }

// keyLast is the record of what an output was set to last: "on" or "off".
func keyLast(id string) string { return "last " + id }

func encodeKept(k kept, perPulse float64) []byte {
	r := keptRecord{Version: keptVersion, Count: k.count, Base: k.base, Pulse: perPulse, On: int64(k.on)}
	r.Sum = r.sum()
	b, err := json.Marshal(r)
	if err != nil { // a base that is no number
		r.Base = 0
		r.Sum = r.sum()
		b, _ = json.Marshal(r)
	}
	return b
}

func decodeKept(b []byte) (k kept, perPulse float64, err error) {
	var r keptRecord
	switch err := json.Unmarshal(b, &r); {
	case err != nil:
		return k, 0, err
	case r.Version > keptVersion:
		return k, 0, errors.New("it is of a newer version of the hub")
	case r.Sum != r.sum():
		return k, 0, errors.New("its checksum is wrong")
	case r.On < 0 || r.Count < 0:
		return k, 0, errors.New("it is negative")
	}
	return kept{r.Count, r.Base, time.Duration(r.On)}, r.Pulse, nil
}

// keeps tells whether the pin has something to be kept.
func (p *pin) keeps() bool {
	return p.in != nil && (p.in.meter.count != countNone || p.in.meter.onTime)
}

// recall takes what was kept of an input from the shelf.
func (d *device) recall(p *pin) {
	b, ok := d.host.Shelf().Get(keyKept(p.id))
	if !ok || !p.keeps() {
		return
	}
	k, perPulse, err := decodeKept(b)
	if err != nil {
		d.log.Error("a kept count is damaged", "node", p.id, "record", string(b[:min(len(b), 200)]), "error", err)
		d.host.Fault(p.id, nodes.Message{Severity: nodes.SeverityError, EventID: EventCounter, Text: fmt.Sprintf(
			"the kept count of %s is damaged (%v) and begins at 0 again: read the meter, and run SetTotal", p.name, err)})
		return
	}
	p.meter.kept = k
	p.told.keptOn = k.on
	p.meter.base += float64(k.count) * (perPulse - p.meter.cfg.perPulse)
}

// saveAll puts what changed on the shelf.
func (d *device) saveAll() {
	d.save = time.Time{}
	for _, p := range d.pins {
		if !p.dirty || !p.keeps() {
			continue
		}
		p.dirty = false
		k := p.meter.kept
		k.on = p.meter.onTime(cdev.Now())
		p.told.keptOn = k.on
		d.host.Shelf().Put(keyKept(p.id), encodeKept(k, p.meter.cfg.perPulse))
	}
}
