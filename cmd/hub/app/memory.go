package app

import (
	"context"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// The collector may let the heap grow by gcPercent, and what it frees comes back to
// the system late: while the tree is loaded and the devices are opened that makes a
// peak. A soft limit a little above what is really in use keeps it low.
const (
	// leastMemory is the lowest limit, with which a hub of some 15,000 values runs
	// well, and leastLoading that while it starts, when the collector may work more.
	leastMemory  = 28 << 20
	leastLoading = 25 << 20
	// room is what the limit leaves above the live heap, beside a part of it.
	room = 2 << 20
	// loading is how long the busy part of a start takes.
	loading = 2 * time.Second
)

// limitMemory keeps the soft limit of the memory just above what is in use, until ctx
// ends. GOMEMLIMIT in the environment goes before it.
func limitMemory(ctx context.Context) error {
	if os.Getenv("GOMEMLIMIT") != "" {
		<-ctx.Done()
		return nil
	}
	defer debug.SetMemoryLimit(math.MaxInt64)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	least := int64(leastLoading)
	for began := time.Now(); ; {
		metrics.Read(live)
		debug.SetMemoryLimit(memoryLimit(int64(live[0].Value.Uint64()), least))
		if least == leastLoading && time.Since(began) > loading {
			least = leastMemory
			tick.Reset(time.Second)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// memoryLimit is the limit for a live heap of so many bytes.
func memoryLimit(live, least int64) int64 { return max(least, live+live*2/5+room) }
