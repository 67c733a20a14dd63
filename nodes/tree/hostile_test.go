package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// odd is a device of which each call can be made to misbehave.
type odd struct {
	host     nodes.Host
	run      func(context.Context) error
	update   func(nodes.Change)
	interest func([]nodes.Interest)
	read     func(ctx context.Context, ids []string, yield func(nodes.Reading))
	set      func(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome))
	execute  func(ctx context.Context, node, command string, p nodes.Params) error
	query    func(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error
}

func (o *odd) Run(ctx context.Context) error {
	if o.run != nil {
		return o.run(ctx)
	}
	<-ctx.Done()
	return nil
}

func (o *odd) Update(c nodes.Change) {
	if o.update != nil {
		o.update(c)
	}
}

func (o *odd) Interest(list []nodes.Interest) {
	if o.interest != nil {
		o.interest(list)
	}
}

func (o *odd) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	if o.read != nil {
		o.read(ctx, ids, yield)
		return
	}
	for _, id := range ids {
		yield(value(id, "v", 1))
	}
}

// oddities opens odd devices; make says how the nth opening of a node behaves.
type oddities struct {
	make func(id string, nth int, o *odd) error

	mu     sync.Mutex
	opened map[string]int
	last   map[string]*odd
	forgot []string
}

func (o *oddities) Open(n *nodes.Node, h nodes.Host) (nodes.Device, error) {
	o.mu.Lock()
	if o.opened == nil {
		o.opened, o.last = make(map[string]int), make(map[string]*odd)
	}
	o.opened[n.ID]++
	nth := o.opened[n.ID]
	d := &odd{host: h}
	o.last[n.ID] = d
	o.mu.Unlock()
	if o.make != nil {
		if err := o.make(n.ID, nth, d); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (o *oddities) Forget(id string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.forgot = append(o.forgot, id)
}

func (o *oddities) count(id string) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.opened[id]
}

// plantOf starts a tree of buses, each with a box "X" with channels "a" and "b".
func plantOf(t *testing.T, o *oddities, buses ...string) *Tree {
	t.Helper()
	tr, err := New(Config{Types: testTypes, Store: &Memory{}, Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	var list []*nodes.Node
	for _, id := range buses {
		list = append(list, branch(id))
	}
	if err := tr.Import(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	return tr
}

func branch(id string) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: id, Type: "bus"}, Children: []*nodes.Node{
		{Spec: nodes.Spec{Name: "X", Type: "box"}, Children: []*nodes.Node{
			{Spec: nodes.Spec{Name: "a", Type: "channel"}}, {Spec: nodes.Spec{Name: "b", Type: "channel"}}}}}}
}

func channel(parent, name string) nodes.NewNode {
	return nodes.NewNode{Parent: nodes.In(parent), Type: "channel", Name: name}
}

func readAll(ctx context.Context, tr *Tree, ids ...string) (out []string) {
	tr.Read(ctx, ids, func(r nodes.Reading) { out = append(out, r.Node+": "+show(r)) })
	slices.Sort(out)
	return
}

// TestHangingUpdate: neither the writer nor other devices nor readers wait for a
// device that does not take a change; it is stopped and opened again.
func TestHangingUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var got atomic.Int32
		o := &oddities{make: func(id string, nth int, d *odd) error {
			switch {
			case id == "A" && nth == 1:
				d.update = func(nodes.Change) { <-release }
			case id == "B":
				d.update = func(nodes.Change) { got.Add(1) }
			}
			return nil
		}}
		tr := plantOf(t, o, "A", "B")
		synctest.Wait()
		begin := time.Now()
		for i := range 10 {
			if _, err := tr.Create(t.Context(), channel("A/X", fmt.Sprint("n", i))); err != nil {
				t.Fatal(err)
			}
			if _, err := tr.Create(t.Context(), channel("B/X", fmt.Sprint("n", i))); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(begin); took > patience {
			t.Errorf("20 changes took %v, want at most %v", took, patience)
		}
		if got.Load() != 10 {
			t.Errorf("the other device got %d changes, want 10", got.Load())
		}
		if got := readAll(t.Context(), tr, "A/X/a", "B/X/a"); len(got) != 2 || !strings.HasPrefix(got[0], "A/X/a: v=1.0") {
			t.Errorf("reading while it hangs: %q", got)
		}
		time.Sleep(stopTime + lastPause*2)
		if n := o.count("A"); n != 2 {
			t.Errorf("the device was opened %d times, want 2", n)
		}
		if _, err := tr.Create(t.Context(), channel("A/X", "after")); err != nil {
			t.Error(err)
		}
		close(release)
	})
}

// TestHangingInterest: other devices learn of interest all the same.
func TestHangingInterest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := make(map[string][]string)
		release := make(chan struct{})
		o := &oddities{make: func(id string, nth int, d *odd) error {
			d.interest = func(list []nodes.Interest) {
				mu.Lock()
				told[id] = append(told[id], fmt.Sprint(list))
				mu.Unlock()
				if id == "A" && nth == 1 {
					<-release
				}
			}
			return nil
		}}
		tr := plantOf(t, o, "A", "B")
		time.Sleep(time.Second / 2)
		stop := tr.Watch([]string{"B/X/a", "A/X/a"}, time.Second, func(nodes.Reading) {})
		time.Sleep(time.Second / 2)
		again := tr.Watch([]string{"B/X/a"}, 2*time.Second, func(nodes.Reading) {}) // nothing new
		time.Sleep(time.Second / 2)
		stop()
		again()
		time.Sleep(time.Second / 2)
		close(release)
		mu.Lock()
		defer mu.Unlock()
		if got, want := fmt.Sprint(told["B"]), "[[] [{B/X/a 1s}] []]"; got != want {
			t.Errorf("B was told %s, want %s", got, want)
		}
	})
}

// TestPanics: a panic in any call concerns only its own device, which is opened
// again.
func TestPanics(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(o *odd)
		do   func(t *testing.T, tr *Tree)
	}{
		{"update", func(o *odd) { o.update = func(nodes.Change) { panic("boom") } }, func(t *testing.T, tr *Tree) {
			if _, err := tr.Create(t.Context(), channel("A/X", "c")); err != nil {
				t.Error(err)
			}
		}},
		{"interest", func(o *odd) { o.interest = func([]nodes.Interest) { panic("boom") } }, func(*testing.T, *Tree) {}},
		{"read", func(o *odd) {
			o.read = func(context.Context, []string, func(nodes.Reading)) { panic("boom") }
		}, func(t *testing.T, tr *Tree) {
			got := fmt.Sprint(readAll(t.Context(), tr, "A/X/a", "B/X/a"))
			if !strings.Contains(got, "A/X/a: !fault of its adapter: boom") || !strings.Contains(got, "B/X/a: v=1.0") {
				t.Errorf("got %s", got)
			}
		}},
		{"run", func(o *odd) { o.run = func(context.Context) error { panic("boom") } }, func(*testing.T, *Tree) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &oddities{make: func(id string, nth int, d *odd) error {
					if id == "A" && nth == 1 {
						tt.make(d)
					}
					return nil
				}}
				tr := plantOf(t, o, "A", "B")
				synctest.Wait()
				var mu sync.Mutex
				said := ""
				defer tr.Subscribe(func(e nodes.Event) {
					mu.Lock()
					defer mu.Unlock()
					if e.Info.Ref.ID == "A" && len(e.Info.Messages) > 0 {
						said += e.Info.Messages[0].Text
					}
				})()
				tt.do(t, tr)
				time.Sleep(2 * time.Second)
				if a, b := o.count("A"), o.count("B"); a != 2 || b != 1 {
					t.Errorf("opened %d and %d times, want 2 and 1", a, b)
				}
				mu.Lock()
				defer mu.Unlock()
				if tt.name != "run" && !strings.Contains(said, "boom") {
					t.Errorf("the node says %q", said)
				}
				if i, _ := tr.Info("A", nodes.Detail{}); i.State != nodes.StateNone {
					t.Errorf("the state is still %v", i.State)
				}
			})
		})
	}
}

// TestPanicsWithoutADevice: an adapter that panics while it opens a device, checks
// parameters or shows properties.
func TestPanicsWithoutADevice(t *testing.T) {
	types := append([]nodes.Type{
		{Name: "bad", Title: "Bad", Parents: []string{nodes.TypeRoot}, Check: func(nodes.Params) map[string]string { panic("boom") }},
		{Name: "worse", Title: "Worse", Parents: []string{nodes.TypeRoot}, Properties: func(nodes.Params) []nodes.Property { panic("boom") }},
	}, testTypes...)
	o := &oddities{make: func(string, int, *odd) error { panic("boom") }}
	tr, err := New(Config{Types: types, Store: &Memory{}, Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	root := nodes.In(nodes.RootID)
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: root, Type: "bad", Name: "x"}); err == nil || !strings.Contains(err.Error(), "boom") {
		t.Errorf("got %v", err)
	}
	if i, err := tr.Create(t.Context(), nodes.NewNode{Parent: root, Type: "worse", Name: "y"}); err != nil || len(i.Properties) != 0 {
		t.Errorf("got %v, %v", i.Properties, err)
	}
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: root, Type: "bus", Name: "z"}); err != nil {
		t.Error(err)
	}
	until(t, "a message", func() bool { i, _ := tr.Info("z", nodes.Detail{}); return i.State == nodes.StateError })
}

// TestHangingRead: a device that heeds no context holds up neither its reader nor
// others, and is asked only once.
func TestHangingRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		o := &oddities{make: func(id string, nth int, d *odd) error {
			if id == "A" {
				d.read = func(_ context.Context, ids []string, yield func(nodes.Reading)) {
					calls.Add(1)
					<-release
					for _, id := range ids {
						yield(value(id, "v", 2))
					}
				}
			}
			return nil
		}}
		tr := plantOf(t, o, "A", "B")
		synctest.Wait()
		for round := range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			begin := time.Now()
			got := readAll(ctx, tr, "A/X/a", "B/X/a")
			cancel()
			if len(got) != 2 || !strings.Contains(got[0], "did not answer in time") || !strings.Contains(got[1], "v=1.0") {
				t.Errorf("round %d: %q", round, got)
			}
			if took := time.Since(begin); took > time.Second+grace {
				t.Errorf("round %d took %v", round, took)
			}
		}
		if calls.Load() != 1 {
			t.Errorf("the device was asked %d times, want once", calls.Load())
		}
		// Whoever waits gets the answer in the end.
		var got []string
		var wg sync.WaitGroup
		wg.Go(func() { got = readAll(t.Context(), tr, "A/X/a") })
		synctest.Wait()
		close(release)
		wg.Wait()
		if fmt.Sprint(got) != "[A/X/a: v=2.0 °C]" {
			t.Errorf("got %q", got)
		}
	})
}

// TestDestroyWhileRead: a reader learns at once, also one who waits for another's
// question, and also when a node of the same id is there again.
func TestDestroyWhileRead(t *testing.T) {
	for _, what := range []string{"A", "A/X", "A/X/a"} {
		for _, heeds := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, device heeds: %v", what, heeds), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					release := make(chan struct{})
					o := &oddities{make: func(id string, nth int, d *odd) error {
						d.read = func(ctx context.Context, ids []string, yield func(nodes.Reading)) {
							stop := ctx.Done()
							if !heeds {
								stop = nil
							}
							select {
							case <-stop:
							case <-release:
								for _, id := range ids {
									yield(value(id, "v", 2))
								}
							}
						}
						return nil
					}}
					tr := plantOf(t, o, "A")
					synctest.Wait()
					var wg sync.WaitGroup
					for range 3 {
						wg.Go(func() {
							if got := readAll(t.Context(), tr, "A/X/a"); len(got) != 1 || !strings.Contains(got[0], "removed meanwhile") {
								t.Errorf("got %q", got)
							}
						})
					}
					synctest.Wait()
					if err := tr.Destroy(t.Context(), what); err != nil {
						t.Fatal(err)
					}
					if what != "A" {
						close(release) // the device still runs, and may answer
					}
					wg.Wait()
					if what == "A" {
						if err := tr.Import(t.Context(), []*nodes.Node{branch("A")}); err != nil {
							t.Fatal(err)
						}
						synctest.Wait()
						close(release)
						synctest.Wait()
						if got := readAll(t.Context(), tr, "A/X/a"); fmt.Sprint(got) != "[A/X/a: v=2.0 °C]" {
							t.Errorf("the new one: %q", got)
						}
					}
				})
			})
		}
	}
}

// TestRecreateWhileRead: the end of a question about a node that was destroyed
// does not touch the one that has its id now.
func TestRecreateWhileRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		answers := make(chan nodes.Reading)
		o := &oddities{make: func(id string, nth int, d *odd) error {
			d.read = func(ctx context.Context, ids []string, yield func(nodes.Reading)) {
				for range ids {
					select {
					case r := <-answers:
						yield(r)
					case <-ctx.Done():
						return
					}
				}
			}
			return nil
		}}
		tr := plantOf(t, o, "A")
		synctest.Wait()
		var wg sync.WaitGroup
		var mu sync.Mutex
		var got []string
		ask := func() {
			wg.Go(func() {
				one := readAll(t.Context(), tr, "A/X/a")
				mu.Lock()
				defer mu.Unlock()
				got = append(got, one...)
			})
			synctest.Wait()
		}
		ask() // asks
		ask() // waits for it
		if err := tr.Destroy(t.Context(), "A/X/a"); err != nil {
			t.Fatal(err)
		}
		if _, err := tr.Create(t.Context(), channel("A/X", "a")); err != nil {
			t.Fatal(err)
		}
		ask() // asks for the new one
		answers <- value("A/X/a", "v", 1)
		answers <- value("A/X/a", "v", 2)
		wg.Wait()
		if len(got) != 3 {
			t.Errorf("got %q, want three answers", got)
		}
	})
}

// TestQuickOnesDoNotWait: leaves that others ask for come as they land.
func TestQuickOnesDoNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oddities{make: func(id string, nth int, d *odd) error {
			d.read = func(ctx context.Context, ids []string, yield func(nodes.Reading)) {
				for i, id := range ids { // in the order of ids: a, b, c
					wait := time.Duration(id[len(id)-1]-'a'+1) * time.Second
					if i > 0 {
						wait = time.Second
					}
					time.Sleep(wait)
					yield(value(id, "v", 1))
				}
			}
			return nil
		}}
		tr := plantOf(t, o, "A")
		if _, err := tr.Create(t.Context(), channel("A/X", "c")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		var wg sync.WaitGroup
		wg.Go(func() { readAll(t.Context(), tr, "A/X/a", "A/X/b") }) // a at 1 s, b at 2 s
		synctest.Wait()
		begin := time.Now()
		var got []string
		tr.Read(t.Context(), []string{"A/X/b", "A/X/c", "A/X/a", "A/X/a", "A/X/b"}, func(r nodes.Reading) {
			got = append(got, fmt.Sprint(r.Node, " ", time.Since(begin)))
		})
		wg.Wait()
		if g, want := fmt.Sprint(got), "[A/X/a 1s A/X/b 2s A/X/c 3s]"; g != want {
			t.Errorf("got %s, want %s", g, want)
		}
	})
}

// TestGivenUpByAnother: when whoever asks gives up, the next asks in his place,
// once.
func TestGivenUpByAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		o := &oddities{make: func(id string, nth int, d *odd) error {
			d.read = func(ctx context.Context, ids []string, yield func(nodes.Reading)) {
				if calls.Add(1) == 1 {
					<-ctx.Done()
					return
				}
				time.Sleep(time.Second)
				yield(value(ids[0], "v", 1))
			}
			return nil
		}}
		tr := plantOf(t, o, "A")
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() { readAll(ctx, tr, "A/X/a") })
		synctest.Wait()
		for range 5 {
			wg.Go(func() {
				if got := readAll(t.Context(), tr, "A/X/a"); fmt.Sprint(got) != "[A/X/a: v=1.0 °C]" {
					t.Errorf("got %q", got)
				}
			})
		}
		wg.Wait()
		if calls.Load() != 2 {
			t.Errorf("the device was asked %d times, want twice", calls.Load())
		}
	})
}

// TestDeviceThatDoesNotAnswer: who yields nothing, or for other nodes, or twice, or
// when Read has long returned.
func TestDeviceThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls atomic.Int32
		var late func()
		o := &oddities{make: func(id string, nth int, d *odd) error {
			d.read = func(ctx context.Context, ids []string, yield func(nodes.Reading)) {
				calls.Add(1)
				yield(value("Root", "v", 1))
				yield(value("A/X/b", "v", 1))
				if slices.Contains(ids, "A/X/b") {
					yield(value("A/X/b", "v", 2))
				}
				late = func() { yield(value("A/X/a", "v", 3)) }
				time.Sleep(time.Second)
			}
			return nil
		}}
		tr := plantOf(t, o, "A")
		synctest.Wait()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				if got := readAll(t.Context(), tr, "A/X/a"); fmt.Sprint(got) != "[A/X/a: !a has not been read yet]" {
					t.Errorf("got %q", got)
				}
			})
		}
		wg.Wait()
		if calls.Load() != 1 {
			t.Errorf("asked %d times, want once: the others accept the same answer", calls.Load())
		}
		if got := readAll(t.Context(), tr, "A/X/b"); fmt.Sprint(got) != "[A/X/b: v=1.0 °C]" {
			t.Errorf("got %q", got)
		}
		late()
	})
}

// TestHangingOpen: a device that is being opened for ever holds up only itself.
func TestHangingOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var updates atomic.Int32
		o := &oddities{make: func(id string, nth int, d *odd) error {
			if id == "A" {
				<-release
				d.update = func(nodes.Change) { updates.Add(1) }
			}
			return nil
		}}
		tr := plantOf(t, o, "A", "B")
		time.Sleep(openTime) // the other one may come after it
		synctest.Wait()
		begin := time.Now()
		for i := range 5 {
			if _, err := tr.Create(t.Context(), channel("A/X", fmt.Sprint("n", i))); err != nil {
				t.Fatal(err)
			}
		}
		if got := readAll(t.Context(), tr, "A/X/a", "B/X/a"); !strings.Contains(got[0], "being opened") || !strings.Contains(got[1], "v=1.0") {
			t.Errorf("got %q", got)
		}
		stop := tr.Watch([]string{"A/X/a"}, time.Second, func(nodes.Reading) {})
		defer stop()
		if took := time.Since(begin); took > patience {
			t.Errorf("took %v, want at most %v", took, patience)
		}
		close(release)
		synctest.Wait()
		if updates.Load() != 5 {
			t.Errorf("it got %d changes when it was open, want 5", updates.Load())
		}
	})
}

// TestSameIDAgain: a device is not opened before an earlier one with the same id
// has stopped.
func TestSameIDAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var running, most atomic.Int32
		o := &oddities{make: func(id string, nth int, d *odd) error {
			d.run = func(ctx context.Context) error {
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				defer running.Add(-1)
				<-ctx.Done()
				<-release
				return nil
			}
			return nil
		}}
		tr := plantOf(t, o, "A")
		synctest.Wait()
		for range 3 {
			if err := tr.Destroy(t.Context(), "A"); err != nil {
				t.Fatal(err)
			}
			if err := tr.Import(t.Context(), []*nodes.Node{branch("A")}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if got := readAll(t.Context(), tr, "A/X/a"); !strings.Contains(got[0], "earlier device with the same id is still stopping") {
			t.Errorf("got %q", got)
		}
		if o.count("A") != 1 {
			t.Errorf("opened %d times while the first runs", o.count("A"))
		}
		close(release)
		time.Sleep(time.Minute)
		if got := readAll(t.Context(), tr, "A/X/a"); fmt.Sprint(got) != "[A/X/a: v=1.0 °C]" {
			t.Errorf("got %q", got)
		}
		if most.Load() != 1 || running.Load() != 1 {
			t.Errorf("%d ran at once, %d in the end, want 1 and 1", most.Load(), running.Load())
		}
	})
}

// TestDeviceThatNeverStops: the node says so.
func TestDeviceThatNeverStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		o := &oddities{make: func(id string, nth int, d *odd) error {
			if nth == 1 {
				d.run = func(context.Context) error { <-release; return nil }
				d.update = func(nodes.Change) { panic("boom") }
			}
			return nil
		}}
		tr := plantOf(t, o, "A")
		synctest.Wait()
		if _, err := tr.Create(t.Context(), channel("A/X", "c")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * stopTime)
		i, _ := tr.Info("A", nodes.Detail{Messages: true})
		if len(i.Messages) != 1 || !strings.Contains(i.Messages[0].Text, "told to stop") {
			t.Errorf("messages: %v", i.Messages)
		}
		close(release)
		time.Sleep(time.Minute)
		if i, _ := tr.Info("A", nodes.Detail{}); i.State != nodes.StateNone || o.count("A") != 2 {
			t.Errorf("state %v, opened %d times", i.State, o.count("A"))
		}
	})
}

// TestReportsWhileDestroyed: reports of a device that goes are dropped, and whoever
// watched it hears nothing more.
func TestReportsWhileDestroyed(t *testing.T) {
	o := &oddities{}
	tr := plantOf(t, o, "A")
	until(t, "it is open", func() bool { return o.count("A") == 1 })
	o.mu.Lock()
	host := o.last["A"].host
	o.mu.Unlock()
	var gone atomic.Bool
	stop := tr.Watch([]string{"A", "A/X", "A/X/a", "A/X/a", "nowhere"}, time.Second, func(nodes.Reading) {
		if gone.Load() {
			t.Error("told of a node that is gone")
		}
	})
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-quit:
					return
				default:
					host.Report([]nodes.Reading{value("A/X/a", "v", float64(i)), value("A/X/b", "v", float64(i))})
					host.Fault("A/X/a", nodes.Message{EventID: "x", Text: fmt.Sprint(i)})
				}
			}
		})
	}
	time.Sleep(5 * time.Millisecond)
	if err := tr.Destroy(t.Context(), "A"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(5 * time.Millisecond) // a notice may have been on its way
	gone.Store(true)
	time.Sleep(5 * time.Millisecond)
	close(quit)
	wg.Wait()
	stop()
	stop()
	tr.mu.RLock()
	defer tr.mu.RUnlock()
	if tr.watchers != 0 {
		t.Errorf("%d watched nodes are left", tr.watchers)
	}
}

// TestSubscriberStopsItself, from its own call, and another one.
func TestSubscriberStopsItself(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	var first, second int
	var stop, stopOther func()
	stop = tr.Subscribe(func(nodes.Event) { first++; stop(); stopOther() })
	stopOther = tr.Subscribe(func(nodes.Event) { second++ })
	if err := tr.Destroy(t.Context(), "B"); err != nil { // four events
		t.Fatal(err)
	}
	if first != 1 || second != 0 {
		t.Errorf("told %d and %d times, want 1 and 0", first, second)
	}
}

// TestRunEndsWhileChangesWait: each gets an answer, and only what was acknowledged
// is there.
func TestRunEndsWhileChangesWait(t *testing.T) {
	for range 20 {
		store := &Memory{}
		tr, err := New(Config{Types: testTypes, Store: store, Opener: &oddities{}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		done := make(chan error)
		var good atomic.Int32
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				_, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "bus", Name: fmt.Sprint(i)})
				switch {
				case err == nil:
					if good.Add(1) == 10 {
						cancel()
					}
				case nodes.KindOf(err) != nodes.Gone:
					t.Errorf("Create: %v", err)
				}
			})
		}
		go func() { done <- tr.Run(ctx) }()
		wg.Wait()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		if len(store.records) != int(good.Load()) {
			t.Errorf("%d stored, %d acknowledged", len(store.records), good.Load())
		}
	}
}

func TestGivenUpChange(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := tr.Destroy(ctx, "B")
	var e *nodes.Error
	if !errors.As(err, &e) || !errors.Is(err, context.Canceled) || e.Kind != nodes.Timeout {
		t.Errorf("got %v (%T)", err, err)
	}
}

// TestEmptyDestroy: an empty id is no node, not no change.
func TestEmptyDestroy(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	if err := tr.Destroy(t.Context(), ""); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("got %v, want not found", err)
	}
	for name, list := range map[string][]*nodes.Node{
		"top":   {nil},
		"child": {{Spec: nodes.Spec{Name: "F", Type: "folder"}, Children: []*nodes.Node{nil}}},
	} {
		if err := tr.Import(t.Context(), list); nodes.KindOf(err) != nodes.Invalid {
			t.Errorf("a missing %s: got %v, want invalid", name, err)
		}
	}
}

// TestEventsOfAGroup: what events say of siblings and children holds after all that
// is written at once.
func TestEventsOfAGroup(t *testing.T) {
	tr, err := New(Config{Types: testTypes, Store: &Memory{}, Opener: &oddities{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	folder := func(name string, below ...*nodes.Node) *nodes.Node {
		return &nodes.Node{Spec: nodes.Spec{Name: name, Type: "folder"}, Children: below}
	}
	if err := tr.Import(t.Context(), []*nodes.Node{folder("1"), folder("2"), folder("3")}); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	var got []string
	tr.Subscribe(func(e nodes.Event) {
		got = append(got, fmt.Sprintf("%s %s after %q, children %v", e.Kind, e.Info.Ref.ID, e.After, e.Info.HasChildren))
	})
	three := "3"
	root := func(n *nodes.Node) *nodes.Node { n.Parent = nodes.RootID; return n }
	group := []*change{
		{ctx: t.Context(), remove: &three, done: make(chan error, 1)},
		{ctx: t.Context(), create: []*nodes.Node{root(folder("4", folder("in")))}, done: make(chan error, 1)},
		{ctx: t.Context(), create: []*nodes.Node{root(folder("5"))}, done: make(chan error, 1)},
	}
	tr.commit(group)
	for i, c := range group {
		if err := <-c.done; err != nil {
			t.Errorf("change %d: %v", i, err)
		}
	}
	want := []string{`removed 3 after "", children false`, `added 4 after "2", children true`,
		`added 4/in after "", children false`, `added 5 after "4", children false`}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// TestLastChangedNeverGoesBack, not even when what changed last was a removal.
func TestLastChangedNeverGoesBack(t *testing.T) {
	store := &Memory{}
	tr, _ := New(Config{Types: testTypes, Store: store, Opener: &oddities{}})
	stop := run(t, tr)
	for _, name := range []string{"1", "2"} {
		if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "folder", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Destroy(t.Context(), "2"); err != nil {
		t.Fatal(err)
	}
	was := tr.LastChanged()
	stop()
	again, err := New(Config{Types: testTypes, Store: store, Opener: &oddities{}})
	if err != nil || again.LastChanged().Before(was) {
		t.Errorf("%v after a restart, %v before it (%v)", again.LastChanged(), was, err)
	}
}
