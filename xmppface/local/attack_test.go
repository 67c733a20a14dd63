package local_test

import (
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/local/localtest"
)

// TestAttacks: what somebody may try against the server itself who can connect to it,
// with an account and without one. Meanwhile somebody else is served, at the end he is
// still there, and memory and goroutines return to what they were. Others of this kind
// are in the tests of the login, of limits and of routes; SECURITY.md lists all.
func TestAttacks(t *testing.T) {
	for _, attack := range []struct {
		name   string
		change func(*local.Config)
		run    func(t *testing.T, srv *localtest.Server, served func())
	}{
		{"StanzasAtTheLimit", nil, attackLimit},
		{"SlowWriterBeforeLogin", func(c *local.Config) { c.Limits.Login = 300 * time.Millisecond }, attackSlowBefore},
		{"SlowWriterAfterLogin", func(c *local.Config) { c.Limits.Idle = 300 * time.Millisecond }, attackSlowAfter},
		{"SlowReaders", func(c *local.Config) { c.Limits.Write = 300 * time.Millisecond; c.Limits.Queue = 256 << 10 }, attackSlowReaders},
		{"ConnectionsBeforeLogin", nil, attackConnections},
		{"HalfHandshakes", func(c *local.Config) { c.Limits.Login = 500 * time.Millisecond }, attackHandshakes},
		{"OldTLS", nil, attackOldTLS},
		{"StreamsOfOneAccount", func(c *local.Config) { c.Limits.ClientsOfOne = 4 }, attackStreams},
		{"LoginsAndLogouts", nil, attackLogins},
		{"GuessedAccounts", nil, attackAccounts},
		{"GuessedAddresses", nil, attackAddresses},
		{"RosterPush", nil, attackPush},
		{"ManyContacts", func(c *local.Config) { c.Limits.Contacts = 50 }, attackContacts},
	} {
		t.Run(attack.name, func(t *testing.T) {
			srv := localtest.Start(t, attack.change)
			victim := online(t, srv, "victim", "1")
			longest := time.Duration(0)
			served := func() {
				t.Helper()
				began := time.Now()
				victim.send("<iq type='get' id='served' to='", srv.Domain(), "'><ping xmlns='urn:xmpp:ping'/></iq>")
				for e := victim.next(); e.Attr("id") != "served"; e = victim.next() { // asked whether it is there
					victim.send("<iq type='result' id='", e.Attr("id"), "' to='", srv.Domain(), "'/>")
				}
				longest = max(longest, time.Since(began))
			}
			served()
			heap, goroutines := inUse()
			attack.run(t, srv, served)
			served()
			if longest > 3*time.Second {
				t.Errorf("somebody else waited for %v", longest)
			}
			for until := time.Now().Add(5 * time.Second); ; time.Sleep(20 * time.Millisecond) {
				served()
				h, g := inUse()
				if h < heap+4<<20 && g <= goroutines+2 {
					return
				}
				if time.Now().After(until) {
					t.Fatalf("%d kB and %d goroutines, before the attack %d kB and %d", h>>10, g, heap>>10, goroutines)
				}
			}
		})
	}
}

// inUse is how much memory and how many goroutines there are.
func inUse() (heap int64, goroutines int) {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc), runtime.NumGoroutine()
}

// leave closes connections.
func leave(list ...*peer) {
	for _, p := range list {
		p.conn.Close()
	}
}

// attackLimit: a stanza of 256 KiB passes, one of a byte more ends the stream, and so
// does one that would be larger when it is passed on, for its sender at the most.
func attackLimit(t *testing.T, srv *localtest.Server, served func()) {
	b := online(t, srv, "b", "1")
	head, tail := "<message to='"+b.full+"'><body>", "</body></message>"
	fill := 256<<10 - len(head) - len(tail)
	a := online(t, srv, "a", "1")
	a.send(head, strings.Repeat("x", fill-100), tail)
	b.expect("<message from='" + a.full + "'")
	a.send(head, strings.Repeat("x", fill), tail) // the address of the sender comes on top
	a.expect("type='error'")
	a.send(head, strings.Repeat(">", fill), tail)
	a.expect("type='error'")
	go a.send(head, strings.Repeat("x", fill+1), tail)
	a.ends("policy-violation")
	for _, n := range []int{1000, 10_000} {
		a := online(t, srv, "a", "1")
		go a.send("<message to='", b.full, "'>", strings.Repeat("<a>", n), strings.Repeat("</a>", n), "</message>")
		a.ends("policy-violation")
		leave(a)
	}
	served()
	b.nothing()
	leave(a, b)
}

// attackSlowBefore: a byte now and then does not hold a connection for longer than the
// login may take, at any step.
func attackSlowBefore(t *testing.T, srv *localtest.Server, served func()) {
	early, inTLS := dial(t, srv), dial(t, srv)
	inTLS.secure()
	ended := make(chan time.Duration, 2)
	for _, p := range []*peer{early, inTLS} {
		go func() {
			began := time.Now()
			for _, c := range []byte(p.header() + strings.Repeat(" ", 1000)) {
				if _, err := p.conn.Write([]byte{c}); err != nil {
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			ended <- time.Since(began)
		}()
	}
	for range 2 {
		if took := <-ended; took > 3*time.Second {
			t.Errorf("it was let write for %v", took)
		}
		served()
	}
	leave(early, inTLS)
}

// attackSlowAfter: who writes bytes and never a whole stanza is taken for gone.
func attackSlowAfter(t *testing.T, srv *localtest.Server, served func()) {
	p := online(t, srv, "slow", "1")
	began := time.Now()
	io.WriteString(p.conn, "<message><body>")
	for {
		if _, err := io.WriteString(p.conn, "x"); err != nil {
			break
		}
		served()
		if time.Since(began) > 5*time.Second {
			t.Error("it may write for ever")
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	leave(p)
}

// attackSlowReaders: several who ask for much and read nothing are thrown out.
func attackSlowReaders(t *testing.T, srv *localtest.Server, served func()) {
	ended := make(chan bool, 4)
	var list []*peer
	for i := range 4 {
		p := online(t, srv, "deaf", fmt.Sprint(i))
		list = append(list, p)
		go func() {
			ask := strings.Repeat("<iq type='get' id='1' to='"+srv.Domain()+"'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", 200)
			p.conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
			var err error
			for err == nil {
				_, err = io.WriteString(p.conn, ask)
			}
			timeout, ok := err.(net.Error)
			ended <- !ok || !timeout.Timeout()
		}()
	}
	for range list {
		served()
		if !<-ended {
			t.Error("it is still connected")
		}
	}
	leave(list...)
}

// attackConnections: hundreds of connections that do nothing, or speak nonsense, keep
// nobody out.
func attackConnections(t *testing.T, srv *localtest.Server, served func()) {
	var list []net.Conn
	for i := range 300 {
		c, err := net.Dial("tcp", srv.Addr())
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, c)
		switch i % 3 {
		case 1:
			io.WriteString(c, "GET / HTTP/1.1\r\n\r\n")
		case 2:
			io.WriteString(c, "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
		}
		if i%50 == 0 {
			served()
		}
	}
	p := online(t, srv, "late", "1")
	p.nothing()
	for _, c := range list {
		c.Close()
	}
	leave(p)
}

// attackHandshakes: who begins with TLS and does not go on is not waited for, and none of
// them holds up the next login.
func attackHandshakes(t *testing.T, srv *localtest.Server, served func()) {
	var list []*peer
	for range 20 {
		p := dial(t, srv)
		p.open()
		p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		p.expect("<proceed ")
		io.WriteString(p.conn, "\x16\x03\x01\x02\x00\x01")
		list = append(list, p)
	}
	began := time.Now()
	late := online(t, srv, "late", "1")
	late.nothing()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a login took %v", took)
	}
	for _, p := range list {
		p.conn.SetReadDeadline(time.Now().Add(3 * time.Second))
		if _, err := io.Copy(io.Discard, p.conn); err != nil && isTimeout(err) {
			t.Error("still connected")
		}
	}
	leave(append(list, late)...)
}

func isTimeout(err error) bool {
	e, ok := err.(net.Error)
	return ok && e.Timeout()
}

// attackStreams: one account has so many streams and no more; another one is let in.
func attackStreams(t *testing.T, srv *localtest.Server, served func()) {
	var list []*peer
	for i := range 4 {
		list = append(list, online(t, srv, "many", fmt.Sprint(i)))
	}
	for range 8 {
		p := authenticated(t, srv, "many")
		p.send("<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>")
		p.expect("type='error'", "<resource-constraint ")
		p.ends("policy-violation")
		leave(p)
	}
	other := online(t, srv, "other", "1")
	other.nothing()
	for _, p := range list {
		p.nothing()
	}
	served()
	leave(append(list, other)...)
}

// attackLogins: who logs in and out again and again leaves nothing behind.
func attackLogins(t *testing.T, srv *localtest.Server, served func()) {
	for i := range 40 {
		p := available(t, srv, "busy", fmt.Sprint(i))
		leave(p)
		if i%10 == 0 {
			served()
		}
	}
}

// attackAccounts: neither the answers nor the time that they take tell an account that
// is there from one that is not.
func attackAccounts(t *testing.T, srv *localtest.Server, served func()) {
	const there, away = "victim", "nobody"
	took := map[string][]time.Duration{}
	answers := map[string]string{}
	for range 12 {
		for _, name := range []string{there, away} {
			p := dialed(t, srv)
			first := base64.StdEncoding.EncodeToString([]byte("n,,n=" + name + ",r=x"))
			began := time.Now()
			p.send("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-256'>", first, "</auth>")
			e := p.expect("<challenge ")
			took[name] = append(took[name], time.Since(began))
			b, _ := base64.StdEncoding.DecodeString(e.Text)
			parts := strings.Split(string(b), ",")
			answers[name] = fmt.Sprint(len(b), " ", parts[len(parts)-1])
			p.send("<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>")
			answers[name] += text(p.next())
			leave(p)
		}
	}
	if answers[there] != answers[away] {
		t.Errorf("told apart by\n%s\n%s", answers[there], answers[away])
	}
	began := time.Now()
	if _, err := local.NewCredential(password); err != nil {
		t.Fatal(err)
	}
	hashing := time.Since(began) // nothing else takes long enough to be seen
	if a, b := slices.Min(took[there]), slices.Min(took[away]); max(a, b)-min(a, b) > hashing/2 {
		t.Errorf("told apart by time: %v and %v; hashing takes %v", a, b, hashing)
	}
	served()
}

// attackAddresses: who has an account himself learns nothing of others by asking for
// their addresses.
func attackAddresses(t *testing.T, srv *localtest.Server, served func()) {
	victim := available(t, srv, "shy", "resource")
	p := available(t, srv, "curious", "1")
	ask := func(to, payload string) string {
		p.send("<iq type='get' id='g' to='", to, "'>", payload, "</iq>")
		return strings.ReplaceAll(text(p.expect("id='g'")), to, "…")
	}
	for _, payload := range []string{"<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
		"<query xmlns='http://jabber.org/protocol/disco#items'/>", "<query xmlns='jabber:iq:last'/>", "<vCard xmlns='vcard-temp'/>", "<query xmlns='jabber:iq:roster'/>"} {
		nobody := ask("nobody@"+srv.Domain(), payload)
		for _, to := range []string{victim.bare(), victim.bare() + "/x", victim.full + "1", "nobody@" + srv.Domain() + "/x"} {
			if got := ask(to, payload); got != nobody {
				t.Errorf("%s of %s: %s, of nobody %s", payload, to, got, nobody)
			}
		}
	}
	for _, to := range []string{victim.bare(), "nobody@" + srv.Domain()} {
		p.send("<presence type='probe' to='", to, "'/><presence type='unsubscribe' to='", to, "'/>")
		p.nothing()
	}
	victim.nothing()
	served()
	leave(victim, p)
}

// attackPush: a roster push that somebody sends comes with his own address, by which
// clients know that it is none; a bare address takes none.
func attackPush(t *testing.T, srv *localtest.Server, served func()) {
	victim := available(t, srv, "pushed", "1")
	p := online(t, srv, "pusher", "1")
	push := "<query xmlns='jabber:iq:roster'><item jid='" + p.bare() + "' subscription='both'/></query></iq>"
	p.send("<iq type='set' id='1' to='", victim.full, "'>", push)
	victim.expect("from='" + p.full + "'")
	p.send("<iq type='set' id='2' to='", victim.bare(), "'>", push)
	p.expect("id='2'", "service-unavailable")
	victim.send("<iq type='get' id='r'><query xmlns='jabber:iq:roster'/></iq>")
	if e := victim.expect("id='r'"); strings.Contains(text(e), "pusher") {
		t.Errorf("it is in the roster: %s", text(e))
	}
	served()
	leave(victim, p)
}

// attackContacts: nobody can fill another one's roster, and his own only so far.
func attackContacts(t *testing.T, srv *localtest.Server, served func()) {
	victim := available(t, srv, "asked", "1")
	p := online(t, srv, "asking", "1")
	refused := 0
	for i := range 200 {
		p.send("<iq type='set' id='s'><query xmlns='jabber:iq:roster'><item jid='", fmt.Sprint(i), "@example.org'/></query></iq>")
		if strings.Contains(text(p.expect("id='s'")), "resource-constraint") {
			refused++
		}
	}
	if refused != 150 {
		t.Errorf("%d of 200 contacts were refused, want 150", refused)
	}
	for range 100 { // one question, however often
		p.send("<presence type='subscribe' to='", victim.bare(), "'/>")
	}
	p.send("<iq type='get' id='last' to='", srv.Domain(), "'><ping xmlns='urn:xmpp:ping'/></iq>")
	for p.next().Attr("id") != "last" {
	}
	served()
	leave(victim, p)
	again := available(t, srv, "asked", "2")
	asked := 0
	for e := again.read(300 * time.Millisecond); e != nil; e = again.read(300 * time.Millisecond) {
		asked++
	}
	if asked != 1 {
		t.Errorf("%d questions wait for him, want one", asked)
	}
	leave(again)
}

// attackOldTLS: a client that has only a TLS older than 1.2 is not let in.
func attackOldTLS(t *testing.T, srv *localtest.Server, served func()) {
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		p := dial(t, srv)
		p.open()
		p.send("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
		p.expect("<proceed ")
		c := tls.Client(p.conn, &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		c.SetDeadline(time.Now().Add(5 * time.Second))
		if err := c.Handshake(); (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		leave(p)
	}
	served()
}
