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
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
	"golang.org/x/net/dns/dnsmessage"
)

// names is a name server that knows these services and says that every host is
// 127.0.0.1; but of names that end in "failing." it says that it cannot tell, to
// "silent." nothing at all, and hosts that end in "nowhere." are not there.
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
			asked := q.Name.String()
			if strings.HasSuffix(asked, "silent.") {
				continue
			}
			head := dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}
			switch {
			case strings.HasSuffix(asked, "failing."):
				m.RCode = dnsmessage.RCodeServerFailure
			case q.Type == dnsmessage.TypeSRV:
				list, ok := services[asked]
				if !ok {
					m.RCode = dnsmessage.RCodeNameError
				}
				for _, s := range list {
					m.Answers = append(m.Answers, dnsmessage.Resource{Header: head, Body: &s})
				}
			case strings.HasSuffix(asked, "nowhere."):
				m.RCode = dnsmessage.RCodeNameError
			case q.Type == dnsmessage.TypeA:
				m.Answers = []dnsmessage.Resource{{Header: head, Body: &dnsmessage.AResource{A: netip.MustParseAddr("127.0.0.1").As4()}}}
			}
			if out, err := m.Pack(); err == nil {
				l.WriteTo(out, from)
			}
		}
	}()
	var mu sync.Mutex
	var asking []net.Conn // the resolver goes on with lookups that nobody waits for
	ended := false
	t.Cleanup(func() {
		l.Close()
		<-done
		mu.Lock()
		defer mu.Unlock()
		ended = true
		for _, c := range asking {
			c.Close()
		}
	})
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return nil, net.ErrClosed
		}
		c, err := new(net.Dialer).DialContext(ctx, "udp", l.LocalAddr().String())
		if err == nil {
			asking = append(asking, c)
		}
		return c, err
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
		got, unknown, err := lookup(ctx, r, tt.domain, tt.tls)
		if !slices.Equal(got, tt.want) || unknown != nil || (err != nil) != (tt.want == nil) {
			t.Errorf("%s %s: got %v, %v, %v; want %v", tt.domain, tt.tls, got, unknown, err, tt.want)
		}
	}
}

// TestNames: what is told when a name leads to no server.
func TestNames(t *testing.T) {
	t.Parallel()
	lost := strings.TrimPrefix(xmpptest.FreeAddr(t), "127.0.0.1:") // nobody listens there
	r := names(t, map[string][]dnsmessage.SRVResource{
		"_xmpp-client._tcp.moved.example.": {service(t, 1, "moved.nowhere.", ":5222")},
		"_xmpp-client._tcp.none.example.":  {service(t, 0, ".", ":0")},
	})
	for _, tt := range []struct {
		domain, server string
		want           FailureKind
		words          []string
		not            string
	}{
		{"example.nowhere", "", UnknownHost, []string{"there is no host example.nowhere"}, "SRV"},
		{"moved.example", "", UnknownHost, []string{"there is no host moved.nowhere"}, "SRV"},
		{"none.example", "", UnknownHost, []string{"says that it has no XMPP server"}, "SRV"},
		{"example.failing", "", NoNames, []string{"address of example.failing", "cannot tell", "(SRV) could not be looked up", "_xmpp-client._tcp.example.failing"}, "do not answer"},
		{"example.silent", "", NoNames, []string{"do not answer"}, "cannot tell"},
		{"example.org", "host.silent:5222", NoNames, []string{"host.silent", "do not answer"}, "SRV"},
		{"example.org", "host.nowhere:5222", UnknownHost, []string{"there is no host host.nowhere"}, "SRV"},
		{"example.org", "host.example:" + lost, Refused, []string{"nobody listens at host.example"}, "SRV"},
	} {
		a := Account{JID: "hub@" + tt.domain, Password: "x", Server: tt.server, Timeout: 2 * time.Second, Log: quiet(t), resolver: r}
		if strings.Contains(tt.domain+tt.server, "silent") {
			a.Timeout = 300 * time.Millisecond
		}
		fails(t, a, tt.want, tt.words...)
		if _, err := Dial(within(t, 5*time.Second), a); err == nil || strings.Contains(err.Error(), tt.not) {
			t.Errorf("%s %s: %v says %q", tt.domain, tt.server, err, tt.not)
		}
	}
}
