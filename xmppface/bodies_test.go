package xmppface

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ping"
	"github.com/fieldhub/hub/xmppface/version"
	"github.com/fieldhub/hub/xmppface/wire"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// condition returns the condition of a stanza error, or what else err is.
func condition(err error) string {
	var e *ext.StanzaError
	if errors.As(err, &e) {
		return e.Condition
	}
	return fmt.Sprint(err)
}

// raw sends a stanza as it is and waits for the answer with that id.
func raw(t testing.TB, s *Session, to, id, stanza string) *wire.Element {
	t.Helper()
	answer := s.asks.add(id, to)
	defer s.asks.remove(id)
	if err := s.st.Send([]byte(stanza)); err != nil {
		t.Fatal(err)
	}
	select {
	case e := <-answer:
		return e
	case <-time.After(5 * time.Second):
		t.Fatalf("no answer to %s", stanza)
	case <-s.Done():
		t.Fatalf("the session ended at %s", stanza)
	}
	return nil
}

func isAlive(t testing.TB, client, hub *Session) {
	t.Helper()
	if _, err := client.Ask(within(t, 5*time.Second), hub.Self(), "get", xmpptest.EchoRequest()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}

func testResourceIsSent(t *testing.T, srv xmpptest.Server) {
	a := account(t, srv, "resource")
	a.Resource = "Boiler & room <7>"
	s := online(t, a)
	if want := a.JID + "/" + a.Resource + "-"; !strings.HasPrefix(s.Self(), want) || len(s.Self()) < len(want)+10 {
		t.Errorf("address %s, want %s and a random part", s.Self(), want)
	}
}

func testTextBeforePayload(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-text"), xmpptest.NewEcho(100))
	client := online(t, account(t, srv, "client-text"))
	e := raw(t, client, hub.Self(), "t1", "<iq type='get' id='t1' to='"+hub.Self()+"'>text<echo xmlns='"+xmpptest.EchoNS+"'/></iq>")
	if e.Attr("type") != "result" || e.First() == nil {
		t.Errorf("answer: %s", e.Append(nil, ""))
	}
	isAlive(t, client, hub)
}

func testStreamElementInsideStanza(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-inside"), xmpptest.NewEcho(100))
	client := online(t, account(t, srv, "client-inside"))
	for _, inner := range []string{
		"<error xmlns='http://etherx.jabber.org/streams'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></error>",
		"<stream xmlns='http://etherx.jabber.org/streams'/>",
	} {
		if err := client.st.Send([]byte("<message to='" + hub.Self() + "'>" + inner + "</message>")); err != nil {
			t.Fatal(err)
		}
		isAlive(t, client, hub)
	}
}

func testWrongRequests(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-wrong"), xmpptest.NewEcho(100))
	client := online(t, account(t, srv, "client-wrong"))
	for i, tt := range []struct{ inner, want string }{
		{"", "bad-request"},
		{"only text", "bad-request"},
		{"<x xmlns='urn:unknown'/>", "service-unavailable"},
		{"<x xmlns=''/>", "service-unavailable"},
		{"<query xmlns='jabber:iq:roster'><item jid='evil@example.org' subscription='both'/></query>", "service-unavailable"},
	} {
		id := fmt.Sprint("w", i)
		e := raw(t, client, hub.Self(), id, "<iq type='set' id='"+id+"' to='"+hub.Self()+"'>"+tt.inner+"</iq>")
		if got := ext.ParseError(e).Condition; e.Attr("type") != "error" || got != tt.want {
			t.Errorf("%q: %s, want %s", tt.inner, got, tt.want)
		}
	}
	hub.roster.mu.Lock()
	if len(hub.roster.contacts) > 0 {
		t.Errorf("a foreign roster push was believed: %v", hub.roster.contacts)
	}
	hub.roster.mu.Unlock()
	isAlive(t, client, hub)
}

func testForgedAnswer(t *testing.T, srv xmpptest.Server) {
	requests := make(chan *ext.Request, 1)
	peer := online(t, account(t, srv, "peer-forged"), &served{serve: func(r *ext.Request) { requests <- r }})
	hub := online(t, account(t, srv, "hub-forged"), xmpptest.NewEcho(100))
	third := online(t, account(t, srv, "third-forged"))
	type result struct {
		e   *wire.Element
		err error
	}
	got := make(chan result, 1)
	go func() {
		e, err := hub.Ask(within(t, 10*time.Second), peer.Self(), "get", question)
		got <- result{e, err}
	}()
	r := <-requests
	for _, typ := range []string{"result", "error"} {
		third.st.Send([]byte("<iq type='" + typ + "' id='" + r.ID + "' to='" + hub.Self() + "'><forged xmlns='" + testNS + "'/></iq>"))
	}
	isAlive(t, third, hub) // the forged ones have arrived, too
	select {
	case g := <-got:
		t.Fatalf("a forged answer was taken: %+v, %v", g.e, g.err)
	default:
	}
	r.Result([]byte("<true xmlns='" + testNS + "'/>"))
	if g := <-got; g.err != nil || g.e == nil || g.e.Name.Local != "true" {
		t.Errorf("the answer: %+v, %v", g.e, g.err)
	}
}

func testAnswersOfOwnServer(t *testing.T, srv xmpptest.Server) {
	s := online(t, account(t, srv, "own"))
	for _, to := range []string{"", s.bare, srv.Domain()} {
		if _, err := s.Ask(within(t, 5*time.Second), to, "get", []byte("<query xmlns='"+disco.NSInfo+"'/>")); err != nil {
			t.Errorf("asking %q: %v", to, err)
		}
	}
}

func testBlockedHandler(t *testing.T, srv xmpptest.Server) {
	release := make(chan struct{})
	hub := online(t, account(t, srv, "hub-block"), xmpptest.NewEcho(100),
		&served{serve: func(r *ext.Request) { <-release; r.Result(nil) }})
	defer close(release)
	a := account(t, srv, "blocked-block")
	blocked, other := online(t, a), online(t, a)
	if _, err := blocked.Ask(within(t, 100*time.Millisecond), hub.Self(), "get", question); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the blocked one: %v", err)
	}
	began := time.Now()
	isAlive(t, other, hub)
	if _, err := hub.Ask(within(t, 5*time.Second), other.Self(), "get", question); condition(err) != "service-unavailable" {
		t.Errorf("the hub asks: %v", err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("a blocked handler delayed others by %v", took)
	}
}

func testPanickingHandler(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-panic"), xmpptest.NewEcho(100),
		&served{serve: func(*ext.Request) { panic("a fault on purpose") }})
	client := online(t, account(t, srv, "client-panic"))
	if _, err := client.Ask(within(t, 5*time.Second), hub.Self(), "get", question); condition(err) != "internal-server-error" || strings.Contains(err.Error(), "purpose") {
		t.Errorf("got %v", err)
	}
	isAlive(t, client, hub)
}

func testInOrderPerSender(t *testing.T, srv xmpptest.Server) {
	var mu sync.Mutex
	var got []string
	const n = 200
	all := make(chan struct{})
	hub := online(t, account(t, srv, "hub-order"), &served{serve: func(r *ext.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.ID)
		if len(got) == n {
			close(all)
		}
		r.Result(nil)
	}})
	client := online(t, account(t, srv, "client-order"))
	var want []string
	for i := range n {
		id := fmt.Sprint(i)
		want = append(want, id)
		client.st.Send([]byte("<iq type='get' id='" + id + "' to='" + hub.Self() + "'><ask xmlns='" + testNS + "'/></iq>"))
	}
	select {
	case <-all:
	case <-time.After(5 * time.Second):
		t.Fatal("not all arrived")
	}
	if !slices.Equal(got, want) {
		t.Errorf("order: %v", got)
	}
}

func testLateAndSingleAnswer(t *testing.T, srv xmpptest.Server) {
	requests := make(chan *ext.Request, 2)
	hub := online(t, account(t, srv, "hub-late"), xmpptest.NewEcho(100), &served{serve: func(r *ext.Request) { requests <- r }})
	client := online(t, account(t, srv, "client-late"))
	answer := client.asks.add("late", hub.Self())
	client.st.Send([]byte("<iq type='get' id='late' to='" + hub.Self() + "'><ask xmlns='" + testNS + "'/></iq>"))
	r := <-requests
	isAlive(t, client, hub)
	r.Result([]byte("<first xmlns='" + testNS + "'/>"))
	r.Result([]byte("<second xmlns='" + testNS + "'/>"))
	r.Fail(errors.New("third"))
	if e := <-answer; e.First().Name.Local != "first" {
		t.Errorf("got %s", e.Append(nil, ""))
	}
	again := client.asks.add("late", hub.Self())
	isAlive(t, client, hub)
	select {
	case e := <-again:
		t.Errorf("another answer: %s", e.Append(nil, ""))
	default:
	}
}

func testPendingWhenDropped(t *testing.T, srv xmpptest.Server) {
	silent := online(t, account(t, srv, "silent"), &served{})
	hub := online(t, account(t, srv, "hub-pending"))
	const n = 10
	failed := make(chan error, n)
	for range n {
		go func() {
			_, err := hub.Ask(within(t, time.Minute), silent.Self(), "get", question)
			failed <- err
		}()
	}
	for len(hub.asks.all()) < n {
		time.Sleep(time.Millisecond)
	}
	hub.st.Abort(errors.New("cut"))
	for range n {
		select {
		case err := <-failed:
			if nodes.KindOf(err) != nodes.Unreachable {
				t.Errorf("a pending request: %v, want kind unreachable", err)
			}
		case <-time.After(time.Second):
			t.Fatal("a pending request was not released")
		}
	}
	if _, err := hub.Ask(within(t, time.Second), silent.Self(), "get", question); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("a later request: %v", err)
	}
	if err := hub.Tell(within(t, time.Second), silent.Self(), question); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("a later message: %v", err)
	}
}

func (a *asks) all() map[string]ask {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := make(map[string]ask)
	for k, v := range a.byID {
		out[k] = v
	}
	return out
}

func testManyAtOnce(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-many"), &served{serve: func(r *ext.Request) {
		r.Result(append([]byte("<got xmlns='"+testNS+"'"), " n='"+r.Payload.Attr("n")+"'/>"...))
	}})
	a := account(t, srv, "client-many")
	clients := []*Session{online(t, a), online(t, a)}
	ctx := within(t, 30*time.Second)
	var wg sync.WaitGroup
	for i := range 64 {
		wg.Go(func() {
			for j := range 20 {
				n := fmt.Sprint(i, "-", j)
				e, err := clients[i%2].Ask(ctx, hub.Self(), "get", []byte("<ask xmlns='"+testNS+"' n='"+n+"'/>"))
				if err != nil || e.Attr("n") != n {
					t.Errorf("request %s: %+v, %v", n, e, err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func testRepeatedSets(t *testing.T, srv xmpptest.Server) {
	requests := make(chan *ext.Request, 10)
	hub := online(t, account(t, srv, "hub-sets"), xmpptest.NewEcho(100), &served{serve: func(r *ext.Request) { requests <- r }})
	client := online(t, account(t, srv, "client-sets"))
	send := func(typ, id, n string) {
		client.st.Send([]byte("<iq type='" + typ + "' id='" + id + "' to='" + hub.Self() + "'><do xmlns='" + testNS + "' n='" + n + "'/></iq>"))
	}
	answers := make(chan *wire.Element, 10)
	expect := func(want string) {
		t.Helper()
		select {
		case e := <-answers:
			if e.First() == nil || e.First().Name.Local != want {
				t.Errorf("answer %s, want %s", e.Append(nil, ""), want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("no answer %s", want)
		}
	}
	collect := func(id string) {
		answer := client.asks.add(id, hub.Self())
		go func() {
			select {
			case e := <-answer:
				answers <- e
			case <-client.Done():
			}
		}()
	}
	count := func(want int, what string) {
		t.Helper()
		isAlive(t, client, hub)
		if len(requests) != want {
			t.Errorf("%s: %d requests were served, want %d", what, len(requests), want)
		}
	}
	collect("1")
	send("set", "1", "a")
	send("set", "1", "a")
	count(1, "repeated while it is done")
	r := <-requests
	r.Result([]byte("<done xmlns='" + testNS + "'/>"))
	expect("done")
	collect("1")
	send("set", "1", "a")
	expect("done")
	count(0, "repeated when it is done")
	send("set", "1", "b")
	send("set", "2", "a")
	send("get", "1", "a")
	send("get", "1", "a")
	count(4, "other content, other id, reading")
	for range 4 {
		<-requests
	}
	// An error that says "try again" is no answer to keep.
	collect("3")
	send("set", "3", "a")
	(<-requests).Fail(nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "full"))
	expect("error")
	send("set", "3", "a")
	count(1, "after 'try again'")
	<-requests
	// One that leaves open what was done is.
	collect("4")
	send("set", "4", "a")
	(<-requests).Fail(nodes.Errorf(nodes.Timeout, "", nodes.Ref{}, "outcome unknown"))
	expect("error")
	collect("4")
	send("set", "4", "a")
	expect("error")
	count(0, "after 'outcome unknown'")
	// Nothing is kept for whom went offline.
	hub.sets.forget(client.Self())
	send("set", "1", "a")
	count(1, "after the sender went offline")
}

func testAnswerTooLarge(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-large"), xmpptest.NewEcho(300<<10))
	client := online(t, account(t, srv, "client-large"))
	for range 2 {
		if _, err := client.Ask(within(t, 5*time.Second), hub.Self(), "get", xmpptest.EchoRequest()); condition(err) != "policy-violation" {
			t.Errorf("got %v", err)
		}
	}
}

func testMessages(t *testing.T, srv xmpptest.Server) {
	got := make(chan *ext.Message, 100)
	client := online(t, account(t, srv, "client-messages"), &served{receive: func(m *ext.Message) { got <- m }})
	hub := online(t, account(t, srv, "hub-messages"))
	ctx := within(t, 10*time.Second)
	for i := range 50 {
		if err := hub.Tell(ctx, client.Self(), []byte(fmt.Sprint("<note xmlns='", testNS, "' n='", i, "'/>"))); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 50 {
		select {
		case m := <-got:
			if m.Payload.Attr("n") != fmt.Sprint(i) || m.From != hub.Self() || m.Link != client {
				t.Errorf("message %d: %+v", i, m)
			}
		case <-ctx.Done():
			t.Fatalf("message %d did not come", i)
		}
	}
}

func testPresenceOfFriends(t *testing.T, srv xmpptest.Server) {
	a := account(t, srv, "hub-presence")
	a.Welcome = func(c nodes.Caller) bool { return strings.HasPrefix(c.JID, "friend-") && c.Way == nodes.WayBroker }
	hub := online(t, a)
	b := account(t, srv, "friend-presence")
	b.Priority = -1
	friend := online(t, b)
	full, err := friend.WaitAvailable(within(t, 5*time.Second), a.JID)
	if err != nil || !slices.Equal(full, []string{hub.Self()}) {
		t.Errorf("the friend sees %v, %v; want %s", full, err, hub.Self())
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		hub.roster.mu.Lock()
		c := hub.roster.contacts[b.JID]
		hub.roster.mu.Unlock()
		if c.subscription == "both" || c.subscription == "from" && c.asked {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("the hub has not asked to see its friend: %+v", c)
			break
		}
	}
	stranger := online(t, account(t, srv, "stranger-presence"))
	if full, err := stranger.WaitAvailable(within(t, 500*time.Millisecond), a.JID); err == nil {
		t.Errorf("a stranger sees %v", full)
	} else if nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("a stranger: %v", err)
	}
	hub.st.End(nil)
	for deadline := time.Now().Add(5 * time.Second); len(friend.Resources(a.JID)) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the friend still sees the hub")
		}
	}
}

func testPresenceWithdrawn(t *testing.T, srv xmpptest.Server) {
	a := account(t, srv, "hub-withdrawn")
	a.Welcome = func(nodes.Caller) bool { return true }
	friend := online(t, account(t, srv, "friend-withdrawn"))
	first := online(t, a)
	if _, err := friend.WaitAvailable(within(t, 5*time.Second), a.JID); err != nil {
		t.Fatal(err)
	}
	first.st.End(nil)
	<-first.Done()
	a.Welcome = func(nodes.Caller) bool { return false }
	online(t, a)
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		friend.roster.mu.Lock()
		c := friend.roster.contacts[a.JID]
		friend.roster.mu.Unlock()
		full := friend.Resources(a.JID)
		if c.subscription != "to" && c.subscription != "both" && len(full) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("who lost access is still subscribed, %+v, and sees %v", c, full)
		}
	}
}

func testPeerGone(t *testing.T, srv xmpptest.Server) {
	gone := make(chan string, 10)
	a := account(t, srv, "hub-gone")
	a.Welcome = func(nodes.Caller) bool { return true }
	hub := online(t, a, xmpptest.NewEcho(100), &served{gone: func(_ ext.Link, jid string) { gone <- jid }})
	b := account(t, srv, "friend-gone")
	b.Welcome = a.Welcome
	friend := online(t, b)
	if _, err := friend.WaitAvailable(within(t, 5*time.Second), a.JID); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.WaitAvailable(within(t, 5*time.Second), b.JID); err != nil {
		t.Fatal(err)
	}
	expect := func(want string) {
		t.Helper()
		select {
		case got := <-gone:
			if got != want {
				t.Errorf("gone: %q, want %q", got, want)
			}
		case <-time.After(5 * time.Second):
			t.Fatalf("nobody said that %q is gone", want)
		}
	}
	friend.st.End(nil)
	expect(friend.Self())
	<-friend.Done()
	// What cannot be delivered comes back. (For an account that is offline, many
	// servers keep it instead.)
	nobody := "nobody-gone@" + srv.Domain() + "/x"
	if err := hub.Tell(within(t, time.Second), nobody, question); err != nil {
		t.Fatal(err)
	}
	expect(nobody)
	hub.st.Abort(errors.New("cut"))
	expect("")
}

func testWrongPassword(t *testing.T, srv xmpptest.Server) {
	a := account(t, srv, "wrong-password")
	for _, change := range []func(*Account){
		func(a *Account) { a.Password = "x" },
		func(a *Account) { a.JID = "nobody@" + srv.Domain() },
	} {
		b := a
		change(&b)
		_, err := Dial(within(t, 10*time.Second), b)
		var f *Failure
		if !errors.As(err, &f) || f.Kind != WrongPassword {
			t.Errorf("%s: %v, want %s", b.JID, err, WrongPassword)
		}
	}
}

func testStandard(t *testing.T, srv xmpptest.Server) {
	hub := online(t, account(t, srv, "hub-standard"),
		Extensions(Program{Name: "Boiler room", Product: "hub", Version: "1.2.3", OS: "linux"}, Backends{})...)
	client := online(t, account(t, srv, "client-standard"))
	ctx := within(t, 10*time.Second)
	if _, err := ping.Send(ctx, client, hub.Self()); err != nil {
		t.Errorf("ping: %v", err)
	}
	if v, err := version.Ask(ctx, client, hub.Self()); err != nil || v != (version.Software{Name: "hub", Version: "1.2.3", OS: "linux"}) {
		t.Errorf("version: %+v, %v", v, err)
	}
	info, err := disco.Ask(ctx, client, hub.Self(), "")
	if err != nil || !slices.Contains(info.Identities, disco.Identity{Category: "client", Type: "bot", Name: "Boiler room"}) ||
		!info.Has(ping.NS) || !info.Has(version.NS) || !info.Has(disco.NSInfo) {
		t.Errorf("disco: %+v, %v", info, err)
	}
	if _, err := disco.Ask(ctx, client, hub.Self(), "x"); condition(err) != "item-not-found" {
		t.Errorf("disco of an unknown node: %v", err)
	}
	if items, err := disco.Items(ctx, client, hub.Self(), ""); err != nil || len(items) != 0 {
		t.Errorf("items: %v, %v", items, err)
	}
	if _, err := client.Ask(ctx, hub.Self(), "set", []byte("<ping xmlns='"+ping.NS+"'/>")); condition(err) != "feature-not-implemented" {
		t.Errorf("ping by set: %v", err)
	}
}
