package chaos

import (
	"net"
	"sync"
	"testing"
	"time"
)

// network is what lies between the hub and its server: a TCP proxy that can be cut.
type network struct {
	listener net.Listener
	server   string
	wg       sync.WaitGroup

	mu     sync.Mutex
	pairs  map[*pair]bool
	closed bool // no more pairs
	hole   bool // new connections are swallowed, too
}

// pair is a connection through the network.
type pair struct {
	near, far *net.TCPConn // of the hub, of the server
	mu        sync.Mutex
	hole      bool // what comes is lost
}

// newNetwork makes a network to a server, until the test ends.
func newNetwork(t *testing.T, server string) *network {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &network{listener: l, server: server, pairs: make(map[*pair]bool)}
	n.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.wg.Go(func() { n.carry(c.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		n.mu.Lock()
		n.closed = true
		n.mu.Unlock()
		n.each(func(p *pair) { p.near.Close(); p.far.Close() })
		n.wg.Wait()
	})
	return n
}

func (n *network) addr() string { return n.listener.Addr().String() }

// carry passes a connection on until either end closes.
func (n *network) carry(near *net.TCPConn) {
	defer near.Close()
	c, err := net.DialTimeout("tcp", n.server, 5*time.Second)
	if err != nil {
		return
	}
	far := c.(*net.TCPConn)
	defer far.Close()
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return
	}
	p := &pair{near: near, far: far, hole: n.hole}
	n.pairs[p] = true
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		delete(n.pairs, p)
		n.mu.Unlock()
	}()
	var back sync.WaitGroup
	back.Go(func() { p.pass(near, far) })
	p.pass(far, near)
	back.Wait()
}

// pass copies until an end closes, and then closes the other; but nobody hears of that
// through a hole.
func (p *pair) pass(to, from *net.TCPConn) {
	b := make([]byte, 1400) // a packet, so that what is under way is torn
	for {
		k, err := from.Read(b)
		p.mu.Lock()
		hole := p.hole
		p.mu.Unlock()
		switch {
		case err != nil:
			if !hole {
				to.Close()
			}
			return
		case !hole:
			to.Write(b[:k]) // an error: the other direction ends
		}
	}
}

func (n *network) each(f func(*pair)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for p := range n.pairs {
		f(p)
	}
}

// drop closes all connections at both ends, in order.
func (n *network) drop() {
	n.each(func(p *pair) { p.near.Close(); p.far.Close() })
}

// reset breaks all connections at both ends.
func (n *network) reset() {
	n.each(func(p *pair) {
		p.near.SetLinger(0)
		p.far.SetLinger(0)
		p.near.Close()
		p.far.Close()
	})
}

// blackHole loses all that comes on all connections for a time, those made meanwhile
// included. Nobody is told; what was lost makes the connections useless, so they are
// broken in the end.
func (n *network) blackHole(d time.Duration) {
	n.mu.Lock()
	n.hole = true
	n.mu.Unlock()
	n.each(func(p *pair) {
		p.mu.Lock()
		p.hole = true
		p.mu.Unlock()
	})
	time.Sleep(d)
	n.mu.Lock()
	n.hole = false
	n.mu.Unlock()
	n.reset()
}
