package xmppface

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fieldhub/hub/xmppface/stream"
)

// staying is how a session outlives its connection (XEP-0198, 5).
type staying struct {
	first, last time.Duration // pauses between attempts
	// tell says that the connection is lost and when the next attempt is, or, without
	// a failure, that the session goes on.
	tell func(*Failure, time.Time)
}

// longestAbsence is for how long a session whose server names no limit is to be
// resumed.
const longestAbsence = 10 * time.Minute

// errForgotten is the server's answer that there is nothing to resume.
var errForgotten = errors.New("the server has not kept the session")

// live reads and writes over one connection after the other until the session is
// over, and returns why. Writers may still run then.
func (s *Session) live(ctx context.Context, writers *sync.WaitGroup) error {
	for {
		written := make(chan struct{})
		writers.Go(func() {
			defer close(written)
			if err := s.st.Run(ctx); err != nil && s.st.Lost() == nil {
				s.over(err)
			}
		})
		err := s.read()
		if why := s.st.Lost(); why != nil {
			<-written
			if err = s.resume(ctx, why); err == nil {
				continue
			}
			s.st.Abort(err)
			return err
		}
		var broken *stream.Error
		if errors.As(err, &broken) && !broken.Remote {
			s.st.End(broken)
		} else {
			s.st.End(nil)
		}
		return err
	}
}

// resume connects until the server lets the session go on, has forgotten it, or must
// have.
func (s *Session) resume(ctx context.Context, why error) error {
	max := s.max
	if max <= 0 || max > longestAbsence {
		max = longestAbsence
	}
	until := time.Now().Add(max)
	failure := explain(why, &s.a, s.server, s.domain)
	pauses := backoff{first: s.stay.first, last: s.stay.last}
	for {
		d := pauses.next(failure.Kind, 0)
		s.stay.tell(failure, time.Now().Add(d))
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return ctx.Err()
		}
		if time.Now().After(until) {
			return failure
		}
		err := s.reconnect(ctx)
		switch {
		case err == nil:
			s.stay.tell(nil, time.Time{})
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errForgotten):
			return &Failure{Kind: Lost, Err: errForgotten, Text: failure.Text + "; the server has not kept the session, so a new one begins"}
		case !errors.As(err, &failure):
			return err
		}
		if h := failure.Kind.haste(); h == slowly || h == seldom || failure.Kind == Misconfigured || failure.Kind == BrokenStream {
			return failure
		}
	}
}

// reconnect makes another connection for the session.
func (s *Session) reconnect(ctx context.Context) error {
	b := s.binding
	b.resume, b.received = s.st.Resumption()
	c, err := connect(ctx, &s.a, s.self, &b)
	if err != nil {
		return err
	}
	if err := s.st.Resume(c, b.sent); err != nil {
		c.Close()
		return &Failure{Kind: BrokenStream, Err: err, Text: "the session cannot go on: " + err.Error()}
	}
	return nil
}
