package mqtt

import (
	"math"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// statistics is what a broker node tells of itself.
type statistics struct {
	received, sent  uint64
	unknown         uint64 // messages that no field is read from
	broken, tooLong uint64 // payloads
	late            uint64 // values older than the ones before
	connects        uint64
	waiting         int    // in the outbox
	expired         uint64 // there
	overflow        uint64 // refused since it was full
	lastErr         string
	changed         bool // something that is told at once

	at   time.Time // of the last rates
	then uint64    // received by then
}

// statistics returns the reading of the broker's own node.
func (b *broker) statistics(now time.Time) nodes.Reading {
	s := &b.stats
	s.changed = false
	rate := 0.0
	if span := now.Sub(s.at).Seconds(); !s.at.IsZero() && span > 0 {
		rate = math.Round(float64(s.received-s.then)/span*10) / 10
	}
	s.at, s.then = now, s.received
	at := now.Round(0)
	var out []nodes.Field
	add := func(name string, v nodes.Value, c nodes.Category) {
		out = append(out, nodes.Field{Name: name, Value: v, Time: at, Category: c})
	}
	count := func(name string, n uint64) { add(name, nodes.Int64(int64(n)), nodes.Status) }
	add("connected", nodes.Bool(b.client != nil), nodes.Status)
	if !b.since.IsZero() {
		add("since", nodes.DateTime(b.since), nodes.Status)
	}
	count("connections", s.connects)
	count("messages received", s.received)
	count("messages sent", s.sent)
	add("messages per second", nodes.Quantity(rate, 1, ""), nodes.Computed)
	count("messages without a field", s.unknown)
	count("payloads refused", s.broken)
	count("payloads too long", s.tooLong)
	count("values out of order", s.late)
	count("topics", uint64(len(b.routes)))
	count("queue", uint64(len(b.queue)))
	count("outbox", uint64(s.waiting))
	count("outbox expired", s.expired)
	count("outbox refused", s.overflow)
	return nodes.Reading{Node: b.id, Fields: out}
}
