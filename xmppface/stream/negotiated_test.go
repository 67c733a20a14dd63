package stream_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/xmpptest"
	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// TestBothEnds negotiates with the library at both ends over STARTTLS, and then
// exchanges stanzas, in plain and mixed sizes.
func TestBothEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ca := xmpptest.NewCA(t)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.PEM)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	type end struct {
		s   *xmpp.Session
		err error
	}
	accepted := make(chan end, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			accepted <- end{nil, err}
			return
		}
		s, err := xmpp.ReceiveSession(ctx, stream.NewConn(c), 0, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: []xmpp.StreamFeature{
				stream.StartTLS(ca.Server(t, "localhost")),
				xmpp.SASLServer(func(*sasl.Negotiator) bool { return true }, sasl.Plain),
				xmpp.BindCustom(func(jid.JID, string) (jid.JID, error) { return jid.Parse("user@localhost/x") }),
			}}
		}))
		accepted <- end{s, err}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	self := jid.MustParse("user@localhost")
	client, err := xmpp.NewSession(ctx, self.Domain(), self, stream.NewConn(c), 0, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
		return xmpp.StreamConfig{Features: []xmpp.StreamFeature{
			stream.StartTLS(&tls.Config{ServerName: "localhost", RootCAs: pool}),
			xmpp.SASL("", "secret", sasl.Plain),
			xmpp.BindResource(),
		}}
	}))
	if err != nil {
		t.Fatal(err)
	}
	server := <-accepted
	if server.err != nil {
		t.Fatal(server.err)
	}
	if server.s.State()&xmpp.Secure == 0 || client.State()&xmpp.Secure == 0 {
		t.Fatal("not secured")
	}
	if v := server.s.Conn().(*stream.Conn).ConnectionState().Version; v < tls.VersionTLS12 {
		t.Errorf("TLS version %x", v)
	}
	var ends [2]*stream.Stream
	ended := make(chan error, 2)
	for i, s := range []*xmpp.Session{client, server.s} {
		if ends[i], err = stream.New(s.Conn().(*stream.Conn), stream.Options{}); err != nil {
			t.Fatal(err)
		}
		go func() { ended <- ends[i].Run(ctx) }()
	}
	for i := range ends {
		for _, size := range []int{0, 1, 5000, 20000, 250 << 10} {
			stanza := append([]byte("<message><body>"), make([]byte, size)...)
			for j := range size {
				stanza[len("<message><body>")+j] = 'x'
			}
			if err := ends[i].SendCtx(ctx, stanza, []byte("</body></message>")); err != nil {
				t.Fatal(err)
			}
			e, err := ends[1-i].Read()
			if err != nil || len(e.Child("body").Text) != size {
				t.Fatalf("end %d, %d bytes: %v", i, size, err)
			}
		}
	}
	ends[0].End(nil)
	if _, err := ends[1].Read(); err != io.EOF {
		t.Errorf("the server read %v, want EOF", err)
	}
	ends[1].End(nil)
	if _, err := ends[0].Read(); err != io.EOF {
		t.Errorf("the client read %v, want EOF", err)
	}
	for range 2 {
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
}
