package sniffer

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

// Kind is what an [Event] shows.
type Kind uint8

// The kinds of events.
const (
	RxBin     Kind = iota + 1 // bytes received, in Data
	TxBin                     // bytes sent, in Data
	Rx                        // text received, or the meaning of received bytes
	Tx                        // text sent, or the meaning of sent bytes
	Info                      // something worth knowing: connected, closed
	Warning                   // odd, but the line goes on
	Error                     // what went wrong
	Exception                 // a fault of the hub
	Expired                   // the subscription has come to its end
)

// Event is one frame or remark. Data and Text must not be changed by anybody.
type Event struct {
	Time time.Time
	Kind Kind
	Node string // id of the node that it concerns; empty: the whole line
	Data []byte
	Text string
}

// Ring is how many recent events a tap keeps for those who come later.
const Ring = 256

// Tap is the place on a connection where one can listen. A nil Tap is valid and
// drops everything. Safe for concurrent use.
type Tap struct {
	subs atomic.Int32

	mu   sync.Mutex
	ring [Ring]Event // the Data of frames in it is the ring's own and used again
	next uint64      // total events so far
	list map[*Subscription]struct{}
}

// NewTap makes a tap.
func NewTap() *Tap { return &Tap{list: make(map[*Subscription]struct{})} }

// Active tells whether anybody listens, so that a remark need not be composed
// for nobody. Frames are passed always: the ring keeps them.
func (t *Tap) Active() bool { return t != nil && t.subs.Load() > 0 }

// Rx passes a copy of a frame that was just received.
func (t *Tap) Rx(node string, frame []byte) { t.Frame(time.Now(), RxBin, node, frame) }

// Tx passes a copy of a frame that is sent now.
func (t *Tap) Tx(node string, frame []byte) { t.Frame(time.Now(), TxBin, node, frame) }

// Frame passes a copy of a frame, [RxBin] or [TxBin], of a moment that the caller
// knows. It allocates nothing while nobody listens.
func (t *Tap) Frame(at time.Time, k Kind, node string, frame []byte) {
	if t == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.slot()
	e.Time, e.Kind, e.Node, e.Text, e.Data = at, k, node, "", append(e.Data[:0], frame...)
	if len(t.list) == 0 {
		return
	}
	t.pass(Event{Time: at, Kind: k, Node: node, Data: bytes.Clone(frame)})
}

// Note passes a remark.
func (t *Tap) Note(k Kind, node, text string) {
	if t == nil {
		return
	}
	at := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	e := t.slot()
	e.Time, e.Kind, e.Node, e.Text, e.Data = at, k, node, text, e.Data[:0]
	t.pass(Event{Time: at, Kind: k, Node: node, Text: text})
}

// slot takes the place of the oldest event in the ring.
func (t *Tap) slot() *Event {
	e := &t.ring[t.next%Ring]
	t.next++
	return e
}

// pass gives an event to all who listen.
func (t *Tap) pass(e Event) {
	for s := range t.list {
		s.put(e)
	}
}

// Recent returns the last events, oldest first, at most [Ring].
func (t *Tap) Recent() []Event {
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(t.next, Ring)
	out := make([]Event, 0, n)
	for i := t.next - n; i < t.next; i++ {
		e := t.ring[i%Ring]
		e.Data = append([]byte(nil), e.Data...) // the ring uses its own again
		out = append(out, e)
	}
	return out
}
