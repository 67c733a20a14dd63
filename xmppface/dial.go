package xmppface

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/xmppface/stream"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

// connect makes an authenticated stream and binds, or resumes. Its errors are of type
// *Failure, but for ctx's.
func connect(ctx context.Context, a *Account, self jid.JID, b *binding) (*stream.Conn, error) {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	domain := self.Domainpart()
	var unknown error // of records
	failed := func(err error, server string) error {
		if outer.Err() != nil {
			return outer.Err()
		}
		f := explain(err, a, server, domain)
		if f.Kind == Lost && isTLS(err) {
			f = &Failure{Kind: NoTLS, Err: err, Text: "TLS with " + server + " cannot be agreed (" + err.Error() +
				"): it may have only versions before 1.2, want a certificate of its clients, or have no TLS on this port; see its settings and its log"}
		}
		if unknown != nil && slices.Contains([]FailureKind{UnknownHost, NoNames, Refused, Unreachable}, f.Kind) {
			f.Text += "; the records that say where its XMPP server is (SRV) could not be looked up, so it may be elsewhere: " + unknown.Error()
		}
		return f
	}
	cfg, err := clientTLS(a, domain)
	if err != nil {
		return nil, failed(err, domain)
	}
	list, unknown, err := places(ctx, a, domain)
	if err != nil {
		return nil, failed(err, domain)
	}
	if a.Insecure {
		a.Log.Warn("NOT SECURE: any certificate of the server is accepted, so anybody on the way can read and change everything; for a bench only, take insecure out of the configuration", "account", a.JID)
	}
	direct := cfg.Clone()
	direct.NextProtos = []string{"xmpp-client"}
	once := func() (*stream.Conn, place, error) {
		conn, at, err := reach(ctx, a, list, direct)
		if err != nil {
			return nil, at, err
		}
		var c *stream.Conn
		if !a.Component {
			c, err = negotiate(ctx, conn, a, self, b, cfg, at.direct)
		} else if err = guarded(a, conn); err == nil {
			c, err = handshake(ctx, conn, a, self, b)
		}
		if err != nil {
			conn.Close()
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			return nil, at, err
		}
		return c, at, nil
	}
	c, at, err := once()
	if unbound := new(errBinding); errors.As(err, &unbound) && a.channel.failed() {
		a.Log.Warn("the server offers logins that are bound to the TLS connection (SCRAM-PLUS), but refuses ours; the hub logs in without that until it is started again",
			"account", a.JID, "server", at.addr, "said", unbound.said)
		c, at, err = once()
	}
	if err != nil {
		return nil, failed(err, at.addr)
	}
	return c, nil
}

// reach connects to the first place that lets us, one after the other, and makes TLS
// where that comes first. An error is that of the first place, unless another's
// certificate is why.
func reach(ctx context.Context, a *Account, list []place, cfg *tls.Config) (net.Conn, place, error) {
	d := net.Dialer{Timeout: 10 * time.Second, Resolver: a.resolver}
	var first error
	failed := list[0]
	for _, p := range list {
		conn, err := d.DialContext(ctx, "tcp", p.addr)
		if err == nil && p.direct {
			secured := tls.Client(conn, cfg)
			short, cancel := context.WithTimeout(ctx, 15*time.Second)
			err = secured.HandshakeContext(short)
			cancel()
			if err != nil {
				conn.Close()
			}
			conn = secured
		}
		if err == nil {
			return conn, p, nil
		}
		if first == nil || isCertificate(err) && !isCertificate(first) {
			first, failed = err, p
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, failed, first
}

// isTLS tells whether the two ends do not agree on TLS; the library has no type for that.
func isTLS(err error) bool {
	return strings.Contains(err.Error(), "tls: ") || strings.HasPrefix(err.Error(), "STARTTLS: ")
}

func isCertificate(err error) bool {
	certificate, pinned := new(tls.CertificateVerificationError), new(Failure)
	return errors.As(err, &certificate) || errors.As(err, &pinned)
}

// negotiate opens the stream, secures it unless it is, logs in and binds a resource.
func negotiate(ctx context.Context, conn net.Conn, a *Account, self jid.JID, b *binding, cfg *tls.Config, secure bool) (*stream.Conn, error) {
	// The library's own way to heed ctx clears the deadline again.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	features := []xmpp.StreamFeature{
		stream.StartTLS(cfg),
		bindings(),
		login(self.Localpart(), a.Password, a.channel),
		bind(b),
	}
	var state xmpp.SessionState
	if secure {
		state = xmpp.Secure
	}
	s, err := xmpp.NewSession(ctx, self.Domain(), self, stream.NewConn(conn), state,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features, Lang: "en"}
		}))
	if err != nil {
		return nil, err
	}
	// The library takes an empty list of features for the end of the negotiation.
	switch {
	case s.State()&xmpp.Secure == 0:
		return nil, &Failure{Kind: NoTLS, Text: "the server does not encrypt (no STARTTLS), so nothing was sent to it"}
	case s.State()&xmpp.Authn == 0:
		return nil, &Failure{Kind: Unauthentic, Text: "the server offers no login; the session was given up: check the server's settings for clients"}
	case b.full == "":
		return nil, &Failure{Kind: Unauthentic, Text: "the server gave us no address (resource binding); the session was given up"}
	}
	c, ok := s.Conn().(*stream.Conn)
	if !ok {
		return nil, errors.New("the negotiated connection is not countable")
	}
	if !stop() {
		return nil, ctx.Err()
	}
	return c, nil
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
