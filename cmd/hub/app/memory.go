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
	leastMemory  = 22 << 20
	leastLoading = 20 << 20
	// room is what the limit leaves above the live heap, beside a part of it.
	room = 2 << 20
	// returnPause is how often, meanwhile, pages of the program itself are given back.
	returnPause = 100 * time.Millisecond
	// loading is how long the busy part of a start takes.
	loading = 2 * time.Second
	// often is how many collections a second are too many: then the limit is too close to
	// what is in use for what comes in, and is raised until it is not, by step for each time
	// often, up to a third of the live heap and mostExtra. A hub on which little happens stays small.
	often     = 4
	step      = 2 << 20
	mostExtra = 4 << 20
	// busyPercent takes the place of gcPercent then: it is the limit that counts.
	busyPercent = 200
)

// limitMemory keeps the soft limit of the memory just above what is in use, until ctx
// ends. GOMEMLIMIT in the environment goes before it.
func limitMemory(ctx context.Context) error {
	if os.Getenv("GOMEMLIMIT") != "" {
		<-ctx.Done()
		return nil
	}
	defer debug.SetMemoryLimit(math.MaxInt64)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	least := int64(leastLoading)
	var extra int64
	var cycles uint64
	percent := gcPercent
	defer func() { setPercent(&percent, gcPercent) }()
	var returned time.Time
	for began := time.Now(); ; {
		if least == leastLoading && time.Since(returned) > returnPause {
			returned = time.Now()
			returnProgram()
		}
		metrics.Read(live)
		inUse := int64(live[0].Value.Uint64())
		n := live[1].Value.Uint64()
		if least == leastMemory {
			extra = extraMemory(extra, inUse, n-cycles)
		}
		cycles = n
		debug.SetMemoryLimit(memoryLimit(inUse, least) + extra)
		if extra > 0 {
			setPercent(&percent, busyPercent)
		} else {
			setPercent(&percent, gcPercent)
		}
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

// setPercent changes how much the heap may grow, unless the environment says it.
func setPercent(now *int, percent int) {
	if *now != percent && os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
		*now = percent
	}
}

// memoryLimit is the limit for a live heap of so many bytes.
func memoryLimit(live, least int64) int64 {
	part := live * 3 / 10
	if least == leastLoading {
		part = live / 5
	}
	return max(least, live+part+room)
}

// extraMemory is what is added to the limit after a second with so many collections.
func extraMemory(extra, live int64, collections uint64) int64 {
	switch {
	case collections > often:
		return min(extra+step*int64(collections)/often, live/3+mostExtra)
	case collections <= often/4:
		return max(extra-step/8, 0)
	}
	return extra
}
