package modbus

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"time"
)

// pool is the lines of one Factory, by address: devices that meet at the same
// endpoint share one connection, since many gateways accept but one.
type pool struct {
	pause pause

	mu    sync.Mutex
	lines map[string]*line
}

func newPool(p pause) *pool { return &pool{pause: p, lines: make(map[string]*line)} }

// acquire returns the line to an address and counts its user. It connects to
// nothing.
func (p *pool) acquire(host string, port int) *line {
	addr := net.JoinHostPort(strings.ToLower(host), strconv.Itoa(port))
	p.mu.Lock()
	defer p.mu.Unlock()
	l := p.lines[addr]
	if l == nil {
		l = newLine(&tcpLink{addr: addr, pause: p.pause})
		l.addr = addr
		p.lines[addr] = l
	}
	l.users++
	return l
}

// release gives a line back; the last user closes the connection.
func (p *pool) release(l *line) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.users--; l.users == 0 {
		delete(p.lines, l.addr)
		l.link.close() // nobody is inside: users leave the gate before they release
	}
}

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
