package xmppface

import (
	"context"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// stoppable is a real server that can be told to end.
type stoppable interface {
	xmpptest.Server
	Stop()
	Component() string
}

// TestToldByServers: what real servers say when they end a session or do not let us in.
func TestToldByServers(t *testing.T) {
	for name, begin := range map[string]func(testing.TB) stoppable{
		"Prosody":  func(t testing.TB) stoppable { return xmpptest.Prosody(t, xmpptest.Options{}) },
		"ejabberd": func(t testing.TB) stoppable { return xmpptest.Ejabberd(t, "mod_fail2ban: {c2s_max_auth_failures: 4}") },
	} {
		t.Run(name, func(t *testing.T) {
			srv := begin(t)
			good := account(t, srv, "hub")
			t.Run("other domain", func(t *testing.T) {
				a := good
				a.JID = "hub@example.org"
				fails(t, a, WrongDomain, "does not serve example.org")
			})
			t.Run("no such account", func(t *testing.T) {
				a := good
				a.JID = "nobody@localhost"
				fails(t, a, WrongPassword, "account or its password")
			})
			t.Run("the same resource", func(t *testing.T) {
				s, ended := running(t, good)
				second := good
				self, err := second.fill()
				if err != nil {
					t.Fatal(err)
				}
				_, resource, _ := strings.Cut(s.Self(), "/")
				c, err := connect(within(t, 10*time.Second), &second, self, &binding{resource: resource})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				ends(t, ended, "a second hub runs with this account", Replaced)
			})
			if name == "ejabberd" { // 23.01 offers bound logins with TLS 1.3, and refuses them
				testBoundLogin(t, srv, tls.VersionTLS12, true, false)
				testBoundLogin(t, srv, tls.VersionTLS13, false, true)
			}
			if name == "Prosody" { // ejabberd shares the stanzas between all of one name
				t.Run("the same component", func(t *testing.T) {
					a := Account{JID: xmpptest.ComponentDomain, Password: xmpptest.ComponentSecret, Component: true, Server: srv.Component(), Log: quiet(t)}
					running(t, a)
					fails(t, a, Replaced, "another program is connected as the component "+a.JID)
				})
			}
			t.Run("end of the server", func(t *testing.T) {
				_, ended := running(t, good)
				if name == "ejabberd" { // who is there may stay
					a := good
					a.Password = "wrong"
					fails(t, a, WrongPassword, "account or its password")
					Dial(within(t, 10*time.Second), a)
					Dial(within(t, 10*time.Second), a)
					fails(t, a, RateLimit, "Too many (4) failed authentications", "has failed to log in too often")
				}
				srv.Stop()
				// Prosody 0.12 does not always come to say so.
				ends(t, ended, srv.Addr(), ServerShutdown, Lost)
			})
		})
	}
}

// running makes a session with which all is well; ended gets why it is over.
func running(t *testing.T, a Account) (s *Session, ended <-chan error) {
	t.Helper()
	s, err := Dial(within(t, 10*time.Second), a)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	over := make(chan error, 1)
	done := make(chan struct{})
	go func() { defer close(done); over <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	if _, err := s.Ask(within(t, 10*time.Second), "localhost", "get", []byte("<ping xmlns='urn:xmpp:ping'/>")); err != nil {
		t.Fatal(err)
	}
	return s, over
}

// ends waits until a session is over, and checks why.
func ends(t *testing.T, ended <-chan error, words string, want ...FailureKind) {
	t.Helper()
	select {
	case err := <-ended:
		var f *Failure
		if !errors.As(err, &f) || !slices.Contains(want, f.Kind) || !strings.Contains(f.Text, words) {
			t.Errorf("it ended with %v (%#v: %v), want %v, %q", err, err, errors.Unwrap(err), want, words)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
}
