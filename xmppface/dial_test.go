package xmppface

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
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

func TestLookup(t *testing.T) {
	r := names(t, map[string][]dnsmessage.SRVResource{
		"_xmpp-client._tcp.two.example.":  {service(t, 2, "b.example.", ":5299"), service(t, 1, "a.example.", ":5222")},
		"_xmpp-client._tcp.none.example.": {service(t, 0, ".", ":0")},
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, tt := range []struct {
		domain string
		want   []string
	}{
		{"two.example", []string{"a.example:5222", "b.example:5299"}},
		{"unknown.example", []string{"unknown.example:5222"}},
		{"none.example", nil},
	} {
		got, err := lookup(ctx, r, tt.domain)
		if !slices.Equal(got, tt.want) || (err != nil) != (tt.want == nil) {
			t.Errorf("%s: got %v, %v; want %v", tt.domain, got, err, tt.want)
		}
	}
}
