package xmppface

import (
	"fmt"
	"sync"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
)

const (
	// unsentBytes is the default of [Limits.Unsent]: half the queue of a stream, so that
	// nobody alone fills it.
	unsentBytes = 512 << 10
	// smallAnswer is how large an answer is that is sent whatever waits.
	smallAnswer = 4 << 10
	// refusalBytes is how many bytes of refusals may wait beyond the limit.
	refusalBytes = 64 << 10
)

// unsent is what waits in a stream for one peer. Safe for concurrent use.
type unsent struct {
	mu    sync.Mutex
	spans []span // in order
	bytes int
}

// span is answers next to each other: the last of them is taken when the stream has got to
// end.
type span struct {
	end   int64
	bytes int
}

// add takes note of an answer that was queued.
func (u *unsent) add(end int64, bytes int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.bytes += bytes
	if n := len(u.spans); n > 0 && u.spans[n-1].bytes+bytes <= smallAnswer {
		last := &u.spans[n-1]
		last.end, last.bytes = max(last.end, end), last.bytes+bytes
		return
	}
	u.spans = append(u.spans, span{end, bytes})
}

// waiting returns how many bytes wait when the stream has got to taken.
func (u *unsent) waiting(taken int64) int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := 0
	for n < len(u.spans) && u.spans[n].end <= taken {
		u.bytes -= u.spans[n].bytes
		n++
	}
	if u.spans = u.spans[n:]; len(u.spans) == 0 {
		u.spans = nil
	}
	return u.bytes
}

// none tells whether nothing is known to wait.
func (u *unsent) none() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.bytes == 0
}

// owed returns how many bytes of answers wait for a peer.
func (s *Session) owed(p *peer) int {
	if p.unsent.none() {
		return 0
	}
	_, taken := s.st.Progress()
	return p.unsent.waiting(taken)
}

// respondTo sends a peer the answer to an iq: an error in place of a large one when much
// waits for him already.
func (s *Session) respondTo(p *peer, e *wire.Element, payload []byte, failure *ext.StanzaError) {
	if n := len(payload); failure == nil && n > smallAnswer && n <= stream.MaxStanza {
		if owed := s.owed(p); owed > 0 && owed+n > s.a.Limits.Unsent {
			p.overflowed.Store(true)
			failure = &ext.StanzaError{Type: "wait", Condition: "resource-constraint", Text: s.a.Limits.unsentText()}
		}
	}
	bytes := s.respond(e, payload, failure)
	queued, _ := s.st.Progress()
	p.unsent.add(queued, bytes)
}

func (l *Limits) unsentText() string {
	return fmt.Sprintf("more than %d bytes of answers to you wait until the connection takes them (limits, answers_waiting, in hub.yaml); try again later", l.Unsent)
}
