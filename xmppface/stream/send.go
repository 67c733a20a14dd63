package stream

import (
	"context"
	"crypto/tls"
	"fmt"
	"runtime"
	"time"
)

const (
	closing = "</stream:stream>"
	// chunkSize is the most that one write takes: what a TLS record holds. The write
	// time-out is for each, so that a slow peer may take long for many.
	chunkSize = 16 << 10
	// wholeSize is that when stanzas are counted, so that only a larger one is torn by
	// the loss of a connection. Prosody 0.12 reads so much at a time, and cannot resume
	// a session when it has read a part of a stanza.
	wholeSize = 4 << 10
	// grace is how long the peer may take to take the rest and to end its side.
	grace = time.Second
	// keep is the largest buffer that is kept for later.
	keep = 256 << 10
)

// Send queues one stanza given in parts, which are copied. It never waits: it
// returns [ErrFull] when there is no room, [ErrTooLarge] for what no peer would
// take, and [ErrClosed] or why the connection is gone.
func (s *Stream) Send(parts ...[]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(s.o.Queue, false, parts)
}

// Reply is Send for what must not be lost, such as answers: it may use a reserve,
// and when that is full too, the stream fails.
func (s *Stream) Reply(parts ...[]byte) error {
	s.mu.Lock()
	err := s.put(2*s.o.Queue, false, parts)
	s.mu.Unlock()
	if err == ErrFull {
		s.fail(err)
	}
	return err
}

// SendCtx is Send that waits for room until ctx ends. With [Stream.Measure] there is
// room for what a slow peer takes soon, and no more.
func (s *Stream) SendCtx(ctx context.Context, parts ...[]byte) error {
	for {
		s.mu.Lock()
		err := s.put(s.o.Queue, true, parts)
		if err == nil || err != ErrFull {
			s.mu.Unlock()
			return err
		}
		if s.room == nil {
			s.room = make(chan struct{})
		}
		room := s.room
		s.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", ErrFull, ctx.Err())
		}
	}
}

// Congested tells that what waits has reached the size of the queue, so that
// [Stream.Send] would fail: a time to refuse what leads to more.
func (s *Stream) Congested() bool { return s.Queued() >= s.o.Queue }

// Queued returns how many bytes wait to be written.
func (s *Stream) Queued() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.out) + s.writing
}

// Progress returns how many bytes were queued so far, and how many of these the peer has
// taken; without [Stream.Measure] those that are written count as taken.
func (s *Stream) Progress() (queued, taken int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.p.on {
		return s.p.in, s.p.confirmed
	}
	return s.p.in, s.p.in - int64(len(s.out)+s.writing)
}

// put is called with s locked.
func (s *Stream) put(limit int, paced bool, parts [][]byte) error {
	if s.err != nil {
		return s.err
	}
	if s.ended {
		return ErrClosed
	}
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size > MaxStanza {
		return ErrTooLarge
	}
	if used := len(s.out) + s.writing; used > 0 && used+size > limit {
		return ErrFull
	}
	if paced && s.holds(size) {
		return ErrFull
	}
	s.p.in += int64(size)
	from := len(s.out)
	for _, p := range parts {
		s.out = append(s.out, p...)
	}
	if s.m != nil {
		s.ends = append(s.ends, len(s.out))
	}
	if s.o.Trace != nil {
		s.o.Trace(true, s.out[from:])
	}
	s.signal()
	return nil
}

func (s *Stream) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// End queues the error, when there is one, and the end of the stream; nothing
// can be sent afterwards. Run writes them, gives the peer a second to end its
// side, and closes the connection. It may be called more than once.
func (s *Stream) End(e *Error) {
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		if s.m != nil { // or the peer would take for undelivered what it has no word of
			s.out = s.appendHandled(s.out)
		}
		if e != nil {
			s.out = e.append(s.out)
		}
		s.out = append(s.out, closing...)
	}
	s.mu.Unlock()
	s.signal()
}

// Abort closes the connection at once; err is what sending and Run return then.
func (s *Stream) Abort(err error) { s.fail(err) }

// fail closes the connection at once.
func (s *Stream) fail(err error) {
	s.mu.Lock()
	first := s.err == nil
	if first {
		s.err = err
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
	}
	s.mu.Unlock()
	if first {
		s.hangUp(err)
	}
}

// hangUp closes the connection at once.
func (s *Stream) hangUp(err error) {
	s.mu.Lock()
	c, first := s.c, !s.down
	if first {
		s.down = true
		close(s.dead)
	}
	s.mu.Unlock()
	if !first {
		return
	}
	if t, ok := c.Conn.(*tls.Conn); ok && err != ErrClosed {
		t.NetConn().Close() // not t, which would wait to write an alert
		return
	}
	c.Close()
}

// Done is closed when the connection is gone; it is another channel after
// [Stream.Resume].
func (s *Stream) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dead
}

// Run writes what is queued, all there is at a time. It returns after the
// connection is closed: when the stream was ended by End (nil), when ctx ends
// (the stream is ended then; nil), or when the connection was lost, see [Stream.Lost].
func (s *Stream) Run(ctx context.Context) error {
	s.mu.Lock()
	c, dead, readEnd := s.c, s.dead, s.readEnd
	s.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		s.End(nil)
		c.SetWriteDeadline(time.Now().Add(grace))
	})
	defer stop()
	var spare []byte
	for {
		// Whoever is about to send may do so first: fewer, larger writes cost the
		// server much less, and no time is waited for it.
		runtime.Gosched()
		s.mu.Lock()
		var batch []byte
		var ends []int
		if s.m != nil {
			batch, ends = s.takeManaged()
		} else {
			batch, s.out = s.out, spare[:0]
			now := time.Now()
			s.p.take(len(batch), now)
			if s.p.due() && !s.ended {
				s.p.put(now)
				batch = append(batch, s.p.mark...)
			}
			s.writing = len(batch)
		}
		ended := s.ended
		s.mu.Unlock()
		if err := s.write(ctx, c, batch, ends); err != nil {
			s.Cut(fmt.Errorf("connection lost: %w", err))
			break
		}
		spare = nil
		if s.m == nil && cap(batch) <= keep {
			spare = batch
		}
		if ended {
			c.SetReadDeadline(time.Now().Add(grace))
			select {
			case <-readEnd:
			case <-dead:
			case <-time.After(grace):
			}
			s.fail(ErrClosed)
			break
		}
		select {
		case <-s.wake:
		case <-dead:
		}
		if over(dead) {
			break
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch s.err {
	case ErrClosed:
		return nil
	case nil:
		return s.lost
	}
	return s.err
}

func over(dead <-chan struct{}) bool {
	select {
	case <-dead:
		return true
	default:
		return false
	}
}

// write writes in pieces, which end with a stanza where it is known where those end.
func (s *Stream) write(ctx context.Context, c *Conn, b []byte, ends []int) error {
	for from := 0; from < len(b); {
		to := min(len(b), from+chunkSize)
		for len(ends) > 0 && ends[0] <= from {
			ends = ends[1:]
		}
		if len(ends) > 0 {
			whole := 0
			for whole < len(ends) && ends[whole] <= from+wholeSize {
				whole++
			}
			to = min(to, ends[max(0, whole-1)])
		}
		c.SetWriteDeadline(time.Now().Add(s.o.WriteTimeout))
		if ctx.Err() != nil {
			c.SetWriteDeadline(time.Now().Add(grace))
		}
		if _, err := c.Write(b[from:to]); err != nil {
			return err
		}
		s.mu.Lock()
		s.writing -= to - from
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
		s.mu.Unlock()
		from = to
	}
	return nil
}
