package modbus

import (
	"testing"
	"time"
)

// However often and for how long dead units are tried, it costs a twentieth of the
// time beyond what was saved.
func TestDeadTime(t *testing.T) {
	for _, cost := range []time.Duration{time.Millisecond, 100 * time.Millisecond, time.Second, 10 * time.Second} {
		var b deadTime
		start := time.Now()
		now, spent := start, time.Duration(0)
		for now.Sub(start) < time.Hour {
			if wait := b.take(now, cost); wait > 0 {
				now = now.Add(wait)
				continue
			}
			spent += cost
			now = now.Add(cost)
		}
		most := time.Hour/deadShare + deadSaved + cost
		if spent > most || spent < most*8/10 {
			t.Errorf("attempts of %v: %v of an hour, want a little below %v", cost, spent, most)
		}
	}
	var b deadTime
	now := time.Now()
	b.take(now, deadSaved/2)
	b.give(deadSaved / 2)
	if wait := b.take(now, deadSaved/2); wait != 0 {
		t.Errorf("what was given back is not there: %v", wait)
	}
}
