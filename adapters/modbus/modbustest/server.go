package modbustest

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Server is a simulated Modbus TCP device, or a gateway with several units behind
// it. Requests to units that were never made are not answered. Safe for
// concurrent use.
type Server struct {
	Bus
	framing framing

	mu    sync.Mutex
	ln    net.Listener
	conns map[net.Conn]struct{}
	count int // connections accepted so far
	limit int
}

// NewServer makes a server without units; it opens nothing.
func NewServer() *Server {
	s := &Server{framing: tcpFraming{}, conns: make(map[net.Conn]struct{})}
	s.out = s.sendAll
	return s
}

// NewRTUServer makes a server that speaks RTU over TCP, as a serial port behind a
// device server does. It answers at once, without the timing of a serial line.
func NewRTUServer() *Server {
	s := NewServer()
	s.framing = rtuFraming{}
	return s
}

// LimitConnections makes the server close connections at once while n others are
// open; 0: as many as come.
func (s *Server) LimitConnections(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
}

// Listen opens the port; "127.0.0.1:0" takes a free one. Run closes it.
func (s *Server) Listen(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ln = ln
	return nil
}

// Addr returns host:port of the open port, or "" before Listen.
func (s *Server) Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ln == nil {
		return ""
	}
	return s.ln.Addr().String()
}

// Connections returns how many connections are open and how many there have been.
func (s *Server) Connections() (open, total int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns), s.count
}

// Drop closes all open connections; new ones are accepted.
func (s *Server) Drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

// sendAll sends b on all connections.
func (s *Server) sendAll(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.SetWriteDeadline(time.Now().Add(unread))
		c.Write(b)
		c.SetWriteDeadline(time.Time{})
	}
}

// Run serves until ctx ends and returns after all its connections are closed.
// Listen comes first; afterwards one can Listen and Run again.
func (s *Server) Run(ctx context.Context) error {
	s.mu.Lock()
	ln := s.ln
	s.mu.Unlock()
	if ln == nil {
		return errors.New("modbustest: Listen before Run")
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	failed := make(chan struct{})
	defer close(failed)
	wg.Go(func() {
		select {
		case <-ctx.Done():
			ln.Close()
			s.Drop()
		case <-failed:
		}
	})
	for {
		c, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			ln.Close()
			s.Drop()
			return err
		}
		s.mu.Lock()
		full := s.limit > 0 && len(s.conns) >= s.limit
		if !full {
			s.conns[c] = struct{}{}
		}
		s.count++
		s.mu.Unlock()
		if full {
			c.Close()
			continue
		}
		if ctx.Err() != nil { // it slipped in behind Drop
			c.Close()
		}
		wg.Go(func() {
			s.serve(ctx, c)
			c.Close()
			s.mu.Lock()
			delete(s.conns, c)
			s.mu.Unlock()
		})
	}
}

// serve answers one connection.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	p := &peer{conn: conn}
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer s.release(p)
	in, buf := make([]byte, 0, 4*wire.MaxADU), make([]byte, wire.MaxADU)
	var frame []byte
	for {
		q, n, err := s.framing.next(in)
		switch {
		case err != nil && s.framing == framing(rtuFraming{}):
			in = in[:0] // as after a silence
			continue
		case err != nil:
			return
		case n == 0:
			got, err := conn.Read(in[len(in):cap(in)])
			if err != nil {
				return
			}
			in = in[:len(in)+got]
			continue
		}
		if held := s.release(p); held != nil && p.send(held, false) != nil {
			return
		}
		if u := s.find(q.Unit); u != nil {
			a, f := u.answer(q, buf)
			out := frame[:0]
			for _, b := range f.strange(s.framing, in[:n], a) {
				out = append(out, b...)
			}
			out, end := f.render(out, s.framing, a)
			frame = out
			if f.Held || f.Delay > 0 {
				frame = nil // somebody else's from now on
			}
			switch {
			case f.Babble:
				wg.Go(func() { p.babble(ctx, u) })
			case f.Held:
				s.hold(p, out)
			case f.Delay > 0:
				wg.Go(func() {
					select {
					case <-ctx.Done():
					case <-time.After(f.Delay):
						p.send(out, f.Split)
						if end {
							conn.Close()
						}
					}
				})
			case p.send(out, f.Split) != nil || end:
				return
			}
		} else if q.Unit == 0 {
			s.broadcast(q)
		}
		in = in[:copy(in, in[n:])]
	}
}

// peer is one connection.
type peer struct {
	mu       sync.Mutex // one answer at a time
	conn     net.Conn
	babbling atomic.Bool
}

// send writes out, byte by byte when it is split.
func (p *peer) send(out []byte, split bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if split {
		for i := range out {
			if _, err := p.conn.Write(out[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	if len(out) == 0 {
		return nil
	}
	_, err := p.conn.Write(out)
	return err
}

// babble sends random bytes while that is the unit's fault.
func (p *peer) babble(ctx context.Context, u *Unit) {
	if !p.babbling.CompareAndSwap(false, true) {
		return
	}
	defer p.babbling.Store(false)
	var b [32]byte
	for u.babbles() {
		babble(b[:])
		if p.send(b[:], false) != nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Millisecond):
		}
	}
}
