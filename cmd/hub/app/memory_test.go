package app

import (
	"context"
	"math"
	"runtime/debug"
	"testing"
	"time"
)

func TestMemoryLimit(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct{ live, least, want int64 }{
		{0, leastLoading, leastLoading},
		{10 * mib, leastMemory, leastMemory},
		{100 * mib, leastMemory, 132 * mib},
	} {
		if got := memoryLimit(tt.live, tt.least); got != tt.want {
			t.Errorf("%d live: got %d, want %d", tt.live, got, tt.want)
		}
	}
}

func TestExtraMemory(t *testing.T) {
	const mib = 1 << 20
	for _, tt := range []struct {
		extra, live         int64
		collecting, working float64
		want                int64
	}{
		{0, 12 * mib, 0, 0, 0}, {0, 12 * mib, 0.001, 1, 0}, {0, 12 * mib, 0.5, 1, 2 * mib}, {13 * mib, 12 * mib, 0.5, 1, 14 * mib}, {14 * mib, 12 * mib, 0.5, 1, 14 * mib},
		{2 * mib, 12 * mib, 0.05, 1, 2 * mib}, {2 * mib, 12 * mib, 0, 0, 7 * mib / 4}, {mib / 8, 12 * mib, 0.001, 1, 0},
	} {
		if got := extraMemory(tt.extra, tt.live, tt.collecting, tt.working); got != tt.want {
			t.Errorf("%d MiB, %d MiB live, %v s of %v s: got %d, want %d", tt.extra/mib, tt.live/mib, tt.collecting, tt.working, got, tt.want)
		}
	}
}

// The limit holds while the hub runs, and no longer.
func TestLimitMemory(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- limitMemory(ctx) }()
	soon(t, "a limit", func() bool { return debug.SetMemoryLimit(-1) < math.MaxInt64 })
	cancel()
	select {
	case err := <-done:
		if err != nil || debug.SetMemoryLimit(-1) != math.MaxInt64 {
			t.Errorf("got %v, and a limit of %d", err, debug.SetMemoryLimit(-1))
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
	}
}
