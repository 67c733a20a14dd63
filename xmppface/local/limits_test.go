package local_test

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/local/localtest"
)

func TestBadStanzas(t *testing.T) {
	srv := localtest.Start(t, nil)
	other := online(t, srv, "b", "1")
	fill := strings.Repeat("x", 4096)
	for _, tt := range []struct{ name, in, want string }{
		{"too large", "<message to='" + other.full + "'><body>" + strings.Repeat("x", 256<<10) + "</body></message>", "policy-violation"},
		{"endless text", "<message><body>" + strings.Repeat(fill, 1000), "policy-violation"},
		{"endless attribute", "<message a='" + strings.Repeat(fill, 1000), "policy-violation"},
		{"endless comment", "<message><!--" + strings.Repeat(fill, 1000), "policy-violation"},
		{"endless name", "<" + strings.Repeat(fill, 1000), "policy-violation"},
		{"endless elements", "<message>" + strings.Repeat("<a/>", 1<<20), "policy-violation"},
		{"many elements", "<message>" + strings.Repeat("<a/>", 30000) + "</message>", "policy-violation"},
		{"deeply nested", "<message>" + strings.Repeat("<a>", 100), "policy-violation"},
		{"many attributes", "<message" + manyAttributes(100) + "/>", "policy-violation"},
		{"attribute twice", "<message to='" + other.full + "' to='x'/>", "not-well-formed"},
		{"wrong end", "<message></iq>", "not-well-formed"},
		{"bad UTF-8", "<message to='" + other.full + "'><body>\xc3\x28</body></message>", "not-well-formed"},
		{"control character", "<message to='" + other.full + "'><body>\x02</body></message>", "not-well-formed"},
		{"reference to a control character", "<message to='" + other.full + "'><body>&#2;</body></message>", "not-well-formed"},
		{"a comment", "<message to='" + other.full + "'><!-- x --></message>", "restricted-xml"},
		{"a processing instruction", "<message to='" + other.full + "'><?x y?></message>", "restricted-xml"},
		{"a document type", "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;'>]><message><body>&b;</body></message>", "restricted-xml"},
		{"an entity", "<message to='" + other.full + "'><body>&lol;</body></message>", "not-well-formed"},
		{"text between stanzas", "x<message/>", "not-well-formed"},
		{"another element", "<r xmlns='urn:xmpp:sm:3'/>", "unsupported-stanza-type"},
		{"another namespace", "<message xmlns='jabber:server' to='" + other.full + "'/>", "unsupported-stanza-type"},
		{"another stream", "<stream:stream xmlns:stream='http://etherx.jabber.org/streams'></stream:stream>", "bad-format"},
		{"features", "<stream:features/>", "bad-format"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := online(t, srv, "a", "1")
			go p.send(tt.in)
			p.ends(tt.want)
		})
	}
	other.nothing()
}

func manyAttributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " a%d=''", i)
	}
	return b.String()
}

// flood sends many large stanzas to somebody while others read what comes back.
func flood(p *peer, n int, stanza func(i int) string) (answers chan string) {
	answers = make(chan string, 10*n)
	go func() {
		for e := p.read(10 * time.Second); e != nil; e = p.read(10 * time.Second) {
			answers <- text(e)
			if e.Attr("id") == "end" {
				break
			}
		}
		close(answers)
	}()
	for i := range n {
		p.send(stanza(i))
	}
	p.send("<iq type='get' id='end' to='", p.srv.Domain(), "'><ping xmlns='urn:xmpp:ping'/></iq>")
	return answers
}

// TestSlowReader: a client that takes nothing harms only itself. Requests and
// messages to it come back, and memory stays bounded.
func TestSlowReader(t *testing.T) {
	srv := localtest.Start(t, nil)
	slow, hub, other := online(t, srv, "slow", "1"), online(t, srv, "hub", "1"), online(t, srv, "other", "1")
	slow.send("<presence/>")
	large := "<x xmlns='urn:x'>" + strings.Repeat("x", 100<<10) + "</x>"
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const n = 60 // 6 MB
	refused := 0
	began := time.Now()
	for answer := range flood(hub, n, func(i int) string {
		if i%2 == 0 {
			return fmt.Sprintf("<iq type='get' id='i%d' to='%s'>%s</iq>", i, slow.full, large)
		}
		return fmt.Sprintf("<message id='i%d' to='%s'>%s</message>", i, slow.bare(), large)
	}) {
		if strings.Contains(answer, "id='end'") {
			continue
		}
		if !strings.Contains(answer, "type='error'") || !strings.Contains(answer, "<error type='wait'><resource-constraint ") {
			t.Errorf("got %.300s", answer)
		}
		refused++
	}
	took := time.Since(began)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if refused < n/2 || refused == n {
		t.Errorf("%d of %d were refused", refused, n)
	}
	if took > 10*time.Second {
		t.Errorf("it took %v", took)
	}
	if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 12<<20 {
		t.Errorf("%d MB are held", held>>20)
	}
	other.nothing()
	hub.nothing()
	// When it reads again, all that was taken is there, in order.
	slow.expect("<presence ")
	last := -1
	for range n - refused {
		var i int
		if _, err := fmt.Sscanf(slow.next().Attr("id"), "i%d", &i); err != nil || i <= last {
			t.Fatalf("number %d after %d, %v", i, last, err)
		}
		last = i
	}
	slow.nothing()
}

// TestSlowReaderOfAnswers: answers that do not fit turn into errors.
func TestSlowReaderOfAnswers(t *testing.T) {
	srv := localtest.Start(t, nil)
	slow, hub := online(t, srv, "slow", "1"), online(t, srv, "hub", "1")
	large := "<x xmlns='urn:x'>" + strings.Repeat("x", 100<<10) + "</x>"
	const n = 50
	for answer := range flood(hub, n, func(i int) string {
		return fmt.Sprintf("<iq type='result' id='i%d' to='%s'>%s</iq>", i, slow.full, large)
	}) {
		if !strings.Contains(answer, "id='end'") {
			t.Errorf("an answer was answered: %.300s", answer)
		}
	}
	results, lost := 0, 0
	for i := range n {
		e := slow.expect("<iq ", "from='"+hub.full+"'", fmt.Sprintf("id='i%d'", i))
		switch {
		case e.Attr("type") == "result":
			results++
		case strings.Contains(text(e), "<error type='wait'><resource-constraint "):
			lost++
		default:
			t.Fatalf("got %.300s", text(e))
		}
	}
	if results == 0 || lost == 0 {
		t.Errorf("%d answers and %d errors", results, lost)
	}
	slow.nothing()
}

// TestDeafClient: one that asks and asks but never reads is disconnected.
func TestDeafClient(t *testing.T) {
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.Queue = 64 << 10 })
	p, other := online(t, srv, "deaf", "1"), online(t, srv, "other", "1")
	request := strings.Repeat("<iq type='get' id='1' to='"+srv.Domain()+"'><query xmlns='http://jabber.org/protocol/disco#info'/></iq>", 1000)
	deadline := time.Now().Add(20 * time.Second)
	for {
		p.conn.SetWriteDeadline(deadline)
		if _, err := io.WriteString(p.conn, request); err != nil {
			break
		}
	}
	if time.Now().After(deadline) {
		t.Error("it is still connected")
	}
	other.nothing()
}

// TestStuckClient: one that takes nothing of what waits for it for too long is
// disconnected.
func TestStuckClient(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.Write = 200 * time.Millisecond; c.Limits.Queue = 16 << 20 })
	stuck, a := available(t, srv, "stuck", "1"), available(t, srv, "stuck", "2")
	stuck.expect("<presence ")
	a.expect("<presence ")
	body := strings.Repeat("x", 200<<10)
	for range 15 { // more than the sockets hold
		a.send("<message to='", stuck.full, "'><body>", body, "</body></message>")
	}
	for gone := false; !gone; { // what comes later comes back
		switch e := a.next(); {
		case e.Name.Local == "presence":
			gone = true
			if e.Attr("type") != "unavailable" || e.Attr("from") != stuck.full {
				t.Errorf("got %s", text(e))
			}
		case e.Attr("type") != "error":
			t.Errorf("got %.300s", text(e))
		}
	}
}

func TestSilentClients(t *testing.T) {
	t.Parallel()
	srv := localtest.Start(t, func(c *local.Config) { c.Limits.Idle = 400 * time.Millisecond })
	watcher := available(t, srv, "user", "watcher")
	silent := available(t, srv, "user", "silent")
	silent.expect("<presence ")
	began := time.Now()
	for gone := false; !gone; { // the watcher answers pings
		switch e := watcher.next(); {
		case e.Name.Local == "iq" && e.Attr("from") == srv.Domain():
			watcher.send("<iq type='result' id='", e.Attr("id"), "' to='", srv.Domain(), "'/>")
		case e.Attr("type") == "unavailable":
			gone = e.Attr("from") == silent.full
		}
	}
	if took := time.Since(began); took < 400*time.Millisecond || took > 3*time.Second {
		t.Errorf("it was given up after %v", took)
	}
	silent.expect("<iq ", "type='get'", "from='"+srv.Domain()+"'", "urn:xmpp:ping")
	if e := silent.read(5 * time.Second); e != nil {
		t.Errorf("after the ping: %s", text(e))
	}
}
