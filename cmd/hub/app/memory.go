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
	// The collector may take dear of a hub's processor time; above that the limit is too
	// close to what is in use, and is raised by step until it is not, up to a part of the
	// live heap and mostExtra. Below cheap it comes down again.
	dear, cheap = 0.07, 0.02
	step        = 2 << 20
	mostExtra   = 8 << 20
	// weighing is over which time that is looked at.
	weighing = 4 * time.Second
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
	seen := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/cpu/classes/user:cpu-seconds"}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	least := int64(leastLoading)
	var extra int64
	percent := gcPercent
	defer func() { setPercent(&percent, gcPercent) }()
	var returned, weighed time.Time
	var collecting, working float64 // seconds until then
	for began := time.Now(); ; {
		now := time.Now()
		if least == leastLoading && now.Sub(returned) > returnPause {
			returned = now
			returnProgram()
		}
		metrics.Read(seen)
		inUse := int64(seen[0].Value.Uint64())
		if gc, user := seen[1].Value.Float64(), seen[2].Value.Float64(); now.Sub(weighed) >= weighing {
			if least == leastMemory {
				extra = extraMemory(extra, inUse, gc-collecting, user-working)
			}
			weighed, collecting, working = now, gc, user
		}
		debug.SetMemoryLimit(memoryLimit(inUse, least) + extra)
		if extra > 0 {
			setPercent(&percent, busyPercent)
		} else {
			setPercent(&percent, gcPercent)
		}
		if least == leastLoading && now.Sub(began) > loading {
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

// extraMemory is what is added to the limit, after the collector took so many seconds of
// processor time and the hub itself others. Both are counted at the end of a collection:
// without one they stand.
func extraMemory(extra, live int64, collecting, working float64) int64 {
	switch share := collecting / (collecting + working); {
	case share > dear:
		return min(extra+step, live/2+mostExtra)
	case collecting == 0 || share < cheap:
		return max(extra-step/8, 0)
	}
	return extra
}
