package xmppface

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
)

// Status is how a [Face] is connected.
type Status struct {
	Online bool
	JID    string    // full address when online, or when the session is kept meanwhile
	Since  time.Time // of the change to this state
	// Failure is why it is not online; nil when it is connecting for the first time
	// or was stopped.
	Failure *Failure
	Retry   time.Time // when it will try again, if not online
}

// Options of a Face. The zero value is good.
type Options struct {
	// OnStatus is told every change of state, in order. It must not block. May be
	// nil.
	OnStatus func(Status)
	// First and Last are the shortest and the longest pause before connecting again after
	// a connection that was lost: 1 s and 2 minutes when 0. Pauses double, and vary at
	// random by a half. After other failures they are longer in proportion: up to an
	// hour, by default, when the account is refused.
	First, Last time.Duration
}

// Face is a participant that stays: it connects, runs and connects again for
// ever, whatever happens.
type Face struct {
	a      Account
	o      Options
	routes *routes
	log    *slog.Logger

	mu      sync.Mutex
	status  Status
	session *Session
	changed chan struct{}
	again   chan struct{} // 1: connect without waiting
}

// New makes a face with the extensions mounted. It fails when two serve the same
// namespace or the account cannot be used. Extensions that are an ext.Runner are
// run by the caller.
func New(a Account, o Options, extensions ...ext.Extension) (*Face, error) {
	if _, err := a.fill(); err != nil {
		return nil, err
	}
	r, err := newRoutes(extensions)
	if err != nil {
		return nil, err
	}
	if o.First <= 0 {
		o.First = time.Second
	}
	if o.Last <= 0 {
		o.Last = 2 * time.Minute
	}
	return &Face{a: a, o: o, routes: r, log: a.Log.With("account", a.JID),
		status: Status{Since: time.Now()}, changed: make(chan struct{}), again: make(chan struct{}, 1)}, nil
}

// Status returns the present state.
func (f *Face) Status() Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.status
}

// Session returns the live session, or nil. While its connection is lost and the
// server keeps it, what is sent by it waits.
func (f *Face) Session() *Session {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.session
}

// WaitOnline waits for a live session, until ctx ends.
func (f *Face) WaitOnline(ctx context.Context) (*Session, error) {
	for {
		f.mu.Lock()
		s, changed := f.session, f.changed
		failure := f.status.Failure
		f.mu.Unlock()
		if s != nil {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if failure != nil {
				return nil, failure
			}
			return nil, ctx.Err()
		}
	}
}

// Reconnect ends the live session and makes another one, or tries to at once where
// there is none. It does not wait.
func (f *Face) Reconnect() {
	select {
	case f.again <- struct{}{}:
	default:
	}
	if s := f.Session(); s != nil {
		s.Close()
	}
}

// rest waits until it is time to connect again after a failure, and tells whether there is
// cause to do so before: somebody wants it, or the clock, which was why, has been set since
// it showed wall at began.
func (f *Face) rest(ctx context.Context, d time.Duration, kind FailureKind, began, wall time.Time) (wanted bool) {
	t := time.NewTimer(d)
	defer t.Stop()
	var look <-chan time.Time
	if kind == WrongClock || kind == CertNotYet || kind == CertExpired {
		l := time.NewTicker(f.o.First)
		defer l.Stop()
		look = l.C
	}
	for {
		select {
		case <-t.C:
			return false
		case <-look:
			passed := f.a.now().Round(0).Sub(wall.Round(0))
			if (passed - time.Since(began)).Abs() > clockSet {
				return true
			}
		case <-f.again:
			return true
		case <-ctx.Done():
			return false
		}
	}
}

// clockSet is how far a clock has to move so that certificates may look different.
const clockSet = time.Minute

// Run connects and stays connected until ctx ends; it then returns nil, after
// everything that it started, or an error when a handler hangs. It may be called
// once.
func (f *Face) Run(ctx context.Context) error {
	p := &pool{}
	p.start()
	pauses := backoff{first: f.o.First, last: f.o.Last}
	for ctx.Err() == nil {
		began, wall := time.Now(), f.a.now()
		online, err := f.once(ctx, p)
		if ctx.Err() != nil {
			break
		}
		failure := new(Failure)
		if !errors.As(err, &failure) {
			failure = explain(err, &f.a, f.a.Server, "")
		}
		d := pauses.next(failure.Kind, online)
		if isRegistrationRefused(failure) { // servers count who asks often
			d = max(d, 5*f.o.Last)
		}
		if errors.Is(failure, errForgotten) {
			d = 0
		}
		f.set(Status{Failure: failure, Retry: time.Now().Add(d)}, nil)
		if f.rest(ctx, d, failure.Kind, began, wall) {
			pauses.reset()
		}
	}
	f.set(Status{}, nil)
	return p.stop(ctx, handlerGrace)
}

// once makes one session and runs it to its end. online is for how long there was one.
func (f *Face) once(ctx context.Context, p *pool) (online time.Duration, err error) {
	stay := &staying{first: f.o.First, last: f.o.Last}
	s, err := dial(ctx, f.a, f.routes, p, stay)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	stay.tell = func(failure *Failure, retry time.Time) {
		f.set(Status{Online: failure == nil, JID: s.Self(), Failure: failure, Retry: retry}, s)
	}
	stay.tell(nil, time.Time{})
	err = s.Run(ctx)
	return time.Since(began), err
}

// set changes the state, logs it once and tells it.
func (f *Face) set(st Status, s *Session) {
	f.mu.Lock()
	before := f.status
	st.Since = time.Now()
	same := !st.Online && !before.Online && st.Failure != nil && before.Failure != nil && st.Failure.sameAs(before.Failure)
	if same {
		st.Since = before.Since
	}
	f.status, f.session = st, s
	close(f.changed)
	f.changed = make(chan struct{})
	f.mu.Unlock()
	switch {
	case same: // said before
	case st.Online:
		f.log.Info("connected", "jid", st.JID)
	case st.Failure != nil:
		f.log.Warn("not connected", "why", st.Failure.Text, "kind", string(st.Failure.Kind),
			"again", time.Until(st.Retry).Round(100*time.Millisecond))
	default:
		f.log.Info("disconnected")
	}
	if f.o.OnStatus != nil && !same {
		f.o.OnStatus(st)
	}
}
