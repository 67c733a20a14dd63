package tree

import (
	"context"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// TestSetWithoutDevice: nothing is sent, and it says so.
func TestSetWithoutDevice(t *testing.T) {
	list := []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 1)}
	check := func(tr *Tree, ctx context.Context, want string, kind nodes.ErrorKind, text string) {
		t.Helper()
		out, err := tr.Set(ctx, list)
		if err != nil || states(out) != want || nodes.KindOf(out[0].Err) != kind || !strings.Contains(out[0].Err.Error(), text) {
			t.Errorf("got %s, %v: %+v", states(out), err, out)
		}
		if got := controlMessage(tr, "M/P/a"); !strings.Contains(got, text) {
			t.Errorf("the node says %q", got)
		}
	}
	sent := false
	o := &oddities{make: func(_ string, nth int, o *odd) error {
		o.set = func(context.Context, []nodes.Setting, func(int, nodes.Outcome)) { sent = true }
		if nth > 1 {
			return errBroken
		}
		o.run = func(ctx context.Context) error { return errBroken }
		return nil
	}}
	tr, err := New(Config{Types: workTypes, Store: &Memory{}, Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	m := &nodes.Node{Spec: nodes.Spec{Name: "M", Type: "machine"}, Children: []*nodes.Node{
		{Spec: nodes.Spec{Name: "P", Type: "part"}, Children: []*nodes.Node{valve("a", "n"), valve("b", "n")}}}}
	if err := tr.Import(t.Context(), []*nodes.Node{m}); err != nil {
		t.Fatal(err)
	}
	until(t, "it has fallen over", func() bool { return o.count("M") > 1 })
	until(t, "it is said", func() bool {
		out, _ := tr.Set(t.Context(), list)
		return states(out) == "refused skipped" && strings.Contains(out[0].Err.Error(), "cable cut")
	})
	check(tr, t.Context(), "refused skipped", nodes.Unreachable, "nothing was sent: cable cut")
	if sent {
		t.Error("something was sent")
	}
	tr = works(t, &oddities{}, "M")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check(tr, ctx, "expired skipped", nodes.Timeout, "nothing was written")
	// A device that cannot be written, though its types say so.
	p := &plant{}
	tr, err = New(Config{Types: workTypes, Store: &Memory{}, Opener: p})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	if err := tr.Import(t.Context(), []*nodes.Node{m}); err != nil {
		t.Fatal(err)
	}
	until(t, "it is open", func() bool { _, err := sessionOf(tr, "M"); return err == nil })
	check(tr, t.Context(), "refused skipped", nodes.Unsupported, "cannot be written")
}

// TestOddOutcomes: whatever an adapter yields, there is one final outcome for each
// setting, and what was not said is unknown.
func TestOddOutcomes(t *testing.T) {
	done, refused := nodes.Outcome{State: nodes.WriteDone}, nodes.Outcome{State: nodes.WriteRefused, Err: errBroken}
	type yielding = func(int, nodes.Outcome)
	for _, tt := range []struct {
		name string
		set  func(yielding)
		want string
	}{
		{"nothing", func(yielding) {}, "unknown unknown unknown"},
		{"too few", func(y yielding) { y(0, done) }, "done unknown unknown"},
		{"twice", func(y yielding) { y(0, done); y(0, refused); y(1, done); y(2, done); y(2, done) }, "done done done"},
		{"wrong places", func(y yielding) { y(-1, done); y(3, done); y(1<<40, refused); y(1, done) }, "unknown done unknown"},
		{"the other way round", func(y yielding) { y(2, done); y(1, done); y(0, done) }, "done done done"},
		{"not final", func(y yielding) {
			y(0, nodes.Outcome{State: nodes.WriteSent})
			y(0, nodes.Outcome{})
			y(1, nodes.Outcome{State: nodes.WriteQueued})
			y(2, nodes.Outcome{State: 200})
		}, "unknown unknown unknown"},
		{"sent before done", func(y yielding) { y(0, nodes.Outcome{State: nodes.WriteSent}); y(0, done); y(1, done); y(2, refused) }, "done done refused"},
		{"after a panic", func(y yielding) { y(0, done); panic("nil map") }, "done unknown unknown"},
		{"from many sides", func(y yielding) {
			var wg sync.WaitGroup
			for i := range 9 {
				wg.Go(func() { y(i%3, done) })
			}
			wg.Wait()
		}, "done done done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			late := make(chan yielding, 1)
			tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
				o.set = func(_ context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
					late <- yield
					tt.set(yield)
				}
				return nil
			}}, "M")
			out, err := tr.Set(t.Context(), []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 2), set("M/P", "a", 3)})
			if err != nil || states(out) != tt.want {
				t.Errorf("got %s, %v; want %s", states(out), err, tt.want)
			}
			for i, o := range out {
				if o.Time.IsZero() || (o.Err == nil) != o.State.Good() {
					t.Errorf("outcome %d is %+v", i, o)
				}
			}
			was := slices.Clone(out)
			(<-late)(1, refused) // long after
			if !slices.Equal(out, was) {
				t.Errorf("the outcomes changed afterwards: %s", states(out))
			}
		})
	}
}

// TestHangingSet: a device that never returns is given up some seconds after the
// time, and nobody claims that nothing happened. Too many of these are refused.
func TestHangingSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := works(t, &oddities{make: func(id string, _ int, o *odd) error {
			o.set = func(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
				yield(0, nodes.Outcome{State: nodes.WriteDone})
				if id == "M" {
					<-release
				}
			}
			return nil
		}}, "M", "N")
		list := []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 1), set("N/P", "b", 1)}
		for i := range maxSets {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			begin := time.Now()
			out, err := tr.Set(ctx, list)
			if took := time.Since(begin); took != 2*time.Second+setGrace {
				t.Fatalf("write %d took %v", i, took)
			}
			cancel()
			if err != nil || states(out) != "done unknown skipped" || nodes.KindOf(out[1].Err) != nodes.Timeout {
				t.Fatalf("write %d: %s, %v", i, states(out), err)
			}
		}
		if out, _ := tr.Set(t.Context(), list); states(out) != "refused skipped skipped" || nodes.KindOf(out[0].Err) != nodes.Exhausted {
			t.Errorf("one too many: %+v", out)
		}
		if out, _ := tr.Set(t.Context(), list[2:]); states(out) != "done" {
			t.Errorf("another device: %+v", out)
		}
		// The last is done, so that it does not matter that the device hangs.
		close(release)
		synctest.Wait()
		if out, _ := tr.Set(t.Context(), list[:1]); states(out) != "done" {
			t.Errorf("when it has returned: %+v", out)
		}
	})
}

// TestSetWhenAllIsSaid: who has all outcomes waits for nothing more.
func TestSetWhenAllIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.set = func(_ context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
				yield(0, nodes.Outcome{State: nodes.WriteDone})
				<-release
			}
			return nil
		}}, "M")
		begin := time.Now()
		out, _ := tr.Set(t.Context(), []nodes.Setting{set("M/P", "a", 1)})
		if took := time.Since(begin); states(out) != "done" || took != 0 {
			t.Errorf("%s after %v", states(out), took)
		}
		close(release)
	})
}

// TestSetHasAnEnd: writes that nobody limits have a minute.
func TestSetHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.set = func(ctx context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
				end, _ := ctx.Deadline()
				left = time.Until(end)
				<-ctx.Done()
				yield(0, nodes.Outcome{State: nodes.WriteExpired, Err: ctx.Err()})
			}
			return nil
		}}, "M")
		out, _ := tr.Set(context.WithoutCancel(t.Context()), []nodes.Setting{set("M/P", "a", 1)})
		if states(out) != "expired" || left != setTime {
			t.Errorf("%s, with %v", states(out), left)
		}
	})
}

// TestSetWhileItEnds: what a device does not say before it is gone is unknown.
func TestSetWhileItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var heeds atomic.Bool
		heeds.Store(true)
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.set = func(ctx context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
				if heeds.Load() {
					<-ctx.Done()
					yield(0, nodes.Outcome{State: nodes.WriteExpired, Err: ctx.Err()})
				}
				<-release
			}
			return nil
		}}, "M", "N")
		for _, id := range []string{"M", "N"} {
			go func() {
				time.Sleep(time.Second)
				tr.Destroy(t.Context(), id)
			}()
			begin := time.Now()
			out, err := tr.Set(t.Context(), []nodes.Setting{set(id+"/P", "a", 1), set(id+"/P", "b", 1)})
			want := "expired unknown"
			if !heeds.Load() {
				want = "unknown unknown"
			}
			if took := time.Since(begin); err != nil || states(out) != want || took > time.Second+endGrace {
				t.Errorf("%s: %s, %v after %v; want %s", id, states(out), err, took, want)
			}
			if !strings.Contains(out[1].Err.Error(), "stopped meanwhile") {
				t.Errorf("%s: %v", id, out[1].Err)
			}
			heeds.Store(false)
		}
		close(release)
	})
}
