package gpio

import "sync"

// interlocks are groups of outputs of which at most one is on. Safe for concurrent
// use.
type interlocks struct {
	mu   sync.Mutex
	held map[string]string // id of the node that is on, by group
}

func newInterlocks() *interlocks { return &interlocks{held: make(map[string]string)} }

// claim takes a group for an output, which may have it already; else it returns
// who has it.
func (l *interlocks) claim(group, id string) (other string, ok bool) {
	if group == "" {
		return "", true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if other, taken := l.held[group]; taken && other != id {
		return other, false
	}
	l.held[group] = id
	return "", true
}

// release gives back whatever groups the output has, but for one.
func (l *interlocks) release(id, but string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, holder := range l.held {
		if holder == id && (but == "" || group != but) {
			delete(l.held, group)
		}
	}
}
