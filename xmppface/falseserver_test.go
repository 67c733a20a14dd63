package xmppface

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

const offerSHA256 = fakeHeader + "<stream:features><mechanisms xmlns='" + nsSASL + "'><mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-1</mechanism><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>"

// scramLogin is a login with SCRAM-SHA-256 for the password "x", as its server sees it.
type scramLogin struct {
	gs2, bare   string // of the client's first message
	serverFirst string
	rounds      int
}

const scramSalt = "0123456789abcdef"

// newScram reads the client's first message, in base64.
func newScram(text string, rounds int) *scramLogin {
	first, _ := base64.StdEncoding.DecodeString(text)
	header, bare, _ := strings.Cut(string(first), ",,")
	_, nonce, _ := strings.Cut(bare, ",r=")
	return &scramLogin{gs2: header + ",,", bare: bare, rounds: rounds,
		serverFirst: fmt.Sprintf("r=%sserver,s=%s,i=%d", nonce, base64.StdEncoding.EncodeToString([]byte(scramSalt)), rounds)}
}

// flag is what the client says of channel binding.
func (x *scramLogin) flag() string { return strings.TrimSuffix(x.gs2, ",,") }

// final is the server's last message after that of the client.
func (x *scramLogin) final(last string) string {
	withoutProof, _, _ := strings.Cut(last, ",p=")
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		io.WriteString(h, text)
		return h.Sum(nil)
	}
	salted, err := pbkdf2.Key(sha256.New, "x", []byte(scramSalt), min(x.rounds, 10000), sha256.Size)
	if err != nil {
		panic(err)
	}
	return "v=" + base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), x.bare+","+x.serverFirst+","+withoutProof))
}

// say sends a step of a login.
func say(c net.Conn, name, text string) {
	io.WriteString(c, "<"+name+" xmlns='"+nsSASL+"'>"+base64.StdEncoding.EncodeToString([]byte(text))+"</"+name+">")
}

// scram answers a login as a server does, or falsely: challenge and final change what it
// says.
func scram(c net.Conn, hear func(string) string, rounds int, challenge, final func(string) string) {
	hear("'>")
	io.WriteString(c, offerSHA256)
	_, auth, _ := strings.Cut(hear("</auth>"), "<auth")
	_, text, _ := strings.Cut(strings.TrimSuffix(auth, "</auth>"), ">")
	x := newScram(text, rounds)
	x.serverFirst = challenge(x.serverFirst)
	say(c, "challenge", x.serverFirst)
	_, text, _ = strings.Cut(hear("</response>"), "'>")
	last, _ := base64.StdEncoding.DecodeString(strings.TrimSuffix(text, "</response>"))
	say(c, "success", final(x.final(string(last))))
}

// TestFalseServers: what somebody may try who answers in place of the server, even with
// a certificate that is believed. Whatever he does, he does not get the password, nor
// what makes it cheap to find, and nobody takes him for the server. Others of his kind
// are in TestUnauthenticatedSession, TestNoEncryption, TestBytesAfterProceed,
// TestOnlyPlainIsOffered, TestLoginThatServerCutsShort and TestFailures.
func TestFalseServers(t *testing.T) {
	same := func(s string) string { return s }
	for _, tt := range []struct {
		name             string
		rounds           int
		challenge, final func(string) string
		want             string
		proof            bool // we say something that only who knows the password can
	}{
		{"true server", 4096, same, same, "", true},
		{"wrong signature", 4096, same, func(string) string { return "v=" + base64.StdEncoding.EncodeToString(make([]byte, 32)) }, "login", true},
		{"no signature", 4096, same, func(string) string { return "" }, "login", true},
		{"error in place of a signature", 4096, same, func(string) string { return "e=other-error" }, "login", true},
		{"1 round", 1, same, same, "rounds of hashing, fewer than 4096", false},
		{"4095 rounds", 4095, same, same, "rounds of hashing, fewer than 4096", false},
		{"10 million rounds", 10_000_000, same, same, "rounds of hashing, more than", false},
		{"no number of rounds", 4096, func(s string) string { s, _, _ = strings.Cut(s, ",i="); return s }, same, "login", false},
		{"two numbers of rounds", 4096, func(s string) string { return s + ",i=1" }, same, "login", false},
		{"rounds that are no number", 4096, func(s string) string { return strings.Replace(s, "i=4096", "i=4096x", 1) }, same, "login", false},
		{"a negative number of rounds", 4096, func(s string) string { return strings.Replace(s, "i=4096", "i=-4096", 1) }, same, "login", false},
		{"another nonce", 4096, func(s string) string { return "r=other" + s[strings.IndexByte(s, ','):] }, same, "login", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			heard := make(chan string, 1)
			went := make(chan bool, 1)
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				var all strings.Builder
				scram(c, func(until string) string { s := hear(until); all.WriteString(s); return s }, tt.rounds, tt.challenge, tt.final)
				heard <- all.String()
				went <- strings.Contains(hear("'>"), "<stream:stream")
			})
			a.Timeout = 3 * time.Second
			began := time.Now()
			s, err := Dial(within(t, 5*time.Second), a)
			if err == nil {
				s.Close()
				t.Fatal("connected")
			}
			said := <-heard
			if !strings.Contains(said, "mechanism='SCRAM-SHA-256'") {
				t.Errorf("it did not take the best mechanism: %s", said)
			}
			if got := strings.Contains(said, "<response"); got != tt.proof {
				t.Errorf("it gave a proof: %v, want %v", got, tt.proof)
			}
			if got := <-went; got != (tt.want == "") {
				t.Errorf("it went on after the login: %v; %v", got, err)
			}
			if tt.want != "" && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// TestSlowServer: a server that says a byte now and then does not hold us for longer
// than the whole connecting may take, at any step.
func TestSlowServer(t *testing.T) {
	slowly := func(c net.Conn, text string) {
		for i := range text {
			if _, err := io.WriteString(c, text[i:i+1]); err != nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	for name, a := range map[string]Account{
		"at once": scripted(t, func(c net.Conn, _ func(string) string) { slowly(c, fakeHeader) }),
		"in its features": secured(t, "localhost", func(c net.Conn, hear func(string) string) {
			hear("'>")
			slowly(c, offerSHA256)
		}),
		"in its challenge": secured(t, "localhost", func(c net.Conn, hear func(string) string) {
			hear("'>")
			io.WriteString(c, offerSHA256)
			hear("</auth>")
			slowly(c, "<challenge xmlns='"+nsSASL+"'>"+strings.Repeat("x", 1000))
		}),
	} {
		t.Run(name, func(t *testing.T) {
			a.Timeout = 300 * time.Millisecond
			began := time.Now()
			s, err := Dial(within(t, 5*time.Second), a)
			if err == nil {
				s.Close()
				t.Fatal("connected")
			}
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("%v after %v", err, took)
			}
		})
	}
}

// TestOldTLS: a server, or somebody between, that has only a TLS older than 1.2 is not
// spoken to.
func TestOldTLS(t *testing.T) {
	ca := xmpptest.NewCA(t)
	cfg := ca.Server(t, "localhost").Clone()
	cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	secure := make(chan error, 1)
	a := scripted(t, func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, offerTLS)
		hear("/>")
		io.WriteString(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		secure <- tls.Server(c, cfg).Handshake()
	})
	a.CAFile = ca.File(t)
	fails(t, a, NoTLS, "versions before 1.2", a.Server)
	if err := <-secure; err == nil {
		t.Error("it agreed to an old TLS")
	}
}

// TestClientCertificateWanted: a server that wants a certificate of its clients.
func TestClientCertificateWanted(t *testing.T) {
	ca := xmpptest.NewCA(t)
	cfg := ca.Server(t, "localhost").Clone()
	cfg.ClientAuth = tls.RequireAnyClientCert
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		a := scripted(t, func(c net.Conn, hear func(string) string) {
			tls.Server(c, cfg).Handshake()
			io.Copy(io.Discard, c) // or what the other side says last would be lost
		})
		a.CAFile, a.TLS, a.maxTLS = ca.File(t), DirectTLS, version
		fails(t, a, NoTLS, "want a certificate of its clients")
	}
}
