package local

import (
	"crypto/x509"
	"encoding/pem"
	"regexp"
	"testing"
	"time"

	"mellium.im/xmpp/jid"
)

func TestNewDomain(t *testing.T) {
	a, b := NewDomain(), NewDomain()
	if !regexp.MustCompile(`^[a-z2-7]{16}\.hub\.local$`).MatchString(a) || a == b {
		t.Errorf("%s, %s", a, b)
	}
	if j, err := jid.Parse(a); err != nil || j.String() != a {
		t.Errorf("as an address: %v, %v", j, err)
	}
}

func TestCertificate(t *testing.T) {
	c, err := NewCertificate("k7f3.hub.local")
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(c.Cert)
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	for _, now := range []time.Time{time.Unix(60, 0), time.Now(), time.Date(2400, 1, 1, 0, 0, 0, 0, time.UTC)} {
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: "k7f3.hub.local", Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("in %d: %v", now.Year(), err)
		}
	}
	f, err := c.Fingerprint()
	if err != nil || !regexp.MustCompile(`^([0-9A-F]{2}:){31}[0-9A-F]{2}$`).MatchString(f) {
		t.Errorf("fingerprint %s, %v", f, err)
	}
	if _, err := (Certificate{Cert: []byte("x")}).Fingerprint(); err == nil {
		t.Error("a fingerprint of nothing")
	}
}

func TestNewRefuses(t *testing.T) {
	good, err := NewCertificate("k7f3.hub.local")
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewCertificate("k7f3.hub.local")
	if err != nil {
		t.Fatal(err)
	}
	m := new(Memory)
	for name, c := range map[string]Config{
		"no domain":                  {Certificate: good, Accounts: m, Rosters: m},
		"an address":                 {Domain: "a@k7f3.hub.local", Certificate: good, Accounts: m, Rosters: m},
		"not normalised":             {Domain: "K7F3.hub.local", Certificate: good, Accounts: m, Rosters: m},
		"another domain":             {Domain: "other.hub.local", Certificate: good, Accounts: m, Rosters: m},
		"no certificate":             {Domain: "k7f3.hub.local", Accounts: m, Rosters: m},
		"key of another":             {Domain: "k7f3.hub.local", Certificate: Certificate{good.Cert, other.Key}, Accounts: m, Rosters: m},
		"neither account nor roster": {Domain: "k7f3.hub.local", Certificate: good},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(Config{Domain: "k7f3.hub.local", Certificate: good, Accounts: m, Rosters: m}); err != nil {
		t.Errorf("what is right: %v", err)
	}
}
