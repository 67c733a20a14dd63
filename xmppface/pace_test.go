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

// TestPacing: through servers with Debian's limits the newest of a value that changes
// all the time comes within seconds, and requests are answered meanwhile. ejabberd begins
// with 20 kB that it takes at once, so that more is on its way at first.
func TestPacing(t *testing.T) {
	for _, tt := range []struct {
		name, hub string
		oldest    time.Duration
		server    func(t *testing.T) xmpptest.Server
	}{
		{"Prosody", "hub", 4 * time.Second, func(t *testing.T) xmpptest.Server { return xmpptest.Prosody(t, xmpptest.Options{Stock: true}) }},
		{"Prosody with smacks", "hub", 4 * time.Second, func(t *testing.T) xmpptest.Server {
			return xmpptest.Prosody(t, xmpptest.Options{Stock: true, Smacks: true})
		}},
		{"ejabberd", xmpptest.Limited, 9 * time.Second, func(t *testing.T) xmpptest.Server { return xmpptest.Ejabberd(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := paced(t, tt.server(t), tt.hub, 12*time.Second, (*Session).Tell)
			t.Logf("%+v", got)
			if got.count < 20 || got.oldest > tt.oldest || got.answers < 2 || !got.pace.Slow || got.pace.Rate > 30e3 || got.pace.Rate < 1e3 {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// BenchmarkStockServer compares what comes of a value that changes all the time with
// a sender that queues each change.
func BenchmarkStockServer(b *testing.B) {
	for _, server := range []string{"Prosody", "ejabberd"} {
		for _, sender := range []string{"hub", "naive"} {
			b.Run(server+"/"+sender, func(b *testing.B) {
				const d = 20 * time.Second
				for b.Loop() {
					srv, name := xmpptest.Server(nil), "hub"
					if server == "Prosody" {
						srv = xmpptest.Prosody(b, xmpptest.Options{Stock: true, Smacks: true})
					} else {
						srv, name = xmpptest.Ejabberd(b), xmpptest.Limited
					}
					send := (*Session).Tell
					if sender == "naive" {
						send = func(s *Session, _ context.Context, to string, payload []byte) error {
							return s.st.Send([]byte("<message to='"+to+"'>"), payload, endMessage)
						}
					}
					got := paced(b, srv, name, d, send)
					b.ReportMetric(float64(got.count)/d.Seconds(), "values/s")
					b.ReportMetric(float64(got.useful)/d.Seconds(), "useful/s")
					b.ReportMetric(got.oldest.Seconds(), "s-oldest")
					b.ReportMetric(float64(got.answers), "answers")
				}
			})
		}
	}
}

// fresh is how old a value may be to be of use.
const fresh = 2 * time.Second

type pacing struct {
	count   int           // values that came
	useful  int           // of them, not older than fresh
	oldest  time.Duration // of them, in the second half
	answers int64
	pace    struct {
		Rate float64
		Slow bool
	}
}

// paced sends the time, again and again, as a message of 500 bytes.
func paced(t testing.TB, srv xmpptest.Server, name string, d time.Duration, send func(*Session, context.Context, string, []byte) error) pacing {
	var got pacing
	var mu sync.Mutex
	began := time.Now()
	client := online(t, account(t, srv, "client"), &served{receive: func(m *ext.Message) {
		at, _ := strconv.ParseInt(m.Payload.Attr("at"), 10, 64)
		age := time.Since(time.UnixMicro(at))
		mu.Lock()
		defer mu.Unlock()
		got.count++
		if age <= fresh {
			got.useful++
		}
		if time.Since(began) > d/2 {
			got.oldest = max(got.oldest, age)
		}
	}})
	face, err := New(account(t, srv, name), Options{}, xmpptest.NewEcho(100))
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
