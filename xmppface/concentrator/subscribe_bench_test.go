package concentrator

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// drain is a link that takes messages and counts them; to one address slowly.
type drain struct {
	*exttest.Link
	told, slowly atomic.Int64
}

const slowJID = "slow@example.org"

func (d *drain) Tell(ctx context.Context, to string, _ []byte) error {
	if strings.HasPrefix(to, slowJID) {
		d.slowly.Add(1)
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	d.told.Add(1)
	return nil
}

// BenchmarkSubscribers tells 199 subscribers and a slow one, who takes a message each
// 5 ms, of 1,000 changes of status a second, for five seconds: what they get, how many
// events wait at most, and what it takes. The server's own work only: what a link does
// with a message is not part of it.
func BenchmarkSubscribers(b *testing.B) {
	const subscribers, rate, length = 200, 1000, 5 * time.Second
	for b.Loop() {
		f := newFake()
		_, link, s := pair(b, f, NSNF)
		d := &drain{Link: link.Net().Server}
		for i := range subscribers {
			who := slowJID
			if i > 0 {
				who = fmt.Sprintf("user%d@example.org", i)
			}
			f.mu.Lock()
			f.rights[who] = nodes.AllRights
			f.mu.Unlock()
			if got := ask(b, s, d, who, "set", op("subscribe", "ttl='3600'", "")); strings.HasPrefix(got, "<error") {
				b.Fatal(got)
			}
		}
		info := f.nodes()[1]
		infos := make([]nodes.Info, 100)
		for i := range infos {
			infos[i] = info
			infos[i].Ref = nodes.In(fmt.Sprint("node ", i))
		}
		most, slowest := 0, 0
		look := func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			for key, sub := range s.subscriptions {
				sub.mu.Lock()
				n := len(sub.waiting)
				sub.mu.Unlock()
				if strings.HasPrefix(key.jid, slowJID) {
					slowest = max(slowest, n)
				} else {
					most = max(most, n)
				}
			}
		}
		var before, after runtime.MemStats
		var used, then syscall.Rusage
		runtime.GC()
		runtime.ReadMemStats(&before)
		syscall.Getrusage(syscall.RUSAGE_SELF, &used)
		heap := uint64(0)
		begin := time.Now()
		n := 0
		for time.Since(begin) < length {
			for due := int(time.Since(begin).Seconds() * rate); n < due; n++ {
				f.happen(nodes.Event{Kind: nodes.NodeStatusChanged, Time: time.Now(), Info: infos[n%len(infos)]})
			}
			if n%500 < 5 {
				look()
				runtime.ReadMemStats(&after)
				heap = max(heap, after.HeapAlloc)
			}
			time.Sleep(time.Millisecond)
		}
		took := time.Since(begin)
		syscall.Getrusage(syscall.RUSAGE_SELF, &then)
		eventually(b, "the last event", func() bool { return d.told.Load() == int64(n)*(subscribers-1) })
		cpu := then.Utime.Nano() + then.Stime.Nano() - used.Utime.Nano() - used.Stime.Nano()
		b.ReportMetric(float64(n)/took.Seconds(), "events/s")
		b.ReportMetric(float64(d.told.Load())/took.Seconds(), "told/s")
		b.ReportMetric(float64(d.slowly.Load())/took.Seconds(), "slow-told/s")
		b.ReportMetric(float64(cpu)/float64(took)*100, "%cpu")
		b.ReportMetric(float64(most), "waiting")
		b.ReportMetric(float64(slowest), "slow-waiting")
		b.ReportMetric(float64(heap-min(heap, before.HeapAlloc))/1e6, "MB")
	}
}
