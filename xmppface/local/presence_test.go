package local_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/local/localtest"
)

func TestSubscriptions(t *testing.T) {
	srv := localtest.Start(t, nil)
	a, b := available(t, srv, "a", "1"), available(t, srv, "b", "1")

	// a asks, b agrees.
	a.send("<presence type='subscribe' to='", b.full, "'><status>please</status></presence>")
	a.expect("<item jid='"+b.bare()+"' subscription='none' ask='subscribe'/>", "type='set'")
	b.expect("<presence from='"+a.bare()+"' type='subscribe' to='"+b.bare()+"'", "please")
	b.send("<presence type='subscribed' to='", a.bare(), "'/>")
	b.expect("<item jid='" + a.bare() + "' subscription='from'/>")
	a.expect("<item jid='" + b.bare() + "' subscription='to'/>")
	a.expect("<presence from='"+b.bare()+"' type='subscribed'", "to='"+a.bare()+"'")
	a.expect("<presence from='" + b.full + "' to='" + a.full + "'/>")

	// It is granted again without a question.
	a.send("<presence type='subscribe' to='", b.bare(), "'/>")
	a.expect("type='subscribed'")
	a.expect("<presence from='" + b.full + "'")
	b.nothing()

	// The other direction, while a is offline.
	b.send("<presence type='subscribe' to='", a.bare(), "'/>")
	b.expect("subscription='from' ask='subscribe'")
	a.expect("type='subscribe'")
	a.send("</stream:stream>")
	a = available(t, srv, "a", "2")
	a.expect("<presence from='" + b.full + "'")
	a.expect("<presence type='subscribe' from='" + b.bare() + "'")
	a.send("<presence type='subscribed' to='", b.bare(), "'/>")
	a.expect("subscription='both'")
	b.expect("subscription='both'")
	b.expect("type='subscribed'")
	b.expect("<presence from='" + a.full + "'")

	// Changes and the end are seen.
	a.send("<presence><show>away</show></presence>")
	a.expect("<show>away</show>")
	b.expect("<presence from='"+a.full+"'", "<show>away</show>")
	c := available(t, srv, "b", "c")
	for range 2 { // b's other resource, and a
		c.expect("<presence from='")
	}
	a.expect("<presence from='" + c.full + "'")
	b.expect("<presence from='" + c.full + "'")
	c.conn.Close()
	a.expect("<presence from='"+c.full+"' type='unavailable'", "to='"+a.full+"'")
	b.expect("<presence from='" + c.full + "' type='unavailable'")
	a.send("<presence type='unavailable'><status>bye</status></presence>")
	b.expect("type='unavailable'", "bye", a.full)
	a.nothing()
	a.send("<presence/>")
	a.expect("<presence from='" + a.full)
	b.expect("<presence from='" + a.full)
	a.expect("<presence from='" + b.full)

	// b no longer wants to see a.
	b.send("<presence type='unsubscribe' to='", a.bare(), "'/>")
	b.expect("subscription='from'")
	a.expect("subscription='to'")
	a.expect("type='unsubscribe'")
	b.expect("<presence from='" + a.full + "' type='unavailable'")

	// b no longer lets a see it.
	b.send("<presence type='unsubscribed' to='", a.bare(), "'/>")
	b.expect("subscription='none'")
	a.expect("subscription='none'")
	a.expect("<presence from='" + b.full + "' type='unavailable'")
	a.expect("type='unsubscribed'")
	b.send("<presence><show>dnd</show></presence>")
	b.expect("<show>dnd</show>")
	a.nothing()
	b.nothing()
}

func TestUnwantedSubscriptions(t *testing.T) {
	srv := localtest.Start(t, nil)
	a, b := available(t, srv, "a", "1"), available(t, srv, "b", "1")
	// What nobody has asked for.
	for _, typ := range []string{"subscribed", "unsubscribe", "unsubscribed"} {
		a.send("<presence type='", typ, "' to='", b.bare(), "'/>")
	}
	a.send("<presence type='subscribe' to='", a.bare(), "'/><presence type='probe' to='", b.bare(), "'/>")
	a.nothing()
	b.nothing()
	// A request that is refused, and one that is withdrawn.
	for _, end := range []struct {
		by  *peer
		typ string
	}{{b, "unsubscribed"}, {a, "unsubscribe"}} {
		a.send("<presence type='subscribe' to='", b.bare(), "'/>")
		a.expect("ask='subscribe'")
		b.expect("type='subscribe'")
		end.by.send("<presence type='", end.typ, "' to='", map[*peer]string{a: b.bare(), b: a.bare()}[end.by], "'/>")
		a.expect("subscription='none'/>")
		map[*peer]*peer{a: b, b: a}[end.by].expect("type='" + end.typ + "'")
		a.nothing()
		b.nothing()
		b.send("<presence type='subscribed' to='", a.bare(), "'/>") // too late
		b.nothing()
		a.nothing()
	}
	// Of who does not exist nothing is said.
	a.send("<presence type='subscribe' to='nobody@", srv.Domain(), "'/>")
	a.expect("ask='subscribe'")
	a.send("<presence type='subscribe' to='x@example.org'/>")
	a.expect("type='error'", "remote-server-not-found")
	a.send("<presence type='nonsense'/>")
	a.expect("type='error'", "bad-request")
	a.send("<presence><priority>500</priority></presence>")
	a.expect("type='error'", "bad-request")
	a.send("<presence to='@'/>")
	a.expect("type='error'", "jid-malformed")
	a.send("<presence><status>", strings.Repeat("x", 40000), "</status></presence>")
	a.expect("type='error'", "policy-violation")
	a.nothing()
}

func TestDirectedPresence(t *testing.T) {
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.DirectedPresence = 2 })
	a, b, c := online(t, srv, "a", "1"), online(t, srv, "b", "1"), available(t, srv, "c", "1")
	a.send("<presence to='", b.full, "'><show>chat</show></presence><presence to='", c.bare(), "'/>")
	b.expect("<presence from='"+a.full+"' to='"+b.full+"'", "chat")
	c.expect("<presence from='" + a.full + "' to='" + c.full + "'")
	d := available(t, srv, "d", "1")
	a.send("<presence to='", d.full, "'/>")
	a.expect("type='error'", "resource-constraint")
	a.send("<presence to='", b.full, "' type='unavailable'/><presence to='", d.full, "'/>")
	b.expect("type='unavailable'")
	d.expect("<presence from='" + a.full + "'")
	a.send("<presence to='nobody@", srv.Domain(), "'/><presence to='", srv.Domain(), "'/>")
	a.nothing()
	a.conn.Close()
	for _, p := range []*peer{c, d} {
		p.expect("<presence from='" + a.full + "' type='unavailable'")
	}
	b.nothing()
}

func TestRoster(t *testing.T) {
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.Contacts = 3 })
	a := online(t, srv, "a", "1")
	other := available(t, srv, "a", "2")
	set := func(item string) {
		a.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'>", item, "</query></iq>")
	}
	set("<item jid='X@example.org/res' name='An &amp; x' subscription='both'><group>1</group><group>2</group></item>")
	a.expect("type='result'", "id='s'")
	other.expect("type='set'", "<item jid='x@example.org' name='An &amp; x' subscription='none'><group>1</group><group>2</group></item>")
	a.send("<iq type='get' id='r' to='", a.bare(), "'><query xmlns='jabber:iq:roster'/></iq>")
	a.expect("id='r'", "<item jid='x@example.org' name='An &amp; x'")
	for _, tt := range []struct{ item, want string }{
		{"", "bad-request"},
		{"<item jid='a@b'/><item jid='c@d'/>", "bad-request"},
		{"<item/>", "jid-malformed"},
		{"<item jid='" + a.bare() + "'/>", "not-allowed"},
		{"<item jid='y@example.org' subscription='remove'/>", "item-not-found"},
		{"<item jid='y@example.org'><group>1</group><group>1</group></item>", "bad-request"},
		{"<item jid='y@example.org'><group/></item>", "not-acceptable"},
		{"<item jid='y@example.org' name='" + strings.Repeat("x", 1001) + "'/>", "not-acceptable"},
	} {
		set(tt.item)
		a.expect("type='error'", "id='s'", tt.want)
	}
	other.nothing()
	for i := range 2 {
		set(fmt.Sprintf("<item jid='%d@example.org'/>", i))
		a.expect("type='set'", fmt.Sprintf("jid='%d@example.org'", i))
		a.expect("type='result'")
	}
	set("<item jid='3@example.org'/>")
	a.expect("type='error'", "resource-constraint")
	set("<item jid='x@example.org' subscription='remove'/>")
	a.expect("type='set'", "<item jid='x@example.org' subscription='remove'/>")
	a.expect("type='result'")
	a.send("<iq type='result' id='push'/>")
	a.nothing()
}

// TestRemovedContact: who takes a contact off the roster neither sees it nor is
// seen any more.
func TestRemovedContact(t *testing.T) {
	srv := localtest.Start(t, nil)
	befriend(t, srv, "a", "b")
	a, b := available(t, srv, "a", "1"), available(t, srv, "b", "1")
	a.expect("<presence from='" + b.full)
	b.expect("<presence from='" + a.full)
	a.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='", b.bare(), "' subscription='remove'/></query></iq>")
	var got []string
	for {
		e := a.next()
		got = append(got, text(e))
		if e.Attr("id") == "s" {
			break
		}
	}
	if all := strings.Join(got, "\n"); !strings.Contains(all, "subscription='remove'") || !strings.Contains(all, "<presence from='"+b.full+"' type='unavailable'") {
		t.Errorf("a got %s", all)
	}
	got = nil
	b.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	for {
		e := b.next()
		got = append(got, text(e))
		if e.Attr("id") == "r" {
			break
		}
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{"<presence from='" + a.full + "' type='unavailable'", "type='unsubscribe'", "type='unsubscribed'", "subscription='none'"} {
		if !strings.Contains(all, want) {
			t.Errorf("b did not get %s, but %s", want, all)
		}
	}
}

func befriend(t *testing.T, srv *localtest.Server, a, b string) {
	t.Helper()
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		k := local.Contact{JID: pair[1] + "@" + srv.Domain(), To: true, From: true, Listed: true}
		if err := srv.Memory.SetContact(pair[0], k); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRosterSurvives: rosters and open requests are in the store, so that the next
// server of that domain goes on with them.
func TestRosterSurvives(t *testing.T) {
	t.Parallel()
	var config local.Config
	first := localtest.Start(t, func(c *local.Config) { config = *c })
	a := available(t, first, "a", "1")
	first.AddUser(t, "b", password)
	a.send("<presence type='subscribe' to='b@", first.Domain(), "'/>")
	a.expect("ask='subscribe'")
	first.Stop()
	second := localtest.Start(t, func(c *local.Config) { *c = config })
	second.Memory = first.Memory
	b := available(t, second, "b", "1")
	b.expect("<presence type='subscribe' from='" + a.bare() + "'")
	b.send("<presence type='subscribed' to='", a.bare(), "'/>")
	b.expect("subscription='from'")
	a = online(t, second, "a", "1")
	a.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	a.expect("<item jid='" + b.bare() + "' subscription='to'/>")
}

// broken is a store that can fail.
type broken struct {
	*local.Memory
	fails atomic.Bool
}

func (b *broken) SetContact(account string, c local.Contact) error {
	if b.fails.Load() {
		return errors.New("disk full")
	}
	return b.Memory.SetContact(account, c)
}

func (b *broken) Account(name string) (local.Credential, error) {
	if b.fails.Load() {
		return local.Credential{}, errors.New("disk broken")
	}
	return b.Memory.Account(name)
}

func TestBrokenStore(t *testing.T) {
	store := new(broken)
	srv := localtest.Start(t, func(c *local.Config) {
		store.Memory = c.Accounts.(*local.Memory)
		c.Accounts, c.Rosters = store, store
	})
	a, b := available(t, srv, "a", "1"), available(t, srv, "b", "1")
	p := dialed(t, srv)
	store.fails.Store(true)
	if e := p.auth("a", password); !strings.Contains(text(e), "temporary-auth-failure") {
		t.Errorf("login: %s", text(e))
	}
	a.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='x@y'/></query></iq>")
	a.expect("id='s'", "internal-server-error", "type='wait'")
	a.send("<presence type='subscribe' to='", b.bare(), "'/>")
	a.expect("type='error'", "internal-server-error")
	b.nothing()
	store.fails.Store(false)
	a.send("<presence type='subscribe' to='", b.bare(), "'/>")
	a.expect("ask='subscribe'")
	b.expect("type='subscribe'")
}

func TestExpel(t *testing.T) {
	srv := localtest.Start(t, nil)
	a, b := online(t, srv, "a", "1"), online(t, srv, "b", "1")
	srv.Expel("a")
	a.ends("not-authorized")
	b.nothing()
}
