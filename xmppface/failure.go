package xmppface

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"

	"github.com/fieldhub/hub/xmppface/stream"
	xmppstream "mellium.im/xmpp/stream"
)

// FailureKind is why there is no connection. How soon it is tried again after each is in
// the table of its method haste.
type FailureKind string

// The kinds of failures.
const (
	Misconfigured   FailureKind = "misconfigured"          // the account makes no sense
	UnknownHost     FailureKind = "unknown host"           // no address for the server's name
	NoNames         FailureKind = "no name service"        // the name servers do not answer
	Refused         FailureKind = "refused"                // nobody listens there
	Unreachable     FailureKind = "unreachable"            // no route, or no answer in time
	NoTLS           FailureKind = "no encryption"          // the server does not offer or accept TLS
	CertExpired     FailureKind = "certificate expired"    //
	CertNotYet      FailureKind = "certificate not valid"  // not yet
	CertAuthority   FailureKind = "certificate foreign"    // of an authority that is not trusted
	CertName        FailureKind = "certificate wrong name" // for another domain
	CertKey         FailureKind = "certificate other key"  // than the pinned one
	WrongClock      FailureKind = "wrong clock"            // ours, so that certificates cannot be checked
	WrongDomain     FailureKind = "wrong domain"           // the server does not serve it
	WrongPassword   FailureKind = "wrong password"         // or account
	PasswordExpired FailureKind = "password expired"       // the right one, but no longer good
	Disabled        FailureKind = "account disabled"       // by the server's administrator
	LoginDown       FailureKind = "login unavailable"      // the server cannot check logins at present
	RateLimit       FailureKind = "rate limit"             // the server finds that we do too much
	NoMechanism     FailureKind = "no mechanism"           // no common way to log in
	Unauthentic     FailureKind = "unauthenticated"        // the server let us in without login
	Unbound         FailureKind = "channel binding"        // the login is not for the TLS connection that we have
	Replaced        FailureKind = "replaced"               // another client took the resource (conflict)
	ServerShutdown  FailureKind = "server shutdown"        // the server ends or restarts
	BrokenStream    FailureKind = "broken stream"          // a stream error, ours or the server's
	Lost            FailureKind = "connection lost"        // without a word
)

// Failure is a connection that was not made or is lost, explained to the person
// at the box.
type Failure struct {
	Kind FailureKind
	Text string // what happened and what to do
	Err  error  // the cause; may be nil
}

// Error returns the text.
func (f *Failure) Error() string { return f.Text }

// sameAs tells whether two failures in a row are one state. What is said of certificates
// holds the time of day.
func (f *Failure) sameAs(g *Failure) bool {
	switch f.Kind {
	case WrongClock, CertExpired, CertNotYet:
		return f.Kind == g.Kind
	}
	return f.Kind == g.Kind && f.Text == g.Text
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// explain finds out what an error of connecting or of a session means.
func explain(err error, a *Account, server, domain string) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	f := func(kind FailureKind, format string, args ...any) *Failure {
		return &Failure{Kind: kind, Text: fmt.Sprintf(format, args...), Err: err}
	}
	if certificate := new(tls.CertificateVerificationError); errors.As(err, &certificate) {
		return explainCertificate(err, certificate, a.now(), server, domain)
	}
	if dns := new(net.DNSError); errors.As(err, &dns) {
		return explainName(err, dns)
	}
	if unbound := new(errBinding); errors.As(err, &unbound) {
		return f(Unbound, "the server %s refuses a login that is bound to our TLS connection (%s), though it took one before: somebody may be in between; when its owner has changed it, start the hub again", server, unbound.said)
	}
	if plain := (tls.RecordHeaderError{}); errors.As(err, &plain) {
		return f(NoTLS, "the server %s does not speak TLS from the first byte: write tls: starttls, or the port for direct TLS (often 5223)", server)
	}
	condition, text, remote := "", "", false
	if negotiation := (xmppstream.Error{}); errors.As(err, &negotiation) {
		condition, remote = negotiation.Err, true
		for _, t := range negotiation.Text {
			text = t.Value
		}
	}
	if e := new(stream.Error); errors.As(err, &e) {
		condition, text, remote = e.Condition, e.Text, e.Remote
	}
	if text != "" {
		text = ": " + shown(text)
	}
	switch condition {
	case "":
	case "conflict":
		return f(Replaced, "%s", taken(a, "conflict"+text))
	case "host-unknown", "host-gone":
		return f(WrongDomain, "the server %s does not serve %s: check the domain of the account and the server", server, domain)
	case "policy-violation", "resource-constraint":
		if remote {
			return f(RateLimit, "the server %s has closed the connection (%s%s): the hub does too much for it, or has failed to log in too often, or there are too many connections; the hub tries again later, and the server's administrator can raise the limits for this account (Prosody: limits, ejabberd: shaper_rules)", server, condition, text)
		}
		return f(BrokenStream, "%v", err)
	case "not-authorized":
		if remote {
			return f(WrongPassword, "the server %s does not let us in any more%s: check account and password", server, text)
		}
		return f(BrokenStream, "%v", err)
	case "system-shutdown", "reset":
		return f(ServerShutdown, "the server %s shuts down or restarts%s", server, text)
	case "connection-timeout":
		if remote {
			return f(Lost, "the server %s had no sign of life from us for too long%s", server, text)
		}
		return f(BrokenStream, "%v", err)
	default:
		return f(BrokenStream, "%v", err)
	}
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return f(Refused, "nobody listens at %s: is the server running, and is the port right?", server)
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return f(Unreachable, "no answer from %s in time: check the network, the address and firewalls between", server)
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return f(Unreachable, "there is no way to %s: check cable, address and gateway of this machine", server)
	case err == io.EOF:
		return f(Lost, "the server %s has closed the connection", server)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, net.ErrClosed):
		return f(Lost, "the connection to %s was lost", server)
	case errors.Is(err, stream.ErrFull):
		return f(Lost, "the server %s takes what we send too slowly: see whether it limits the rate of clients", server)
	}
	return f(Lost, "%s: %v", server, err)
}

// explainName finds out why a name was not found.
func explainName(err error, dns *net.DNSError) *Failure {
	f := &Failure{Kind: NoNames, Err: err}
	switch {
	case dns.IsNotFound:
		f.Kind = UnknownHost
		f.Text = "there is no host " + dns.Name + ": check the server or the domain of the account, and the name servers of this machine"
	case dns.IsTimeout:
		f.Text = "the address of " + dns.Name + " could not be found: the name servers of this machine do not answer; check the network and its name servers"
	default:
		f.Text = "the address of " + dns.Name + " could not be found: the name servers of this machine cannot tell (" + dns.Err + "); check the network and its name servers"
	}
	return f
}

// taken says that somebody has our place. The resource of every session has a random part,
// so it is never ourselves.
func taken(a *Account, said string) string {
	if a.Component {
		return "another program is connected as the component " + a.JID + " (" + said + "): is a second hub running with this domain? Give each its own"
	}
	return "another client of the account " + a.JID + " has taken our place (" + said + "). Our place has a random name, so a second hub runs with this account, or the server lets in one client of an account only, or its administrator has ended the session: give each hub an account of its own"
}
