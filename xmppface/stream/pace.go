package stream

import "time"

const (
	// The window is how much of what may wait is on its way at most: little at first
	// and with a slow peer, so that what is sent later can still be newer.
	firstWindow = 16 << 10
	leastWindow = 2 << 10
	// slowLag is how old what a peer takes may be before the window shrinks; below
	// quickLag it grows.
	slowLag  = 500 * time.Millisecond
	quickLag = 250 * time.Millisecond
	// leastRate is what a live connection carries at least, in bytes per second.
	leastRate = 2000
	// longestWait is how long the answer to a mark may take beyond that.
	longestWait = 2 * time.Minute
)

// Pace is how fast a peer takes what it is sent.
type Pace struct {
	Rate float64       // bytes per second; 0: not known
	Lag  time.Duration // how old what it took last was
	// Slow is true while the peer, not we, decides how much is sent.
	Slow bool
}

// pace measures what the peer lets through: a mark among what is written asks for an
// answer, which says that everything before it was taken. It is guarded by the
// stream's mu.
type pace struct {
	on   bool
	mark []byte // without stream management, a request that the peer answers

	in        int64     // bytes given to the stream
	taken     int64     // of them, taken to be written
	marked    int64     // taken before the last mark
	waiting   bool      // the mark is not yet answered
	at        time.Time // of the mark
	began     time.Time // of the first byte after the mark before
	confirmed int64     // bytes that the peer has surely taken
	last      time.Time // when it said so
	wanted    bool      // somebody waits for room
	window    int64
	seen      Pace
	// What was taken of late, and in what time.
	bytes, seconds float64
}

// Measure makes the stream measure how fast the peer takes what it is sent, and
// [Stream.SendCtx] keep back what would be old when it is taken. Without stream
// management the mark is written now and then: a stanza that the peer answers at once;
// the caller tells of each answer by [Stream.Answered]. It must be called before
// anything is sent, and after Manage.
func (s *Stream) Measure(mark []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.p.on, s.p.mark, s.p.window = true, mark, firstWindow
	if s.m != nil {
		s.p.mark = nil
	}
}

// Answered tells that the answer to the mark has come.
func (s *Stream) Answered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirm()
}

// Pace returns how fast the peer takes what it is sent. A peer that has not answered
// the mark for minutes is from then on not measured, and nothing kept back.
func (s *Stream) Pace() Pace {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := &s.p
	if p.on && p.waiting && s.lost == nil && time.Since(p.at) > longestWait+s.patience() {
		p.on, p.seen = false, Pace{}
		if s.room != nil {
			close(s.room)
			s.room = nil
		}
	}
	return p.seen
}

// Patience returns how long it may take until what is sent now is taken, on a slow but
// live connection.
func (s *Stream) Patience() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.patience()
}

func (s *Stream) patience() time.Duration {
	return time.Duration(float64(s.p.in-s.p.confirmed) / leastRate * float64(time.Second))
}

// holds tells whether so much more would wait too long. It is called with s locked.
func (s *Stream) holds(size int) bool {
	p := &s.p
	ahead := p.in - p.confirmed
	if !p.on || ahead == 0 || ahead+int64(size) <= p.window {
		return false
	}
	p.wanted = true
	s.signal()
	return true
}

// due tells whether a mark is to be written. It is called with s locked.
func (p *pace) due() bool {
	return p.on && !p.waiting && (p.wanted && p.taken > p.confirmed || p.taken-p.marked >= min(p.window/2, askBytes))
}

// take notes that so much was taken to be written. It is called with s locked.
func (p *pace) take(n int, now time.Time) {
	if n > 0 && p.taken == p.marked {
		p.began = now
	}
	p.taken += int64(n)
}

// put notes that the mark is written. It is called with s locked.
func (p *pace) put(now time.Time) {
	p.waiting, p.wanted = true, false
	p.marked, p.at = p.taken, now
}

// confirm notes that everything before the mark was taken. It is called with s locked.
func (s *Stream) confirm() {
	p := &s.p
	if !p.waiting {
		return
	}
	now := time.Now()
	from := p.began
	if p.last.After(from) {
		from = p.last
	}
	n := p.marked - p.confirmed
	p.waiting, p.confirmed, p.last = false, p.marked, now
	p.seen.Lag = now.Sub(p.at)
	if d := now.Sub(from); d > 0 && n > 0 {
		const fading = 0.75 // single answers come in bursts
		p.bytes, p.seconds = p.bytes*fading+float64(n), p.seconds*fading+d.Seconds()
		p.seen.Rate = p.bytes / p.seconds
	}
	switch {
	case p.seen.Lag > slowLag:
		p.window = max(leastWindow, min(p.window, int64(p.seen.Rate*slowLag.Seconds())))
		p.seen.Slow = true
	case p.seen.Lag < quickLag && n >= p.window/2: // less proves nothing
		p.window = min(2*p.window, int64(s.o.Queue))
		p.seen.Slow = p.seen.Slow && p.window < firstWindow<<2
	}
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	if p.due() {
		s.signal()
	}
}
