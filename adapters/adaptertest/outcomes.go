package adaptertest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/fieldhub/hub/nodes"
)

// Outcomes records what a [nodes.Setter] yields, and what of it breaks the
// contract. Safe for concurrent use.
type Outcomes struct {
	mu       sync.Mutex
	list     []nodes.Outcome
	next     int
	closed   bool
	problems []string
}

// NewOutcomes makes a recorder for that many settings.
func NewOutcomes(settings int) *Outcomes { return &Outcomes{list: make([]nodes.Outcome, settings)} }

// Yield takes an outcome, as Set's yield.
func (o *Outcomes) Yield(i int, x nodes.Outcome) {
	alone := o.mu.TryLock()
	if !alone {
		o.mu.Lock()
	}
	defer o.mu.Unlock()
	if !alone {
		o.problem("an outcome was yielded while another was")
	}
	switch {
	case o.closed:
		o.problem("setting %d: %v was yielded after Set had returned", i, x.State)
		return
	case i < 0 || i >= len(o.list):
		o.problem("an outcome of setting %d of %d", i, len(o.list))
		return
	case i != o.next:
		o.problem("setting %d: %v was yielded when %d was due", i, x.State, o.next)
	}
	switch {
	case !x.State.Final() || x.State > nodes.WriteSkipped:
		o.problem("setting %d: state %d is not final", i, x.State)
	case !x.State.Good() && x.Err == nil:
		o.problem("setting %d: %v without a reason", i, x.State)
	case x.State.Good() && x.Err != nil:
		o.problem("setting %d: %v, with an error: %v", i, x.State, x.Err)
	case i > 0 && i == o.next && !o.list[i-1].State.Good() && x.State.Good():
		o.problem("setting %d: %v, though the one before is %v", i, x.State, o.list[i-1].State)
	case i > 0 && i == o.next && o.list[i-1].State.Good() && x.State == nodes.WriteSkipped:
		o.problem("setting %d: skipped, though the one before is %v", i, o.list[i-1].State)
	}
	o.next = i + 1
	o.list[i] = x
}

// Close says that Set has returned, and returns the outcomes and what broke the
// contract. An outcome that never came has the zero state.
func (o *Outcomes) Close() ([]nodes.Outcome, []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	for i, x := range o.list {
		if x.State == 0 {
			o.problem("setting %d: no outcome", i)
		}
	}
	return slices.Clone(o.list), slices.Clone(o.problems)
}

// Problems returns what broke the contract so far, also after Close.
func (o *Outcomes) Problems() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.problems)
}

func (o *Outcomes) problem(format string, a ...any) {
	if len(o.problems) < 20 {
		o.problems = append(o.problems, fmt.Sprintf(format, a...))
	}
}
