package xmppface

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
	"golang.org/x/net/dns/dnsmessage"
)

// names is a name server that knows these services and says that every host is
// 127.0.0.1.
func names(t *testing.T, services map[string][]dnsmessage.SRVResource) *net.Resolver {
	t.Helper()
	l, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2000)
		for {
			n, from, err := l.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			q := m.Questions[0]
			m.Response, m.Additionals = true, nil
			head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
			switch q.Type {
			case dnsmessage.TypeSRV:
				list, ok := services[q.Name.String()]
				if !ok {
					m.RCode = dnsmessage.RCodeNameError
				}
				for _, s := range list {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &s})
				}
			case dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: netip.MustParseAddr("127.0.0.1").As4()}}}
			}
			if out, err := m.Pack(); err == nil {
				l.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", l.LocalAddr().String())
	}}
}

func service(t *testing.T, priority uint16, host, addr string) dnsmessage.SRVResource {
	t.Helper()
	_, port, _ := net.SplitHostPort(addr)
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return dnsmessage.SRVResource{Priority: priority, Port: uint16(n), Target: dnsmessage.MustNewName(host)}
}

func TestServiceRecord(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	a := account(t, srv, "user")
	a.resolver = names(t, map[string][]dnsmessage.SRVResource{"_xmpp-client._tcp.localhost.": {
		service(t, 2, "second.example.", srv.Addr()),
		service(t, 1, "first.example.", xmpptest.FreeAddr(t)), // nobody listens there
	}})
	a.Server = ""
	online(t, a)
}

// TestDirectTLS: with records of both services, the one of the better priority is
// taken; a server named directly is as the account says.
func TestDirectTLS(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	good := account(t, srv, "user")
	by := func(plain, direct uint16) *net.Resolver {
		return names(t, map[string][]dnsmessage.SRVResource{
			"_xmpp-client._tcp.localhost.":  {service(t, plain, "a.example.", srv.Addr())},
			"_xmpps-client._tcp.localhost.": {service(t, direct, "b.example.", srv.Direct())},
		})
	}
	for _, tt := range []struct {
		name   string
		change func(*Account)
		want   string
	}{
		{"records, direct first", func(a *Account) { a.Server, a.resolver = "", by(2, 1) }, srv.Direct()},
		{"records, STARTTLS first", func(a *Account) { a.Server, a.resolver = "", by(1, 2) }, srv.Addr()},
		{"records, direct wanted", func(a *Account) { a.Server, a.resolver, a.TLS = "", by(1, 2), DirectTLS }, srv.Direct()},
		{"records, direct dead", func(a *Account) {
			a.Server, a.resolver = "", names(t, map[string][]dnsmessage.SRVResource{
				"_xmpp-client._tcp.localhost.":  {service(t, 2, "a.example.", srv.Addr())},
				"_xmpps-client._tcp.localhost.": {service(t, 1, "b.example.", srv.Addr())}, // does not speak TLS
			})
		}, srv.Addr()},
		{"server", func(a *Account) { a.Server, a.TLS = srv.Direct(), DirectTLS }, srv.Direct()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := good
			tt.change(&a)
			s := online(t, a)
			if s.server != tt.want {
				t.Errorf("connected to %s, want %s", s.server, tt.want)
			}
			if _, err := s.Ask(within(t, 5*time.Second), "localhost", "get", []byte("<ping xmlns='urn:xmpp:ping'/>")); err != nil {
				t.Error(err)
			}
		})
	}
	good.Server, good.TLS = srv.Addr(), DirectTLS
	fails(t, good, NoTLS, "tls: starttls")
}

// TestTrust: what makes a server trusted, over both ways to TLS.
func TestTrust(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Expired: true})
	good := account(t, srv, "user")
	good.CAFile = ""
	pin, other := srv.Pin(), "sha256/"+base64.StdEncoding.EncodeToString(make([]byte, 32))
	sum, err := ParsePin(pin)
	if err != nil {
		t.Fatal(err)
	}
	for _, way := range []TLS{StartTLS, DirectTLS} {
		good.TLS, good.Server = way, srv.Addr()
		if way == DirectTLS {
			good.Server = srv.Direct()
		}
		t.Run(string(way), func(t *testing.T) {
			var log strings.Builder
			a := good
			a.Log = slog.New(slog.NewTextHandler(&log, nil))
			a.Pins = []string{other, hex.EncodeToString(sum[:])}
			online(t, a)
			if strings.Contains(log.String(), "NOT SECURE") {
				t.Errorf("log: %s", &log)
			}
			a.Pins = []string{other}
			fails(t, a, CertKey, pin)
			a.Insecure = true // does not weaken a pin
			fails(t, a, CertKey, pin)
			a.Pins = nil
			log.Reset()
			s, err := Dial(within(t, 10*time.Second), a)
			if err != nil {
				t.Fatal(err)
			}
			s.Close()
			if !strings.Contains(log.String(), "NOT SECURE") {
				t.Errorf("log: %s", &log)
			}
		})
	}
	good.Pins = []string{"short"}
	fails(t, good, Misconfigured, "pin")
	good.Pins, good.TLS = nil, "ssl"
	fails(t, good, Misconfigured, "starttls")
}

func TestParsePin(t *testing.T) {
	zeros := strings.Repeat("00", 32)
	for in, ok := range map[string]bool{
		zeros: true, "sha256:" + zeros: true, "SHA256/" + strings.Repeat("A", 43) + "=": true,
		strings.Repeat("00:", 31) + "00": true, strings.Repeat("A", 43) + "=": true,
		"": false, "sha256:": false, zeros + "00": false, "md5:" + zeros: false, zeros[1:]: false,
	} {
		if pin, err := ParsePin(in); (err == nil) != ok || pin != [32]byte{} {
			t.Errorf("%q: got %x, %v", in, pin, err)
		}
	}
}

func TestLookup(t *testing.T) {
	r := names(t, map[string][]dnsmessage.SRVResource{
		"_xmpp-client._tcp.two.example.":    {service(t, 2, "b.example.", ":5299"), service(t, 1, "a.example.", ":5222")},
		"_xmpp-client._tcp.none.example.":   {service(t, 0, ".", ":0")},
		"_xmpp-client._tcp.mixed.example.":  {service(t, 2, "b.example.", ":5299"), service(t, 4, "d.example.", ":5222")},
		"_xmpps-client._tcp.mixed.example.": {service(t, 3, "c.example.", ":443"), service(t, 1, "a.example.", ":5223")},
		"_xmpp-client._tcp.only.example.":   {service(t, 0, ".", ":0")},
		"_xmpps-client._tcp.only.example.":  {service(t, 3, "c.example.", ":443")},
	})
	ctx := within(t, 10*time.Second)
	for _, tt := range []struct {
		domain string
		tls    TLS
		want   []place
	}{
		{"two.example", AnyTLS, []place{{"a.example:5222", false}, {"b.example:5299", false}}},
		{"unknown.example", AnyTLS, []place{{"unknown.example:5222", false}}},
		{"unknown.example", DirectTLS, []place{{"unknown.example:5223", true}}},
		{"none.example", AnyTLS, nil},
		{"mixed.example", AnyTLS, []place{{"a.example:5223", true}, {"b.example:5299", false}, {"c.example:443", true}, {"d.example:5222", false}}},
		{"mixed.example", StartTLS, []place{{"b.example:5299", false}, {"d.example:5222", false}}},
		{"mixed.example", DirectTLS, []place{{"a.example:5223", true}, {"c.example:443", true}}},
		{"only.example", AnyTLS, []place{{"c.example:443", true}}},
	} {
		got, err := lookup(ctx, r, tt.domain, tt.tls)
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("%s %s: got %v, %v; want %v", tt.domain, tt.tls, got, err, tt.want)
		}
	}
}
