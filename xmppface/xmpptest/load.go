package xmpptest

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Load is what a measurement found.
type Load struct {
	Count    int
	Rate     float64 // per second
	P50, P99 time.Duration
}

// Measure calls ask over and over, depth calls at a time, for about d or until
// one of them fails.
func Measure(ctx context.Context, depth int, d time.Duration, ask func(context.Context) error) (Load, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	took := make([][]time.Duration, depth)
	began := time.Now()
	var wg sync.WaitGroup
	for i := range depth {
		wg.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				if start.Sub(began) > d {
					return
				}
				if err := ask(ctx); err != nil {
					cancel(err)
					return
				}
				took[i] = append(took[i], time.Since(start))
			}
		})
	}
	wg.Wait()
	total := time.Since(began)
	all := slices.Concat(took...)
	if err := context.Cause(ctx); err != nil || len(all) == 0 {
		return Load{}, err
	}
	slices.Sort(all)
	return Load{Count: len(all), Rate: float64(len(all)) / total.Seconds(),
		P50: all[len(all)/2], P99: all[len(all)*99/100]}, nil
}
