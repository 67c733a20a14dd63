package tree

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// mirror is a device that keeps what it was told of its subtree, and now and then
// falls over.
type mirror struct {
	t    *testing.T
	id   string
	host nodes.Host
	over chan struct{}

	mu  sync.Mutex
	has map[string]string // parent by id
}

type mirrors struct {
	t    *testing.T
	mu   sync.Mutex
	open map[string]*mirror
}

func (ms *mirrors) Open(n *nodes.Node, h nodes.Host) (nodes.Device, error) {
	m := &mirror{t: ms.t, id: n.ID, host: h, over: make(chan struct{}, 1), has: make(map[string]string)}
	n.Walk(func(n *nodes.Node) bool { m.has[n.ID] = n.Parent; return true })
	ms.mu.Lock()
	defer ms.mu.Unlock()
	ms.open[n.ID] = m
	return m, nil
}

func (ms *mirrors) Forget(string) {}

func (m *mirror) Run(ctx context.Context) error {
	select {
	case <-m.over:
		return errors.New("fell over")
	case <-ctx.Done():
		return nil
	}
}

func (m *mirror) Update(c nodes.Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, id := range c.Removed {
		if _, ok := m.has[id]; !ok {
			m.t.Errorf("%s: told that %s is gone, which it never had", m.id, id)
		}
		delete(m.has, id)
	}
	for _, n := range c.Put {
		if _, ok := m.has[n.Parent]; !ok {
			m.t.Errorf("%s: told of %s before its parent %s", m.id, n.ID, n.Parent)
		}
		m.has[n.ID] = n.Parent
	}
}

func (m *mirror) Read(ctx context.Context, ids []string, yield func(nodes.Reading)) {
	for _, id := range ids {
		if ctx.Err() == nil {
			yield(value(id, "v", 1))
		}
	}
}

func (m *mirror) ids() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.has))
}

// TestEverythingAtOnce does everything at random from many sides, and compares in
// the end what the tree, the store, the devices and a subscriber hold.
func TestEverythingAtOnce(t *testing.T) {
	store := &Memory{}
	ms := &mirrors{t: t, open: make(map[string]*mirror)}
	tr, err := New(Config{Types: testTypes, Store: store, Opener: ms})
	if err != nil {
		t.Fatal(err)
	}
	stop := run(t, tr)
	told := map[string]bool{nodes.RootID: true}
	unsubscribe := tr.Subscribe(func(e nodes.Event) {
		id := e.Info.Ref.ID
		switch e.Kind {
		case nodes.NodeAdded:
			if told[id] || !told[e.Info.Parent.ID] {
				t.Errorf("told of %s twice, or before its parent", id)
			}
			told[id] = true
		case nodes.NodeRemoved:
			if !told[id] {
				t.Errorf("told that %s is gone, which was never there", id)
			}
			delete(told, id)
		}
	})
	defer unsubscribe()

	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for seed := range uint64(6) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 7))
			for ctx.Err() == nil {
				act(ctx, t, r, tr, ms)
			}
		})
	}
	wg.Wait()

	// All devices are up again, and hold what the tree holds.
	subtrees := func() map[string][]string {
		out := make(map[string][]string)
		tr.mu.RLock()
		defer tr.mu.RUnlock()
		tr.root.each(func(n *node) {
			if n.typ.Connects != (n.owner != nil && n.owner.node == n) {
				t.Errorf("%s: its owner is wrong", n.spec.ID)
			}
			if n.owner != nil {
				out[n.owner.id] = append(out[n.owner.id], n.spec.ID)
			}
		})
		return out
	}()
	for id, want := range subtrees {
		slices.Sort(want)
		until(t, "device "+id+" holds its subtree", func() bool {
			ms.mu.Lock()
			m := ms.open[id]
			ms.mu.Unlock()
			return m != nil && slices.Equal(m.ids(), want)
		})
	}
	want := describe(tr.Export())
	var known []string
	tr.Walk(func(id, _ string) bool { known = append(known, id); return true })
	stop()
	if got := slices.Sorted(maps.Keys(told)); !slices.Equal(got, slices.Sorted(slices.Values(known))) {
		t.Errorf("the subscriber knows %d nodes, the tree has %d", len(got), len(known))
	}
	again, err := New(Config{Types: testTypes, Store: store, Opener: ms})
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(again.Export()); got != want {
		t.Errorf("after a restart the tree is\n%s\nwant\n%s", got, want)
	}
	t.Logf("%d nodes in the end, %d events", len(known), len(store.Events()))
}

// act does one thing.
func act(ctx context.Context, t *testing.T, r *rand.Rand, tr *Tree, ms *mirrors) {
	ids := []string{nodes.RootID}
	tr.Walk(func(id, _ string) bool { ids = append(ids, id); return true })
	id := ids[r.IntN(len(ids))]
	spec, _ := tr.Spec(id)
	switch r.IntN(10) {
	case 0, 1, 2:
		below := map[string][]string{nodes.TypeRoot: {"bus", "folder"}, "folder": {"bus", "folder"}, "bus": {"box"}, "box": {"channel", "channel.slow", "bus"}}[spec.Type]
		if len(below) == 0 {
			return
		}
		n := nodes.NewNode{Parent: nodes.In(id), Type: below[r.IntN(len(below))], Name: fmt.Sprint(r.IntN(30))}
		if _, err := tr.Create(ctx, n); err != nil && ctx.Err() == nil {
			if k := nodes.KindOf(err); k != nodes.Invalid && k != nodes.NotFound && k != nodes.Gone {
				t.Errorf("Create: %v", err)
			}
		}
	case 3:
		n := &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("import ", r.IntN(20)), Type: "bus"}, Children: []*nodes.Node{
			{Spec: nodes.Spec{Name: "X", Type: "box"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "a", Type: "channel"}}, {Spec: nodes.Spec{Name: "in", Type: "bus"}}}}}}
		if err := tr.Import(ctx, []*nodes.Node{n}); err != nil && ctx.Err() == nil && nodes.KindOf(err) != nodes.Invalid {
			t.Errorf("Import: %v", err)
		}
	case 4:
		if r.IntN(3) == 0 && id != nodes.RootID {
			if err := tr.Destroy(ctx, id); err != nil && ctx.Err() == nil && nodes.KindOf(err) != nodes.NotFound {
				t.Errorf("Destroy: %v", err)
			}
		}
	case 5:
		owner, _ := tr.Owner(id)
		ms.mu.Lock()
		m := ms.open[owner]
		ms.mu.Unlock()
		if m != nil && r.IntN(3) == 0 {
			select {
			case m.over <- struct{}{}:
			default:
			}
		} else if m != nil {
			m.host.Report([]nodes.Reading{value(id, "v", r.Float64())})
			m.host.Fault(id, nodes.Message{EventID: "x", Text: fmt.Sprint(r.IntN(3))})
		}
	case 6:
		n := 0
		tr.Read(ctx, []string{id}, func(nodes.Reading) { n++ })
		if n != 1 {
			t.Errorf("Read of %s yielded %d readings, want one", id, n)
		}
	case 7:
		stop := tr.Watch([]string{id, ids[r.IntN(len(ids))]}, time.Duration(r.IntN(3))*time.Second, func(nodes.Reading) {})
		time.Sleep(time.Millisecond)
		stop()
	case 8:
		tr.Fault(id, nodes.Message{EventID: "hub", Text: fmt.Sprint(r.IntN(3))})
		tr.Clear(id, "hub")
	default:
		tr.Children(id, nodes.Detail{Properties: true, Messages: true})
		tr.Current(id)
		tr.Path(id)
	}
}

// describe writes a branch, a line a node.
func describe(n *nodes.Node) string {
	out := ""
	n.Walk(func(n *nodes.Node) bool {
		out += fmt.Sprintf("%s %s %s %s %v\n", n.ID, n.Name, n.Type, n.Parent, n.Params)
		return true
	})
	return out
}
