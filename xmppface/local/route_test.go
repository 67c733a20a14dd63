package local_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/local/localtest"
)

func TestIQ(t *testing.T) {
	srv := localtest.Start(t, nil)
	a, b, a2 := online(t, srv, "a", "1"), online(t, srv, "b", "1"), online(t, srv, "a", "2")
	host := srv.Domain()
	t.Run("to a resource and back", func(t *testing.T) {
		a.send("<iq type='get' id='1' xml:lang='sv' to='", b.full, "'><x xmlns='urn:x'>t</x></iq>")
		b.expect("<iq from='" + a.full + "' type='get' id='1' xml:lang='sv' to='" + b.full + "'><x xmlns='urn:x'>t</x></iq>")
		b.send("<iq type='result' id='1' from='", b.full, "' to='", strings.ToUpper(a.full), "'/>")
		a.expect("<iq from='"+b.full+"'", "type='result'", "to='"+a.full+"'")
	})
	t.Run("between resources of one account", func(t *testing.T) {
		a.send("<iq type='set' id='2' from='", a.bare(), "' to='", a2.full, "'><x xmlns='urn:x'/></iq>")
		a2.expect("from='" + a.full + "'")
	})
	for _, tt := range []struct{ name, stanza, want string }{
		{"resource not there", "<iq type='get' id='%s' to='" + b.full + "x'><x xmlns='urn:x'/></iq>", "service-unavailable"},
		{"account not there", "<iq type='get' id='%s' to='nobody@" + host + "/x'><x xmlns='urn:x'/></iq>", "service-unavailable"},
		{"another account", "<iq type='get' id='%s' to='" + b.bare() + "'><query xmlns='jabber:iq:roster'/></iq>", "service-unavailable"},
		{"resource of the server", "<iq type='get' id='%s' to='" + host + "/x'><ping xmlns='urn:xmpp:ping'/></iq>", "service-unavailable"},
		{"another server", "<iq type='get' id='%s' to='a@example.org'><x xmlns='urn:x'/></iq>", "remote-server-not-found"},
		{"no address", "<iq type='get' id='%s' to='@@'><x xmlns='urn:x'/></iq>", "jid-malformed"},
		{"unknown to the server", "<iq type='get' id='%s' to='" + host + "'><x xmlns='urn:x'/></iq>", "service-unavailable"},
		{"unknown to the account", "<iq type='get' id='%s'><vCard xmlns='vcard-temp'/></iq>", "service-unavailable"},
		{"set to the server", "<iq type='set' id='%s' to='" + host + "'><ping xmlns='urn:xmpp:ping'/></iq>", "service-unavailable"},
		{"empty", "<iq type='get' id='%s' to='" + host + "'/>", "bad-request"},
		{"empty, to the account", "<iq type='set' id='%s'/>", "bad-request"},
		{"no type", "<iq id='%s' to='" + b.full + "'><x xmlns='urn:x'/></iq>", "bad-request"},
		{"another type", "<iq type='got' id='%s' to='" + b.full + "'><x xmlns='urn:x'/></iq>", "bad-request"},
		{"disco of a node", "<iq type='get' id='%s' to='" + host + "'><query xmlns='http://jabber.org/protocol/disco#info' node='x'/></iq>", "item-not-found"},
		{"a second binding", "<iq type='set' id='%s'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "service-unavailable"},
		{"session", "<iq type='set' id='%s'><session xmlns='urn:ietf:params:xml:ns:xmpp-session'/></iq>", "<iq type='result'"},
		{"ping", "<iq type='get' id='%s' to='" + host + "'><ping xmlns='urn:xmpp:ping'/></iq>", "<iq type='result'"},
		{"version", "<iq type='get' id='%s' to='" + host + "'><query xmlns='jabber:iq:version'/></iq>", "<name>hub</name><version>test</version>"},
		{"disco", "<iq type='get' id='%s' to='" + host + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", "<feature var='urn:xmpp:ping'/>"},
		{"items", "<iq type='get' id='%s' to='" + host + "'><query xmlns='http://jabber.org/protocol/disco#items'/></iq>", "disco#items"},
		{"disco of the account", "<iq type='get' id='%s' to='" + a.bare() + "'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", "category='account'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.send(fmt.Sprintf(tt.stanza, "id-"+tt.name))
			a.expect("id='id-"+tt.name+"'", tt.want)
		})
	}
	t.Run("answers to nobody", func(t *testing.T) {
		a.send("<iq type='result' id='1' to='", b.full, "x'/><iq type='error' id='1' to='", host, "'/><iq type='result' id='1'/>")
		a.nothing()
	})
	t.Run("no id", func(t *testing.T) {
		a.send("<iq type='get' to='", b.full, "'><x xmlns='urn:x'/></iq>")
		a.expect("<bad-request ")
	})
	b.nothing()
	a2.nothing()
}

func TestMessages(t *testing.T) {
	srv := localtest.Start(t, nil)
	a := online(t, srv, "a", "1")
	low, high, high2, hidden, off := online(t, srv, "b", "low"), online(t, srv, "b", "high"), online(t, srv, "b", "high2"), online(t, srv, "b", "hidden"), online(t, srv, "b", "off")
	clients := map[*peer]string{low: "1", high: "5", high2: "5", hidden: "-1"}
	for p, priority := range clients {
		p.send("<presence><priority>", priority, "</priority></presence>")
	}
	for p := range clients { // each sees all four
		for range clients {
			p.expect("<presence ")
		}
	}
	offline := "nobody@" + srv.Domain()
	for i, tt := range []struct {
		typ, to string
		takers  []*peer
		bounces bool
	}{
		{"normal", b(low), []*peer{high, high2}, false},
		{"chat", b(low), []*peer{high, high2}, false},
		{"headline", b(low), []*peer{low, high, high2}, false},
		{"groupchat", b(low), nil, true},
		{"error", b(low), nil, false},
		{"normal", low.full, []*peer{low}, false},
		{"error", hidden.full, []*peer{hidden}, false},
		{"chat", off.full, []*peer{off}, false},
		{"normal", low.full + "x", nil, true},
		{"headline", low.full + "x", nil, false},
		{"error", low.full + "x", nil, false},
		{"normal", offline, nil, true},
		{"headline", offline, nil, false},
		{"normal", srv.Domain(), nil, true},
	} {
		id := fmt.Sprint("m", i)
		a.send("<message type='", tt.typ, "' id='", id, "' to='", tt.to, "'><body>x</body></message>")
		for _, p := range tt.takers {
			p.expect("<message from='"+a.full+"'", "id='"+id+"'", "<body>x</body>")
		}
		if tt.bounces {
			a.expect("<message type='error'", "id='"+id+"'", "from='"+tt.to+"'", "<service-unavailable ")
		}
		for _, p := range []*peer{a, low, high, high2, hidden, off} {
			p.nothing()
		}
	}
	a.send("<message to='x@example.org'/>")
	a.expect("remote-server-not-found")
	a.send("<message><body>to myself</body></message>")
	a.expect("service-unavailable") // no presence, no messages
	a.send("<presence/><message><body>to myself</body></message>")
	a.expect("<presence ")
	a.expect("<body>to myself</body>")
}

func b(p *peer) string { return p.bare() }

func TestForgedFrom(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, nil)
	b := available(t, srv, "b", "1")
	other := online(t, srv, "a", "2")
	for _, from := range []string{b.full, b.bare(), srv.Domain(), other.full, "", "x@example.org"} {
		for _, stanza := range []string{
			"<message from='%s' to='%s'/>", "<iq from='%s' to='%s' type='result' id='1'/>", "<presence from='%s' to='%s'/>", "<presence from='%s' to='%s' type='subscribed'/>",
		} {
			a := online(t, srv, "a", "1")
			a.send(fmt.Sprintf(stanza, from, b.full))
			a.ends("invalid-from")
		}
	}
	b.nothing()
	other.nothing()
}

// TestForwarding: what is forwarded means the same, whatever it looks like.
func TestForwarding(t *testing.T) {
	srv := localtest.Start(t, nil)
	a, b := online(t, srv, "a", "1"), online(t, srv, "b", "1")
	for _, tt := range []struct{ in, want string }{
		{"<body>x&amp;y</body>", "<body>x&amp;y</body>"},
		{"<body><![CDATA[<x>&]]></body>", "<body>&lt;x&gt;&amp;</body>"},
		{"<p:x xmlns:p='urn:p'><p:y p:z='1' z='2'/><q/></p:x>", "<x xmlns='urn:p'><y xmlns:n0='urn:p' n0:z='1' z='2'/><q xmlns='jabber:client'/></x>"},
		{"<x xmlns=''><y xml:lang='en'/></x>", "<x xmlns=''><y xml:lang='en'/></x>"},
		{"<error xmlns='http://etherx.jabber.org/streams'/>", "<error xmlns='http://etherx.jabber.org/streams'/>"},
		{"<stream:error/>", "<error xmlns='http://etherx.jabber.org/streams'/>"},
		{"<body>&#xD800;&#x20AC;</body>", "<body>\uFFFD€</body>"},
	} {
		a.send("<message to='", b.full, "'>", tt.in, "</message>")
		b.expect("to='" + b.full + "'>" + tt.want + "</message>")
	}
	a.send("<c:message xmlns:c='jabber:client' xmlns='urn:y' c:w='v' xmlns:d='urn:d' d:w='u' to='", b.full, "'><x/></c:message>")
	b.expect("<x xmlns='urn:y'/></message>", "='v'", "='u'")
}

func TestUnforwardable(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, nil)
	b := online(t, srv, "b", "1")
	for _, tt := range []struct{ name, in, want string }{
		{"element in the namespace of XML", "<xml:x/>", "bad-namespace-prefix"},
		{"the namespace of XML as default", "<x xmlns='http://www.w3.org/XML/1998/namespace'/>", "bad-namespace-prefix"},
		{"name with two colons", "<x:y:z/>", "not-well-formed"},
		{"name with a colon at the end", "<x:/>", "bad-namespace-prefix"},
		{"name that begins with a digit", "<p:1 xmlns:p='urn:p'/>", "bad-namespace-prefix"},
		{"attribute of xmlns", "<x p:y='' xmlns:p='http://www.w3.org/2000/xmlns/'/>", "bad-namespace-prefix"},
		{"a namespace with a brace", "<x xmlns='urn:x}y'/>", "bad-namespace-prefix"},
		{"a namespace with a space", "<p:x xmlns:p='urn:x y'/>", "bad-namespace-prefix"},
		{"a namespace with a line break", "<x><y xmlns='\n'/></x>", "bad-namespace-prefix"},
		{"a namespace that multiplies", "<x xmlns:p='" + strings.Repeat("p", 50000) + "'>" + strings.Repeat("<p:y/>", 10000) + "</x>", "policy-violation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := online(t, srv, "a", "1")
			a.send("<message to='", b.full, "'>", tt.in, "</message>")
			a.ends(tt.want)
		})
	}
	b.nothing()
}

func TestOrder(t *testing.T) {
	srv := localtest.Start(t, nil)
	b := online(t, srv, "b", "1")
	senders := []*peer{online(t, srv, "a", "1"), online(t, srv, "a", "2")}
	const n = 500
	for _, p := range senders {
		go func() {
			for i := range n {
				if i%2 == 0 {
					p.send(fmt.Sprintf("<message id='%d' to='%s'/>", i, b.full))
				} else {
					p.send(fmt.Sprintf("<iq type='result' id='%d' to='%s'/>", i, b.full))
				}
			}
		}()
	}
	next := map[string]int{}
	for range n * len(senders) {
		e := b.next()
		from := e.Attr("from")
		if e.Attr("id") != fmt.Sprint(next[from]) {
			t.Fatalf("from %s: %s, want number %d", from, text(e), next[from])
		}
		next[from]++
	}
}
