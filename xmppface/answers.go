package xmppface

import (
	"crypto/sha256"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// asks are our own requests that wait for their answers.
type asks struct {
	mu   sync.Mutex
	byID map[string]ask
}

type ask struct {
	to     string
	answer chan *wire.Element // 1
}

func (a *asks) init() { a.byID = make(map[string]ask) }

func (a *asks) add(id, to string) <-chan *wire.Element {
	answer := make(chan *wire.Element, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.byID[id] = ask{to, answer}
	return answer
}

func (a *asks) remove(id string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.byID, id)
}

// answer hands an answer to who asked, if it is from whom was asked.
func (s *Session) answer(e *wire.Element) {
	id := e.Attr("id")
	if id == s.markID && s.speaksFor(e.Attr("from"), s.domain) {
		s.st.Answered()
		return
	}
	s.asks.mu.Lock()
	defer s.asks.mu.Unlock()
	a, ok := s.asks.byID[id]
	if !ok || !s.speaksFor(e.Attr("from"), a.to) {
		return
	}
	delete(s.asks.byID, id)
	a.answer <- e
}

// speaksFor tells whether an answer from "from" is one to a request sent to "to"
// (RFC 6120, 8.1.2.1 and 8.2.3): our server answers for our own account without
// an address, or with that of the account.
func (s *Session) speaksFor(from, to string) bool {
	if from == to {
		return true
	}
	_, from, err := normal(from)
	if err != nil {
		return false
	}
	if _, to, err = normal(to); err != nil {
		return false
	}
	switch to {
	case "", s.bare:
		return from == "" || from == s.bare || to == "" && (from == s.domain || from == s.full)
	case s.domain:
		return from == "" || from == s.domain
	}
	return from == to
}

// normal is Normalize for an address that may be empty.
func normal(address string) (bare, full string, err error) {
	if address == "" {
		return "", "", nil
	}
	return Normalize(address)
}

// Limits of the answers that are kept. Who has more than his share loses his own
// oldest when there is no room.
const (
	setsKept  = 1024
	setsBytes = 1 << 20
	setsTime  = time.Minute
)

// sets are the answers to requests that change something, kept for a minute: a
// client that repeats such a request gets the answer to the first one, which is
// not done twice.
type sets struct {
	mu    sync.Mutex
	byKey map[setKey]*set
	order []*set // by age
	bytes int
	share map[string]int // what is kept for a bare address: setsCost each, and bytes
}

// setsCost is what an entry counts beside its answer.
const setsCost = setsBytes / setsKept

type setKey struct {
	from, id string
	content  [sha256.Size]byte
}

type set struct {
	key     setKey
	dropped bool
	done    time.Time // zero: not yet answered
	waiting int       // repetitions that wait
	payload []byte
	err     *ext.StanzaError
}

func (t *sets) init() {
	t.byKey = make(map[setKey]*set)
	t.share = make(map[string]int)
}

// enter notes a request. A repetition returns first=false; then done tells
// whether the answer is there already, else it is given when it comes.
func (t *sets) enter(now time.Time, from, id string, payload *wire.Element) (entry *set, first, done bool) {
	key := setKey{from, id, sha256.Sum256(payload.Append(nil, ""))}
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.order) > 0 {
		old := t.order[0]
		expired := !old.done.IsZero() && now.Sub(old.done) > setsTime
		if !old.dropped && !expired {
			if len(t.order) < setsKept && t.bytes < setsBytes {
				break
			}
			old = t.excess()
		}
		t.drop(old)
		t.order = slices.DeleteFunc(t.order, func(e *set) bool { return e.dropped })
	}
	if e := t.byKey[key]; e != nil && (e.done.IsZero() || now.Sub(e.done) <= setsTime) {
		if e.done.IsZero() {
			e.waiting++
			return e, false, false
		}
		return e, false, true
	}
	e := &set{key: key}
	t.byKey[key] = e
	t.order = append(t.order, e)
	t.share[key.bare()] += setsCost
	return e, true, false
}

// bare is the address of whom an entry counts for.
func (k setKey) bare() string {
	bare, _, _ := strings.Cut(k.from, "/")
	return bare
}

// excess is the oldest entry of whom most is kept for. It is called with t locked, when
// there is one.
func (t *sets) excess() *set {
	most, out := -1, (*set)(nil)
	for _, e := range t.order {
		if n := t.share[e.key.bare()]; !e.dropped && n > most {
			most, out = n, e
		}
	}
	return out
}

// settle notes the answer and returns how many repetitions wait for it. An error
// that says "try again" is not kept, unless it leaves open what was done: a
// repetition that was under way must not do it once more.
func (t *sets) settle(now time.Time, e *set, payload []byte, err *ext.StanzaError) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	e.done, e.err = now, err
	e.payload = append([]byte(nil), payload...)
	n := e.waiting
	e.waiting = 0
	switch {
	case e.dropped:
	case err != nil && err.Type == "wait" && err.Condition != "remote-server-timeout":
		t.drop(e)
	default:
		t.bytes += len(e.payload)
		t.share[e.key.bare()] += len(e.payload)
	}
	return n
}

// forget drops what is kept for a sender.
func (t *sets) forget(from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, e := range t.order {
		if e.key.from == from {
			t.drop(e)
		}
	}
}

// drop is called with t locked. The entry stays in order until its turn comes.
func (t *sets) drop(e *set) {
	if e.dropped {
		return
	}
	e.dropped = true
	share := setsCost
	if !e.done.IsZero() {
		t.bytes -= len(e.payload)
		share += len(e.payload)
	}
	bare := e.key.bare()
	if t.share[bare] -= share; t.share[bare] <= 0 {
		delete(t.share, bare)
	}
	if t.byKey[e.key] == e {
		delete(t.byKey, e.key)
	}
}
