package tree

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// do runs a command that has to succeed.
func do(t *testing.T, tr *Tree, id, command string, p nodes.Params) {
	t.Helper()
	if err := tr.Execute(t.Context(), id, command, p); err != nil {
		t.Fatalf("%s of %s: %v", command, id, err)
	}
}

func messages(tr *Tree, id string) (out []string) {
	i, _ := tr.Info(id, nodes.Detail{Messages: true})
	for _, m := range i.Messages {
		out = append(out, m.EventID)
	}
	return out
}

// A disabled device is closed with all below it, over a restart too, and opened
// again when it is enabled.
func TestDisableDevice(t *testing.T) {
	p, store := &plant{}, &Memory{}
	tr := grow(t, p, store)
	p.host("B").Report([]nodes.Reading{value("B/X/a", "a", 1)})
	p.host("B").Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "Line", Text: "noise"})
	var mu sync.Mutex
	var told []string
	defer tr.Watch([]string{"B/X/a"}, 0, func(r nodes.Reading) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, fmt.Sprint(r.Err))
	})()
	var events []string
	stop := tr.Subscribe(func(e nodes.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e.Info.Ref.ID+" "+e.Kind.String()+" "+e.Info.State.String())
	})
	do(t, tr, "B", Disable, nil)
	stop()
	until(t, "the bus ends", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == 0 })
	mu.Lock()
	if want := []string{"B updated ok", "B status changed information", "B/X status changed information",
		"B/X/a status changed information", "B/X/b status changed information"}; !slices.Equal(events, want) {
		t.Errorf("events %q, want %q", events, want)
	}
	if len(told) != 1 || !strings.Contains(told[0], `disabled with "B" above it`) {
		t.Errorf("who watches was told %q", told)
	}
	mu.Unlock()
	p.host("B").Report([]nodes.Reading{value("B/X/a", "a", 2)}) // too late
	for _, id := range []string{"B/X", "B/X/a"} {
		tr.Read(t.Context(), []string{id}, func(r nodes.Reading) {
			if nodes.KindOf(r.Err) != nodes.NotAcceptable || len(r.Fields) > 0 {
				t.Errorf("%s reads %v, %v", id, r.Fields, r.Err)
			}
		})
		if r, fresh, ok := tr.Current(id); !fresh || !ok || len(r.Fields) > 0 || r.Err == nil {
			t.Errorf("%s is currently %+v, %v", id, r, fresh)
		}
		if got := messages(tr, id); !slices.Equal(got, []string{"Disabled"}) {
			t.Errorf("%s has messages %q", id, got)
		}
	}
	if spec, _ := tr.Spec("B"); !spec.Params.Bool("Disabled") {
		t.Errorf("stored as %+v", spec)
	}
	// What is made below is disabled too, and says so.
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", Name: "c"}); err != nil {
		t.Fatal(err)
	}
	if got := messages(tr, "B/X/c"); !slices.Equal(got, []string{"Disabled"}) {
		t.Errorf("what is made below has messages %q", got)
	}
	// A restart.
	p2 := &plant{}
	tr2, err := New(Config{Types: testTypes, Store: store, Opener: p2})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr2)
	if i, _ := tr2.Info("B/X/a", nodes.Detail{}); i.State != nodes.StateInformation || !slices.Equal(messages(tr2, "B/X/a"), []string{"Disabled"}) {
		t.Errorf("after a restart %v %q", i.State, messages(tr2, "B/X/a"))
	}
	err = tr2.Execute(t.Context(), "B/X", Enable, nil)
	if nodes.KindOf(err) != nodes.NotAcceptable || !strings.Contains(err.Error(), `"B" above it`) {
		t.Errorf("enabled below what is disabled: %v", err)
	}
	if p2.opened != 0 {
		t.Error("a disabled device was opened")
	}
	do(t, tr2, "B", Enable, nil)
	do(t, tr2, "B", Enable, nil)
	until(t, "the bus runs", func() bool { p2.mu.Lock(); defer p2.mu.Unlock(); return p2.running == 1 })
	if got := text(p2.buses["B"].node); !strings.Contains(got, "B/X/c") {
		t.Errorf("opened with %s", got)
	}
	if i, _ := tr2.Info("B/X/a", nodes.Detail{}); i.State != nodes.StateNone {
		t.Errorf("enabled, its state is %v", i.State)
	}
	p2.host("B").Report([]nodes.Reading{value("B/X/a", "a", 3)})
	if r, _, _ := tr2.Current("B/X/a"); r.Err != nil || len(r.Fields) != 1 {
		t.Errorf("enabled, it reads %+v", r)
	}
}

// A disabled part of a device that goes on is gone for it, and the device's own
// readings are without it.
func TestDisablePart(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	p.host("B").Report([]nodes.Reading{value("B/X/a", "a", 1), value("B/X/b", "b", 2)})
	do(t, tr, "B/X/a", Disable, nil)
	do(t, tr, "B/X", Disable, nil)
	do(t, tr, "B/X", Enable, nil)
	until(t, "the bus knows", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.changes) == 3 })
	var got []string
	for _, c := range p.changes {
		s := strings.Join(c.Removed, " ")
		for _, n := range c.Put {
			s += "+" + n.ID
		}
		got = append(got, s)
	}
	if want := []string{"B/X/a", "B/X/b B/X", "+B/X+B/X/b"}; !slices.Equal(got, want) {
		t.Errorf("the bus was told %q, want %q", got, want)
	}
	p.host("B").Report([]nodes.Reading{value("B/X/a", "a", 3), value("B/X/b", "b", 4)})
	r, fresh, _ := tr.Current("B/X")
	if !fresh || len(r.Fields) != 1 || r.Fields[0].Name != "b" {
		t.Errorf("the box reads %+v, %v", r, fresh)
	}
	if n, ok := p.host("B").Node("B"); !ok || strings.Contains(text(n), "B/X/a") {
		t.Errorf("the bus sees %s", text(n))
	}
	if got := messages(tr, "B/X/a"); !slices.Equal(got, []string{"Disabled"}) {
		t.Errorf("the disabled part has messages %q", got)
	}
}

// What is disabled may be renamed and destroyed.
func TestDisabledChanges(t *testing.T) {
	p := &forgetful{}
	tr, err := New(Config{Types: testTypes, Store: &Memory{}, Opener: p})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	if err := tr.Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "B", Type: "bus"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "X", Type: "box"}}}}}); err != nil {
		t.Fatal(err)
	}
	do(t, tr, "B", Disable, nil)
	do(t, tr, "B/X", LogMessage, nodes.Params{"Text": nodes.String("spare")})
	for _, e := range []nodes.Edit{{Node: "B", ID: "C"}, {Node: "B/X", ID: "C/Y", Name: "Y"},
		{Node: "C", ID: "D", Params: nodes.Params{"Disabled": nodes.Bool(false)}}, {Node: "D", ID: "E", Params: nodes.Params{"Disabled": nodes.Bool(true)}}} {
		if err := tr.Edit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	i, _ := tr.Info("C/Y", nodes.Detail{Messages: true})
	if len(i.Messages) != 2 || !strings.Contains(i.Messages[0].Text+i.Messages[1].Text, `"E" above it`) {
		t.Errorf("messages %+v", i.Messages)
	}
	until(t, "no device runs", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == 0 })
	if err := tr.Destroy(t.Context(), "E"); err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range []string{"B", "C", "D", "E"} {
		if !slices.Contains(p.forgotten, id) {
			t.Errorf("%s was not forgotten: %q", id, p.forgotten)
		}
	}
	if list, _ := readKeptShelf(tr); len(list) > 0 {
		t.Errorf("messages of what is gone are kept: %q", list)
	}
}

func readKeptShelf(tr *Tree) (ids []string, ok bool) {
	tr.cfg.Store.Shelf(keptShelf).Range(func(id string, _ []byte) bool { ids = append(ids, id); return true })
	return ids, true
}

type forgetful struct {
	plant
	forgotten []string
}

func (f *forgetful) Forget(id string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotten = append(f.forgotten, id)
}

// Commands and writes of a disabled node do not reach the device.
func TestDisabledRefuses(t *testing.T) {
	called := false
	o := &oddities{make: func(_ string, _ int, o *odd) error { return nil }}
	tr := works(t, o, "M")
	do(t, tr, "M", Disable, nil)
	if err := tr.Execute(t.Context(), "M", "Reset", nil); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("a command: %v", err)
	}
	if err := tr.Query(t.Context(), "M/P", "Scan", nil, func(nodes.Finding) error { called = true; return nil }); nodes.KindOf(err) != nodes.NotAcceptable || called {
		t.Errorf("a query: %v", err)
	}
	if _, err := tr.Set(t.Context(), []nodes.Setting{{Node: "M/P", Name: "a", Value: nodes.Bool(true)}}); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("a write: %v", err)
	}
	if err := tr.Execute(t.Context(), nodes.RootID, Disable, nil); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("the root: %v", err)
	}
}

// Disabling and enabling at once from several sides ends in what is stored, without
// a device left running.
func TestDisableStress(t *testing.T) {
	p := &plant{answer: func(_ context.Context, id string) nodes.Reading { return value(id, id, 1) }}
	tr := grow(t, p, &Memory{})
	var wg sync.WaitGroup
	for i, id := range []string{"B", "B/X", "B/X/a"} {
		wg.Go(func() {
			for k := range 20 {
				command := Disable
				if (k+i)%2 == 0 {
					command = Enable
				}
				if err := tr.Execute(t.Context(), id, command, nil); err != nil && nodes.KindOf(err) != nodes.NotAcceptable {
					t.Errorf("%s of %s: %v", command, id, err)
				}
				tr.Read(t.Context(), []string{"B/X"}, func(nodes.Reading) {})
			}
		})
	}
	wg.Wait()
	for _, command := range []string{Disable, Enable} {
		do(t, tr, "B", command, nil)
		want := 0
		if command == Enable {
			want = 1
		}
		until(t, command, func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == want })
	}
}
