package events

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

var (
	quiet = slog.New(slog.DiscardHandler)
	at    = time.Date(2026, 8, 20, 10, 11, 12, 345e6, time.UTC)
)

// fake is a backend over the nodes Root, GW/7, GW/8, and secret, which may only be
// seen. Tests change values.
type fake struct {
	mu       sync.Mutex
	watchers []*watcher
	fields   map[string][]nodes.Field
	reads    int
	stale    bool          // Current has nothing
	hold     chan struct{} // Read of GW/8 waits for it when not nil
}

type watcher struct {
	nodes.Watch
	mu    sync.Mutex
	ended bool
}

func newFake() *fake {
	return &fake{fields: map[string][]nodes.Field{
		"Root": {field("Uptime", nodes.Duration(0, time.Minute))},
		"GW/7": {field("Level", nodes.Quantity(1.5, 1, "m")), field("Pump", nodes.Bool(false)), {Name: "Serial", Value: nodes.String("7"), Time: at, Category: nodes.Identity}},
		"GW/8": {field("Level", nodes.Quantity(2.5, 1, "m"))},
	}}
}

func field(name string, v nodes.Value) nodes.Field {
	return nodes.Field{Name: name, Value: v, Time: at, Category: nodes.Momentary, QoS: nodes.AutomaticReadout}
}

func (f *fake) check(c nodes.Caller, refs []nodes.Ref) error {
	for _, ref := range refs {
		switch {
		case f.fields[ref.ID] == nil && ref.ID != "secret":
			return nodes.Errorf(nodes.NotFound, "watch", ref, "no node "+ext.Clip(ref.ID))
		case ref.ID == "secret":
			return nodes.Errorf(nodes.Forbidden, "watch", ref, "you may not read this node")
		}
	}
	return nil
}

func (f *fake) reading(ref nodes.Ref, ro *nodes.Readout) nodes.Reading {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := nodes.Reading{Node: ref.ID}
	for _, x := range f.fields[ref.ID] {
		if ro.Wants(&x) {
			r.Fields = append(r.Fields, x)
		}
	}
	return r
}

func (f *fake) Current(c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (bool, error) {
	if err := f.check(c, ro.Refs); err != nil || f.stale {
		return false, err
	}
	for _, ref := range ro.Refs {
		yield(ref, f.reading(ref, ro))
	}
	return true, nil
}

func (f *fake) Read(ctx context.Context, c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error {
	if err := f.check(c, ro.Refs); err != nil {
		return err
	}
	f.mu.Lock()
	f.reads++
	f.mu.Unlock()
	for _, ref := range ro.Refs {
		if ref.ID == "GW/8" && f.hold != nil {
			select {
			case <-f.hold:
			case <-ctx.Done():
				return nil
			}
		}
		yield(ref, f.reading(ref, ro))
	}
	return nil
}

func (f *fake) Watch(c nodes.Caller, w nodes.Watch) (func(), error) {
	if err := f.check(c, w.Refs); err != nil {
		return nil, err
	}
	x := &watcher{Watch: w}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watchers = append(f.watchers, x)
	return func() {
		f.mu.Lock()
		f.watchers = slices.DeleteFunc(slices.Clone(f.watchers), func(o *watcher) bool { return o == x })
		f.mu.Unlock()
		x.mu.Lock()
		x.ended = true
		x.mu.Unlock()
	}, nil
}

// set changes fields of a node and tells who watches it.
func (f *fake) set(id string, changed ...nodes.Field) {
	f.mu.Lock()
	list := slices.Clone(f.fields[id])
	for _, x := range changed {
		if i := slices.IndexFunc(list, func(o nodes.Field) bool { return o.Name == x.Name }); i >= 0 {
			list[i] = x
		} else {
			list = append(list, x)
		}
	}
	f.fields[id] = list
	f.mu.Unlock()
	f.tell(id, nodes.Reading{Node: id, Fields: changed})
}

func (f *fake) tell(id string, r nodes.Reading) {
	f.mu.Lock()
	watchers := f.watchers
	f.mu.Unlock()
	for _, w := range watchers {
		w.mu.Lock()
		for _, ref := range w.Refs {
			if ref.ID == id && !w.ended {
				w.Notify(ref, r)
			}
		}
		w.mu.Unlock()
	}
}

func (f *fake) watching() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.watchers)
}

// interval returns how often the first watcher wants values.
func (f *fake) interval() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.watchers[0].Interval
}

// inbox collects the messages that a peer gets.
type inbox chan *wire.Element

func (in inbox) Receive(m *ext.Message) { in <- m.Payload }

// next returns the next message, or nil when none comes for a while.
func (in inbox) next(wait time.Duration) *wire.Element {
	select {
	case e := <-in:
		return e
	case <-time.After(wait):
		return nil
	}
}

func peer(t testing.TB, f *fake) (*exttest.Link, inbox, *Server) {
	t.Helper()
	s := New(f, quiet)
	in := make(inbox, 10000)
	return exttest.Pair(t, s, in), in, s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not so after 5 s: %s", what)
		}
	}
}
