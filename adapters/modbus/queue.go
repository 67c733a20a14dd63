package modbus

import "time"

// moment is a time of polling: since the pool was made, by the clock that nobody
// sets.
type moment = time.Duration

// queue is a heap of blocks, the next due first; of those due together the one that
// was planned first.
type queue []*block

func (q queue) before(i, k int) bool {
	return q[i].next < q[k].next || q[i].next == q[k].next && q[i].order < q[k].order
}

// sink puts a block in its place whose time came to be later.
func (q queue) sink(i int) {
	for {
		k := 2*i + 1
		if k >= len(q) {
			return
		}
		if k+1 < len(q) && q.before(k+1, k) {
			k++
		}
		if !q.before(k, i) {
			return
		}
		q[i], q[k] = q[k], q[i]
		i = k
	}
}

// tidy restores the order after any change.
func (q queue) tidy() {
	for i := len(q)/2 - 1; i >= 0; i-- {
		q.sink(i)
	}
}
