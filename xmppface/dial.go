package xmppface

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/xmppface/stream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// connect makes an authenticated stream with a bound resource. Its errors are of
// type *Failure, but for ctx's.
func connect(ctx context.Context, a *Account, self jid.JID) (*stream.Conn, string, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	domain := self.Domainpart()
	conn, server, err := dialTCP(ctx, a, domain)
	if err != nil {
		if outer.Err() != nil {
			return nil, "", outer.Err()
		}
		return nil, "", explain(err, a, server, domain)
	}
	c, full, err := negotiate(ctx, conn, a, self)
	if err != nil {
		conn.Close()
		if outer.Err() != nil {
			return nil, "", outer.Err()
		}
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, "", explain(err, a, server, domain)
	}
	return c, full, nil
}

// dialTCP tries the places where the server may be, one after the other.
func dialTCP(ctx context.Context, a *Account, domain string) (net.Conn, string, error) {
	servers := []string{a.Server}
	if a.Server == "" {
		var err error
		if servers, err = lookup(ctx, a.resolver, domain); err != nil {
			return nil, domain, err
		}
	}
	d := net.Dialer{Timeout: 10 * time.Second, Resolver: a.resolver}
	var first error
	failed := servers[0]
	for _, server := range servers {
		if _, _, err := net.SplitHostPort(server); err != nil {
			return nil, server, &Failure{Kind: Misconfigured, Text: "the server " + server + " is not of the form host:port", Err: err}
		}
		conn, err := d.DialContext(ctx, "tcp", server)
		if err == nil {
			return conn, server, nil
		}
		if first == nil {
			first, failed = err, server
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed, first
}

// lookup finds the servers of a domain (RFC 6120, 3.2).
func lookup(ctx context.Context, r *net.Resolver, domain string) ([]string, error) {
	short, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, records, err := r.LookupSRV(short, "xmpp-client", "tcp", domain)
	if err != nil || len(records) == 0 {
		return []string{net.JoinHostPort(domain, "5222")}, ctx.Err()
	}
	var out []string
	for _, s := range records {
		if host := strings.TrimSuffix(s.Target, "."); host != "" {
			out = append(out, net.JoinHostPort(host, strconv.Itoa(int(s.Port))))
		}
	}
	if len(out) == 0 {
		return nil, &Failure{Kind: UnknownHost, Text: "the domain " + domain + " says that it has no XMPP server"}
	}
	return out, nil
}

// negotiate opens the stream, secures it, logs in and binds a resource.
func negotiate(ctx context.Context, conn net.Conn, a *Account, self jid.JID) (*stream.Conn, string, error) {
	// The library's own way to heed ctx clears the deadline again.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	roots, err := authorities(a.CAFile)
	if err != nil {
		return nil, "", err
	}
	resource, err := self.WithResource(a.Resource + "-" + random())
	if err != nil {
		return nil, "", &Failure{Kind: Misconfigured, Text: "the resource " + a.Resource + " cannot be used", Err: err}
	}
	var bound string
	features := []xmpp.StreamFeature{
		stream.StartTLS(&tls.Config{
			ServerName: self.Domainpart(),
			RootCAs:    roots,
			MinVersion: tls.VersionTLS12,
			Time:       a.now,
		}),
		login(self.Localpart(), a.Password),
		bind(resource.Resourcepart(), &bound),
	}
	s, err := xmpp.NewSession(ctx, self.Domain(), self, stream.NewConn(conn), 0,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features, Lang: "en"}
		}))
	if err != nil {
		return nil, "", err
	}
	// The library takes an empty list of features for the end of the negotiation.
	switch {
	case s.State()&xmpp.Secure == 0:
		return nil, "", &Failure{Kind: NoTLS, Text: "the server does not encrypt (no STARTTLS), so nothing was sent to it"}
	case s.State()&xmpp.Authn == 0:
		return nil, "", &Failure{Kind: Unauthentic, Text: "the server offers no login; the session was given up: check the server's settings for clients"}
	case bound == "":
		return nil, "", &Failure{Kind: Unauthentic, Text: "the server gave us no address (resource binding); the session was given up"}
	}
	c, ok := s.Conn().(*stream.Conn)
	if !ok {
		return nil, "", errors.New("the negotiated connection is not countable")
	}
	if !stop() {
		return nil, "", ctx.Err()
	}
	return c, bound, nil
}

func authorities(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, &Failure{Kind: Misconfigured, Text: "the file of certificate authorities cannot be read: " + err.Error(), Err: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, &Failure{Kind: Misconfigured, Text: "the file " + file + " holds no certificate in PEM"}
	}
	return pool, nil
}

// random returns 80 random bits as text that is safe everywhere.
func random() string {
	const digits = "abcdefghijklmnopqrstuvwxyz234567"
	var b [16]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = digits[b[i]&31]
	}
	return string(b[:])
}
