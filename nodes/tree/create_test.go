package tree

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// below makes a node with a parent.
func below(parent string, n *nodes.Node) *nodes.Node {
	n.Parent = parent
	return n
}

func (o *oddities) lastOf(id string) *odd {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.last[id]
}

func folder(name string) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: "folder"}}
}

func machine(name string, below ...*nodes.Node) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: "machine"}, Children: below}
}

func part(name string, below ...*nodes.Node) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: "part"}, Children: below}
}

// TestHostCreate: what a device may make, and where; all of it or nothing.
func TestHostCreate(t *testing.T) {
	o := &oddities{}
	tr := works(t, o, "M", "N")
	if err := tr.Import(t.Context(), []*nodes.Node{folder("F"), below("M/P", machine("inner", part("Q")))}); err != nil {
		t.Fatal(err)
	}
	until(t, "the inner one is open", func() bool { _, err := sessionOf(tr, "M/P/inner"); return err == nil })
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		host string
		list []*nodes.Node
		kind nodes.ErrorKind // of the error; Internal: none
		ref  string          // of the error
		made string          // ids that are there afterwards; with an error, that are not
	}{
		{name: "nothing", host: "M"},
		{name: "a branch", host: "M", list: []*nodes.Node{below("M", part("new", valve("v", "n")))}, made: "M/new M/new/v"},
		{name: "below an earlier one of the list", host: "M", list: []*nodes.Node{below("M", part("x")), below("M/x", valve("v", ""))}, made: "M/x M/x/v"},
		{name: "below a later one of the list", host: "M", list: []*nodes.Node{below("M/y", valve("v", "")), below("M", part("y"))}, kind: nodes.NotFound, ref: "M/y", made: "M/y"},
		{name: "a device of its own", host: "M", list: []*nodes.Node{below("M/P", machine("m2", part("Q")))}, made: "M/P/m2 M/P/m2/Q"},
		{name: "below that", host: "M", list: []*nodes.Node{below("M/P", machine("m3")), below("M/P/m3", part("Q"))}, kind: nodes.NotFound, ref: "M/P/m3", made: "M/P/m3"},
		{name: "below another's", host: "M", list: []*nodes.Node{below("N", part("z"))}, kind: nodes.NotFound, ref: "N", made: "N/z"},
		{name: "below one that is cut out", host: "M", list: []*nodes.Node{below("M/P/inner", part("z"))}, kind: nodes.NotFound, ref: "M/P/inner", made: "M/P/inner/z"},
		{name: "below oneself, cut out", host: "M/P/inner", list: []*nodes.Node{below("M/P/inner", part("z"))}, made: "M/P/inner/z"},
		{name: "above oneself", host: "M/P/inner", list: []*nodes.Node{below("M/P", valve("z", ""))}, kind: nodes.NotFound, ref: "M/P", made: "M/P/z"},
		{name: "below a folder", host: "M", list: []*nodes.Node{below("F", machine("z"))}, kind: nodes.NotFound, ref: "F", made: "F/z"},
		{name: "below the root", host: "M", list: []*nodes.Node{below(nodes.RootID, machine("z"))}, kind: nodes.NotFound, ref: nodes.RootID, made: "z"},
		{name: "below nothing", host: "M", list: []*nodes.Node{part("z")}, kind: nodes.NotFound, ref: "", made: "z"},
		{name: "unknown parent", host: "M", list: []*nodes.Node{below("M/W", valve("z", ""))}, kind: nodes.NotFound, ref: "M/W", made: "M/W/z"},
		{name: "no node", host: "M", list: []*nodes.Node{below("M", part("z")), nil}, kind: nodes.Invalid, ref: "M", made: "M/z"},
		{name: "no child", host: "M", list: []*nodes.Node{below("M", part("z", nil))}, kind: nodes.Invalid, ref: "M/z", made: "M/z"},
		{name: "second is wrong", host: "M", list: []*nodes.Node{below("M", part("z")), below("M/P", valve("a", ""))}, kind: nodes.Invalid, ref: "M/P/a", made: "M/z"},
		{name: "wrong type", host: "M", list: []*nodes.Node{below("M", part("z", folder("f")))}, kind: nodes.NotAcceptable, ref: "M/z/f", made: "M/z"},
		{name: "no time", ctx: over, host: "M", list: []*nodes.Node{below("M", part("z"))}, kind: nodes.Timeout, ref: "", made: "M/z"},
	} {
		ctx := tt.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		err := o.lastOf(tt.host).host.Create(ctx, tt.list)
		var e *nodes.Error
		if (err != nil) != (tt.kind != 0) || err != nil && (!errors.As(err, &e) || e.Kind != tt.kind || e.Ref.ID != tt.ref) {
			t.Errorf("%s: %v (%+v), want %v about %q", tt.name, err, e, tt.kind, tt.ref)
		}
		for _, id := range strings.Fields(tt.made) {
			if tr.Has(id) != (err == nil) {
				t.Errorf("%s: %s is there: %v, error %v", tt.name, id, tr.Has(id), err)
			}
		}
	}
}

// latch is a mutex that synctest understands.
type latch chan struct{}

func newLatch() latch   { return make(latch, 1) }
func (l latch) lock()   { l <- struct{}{} }
func (l latch) unlock() { <-l }

// TestCreateFromCommand: a command that makes nodes may hold what its Update
// needs; neither waits for the other for ever, and the device learns of the nodes.
func TestCreateFromCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mu := newLatch()
		var got []string
		o := &oddities{make: func(_ string, _ int, o *odd) error {
			o.execute = func(ctx context.Context, _, _ string, _ nodes.Params) error {
				mu.lock()
				defer mu.unlock()
				if err := o.host.Create(ctx, []*nodes.Node{below("M", part("one", valve("v", "n")))}); err != nil {
					return err
				}
				return o.host.Create(ctx, []*nodes.Node{below("M/one", valve("w", "n"))})
			}
			o.update = func(c nodes.Change) {
				mu.lock()
				defer mu.unlock()
				for _, n := range c.Put {
					got = append(got, n.ID)
				}
			}
			return nil
		}}
		tr := works(t, o, "M")
		begin := time.Now()
		if err := tr.Execute(t.Context(), "M", "Reset", nil); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*patience {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		if want := "M/one M/one/v M/one/w"; strings.Join(got, " ") != want || o.count("M") != 1 {
			t.Errorf("the device learned of %q, want %q; opened %d times", got, want, o.count("M"))
		}
		if out, err := tr.Set(t.Context(), []nodes.Setting{set("M/one", "w", 1)}); err != nil || states(out) != "done" {
			t.Errorf("the new one: %v, %v", out, err)
		}
	})
}

// TestCreateWhereItMustNot: a device that makes nodes in Update or Interest holds
// up nobody for long.
func TestCreateWhereItMustNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fromUpdate, fromInterest, fromRun error
		o := &oddities{make: func(id string, _ int, o *odd) error {
			first := true
			o.update = func(nodes.Change) {
				if first {
					first = false
					fromUpdate = o.host.Create(t.Context(), []*nodes.Node{below("M", part("u"))})
				}
			}
			o.interest = func(list []nodes.Interest) {
				if len(list) > 0 {
					fromInterest = o.host.Create(t.Context(), []*nodes.Node{below("M", part("i"))})
				}
			}
			o.run = func(ctx context.Context) error {
				fromRun = o.host.Create(ctx, []*nodes.Node{below(id, part("r"))})
				<-ctx.Done()
				return nil
			}
			return nil
		}}
		tr := works(t, o, "M")
		begin := time.Now()
		if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("M"), Type: "part", Name: "p"}); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 2*patience {
			t.Errorf("took %v", took)
		}
		stop := tr.Watch([]string{"M/P"}, time.Second, func(nodes.Reading) {})
		defer stop()
		time.Sleep(2 * gatherTime)
		synctest.Wait()
		for _, id := range []string{"M/u", "M/i", "M/r"} {
			if !tr.Has(id) {
				t.Errorf("%s is not there: %v, %v, %v", id, fromUpdate, fromInterest, fromRun)
			}
		}
		if o.count("M") != 1 {
			t.Errorf("opened %d times", o.count("M"))
		}
	})
}

// slowStore waits before each commit until it may.
type slowStore struct {
	Memory
	may func()
}

func (s *slowStore) Commit(b Batch) error {
	s.may()
	return s.Memory.Commit(b)
}

// TestCreateOfTheDead: what a device wished whose session is over by the time its
// turn comes is not made; nor below a node that went meanwhile.
func TestCreateOfTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mu := newLatch() // held: nothing is written
		fall := make(chan struct{})
		o := &oddities{make: func(_ string, nth int, o *odd) error {
			o.run = func(ctx context.Context) error {
				select {
				case <-fall:
					return errBroken
				case <-ctx.Done():
					return nil
				}
			}
			return nil
		}}
		tr, err := New(Config{Types: workTypes, Opener: o, Store: &slowStore{may: func() { mu.lock(); defer mu.unlock() }}})
		if err != nil {
			t.Fatal(err)
		}
		run(t, tr)
		if err := tr.Import(t.Context(), []*nodes.Node{machine("M", part("P"), part("gone")), folder("F")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		host := o.lastOf("M").host
		var wg sync.WaitGroup
		// The node goes while the wish waits.
		mu.lock()
		wg.Go(func() {
			if err := tr.Destroy(t.Context(), "M/gone"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		var made error
		wg.Go(func() { made = host.Create(t.Context(), []*nodes.Node{below("M/gone", valve("v", ""))}) })
		synctest.Wait()
		mu.unlock()
		wg.Wait()
		if nodes.KindOf(made) != nodes.NotFound || tr.Has("M/gone/v") {
			t.Errorf("below a node that went: %v", made)
		}
		// The device falls over while the wish waits.
		mu.lock()
		wg.Go(func() {
			if err := tr.Destroy(t.Context(), "F"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		wg.Go(func() { made = host.Create(t.Context(), []*nodes.Node{below("M/P", valve("v", ""))}) })
		synctest.Wait()
		close(fall)
		synctest.Wait()
		mu.unlock()
		wg.Wait()
		if nodes.KindOf(made) != nodes.Gone || tr.Has("M/P/v") {
			t.Errorf("of a device that has stopped: %v", made)
		}
		// Later it is told so at once.
		if err := host.Create(t.Context(), []*nodes.Node{below("M/P", valve("v", ""))}); nodes.KindOf(err) != nodes.Gone {
			t.Errorf("afterwards: %v", err)
		}
	})
}

// TestCreateAtTheEnd: a device that makes nodes while the hub stops is told, and
// does not keep it from stopping.
func TestCreateAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var made error
		o := &oddities{make: func(id string, _ int, o *odd) error {
			o.run = func(ctx context.Context) error {
				<-ctx.Done()
				made = o.host.Create(context.WithoutCancel(ctx), []*nodes.Node{below(id, part("late"))})
				return nil
			}
			return nil
		}}
		tr, err := New(Config{Types: workTypes, Store: &Memory{}, Opener: o})
		if err != nil {
			t.Fatal(err)
		}
		stop := run(t, tr)
		if err := tr.Import(t.Context(), []*nodes.Node{machine("M")}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		stop()
		if nodes.KindOf(made) != nodes.Gone || tr.Has("M/late") {
			t.Errorf("got %v", made)
		}
	})
}
