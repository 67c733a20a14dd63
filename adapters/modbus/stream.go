package modbus

import (
	"context"
	"errors"
	"io"
	"sync"
	"syscall"
	"time"
)

// stream is the connection of a link, whose exchanges end with their contexts. It is
// used by one goroutine at a time, and costs one system call to send and one to
// receive. The zero stream is closed.
type stream struct {
	raw      syscall.RawConn
	step     func(fd uintptr) bool // transfer, made once
	watched  <-chan struct{}       // of the context whose end cuts exchanges off
	unwatch  func() bool
	out, in  []byte // what transfer is to send, and where to put what comes
	n        int    // what it put there
	deadline time.Time
	err      error

	mu   sync.Mutex // between the user and the end of a context
	conn port       // nil: closed
	busy <-chan struct{}
}

// errRest says that there is no room for the rest of what is to be sent.
var errRest = errors.New("no room")

// sendError says that a request could not be handed over.
type sendError struct{ err error }

func (e *sendError) Error() string { return "cannot send: " + e.err.Error() }
func (e *sendError) Unwrap() error { return e.err }

func (s *stream) isOpen() bool { return s.conn != nil }

// open takes over a connection.
func (s *stream) open(p port) error {
	raw, err := p.SyscallConn()
	if err != nil {
		p.Close()
		return err
	}
	s.mu.Lock()
	s.conn = p
	s.mu.Unlock()
	s.raw, s.step, s.out = raw, s.transfer, nil
	return nil
}

// close closes the connection, if there is one.
func (s *stream) close() {
	if s.unwatch != nil {
		s.unwatch()
	}
	s.watched, s.unwatch = nil, nil
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// begin begins an exchange, which the end of ctx cuts off. It must be ended by end,
// also when begin fails. Those who poll come with the same context each time: what
// watches it is kept.
func (s *stream) begin(ctx context.Context, deadline time.Time) error {
	done := ctx.Done()
	if done != s.watched {
		if s.unwatch != nil {
			s.unwatch()
		}
		s.watched = done
		s.unwatch = context.AfterFunc(ctx, func() { s.interrupt(done) })
	}
	s.mu.Lock()
	s.busy = done
	err := s.conn.SetReadDeadline(deadline)
	s.mu.Unlock()
	s.deadline = deadline
	if ctx.Err() != nil { // it may have ended before the exchange was under way
		return ctx.Err()
	}
	return err
}

// end ends an exchange: from now on no context cuts anything off.
func (s *stream) end() {
	s.mu.Lock()
	s.busy = nil
	s.mu.Unlock()
}

func (s *stream) interrupt(done <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy == done && s.conn != nil {
		s.conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// send has the next receive send b first. b must stay as it is until then.
func (s *stream) send(b []byte) { s.out = b }

// receive waits until something comes and returns how much it put into buf, which
// must not be empty. The error is a *sendError, io.EOF, that of the deadline, or
// that of the connection.
func (s *stream) receive(buf []byte) (int, error) {
	s.in = buf
	err := s.raw.Read(s.step)
	if err == nil && s.err == errRest {
		s.conn.SetWriteDeadline(s.deadline)
		if _, err = s.conn.Write(s.out); err != nil {
			return 0, &sendError{err}
		}
		s.out = nil
		err = s.raw.Read(s.step)
	}
	s.in, s.out = nil, nil
	switch {
	case err != nil:
		return 0, err
	case s.err == nil && s.n == 0:
		return 0, io.EOF
	}
	return s.n, s.err
}

// transfer does what can be done without waiting and tells whether that is all. The
// poller forgot what it knew right before it is called, so that the answer to what is
// sent here wakes it: to look for the answer at once would be a system call in vain.
func (s *stream) transfer(fd uintptr) bool {
	if s.out != nil {
		n, err := again(syscall.Write, fd, s.out)
		switch {
		case n == len(s.out):
			s.out = nil
			return false
		case err == nil || err == syscall.EAGAIN:
			s.n, s.err, s.out = 0, errRest, s.out[n:]
		default:
			s.n, s.err = 0, &sendError{err}
		}
		return true
	}
	s.n, s.err = again(syscall.Read, fd, s.in)
	return s.err != syscall.EAGAIN
}

// waiting returns what has come already, without waiting: 0 when there is nothing.
func (s *stream) waiting(buf []byte) (n int, err error) {
	if failed := s.raw.Read(func(fd uintptr) bool {
		n, err = again(syscall.Read, fd, buf)
		return true
	}); failed != nil {
		return 0, failed
	}
	switch {
	case err == syscall.EAGAIN:
		return 0, nil
	case err == nil && n == 0:
		return 0, io.EOF
	}
	return max(0, n), err
}

// again makes a system call until no signal interrupts it.
func again(call func(int, []byte) (int, error), fd uintptr, b []byte) (int, error) {
	for {
		n, err := call(int(fd), b)
		if err != syscall.EINTR {
			return max(0, n), err
		}
	}
}

// closed tells whether an error says that the peer closed the connection.
func closed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET)
}
