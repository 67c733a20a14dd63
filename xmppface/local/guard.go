package local

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// guard bounds what those who are not logged in can take: connections, and tries.
type guard struct {
	total, each int // connections in all, and from one address
	now         func() time.Time

	mu      sync.Mutex
	waiting []*entrant // oldest first
	failed  map[string]failures
}

// entrant is a connection before login.
type entrant struct {
	from string
	drop func()
}

// failures are the failed logins of late for an account or from an address.
type failures struct {
	count int
	last  time.Time
}

const (
	maxFailures = 4096             // accounts and addresses remembered
	forgetAfter = 10 * time.Minute // without another failure
	firstDelay  = 250 * time.Millisecond
	maxDelay    = 4 * time.Second
)

func newGuard(total, each int) *guard {
	return &guard{total: total, each: each, now: time.Now, failed: make(map[string]failures)}
}

// origin is what of an address counts as one: it, or the /64 network in IPv6.
func origin(a net.Addr) string {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return a.String()
	}
	ip := p.Addr().Unmap().WithZone("")
	if ip.Is6() {
		if network, err := ip.Prefix(64); err == nil {
			return network.String()
		}
	}
	return ip.String()
}

// enter lets a connection in. When there are too many, the oldest one is dropped:
// an honest client needs much less time than there is for the login, so that many
// idle connections keep nobody out.
func (g *guard) enter(from string, drop func()) (leave func()) {
	e := &entrant{from, drop}
	g.mu.Lock()
	oldest := -1
	same := 0
	for i, other := range g.waiting {
		if other.from == from {
			if same++; same == 1 {
				oldest = i
			}
		}
	}
	var out *entrant
	switch {
	case same >= g.each:
		out = g.waiting[oldest]
	case len(g.waiting) >= g.total:
		out = g.waiting[0]
	}
	g.remove(out)
	g.waiting = append(g.waiting, e)
	g.mu.Unlock()
	if out != nil {
		out.drop()
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.remove(e)
	}
}

// remove is called with g locked.
func (g *guard) remove(e *entrant) {
	for i := range g.waiting {
		if g.waiting[i] == e {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return
		}
	}
}

// delay is how long a login must wait before it is looked at, for what failed
// before with any of the keys.
func (g *guard) delay(keys ...string) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := 0
	for _, k := range keys {
		if f := g.failed[k]; g.now().Sub(f.last) < forgetAfter {
			n = max(n, f.count)
		}
	}
	if n == 0 {
		return 0
	}
	return min(firstDelay<<min(n-1, 10), maxDelay)
}

// fail counts a failed login and returns how many there were with the first key.
func (g *guard) fail(keys ...string) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for _, k := range keys {
		f, known := g.failed[k]
		if !known && len(g.failed) >= maxFailures {
			g.forget(now)
		}
		if now.Sub(f.last) >= forgetAfter {
			f.count = 0
		}
		g.failed[k] = failures{f.count + 1, now}
	}
	return g.failed[keys[0]].count
}

// forget makes room: what is old, else anything.
func (g *guard) forget(now time.Time) {
	for k, f := range g.failed {
		if now.Sub(f.last) >= forgetAfter {
			delete(g.failed, k)
		}
	}
	for k := range g.failed {
		if len(g.failed) < maxFailures {
			return
		}
		delete(g.failed, k)
	}
}

// succeed forgets the failures of a key.
func (g *guard) succeed(key string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.failed, key)
}
