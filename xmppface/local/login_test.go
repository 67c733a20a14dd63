package local_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/local/localtest"
)

func TestBeforeTLS(t *testing.T) {
	srv := localtest.Start(t, nil)
	for _, tt := range []struct{ name, send, want string }{
		{"login in the clear", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>", "policy-violation"},
		{"a stanza", "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "not-authorized"},
		{"bytes after starttls", "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><auth/>", "policy-violation"},
		{"not well-formed", "<a></b>", "not-well-formed"},
		{"bad UTF-8", "<a>\xff</a>", "not-well-formed"},
		{"a comment", "<!-- x -->", "restricted-xml"},
		{"a processing instruction", "<?a b?>", "restricted-xml"},
		{"a document type", "<!DOCTYPE a [<!ENTITY b 'c'>]>", "restricted-xml"},
		{"an entity", "<a>&b;</a>", "not-well-formed"},
		{"deeply nested", strings.Repeat("<a>", 200), "policy-violation"},
		{"an endless element", "<a>" + strings.Repeat("x", 100<<10), "policy-violation"},
		{"an endless attribute", "<a b='" + strings.Repeat("x", 100<<10), "policy-violation"},
		{"endless white space", strings.Repeat(" ", 100<<10), "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := dial(t, srv)
			p.open()
			p.send(tt.send)
			p.ends(tt.want)
		})
	}
}

func TestHeaders(t *testing.T) {
	srv := localtest.Start(t, nil)
	const attrs = " xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'"
	for _, tt := range []struct{ name, send, want string }{
		{"another protocol", "GET /<a> HTTP/1.1\r\n\r\n", "not-well-formed"},
		{"TLS at once", "\x16\x03\x01\x02\x00<a>", "not-well-formed"},
		{"another host", "<stream:stream to='example.org'" + attrs + ">", "host-unknown"},
		{"another namespace", "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>", "invalid-namespace"},
		{"another stream namespace", "<stream:stream xmlns='jabber:client' xmlns:stream='x' version='1.0'>", "invalid-namespace"},
		{"another element", "<stream:strom" + attrs + ">", "bad-format"},
		{"no version", "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>", "unsupported-version"},
		{"endless", "<stream:stream" + attrs + " a='" + strings.Repeat("x", 100<<10), "policy-violation"},
		{"endless attributes", "<stream:stream" + attrs + strings.Repeat(" a='x'", 20<<10), "policy-violation"},
		{"a comment", "<!-- x -->", "restricted-xml"},
		{"a document type", "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", "restricted-xml"},
		{"another encoding", "<?xml version='1.0' encoding='latin-1'?><stream:stream" + attrs + ">", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, err := net.Dial("tcp", srv.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(5 * time.Second))
			io.WriteString(c, tt.send)
			got, err := io.ReadAll(c)
			if err != nil {
				t.Errorf("the end: %v", err)
			}
			if tt.want != "" && !strings.Contains(string(got), "<stream:error><"+tt.want+" ") || strings.Contains(string(got), "features") {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
	p := dial(t, srv)
	p.send("<stream:stream" + attrs + ">") // without to
	p.open2("starttls")
}

// open2 reads the header and features that are on their way.
func (p *peer) open2(want string) {
	p.t.Helper()
	b := make([]byte, 4096)
	var got bytes.Buffer
	p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for !strings.Contains(got.String(), "</stream:features>") {
		n, err := p.conn.Read(b)
		if err != nil {
			p.t.Fatalf("%v after %s", err, got.String())
		}
		got.Write(b[:n])
	}
	if !strings.Contains(got.String(), want) {
		p.t.Errorf("got %s, want %s", got.String(), want)
	}
}

func TestBeforeLogin(t *testing.T) {
	srv := localtest.Start(t, nil)
	srv.AddUser(t, "user", password)
	auth := func(msg string) string {
		return "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>" + base64.StdEncoding.EncodeToString([]byte(msg)) + "</auth>"
	}
	for _, tt := range []struct{ name, send, want string }{
		{"another mechanism", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>", "<invalid-mechanism/>"},
		{"no mechanism", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<invalid-mechanism/>"},
		{"no base64", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>?</auth>", "<incorrect-encoding/>"},
		{"nonsense", auth("nonsense"), "<malformed-request/>"},
		{"channel binding", auth("p=tls-unique,,n=user,r=x"), "<malformed-request/>"},
		{"response first", "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<malformed-request/>"},
		{"abort", "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "<aborted/>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := dial(t, srv)
			p.secure()
			if f := text(p.open()); !strings.Contains(f, "<mechanism>SCRAM-SHA-256</mechanism>") || strings.Contains(f, "starttls") {
				t.Errorf("features: %s", f)
			}
			p.send(tt.send)
			p.expect("<failure ", tt.want)
			// One failure is none too many.
			if e := p.auth("user", password); e.Name.Local != "success" {
				t.Errorf("afterwards: %s", text(e))
			}
		})
	}
	t.Run("empty initial response", func(t *testing.T) {
		p := dial(t, srv)
		p.secure()
		p.open()
		p.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'/>")
		p.expect("<challenge xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
		p.send("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
		p.expect("<aborted/>")
	})
	t.Run("a stanza", func(t *testing.T) {
		p := dial(t, srv)
		p.secure()
		p.open()
		p.send("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>")
		p.ends("not-authorized")
	})
	t.Run("to act for another", func(t *testing.T) {
		p := dial(t, srv)
		p.secure()
		p.open()
		for range 3 {
			p.send(auth("n,,n=user,r=x"))
			p.expect("<challenge ")
			p.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>eA==</response>")
			p.expect("<malformed-request/>")
		}
		p.ends("policy-violation")
	})
}

// TestWrongPassword: nothing tells an unknown account from a wrong password.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, nil)
	srv.AddUser(t, "user", password)
	challenge := func(name, nonce string) (server, answer string) {
		p := dial(t, srv)
		p.secure()
		p.open()
		p.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>",
			base64.StdEncoding.EncodeToString([]byte("n,,n="+name+",r=x")), "</auth>")
		b, _ := base64.StdEncoding.DecodeString(p.expect("<challenge ").Text)
		parts := strings.Split(string(b), ",")
		final := "c=biws," + parts[0] + ",p=" + base64.StdEncoding.EncodeToString(make([]byte, 32))
		p.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>", base64.StdEncoding.EncodeToString([]byte(final)), "</response>")
		return strings.Join(parts[1:], ","), text(p.next())
	}
	known, refused := challenge("user", "x")
	unknown, refused2 := challenge("nobody", "x")
	again, refused3 := challenge("nobody", "y")
	if len(known) != len(unknown) || unknown != again || refused != refused2 || refused != refused3 || !strings.Contains(refused, "<not-authorized/>") {
		t.Errorf("known: %s %s\nunknown: %s %s\nagain: %s %s", known, refused, unknown, refused2, again, refused3)
	}
	if e := dialed(t, srv).auth("user", password); e.Name.Local != "success" {
		t.Errorf("the right password: %s", text(e))
	}
	if e := dialed(t, srv).auth("USER", password); e.Name.Local != "success" {
		t.Errorf("in capitals: %s", text(e))
	}
}

func dialed(t *testing.T, srv *localtest.Server) *peer {
	t.Helper()
	p := dial(t, srv)
	p.secure()
	p.open()
	return p
}

func TestFailedLoginsAreSlowed(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, nil)
	srv.AddUser(t, "user", password)
	p := dialed(t, srv)
	began := time.Now()
	for range 3 {
		if e := p.auth("user", "wrong"); !strings.Contains(text(e), "not-authorized") {
			t.Fatalf("got %s", text(e))
		}
	}
	if took := time.Since(began); took < 750*time.Millisecond {
		t.Errorf("three wrong passwords took %v", took)
	}
	p.ends("policy-violation")
}

func TestBind(t *testing.T) {
	srv := localtest.Start(t, nil)
	const bind = "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
	t.Run("no resource", func(t *testing.T) {
		p := authenticated(t, srv, "user")
		p.send(bind + "</bind></iq>")
		e := p.expect("type='result'")
		if j := e.First().Child("jid").Text; !strings.HasPrefix(j, "user@"+srv.Domain()+"/") || len(j) < len(srv.Domain())+20 {
			t.Errorf("address %s", j)
		}
	})
	t.Run("not possible", func(t *testing.T) {
		p := authenticated(t, srv, "user")
		for range 3 {
			p.send(bind + "<resource>&#9;</resource></bind></iq>")
			p.expect("type='error'", "id='1'", "<bad-request ")
		}
		p.ends("policy-violation")
	})
	t.Run("something else", func(t *testing.T) {
		p := authenticated(t, srv, "user")
		p.send("<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq>")
		p.ends("not-authorized")
	})
	t.Run("in use", func(t *testing.T) {
		watcher := available(t, srv, "user", "watcher")
		old := online(t, srv, "user", "same")
		old.send("<presence/>")
		old.expect("<presence ")
		old.expect("<presence ") // the watcher's
		watcher.expect("<presence from='" + old.full + "'")
		young := online(t, srv, "user", "same")
		old.ends("conflict")
		watcher.expect("<presence from='"+old.full+"'", "type='unavailable'")
		young.nothing()
		watcher.nothing()
	})
}

func TestTooManyClients(t *testing.T) {
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.ClientsOfOne = 2; c.Limits.Clients = 3 })
	for i, name := range []string{"a", "a", "b"} {
		online(t, srv, name, fmt.Sprint(i)).nothing()
	}
	for _, name := range []string{"a", "c"} {
		p := authenticated(t, srv, name)
		p.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
		p.expect("type='error'", "<resource-constraint ")
		p.ends("policy-violation")
	}
}

// TestIdleBeforeLogin: neither silence nor a byte now and then holds a connection
// before login for longer than it may take.
func TestIdleBeforeLogin(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.Login = 300 * time.Millisecond })
	silent, slow, handshake := dial(t, srv), dial(t, srv), dial(t, srv)
	handshake.open()
	handshake.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	handshake.expect("<proceed ")
	go func() {
		for _, c := range []byte(slow.header() + "<starttls") {
			if _, err := slow.conn.Write([]byte{c}); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	began := time.Now()
	for name, p := range map[string]*peer{"silent": silent, "slow": slow, "no handshake": handshake} {
		p.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := io.Copy(io.Discard, p.conn); err != nil && os.IsTimeout(err) {
			t.Errorf("%s: still connected", name)
		}
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v", took)
	}
	srv2 := localtest.Start(t, func(c *local.Config) { c.Limits.Login = 300 * time.Millisecond })
	p := online(t, srv2, "user", "x")
	time.Sleep(500 * time.Millisecond) // the deadline is only for the login
	p.nothing()
}

// TestManyBeforeLogin: connections that do nothing keep nobody out.
func TestManyBeforeLogin(t *testing.T) {
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.WaitingFromOne = 8 })
	in := online(t, srv, "user", "in")
	for range 50 {
		dial(t, srv)
	}
	online(t, srv, "user", "x").nothing()
	in.nothing()
}

func TestShutdown(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, nil)
	dial(t, srv) // before login
	p := online(t, srv, "user", "x")
	began := time.Now()
	srv.Stop()
	p.ends("system-shutdown")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("it took %v to end", took)
	}
	if c, err := net.Dial("tcp", srv.Addr()); err == nil {
		c.Close()
		t.Error("it still listens")
	}
}

func TestListen(t *testing.T) {
	srv := localtest.Start(t, nil)
	if host, _, _ := net.SplitHostPort(srv.Addr()); host != "127.0.0.1" {
		t.Errorf("it listens on %s", srv.Addr())
	}
	cert, err := local.NewCertificate("x.hub.local")
	if err != nil {
		t.Fatal(err)
	}
	m := new(local.Memory)
	s, err := local.New(local.Config{Domain: "x.hub.local", Certificate: cert, Accounts: m, Rosters: m, Listen: srv.Addr()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err == nil || !strings.Contains(err.Error(), srv.Addr()) {
		t.Errorf("on an address in use: %v", err)
	}
}
