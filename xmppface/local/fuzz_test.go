package local

import (
	"encoding/xml"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
)

// tape is a connection from which fixed bytes come.
type tape struct {
	net.Conn
	r io.Reader
}

func (c *tape) Read(p []byte) (int, error)  { return c.r.Read(p) }
func (c *tape) Write(p []byte) (int, error) { return len(p), nil }
func (c *tape) Close() error                { return nil }

// room is a server whose clients have no connections; what they are sent is kept.
type room struct {
	s    *Server
	mu   sync.Mutex
	sent map[string][]string // by full address
}

var testCertificate = sync.OnceValues(func() (Certificate, error) { return NewCertificate("d.hub.local") })

func newRoom(t testing.TB) *room {
	t.Helper()
	cert, err := testCertificate()
	if err != nil {
		t.Fatal(err)
	}
	m := &Memory{accounts: map[string]Credential{"a": {}, "b": {}, "c": {}}}
	for _, name := range []string{"a", "b"} {
		for _, other := range []string{"a", "b"} {
			if other != name {
				m.SetContact(name, Contact{JID: other + "@d.hub.local", To: true, From: true, Listed: true})
			}
		}
	}
	s, err := New(Config{Domain: "d.hub.local", Certificate: cert, Accounts: m, Rosters: m, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return &room{s: s, sent: make(map[string][]string)}
}

// join adds a client that says something.
func (r *room) join(t testing.TB, name, resource, says string) *client {
	t.Helper()
	conn := stream.NewConn(&tape{r: strings.NewReader(testHeader + says)})
	if _, err := xml.NewDecoder(conn).Token(); err != nil {
		t.Fatal(err)
	}
	n := &negotiation{s: r.s, c: conn, name: name}
	c, err := newClient(r.s, n, resource)
	if err != nil {
		t.Fatal(err)
	}
	// The same stream again, with a trace.
	conn = stream.NewConn(&tape{r: strings.NewReader(testHeader + says)})
	if _, err := xml.NewDecoder(conn).Token(); err != nil {
		t.Fatal(err)
	}
	if c.st, err = stream.New(conn, stream.Options{Trace: func(sent bool, b []byte) {
		if sent {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.sent[c.full] = append(r.sent[c.full], string(b))
		}
	}}); err != nil {
		t.Fatal(err)
	}
	if !r.s.social.enter(r.s, c, nil) {
		t.Fatal("no room")
	}
	return c
}

// FuzzRoute: whatever a client says, what others get of it is one well-formed
// stanza each, and from that client.
func FuzzRoute(f *testing.F) {
	for _, s := range []string{
		"<message to='b@d.hub.local/1'><body>x</body></message>",
		"<message to='b@d.hub.local' from='a@d.hub.local' type='chat'><p:x/></message>",
		"<iq type='get' id='1' to='b@d.hub.local/1'><query xmlns='urn:x' a='&quot;'/></iq><iq type='result' id='2' to='c@d.hub.local/1'/>",
		"<iq type='get' id='1'><query xmlns='jabber:iq:roster'/></iq><iq type='set' id='2'><query xmlns='jabber:iq:roster'><item jid='c@d.hub.local' name='c'><group>g</group></item></query></iq>",
		"<presence><priority>1</priority></presence><presence to='c@d.hub.local'/><presence type='unavailable'/>",
		"<presence type='subscribe' to='c@d.hub.local'/><presence type='unsubscribe' to='b@d.hub.local'/><presence type='unsubscribed' to='b@d.hub.local'/>",
		"<presence type='subscribed' to='b@d.hub.local'/><presence type='probe' to='b@d.hub.local'/>",
		"<iq type='set' id='1'><query xmlns='jabber:iq:roster'><item jid='b@d.hub.local' subscription='remove'/></query></iq>",
		"<message from='b@d.hub.local/1' to='c@d.hub.local/1'/>",
		"<c:presence xmlns:c='jabber:client' xmlns='urn:x' p:to='x' xml:lang='y'><c/></c:presence>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, says string) {
		r := newRoom(t)
		b, c := r.join(t, "b", "1", ""), r.join(t, "c", "1", "")
		for _, other := range []*client{b, c} {
			shown := plainPresence(other.full, "")
			r.s.social.show(r.s, other, &shown, 0)
		}
		if _, err := r.s.social.list(b); err != nil {
			t.Fatal(err)
		}
		clear(r.sent)
		a := r.join(t, "a", "1", says)
		err := a.read()
		r.s.social.leave(r.s, a)
		if n := len(r.s.table.all()); n != 2 {
			t.Errorf("%d clients are left: %v", n, err)
		}
		ours := []string{a.full, a.bare}
		for full, stanzas := range r.sent {
			for _, sent := range stanzas {
				if sent == "" {
					continue // the answer to binding, which is left out here
				}
				raw, e := reread(sent)
				if e == nil || raw != sent || len(sent) > stream.MaxStanza {
					t.Fatalf("%q makes %s get %q", says, full, sent)
				}
				from, ok := e.Lookup("from")
				if full == a.full || !ok && strings.HasPrefix(e.Attr("id"), "push-") {
					continue
				}
				if !slices.Contains(ours, from) {
					t.Fatalf("%q makes %s get %q", says, full, sent)
				}
			}
		}
	})
}

// reread reads a stanza in the stream of its taker.
func reread(s string) (raw string, e *wire.Element) {
	conn := stream.NewConn(&tape{r: strings.NewReader("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>" + s)})
	if _, err := xml.NewDecoder(conn).Token(); err != nil {
		return "", nil
	}
	st, err := stream.New(conn, stream.Options{})
	if err != nil {
		return "", nil
	}
	if e, err = st.Read(); err != nil || e.Name.Space != nsClient {
		return "", nil
	}
	return string(st.Raw()), e
}
