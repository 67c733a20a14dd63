package xmppface

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/fieldhub/hub/xmppface/stream"
	xmppstream "mellium.im/xmpp/stream"
)

// FailureKind is why there is no connection.
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

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// buildYear is a year in which this program was surely not yet built before its
// beginning: a clock that shows an earlier one is wrong. Boxes without a battery
// start in 1970.
const buildYear = 2026

// explain finds out what an error of connecting or of a session means.
func explain(err error, a *Account, server, domain string) *Failure {
	var known *Failure
	if errors.As(err, &known) {
		return known
	}
	f := func(kind FailureKind, format string, args ...any) *Failure {
		return &Failure{Kind: kind, Text: fmt.Sprintf(format, args...), Err: err}
	}
	now := a.now()
	if certificate := new(tls.CertificateVerificationError); errors.As(err, &certificate) {
		var invalid x509.CertificateInvalidError
		var authority x509.UnknownAuthorityError
		var name x509.HostnameError
		switch {
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
			cert := invalid.Cert
			switch {
			case now.Year() < buildYear:
				return f(WrongClock, "the clock of this machine shows %s, which is wrong, so no certificate can be checked: set the clock or let NTP set it", now.UTC().Format("2006-01-02 15:04"))
			case cert != nil && now.Before(cert.NotBefore):
				return f(CertNotYet, "the certificate of %s (%s) is valid only from %s: check the clock of this machine, which shows %s, or the server's certificate", domain, server, day(cert.NotBefore), day(now))
			case cert != nil:
				return f(CertExpired, "the certificate of %s (%s) has expired on %s: renew it on the server (the clock of this machine shows %s)", domain, server, day(cert.NotAfter), day(now))
			}
			return f(CertExpired, "the certificate of %s (%s) has expired", domain, server)
		case errors.As(err, &authority):
			return f(CertAuthority, "the certificate of %s (%s) is of an authority that is not trusted here: name the authority's file as ca_file, or, when the server's owner confirms that its key is %s, write that under pins", domain, server, pinOf(certificate))
		case errors.As(err, &name):
			return f(CertName, "the server %s has a certificate for another name, not for %s: use a server and a certificate of that domain", server, domain)
		}
		return f(CertAuthority, "the certificate of %s (%s) is not acceptable: %v", domain, server, certificate.Err)
	}
	if dns := new(net.DNSError); errors.As(err, &dns) {
		if dns.IsNotFound {
			return f(UnknownHost, "there is no host %s: check the server or the domain of the account, and the name servers of this machine", dns.Name)
		}
		return f(NoNames, "the address of %s could not be found: the name servers of this machine do not answer; check the network and its name servers", dns.Name)
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
	}
	if e := new(stream.Error); errors.As(err, &e) {
		condition, text, remote = e.Condition, e.Text, e.Remote
	}
	if text != "" {
		text = ": " + text
	}
	switch condition {
	case "":
	case "conflict":
		return f(Replaced, "another client of the account has taken our place (conflict)%s: is a second hub running with this account?", text)
	case "host-unknown", "host-gone":
		return f(WrongDomain, "the server %s does not serve %s: check the domain of the account and the server", server, domain)
	case "policy-violation", "resource-constraint":
		if remote {
			return f(RateLimit, "the server %s has closed the connection because we do too much for it (%s%s): raise its limits for this account (Prosody: limits, ejabberd: shaper_rules); the hub tries again later", server, condition, text)
		}
		return f(BrokenStream, "%v", err)
	case "not-authorized":
		if remote {
			return f(WrongPassword, "the server %s does not let us in any more%s: check account and password", server, text)
		}
		return f(BrokenStream, "%v", err)
	case "system-shutdown", "reset":
		return f(ServerShutdown, "the server %s shuts down or restarts%s", server, text)
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

// pinOf returns the pin of the certificate that was not accepted.
func pinOf(err *tls.CertificateVerificationError) string {
	if len(err.UnverifiedCertificates) == 0 {
		return "known"
	}
	return Pin(err.UnverifiedCertificates[0])
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
