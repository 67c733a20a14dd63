package xmppface

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// buildYear is a year in which this program was surely not yet built before its
// beginning: a clock that shows an earlier one is wrong. Boxes without a battery
// start in 1970.
const buildYear = 2026

// lifetime is how long after it was built this program is not expected to run any more:
// clocks that lost their battery also show times far ahead.
const lifetime = 25 * 365 * 24 * time.Hour

// longExpired is how long ago a certificate has to have expired that it is as likely that
// our clock is wrong.
const longExpired = 365 * 24 * time.Hour

// built returns when this program was built, or a time before that.
func built() time.Time {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		info = &debug.BuildInfo{}
	}
	return builtAt(info)
}

// builtAt reads the time of what a program was built from.
func builtAt(info *debug.BuildInfo) time.Time {
	first := time.Date(buildYear, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, s := range info.Settings {
		if s.Key != "vcs.time" {
			continue
		}
		if at, err := time.Parse(time.RFC3339, s.Value); err == nil && at.After(first) {
			return at
		}
	}
	return first
}

// absurd tells whether a clock cannot be right: before the program was built, but for a
// day, or very long after.
func absurd(now, built time.Time) bool {
	return now.Before(built.AddDate(0, 0, -1)) || now.After(built.Add(lifetime))
}

// explainCertificate finds out why a certificate was not accepted. What the clock decides
// comes after whether it can be right.
func explainCertificate(err error, certificate *tls.CertificateVerificationError, now time.Time, server, domain string) *Failure {
	f := func(kind FailureKind, format string, args ...any) *Failure {
		return &Failure{Kind: kind, Text: fmt.Sprintf(format, args...), Err: err}
	}
	var invalid x509.CertificateInvalidError
	var authority x509.UnknownAuthorityError
	var name x509.HostnameError
	expired := errors.As(err, &invalid) && invalid.Reason == x509.Expired
	unknown := errors.As(err, &authority)
	clock := now.UTC().Format("2006-01-02 15:04") + " UTC"
	switch cert := invalid.Cert; {
	case (expired || unknown) && absurd(now, built()):
		return f(WrongClock, "the clock of this machine says %s, which is wrong, so no certificate can be checked: set the clock or let NTP set it", clock)
	case expired && cert == nil:
		return f(CertExpired, "the certificate of %s (%s) has expired, or is not yet valid (the clock of this machine says %s)", domain, server, clock)
	case expired && now.Before(cert.NotBefore):
		return f(CertNotYet, "the certificate of %s (%s) is valid only from %s, and the clock of this machine says %s: check this clock, and set it or let NTP set it; when it is right, check the server's certificate", domain, server, day(cert.NotBefore), clock)
	case expired && now.Sub(cert.NotAfter) > longExpired:
		return f(CertExpired, "the certificate of %s (%s) has expired long ago, on %s, if the clock of this machine is right, which says %s: check this clock first, then renew the certificate on the server", domain, server, day(cert.NotAfter), clock)
	case expired:
		return f(CertExpired, "the certificate of %s (%s) has expired on %s: renew it on the server (the clock of this machine says %s)", domain, server, day(cert.NotAfter), clock)
	case unknown:
		return f(CertAuthority, "the certificate of %s (%s) is of an authority that is not trusted here: name the authority's file as ca_file, or, when the server's owner confirms that its key is %s, write that under pins", domain, server, pinOf(certificate))
	case errors.As(err, &name):
		return f(CertName, "the server %s has a certificate for %s, not for %s: use a server and a certificate of that domain", server, whose(name.Certificate), domain)
	}
	return f(CertAuthority, "the certificate of %s (%s) is not acceptable: %v", domain, server, certificate.Err)
}

// whose returns a name that a certificate is for.
func whose(cert *x509.Certificate) string {
	if cert == nil || len(cert.DNSNames) == 0 {
		return "another name"
	}
	if len(cert.DNSNames) == 1 {
		return shown(cert.DNSNames[0])
	}
	return shown(cert.DNSNames[0]) + " and others"
}

// pinOf returns the pin of the certificate that was not accepted.
func pinOf(err *tls.CertificateVerificationError) string {
	if len(err.UnverifiedCertificates) == 0 {
		return "known"
	}
	return Pin(err.UnverifiedCertificates[0])
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }
