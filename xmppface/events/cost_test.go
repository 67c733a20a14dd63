package events

import (
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// BenchmarkIdle tells what a subscription costs that waits.
func BenchmarkIdle(b *testing.B) {
	f := newFake()
	link, _, _ := peer(b, f)
	const each, peers = 60, 8
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for p := range peers {
		l := link.Net().Join(fmt.Sprintf("p%d@example.org/x", p), make(inbox, 1))
		for i := range each {
			ask(b, l, "get", subscribe(NSNFI, "id='"+strconv.Itoa(i)+"' m='true'", "<nd id='GW/7'/>"))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		f.set("Root", field("Uptime", nodes.Int32(1)))
	}
	n := each * peers
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "heap-B/sub")
	b.ReportMetric(float64(after.StackInuse-before.StackInuse)/float64(n), "stack-B/sub")
}
