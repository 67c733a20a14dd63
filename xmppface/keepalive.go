package xmppface

import (
	"context"
	"errors"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
)

// answerTime is how long the server may take for a sign of life that it is asked for.
const answerTime = 30 * time.Second

var errSilent = &Failure{Kind: Lost, Text: "the server gives no sign of life; the connection was given up"}

// keepAlive asks the server for a sign of life when there was none for a while, and
// gives up a connection on which none comes: by stream management (XEP-0198, 4) where
// the server has it, else by a ping (XEP-0199).
func (s *Session) keepAlive(ctx context.Context) {
	tick := min(s.a.KeepAlive, answerTime)
	last, since := int64(-1), time.Now()
	slow := false
	for {
		pause(ctx, tick)
		if ctx.Err() != nil {
			return
		}
		slow = s.tellPace(slow)
		switch n := s.st.Heard(); {
		case n != last:
			last, since = n, time.Now()
		case s.st.Lost() != nil: // it is being resumed
			since = time.Now()
		case s.st.Owed() >= tick:
			s.st.Cut(errSilent)
		case time.Since(since) < s.a.KeepAlive:
		case s.st.Probe():
		case !s.pinged(ctx, tick):
			s.over(errSilent)
			s.st.Abort(errSilent)
			return
		}
	}
}

// pinged tells whether the server answers, even if with an error.
func (s *Session) pinged(ctx context.Context, within time.Duration) bool {
	short, cancel := context.WithTimeout(ctx, within+s.st.Patience())
	defer cancel()
	_, err := s.Ask(short, s.domain, "get", []byte("<ping xmlns='urn:xmpp:ping'/>"))
	var answer *ext.StanzaError
	return err == nil || errors.As(err, &answer) || ctx.Err() != nil
}

// tellPace logs when the server begins or ends to limit what we send.
func (s *Session) tellPace(before bool) (slow bool) {
	p := s.st.Pace()
	switch {
	case p.Slow && !before:
		s.log.Warn("the server takes less than the hub has to send, so that events are thinned out to the newest values; raise its limit for this account (Prosody: limits, c2s, rate, or make the hub a component; ejabberd: shaper_rules, c2s_shaper)",
			"bytes/s", int(p.Rate), "lag", p.Lag.Round(10*time.Millisecond))
	case before && !p.Slow:
		s.log.Info("the server takes all again that the hub has to send")
	}
	return p.Slow
}
