package xmppface

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local/localtest"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestAdmit: so many a second, twice as many at once; what is beyond is refused, and at
// last not answered. It is told when that begins and ends.
func TestAdmit(t *testing.T) {
	var log bytes.Buffer
	var told []string
	s := &Session{a: Account{Limits: Limits{Requests: 10, Answers: 1000, Flooding: func(who nodes.Caller) { told = append(told, who.JID) }}}, log: slog.New(slog.NewTextHandler(&log, nil))}
	s.senders.init()
	a, b := s.sender("a@b/1"), s.sender("c@d/1")
	if s.sender("a@b/2").peer != a.peer || a.peer == b.peer {
		t.Fatal("clients of one address share a peer, and no others")
	}
	begin := time.Now()
	for _, tt := range []struct {
		name              string
		after             time.Duration
		who               *sender
		n                 int
		in, away, ignored int
	}{
		{"the burst", 0, a, 100, 20, 10, 70},
		{"another", 0, b, 20, 20, 0, 0},
		{"a second later, another client of his", time.Second, s.sender("a@b/2"), 100, 10, 10, 80},
		{"half a minute later", 30 * time.Second, a, 20, 20, 0, 0},
		{"a minute later", time.Minute, a, 30, 20, 10, 0},
	} {
		got := make(map[verdict]int)
		for range tt.n {
			v, why := s.admit(tt.who, begin.Add(tt.after))
			got[v]++
			if (v == turnedAway) != (why != nil) || why != nil && (why.Type != "wait" || !strings.Contains(why.Text, "limits, requests")) {
				t.Fatalf("%s: verdict %v, %+v", tt.name, v, why)
			}
		}
		if got[admitted] != tt.in || got[turnedAway] != tt.away || got[ignored] != tt.ignored {
			t.Errorf("%s: got %v", tt.name, got)
		}
	}
	if !slices.Equal(told, []string{"a@b", "a@b"}) || strings.Count(log.String(), "asks for more") != 2 || strings.Count(log.String(), "keeps to") != 1 {
		t.Errorf("told of %v; the log:\n%s", told, &log)
	}

	now := begin.Add(2 * time.Minute)
	b.peer.answered(now, leastAnswers)
	if v, _ := s.admit(b, now); v != admitted {
		t.Error("refused when no more than allowed was answered")
	}
	if n := strings.Count(log.String(), "keeps to"); n != 2 || len(s.senders.flooders) != 0 {
		t.Errorf("the end of the flood of somebody who has gone is told, too: %d ends, %v left", n, s.senders.flooders)
	}
	b.peer.answered(now, 2000)
	if v, why := s.admit(b, now.Add(time.Second)); v != turnedAway || !strings.Contains(why.Text, "answer_bytes") {
		t.Errorf("with too many answers: %v, %+v", v, why)
	}
	if v, _ := s.admit(b, now.Add(3*time.Second)); v != admitted {
		t.Error("refused when that was made up for")
	}
}

// Addresses that come and go are forgotten, but for those that have something to make up
// for.
func TestPeersForgotten(t *testing.T) {
	s := &Session{a: Account{Limits: Limits{Requests: 10}}, pool: &pool{}, log: quiet(t)}
	s.senders.init()
	flooder := s.sender("flooder@b/1")
	flooder.peer.requests.AllowN(time.Now(), 20)
	for i := range 3 * maxSenders {
		s.sender(fmt.Sprintf("p%d@b/1", i))
	}
	if n, m := len(s.senders.byAddress), len(s.senders.peers); n > maxSenders || m > maxSenders {
		t.Errorf("%d senders and %d peers are remembered", n, m)
	}
	if s.sender("flooder@b/1").peer != flooder.peer {
		t.Error("who asked for too much was forgotten")
	}
}

// Handlers of one address that hang, whatever number of clients it has, leave room for
// those of others.
func TestPeerSlots(t *testing.T) {
	p := &pool{}
	p.start()
	release := make(chan struct{})
	var running, all atomic.Int32
	hanging := &peer{}
	for range 3 * poolSlots {
		q := &queue{peer: hanging}
		for range 2 {
			if !p.add(q, 1, 1000, false, func() { running.Add(1); <-release; running.Add(-1); all.Add(1) }) {
				t.Fatal("a job was refused")
			}
		}
	}
	for range 100 {
		done := make(chan struct{})
		if !p.add(&queue{peer: &peer{}}, 1, 1000, false, func() { close(done) }) {
			t.Fatal("another's job was refused")
		}
		select {
		case <-done:
		case <-time.After(5 * time.Second):
			t.Fatal("another's job does not run")
		}
	}
	if n := running.Load(); n != peerSlots {
		t.Errorf("%d handlers of one peer run, want %d", n, peerSlots)
	}
	close(release)
	for end := time.Now().Add(5 * time.Second); all.Load() != 6*poolSlots; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d jobs were done, want %d", all.Load(), 6*poolSlots)
		}
	}
	if err := p.stop(t.Context(), time.Second); err != nil || hanging.jobs != 0 || hanging.bytes != 0 || hanging.slots != 0 || p.free != poolSlots {
		t.Errorf("%v; left: %+v, %d free", err, hanging, p.free)
	}
}

// TestFlood: somebody floods the hub, with three clients and with every kind of stanza;
// another's requests are all answered in time, and of the flood no more is taken than the
// limits allow.
func TestFlood(t *testing.T) {
	for _, tt := range []struct {
		name string
		srv  func(t *testing.T) xmpptest.Server
	}{
		{"Prosody", func(t *testing.T) xmpptest.Server { return xmpptest.Prosody(t, xmpptest.Options{}) }},
		{"local", func(t *testing.T) xmpptest.Server { return localtest.Start(t, nil) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := tt.srv(t)
			const perSecond = 100
			var floods, flooded atomic.Int64
			count := func(jid string) {
				if strings.HasPrefix(jid, "flooder@") {
					floods.Add(1)
				}
			}
			a := account(t, srv, "hub")
			a.Limits = Limits{Requests: perSecond, Flooding: func(nodes.Caller) { flooded.Add(1) }}
			hub := online(t, a, &served{serve: func(r *ext.Request) { count(r.Caller.Full); r.Result([]byte("<done xmlns='" + testNS + "'/>")) },
				receive: func(m *ext.Message) { count(m.From) }})
			client := online(t, account(t, srv, "client"))
			ask := func() time.Duration {
				began := time.Now()
				if _, err := client.Ask(within(t, 10*time.Second), hub.Self(), "get", []byte("<ask xmlns='"+testNS+"'/>")); err != nil {
					t.Errorf("the other's request: %v", err)
				}
				return time.Since(began)
			}
			ask()
			ctx, cancel := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			began := time.Now()
			var sent atomic.Int64
			for i := range 3 {
				flooder := online(t, account(t, srv, "flooder"))
				wg.Go(func() {
					for n := 0; ctx.Err() == nil; n++ {
						b := fmt.Appendf(nil, "<%s to='%s' id='f%d-%d' type='%s'><%s xmlns='%s'/>", kind(n), hub.Self(), i, n, kindType(n), "ask", testNS)
						if flooder.st.Send(b, nil, []byte("</"+kind(n)+">")) == nil {
							sent.Add(1)
						}
						time.Sleep(200 * time.Microsecond)
					}
				})
			}
			time.Sleep(500 * time.Millisecond)
			var times []time.Duration
			for range 40 {
				times = append(times, ask())
				time.Sleep(25 * time.Millisecond)
			}
			cancel()
			wg.Wait()
			took := time.Since(began)
			slices.Sort(times)
			allowed := int64(perSecond * (took.Seconds() + 3)) // a burst of 2 s, and one for the end
			t.Logf("%d stanzas in %v, %d taken; the other's requests: median %v, longest %v", sent.Load(), took, floods.Load(), times[len(times)/2], times[len(times)-1])
			if sent.Load() < 2*allowed || floods.Load() > allowed || flooded.Load() != 1 {
				t.Errorf("of %d stanzas %d were taken, want at most %d; told %d times", sent.Load(), floods.Load(), allowed, flooded.Load())
			}
			if times[len(times)-1] > 2*time.Second {
				t.Errorf("the other's requests took up to %v", times[len(times)-1])
			}
		})
	}
}

// kind is that of the n-th stanza of a flood, and kindType its type.
func kind(n int) string     { return []string{"iq", "iq", "message", "presence"}[n%4] }
func kindType(n int) string { return []string{"get", "set", "normal", "subscribe"}[n%4] }
