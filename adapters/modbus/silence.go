package modbus

import (
	"math/rand/v2"
	"sync"
	"time"
)

// A unit that does not answer must not hold up the others on its line. It is asked
// for one thing only, when nothing else is due, with growing pauses, and as briefly
// as suits what the others on the line take; an answer that comes later than that is
// heard all the same. On RTU, where such an answer may meet the next one, a silent
// unit gets the full time-out now and then, rarely where others have to wait for it.
const (
	// silentShare: one part in so many of a line's time at most goes into waiting
	// for units that were silent before.
	silentShare = 20
	// silentBurst is how much of it may be saved up.
	silentBurst = 500 * time.Millisecond
	// longShare is silentShare for waits of a full time-out, by which others miss
	// their times.
	longShare = 150
	// firstLong is how long there is none at first.
	firstLong = 30 * time.Second
	// lively: a line on which nothing answered for so long has nobody to hold up.
	lively = 10 * time.Second
	// leastTimeout is the shortest time-out that is learned.
	leastTimeout = 200 * time.Millisecond
	// enoughTimes is how many answers it takes to learn one.
	enoughTimes = 32
	// firstTime: a unit that was never heard gets so many times the shortest time-out
	// of a probe.
	firstTime = 3
	// dead is after how many failures in a row a unit counts as one whose time is
	// limited: before, an answer may have been lost.
	dead = 3
	// overdue is how long a silent unit waits for a line that is always busy.
	overdue = time.Second
)

// health is what is known of the units of a line, whichever device asks them. Safe
// for concurrent use.
type health struct {
	mu     sync.Mutex
	peers  map[byte]*peer
	heard  moment // when something last answered
	once   bool   // something did
	credit time.Duration
	filled moment // when credit was counted
	long   moment // no full time-out before
	times  histogram
	// told: a late answer is told from any other by its transaction id, so that nobody
	// has to wait for it.
	told bool
}

// peer is one unit of a line. Guarded by its health.
type peer struct {
	known    bool          // it has answered
	failures int           // in a row
	slow     bool          // a late answer came: give it the full time
	probe    moment        // next attempt
	why      string        // the last failure
	least    time.Duration // of the time-out, since it was slow before
	ended    moment        // of the last transaction
	pause    time.Duration // learned: the silence that it needs before a request
	rushed   time.Duration // the silence before the last failure, when it was short
	rested   int           // how often a pause made up for that
	times    histogram
}

// peer returns the unit of that id.
func (h *health) peer(id byte) *peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.peers[id]
	if p == nil {
		if h.peers == nil {
			h.peers = make(map[byte]*peer)
		}
		p = &peer{}
		h.peers[id] = p
	}
	return p
}

// rests tells whether a unit is asked by probes only: it is silent, or it was never
// heard.
func (p *peer) rests() bool { return p.failures > 0 || !p.known }

// rests tells whether a unit is asked by probes only.
func (h *health) rests(p *peer) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return p.rests()
}

// ready returns from when on a unit may be asked, since it needs a pause, and whether
// it rests.
func (h *health) ready(p *peer) (at moment, rests bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.pause > 0 {
		at = p.ended + p.pause
	}
	return at, p.rests()
}

// patience returns how long to wait for a unit's answer, and from when on it may be
// asked, since it needs a pause. full is its time-out, wire what the transaction
// takes at least, probe the shortest time for a silent unit.
func (h *health) patience(p *peer, now moment, full, wire, probe time.Duration) (wait time.Duration, ready moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if p.pause > 0 {
		ready = p.ended + p.pause
	}
	if !p.rests() {
		return h.usual(p, full, wire), ready
	}
	return h.brief(p, now, full, wire, probe), ready
}

// brief is the time-out of a unit that rests.
func (h *health) brief(p *peer, now moment, full, wire, probe time.Duration) time.Duration {
	if p.slow || !h.lively(now) && (p.failures > 0 || len(h.peers) == 1) {
		return full
	}
	if p.failures == 0 {
		probe *= firstTime
	}
	brief := max(probe, 3*h.times.quantile(0.99)) + wire
	if p.known {
		brief = max(brief, h.usual(p, full, wire))
	}
	if brief >= full {
		return full
	}
	if h.told {
		return brief
	}
	if h.long == 0 {
		h.long = now + firstLong
	}
	if p.failures%4 == 3 && now >= h.long {
		h.long = now + longShare*full
		return full
	}
	return brief
}

// usual is the time-out of a unit that answers: four times what nearly all its
// answers took.
func (h *health) usual(p *peer, full, wire time.Duration) time.Duration {
	if p.times.total < enoughTimes {
		return full
	}
	return min(full, max(leastTimeout, 4*p.times.quantile(0.99), p.least)+wire)
}

// quantiles adds response times to a status.
func (h *health) quantiles(s *status, times *histogram) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if times.total > 0 {
		s.seconds("Response time p50", times.quantile(0.5), 4)
		s.seconds("Response time p99", times.quantile(0.99), 4)
	}
}

// learnedTimeout is how long a unit's answer is waited for beside what it takes on
// the wire.
func (h *health) learnedTimeout(p *peer, full time.Duration) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.usual(p, full, 0)
}

// typical is what half of all answers on the line take; 0: none came.
func (h *health) typical() time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.times.quantile(0.5)
}

func (h *health) lively(now moment) bool { return h.once && now-h.heard < lively }

// answered takes note of an answer, whatever it says. It tells whether the unit was
// found to need a pause before a request.
func (h *health) answered(p *peer, start, end moment, took time.Duration) (learned bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.lively(end) { // the line is back: perhaps the others are
		for _, x := range h.peers {
			x.probe = end
		}
	}
	h.once, h.heard = true, end
	gap := start - p.ended
	p.ended = end
	switch {
	case p.rushed == 0:
	case p.failures > 0 && gap > 2*p.rushed:
		if p.rested++; p.rested >= 2 && p.pause < longestPause {
			p.pause = min(max(2*p.pause, p.rushed+p.rushed/2, shortestPause), longestPause)
			learned = true
		}
	case gap <= p.rushed: // it can be asked so soon after all
		p.rushed, p.rested = 0, 0
	}
	if p.failures > 0 {
		p.least = max(p.least, 2*took) // what was too short before
	}
	p.least -= p.least / 256
	p.known, p.failures, p.slow = true, 0, false
	p.times.add(took)
	h.times.add(took)
	return learned
}

// Of the silence that a unit may need before a request, what is tried.
const (
	shortestPause = 10 * time.Millisecond
	longestPause  = 320 * time.Millisecond
)

// failed takes note that no answer came, and says when to try again: after what
// pause says to be waited after so many failures.
func (h *health) failed(p *peer, start, end moment, wait pause, why string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refill(end)
	if p.failures >= dead {
		h.credit -= end - start
	}
	if gap := start - p.ended; p.failures == 0 && p.known && gap < longestPause {
		p.rushed = max(gap, 1)
	}
	p.ended = end
	p.failures++
	p.slow, p.why = false, why
	d := wait.after(p.failures)
	p.probe = end + d - d/8 + rand.N(d/4+1)
}

// later puts off the next attempt.
func (h *health) later(p *peer, at moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.probe = at
}

// late takes note that a unit's answer came when nobody waited for it any more, and
// tells whether that is news.
func (h *health) late(id byte, now moment) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.peers[id]
	if p == nil || p.failures == 0 || p.slow {
		return false
	}
	p.slow, p.probe = true, now
	return true
}

func (h *health) refill(now moment) {
	h.credit = min(h.credit+(now-h.filled)/silentShare, silentBurst)
	h.filled = now
}

// due returns when a unit may be asked that rests, and why it is silent; empty: it
// was never heard.
func (h *health) due(p *peer, now moment) (at moment, why string, rests bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !p.rests() {
		return 0, "", false
	}
	if p.failures > 0 {
		why = p.why
	}
	at = p.probe
	if p.failures >= dead && !p.slow && h.lively(now) {
		if h.refill(now); h.credit <= 0 {
			at = max(at, now-h.credit*silentShare+time.Millisecond)
		}
	}
	return at, why, true
}

// hasten has a silent unit asked at once, when there is time for it; else it tells
// that there is none.
func (h *health) hasten(p *peer, now moment) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.refill(now)
	if h.lively(now) && p.failures >= dead && h.credit <= 0 {
		return false
	}
	p.probe = min(p.probe, now)
	return true
}

// unknown forgets what the silence of units was, since the connection was lost;
// those that were silent have to be heard before they are polled again.
func (h *health) unknown(now moment) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.once = false
	for _, p := range h.peers {
		if p.failures > 0 {
			p.known = false
		}
		p.failures, p.slow, p.probe = 0, false, now
	}
}

// forget drops what was learned of a unit.
func (h *health) forget(p *peer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*p = peer{ended: p.ended}
}

// learnedPause is the silence that a unit was found to need before a request.
func (h *health) learnedPause(p *peer) time.Duration {
	h.mu.Lock()
	defer h.mu.Unlock()
	return p.pause
}

// teach says what was known of a unit before.
func (h *health) teach(p *peer, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p.pause = max(p.pause, min(pause, longestPause))
}
