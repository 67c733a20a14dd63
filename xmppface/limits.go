package xmppface

import (
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// Limits is what each bare address may ask of us, whatever number of clients it has. What
// is beyond is refused, and not even answered when it does not stop; others do not notice.
// How many subscriptions, sniffers, readouts, queries and commands somebody may have is up
// to the extensions.
type Limits struct {
	// Requests is how many requests, and messages that are for extensions, are taken a
	// second on the average, and twice as many at once; 0: any number.
	Requests int
	// Answers is how many bytes of answers to requests are sent a second on the average,
	// and four times as many at once; 0: any number. Whoever had more waits until that
	// is made up for.
	Answers int
	// Unsent is how many bytes of answers may wait until the connection takes them; 512 KiB
	// when 0. While there are more, requests are refused, and answers of more than a few
	// kilobytes become an error that says so.
	Unsent int
	// Waiting is how many requests may wait for their turn; 256 when 0.
	Waiting int
	// Flooding is told, at most once a minute of each, who asks for more than that. It
	// must not block. May be nil.
	Flooding func(nodes.Caller)
}

const (
	// calm is after how long without a refusal somebody counts as one who keeps to the
	// limits again.
	calm = 10 * time.Second
	// toldAgain is how often at most it is told that he does not.
	toldAgain = time.Minute
)

// peer is what is known of a bare address.
type peer struct {
	// Of all its queues; guarded by the pool.
	jobs, bytes, slots int

	requests, refusals, answers *rate.Limiter // nil: no limit
	unsent                      unsent
	overflowed                  atomic.Bool // an answer was not sent; the reader looks at it
	// Only the reader uses these.
	refused, told time.Time // last
}

func (l *Limits) peer() *peer {
	p := &peer{}
	if l.Requests > 0 {
		p.requests = rate.NewLimiter(rate.Limit(l.Requests), 2*l.Requests)
		p.refusals = rate.NewLimiter(rate.Limit(l.Requests), l.Requests)
	}
	if l.Answers > 0 {
		p.answers = rate.NewLimiter(rate.Limit(l.Answers), max(4*l.Answers, leastAnswers))
	}
	return p
}

// leastAnswers is more than a stanza can be.
const leastAnswers = 1 << 20

// forgettable tells whether nothing is lost when a peer is forgotten.
func (p *peer) forgettable(now time.Time) bool {
	full := func(l *rate.Limiter) bool { return l == nil || l.TokensAt(now) >= float64(l.Burst()) }
	return p.jobs == 0 && p.slots == 0 && now.Sub(p.told) >= toldAgain && full(p.requests) && full(p.answers)
}

// answered takes note of an answer. Safe for concurrent use.
func (p *peer) answered(now time.Time, bytes int) {
	if p.answers != nil {
		p.answers.ReserveN(now, min(bytes, p.answers.Burst()))
	}
}

// verdict is what becomes of what somebody sends.
type verdict uint8

const (
	admitted   verdict = iota
	turnedAway         // with an answer that says so
	ignored            // without any
)

// admit decides what becomes of a stanza; why words a refusal.
func (s *Session) admit(who *sender, now time.Time) (v verdict, why *ext.StanzaError) {
	s.calm(now)
	p, text := who.peer, ""
	owed := s.owed(p)
	switch {
	case owed > s.a.Limits.Unsent:
		text = s.a.Limits.unsentText()
	case p.answers != nil && p.answers.TokensAt(now) < 0:
		text = fmt.Sprintf("you had more than %d bytes of answers a second (limits, answer_bytes, in hub.yaml); try again later", s.a.Limits.Answers)
	case p.requests != nil && !p.requests.AllowN(now, 1):
		text = fmt.Sprintf("you ask more than %d requests a second (limits, requests, in hub.yaml); try again later", s.a.Limits.Requests)
	case p.overflowed.Swap(false):
		s.flooded(who, now, s.a.Limits.unsentText())
		return admitted, nil
	default:
		return admitted, nil
	}
	s.flooded(who, now, text)
	if owed > s.a.Limits.Unsent+refusalBytes || p.refusals != nil && !p.refusals.AllowN(now, 1) {
		return ignored, nil
	}
	return turnedAway, &ext.StanzaError{Type: "wait", Condition: "resource-constraint", Text: text}
}

// calm tells of those who keep to their limits again, whether they ask or have gone.
func (s *Session) calm(now time.Time) {
	t := &s.senders
	if len(t.flooders) == 0 || now.Sub(t.calmed) < time.Second {
		return
	}
	t.calmed = now
	for jid, p := range t.flooders {
		if now.Sub(p.refused) > calm {
			delete(t.flooders, jid)
			s.log.Info("a peer keeps to its limits again", "from", jid)
		}
	}
}

// flooded takes note that somebody was refused something.
func (s *Session) flooded(who *sender, now time.Time, limit string) {
	p := who.peer
	p.refused = now
	if s.senders.flooders[who.caller.JID] != nil || now.Sub(p.told) < toldAgain {
		return
	}
	p.told = now
	s.senders.flooders[who.caller.JID] = p
	s.log.Warn("a peer asks for more than its limits allow; what is beyond is refused", "from", who.caller.Full, "limit", limit)
	if s.a.Limits.Flooding != nil {
		s.a.Limits.Flooding(who.caller)
	}
}
