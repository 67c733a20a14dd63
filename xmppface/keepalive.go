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
	for {
		pause(ctx, tick)
		if ctx.Err() != nil {
			return
		}
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
	short, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	_, err := s.Ask(short, s.domain, "get", []byte("<ping xmlns='urn:xmpp:ping'/>"))
	var answer *ext.StanzaError
	return err == nil || errors.As(err, &answer) || ctx.Err() != nil
}
