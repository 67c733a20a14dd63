package modbustest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// tolerance is how late the simulation may notice characters: it takes a gap for
// one only when it is longer by this much.
const tolerance = 5 * time.Millisecond

// unheard is how long characters of an incomplete request are kept on a line
// without timing.
const unheard = 50 * time.Millisecond

// unread is how long the simulation tries to send while nobody reads and the buffer
// of the terminal is full; then the characters are lost.
const unread = 100 * time.Millisecond

// slave is one time that the line is plugged in: its units, which take turns.
type slave struct {
	*Line
	port    *os.File
	in      []byte    // of a request so far
	end     time.Time // when the last character of in is over
	early   bool      // in began too early
	free    time.Time // when the last character on the line is or was over
	waiting []pending
	noisy   *Unit // babbles until its fault is over
	buf     []byte
}

// pending is what will be sent.
type pending struct {
	at    time.Time // not before
	out   []byte
	split bool
}

// chunk is characters that came at a time.
type chunk struct {
	at   time.Time
	data []byte
}

// serve answers until ctx ends or the port is closed.
func (l *Line) serve(ctx context.Context, port *os.File) {
	s := &slave{Line: l, port: port, buf: make([]byte, wire.MaxADU)}
	chunks := make(chan chunk, 64)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() {
		defer cancel()
		receive(ctx, port, chunks)
	})
	stop := context.AfterFunc(ctx, func() { port.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	port.SetReadDeadline(time.Time{})
	// Here too, since stop may come before what it stops has begun.
	defer port.SetReadDeadline(time.Unix(1, 0))
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		timer.Reset(s.next())
		select {
		case <-ctx.Done():
			return
		case c := <-chunks:
			s.take(c)
		case b := <-s.strange:
			s.waiting = append(s.waiting, pending{time.Now(), b, false})
		case <-timer.C:
		}
		if s.send(ctx) != nil {
			return
		}
	}
}

// receive reads until the port is closed. While nobody has the other end open,
// reading is an error.
func receive(ctx context.Context, port *os.File, chunks chan<- chunk) {
	for ctx.Err() == nil {
		data := make([]byte, 512)
		n, err := port.Read(data)
		if n > 0 {
			select {
			case chunks <- chunk{time.Now(), data[:n]}:
			case <-ctx.Done():
			}
		}
		switch {
		case errors.Is(err, fs.ErrClosed):
			return
		case err != nil:
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}

// take puts characters on the line and carries out what they complete.
func (s *slave) take(c chunk) {
	gap := s.silence + tolerance
	if s.baud == 0 {
		gap = unheard
	}
	if len(s.in) > 0 && c.at.Sub(s.end) > gap {
		s.count(func(x *LineStats) { x.Broken++ })
		s.in = s.in[:0]
	}
	took := time.Duration(len(c.data)) * s.char
	if len(s.in) == 0 {
		idle := c.at.Sub(s.free.Add(s.silence))
		s.early = idle < 0
		s.end = c.at
		s.count(func(x *LineStats) {
			if len(x.Idle) == kept {
				x.Idle = append(x.Idle[:0], x.Idle[kept/2:]...)
			}
			if !s.free.IsZero() {
				x.Idle = append(x.Idle, idle)
			}
		})
	}
	s.in = append(s.in, c.data...)
	if c.at.After(s.end) {
		s.end = c.at
	}
	s.end = s.end.Add(took)
	s.count(func(x *LineStats) { x.Busy += took })
	if s.end.After(s.free) {
		s.free = s.end
	}
	q, n, err := rtuFraming{}.next(s.in)
	switch {
	case err != nil || n > 0 && n < len(s.in): // two requests without silence are none
		s.count(func(x *LineStats) { x.Broken++ })
	case n == 0:
		return
	case s.early:
		s.count(func(x *LineStats) { x.Early++ })
	case !s.tuned():
		s.count(func(x *LineStats) { x.Mismatch++ })
	default:
		s.count(func(x *LineStats) { x.Requests++ })
		s.carryOut(q)
	}
	s.in = s.in[:0]
}

// tuned tells whether the port is set to the baud rate of the line.
func (s *slave) tuned() bool {
	if s.baud == 0 {
		return true
	}
	rate, err := baudRate(s.port)
	return err == nil && rate == s.baud
}

// carryOut has the addressed unit answer a request whose last character is over
// at s.end.
func (s *slave) carryOut(q wire.ADU) {
	if held := s.release(s.Line); held != nil {
		s.waiting = append(s.waiting, pending{s.end, held, false})
	}
	u := s.find(q.Unit)
	switch {
	case q.Unit == 0:
		s.broadcast(q)
		return
	case u == nil:
		return
	}
	a, f := u.answer(q, s.buf)
	for _, b := range f.strange(rtuFraming{}, s.in, a) {
		s.waiting = append(s.waiting, pending{s.end, b, false})
	}
	out, _ := f.render(nil, rtuFraming{}, a)
	switch {
	case f.Babble:
		s.noisy = u
	case f.Held:
		s.hold(s.Line, out)
	case len(out) > 0:
		s.waiting = append(s.waiting, pending{s.end.Add(s.silence + f.Delay), out, f.Split})
	}
}

// next returns how long nothing is to be sent.
func (s *slave) next() time.Duration {
	if s.noisy != nil {
		return max(0, time.Until(s.free), time.Millisecond)
	}
	wait := time.Hour
	for _, p := range s.waiting {
		wait = min(wait, time.Until(p.at)-nearly)
	}
	return max(0, wait)
}

// send sends what is due. An error means that the port is gone, or ctx over.
func (s *slave) send(ctx context.Context) error {
	for i := 0; i < len(s.waiting); i++ {
		p := s.waiting[i]
		if time.Until(p.at) > nearly {
			continue
		}
		s.waiting = append(s.waiting[:i], s.waiting[i+1:]...)
		i--
		if start := s.free.Add(s.silence); start.After(p.at) {
			p.at = start
		}
		if err := s.transmit(ctx, p); err != nil {
			return err
		}
	}
	if s.noisy == nil {
		return nil
	}
	if !s.noisy.babbles() {
		s.noisy = nil
		return nil
	}
	if now := time.Now(); now.Before(s.free) {
		return nil
	} else {
		s.free = now
	}
	noise := make([]byte, 16)
	babble(noise)
	return s.transmit(ctx, pending{s.free, noise, false})
}

// transmit sends from p.at on, in pieces as an adapter hands them over, each when
// its last character is over.
func (s *slave) transmit(ctx context.Context, p pending) error {
	piece := 16
	if p.split {
		piece = 1
	}
	at := p.at
	for out := p.out; len(out) > 0; {
		n := min(piece, len(out))
		at = at.Add(time.Duration(n) * s.char)
		if err := sleepUntil(ctx, at); err != nil {
			return err
		}
		s.free = time.Now() // before the other end can know
		s.port.SetWriteDeadline(s.free.Add(unread))
		if _, err := s.port.Write(out[:n]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		out = out[n:]
	}
	s.count(func(x *LineStats) { x.Busy += time.Duration(len(p.out)) * s.char })
	return nil
}

// nearly is how exact the timers of the runtime are.
const nearly = 1500 * time.Microsecond

// sleepUntil sleeps as exactly as it can.
func sleepUntil(ctx context.Context, at time.Time) error {
	if d := time.Until(at) - nearly; d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-t.C:
		}
	}
	const late = 70 * time.Microsecond // what the kernel adds
	if d := time.Until(at) - late; d > 0 {
		nap(d)
	}
	for time.Now().Before(at) { // at most as long as the kernel was early
	}
	return ctx.Err()
}
