package stream

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/fieldhub/hub/xmppface/wire"
)

// NSManagement is the namespace of stream management (XEP-0198).
const NSManagement = "urn:xmpp:sm:3"

const (
	// askStanzas and askBytes are how much is written before the peer is asked what of
	// it has come.
	askStanzas = 64
	askBytes   = 64 << 10
	// window is how much may be unacknowledged, in bytes; nothing more is written then
	// until the peer says what has come.
	window = 1 << 20
)

// management keeps what the peer has not acknowledged, so that it can be sent again
// over another connection. It is guarded by the stream's mu.
type management struct {
	id     string // by which the peer knows the stream; empty: it cannot be resumed
	acked  uint32 // stanzas that the peer has, modulo 2^32
	chunks []chunk
	count  int // stanzas in chunks
	size   int // their bytes

	asked time.Time // when the peer was asked; zero: no answer is owed
	probe bool      // ask with the next write
	owes  bool      // the peer has asked us

	spare     []byte // to be used again
	spareEnds []int
}

// chunk is what was written at a time: whole stanzas, and perhaps what is none behind
// the last one.
type chunk struct {
	b    []byte
	from int   // where the first stanza begins
	ends []int // where stanzas end
}

// Manage begins to count stanzas: the peer has just agreed to stream management. When
// it gave an id, a lost connection does not end the stream: Run and Read return, what
// is sent waits in the queue, and [Stream.Resume] goes on. It must be called before
// anything is read or sent.
func (s *Stream) Manage(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.m = &management{id: id}
}

// Resumption returns what another connection must tell the peer to go on: the id of
// the stream and how many stanzas have come.
func (s *Stream) Resumption() (id string, received uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		return "", 0
	}
	return s.m.id, s.received.Load()
}

// Lost returns why the connection is gone while the stream is not: it waits for
// [Stream.Resume] or [Stream.Abort]. Otherwise it returns nil.
func (s *Stream) Lost() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return nil
	}
	return s.lost
}

// Cut closes the connection at once because of err. A stream that can be resumed
// stays; another fails as by Abort.
func (s *Stream) Cut(err error) {
	s.mu.Lock()
	stays := s.resumable()
	if stays && s.lost == nil {
		s.lost = err
	}
	s.mu.Unlock()
	if !stays {
		s.fail(err)
		return
	}
	s.hangUp(err)
}

// resumable is called with s locked.
func (s *Stream) resumable() bool {
	return s.m != nil && s.m.id != "" && s.err == nil && !s.ended
}

// Resume goes on over another connection, on which the peer has agreed to it and said
// how many stanzas it has. Those it has not are written again, then what waits. It
// must be called after Run and Read have returned; both are called again then. After
// an error the stream cannot be resumed, and the caller closes both.
func (s *Stream) Resume(c *Conn, h uint32) error {
	if err := s.attach(c); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	if err := s.acknowledged(h); err != nil {
		return err
	}
	m := s.m
	again := make([]byte, 0, m.size+len(s.out))
	ends := make([]int, 0, m.count+len(s.ends))
	add := func(b []byte, from int, list []int) {
		for _, end := range list {
			again = append(again, b[from:end]...)
			ends = append(ends, len(again))
			from = end
		}
	}
	for _, k := range m.chunks {
		add(k.b, k.from, k.ends)
	}
	add(s.out, 0, s.ends)
	s.out, s.ends, s.writing = again, ends, 0
	m.chunks, m.count, m.size = nil, 0, 0
	m.asked, m.owes = time.Time{}, false
	s.p.taken = s.p.in - int64(len(again))
	s.p.confirmed, s.p.marked, s.p.waiting = s.p.taken, s.p.taken, false
	s.lost = nil
	s.signal()
	return nil
}

// Probe asks the peer what has come, so that it gives a sign of life. It returns
// false when the peer does not know stream management.
func (s *Stream) Probe() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil {
		return false
	}
	s.m.probe = true
	s.signal()
	return true
}

// Owed returns for how long the answer to what Probe or the stream itself asked has
// been due, on a connection that is slow but live.
func (s *Stream) Owed() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.m == nil || s.m.asked.IsZero() || s.lost != nil {
		return 0
	}
	before := time.Duration(float64(s.p.marked-s.p.confirmed) / leastRate * float64(time.Second))
	return max(0, time.Since(s.m.asked)-before)
}

// manage handles an element of stream management.
func (s *Stream) manage(e *wire.Element) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Name.Local {
	case "r":
		s.m.owes = true
		s.signal()
	case "a":
		h, err := strconv.ParseUint(e.Attr("h"), 10, 32)
		if err != nil {
			return &Error{Condition: "bad-format", Text: "an acknowledgement without a number"}
		}
		s.m.asked = time.Time{}
		if err := s.acknowledged(uint32(h)); err != nil {
			return &Error{Condition: "undefined-condition", Text: err.Error()}
		}
		s.confirm()
		s.signal()
	}
	return nil
}

// acknowledged forgets what the peer has. It is called with s locked.
func (s *Stream) acknowledged(h uint32) error {
	m := s.m
	fresh := h - m.acked // modulo 2^32
	if fresh > uint32(m.count) {
		return fmt.Errorf("%d stanzas are acknowledged, but only %d were sent", h, m.acked+uint32(m.count))
	}
	m.acked = h
	n := int(fresh)
	m.count -= n
	whole := 0
	for n > 0 {
		k := &m.chunks[whole]
		part := min(n, len(k.ends))
		n -= part
		m.size -= k.ends[part-1] - k.from
		k.from = k.ends[part-1]
		if part < len(k.ends) {
			k.ends = k.ends[part:]
			break
		}
		if s.writing == 0 && cap(k.b) <= keep { // a peer may acknowledge what is still being written
			m.spare, m.spareEnds = k.b[:0], k.ends[:0]
		}
		whole++
	}
	m.chunks = slices.Delete(m.chunks, 0, whole)
	return nil
}

// takeManaged returns what is to be written next, and where its stanzas end. It is
// called with s locked.
func (s *Stream) takeManaged() (batch []byte, ends []int) {
	m, now := s.m, time.Now()
	if m.size < window || s.ended {
		batch, ends = s.out, s.ends
		if len(ends) > 0 {
			m.chunks = append(m.chunks, chunk{b: batch, ends: ends})
			m.count += len(ends)
			m.size += ends[len(ends)-1]
			s.p.take(ends[len(ends)-1], now)
			s.out, s.ends = m.spare, m.spareEnds
			m.spare, m.spareEnds = nil, nil
		} else {
			s.out = nil
		}
	}
	if !s.ended {
		if m.owes {
			m.owes = false
			batch = s.appendHandled(batch)
		}
		if m.asked.IsZero() && (m.probe || m.count >= askStanzas || m.size >= askBytes || s.p.due()) {
			m.asked, m.probe = now, false
			s.p.put(now)
			batch = append(batch, "<r xmlns='"+NSManagement+"'/>"...)
		}
	}
	s.writing = len(batch)
	return batch, ends
}

// appendHandled tells the peer what has come.
func (s *Stream) appendHandled(b []byte) []byte {
	b = append(b, "<a xmlns='"+NSManagement+"' h='"...)
	b = strconv.AppendUint(b, uint64(s.received.Load()), 10)
	return append(b, "'/>"...)
}

// lostConnection tells whether an error of reading leaves the stream whole, so that it
// may be resumed: nobody ended it.
func lostConnection(err error) bool {
	var known *Error
	return !errors.As(err, &known) && err != io.EOF
}
