package xmppface

import (
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestPauses: how long a face waits, by what happened, with the usual options.
func TestPauses(t *testing.T) {
	const s, m = time.Second, time.Minute
	for _, tt := range []struct {
		kinds       []FailureKind
		first, last time.Duration
		anew        time.Duration
	}{
		{[]FailureKind{Lost, Refused, Unreachable, ServerShutdown, BrokenStream, "new kind"}, s, 2 * m, m},
		{[]FailureKind{UnknownHost, NoNames, CertExpired, CertNotYet, CertAuthority, CertName, CertKey, WrongClock, NoTLS, WrongDomain, Misconfigured}, 10 * s, 5 * m, m},
		{[]FailureKind{RateLimit, LoginDown}, 30 * s, 10 * m, 10 * m},
		{[]FailureKind{WrongPassword, PasswordExpired, Disabled, NoMechanism, Unauthentic, Unbound, NotCreated}, m, 60 * m, m},
		{[]FailureKind{Replaced}, m, 60 * m, 60 * m},
	} {
		for _, kind := range tt.kinds {
			b := backoff{first: s, last: 2 * m}
			around := func(what string, got, want time.Duration) {
				t.Helper()
				if got < want/2 || got > want+want/2 {
					t.Errorf("%s, %s: a pause of %v, want about %v", kind, what, got, want)
				}
			}
			for i, want := 0, tt.first; i < 15; i, want = i+1, min(2*want, tt.last) {
				around("again and again", b.next(kind, 0), want)
			}
			around("after a short time online", b.next(kind, tt.anew-s), tt.last)
			around("after a longer one", b.next(kind, tt.anew), tt.first)
			around("once more", b.next(kind, 0), 2*tt.first)
			b.reset()
			around("when asked for", b.next(kind, 0), tt.first)
		}
	}
}

// TestPausesOfSeveralKinds: a server that drops the connection now and then, between
// refusals, does not make the pauses after those short.
func TestPausesOfSeveralKinds(t *testing.T) {
	b := backoff{first: time.Second, last: 2 * time.Minute}
	for range 10 {
		b.next(WrongPassword, 0)
		b.next(Lost, 0)
	}
	if d := b.next(WrongPassword, 0); d < 30*time.Minute {
		t.Errorf("wrong password: %v", d)
	}
	if d := b.next(Refused, 0); d > 3*time.Minute {
		t.Errorf("refused: %v", d)
	}
	if d := b.next(UnknownHost, 0); d > 15*time.Second {
		t.Errorf("unknown host, for the first time: %v", d)
	}
	var seen = map[time.Duration]bool{}
	for range 20 {
		seen[b.next(Lost, 0)] = true
	}
	if len(seen) < 10 {
		t.Errorf("pauses do not vary: %v", seen)
	}
}

// TestToldOnce: a face that fails again and again says so once, though the time that it
// tells goes on.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	var log lines
	var tried atomic.Int64
	a := secured(t, "localhost", func(net.Conn, func(string) string) {})
	a.CAFile = ""
	a.now = func() time.Time { return time.Unix(3600*tried.Add(1), 0) }
	a.Log = slog.New(slog.NewTextHandler(&log, nil))
	var told atomic.Int64
	face, err := New(a, Options{First: time.Millisecond, Last: 4 * time.Millisecond, OnStatus: func(Status) { told.Add(1) }})
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, face.Run)
	for ctx := within(t, 20*time.Second); tried.Load() < 10 && ctx.Err() == nil; {
		time.Sleep(time.Millisecond)
	}
	if st := face.Status(); st.Failure == nil || st.Failure.Kind != WrongClock || st.Retry.IsZero() {
		t.Errorf("after %d tries: %+v", tried.Load(), st)
	}
	if n := told.Load(); n != 1 {
		t.Errorf("the state was told %d times", n)
	}
	stop()
	if n := strings.Count(log.String(), "not connected"); n != 1 || !strings.Contains(log.String(), "wrong clock") {
		t.Errorf("the log says %d times: %s", n, log.String())
	}
}

// TestClockIsSet: a box that starts in 1970 is online as soon as its clock is right.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	var right atomic.Bool
	a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, fakeHeader+"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	})
	began := time.Now()
	a.now = func() time.Time {
		if right.Load() {
			return time.Now()
		}
		return time.Unix(0, 0).Add(time.Since(began))
	}
	states := make(chan Status, 10)
	face, err := New(a, Options{First: 500 * time.Millisecond, Last: 24 * time.Hour, OnStatus: func(s Status) { states <- s }})
	if err != nil {
		t.Fatal(err)
	}
	start(t, face.Run)
	wrong := <-states
	if wrong.Failure == nil || wrong.Failure.Kind != WrongClock {
		t.Fatalf("state %+v", wrong)
	}
	right.Store(true)
	if s := <-states; s.Failure == nil || s.Failure.Kind != WrongDomain || !s.Since.Before(wrong.Retry) {
		t.Errorf("state %+v, which was to come before %v", s, wrong.Retry)
	}
}

// lines is a log that may be read meanwhile.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestFaceWaitsByKind: a face whose password is refused waits longer than one whose
// server is away.
func TestFaceWaitsByKind(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		condition   string
		kind        FailureKind
		least, most time.Duration
	}{
		{"not-authorized", WrongPassword, 30 * time.Minute, 90 * time.Minute},
		{"temporary-auth-failure", LoginDown, 15 * time.Minute, 45 * time.Minute},
	} {
		t.Run(tt.condition, func(t *testing.T) {
			a := refusing(t, tt.condition)
			states := make(chan Status, 10)
			face, err := New(a, Options{First: time.Minute, Last: 2 * time.Hour, OnStatus: func(s Status) { states <- s }})
			if err != nil {
				t.Fatal(err)
			}
			stop := start(t, face.Run)
			s := <-states
			if d := time.Until(s.Retry); s.Failure == nil || s.Failure.Kind != tt.kind || d < tt.least-time.Minute || d > tt.most {
				t.Errorf("after %+v: it waits for %v", s, d)
			}
			stop()
		})
	}
}
