package xmppface

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// BenchmarkEcho is the round trip of a canned answer through Prosody: the most
// that a namespace can reach.
func BenchmarkEcho(b *testing.B) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	srv := xmpptest.Prosody(b, xmpptest.Options{})
	benchmarkEcho(b, srv)
}

// BenchmarkEchoManaged is the same through a Prosody with stream management, which the
// hub uses and the client does not.
func BenchmarkEchoManaged(b *testing.B) {
	slog.SetDefault(slog.New(slog.DiscardHandler))
	srv := xmpptest.Prosody(b, xmpptest.Options{Smacks: true})
	client := online(b, account(b, srv, "client"))
	for _, size := range []int{200, 10000} {
		face, err := New(account(b, srv, fmt.Sprint("hub", size)), Options{}, xmpptest.NewEcho(size))
		if err != nil {
			b.Fatal(err)
		}
		start(b, face.Run)
		hub, err := face.WaitOnline(within(b, 20*time.Second))
		if err != nil {
			b.Fatal(err)
		}
		depths(b, size, client, hub.Self())
	}
}

// BenchmarkLoop is the same without a server and without TLS between two
// sessions: what the loop costs at both ends together.
func BenchmarkLoop(b *testing.B) {
	for _, size := range []int{200, 10000} {
		one, other := wired(b)
		client := session(b, one, other)
		hub := session(b, other, one, xmpptest.NewEcho(size))
		start(b, client.Run)
		start(b, hub.Run)
		depths(b, size, client, "")
	}
}

func benchmarkEcho(b *testing.B, srv xmpptest.Server) {
	client := online(b, account(b, srv, "client"))
	for _, size := range []int{200, 10000} {
		hub := online(b, account(b, srv, fmt.Sprint("hub", size)), xmpptest.NewEcho(size))
		depths(b, size, client, hub.Self())
	}
}

func depths(b *testing.B, size int, client *Session, to string) {
	for _, depth := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("%dB/%d", size, depth), func(b *testing.B) {
			b.ReportAllocs()
			ctx := within(b, time.Minute)
			var left atomic.Int64
			left.Store(int64(b.N))
			var wg sync.WaitGroup
			for range depth {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := client.Ask(ctx, to, "get", xmpptest.EchoRequest()); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "iq/s")
		})
	}
}

func TestMeasure(t *testing.T) {
	l, err := xmpptest.Measure(context.Background(), 4, 50*time.Millisecond, func(context.Context) error {
		time.Sleep(time.Millisecond)
		return nil
	})
	if err != nil || l.Count < 8 || l.P50 < time.Millisecond || l.P99 < l.P50 || l.Rate <= 0 {
		t.Errorf("got %+v, %v", l, err)
	}
}
