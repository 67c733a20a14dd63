package xmppface

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"
)

// ParsePin reads the SHA-256 of a key: 64 hexadecimal digits, colons between them or
// not, or base64 as in RFC 7469; "sha256:" or "sha256/" may stand before.
func ParsePin(s string) ([sha256.Size]byte, error) {
	var pin [sha256.Size]byte
	text := strings.TrimSpace(s)
	if len(text) > 7 && strings.EqualFold(text[:6], "sha256") && (text[6] == ':' || text[6] == '/') {
		text = text[7:]
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil {
		b, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil || len(b) != len(pin) {
		return pin, fmt.Errorf("%q is not the SHA-256 of a key: write 64 hexadecimal digits, or sha256/ and 44 characters of base64", s)
	}
	return [sha256.Size]byte(b), nil
}

// Pin returns the pin of a certificate's key: "sha256/" and the base64 of the SHA-256
// of its SubjectPublicKeyInfo. It stays the same when a certificate is renewed for the
// same key.
func Pin(cert *x509.Certificate) string {
	sum := sha256.Sum256(cert.RawSubjectPublicKeyInfo)
	return "sha256/" + base64.StdEncoding.EncodeToString(sum[:])
}

// clientTLS says which servers of the domain are trusted: those with a pinned key when
// there are pins, whatever else their certificate says; else those whose certificate
// is for the domain, valid now and of an authority.
func clientTLS(a *Account, domain string) (*tls.Config, error) {
	roots, err := authorities(a.CAFile)
	if err != nil {
		return nil, err
	}
	// What is written at a time is one record: a server gets it whole or, when the
	// connection is lost, not at all. Prosody 0.12 cannot resume a session when the lost
	// connection ended within a stanza.
	cfg := &tls.Config{ServerName: domain, RootCAs: roots, MinVersion: tls.VersionTLS12, MaxVersion: a.maxTLS, Time: a.now, DynamicRecordSizingDisabled: true}
	if len(a.Pins) == 0 {
		cfg.InsecureSkipVerify = a.Insecure
		return cfg, nil
	}
	var pins [][sha256.Size]byte
	for _, s := range a.Pins {
		pin, err := ParsePin(s)
		if err != nil {
			return nil, &Failure{Kind: Misconfigured, Text: "the pin " + err.Error(), Err: err}
		}
		pins = append(pins, pin)
	}
	cfg.InsecureSkipVerify = true // VerifyConnection does it, for resumed sessions too
	cfg.VerifyConnection = func(st tls.ConnectionState) error {
		leaf := st.PeerCertificates[0]
		if slices.Contains(pins, sha256.Sum256(leaf.RawSubjectPublicKeyInfo)) {
			return nil
		}
		return &Failure{Kind: CertKey, Text: "the server of " + domain + " has another key than the pinned one: it is " + Pin(leaf) +
			"; when its owner confirms that, write it under pins, else somebody may be in between"}
	}
	return cfg, nil
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
