package xmppface

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"encoding/xml"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

const fakeHeader = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' id='1' from='localhost' version='1.0'>"

// scripted is a server that says fixed things to one client after the other.
func scripted(t *testing.T, script func(c net.Conn, hear func(until string) string)) Account {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.SetDeadline(time.Now().Add(10 * time.Second))
			script(c, hearing(c))
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return Account{JID: "user@localhost", Password: "x", Server: l.Addr().String(), Timeout: 5 * time.Second, Log: quiet(t)}
}

// hearing returns a function that reads until a text has come.
func hearing(c net.Conn) func(string) string {
	r := bufio.NewReader(c)
	return func(until string) string {
		var heard strings.Builder
		for !strings.HasSuffix(heard.String(), until) {
			b, err := r.ReadByte()
			if err != nil {
				break
			}
			heard.WriteByte(b)
		}
		return heard.String()
	}
}

const offerTLS = fakeHeader + "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"

// secured scripts a server with TLS.
func secured(t *testing.T, host string, script func(c net.Conn, hear func(string) string)) Account {
	ca := xmpptest.NewCA(t)
	cfg := ca.Server(t, host)
	a := scripted(t, func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, offerTLS)
		hear("/>")
		io.WriteString(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		s := tls.Server(c, cfg)
		if s.Handshake() == nil {
			script(s, hearing(s))
		}
	})
	a.CAFile = ca.File(t)
	return a
}

func TestUnauthenticatedSession(t *testing.T) {
	for features, want := range map[string]FailureKind{
		"<stream:features/>": Unauthentic,
		"<stream:features><other xmlns='urn:other'/></stream:features>":                       Lost,
		"<stream:features><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></stream:features>": Lost,
	} {
		t.Run(features, func(t *testing.T) {
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				hear("'>")
				io.WriteString(c, fakeHeader+features)
				hear("</stream:stream>")
			})
			fails(t, a, want)
		})
	}
}

func TestNoEncryption(t *testing.T) {
	for name, features := range map[string]string{
		"only login": "<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>",
		"nothing":    "<stream:features/>",
	} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan string, 1)
			a := scripted(t, func(c net.Conn, hear func(string) string) {
				hear("'>")
				io.WriteString(c, fakeHeader+features)
				b := make([]byte, 1000)
				n, _ := c.Read(b)
				heard <- string(b[:n])
				io.WriteString(c, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:stream>")
			})
			fails(t, a, NoTLS)
			if got := <-heard; strings.Contains(got, "<auth") {
				t.Errorf("it tried to log in in the clear: %s", got)
			}
		})
	}
}

func TestBytesAfterProceed(t *testing.T) {
	a := scripted(t, func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, offerTLS)
		hear("/>")
		io.WriteString(c, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><injected/>")
		io.Copy(io.Discard, c)
	})
	if _, err := Dial(within(t, 5*time.Second), a); err == nil || !strings.Contains(err.Error(), "in the clear") {
		t.Errorf("got %v", err)
	}
}

func TestWrongCertificateName(t *testing.T) {
	a := secured(t, "example.org", func(net.Conn, func(string) string) {})
	fails(t, a, CertName, "localhost")
}

func TestNegotiationTooLarge(t *testing.T) {
	a := scripted(t, func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, fakeHeader+"<stream:features><x>")
		for range 1000 {
			if _, err := io.WriteString(c, strings.Repeat("x", 4096)); err != nil {
				return
			}
		}
	})
	if _, err := Dial(within(t, 5*time.Second), a); !errors.Is(err, stream.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestLoginThatServerCutsShort(t *testing.T) {
	for name, answer := range map[string]string{
		"success at once": "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
		"many rounds":     "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>cj1hLHM9YSxpPTIwMDAwMDAwMDA=</challenge>",
		"no base64":       "<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>!</challenge>",
		"something else":  "<iq/>",
	} {
		t.Run(name, func(t *testing.T) {
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				hear("'>")
				io.WriteString(c, fakeHeader+"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>")
				hear("</auth>")
				io.WriteString(c, answer)
				io.Copy(io.Discard, c)
			})
			if _, err := Dial(within(t, 5*time.Second), a); err == nil || !strings.Contains(err.Error(), "login") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestOnlyPlainIsOffered(t *testing.T) {
	a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, fakeHeader+"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms></stream:features>")
		io.Copy(io.Discard, c)
	})
	fails(t, a, NoMechanism, "SCRAM-SHA-256", "PLAIN")
}

// TestRefusedLogins: what the server says of the account decides what is told.
func TestRefusedLogins(t *testing.T) {
	for _, tt := range []struct {
		condition string
		want      FailureKind
		word      string
	}{
		{"not-authorized", WrongPassword, "password"},
		{"credentials-expired", PasswordExpired, "expired"},
		{"account-disabled", Disabled, "disabled the account (Bill not paid)"},
		{"policy-violation", RateLimit, "for now"},
		{"temporary-auth-failure", LoginDown, "at present"},
	} {
		t.Run(tt.condition, func(t *testing.T) {
			fails(t, refusing(t, tt.condition), tt.want, tt.word)
		})
	}
}

// refusing scripts a server that refuses logins.
func refusing(t *testing.T, condition string) Account {
	return secured(t, "localhost", func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, fakeHeader+"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism></mechanisms></stream:features>")
		hear("</auth>")
		io.WriteString(c, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><"+condition+"/><text>Bill not paid</text></failure>")
		io.Copy(io.Discard, c)
	})
}

// TestRefusedBindings: what the server says at resource binding.
func TestRefusedBindings(t *testing.T) {
	for _, tt := range []struct {
		condition string
		want      FailureKind
		word      string
	}{
		{"conflict", Replaced, "a second hub runs with this account"},
		{"resource-constraint", RateLimit, "gives us no address"},
		{"policy-violation", RateLimit, "gives us no address"},
		{"not-allowed", BrokenStream, "gives us no address"},
	} {
		t.Run(tt.condition, func(t *testing.T) {
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				same := func(s string) string { return s }
				scram(c, hear, 4096, same, same)
				hear("'>")
				io.WriteString(c, fakeHeader+"<stream:features><bind xmlns='"+nsBind+"'/></stream:features>")
				_, id, _ := strings.Cut(hear("</iq>"), "id='")
				id, _, _ = strings.Cut(id, "'")
				io.WriteString(c, "<iq type='error' id='"+id+"'><error type='cancel'><"+tt.condition+" xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>")
				io.Copy(io.Discard, c)
			})
			fails(t, a, tt.want, tt.word)
		})
	}
}

// TestRefusedStreams: what a server says of us before the login, in its place.
func TestRefusedStreams(t *testing.T) {
	for _, tt := range []struct {
		condition, text string
		want            FailureKind
		word            string
	}{
		{"host-unknown", "", WrongDomain, "does not serve localhost"},
		{"host-gone", "", WrongDomain, "does not serve localhost"},
		{"policy-violation", "Too many failed logins.", RateLimit, "Too many failed logins."},
		{"resource-constraint", "", RateLimit, "does too much for it"},
		{"system-shutdown", "", ServerShutdown, "shuts down"},
		{"conflict", "", Replaced, "a second hub"},
		{"connection-timeout", "", Lost, "no sign of life"},
		{"not-authorized", "Account deleted", WrongPassword, "Account deleted"},
		{"internal-server-error", "", BrokenStream, "internal-server-error"},
	} {
		t.Run(tt.condition, func(t *testing.T) {
			a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
				hear("'>")
				text := ""
				if tt.text != "" {
					text = "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>" + tt.text + "</text>"
				}
				io.WriteString(c, fakeHeader+"<stream:error><"+tt.condition+" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"+text+"</stream:error></stream:stream>")
				io.Copy(io.Discard, c)
			})
			fails(t, a, tt.want, tt.word)
		})
	}
}

// wired returns the two ends of a connection.
func wired(t testing.TB) (ours, theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if theirs, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	return ours, theirs
}

// logged makes a session whose server is the other end of a bare connection.
func logged(t testing.TB, extensions ...ext.Extension) (*Session, net.Conn) {
	t.Helper()
	ours, server := wired(t)
	return session(t, ours, server, extensions...), server
}

// session makes a session over one end of a connection.
func session(t testing.TB, ours, server net.Conn, extensions ...ext.Extension) *Session {
	t.Helper()
	io.WriteString(server, fakeHeader)
	c := stream.NewConn(ours)
	d := xml.NewDecoder(c)
	for range 2 {
		if _, err := d.Token(); err != nil {
			t.Fatal(err)
		}
	}
	a := Account{JID: "hub@localhost", Log: quiet(t)}
	if _, err := a.fill(); err != nil {
		t.Fatal(err)
	}
	r, err := newRoutes(extensions)
	if err != nil {
		t.Fatal(err)
	}
	s, err := newSession(a, c, binding{full: "hub@localhost/x"}, r, &pool{})
	if err != nil {
		t.Fatal(err)
	}
	s.own = true
	return s
}

func TestBrokenStreams(t *testing.T) {
	for _, tt := range []struct {
		name, in string
		want     FailureKind
		answer   string // stream error sent
	}{
		{"not well-formed", "<iq></message>", BrokenStream, "not-well-formed"},
		{"document type", "<!DOCTYPE a [<!ENTITY b 'c'>]>", BrokenStream, "restricted-xml"},
		{"entity", "<message>&lol;</message>", BrokenStream, "not-well-formed"},
		{"conflict", "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", Replaced, ""},
		{"shutdown", "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", ServerShutdown, ""},
		{"limits", "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", RateLimit, ""},
		{"end", "</stream:stream>", Lost, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, server := logged(t)
			ended := make(chan error, 1)
			go func() { ended <- s.Run(context.Background()) }()
			io.WriteString(server, tt.in)
			server.(*net.TCPConn).CloseWrite()
			heard, _ := io.ReadAll(server)
			var f *Failure
			if err := <-ended; !errors.As(err, &f) || f.Kind != tt.want {
				t.Errorf("ended with %v, want %s", err, tt.want)
			}
			if !strings.HasSuffix(string(heard), "</stream:stream>") || tt.answer != "" && !strings.Contains(string(heard), "<stream:error><"+tt.answer) {
				t.Errorf("the server heard %s", heard)
			}
		})
	}
}

func TestRunEndsWithContext(t *testing.T) {
	release := make(chan struct{})
	s, server := logged(t, &served{serve: func(*ext.Request) { <-release }})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	io.WriteString(server, "<iq type='get' id='1' from='a@b/c'><ask xmlns='"+testNS+"'/></iq>")
	time.Sleep(20 * time.Millisecond)
	cancel()
	go func() { time.Sleep(50 * time.Millisecond); close(release) }()
	heard, _ := io.ReadAll(server)
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if !strings.HasSuffix(string(heard), "</stream:stream>") {
		t.Errorf("the server heard %s", heard)
	}
}

func TestTooManyRequests(t *testing.T) {
	entered, release := make(chan struct{}, peerJobs+2), make(chan struct{})
	s, server := logged(t, xmpptest.NewEcho(40), &served{serve: func(r *ext.Request) { entered <- struct{}{}; <-release; r.Result(nil) }})
	start(t, s.Run)
	t.Cleanup(func() { server.Close() })
	defer close(release)
	for i := range peerJobs + 2 { // one is with the handler
		if i == 1 {
			<-entered
		}
		io.WriteString(server, "<iq type='get' id='1' from='a@b/c'><ask xmlns='"+testNS+"'/></iq>")
	}
	io.WriteString(server, "<iq type='get' id='2' from='d@e/f'><echo xmlns='"+xmpptest.EchoNS+"'/></iq>")
	server.SetReadDeadline(time.Now().Add(5 * time.Second))
	var heard strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(heard.String(), "id='2'") {
		n, err := server.Read(b)
		if err != nil {
			t.Fatalf("%v; heard %s", err, heard.String())
		}
		heard.Write(b[:n])
	}
	if got := heard.String(); strings.Count(got, "resource-constraint") != 1 || !strings.Contains(got, "type='wait'") || !strings.Contains(got, "(limits, waiting, in hub.yaml)") {
		t.Errorf("heard %s", got)
	}
}

// TestCongested: when answers pile up because the server takes them too slowly,
// further requests are refused, and the connection stays.
func TestCongested(t *testing.T) {
	s, server := logged(t, xmpptest.NewEcho(200<<10))
	start(t, s.Run)
	t.Cleanup(func() { server.Close() })
	const n = 60 // 12 MB of answers
	for range n {
		io.WriteString(server, "<iq type='get' id='1' from='a@b/c'><echo xmlns='"+xmpptest.EchoNS+"'/></iq>")
		time.Sleep(100 * time.Microsecond)
	}
	io.WriteString(server, "<iq type='get' id='last' from='d@e/f'><x xmlns='urn:unknown'/></iq>")
	server.SetReadDeadline(time.Now().Add(10 * time.Second))
	results, refused := 0, 0
	d := xml.NewDecoder(server)
	for last := false; !last || results+refused < n; {
		tok, err := d.Token()
		if err != nil {
			t.Fatalf("after %d results and %d refusals: %v", results, refused, err)
		}
		start, ok := tok.(xml.StartElement)
		if !ok {
			continue
		}
		switch start.Name.Local {
		case "echo":
			results++
		case "resource-constraint":
			refused++
		case "service-unavailable":
			last = true
		}
	}
	if results == 0 || refused == 0 {
		t.Errorf("%d results and %d refusals of %d", results, refused, n)
	}
}

func TestPresenceHolds(t *testing.T) {
	s, server := logged(t, Extensions(Program{Name: "n"}, Backends{})...)
	s.a.Priority = -1
	start(t, s.Run)
	t.Cleanup(func() { server.Close() })
	server.SetReadDeadline(time.Now().Add(5 * time.Second))
	hear := hearing(server)
	_, id, _ := strings.Cut(hear("</iq>"), "id='")
	id, _, _ = strings.Cut(id, "'")
	io.WriteString(server, "<iq type='result' id='"+id+"'/>")
	heard := hear("</presence>")
	if !strings.HasPrefix(heard, "<presence><priority>-1</priority><c xmlns='http://jabber.org/protocol/caps'") {
		t.Errorf("presence: %s", heard)
	}
}
