package tree

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func TestCreate(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	for _, tt := range []struct {
		name   string
		n      nodes.NewNode
		id     string          // wanted; empty: an error
		kind   nodes.ErrorKind // wanted
		fields string          // ids of wrong parameters
		text   string          // part of the error
	}{
		{"below the root", nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "F"}, "F", 0, "", ""},
		{"id from parent and name", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", Name: "c"}, "B/X/c", 0, "", ""},
		{"own id", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", ID: "tag 7", Name: "d"}, "tag 7", 0, "", ""},
		{"name from id", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", ID: "e"}, "e", 0, "", ""},
		{"no parent", nodes.NewNode{Parent: nodes.In("nowhere"), Type: "folder", Name: "G"}, "", nodes.NotFound, "", "parent"},
		{"no type", nodes.NewNode{Parent: nodes.In("B/X"), Type: "chanel", Name: "G"}, "", nodes.NotFound, "", "possible here: bus, channel, channel.slow"},
		{"wrong place", nodes.NewNode{Parent: nodes.In("Root"), Type: "box", Name: "G"}, "", nodes.NotAcceptable, "", "possible here: bus, folder"},
		{"same name", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", ID: "other", Name: "a"}, "", nodes.Invalid, "Name", "sibling"},
		{"same id", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", ID: "B", Name: "x"}, "", nodes.Invalid, "NodeId", "choose another id"},
		{"no name", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel"}, "", nodes.Invalid, "Name", "write a name"},
		{"control character", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", Name: "a\x00"}, "", nodes.Invalid, "Name NodeId", "U+0000"},
		{"long name", nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", Name: strings.Repeat("x", 257)}, "", nodes.Invalid, "Name", "too long"},
		{"wrong parameter", nodes.NewNode{Parent: nodes.In("Root"), Type: "bus", Name: "C", Params: nodes.Params{"Port": nodes.Int32(10), "port": nodes.Int32(1)}}, "", nodes.Invalid, "Port port", "did you mean Port?"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := count(tr)
			info, err := tr.Create(t.Context(), tt.n)
			if tt.id != "" {
				if err != nil || info.Ref.ID != tt.id {
					t.Errorf("got %q, %v; want %q", info.Ref.ID, err, tt.id)
				}
				return
			}
			var e *nodes.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || !strings.Contains(err.Error(), tt.text) {
				t.Fatalf("got %v, want %v with %q", err, tt.kind, tt.text)
			}
			for _, id := range strings.Fields(tt.fields) {
				if e.Fields[id] == "" {
					t.Errorf("no message for %s in %v", id, e.Fields)
				}
			}
			if after := count(tr); after != before {
				t.Errorf("%d nodes after a refused change, %d before", after, before)
			}
		})
	}
}

func count(tr *Tree) (n int) {
	tr.Walk(func(string, string) bool { n++; return true })
	return
}

func TestImportIsWholeOrNothing(t *testing.T) {
	store := &Memory{}
	tr := grow(t, &plant{}, store)
	before, stored := count(tr), len(store.records)
	err := tr.Import(t.Context(), []*nodes.Node{
		{Spec: nodes.Spec{Name: "F", Type: "folder"}},
		{Spec: nodes.Spec{Name: "G", Type: "folder"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "bad", Type: "box"}}}},
	})
	var e *nodes.Error
	if !errors.As(err, &e) || e.Ref.ID != "G/bad" {
		t.Errorf("got %v, want an error that names G/bad", err)
	}
	if count(tr) != before || len(store.records) != stored {
		t.Errorf("%d nodes, %d stored after a refused import; before %d, %d", count(tr), len(store.records), before, stored)
	}
	// What was refused leaves nothing behind that hinders the next.
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "F"}); err != nil {
		t.Error(err)
	}
}

func TestOrderSurvives(t *testing.T) {
	store := &Memory{}
	p := &plant{}
	tr, _ := New(Config{Types: testTypes, Store: store, Opener: p})
	stop := run(t, tr)
	var want []string
	for i := range 50 {
		name := fmt.Sprint("n", (i*37)%50)
		want = append(want, name)
		if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	if err := tr.Destroy(t.Context(), want[7]); err != nil {
		t.Fatal(err)
	}
	want = append(want[:7:7], want[8:]...)
	stop()
	again, err := New(Config{Types: testTypes, Store: store, Opener: p})
	if err != nil {
		t.Fatal(err)
	}
	list, _ := again.Children("Root", nodes.Detail{})
	var got []string
	for _, i := range list {
		got = append(got, i.Name)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("after a restart: %v, want %v", got, want)
	}
}

func TestDestroyTellsEveryNodeChildrenFirst(t *testing.T) {
	store := &Memory{}
	tr := grow(t, &plant{}, store)
	var mu sync.Mutex
	var got []string
	stop := tr.Subscribe(func(e nodes.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Kind == nodes.NodeRemoved {
			got = append(got, e.Info.Ref.ID)
		}
	})
	defer stop()
	if err := tr.Destroy(t.Context(), "B"); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if want := "[B/X/b B/X/a B/X B]"; fmt.Sprint(got) != want {
		t.Errorf("removed %v, want %s", got, want)
	}
	if len(store.records) != 0 {
		t.Errorf("%d records are left", len(store.records))
	}
	if err := tr.Destroy(t.Context(), "B"); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("destroying again: %v, want not found", err)
	}
	if err := tr.Destroy(t.Context(), "Root"); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("destroying the root: %v", err)
	}
}

// failing is a store whose disk is full.
type failing struct {
	Memory
	mu   sync.Mutex
	fail bool
}

func (f *failing) Commit(b Batch) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.fail {
		return errors.New("no space left on device")
	}
	return f.Memory.Commit(b)
}

func TestWhatIsNotWrittenIsNotThere(t *testing.T) {
	store := &failing{}
	tr := grow(t, &plant{}, store)
	store.mu.Lock()
	store.fail = true
	store.mu.Unlock()
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "F"}); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("got %v", err)
	}
	if _, ok := tr.Info("F", nodes.Detail{}); ok {
		t.Error("the node is there, but not on disk")
	}
	store.mu.Lock()
	store.fail = false
	store.mu.Unlock()
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "F"}); err != nil {
		t.Error(err)
	}
}

func TestManyAtOnce(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			for i := range 50 {
				name := fmt.Sprintf("w%d-%d", w, i)
				if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: name}); err != nil {
					t.Error(err)
				}
				if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "same"}); err == nil {
					if err := tr.Destroy(t.Context(), "same"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got, want := count(tr), 1+4+8*50; got != want {
		t.Errorf("%d nodes, want %d", got, want)
	}
}

func TestCanceledChange(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tr.Create(ctx, nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: "F"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDeviceLearnsOfChanges(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", Name: "c"}); err != nil {
		t.Fatal(err)
	}
	// A bus within a box is a device of its own.
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("B/X"), Type: "bus", Name: "inner"}); err != nil {
		t.Fatal(err)
	}
	if err := tr.Destroy(t.Context(), "B/X"); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.changes) != 2 || len(p.changes[0].Put) != 1 || p.changes[0].Put[0].ID != "B/X/c" {
		t.Fatalf("changes: %+v", p.changes)
	}
	if got, want := fmt.Sprint(p.changes[1].Removed), "[B/X/c B/X/b B/X/a B/X]"; got != want {
		t.Errorf("removed %s, want %s", got, want)
	}
}

func TestDeviceThatFails(t *testing.T) {
	p := &plant{openErr: errBroken}
	tr := grow(t, p, &Memory{})
	message := func() string {
		i, _ := tr.Info("B", nodes.Detail{Messages: true})
		if len(i.Messages) == 0 {
			return ""
		}
		return i.Messages[0].Text
	}
	until(t, "a message", func() bool { return strings.Contains(message(), "cable cut") })
	p.mu.Lock()
	p.openErr, p.runErr = nil, errors.New("fell over")
	p.mu.Unlock()
	until(t, "another message", func() bool { return strings.Contains(message(), "fell over") })
	p.mu.Lock()
	p.runErr = nil
	p.mu.Unlock()
	until(t, "recovery", func() bool { i, _ := tr.Info("B", nodes.Detail{}); return i.State == nodes.StateNone })
}
