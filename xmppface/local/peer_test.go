package local_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local/localtest"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/sasl"
)

const password = "pencil & <paper>"

// peer is a client that says what a test wants it to say.
type peer struct {
	t    testing.TB
	srv  *localtest.Server
	conn net.Conn
	d    *xml.Decoder
	full string
	err  error // of reading
}

// dial connects and does nothing else.
func dial(t testing.TB, srv *localtest.Server) *peer {
	t.Helper()
	c, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{t: t, srv: srv, conn: c}
}

func (p *peer) header() string {
	return "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' to='" + p.srv.Domain() + "'>"
}

// open opens a stream and returns the features.
func (p *peer) open() *wire.Element {
	p.t.Helper()
	p.send(p.header())
	p.d = xml.NewDecoder(p.conn)
	for {
		p.conn.SetReadDeadline(time.Now().Add(5 * time.Second))
		tok, err := p.d.Token()
		if err != nil {
			p.t.Fatal(err)
		}
		if _, ok := tok.(xml.StartElement); ok {
			break
		}
	}
	return p.next()
}

func (p *peer) send(parts ...string) {
	p.t.Helper()
	p.conn.SetWriteDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(p.conn, strings.Join(parts, "")); err != nil {
		p.t.Logf("sending: %v", err)
	}
}

// read returns the next element, or nil at the end.
func (p *peer) read(wait time.Duration) *wire.Element {
	p.conn.SetReadDeadline(time.Now().Add(wait))
	for {
		tok, err := p.d.Token()
		if err != nil {
			p.err = err
			return nil
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			e, err := wire.ReadElement(p.d, tok)
			if err != nil {
				p.t.Fatal(err)
			}
			return e
		case xml.EndElement:
			p.err = io.EOF
			return nil
		}
	}
}

func (p *peer) next() *wire.Element {
	p.t.Helper()
	e := p.read(5 * time.Second)
	if e == nil {
		p.t.Fatalf("%s: nothing came: %v", p.full, p.err)
	}
	return e
}

// text is an element as it would stand in a stream.
func text(e *wire.Element) string {
	if e == nil {
		return ""
	}
	return string(e.Append(nil, "jabber:client"))
}

// expect reads the next element and wants it to hold all of the texts.
func (p *peer) expect(texts ...string) *wire.Element {
	p.t.Helper()
	e := p.next()
	for _, want := range texts {
		if !strings.Contains(text(e), want) {
			p.t.Fatalf("%s: got %s, want it to hold %s", p.full, text(e), want)
		}
	}
	return e
}

// nothing checks that nothing is on its way.
func (p *peer) nothing() {
	p.t.Helper()
	p.send("<iq type='get' id='nothing' to='", p.srv.Domain(), "'><ping xmlns='urn:xmpp:ping'/></iq>")
	p.expect("type='result'", "id='nothing'")
}

// ends wants the stream to end with that error.
func (p *peer) ends(condition string) {
	p.t.Helper()
	for {
		e := p.read(5 * time.Second)
		if e == nil {
			p.t.Errorf("the stream ended with %v, want %s", p.err, condition)
			return
		}
		if e.Name.Space == "http://etherx.jabber.org/streams" && e.Name.Local == "error" {
			if !strings.Contains(text(e), "<"+condition+" ") {
				p.t.Errorf("the stream ended with %s, want %s", text(e), condition)
			}
			if e := p.read(5 * time.Second); e != nil || p.err != io.EOF {
				p.t.Errorf("after the error: %s, %v", text(e), p.err)
			}
			return
		}
	}
}

// secure opens a stream and switches to TLS.
func (p *peer) secure() {
	p.t.Helper()
	if f := text(p.open()); !strings.Contains(f, "<required/>") || strings.Contains(f, "SCRAM") {
		p.t.Fatalf("features: %s", f)
	}
	p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	p.expect("<proceed ")
	ca, err := os.ReadFile(p.srv.CAFile())
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c := tls.Client(p.conn, &tls.Config{ServerName: p.srv.Domain(), RootCAs: roots})
	p.conn.SetDeadline(time.Now().Add(5 * time.Second))
	if err := c.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	p.conn = c
}

// auth logs in and returns the last answer.
func (p *peer) auth(name, password string) *wire.Element {
	p.t.Helper()
	c := sasl.NewClient(sasl.ScramSha256, sasl.Credentials(func() ([]byte, []byte, []byte) { return []byte(name), []byte(password), nil }))
	_, b, err := c.Step(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	p.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>", base64.StdEncoding.EncodeToString(b), "</auth>")
	e := p.next()
	if e.Name.Local != "challenge" {
		return e
	}
	b, err = base64.StdEncoding.DecodeString(e.Text)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, b, err = c.Step(b); err != nil {
		p.t.Fatal(err)
	}
	p.send("<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>", base64.StdEncoding.EncodeToString(b), "</response>")
	return p.next()
}

// authenticated is a peer before binding.
func authenticated(t testing.TB, srv *localtest.Server, name string) *peer {
	t.Helper()
	srv.AddUser(t, name, password)
	p := dial(t, srv)
	p.secure()
	p.open()
	if e := p.auth(name, password); e.Name.Local != "success" {
		t.Fatalf("login: %s", text(e))
	}
	p.open()
	return p
}

// online is a peer with a resource.
func online(t testing.TB, srv *localtest.Server, name, resource string) *peer {
	t.Helper()
	p := authenticated(t, srv, name)
	p.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>", resource, "</resource></bind></iq>")
	e := p.expect("type='result'", "id='b'")
	p.full = e.First().Child("jid").Text
	return p
}

// available is a peer that has fetched its roster and sent presence.
func available(t testing.TB, srv *localtest.Server, name, resource string) *peer {
	t.Helper()
	p := online(t, srv, name, resource)
	p.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	p.expect("type='result'", "jabber:iq:roster")
	p.send("<presence/>")
	p.expect("<presence from='"+p.full+"'", "to='"+p.full+"'")
	return p
}

func (p *peer) bare() string { b, _, _ := strings.Cut(p.full, "/"); return b }
