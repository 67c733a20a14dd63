package xmppface

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

func TestUnsent(t *testing.T) {
	var u unsent
	if !u.none() || u.waiting(0) != 0 {
		t.Error("something waits at first")
	}
	u.add(100, 100)
	u.add(5100, 5000)
	u.add(5200, 100)
	for i := range 1000 { // many small ones take little room
		u.add(int64(5300+100*i), 100)
	}
	if n := len(u.spans); n > 30 {
		t.Errorf("%d spans", n)
	}
	for _, tt := range []struct {
		taken int64
		want  int
	}{
		{0, 105_200}, {99, 105_200}, {100, 105_100}, {5099, 105_100}, {5100, 100_100}, {60_000, 45_900}, {105_200, 0}, {200_000, 0},
	} {
		// What was added together is taken together.
		if got := u.waiting(tt.taken); got < tt.want || got > tt.want+smallAnswer {
			t.Errorf("at %d %d bytes wait, want %d", tt.taken, got, tt.want)
		}
	}
	if !u.none() || u.spans != nil {
		t.Errorf("left: %d bytes, %d spans", u.bytes, len(u.spans))
	}
}

// TestFloodOfAnswers: somebody asks for more than a slow connection carries. What waits for
// him is bounded, so that another's requests are answered all, and soon.
func TestFloodOfAnswers(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Stock: true, Settings: `limits = { c2s = { rate = "200kb/s"; burst = "1s" } }`})
	a := account(t, srv, "hub")
	var told atomic.Int64
	a.Limits = Limits{Unsent: 64 << 10, Flooding: func(who nodes.Caller) {
		if who.JID == "flooder@localhost" {
			told.Add(1)
		}
	}}
	small := []byte("<done xmlns='" + testNS + "'/>")
	large := []byte("<done xmlns='" + testNS + "'>" + strings.Repeat("x", 40<<10) + "</done>")
	hub := online(t, a, &served{serve: func(r *ext.Request) {
		if strings.HasPrefix(r.Caller.Full, "flooder@") {
			r.Result(large)
			return
		}
		r.Result(small)
	}})
	client, flooder := online(t, account(t, srv, "client")), online(t, account(t, srv, "flooder"))
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var answered, refused atomic.Int64
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil {
				each, end := context.WithTimeout(ctx, time.Second) // some are ignored
				_, err := flooder.Ask(each, hub.Self(), "get", []byte("<ask xmlns='"+testNS+"'/>"))
				end()
				switch {
				case err == nil:
					answered.Add(1)
				case strings.Contains(err.Error(), "answers_waiting"):
					refused.Add(1)
				case each.Err() == nil:
					t.Errorf("the flooder: %v", err)
					return
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	var longest time.Duration
	for range 8 {
		began := time.Now()
		if _, err := client.Ask(within(t, 20*time.Second), hub.Self(), "get", []byte("<ask xmlns='"+testNS+"'/>")); err != nil {
			t.Errorf("the other's request: %v", err)
		}
		longest = max(longest, time.Since(began))
	}
	cancel()
	wg.Wait()
	t.Logf("the other's requests took up to %v; of the flooder's %d were answered and %d refused, told %d times", longest, answered.Load(), refused.Load(), told.Load())
	if longest > 4*time.Second || answered.Load() == 0 || refused.Load() == 0 || told.Load() != 1 {
		t.Errorf("the other's requests took up to %v; of the flooder's %d were answered and %d refused, told %d times", longest, answered.Load(), refused.Load(), told.Load())
	}
}
