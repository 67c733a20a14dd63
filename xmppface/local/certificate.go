package local

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Certificate is a certificate and its private key, both PEM. The caller keeps
// it, the key where nobody else can read it: clients know the server by it.
type Certificate struct {
	Cert, Key []byte
}

// NewDomain makes a random domain, such as "k7f3ovzq2mw4cb6e.hub.local". It is
// made once for a hub, and kept.
func NewDomain() string {
	var b [10]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:])) + ".hub.local"
}

// NewCertificate makes a self-signed certificate for a domain. It has no end, and
// is valid from 1970 on: boxes without a battery start there.
func NewCertificate(domain string) (Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: domain},
		DNSNames:              []string{domain},
		NotBefore:             time.Unix(0, 0).UTC(),
		NotAfter:              time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280, 4.1.2.5: none
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return Certificate{}, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Certificate{}, err
	}
	return Certificate{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}),
	}, nil
}

// Fingerprint returns the SHA-256 of the certificate, in hexadecimal with colons,
// as people compare it.
func (c Certificate) Fingerprint() (string, error) {
	block, _ := pem.Decode(c.Cert)
	if block == nil || block.Type != "CERTIFICATE" {
		return "", errors.New("there is no certificate in PEM")
	}
	sum := sha256.Sum256(block.Bytes)
	var b strings.Builder
	for i, x := range sum {
		if i > 0 {
			b.WriteByte(':')
		}
		b.WriteString(strings.ToUpper(hex.EncodeToString([]byte{x})))
	}
	return b.String(), nil
}

// load checks that certificate and key belong together and to the domain.
func (c Certificate) load(domain string) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(c.Cert, c.Key)
	if err != nil {
		return pair, fmt.Errorf("the certificate of the local server cannot be used: %w", err)
	}
	if err := pair.Leaf.VerifyHostname(domain); err != nil {
		return pair, fmt.Errorf("the certificate of the local server is for another domain: %w", err)
	}
	return pair, nil
}
