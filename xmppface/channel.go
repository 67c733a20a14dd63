package xmppface

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"slices"
	"strings"
	"sync"

	"mellium.im/sasl"
	"mellium.im/xmpp"
)

// nsBindings is the namespace in which a server lists the kinds of channel binding that
// it knows (XEP-0440).
const nsBindings = "urn:xmpp:sasl-cb:0"

// method is a way to log in. Its two forms differ in what they say of channel binding
// (RFC 5802, 6).
type method struct {
	name  string
	plain sasl.Mechanism // says 'n': we do not bind
	bound sasl.Mechanism // says 'p': this login is for this TLS connection; or 'y': we would, but the server does not
}

// methods are the ways to log in, best first. None of them sends the password.
var methods = []method{
	{"SCRAM-SHA-256-PLUS", sasl.ScramSha256, sasl.ScramSha256Plus},
	{"SCRAM-SHA-1-PLUS", sasl.ScramSha1, sasl.ScramSha1Plus},
	{"SCRAM-SHA-256", sasl.ScramSha256, sasl.ScramSha256Plus},
	{"SCRAM-SHA-1", sasl.ScramSha1, sasl.ScramSha1Plus},
}

func (m method) binds() bool { return strings.HasSuffix(m.name, "-PLUS") }

// choose picks a way to log in of those that a server offers, and its form. kinds are the
// kinds of binding that the server lists; nil: it lists none, which says nothing. With off
// nothing is bound.
//
// Where the server binds nothing we say so ('y'), which our proof covers: a server whose
// offer somebody has cut then refuses. That is only true when it offers no way at all that
// binds; with one that we cannot use we are not one that binds ('n').
func choose(offered, kinds []string, st tls.ConnectionState, off bool) (name string, m sasl.Mechanism, ok bool) {
	kind := bindingKind(st)
	can := kind != "" && !off && (kinds == nil || slices.Contains(kinds, kind))
	cut := can && !slices.ContainsFunc(offered, func(s string) bool { return strings.HasSuffix(s, "-PLUS") })
	for _, m := range methods {
		switch {
		case !slices.Contains(offered, m.name), m.binds() && !can:
		case m.binds() || cut:
			return m.name, m.bound, true
		default:
			return m.name, m.plain, true
		}
	}
	return "", sasl.Mechanism{}, false
}

// bindingKind is the kind of channel binding that a connection has: tls-exporter
// (RFC 9266) with TLS 1.3, tls-unique (RFC 5929) before; empty: none.
func bindingKind(st tls.ConnectionState) string {
	switch {
	case st.Version >= tls.VersionTLS13:
		return "tls-exporter"
	case len(st.TLSUnique) > 0:
		return "tls-unique"
	}
	return ""
}

// bindings is the feature in which a server lists the kinds of channel binding that it
// knows. There is nothing to negotiate.
func bindings() xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsBindings, Local: "sasl-channel-binding"},
		Necessary:  xmpp.Secure,
		Prohibited: xmpp.Authn,
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			var list struct {
				Bindings []struct {
					Type string `xml:"type,attr"`
				} `xml:"channel-binding"`
			}
			err := d.DecodeElement(&list, start)
			kinds := []string{}
			for _, b := range list.Bindings {
				kinds = append(kinds, b.Type)
			}
			return false, kinds, err
		},
	}
}

// channel is what was learnt of channel binding with the server of an account, for as
// long as the program runs. Safe for concurrent use.
type channel struct {
	must  bool // logins that are not bound are not made; set once
	mu    sync.Mutex
	bound bool // a login was bound
	last  bool // the last one was
	off   bool // bound logins fail there
}

// isOff tells whether logins are not to be bound.
func (c *channel) isOff() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.off
}

// worked notes a login, bound or not.
func (c *channel) worked(bound bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = bound
	c.bound = c.bound || bound
}

// Bound tells whether the login was bound to the TLS connection (SCRAM-PLUS), so that
// nobody in between can have passed it on.
func (s *Session) Bound() bool {
	s.a.channel.mu.Lock()
	defer s.a.channel.mu.Unlock()
	return s.a.channel.last
}

// failed notes a bound login that failed for its binding, and tells whether to go on
// without. It is not when one was ever bound, or has to be: who stands between could ask
// for that.
func (c *channel) failed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bound || c.off || c.must {
		return false
	}
	c.off = true
	return true
}

// errBinding is a login that failed for its channel binding.
type errBinding struct{ said string }

func (e *errBinding) Error() string { return "the server says: " + e.said }

// aboutBinding tells whether the reason of a refusal, of a login that was bound, is its
// binding. Servers have no condition of their own for it.
func aboutBinding(condition, text string) bool {
	return condition == "malformed-request" || strings.Contains(strings.ToLower(text), "binding")
}
