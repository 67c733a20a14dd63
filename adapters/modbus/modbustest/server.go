package modbustest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Server is a simulated Modbus TCP device, or a gateway with several units behind
// it. Requests to units that were never made are not answered. Safe for
// concurrent use.
type Server struct {
	mu    sync.Mutex
	units map[byte]*Unit
	ln    net.Listener
	conns map[net.Conn]struct{}
	count int // connections accepted so far
}

// NewServer makes a server without units; it opens nothing.
func NewServer() *Server {
	return &Server{units: make(map[byte]*Unit), conns: make(map[net.Conn]struct{})}
}

// Unit returns the unit with that id, which it makes when there is none.
func (s *Server) Unit(id byte) *Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.units[id]
	if u == nil {
		u = &Unit{}
		s.units[id] = u
	}
	return u
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
		s.conns[c] = struct{}{}
		s.count++
		s.mu.Unlock()
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
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var writing sync.Mutex
	in := bufio.NewReaderSize(conn, 2*wire.MaxADU)
	buf, out := make([]byte, wire.MaxADU), make([]byte, 0, wire.MaxADU)
	for {
		head, err := in.Peek(6)
		if err != nil {
			return
		}
		n, err := wire.FrameSize(head)
		if err != nil {
			return
		}
		frame, err := in.Peek(n)
		if err != nil {
			return
		}
		q, err := wire.ParseADU(frame)
		if err != nil {
			return
		}
		s.mu.Lock()
		u := s.units[q.Unit]
		s.mu.Unlock()
		if u != nil {
			a, f := u.answer(q, buf)
			switch {
			case f.Silent:
			case f.Delay > 0:
				late := a.Append(nil)
				wg.Go(func() {
					select {
					case <-ctx.Done():
					case <-time.After(f.Delay):
						writing.Lock()
						defer writing.Unlock()
						send(conn, late, f)
					}
				})
			default:
				writing.Lock()
				err = send(conn, a.Append(out[:0]), f)
				writing.Unlock()
				if err != nil {
					return
				}
			}
		}
		in.Discard(n)
	}
}

// send writes an answer as the fault wants it; an error ends the connection.
func send(conn net.Conn, frame []byte, f Fault) error {
	switch {
	case f.Close:
		return io.EOF
	case f.CloseMidFrame:
		conn.Write(frame[:len(frame)/2])
		return io.EOF
	case f.Damaged:
		frame[2] = 0x2a
	case f.Split:
		for i := range frame {
			if _, err := conn.Write(frame[i : i+1]); err != nil {
				return err
			}
		}
		return nil
	}
	_, err := conn.Write(frame)
	if err == nil && f.Duplicate {
		_, err = conn.Write(frame)
	}
	return err
}
