package local

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestGuardDropsTheOldest(t *testing.T) {
	g := newGuard(3, 2)
	var dropped []string
	enter := func(from, name string) func() {
		return g.enter(from, func() { dropped = append(dropped, name) })
	}
	enter("a", "a1")
	enter("b", "b1")
	enter("a", "a2")
	enter("a", "a3")          // of "a" there are too many
	leave := enter("b", "b2") // in all there are too many
	leave()
	enter("c", "c1")
	if got, want := fmt.Sprint(dropped), "[a1 b1]"; got != want {
		t.Errorf("dropped %s, want %s", got, want)
	}
}

func TestGuardDelays(t *testing.T) {
	g := newGuard(1, 1)
	now := time.Unix(1000, 0)
	g.now = func() time.Time { return now }
	var got []time.Duration
	for range 7 {
		got = append(got, g.delay("address", "account"))
		g.fail("address", "account")
	}
	ms := time.Millisecond
	if want := []time.Duration{0, 250 * ms, 500 * ms, 1000 * ms, 2000 * ms, 4000 * ms, 4000 * ms}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("delays %v, want %v", got, want)
	}
	g.succeed("account")
	if d := g.delay("account"); d != 0 {
		t.Errorf("after a success: %v", d)
	}
	if d := g.delay("address", "another"); d != maxDelay {
		t.Errorf("another account from the same address: %v", d)
	}
	now = now.Add(forgetAfter)
	if d := g.delay("address"); d != 0 {
		t.Errorf("much later: %v", d)
	}
	if n := g.fail("address"); n != 1 {
		t.Errorf("counted %d failures much later, want 1", n)
	}
	for i := range maxFailures + 200 {
		g.fail("address", fmt.Sprint("account ", i))
	}
	if len(g.failed) > maxFailures+1 {
		t.Errorf("%d are remembered", len(g.failed))
	}
}

func TestOrigin(t *testing.T) {
	for in, want := range map[string]string{
		"192.0.2.1:5222":            "192.0.2.1",
		"[::ffff:192.0.2.1]:5222":   "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:99": "2001:db8:1:2::/64",
		"[fe80::1%eth0]:99":         "fe80::/64",
	} {
		a := net.TCPAddrFromAddrPort(mustAddrPort(t, in))
		if got := origin(a); got != want {
			t.Errorf("%s: got %s, want %s", in, got, want)
		}
	}
}

// TestLastWordsCount: a connection that was refused counts until it is closed, so
// that there are never more than may be.
func TestLastWordsCount(t *testing.T) {
	cert, err := NewCertificate("k7f3.hub.local")
	if err != nil {
		t.Fatal(err)
	}
	m := new(Memory)
	s, err := New(Config{Domain: "k7f3.hub.local", Certificate: cert, Accounts: m, Rosters: m})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	waiting := func() int {
		s.guard.mu.Lock()
		defer s.guard.mu.Unlock()
		return len(s.guard.waiting)
	}
	c, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, "no XML<a>")
	if b, err := io.ReadAll(c); err != nil || !strings.Contains(string(b), "not-well-formed") {
		t.Errorf("got %s, %v", b, err)
	}
	if n := waiting(); n != 1 {
		t.Errorf("%d are counted, want the one that is still open", n)
	}
	c.Close()
	for deadline := time.Now().Add(2 * time.Second); waiting() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it still counts")
		}
	}
}
