package tree

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// plantOfSize makes branches of that many nodes in all: a bus with boxes of 99
// channels each.
func plantOfSize(size int) []*nodes.Node {
	bus := &nodes.Node{Spec: nodes.Spec{Name: "B", Type: "bus"}}
	left := size - 1
	for i := 0; left > 0; i++ {
		box := &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("box ", i), Type: "box"}}
		left--
		for k := 0; k < 99 && left > 0; k++ {
			box.Children = append(box.Children, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("channel ", k), Type: "channel"}})
			left--
		}
		bus.Children = append(bus.Children, box)
	}
	return []*nodes.Node{bus}
}

func started(tb testing.TB, store Store) (*Tree, func()) {
	tb.Helper()
	tr, err := New(Config{Types: testTypes, Store: store, Opener: &oddities{}})
	if err != nil {
		tb.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	return tr, func() {
		cancel()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	}
}

// TestBig: 10,000 nodes in one import, as one wide folder too, read, restarted and
// destroyed, in a time that shows that nothing is quadratic.
func TestBig(t *testing.T) {
	const size = 10_000
	store := &Memory{}
	tr, stop := started(t, store)
	begin := time.Now()
	wide := &nodes.Node{Spec: nodes.Spec{Name: "wide", Type: "folder"}}
	for i := range size {
		wide.Children = append(wide.Children, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint(i), Type: "folder"}})
	}
	deep := &nodes.Node{Spec: nodes.Spec{ID: "deep", Type: "folder"}}
	for at, i := deep, 0; i < 1000; i++ {
		n := &nodes.Node{Spec: nodes.Spec{ID: fmt.Sprint("deep ", i), Type: "folder"}}
		at.Children, at = []*nodes.Node{n}, n
	}
	if err := tr.Import(t.Context(), append(plantOfSize(size), wide, deep)); err != nil {
		t.Fatal(err)
	}
	const all = 1 + size + 1 + size + 1001
	if got := count(tr); got != all {
		t.Errorf("%d nodes, want %d", got, all)
	}
	var ids []string
	tr.Walk(func(id, typ string) bool {
		if typ == "channel" || typ == "box" {
			ids = append(ids, id)
		}
		return true
	})
	until(t, "the device runs", func() bool {
		fields := 0
		tr.Read(t.Context(), ids[:1], func(r nodes.Reading) { fields = len(r.Fields) })
		return fields > 0
	})
	for _, round := range []string{"from the device", "from memory"} {
		read := 0
		tr.Read(t.Context(), ids, func(r nodes.Reading) {
			if len(r.Fields) == 0 {
				t.Errorf("%s: %s: %s", round, r.Node, show(r))
			}
			read++
		})
		if read != len(ids) {
			t.Errorf("%s: %d readings, want %d", round, read, len(ids))
		}
	}
	if path, _ := tr.Path("deep 999"); len(path) != 1002 {
		t.Errorf("the path has %d nodes", len(path))
	}
	stop()
	tr, stop = started(t, store)
	defer stop()
	if got := count(tr); got != all {
		t.Errorf("%d nodes after a restart, want %d", got, all)
	}
	if err := tr.Destroy(t.Context(), "wide/0"); err != nil {
		t.Error(err)
	}
	for _, id := range []string{"wide", "deep", "B"} {
		if err := tr.Destroy(t.Context(), id); err != nil {
			t.Error(err)
		}
	}
	if got := count(tr); got != 1 || len(store.records) != 0 {
		t.Errorf("%d nodes, %d stored in the end", got, len(store.records))
	}
	took := time.Since(begin)
	t.Logf("took %v", took)
	if took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

// nowhere is a store that forgets everything.
type nowhere struct{ Memory }

func (*nowhere) Commit(Batch) error { return nil }

// BenchmarkCreate: one node more, in trees of two sizes; it should cost the same.
func BenchmarkCreate(b *testing.B) {
	for _, size := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			tr, stop := started(b, &nowhere{})
			defer stop()
			if err := tr.Import(b.Context(), plantOfSize(size)); err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tr.Create(b.Context(), channel("B/box 0", "one more")); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				if err := tr.Destroy(b.Context(), "B/box 0/one more"); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// BenchmarkStart: from 10,000 stored nodes to a running device.
func BenchmarkStart(b *testing.B) {
	store := &Memory{}
	tr, stop := started(b, store)
	if err := tr.Import(b.Context(), plantOfSize(10_000)); err != nil {
		b.Fatal(err)
	}
	stop()
	b.ReportAllocs()
	for b.Loop() {
		tr, stop = started(b, store)
		for {
			tr.mu.RLock()
			d := tr.devices["B"]
			tr.mu.RUnlock()
			if d != nil {
				if s, _ := d.current(); s != nil {
					break
				}
			}
			time.Sleep(50 * time.Microsecond)
		}
		stop()
	}
}

// BenchmarkImport of 10,000 nodes.
func BenchmarkImport(b *testing.B) {
	list := plantOfSize(10_000)
	b.ReportAllocs()
	for b.Loop() {
		tr, stop := started(b, &Memory{})
		if err := tr.Import(b.Context(), list); err != nil {
			b.Fatal(err)
		}
		stop()
	}
}

// BenchmarkList: all 10,000 nodes, their ids and what clients see of them.
func BenchmarkList(b *testing.B) {
	tr, stop := started(b, &Memory{})
	defer stop()
	if err := tr.Import(b.Context(), plantOfSize(10_000)); err != nil {
		b.Fatal(err)
	}
	b.Run("walk", func(b *testing.B) {
		for b.Loop() {
			count(tr)
		}
	})
	for name, d := range map[string]nodes.Detail{"infos": {}, "infos with properties and messages": {Properties: true, Messages: true}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				var ids []string
				tr.Walk(func(id, _ string) bool { ids = append(ids, id); return true })
				for _, id := range ids {
					if _, ok := tr.Info(id, d); !ok {
						b.Fatal(id)
					}
				}
			}
		})
	}
}
