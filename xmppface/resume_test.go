package xmppface

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// link is a network between clients and their server that can be cut.
type link struct {
	l    net.Listener
	made atomic.Int64 // connections

	mu    sync.Mutex
	pairs []*pair
	wg    sync.WaitGroup
}

type pair struct {
	client, server net.Conn
	deaf           atomic.Bool // what comes is lost
}

func network(t *testing.T, server string) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &link{l: l}
	n.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", server)
			if err != nil {
				c.Close()
				continue
			}
			p := &pair{client: c, server: s}
			n.mu.Lock()
			n.pairs = append(n.pairs, p)
			n.mu.Unlock()
			n.made.Add(1)
			n.wg.Go(func() { p.pass(c, s) })
			n.wg.Go(func() { p.pass(s, c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		for _, p := range n.pairs {
			p.client.Close()
			p.server.Close()
		}
		n.wg.Wait()
	})
	return n
}

func (p *pair) pass(to, from net.Conn) {
	b := make([]byte, 1000) // so that what is under way is torn
	for {
		k, err := from.Read(b)
		if err != nil {
			if !p.deaf.Load() {
				to.Close()
			}
			return
		}
		if !p.deaf.Load() {
			to.Write(b[:k])
		}
	}
}

// silence loses what is under way on all connections, and what comes; nobody is told.
func (n *link) silence() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pairs {
		p.deaf.Store(true)
	}
}

// cut is silence that our side notices at once, and the server's, too, when both.
func (n *link) cut(both bool) {
	n.silence()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, p := range n.pairs {
		p.client.(*net.TCPConn).SetLinger(0)
		p.client.Close()
		if both {
			p.server.(*net.TCPConn).SetLinger(0)
			p.server.Close()
		}
	}
}

func (n *link) addr() string { return n.l.Addr().String() }

// sequence checks that numbered messages come all, once and in order. ejabberd gives a
// session that it resumes what was on its way meanwhile after what is newer: then they may
// be apart by as many as apart says.
type sequence struct {
	t     *testing.T
	what  string
	apart int64
	next  atomic.Int64
	early map[int64]bool // came before next
}

func (q *sequence) receive(m *ext.Message) {
	got, err := strconv.ParseInt(m.Payload.Attr("n"), 10, 64)
	want := q.next.Load()
	switch {
	case err == nil && got == want:
		for want++; q.early[want]; want++ {
			delete(q.early, want)
		}
		q.next.Store(want)
	case err == nil && got > want && got <= want+q.apart && !q.early[got]:
		if q.early == nil {
			q.early = make(map[int64]bool)
		}
		q.early[got] = true
	default:
		q.t.Errorf("%s: message %d came in place of %d", q.what, got, want)
		q.next.Store(got + 1)
	}
}

// arrivals is the order in which numbered messages are on the wire, which is that in
// which they are handled.
type arrivals struct {
	mu   sync.Mutex
	wire []string
}

var number = regexp.MustCompile(` n='(\d+)'`)

func (a *arrivals) trace(sent bool, stanza []byte) {
	if m := number.FindSubmatch(stanza); m != nil && !sent {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.wire = append(a.wire, string(m[1]))
	}
}

// handled takes note that a message is handled, and tells whether it is its turn.
func (a *arrivals) handled(m *ext.Message) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.wire) == 0 || a.wire[0] != m.Payload.Attr("n") {
		return false
	}
	a.wire = a.wire[1:]
	return true
}

func (q *sequence) wait(ctx context.Context, n int64) {
	for q.next.Load() < n && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	if got := q.next.Load(); got != n {
		q.t.Errorf("%s: %d of %d messages came", q.what, got, n)
	}
}

func numbered(i int64) []byte { return fmt.Appendf(nil, "<n xmlns='%s' n='%d'/>", testNS, i) }

// TestResumption: the network is cut again and again under load; no message is lost,
// none comes twice, all are in order, every request is answered, and nobody is told
// that somebody has gone.
func TestResumption(t *testing.T) {
	// Prosody 0.12 goes on with the lost connection's parser: it cannot resume a session
	// when it has read a part of a stanza. So it must have time to read all that came.
	testResumption(t, xmpptest.Prosody(t, xmpptest.Options{Smacks: true}), false, 3*time.Millisecond)
}

// testResumption cuts at our side only, or at both; pause is between two messages.
func testResumption(t *testing.T, srv xmpptest.Server, both bool, pause time.Duration) {
	away := network(t, srv.Addr())
	a := account(t, srv, "hub")
	a.Server = away.addr()
	in, out := &sequence{t: t, what: "to the hub"}, &sequence{t: t, what: "from the hub"}
	if both { // ejabberd
		in.apart = 100
	}
	var came arrivals
	a.Trace = came.trace
	face, err := New(a, Options{First: 5 * time.Millisecond, Last: 20 * time.Millisecond}, xmpptest.NewEcho(500),
		&served{receive: func(m *ext.Message) {
			if !came.handled(m) {
				t.Errorf("message %s is handled out of its turn", m.Payload.Attr("n"))
			}
			in.receive(m)
		}, gone: func(_ ext.Link, jid string) {
			if jid == "" && !t.Failed() && in.next.Load() < 1<<40 {
				t.Error("the session ended")
			}
		}})
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, face.Run)
	ctx := within(t, 60*time.Second)
	hub, err := face.WaitOnline(ctx)
	if err != nil {
		t.Fatal(err)
	}
	client := online(t, account(t, srv, "client"), &served{receive: out.receive})

	const cuts = 12
	var load sync.WaitGroup
	var done atomic.Bool
	var sentIn, sentOut, answers int64
	load.Go(func() {
		for ; !done.Load(); sentOut++ {
			if err := hub.Tell(ctx, client.Self(), numbered(sentOut)); err != nil {
				t.Errorf("from the hub: %v", err)
				return
			}
			time.Sleep(pause)
		}
	})
	load.Go(func() {
		for ; !done.Load(); sentIn++ {
			if err := client.Tell(ctx, hub.Self(), numbered(sentIn)); err != nil {
				t.Errorf("to the hub: %v", err)
				return
			}
			time.Sleep(pause)
			// A server keeps some hundred for a session that is away.
			for sentIn-in.next.Load() > 100 && ctx.Err() == nil {
				time.Sleep(time.Millisecond)
			}
		}
	})
	load.Go(func() {
		for ; !done.Load(); answers++ {
			if _, err := client.Ask(ctx, hub.Self(), "get", xmpptest.EchoRequest()); err != nil {
				t.Errorf("a request: %v", err)
				return
			}
		}
	})
	for range cuts {
		before := away.made.Load()
		time.Sleep(20*time.Millisecond + rand.N(80*time.Millisecond))
		away.cut(both)
		for away.made.Load() == before && ctx.Err() == nil {
			time.Sleep(time.Millisecond)
		}
	}
	time.Sleep(100 * time.Millisecond)
	done.Store(true)
	load.Wait()
	in.wait(ctx, sentIn)
	out.wait(ctx, sentOut)
	t.Logf("%d connections, %d messages from the hub, %d to it, %d answers", away.made.Load(), sentOut, sentIn, answers)
	if face.Session() != hub {
		t.Error("there is another session")
	}
	if sentOut < 100 || sentIn < 100 || answers < 10 {
		t.Error("that was no load")
	}
	in.next.Store(1 << 40)
	stop()
}

// TestResumptionAfterSilence: a connection that is dead without a word is given up and
// the session goes on; meanwhile the state says so.
func TestResumptionAfterSilence(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Smacks: true})
	away := network(t, srv.Addr())
	a := account(t, srv, "hub")
	a.Server, a.KeepAlive = away.addr(), 100*time.Millisecond
	states := make(chan Status, 100)
	face, err := New(a, Options{First: 5 * time.Millisecond, Last: 20 * time.Millisecond, OnStatus: func(s Status) { states <- s }}, xmpptest.NewEcho(50))
	if err != nil {
		t.Fatal(err)
	}
	start(t, face.Run)
	hub, err := face.WaitOnline(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond) // silence, but the server gives signs of life
	if n := away.made.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	<-states
	away.silence()
	lost := <-states
	if lost.Online || lost.Failure == nil || lost.Failure.Kind != Lost || lost.JID != hub.Self() {
		t.Errorf("state %+v", lost)
	}
	for back := range states {
		if back.Online {
			break
		}
	}
	if face.Session() != hub {
		t.Error("there is another session")
	}
	isAlive(t, online(t, account(t, srv, "client")), hub)
}

// TestForgotten: a server that was restarted has not kept the session; a new one
// begins at once, and the extensions are told that all are gone.
func TestForgotten(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Smacks: true})
	gone := make(chan string, 10)
	a := account(t, srv, "hub")
	a.Welcome = func(nodes.Caller) bool { return true }
	face, err := New(a, Options{First: 5 * time.Millisecond, Last: 50 * time.Millisecond}, xmpptest.NewEcho(50),
		&served{gone: func(_ ext.Link, jid string) { gone <- jid }})
	if err != nil {
		t.Fatal(err)
	}
	start(t, face.Run)
	ctx := within(t, 20*time.Second)
	first, err := face.WaitOnline(ctx)
	if err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	srv.Start(t)
	<-first.Done()
	if jid := <-gone; jid != "" {
		t.Errorf("gone: %q", jid)
	}
	if err := first.Tell(ctx, "a@localhost/b", question); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("by the old session: %v", err)
	}
	for {
		s, err := face.WaitOnline(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s != first {
			isAlive(t, online(t, account(t, srv, "client")), s)
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestStopWhileAway: a face can be stopped, and told to connect anew, while its
// session waits to be resumed.
func TestStopWhileAway(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Smacks: true})
	face, err := New(account(t, srv, "hub"), Options{First: 5 * time.Millisecond, Last: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	stop := start(t, face.Run)
	ctx := within(t, 20*time.Second)
	first, err := face.WaitOnline(ctx)
	if err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	for face.Status().Online && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	face.Reconnect()
	<-first.Done()
	for face.Session() != nil && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	srv.Start(t)
	if _, err := face.WaitOnline(ctx); err != nil {
		t.Fatal(err)
	}
	srv.Kill()
	for face.Status().Online && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	stop()
	if st := face.Status(); st.Online || face.Session() != nil {
		t.Errorf("after the end: %+v", st)
	}
}
