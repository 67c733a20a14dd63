package xmppface

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// fails dials and checks the kind of failure.
func fails(t *testing.T, a Account, want FailureKind, words ...string) {
	t.Helper()
	s, err := Dial(within(t, 20*time.Second), a)
	if err == nil {
		s.Close()
		t.Fatalf("connected; want %s", want)
	}
	var f *Failure
	if !errors.As(err, &f) || f.Kind != want {
		t.Errorf("got %v (%#v), want kind %s", err, err, want)
		return
	}
	for _, w := range words {
		if !strings.Contains(f.Text, w) {
			t.Errorf("the text %q does not say %q", f.Text, w)
		}
	}
}

func TestFailures(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	good := account(t, srv, "user")
	for _, tt := range []struct {
		name   string
		change func(*Account)
		want   FailureKind
		words  []string
	}{
		{"no name in the address", func(a *Account) { a.JID = "localhost" }, Misconfigured, nil},
		{"server without port", func(a *Account) { a.Server = "127.0.0.1" }, Misconfigured, nil},
		{"missing CA file", func(a *Account) { a.CAFile = "/nowhere.pem" }, Misconfigured, []string{"/nowhere.pem"}},
		{"unknown host", func(a *Account) { a.Server = "no-such-host.invalid:5222" }, UnknownHost, []string{"no-such-host.invalid"}},
		{"nobody listens", func(a *Account) { a.Server = xmpptest.FreeAddr(t) }, Refused, nil},
		{"other domain", func(a *Account) { a.JID = "user@example.org" }, WrongDomain, []string{"example.org"}},
		{"foreign authority", func(a *Account) { a.CAFile = xmpptest.NewCA(t).File(t) }, CertAuthority, []string{"ca_file"}},
		{"authority not named", func(a *Account) { a.CAFile = "" }, CertAuthority, nil},
		{"clock in 1970", func(a *Account) { a.now = func() time.Time { return time.Unix(3600, 0) } }, WrongClock, []string{"clock", "1970"}},
		{"clock last week", func(a *Account) { a.now = func() time.Time { return time.Now().AddDate(0, 0, -7) } }, CertNotYet, []string{"valid only from"}},
		{"clock next week", func(a *Account) { a.now = func() time.Time { return time.Now().AddDate(0, 0, 7) } }, CertExpired, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := good
			tt.change(&a)
			fails(t, a, tt.want, tt.words...)
		})
	}
	t.Run("server hangs", func(t *testing.T) {
		srv.Pause()
		defer srv.Resume()
		a := good
		a.Timeout = 300 * time.Millisecond
		fails(t, a, Unreachable)
	})
	t.Run("ctx ends", func(t *testing.T) {
		srv.Pause()
		defer srv.Resume()
		if _, err := Dial(within(t, 100*time.Millisecond), good); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}

func TestExpiredCertificate(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Expired: true})
	fails(t, account(t, srv, "user"), CertExpired, "expired", "renew")
}

func TestScramSHA1(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{SHA1: true, TLSProfile: "old"})
	testRoundTrip(t, srv)
	testWrongPassword(t, srv)
}

// TestStockProsody: with Debian's settings all works, slowly.
func TestStockProsody(t *testing.T) {
	testRoundTrip(t, xmpptest.Prosody(t, xmpptest.Options{Stock: true}))
}

func TestBrokerRestarts(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	a := account(t, srv, "hub")
	a.Welcome = func(nodes.Caller) bool { return true }
	b := account(t, srv, "friend")
	states := make(chan Status, 100)
	face, err := New(a, Options{First: 20 * time.Millisecond, Last: 100 * time.Millisecond, OnStatus: func(s Status) { states <- s }}, xmpptest.NewEcho(100))
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, face.Run)
	client, err := New(b, Options{First: 20 * time.Millisecond, Last: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	start(t, client.Run)
	works := func(when string, not *Session) *Session {
		t.Helper()
		ctx := within(t, 20*time.Second)
		for {
			hub, err := face.WaitOnline(ctx)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			s, err := client.WaitOnline(ctx)
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			if hub == not {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			full, err := s.WaitAvailable(ctx, a.JID)
			if err == nil && !slices.Contains(full, hub.Self()) {
				time.Sleep(5 * time.Millisecond)
				continue
			}
			if err == nil {
				_, err = s.Ask(ctx, hub.Self(), "get", xmpptest.EchoRequest())
			}
			if err == nil {
				return hub
			}
			if ctx.Err() != nil {
				t.Fatalf("%s: %v", when, err)
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	first := works("at first", nil)
	srv.Stop()
	<-first.Done()
	srv.Start(t)
	second := works("after a restart", first)
	if first.Self() == second.Self() {
		t.Errorf("the same resource twice: %s", first.Self())
	}
	srv.Kill()
	<-second.Done()
	time.Sleep(300 * time.Millisecond) // several attempts
	if st := face.Status(); st.Online || st.Failure == nil || st.Failure.Kind != Refused {
		t.Errorf("while it is down: %+v", st)
	}
	srv.Start(t)
	works("after a kill", second)
	stop()
	close(states)
	var kinds []string
	for s := range states {
		switch {
		case s.Online:
			kinds = append(kinds, "online")
		case s.Failure != nil:
			kinds = append(kinds, string(s.Failure.Kind))
		default:
			kinds = append(kinds, "stopped")
		}
	}
	// The first failure after a stop is the server's own word or a closed
	// connection; what follows is said once, not at each attempt.
	if n := len(kinds); n < 6 || n > 9 || kinds[0] != "online" || kinds[n-2] != "online" || kinds[n-1] != "stopped" {
		t.Errorf("states: %v", kinds)
	}
}

// TestBrokerDiesUnderLoad: requests in both directions are released, late answers
// do no harm, and the next session works.
func TestBrokerDiesUnderLoad(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	held := make(chan *ext.Request, 64)
	gone := make(chan struct{}, 100)
	face, err := New(account(t, srv, "hub"), Options{First: 10 * time.Millisecond, Last: 50 * time.Millisecond}, xmpptest.NewEcho(100),
		&served{serve: func(r *ext.Request) { held <- r }, gone: func(_ ext.Link, jid string) {
			if jid == "" {
				gone <- struct{}{}
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	start(t, face.Run)
	hub, err := face.WaitOnline(within(t, 10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	b := account(t, srv, "client")
	client := online(t, b)
	failed := make(chan error, 64)
	for range 64 {
		go func() {
			_, err := client.Ask(within(t, time.Minute), hub.Self(), "get", question)
			failed <- err
		}()
	}
	var requests []*ext.Request
	for range 64 {
		requests = append(requests, <-held)
	}
	srv.Kill()
	for range 64 {
		select {
		case err := <-failed:
			if nodes.KindOf(err) != nodes.Unreachable {
				t.Errorf("a pending request: %v", err)
			}
		case <-time.After(2 * time.Second):
			t.Fatal("a pending request was not released")
		}
	}
	<-hub.Done()
	select {
	case <-gone:
	case <-time.After(2 * time.Second):
		t.Error("the extension was not told that all are gone")
	}
	for _, r := range requests {
		r.Result([]byte("<late xmlns='" + testNS + "'/>"))
		if err := r.Link.Tell(within(t, time.Second), r.Caller.Full, question); nodes.KindOf(err) != nodes.Unreachable {
			t.Errorf("a message over the dead link: %v", err)
		}
	}
	srv.Start(t)
	for ctx := within(t, 10*time.Second); ; time.Sleep(5 * time.Millisecond) {
		next, err := face.WaitOnline(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if next != hub {
			isAlive(t, online(t, b), next)
			return
		}
	}
}

func TestBrokerHangs(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	a := account(t, srv, "hub")
	a.KeepAlive = 100 * time.Millisecond
	s, err := Dial(within(t, 10*time.Second), a)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(context.Background()) }()
	select {
	case err := <-ended:
		t.Fatalf("a quiet session ended: %v", err)
	case <-time.After(500 * time.Millisecond):
	}
	srv.Pause()
	defer srv.Resume()
	select {
	case err := <-ended:
		var f *Failure
		if !errors.As(err, &f) || f.Kind != Lost || !strings.Contains(f.Text, "sign of life") {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the session did not notice")
	}
}

// TestOversizedFromBroker: a broker that lets large stanzas pass must not fill
// our memory, nor end the session.
func TestOversizedFromBroker(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{StanzaLimit: 8 << 20})
	hub := online(t, account(t, srv, "hub"), xmpptest.NewEcho(100))
	b := account(t, srv, "client")
	other, flood := online(t, b), online(t, b) // what the latter sends is no stanza until the last piece
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	heard := hub.st.Heard()
	flood.st.Send([]byte("<message to='" + hub.Self() + "'><body>"))
	for range 4 {
		flood.st.Send([]byte(strings.Repeat("x\"", 100<<10))) // the broker writes the latter as six
	}
	flood.st.Send([]byte("</body></message>"))
	for deadline := time.Now().Add(5 * time.Second); hub.st.Heard() == heard; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come")
		}
	}
	isAlive(t, other, hub)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 40<<20 {
		t.Errorf("%d MiB were allocated", used>>20)
	}
}
