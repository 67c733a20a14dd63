package modbus

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// pool is the lines of one Factory: devices that meet at the same endpoint share
// one connection, since many gateways accept but one and a serial port is one.
type pool struct {
	pause pause
	epoch time.Time // that moments are counted from

	mu    sync.Mutex
	lines map[lineKey]*line
}

type lineKey struct {
	kind endpointKind
	addr string
}

func newPool(p pause) *pool {
	return &pool{pause: p, epoch: time.Now(), lines: make(map[lineKey]*line)}
}

// acquire returns the line to an endpoint and counts its user. It connects to
// nothing. A serial port that is in use with other settings cannot be shared: the
// line returned then says so at each call.
func (p *pool) acquire(ep endpoint) *line {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := lineKey{ep.kind, ep.addr}
	l := p.lines[key]
	switch {
	case l == nil:
		l = p.open(ep)
		p.lines[key] = l
	case l.ep.port != ep.port:
		l = newLine(ep, denied{&downError{ep.addr, fmt.Errorf("another node uses the port with %s, this one wants %s; give both the same settings",
			l.ep.port, ep.port), time.Time{}}})
	}
	l.users++
	return l
}

func (p *pool) open(ep endpoint) *line {
	switch ep.kind {
	case kindRTUOverTCP:
		return newLine(ep, newRTULink(ep, p.pause))
	case kindSerial:
		return newLine(ep, newRTULink(ep, p.pause))
	}
	return newLine(ep, &tcpLink{redial: redial{addr: ep.addr, pause: p.pause}})
}

// release gives a line back; the last user closes the connection.
func (p *pool) release(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.users--; l.users == 0 {
		if key := (lineKey{l.ep.kind, l.ep.addr}); p.lines[key] == l {
			delete(p.lines, key)
		}
		l.link.close() // nobody is inside: users leave the gate before they release
	}
}

// denied is a link that cannot be used.
type denied struct{ why *downError }

func (d denied) exchange(*call, []byte) ([]byte, error) {
	d.why.retry = time.Now().Add(10 * time.Second)
	return nil, d.why
}
func (denied) close() {}

var errNoAnswer = errors.New("no answer to a broadcast")

// pause is how long to wait between attempts: it doubles from min to max.
type pause struct{ min, max time.Duration }

// after returns the pause after the n-th failure in a row, without jitter.
func (p pause) after(n int) time.Duration {
	d := p.min
	for i := 1; i < n && d < p.max; i++ {
		d *= 2
	}
	return min(d, p.max)
}
