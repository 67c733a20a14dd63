package tree

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// gatherTime is how long changes of interest are gathered before devices learn.
const gatherTime = 100 * time.Millisecond

// watcher is told of changes of some nodes.
type watcher struct {
	interval time.Duration
	tell     func(nodes.Reading)

	mu    sync.Mutex // held while telling, so that stop can wait for it
	ended bool
}

func (w *watcher) notify(r nodes.Reading) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.ended {
		w.tell(r)
	}
}

// Watch tells of changes of nodes, a device standing for all its parts, until stop
// is called; after stop has returned notify is not called again. interval is how
// often values are wanted; 0 adds no wish of its own. notify must be quick and not
// call the tree; it gets the fields that changed, under the id that is watched.
func (t *Tree) Watch(ids []string, interval time.Duration, notify func(nodes.Reading)) (stop func()) {
	w := &watcher{interval: interval, tell: notify}
	t.mu.Lock()
	var watched []*node
	for _, id := range ids {
		if n := t.nodes[id]; n != nil && !slices.Contains(n.watchers, w) {
			n.watchers = append(slices.Clone(n.watchers), w)
			watched = append(watched, n)
		}
	}
	t.watchers += len(watched)
	t.mu.Unlock()
	t.wakeInterest()
	return func() {
		t.mu.Lock()
		t.watchers -= len(watched)
		for _, n := range watched {
			n.watchers = slices.DeleteFunc(slices.Clone(n.watchers), func(have *watcher) bool { return have == w })
		}
		watched = nil
		t.mu.Unlock()
		w.mu.Lock()
		w.ended = true
		w.mu.Unlock()
		t.wakeInterest()
	}
}

func (t *Tree) wakeInterest() {
	select {
	case t.interest <- struct{}{}:
	default:
	}
}

// gatherInterest tells devices which of their nodes somebody wants, and how
// often, a little after it changed.
func (t *Tree) gatherInterest(ctx context.Context) {
	for {
		select {
		case <-t.interest:
		case <-ctx.Done():
			return
		}
		select {
		case <-time.After(gatherTime):
		case <-ctx.Done():
			return
		}
		for d, list := range t.wishes() {
			if s, _ := d.current(); s != nil {
				s.wish(list)
			}
		}
	}
}

// wishes returns the interest in each device's nodes, the shortest interval for
// each; devices that nobody is interested in have an empty list.
func (t *Tree) wishes() map[*device][]nodes.Interest {
	t.mu.RLock()
	defer t.mu.RUnlock()
	shortest := make(map[*node]time.Duration)
	for _, n := range t.nodes {
		for _, w := range n.watchers {
			parts(n, func(p *node) {
				if have, ok := shortest[p]; !ok || w.interval > 0 && (have == 0 || w.interval < have) {
					shortest[p] = w.interval
				}
			})
		}
	}
	out := make(map[*device][]nodes.Interest, len(t.devices))
	for _, d := range t.devices {
		out[d] = nil
	}
	for n, interval := range shortest {
		if n.owner != nil {
			out[n.owner] = append(out[n.owner], nodes.Interest{Node: n.spec.ID, Interval: interval})
		}
	}
	for _, list := range out { // always in the same order: a device is told only of what is new
		slices.SortFunc(list, func(a, b nodes.Interest) int { return strings.Compare(a.Node, b.Node) })
	}
	return out
}
