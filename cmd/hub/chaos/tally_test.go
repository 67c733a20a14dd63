package chaos

import (
	"fmt"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// tally is what the rounds of each kind showed. It is used by one goroutine.
type tally struct {
	names []string
	kinds map[string]*score
}

type score struct {
	back, away []time.Duration // since the end of the bad thing, and since its beginning
	resumed    int
	sent, lost int // events, in all rounds
	kept       int // events, in those whose session was resumed
}

func newTally() *tally { return &tally{kinds: make(map[string]*score)} }

func (tl *tally) add(kind string, back, away time.Duration, resumed bool, sent, lost int) {
	s := tl.kinds[kind]
	if s == nil {
		s = &score{}
		tl.kinds[kind], tl.names = s, append(tl.names, kind)
	}
	s.back, s.away = append(s.back, back), append(s.away, away)
	s.sent, s.lost = s.sent+sent, s.lost+lost
	if resumed {
		s.resumed++
		s.kept += sent
	}
}

// kept is how many events came of those that were sent by sessions that were resumed.
func (tl *tally) kept() (n int) {
	for _, s := range tl.kinds {
		n += s.kept
	}
	return n
}

// String returns the rows of docs/chaos.md.
func (tl *tally) String(p *person) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "\n| server | what | rounds | back p50 | back p99 | from the beginning p50 | p99 | session resumed | events sent | of them by resumed sessions | events lost |\n|---|---|---|---|---|---|---|---|---|---|---|\n")
	for _, name := range tl.names {
		s := tl.kinds[name]
		fmt.Fprintf(&b, "| %s | %s | %d | %.2f s | %.2f s | %.2f s | %.2f s | %d | %d | %d | %d |\n",
			p.site.name, name, len(s.back), at(s.back, 50), at(s.back, 99), at(s.away, 50), at(s.away, 99), s.resumed, s.sent, s.kept, s.lost)
	}
	fmt.Fprintf(&b, "%s: readouts %d right, %d failed; writes %d done, %d not, %d unknown of which %d were done; the hub was found %d times\n", p.site.name, p.reads, p.failed,
		p.counts[written], p.counts[notWritten], p.counts[nobodyKnows], p.lateYes, p.visits)
	for _, r := range slices.Sorted(maps.Keys(p.reasons)) {
		fmt.Fprintf(&b, "  %d × %s\n", p.reasons[r], r)
	}
	return b.String()
}

// at is a percentile, in seconds. It sorts the list.
func at(list []time.Duration, percent int) float64 {
	slices.Sort(list)
	return list[(len(list)-1)*percent/100].Seconds()
}

// footprint is what this process takes: two hubs, their plants and people.
type footprint struct {
	goroutines int
	heap       float64 // MB in use after a collection
	resident   float64 // MB; 0: unknown
}

func (f footprint) String() string {
	return fmt.Sprintf("%d goroutines, heap %.1f MB, resident %.1f MB", f.goroutines, f.heap, f.resident)
}

func takeFootprint() footprint {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	f := footprint{goroutines: runtime.NumGoroutine(), heap: float64(m.HeapAlloc) / 1e6}
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return f // not Linux
	}
	if _, rest, ok := strings.Cut(string(b), "VmRSS:"); ok {
		kb, err := strconv.Atoi(strings.Fields(rest)[0])
		if err == nil {
			f.resident = float64(kb) / 1024
		}
	}
	return f
}

// compareFootprint waits until the process takes no more than it did before, but for
// what the test itself keeps.
func compareFootprint(t *testing.T, before footprint) {
	t.Helper()
	const moreGoroutines, moreHeap = 8, 4.0
	var after footprint
	for end := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		after = takeFootprint()
		if after.goroutines <= before.goroutines+moreGoroutines && after.heap <= before.heap+moreHeap {
			break
		}
		if time.Now().After(end) {
			t.Errorf("%v before, %v after", before, after)
			break
		}
	}
	t.Logf("before: %v; after: %v", before, after)
}
