package adaptertest

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
)

// Writing is what the contract needs to write.
type Writing struct {
	Node     *nodes.Node     // the connecting node
	Settings []nodes.Setting // at least two, which the peer accepts in any order
	Refused  nodes.Setting   // one that the peer refuses; zero: there is none
	Writes   func() int      // how many writes have reached the peer so far
}

// testSet checks writing. Which kinds of outcomes there are under which fault is
// up to the adapter's own tests.
func testSet(t *testing.T, c Config) {
	if c.Writing == nil {
		for _, typ := range c.Factory().Types {
			if typ.Controls != nil {
				t.Skipf("nodes of type %s may be written, but Config.Writing is not set", typ.Name)
			}
		}
		t.Skip("nothing can be written")
	}
	start := func(t *testing.T) (*Device, Writing) {
		w := c.Writing(t)
		if len(w.Settings) < 2 || w.Writes == nil {
			t.Fatal("the contract needs two settings, and to know what is written")
		}
		d := Start(t, c.Factory(), w.Node)
		return d, w
	}
	t.Run("Good", func(t *testing.T) {
		d, w := start(t)
		for i, o := range d.Set(5*time.Second, w.Settings...) {
			if !o.State.Good() || o.Time.IsZero() {
				t.Errorf("setting %d: %v at %v, %v", i, o.State, o.Time, o.Err)
			}
		}
		if w.Writes() == 0 {
			t.Error("nothing reached the peer")
		}
		if out := d.Set(time.Second); len(out) != 0 {
			t.Errorf("nothing to be set: %v", out)
		}
	})
	t.Run("StopsAtTheFirstFailure", func(t *testing.T) {
		d, w := start(t)
		unknown := nodes.Setting{Node: "no such node", Name: "no such name", Value: w.Settings[0].Value}
		out := d.Set(5*time.Second, w.Settings[0], unknown, w.Settings[1])
		if !out[0].State.Good() || out[1].State != nodes.WriteRefused || out[2].State != nodes.WriteSkipped {
			t.Errorf("an unknown node: %v %v %v, want a good one, refused, skipped", out[0].State, out[1].State, out[2].State)
		}
		if w.Refused == (nodes.Setting{}) {
			return
		}
		out = d.Set(5*time.Second, w.Settings[0], w.Refused, w.Settings[1])
		if !out[0].State.Good() || out[1].State != nodes.WriteRefused || out[2].State != nodes.WriteSkipped {
			t.Errorf("what the peer refuses: %v %v %v, want a good one, refused, skipped", out[0].State, out[1].State, out[2].State)
		}
	})
	t.Run("Expired", func(t *testing.T) {
		d, w := start(t)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		before, begin := w.Writes(), time.Now()
		out := d.setAll(ctx, w.Settings)
		if took := time.Since(begin); took > time.Second {
			t.Errorf("it took %v", took)
		}
		for i, o := range out {
			if o.State != nodes.WriteExpired && (i == 0 || o.State != nodes.WriteSkipped) {
				t.Errorf("setting %d: %v, want that it expired", i, o.State)
			}
		}
		if n := w.Writes() - before; n != 0 {
			t.Errorf("%d writes reached the peer", n)
		}
	})
	t.Run("Together", func(t *testing.T) {
		d, w := start(t)
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				for range 3 {
					ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
					for _, o := range d.setAll(ctx, w.Settings[i%2:]) {
						if !o.State.Good() {
							t.Errorf("writer %d: %v, %v", i, o.State, o.Err)
						}
					}
					cancel()
				}
			})
		}
		wg.Go(func() {
			for range 20 {
				d.Update(nodes.Change{Put: []*nodes.Node{{Spec: w.Node.Spec}}})
				time.Sleep(time.Millisecond)
			}
		})
		wg.Wait()
	})
	t.Run("AtTheEnd", func(t *testing.T) {
		w := c.Writing(t)
		existing := settled()
		d := Start(t, c.Factory(), w.Node)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		stopped := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for over := false; !over; {
					select {
					case <-stopped:
						over = true // once more
					default:
					}
					d.setAll(ctx, w.Settings)
					time.Sleep(time.Millisecond)
				}
			})
		}
		time.Sleep(50 * time.Millisecond)
		d.Stop()
		close(stopped)
		returned(t, &wg, "Set", "the end of Run")
		before := w.Writes()
		for i, o := range d.setAll(ctx, w.Settings) {
			if o.State.Good() {
				t.Errorf("after the end: setting %d is %v", i, o.State)
			}
		}
		if n := w.Writes() - before; n != 0 {
			t.Errorf("%d writes reached the peer after the end", n)
		}
		if err := goleak.Find(existing); err != nil {
			t.Errorf("something is left: %v", err)
		}
	})
}

// returned waits for calls that have to return soon.
func returned(t *testing.T, wg *sync.WaitGroup, call, after string) {
	t.Helper()
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(StopsWithin):
		t.Fatalf("%s did not return within %v of %s", call, StopsWithin, after)
	}
}
