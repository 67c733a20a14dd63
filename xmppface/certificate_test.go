package xmppface

import (
	"crypto/tls"
	"io"
	"net"
	"runtime/debug"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestCertificateAndClock: what is told of a certificate, by what the clock says.
func TestCertificateAndClock(t *testing.T) {
	at := func(s string) time.Time {
		d, err := time.Parse(time.DateOnly, s)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	for _, tt := range []struct {
		name, host, from, until, clock string
		unknown                        bool // its authority
		want                           FailureKind
		words                          []string
	}{
		{"good", "localhost", "2026-01-01", "2028-01-01", "2027-01-01", false, "", nil},
		{"expired yesterday", "localhost", "2026-01-01", "2027-01-01", "2027-01-02", false, CertExpired, []string{"expired on 2027-01-01", "renew it", "the clock of this machine says 2027-01-02 00:00 UTC"}},
		{"expired years ago", "localhost", "2026-01-01", "2027-01-01", "2031-05-01", false, CertExpired, []string{"long ago, on 2027-01-01", "the clock of this machine is right, which says 2031-05-01", "check this clock first"}},
		{"not yet valid", "localhost", "2027-01-01", "2028-01-01", "2026-06-01", false, CertNotYet, []string{"only from 2027-01-01", "the clock of this machine says 2026-06-01", "NTP"}},
		{"clock that lost its battery", "localhost", "2026-01-01", "2028-01-01", "1970-01-01", false, WrongClock, []string{"the clock of this machine says 1970-01-01", "which is wrong", "NTP"}},
		{"clock before the program", "localhost", "2026-01-01", "2028-01-01", "2025-11-30", false, WrongClock, []string{"2025-11-30"}},
		{"clock far ahead", "localhost", "2026-01-01", "2028-01-01", "2099-01-01", false, WrongClock, []string{"2099-01-01"}},
		{"unknown authority", "localhost", "2026-01-01", "2028-01-01", "2027-01-01", true, CertAuthority, []string{"not trusted here", "ca_file", "sha256/"}},
		{"other name", "example.org", "2026-01-01", "2028-01-01", "2027-01-01", false, CertName, []string{"for example.org, not for localhost"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ca := xmpptest.NewCA(t)
			cert, key := ca.Leaf(t, tt.host, at(tt.from), at(tt.until))
			pair, err := tls.X509KeyPair(cert, key)
			if err != nil {
				t.Fatal(err)
			}
			a := scripted(t, func(c net.Conn, hear func(string) string) {
				s := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
				if s.Handshake() == nil {
					io.WriteString(s, fakeHeader+"<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
				}
			})
			a.TLS, a.CAFile, a.now = DirectTLS, ca.File(t), func() time.Time { return at(tt.clock) }
			if tt.unknown {
				a.CAFile = xmpptest.NewCA(t).File(t)
			}
			if tt.want == "" {
				tt.want = WrongDomain // it was believed, and spoken to
			}
			fails(t, a, tt.want, tt.words...)
		})
	}
}

func TestBuiltAt(t *testing.T) {
	first := time.Date(buildYear, 1, 1, 0, 0, 0, 0, time.UTC)
	for said, want := range map[string]time.Time{
		"":                     first,
		"soon":                 first,
		"2019-02-03T04:05:06Z": first,
		"2031-02-03T04:05:06Z": time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC),
	} {
		info := &debug.BuildInfo{Settings: []debug.BuildSetting{{Key: "vcs", Value: "git"}, {Key: "vcs.time", Value: said}}}
		if got := builtAt(info); !got.Equal(want) {
			t.Errorf("%q: got %v, want %v", said, got, want)
		}
	}
	if now := time.Now(); absurd(now, built()) {
		t.Errorf("the clock of this machine, %v, is said to be wrong", now)
	}
}
