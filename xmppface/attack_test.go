package xmppface

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local/localtest"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestAttacks: what somebody with an account may try against a hub, through each
// server. After each attack the hub is still in the same session and serves others,
// and in the end its memory is what it was. The tests of what a false server may try
// are TestFalseServers; SECURITY.md lists all.
func TestAttacks(t *testing.T) {
	for _, s := range []struct {
		name  string
		start func() xmpptest.Server
	}{
		{"Prosody", func() xmpptest.Server { return xmpptest.Prosody(t, xmpptest.Options{}) }},
		{"ejabberd", func() xmpptest.Server { return xmpptest.Ejabberd(t) }},
		{"local", func() xmpptest.Server { return localtest.Start(t, nil) }},
	} {
		t.Run(s.name, func(t *testing.T) { attackThrough(t, s.start()) })
	}
}

// scene is a hub with a friend, and an enemy on the same server.
type scene struct {
	srv           xmpptest.Server
	hub, friend   *Session
	enemy, rival  Account           // a rival is welcome to the hub
	asked         chan *ext.Request // requests in testNS that the hub is to answer
	friendAccount Account
}

func attackThrough(t *testing.T, srv xmpptest.Server) {
	c := &scene{srv: srv, enemy: account(t, srv, "enemy"), rival: account(t, srv, "rival"), asked: make(chan *ext.Request, 100)}
	a := account(t, srv, "hub-attacked")
	c.friendAccount = account(t, srv, "friend-attacked")
	a.Welcome = func(who nodes.Caller) bool { return who.JID == c.friendAccount.JID || who.JID == c.rival.JID }
	c.friendAccount.Welcome = func(who nodes.Caller) bool { return who.JID == a.JID }
	c.hub = online(t, a, xmpptest.NewEcho(100), &served{serve: func(r *ext.Request) { c.asked <- r }})
	c.friend = online(t, c.friendAccount, xmpptest.NewEcho(100))
	ctx := within(t, 10*time.Second)
	if _, err := c.friend.WaitAvailable(ctx, a.JID); err != nil {
		t.Fatal(err)
	}
	if _, err := c.hub.WaitAvailable(ctx, c.friendAccount.JID); err != nil {
		t.Fatal(err)
	}
	waitSubscribed(t, c.hub, c.friendAccount.JID)
	before := heap()
	for _, attack := range []struct {
		name string
		run  func(*testing.T, *scene)
	}{
		{"BrokenStanzas", attackBroken},
		{"ForgedSender", attackForgedSender},
		{"SpoofedPresence", attackPresence},
		{"RosterPush", attackRoster},
		{"ForgedAnswers", attackAnswers},
		{"Replay", attackReplay},
		{"ReplayPushedOut", attackReplayPushedOut},
		{"PresenceOfStrangers", attackArrivals},
		{"GuessedResources", attackGuesses},
		{"LongIDs", attackLongIDs},
		{"Flood", attackFlood},
	} {
		t.Run(attack.name, func(t *testing.T) {
			attack.run(t, c)
			select {
			case <-c.hub.Done():
				t.Fatalf("the hub's session ended: %v", c.hub.dropped("serve"))
			default:
			}
			isAlive(t, c.friend, c.hub)
		})
	}
	if held := heap() - before; held > 8<<20 {
		t.Errorf("%d MB more are held than before", held>>20)
	}
}

// heap is how much memory is in use.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// waitSubscribed waits until both see each other's presence.
func waitSubscribed(t *testing.T, s *Session, bare string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if c := s.roster.contact(bare); c.subscription == "both" {
			return
		} else if time.Now().After(deadline) {
			t.Fatalf("%s is not subscribed: %+v", bare, c)
		}
	}
}

func (r *roster) contact(bare string) contact {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.contacts[bare]
}

// cut waits until a session is over.
func cut(t *testing.T, s *Session, what string) {
	t.Helper()
	select {
	case <-s.Done():
	case <-time.After(5 * time.Second):
		t.Errorf("%s: its stream goes on", what)
	}
}

// passed waits until the server and the hub have handled what an enemy has sent, or
// the enemy was thrown out.
func (c *scene) passed(t *testing.T, enemy *Session) {
	t.Helper()
	if _, err := enemy.Ask(within(t, 5*time.Second), c.hub.Self(), "get", xmpptest.EchoRequest()); err != nil {
		select {
		case <-enemy.Done():
		case <-time.After(2 * time.Second):
			t.Errorf("afterwards: %v", err)
		}
	}
}

// attackBroken: what is no XML, or none that XMPP allows, ends the stream of who sends
// it; what is allowed and absurd is dropped by the hub at the latest.
func attackBroken(t *testing.T, c *scene) {
	to := " to='" + c.hub.Self() + "'"
	for _, tt := range []struct {
		name, stanza string
		cut          bool // by every server
	}{
		{"wrong end", "<message" + to + "></iq>", true},
		{"unknown prefix", "<message" + to + "><p:x/></message>", false},
		{"document type", "<!DOCTYPE x [<!ENTITY a 'b'>]><message" + to + "><body>&a;</body></message>", true},
		{"entities that multiply", "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;'>]><message" + to + "><body>&c;</body></message>", true},
		{"unknown entity", "<message" + to + "><body>&lol;</body></message>", true},
		{"processing instruction", "<message" + to + "><?x y?></message>", false},
		{"comment", "<message" + to + "><!-- x --></message>", false},
		{"control character", "<message" + to + "><body>\x02</body></message>", true},
		{"reference to a control character", "<message" + to + "><body>&#2;</body></message>", true},
		{"bad UTF-8", "<message" + to + "><body>\xc3\x28</body></message>", true},
		{"overlong UTF-8", "<message" + to + "><body>\xc0\xbc</body></message>", true},
		{"surrogate", "<message" + to + "><body>\xed\xa0\x80</body></message>", true},
		{"attribute twice", "<message" + to + to + "/>", true},
		{"nested to 100 levels", "<iq type='get' id='d'" + to + ">" + nested(100) + "</iq>", false},
		{"nested to 10,000 levels", "<message" + to + ">" + nested(10_000) + "</message>", false},
		{"30,000 elements", "<message" + to + "><x xmlns='urn:x'>" + strings.Repeat("<a/>", 30_000) + "</x></message>", false},
		{"200 attributes", "<message" + to + "><x xmlns='urn:x'" + attributes(200) + "/></message>", false},
		{"a namespace with a space", "<message" + to + "><p:x xmlns:p='urn:x y'/></message>", false},
		{"a namespace with a quote", "<message" + to + "><x xmlns=\"urn:x'y\" a=\"'&lt;\"/></message>", false},
		{"256 KiB and 1", "<message" + to + "><body>" + strings.Repeat("x", 256<<10+1) + "</body></message>", false},
		{"what servers write six times as long", "<message" + to + "><body>" + strings.Repeat("\"'", 125<<10) + "</body></message>", false},
		{"the same in an attribute", "<message" + to + "><x xmlns='urn:x' a='" + strings.Repeat("\"", 250<<10) + "'/></message>", false},
		{"an endless attribute", "<message" + to + " a='" + strings.Repeat("x", 300<<10), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, ok := c.srv.(*xmpptest.EjabberdServer); ok && strings.Contains(tt.name, "10,000") {
				t.Skip("ejabberd 23.01 does not survive it itself")
			}
			enemy := online(t, c.enemy)
			whole := enemy.st.Send([]byte(tt.stanza)) == nil
			for rest := tt.stanza; !whole && rest != ""; { // more than may be sent at once
				n := min(len(rest), 100<<10)
				enemy.st.Send([]byte(rest[:n]))
				rest = rest[n:]
			}
			switch {
			case tt.cut:
				cut(t, enemy, tt.name)
			case whole:
				c.passed(t, enemy)
			default: // how fast the server takes it cannot be measured now
				isAlive(t, c.friend, c.hub)
			}
			select {
			case <-c.hub.Done():
				t.Fatalf("the hub's session ended: %v", c.hub.dropped("serve"))
			default:
			}
		})
	}
}

func nested(n int) string {
	return "<x xmlns='urn:x'>" + strings.Repeat("<a>", n) + strings.Repeat("</a>", n) + "</x>"
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d='x'", i)
	}
	return b.String()
}

// attackForgedSender: who says that he is another is thrown out, or the server puts
// the true address in place.
func attackForgedSender(t *testing.T, c *scene) {
	for _, from := range []string{c.friend.Self(), c.friendAccount.JID, c.hub.a.JID, c.hub.Self(), c.srv.Domain(), "admin@example.org"} {
		enemy := online(t, c.enemy)
		enemy.st.Send([]byte("<iq type='set' id='f' from='" + from + "' to='" + c.hub.Self() + "'><ask xmlns='" + testNS + "'/></iq>"))
		c.passed(t, enemy)
		select {
		case r := <-c.asked:
			if r.Caller.JID != c.enemy.JID {
				t.Errorf("from %s: the hub takes the enemy for %s", from, r.Caller.Full)
			}
		default:
			cut(t, enemy, "from "+from)
		}
	}
}

// attackPresence: nobody can speak for the friend's presence, and nothing that was not
// asked for changes what the hub knows of others.
func attackPresence(t *testing.T, c *scene) {
	for _, typ := range []string{"", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", "error"} {
		for _, from := range []string{"", c.friend.Self(), c.friendAccount.JID} {
			enemy := online(t, c.enemy)
			s := "<presence to='" + c.hub.a.JID + "'"
			if typ != "" {
				s += " type='" + typ + "'"
			}
			if from != "" {
				s += " from='" + from + "'"
			}
			enemy.st.Send([]byte(s + "/>"))
			c.passed(t, enemy)
		}
	}
	isAlive(t, c.friend, c.hub) // what was sent before has been handled, too
	if got := c.hub.roster.contact(c.friendAccount.JID).subscription; got != "both" {
		t.Errorf("the friend's subscription is now %s", got)
	}
	if got := c.hub.Resources(c.friendAccount.JID); len(got) != 1 || got[0] != c.friend.Self() {
		t.Errorf("the friend is now online at %v", got)
	}
	if got := c.hub.roster.contact(c.enemy.JID).subscription; got != "" && got != "none" {
		t.Errorf("the enemy's subscription is now %s", got)
	}
}

// attackRoster: a roster push is taken from nobody else than the own server.
func attackRoster(t *testing.T, c *scene) {
	for i, from := range []string{"", " from='" + c.hub.a.JID + "'", " from='" + c.srv.Domain() + "'"} {
		enemy := online(t, c.enemy)
		for j, to := range []string{c.hub.Self(), c.hub.a.JID} {
			enemy.st.Send([]byte(fmt.Sprintf("<iq type='set' id='push%d%d' to='%s'%s><query xmlns='jabber:iq:roster'>"+
				"<item jid='%s' subscription='both'/><item jid='%s' subscription='remove'/></query></iq>", i, j, to, from, c.enemy.JID, c.friendAccount.JID)))
		}
		c.passed(t, enemy)
	}
	if got := c.hub.roster.contact(c.friendAccount.JID).subscription; got != "both" {
		t.Errorf("the friend's subscription is now %q", got)
	}
	if got := c.hub.roster.contact(c.enemy.JID).subscription; got == "both" {
		t.Error("the enemy is a friend now")
	}
}

// attackAnswers: an answer is taken from nobody else than whom was asked, even when
// the enemy knows the id.
func attackAnswers(t *testing.T, c *scene) {
	testForgedAnswer(t, c.srv)
}

// attackReplay: a request that changes something is done once, however often it comes.
func attackReplay(t *testing.T, c *scene) { testRepeatedSets(t, c.srv) }

// attackReplayPushedOut: nobody can make the hub forget, by requests of his own, what
// it has done for somebody else.
func attackReplayPushedOut(t *testing.T, c *scene) {
	do := "<iq type='set' id='once' to='" + c.hub.Self() + "'><do xmlns='" + testNS + "' n='once'/></iq>"
	c.friend.st.Send([]byte(do))
	select {
	case r := <-c.asked:
		r.Result([]byte("<done xmlns='" + testNS + "'/>"))
	case <-time.After(5 * time.Second):
		t.Fatal("the friend's request did not come")
	}
	enemies := []*Session{online(t, c.enemy), online(t, c.rival), online(t, c.rival)}
	const n = 2 * setsKept
	for i := range n {
		enemies[i%3].st.Send([]byte(fmt.Sprintf("<iq type='set' id='%d' to='%s'><do xmlns='%s'/></iq>", i, c.hub.Self(), testNS)))
		select {
		case r := <-c.asked:
			r.Result(nil)
		case <-time.After(5 * time.Second):
			t.Fatalf("request %d did not come", i)
		}
	}
	if e := raw(t, c.friend, c.hub.Self(), "once", do); e.First() == nil || e.First().Name.Local != "done" {
		t.Errorf("the friend got %s", e.Append(nil, ""))
	}
	if len(c.asked) > 0 {
		t.Error("the friend's request was done twice")
	}
}

// attackArrivals: the presence of strangers is not kept, so that it cannot crowd out
// that of friends.
func attackArrivals(t *testing.T, c *scene) {
	var enemies []*Session
	for range 5 {
		enemy := online(t, c.enemy)
		enemy.st.Send([]byte("<presence to='" + c.hub.Self() + "'/>"))
		enemies = append(enemies, enemy)
	}
	for _, enemy := range enemies {
		c.passed(t, enemy)
	}
	if got := c.hub.Resources(c.enemy.JID); len(got) > 0 {
		t.Errorf("the hub keeps %v", got)
	}
}

// attackGuesses: an enemy does not learn the hub's full address, nor by guesses whether
// he comes near it.
func attackGuesses(t *testing.T, c *scene) {
	enemy := online(t, c.enemy)
	nobody := "nobody-there@" + c.srv.Domain()
	ask := func(to string) string {
		_, err := enemy.Ask(within(t, 5*time.Second), to, "get", []byte("<query xmlns='http://jabber.org/protocol/disco#info'/>"))
		return condition(err)
	}
	self := c.hub.Self()
	want := ask(nobody + "/x")
	for _, guess := range []string{c.hub.a.JID + "/x", c.hub.a.JID + "/test", self[:len(self)-1], self + "x", nobody + "/test"} {
		if got := ask(guess); got != want {
			t.Errorf("a guess at %s is answered %s, one at an account that is not there %s", guess, got, want)
		}
	}
	for _, typ := range []string{"probe", "subscribe"} {
		enemy.st.Send([]byte("<presence type='" + typ + "' to='" + c.hub.a.JID + "'/>"))
	}
	c.passed(t, enemy)
	isAlive(t, c.friend, c.hub)
	c.passed(t, enemy)
	if got := enemy.Resources(c.hub.a.JID); len(got) > 0 {
		t.Errorf("the enemy sees %v", got)
	}
	if _, random, _ := strings.Cut(self, "/test-"); len(random) < 10 {
		t.Errorf("the random part of %s is short", self)
	}
}

// attackLongIDs: an id is kept and sent back, so that a long one would fill memory and
// the line; and a language is kept.
func attackLongIDs(t *testing.T, c *scene) {
	rival := online(t, c.rival)
	long := strings.Repeat("i", 100<<10)
	answers := rival.asks.add(long+"0", c.hub.Self())
	for i := range 5 {
		rival.st.Send([]byte(fmt.Sprintf("<iq type='set' id='%s%d' to='%s'><do xmlns='%s'/></iq>", long, i, c.hub.Self(), testNS)))
		rival.st.Send([]byte(fmt.Sprintf("<iq type='set' id='l%d' to='%s' xml:lang='%s'><do xmlns='%s'/></iq>", i, c.hub.Self(), long, testNS)))
		c.passed(t, rival)
	}
	for range len(c.asked) {
		r := <-c.asked
		if len(r.ID) > maxID || len(r.Caller.Lang) > 64 {
			t.Fatalf("a request with an id of %d and a language of %d bytes", len(r.ID), len(r.Caller.Lang))
		}
	}
	if len(answers) > 0 {
		t.Error("a request with a long id was answered")
	}
}

// attackFlood: while an enemy asks more than a thousand times a second, by several streams,
// and waits for no answer, a friend is answered.
func attackFlood(t *testing.T, c *scene) {
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		enemy := online(t, c.enemy)
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				case <-enemy.Done():
					return
				default:
				}
				enemy.st.Send([]byte(fmt.Sprintf("<iq type='get' id='f%d' to='%s'><echo xmlns='%s'/></iq>", i, c.hub.Self(), xmpptest.EchoNS)))
				time.Sleep(2 * time.Millisecond) // more would be a test of the server
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	longest := time.Duration(0)
	for range 20 {
		began := time.Now()
		if _, err := c.friend.Ask(within(t, 20*time.Second), c.hub.Self(), "get", xmpptest.EchoRequest()); err != nil {
			t.Errorf("the friend: %v", err)
		}
		longest = max(longest, time.Since(began))
		time.Sleep(20 * time.Millisecond)
	}
	if longest > 5*time.Second {
		t.Errorf("the friend waited for %v", longest)
	}
}
