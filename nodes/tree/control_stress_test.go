package tree

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// wild is what wild machines have got: each value is set only once.
type wild struct {
	mu   sync.Mutex
	got  map[int64]int  // how often a value reached a device
	done map[int64]bool // values that a device says it has written
}

func (w *wild) take(v int64, done bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.got[v]++
	if done {
		w.done[v] = true
	}
}

// machine makes a device that does as it should, mostly.
func (w *wild) machine(_ string, _ int, o *odd) error {
	fall := make(chan struct{}, 1)
	o.run = func(ctx context.Context) error {
		select {
		case <-fall:
			return errBroken
		case <-ctx.Done():
			return nil
		}
	}
	trouble := func(ctx context.Context, r *rand.Rand) {
		switch r.IntN(60) {
		case 0:
			panic("wild")
		case 1:
			select {
			case fall <- struct{}{}:
			default:
			}
		case 2, 3, 4:
			<-ctx.Done()
		case 5, 6:
			time.Sleep(time.Duration(r.IntN(3)) * time.Millisecond)
		}
	}
	o.set = func(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
		r := rand.New(rand.NewPCG(uint64(list[0].Value.Int()), 1))
		for i, s := range list {
			if ctx.Err() != nil {
				yield(i, nodes.Outcome{State: nodes.WriteExpired, Err: ctx.Err()})
				return // the others are left to the tree
			}
			if r.IntN(20) == 0 {
				yield(i, nodes.Outcome{State: nodes.WriteRefused})
				for i++; i < len(list); i++ {
					yield(i, nodes.Outcome{State: nodes.WriteSkipped})
				}
				return
			}
			w.take(s.Value.Int(), false)
			trouble(ctx, r)
			w.take(s.Value.Int(), true)
			yield(i, nodes.Outcome{State: nodes.WriteDone})
		}
	}
	o.execute = func(ctx context.Context, node, _ string, p nodes.Params) error {
		r := rand.New(rand.NewPCG(uint64(p.Int("Way")), rand.Uint64()))
		trouble(ctx, r)
		branch := part(fmt.Sprint("x", r.IntN(4)), valve("v", "free"))
		branch.Parent = node
		return o.host.Create(ctx, []*nodes.Node{branch})
	}
	o.query = func(ctx context.Context, _, _ string, p nodes.Params, put nodes.Put) error {
		r := rand.New(rand.NewPCG(uint64(p.Int("To")), rand.Uint64()))
		for i := range 5 {
			trouble(ctx, r)
			if err := put(nodes.QueryStatus(fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// TestControlEverythingAtOnce sets, runs and changes at random from many sides,
// while devices fall over: no value is written twice, none is called written that
// is not, and none that reached a device is said not to have.
func TestControlEverythingAtOnce(t *testing.T) {
	w := &wild{got: make(map[int64]int), done: make(map[int64]bool)}
	o := &oddities{make: w.machine}
	machines := []string{"K", "L", "M"}
	tr := worksOf(t, o, func() []*nodes.Node { return []*nodes.Node{valve("a", "free"), valve("b", "free")} }, machines...)
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	var next atomic.Int64
	var good, bad, found, ran atomic.Int64
	loop := func(seed uint64, f func(ctx context.Context, r *rand.Rand)) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 9))
			for ctx.Err() == nil {
				some, cancel := context.WithTimeout(ctx, time.Duration(1+r.IntN(30))*time.Millisecond)
				f(some, r)
				cancel()
			}
		})
	}
	ours := func(what string, err error) {
		var e *nodes.Error
		if err != nil && (!errors.As(err, &e) || e.Err == nil) {
			t.Errorf("%s: an error that is none of ours: %v", what, err)
		}
	}
	for i := range uint64(4) {
		loop(i, func(ctx context.Context, r *rand.Rand) {
			list := make([]nodes.Setting, 1+r.IntN(5))
			for j := range list {
				m := machines[r.IntN(len(machines))]
				list[j] = nodes.Setting{Node: m + "/P", Name: []string{"a", "b", "v"}[r.IntN(20)/9], Value: nodes.Int64(next.Add(1))}
				if list[j].Name == "v" {
					list[j].Node = fmt.Sprintf("%s/x%d", m, r.IntN(4))
				}
			}
			out, err := tr.Set(ctx, list)
			if err != nil {
				ours("Set", err)
				w.mu.Lock()
				defer w.mu.Unlock()
				for _, s := range list {
					if w.got[s.Value.Int()] > 0 {
						t.Errorf("nothing was tried, says %v, but %v reached a device", err, s.Value)
					}
				}
				return
			}
			if len(out) != len(list) {
				t.Fatalf("%d outcomes of %d settings", len(out), len(list))
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			for j, x := range out {
				v := list[j].Value.Int()
				switch {
				case !x.State.Final() || x.Time.IsZero() || (x.Err == nil) != x.State.Good():
					t.Errorf("outcome %+v", x)
				case x.State.Good() != w.done[v] && x.State != nodes.WriteUnknown:
					t.Errorf("%v is %v, written %v", v, x.State, w.done[v])
				case w.got[v] > 0 && !x.State.Good() && x.State != nodes.WriteUnknown:
					t.Errorf("%v is %v, but reached a device", v, x.State)
				case x.State.Good() && j > 0 && !out[j-1].State.Good():
					t.Errorf("written after one that was not good: %s", states(out))
				}
				if x.State.Good() {
					good.Add(1)
				} else {
					bad.Add(1)
				}
			}
		})
	}
	for i := range uint64(2) {
		loop(10+i, func(ctx context.Context, r *rand.Rand) {
			err := tr.Execute(ctx, machines[r.IntN(3)], "Move", nodes.Params{"Way": nodes.Int32(1 + r.Int32N(9))})
			ours("Execute", err)
			if err == nil {
				ran.Add(1)
			}
		})
		loop(20+i, func(ctx context.Context, r *rand.Rand) {
			var got strings.Builder
			enough, returned := r.IntN(8), false
			full := errors.New("enough")
			err := tr.Query(ctx, machines[r.IntN(3)], "Scan", nodes.Params{"To": nodes.Int32(r.Int32N(100))}, func(f nodes.Finding) error {
				if returned {
					t.Error("put was called after the end")
				}
				fmt.Fprint(&got, f)
				if got.Len() > enough {
					return full
				}
				return nil
			})
			returned = true
			if !strings.HasPrefix("01234", got.String()) || err == nil && got.Len() != 5 || (err == full) != (got.Len() > enough) {
				t.Errorf("found %q, %v", got.String(), err)
			}
			if err != full {
				ours("Query", err)
			}
			found.Add(int64(got.Len()))
		})
	}
	loop(30, func(ctx context.Context, r *rand.Rand) {
		m := machines[r.IntN(3)]
		switch r.IntN(4) {
		case 0:
			tr.Destroy(ctx, fmt.Sprintf("%s/x%d", m, r.IntN(4)))
		case 1:
			tr.Edit(ctx, nodes.Edit{Node: m + "/P/a", Params: nodes.Params{"Writable": nodes.Bool(r.IntN(4) > 0)}})
		case 2:
			tr.Info(m, nodes.Detail{Messages: true, Properties: true})
			tr.Controls(m)
		default:
			readAll(ctx, tr, m+"/P")
		}
		time.Sleep(time.Millisecond)
	})
	wg.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	for v, n := range w.got {
		if n > 2 || n == 2 && !w.done[v] { // begun, and done
			t.Errorf("%v reached a device %d times", v, n)
		}
	}
	if good.Load() == 0 || bad.Load() == 0 || found.Load() == 0 || ran.Load() == 0 {
		t.Errorf("%d good, %d bad, %d found, %d ran: this tests nothing", good.Load(), bad.Load(), found.Load(), ran.Load())
	}
	t.Logf("%d good, %d bad, %d found, %d ran, opened %d %d %d times", good.Load(), bad.Load(), found.Load(), ran.Load(), o.count("K"), o.count("L"), o.count("M"))
}
