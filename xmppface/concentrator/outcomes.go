package concentrator

import (
	"sync"
	"sync/atomic"
)

// outcomes are what became of a command on several nodes. It is answered once, when all
// are done or the time is over, whatever is known then.
type outcomes struct {
	mu     sync.Mutex
	states []int32 // commandWaits, commandRuns, commandOver
	errs   []error
	closed bool
}

func newOutcomes(n int) *outcomes {
	return &outcomes{states: make([]int32, n), errs: make([]error, n)}
}

// run calls f for each node, several at a time, in order, until it is closed, and returns
// when none runs.
func (o *outcomes) run(atOnce int, f func(i int) error) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(atOnce, len(o.states)) {
		all.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(o.states) || !o.begin(i) {
					return
				}
				o.end(i, f(i))
			}
		})
	}
	all.Wait()
}

func (o *outcomes) begin(i int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.states[i] = commandRuns
	return true
}

func (o *outcomes) end(i int, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.states[i], o.errs[i] = commandOver, err
	}
}

// close returns what became of each; nil when that was told already.
func (o *outcomes) close() []error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	for i, state := range o.states {
		switch state {
		case commandWaits:
			o.errs[i] = errNoTime
		case commandRuns:
			o.errs[i] = errOutcome
		}
	}
	return o.errs
}
