package local_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local/localtest"
	"mellium.im/sasl"
	"mellium.im/xmpp"
	"mellium.im/xmpp/disco"
	"mellium.im/xmpp/jid"
	"mellium.im/xmpp/ping"
	"mellium.im/xmpp/roster"
	"mellium.im/xmpp/stanza"
)

// mellium logs in with the library's own client, its own STARTTLS and SASL
// included.
func mellium(t *testing.T, srv *localtest.Server, name, password string) (*xmpp.Session, error) {
	t.Helper()
	ca, err := os.ReadFile(srv.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	c, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	self := jid.MustParse(name + "@" + srv.Domain() + "/mellium")
	return xmpp.NewSession(ctx, self.Domain(), self, c, 0, xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
		return xmpp.StreamConfig{Lang: "de", Features: []xmpp.StreamFeature{
			xmpp.StartTLS(&tls.Config{ServerName: srv.Domain(), RootCAs: roots, MinVersion: tls.VersionTLS12}),
			xmpp.SASL("", password, sasl.ScramSha256Plus, sasl.ScramSha256, sasl.ScramSha1),
			xmpp.BindResource(),
		}}
	}))
}

func TestMellium(t *testing.T) {
	srv := localtest.Start(t, nil)
	srv.AddUser(t, "user", password)
	if s, err := mellium(t, srv, "user", "wrong"); err == nil || !strings.Contains(err.Error(), "not-authorized") {
		t.Errorf("with a wrong password: %v, %v", s, err)
	}
	s, err := mellium(t, srv, "user", password)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.LocalAddr(); got.Bare().String() != "user@"+srv.Domain() || got.Resourcepart() == "" {
		t.Errorf("address %s", got)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(nil) }()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()

	if err := ping.Send(ctx, s, jid.MustParse(srv.Domain())); err != nil {
		t.Errorf("ping: %v", err)
	}
	info, err := disco.GetInfo(ctx, "", jid.MustParse(srv.Domain()), s)
	if err != nil || len(info.Identity) != 1 || info.Identity[0].Category != "server" {
		t.Errorf("disco: %+v, %v", info, err)
	}
	for _, f := range info.Features {
		if f.Var == "jabber:iq:version" {
			info.Features = nil
		}
	}
	if info.Features != nil {
		t.Errorf("disco does not name the version: %+v", info)
	}
	friend := jid.MustParse("friend@" + srv.Domain())
	if err := roster.Set(ctx, s, roster.Item{JID: friend, Name: "A & <B>", Group: []string{"x", "y"}}); err != nil {
		t.Errorf("setting the roster: %v", err)
	}
	items := roster.Fetch(ctx, s)
	if !items.Next() || items.Item().JID.String() != friend.String() || items.Item().Name != "A & <B>" || len(items.Item().Group) != 2 || items.Item().Subscription != "none" {
		t.Errorf("roster: %+v, %v", items.Item(), items.Err())
	}
	if items.Next() {
		t.Errorf("roster: another item %+v", items.Item())
	}
	if err := items.Close(); err != nil {
		t.Errorf("roster: %v", err)
	}

	// What it sends arrives, in the language of its stream.
	p := available(t, srv, "friend", "x")
	err = s.Send(ctx, stanza.Message{To: jid.MustParse(p.full), Type: stanza.ChatMessage}.Wrap(
		xmlText("body", "Grüße & <mehr>")))
	if err != nil {
		t.Fatal(err)
	}
	e := p.expect("<message ", "from='"+s.LocalAddr().String()+"'")
	if e.Lang() != "de" || e.Child("body") == nil || e.Child("body").Text != "Grüße & <mehr>" {
		t.Errorf("it arrived as %s", text(e))
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing: %v", err)
	}
	select {
	case err := <-served:
		if err != nil {
			t.Errorf("Serve: %v", err)
		}
	case <-ctx.Done():
		t.Error("the session did not end")
	}
}

// xmlText is an element that holds a text.
func xmlText(name, text string) xml.TokenReader {
	tokens := []xml.Token{xml.StartElement{Name: xml.Name{Local: name}}, xml.CharData(text), xml.EndElement{Name: xml.Name{Local: name}}}
	return tokenList{&tokens}
}

type tokenList struct{ left *[]xml.Token }

func (l tokenList) Token() (xml.Token, error) {
	if len(*l.left) == 0 {
		return nil, nil
	}
	t := (*l.left)[0]
	*l.left = (*l.left)[1:]
	return t, nil
}

// TestLanguage: a stanza that says no language is in that of its stream.
func TestLanguage(t *testing.T) {
	srv := localtest.Start(t, nil)
	for _, tt := range []struct{ stream, stanza, want string }{
		{"", "", ""},
		{"", " xml:lang='fr'", "fr"},
		{" xml:lang='de'", "", "de"},
		{" xml:lang='de'", " xml:lang='fr'", "fr"},
		{" xml:lang='de'", " xml:lang=''", ""},
		{" xml:lang='" + strings.Repeat("x", 1000) + "'", "", ""},
	} {
		taker := online(t, srv, "taker", "x")
		srv.AddUser(t, "user", password)
		p := dialed(t, srv)
		if e := p.auth("user", password); e.Name.Local != "success" {
			t.Fatalf("login: %s", text(e))
		}
		p.send(strings.TrimSuffix(p.header(), ">"), tt.stream, ">")
		p.d = xml.NewDecoder(p.conn)
		for range 2 { // the XML declaration, the header
			if _, err := p.d.Token(); err != nil {
				t.Fatal(err)
			}
		}
		p.expect("<bind ")
		p.send("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>x</resource></bind></iq>")
		p.expect("type='result'")
		p.send("<message to='" + taker.full + "'" + tt.stanza + "><body xml:lang='en'>x</body></message>")
		if e := taker.expect("<message "); e.Lang() != tt.want || e.Child("body").Lang() != "en" {
			t.Errorf("stream%.40s, stanza%s: %s, want %q", tt.stream, tt.stanza, text(e), tt.want)
		}
	}
}

// TestSessionRequest: older clients ask for a session, of the domain or without an
// address.
func TestSessionRequest(t *testing.T) {
	srv := localtest.Start(t, nil)
	p := online(t, srv, "user", "x")
	for i, to := range []string{"", " to='" + srv.Domain() + "'", " to='" + p.bare() + "'"} {
		p.send("<iq type='set' id='s'", to, "><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>")
		if e := p.expect("type='result'", "id='s'"); e.First() != nil {
			t.Errorf("%d: %s", i, text(e))
		}
	}
}
