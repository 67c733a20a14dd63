package xmppface

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestPacing: through a Prosody with Debian's limit the newest of a value that changes
// all the time comes within seconds, and requests are answered meanwhile.
func TestPacing(t *testing.T) {
	for _, smacks := range []bool{false, true} {
		t.Run(fmt.Sprint("smacks ", smacks), func(t *testing.T) {
			srv := xmpptest.Prosody(t, xmpptest.Options{Stock: true, Smacks: smacks})
			got := paced(t, srv, 6*time.Second, func(s *Session, ctx context.Context, to string, b []byte) error { return s.Tell(ctx, to, b) })
			t.Logf("%+v", got)
			if got.count < 20 || got.oldest > 4*time.Second || got.answers < 2 || !got.pace.Slow || got.pace.Rate > 30e3 || got.pace.Rate < 2e3 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// BenchmarkStockProsody compares what comes of a value that changes all the time with
// a sender that queues each change.
func BenchmarkStockProsody(b *testing.B) {
	for _, naive := range []bool{false, true} {
		b.Run(fmt.Sprint("naive ", naive), func(b *testing.B) {
			const d = 20 * time.Second
			for b.Loop() {
				got := paced(b, xmpptest.Prosody(b, xmpptest.Options{Stock: true, Smacks: true}), d, func(s *Session, ctx context.Context, to string, payload []byte) error {
					if !naive {
						return s.Tell(ctx, to, payload)
					}
					return s.st.Send([]byte("<message to='"+to+"'>"), payload, endMessage)
				})
				b.ReportMetric(float64(got.count)/d.Seconds(), "values/s")
				b.ReportMetric(got.oldest.Seconds(), "s-oldest")
				b.ReportMetric(float64(got.answers), "answers")
			}
		})
	}
}

type pacing struct {
	count   int           // values that came
	oldest  time.Duration // of them, in the second half
	answers int64
	pace    struct {
		Rate float64
		Slow bool
	}
}

// paced sends the time, again and again, as a message of 500 bytes.
func paced(t testing.TB, srv xmpptest.Server, d time.Duration, send func(*Session, context.Context, string, []byte) error) pacing {
	var got pacing
	var mu sync.Mutex
	began := time.Now()
	client := online(t, account(t, srv, "client"), &served{receive: func(m *ext.Message) {
		at, _ := strconv.ParseInt(m.Payload.Attr("at"), 10, 64)
		age := time.Since(time.UnixMicro(at))
		mu.Lock()
		defer mu.Unlock()
		got.count++
		if time.Since(began) > d/2 {
			got.oldest = max(got.oldest, age)
		}
	}})
	face, err := New(account(t, srv, "hub"), Options{}, xmpptest.NewEcho(100))
	if err != nil {
		t.Fatal(err)
	}
	start(t, face.Run)
	hub, err := face.WaitOnline(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	padding := strings.Repeat("x", 350)
	var answers atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if _, err := client.Ask(ctx, hub.Self(), "get", xmpptest.EchoRequest()); err == nil {
				answers.Add(1)
			}
			time.Sleep(500 * time.Millisecond)
		}
	})
	for ctx.Err() == nil {
		send(hub, ctx, client.Self(), fmt.Appendf(nil, "<v xmlns='%s' at='%d'>%s</v>", testNS, time.Now().UnixMicro(), padding))
		time.Sleep(time.Millisecond)
	}
	wg.Wait()
	mu.Lock()
	defer mu.Unlock()
	got.answers = answers.Load()
	p := hub.Pace()
	got.pace.Rate, got.pace.Slow = p.Rate, p.Slow
	return got
}
