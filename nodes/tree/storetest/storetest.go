// Package storetest is the contract that every tree.Store keeps, as tests: package
// persist runs it against a file, package tree against memory.
package storetest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// Box is where stores are kept: each call of Store gives one over the same
// content, as after a restart.
type Box interface {
	Store() tree.Store
	// Events returns what was committed, oldest first.
	Events() []nodes.Event
	// Reopen ends the use of all stores given so far.
	Reopen()
}

// Values are values of all kinds, with their odd cases.
func Values() nodes.Params {
	return nodes.Params{
		"Bool": nodes.Bool(true), "No": nodes.Bool(false), "Int32": nodes.Int32(-5), "Int64": nodes.Int64(-1 << 63),
		"Double": nodes.Double(0.1), "Quantity": nodes.Quantity(23.5, 2, "°C"), "Huge": nodes.Quantity(1.7e308, 0, ""),
		"Text": nodes.String("two\nlines ✓"), "Empty": nodes.String(""), "Enum": nodes.Enum("Holding", "RegisterType"),
		"Date":     nodes.Date(time.Date(1969, 7, 20, 0, 0, 0, 0, time.UTC)),
		"DateTime": nodes.DateTime(time.Date(2026, 11, 23, 5, 6, 7, 123456789, time.UTC)),
		"Time":     nodes.TimeOfDay(23*time.Hour + 59*time.Minute), "Duration": nodes.Duration(-14, -90*time.Second),
		"Color": nodes.Color(1, 2, 3, 255), "None": {},
	}
}

// Record makes a record of a node.
func Record(id, parent string, position uint64) tree.Record {
	return tree.Record{Position: position, Changed: time.Date(2026, 11, 23, 5, 6, 7, 1000, time.UTC),
		Spec: nodes.Spec{ID: id, Name: "name of " + id, Type: "modbus.unit", Parent: parent, Params: Values()}}
}

// Event makes an event with everything in it.
func Event(kind nodes.EventKind, id string, at time.Time) nodes.Event {
	return nodes.Event{Kind: kind, Time: at, OldID: "was " + id, After: "before " + id, Info: nodes.Info{
		Ref: nodes.In(id), Name: id, Type: "modbus.unit", TypeTitle: "Modbus unit", Parent: nodes.In(nodes.RootID), State: nodes.StateWarning,
		HasChildren: true, Readable: true, Sniffable: true, LastChanged: at,
		Properties: []nodes.Property{{ID: "Host", Name: "Host", Value: nodes.String("192.0.2.1")}},
		Messages:   []nodes.Message{{Time: at, Severity: nodes.SeverityWarning, EventID: "Timeout", Text: "No answer."}},
	}}
}

// Run runs all tests; open gives an empty box.
func Run(t *testing.T, open func(t *testing.T) Box) {
	for name, test := range map[string]func(*testing.T, Box){
		"empty": empty, "records": records, "replace and delete": replace, "long names": long,
		"events": events, "events alone": eventsAlone, "shelf": shelf, "shelf goes with its node": shelfGone,
	} {
		t.Run(name, func(t *testing.T) { test(t, open(t)) })
	}
}

func load(t *testing.T, b Box) map[string]tree.Record {
	t.Helper()
	out := make(map[string]tree.Record)
	err := b.Store().Load(func(r tree.Record) {
		if _, twice := out[r.Spec.ID]; twice {
			t.Errorf("%s was loaded twice", r.Spec.ID)
		}
		out[r.Spec.ID] = r
	})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return out
}

func commit(t *testing.T, b Box, batch tree.Batch) {
	t.Helper()
	if err := b.Store().Commit(batch); err != nil {
		t.Fatalf("Commit: %v", err)
	}
}

// Same tells whether two records are equal; nil and empty parameters are.
func Same(a, b tree.Record) bool {
	pa, pb := a.Spec.Params, b.Spec.Params
	as, bs := a.Spec, b.Spec
	return as.ID == bs.ID && as.Name == bs.Name && as.Type == bs.Type && as.Parent == bs.Parent &&
		a.Position == b.Position && a.Changed.Equal(b.Changed) && maps.Equal(pa, pb)
}

func empty(t *testing.T, b Box) {
	if got := load(t, b); len(got) != 0 {
		t.Errorf("a new store holds %d records, want none", len(got))
	}
	if got := b.Events(); len(got) != 0 {
		t.Errorf("a new store holds %d events, want none", len(got))
	}
	commit(t, b, tree.Batch{})
}

func records(t *testing.T, b Box) {
	var want []tree.Record
	for i := range 200 {
		want = append(want, Record(fmt.Sprintf("node %d", i), nodes.RootID, uint64(i+1)))
	}
	commit(t, b, tree.Batch{Put: want})
	for range 2 {
		got := load(t, b)
		if len(got) != len(want) {
			t.Errorf("%d records, want %d", len(got), len(want))
		}
		for _, w := range want {
			if !Same(got[w.Spec.ID], w) {
				t.Errorf("got %+v\nwant %+v", got[w.Spec.ID], w)
			}
		}
		b.Reopen()
	}
}

func replace(t *testing.T, b Box) {
	commit(t, b, tree.Batch{Put: []tree.Record{Record("a", nodes.RootID, 1), Record("b", nodes.RootID, 2), Record("b/c", "b", 1)}})
	other := Record("a", "b", 7)
	other.Spec.Params = nil
	commit(t, b, tree.Batch{Put: []tree.Record{other}, Delete: []string{"b/c", "never there"}})
	renewed := Record("b", nodes.RootID, 9)
	commit(t, b, tree.Batch{Delete: []string{"b"}, Put: []tree.Record{renewed}})
	b.Reopen()
	got := load(t, b)
	if len(got) != 2 || !Same(got["a"], other) || !Same(got["b"], renewed) {
		t.Errorf("got %+v", got)
	}
}

func long(t *testing.T, b Box) {
	r := Record(strings.Repeat("é", tree.MaxID/2), nodes.RootID, 1)
	r.Spec.Name = strings.Repeat("n", tree.MaxName)
	r.Spec.Params = nodes.Params{"Text": nodes.String(strings.Repeat("x", 64<<10))}
	commit(t, b, tree.Batch{Put: []tree.Record{r}})
	b.Reopen()
	if got := load(t, b); !Same(got[r.Spec.ID], r) {
		t.Errorf("a long record came back changed")
	}
}

func events(t *testing.T, b Box) {
	at := time.Date(2026, 11, 23, 5, 6, 7, 0, time.UTC)
	var want []nodes.Event
	for i := range 50 {
		e := Event(nodes.NodeAdded, fmt.Sprint("n", i), at.Add(time.Duration(i)*time.Millisecond))
		want = append(want, e)
		commit(t, b, tree.Batch{Put: []tree.Record{Record(e.Info.Ref.ID, nodes.RootID, uint64(i+1))}, Events: []nodes.Event{e}})
	}
	b.Reopen()
	got := b.Events()
	if len(got) != len(want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	for i := range want {
		if g, w := fmt.Sprintf("%+v", got[i]), fmt.Sprintf("%+v", want[i]); g != w {
			t.Fatalf("event %d is\n%s\nwant\n%s", i, g, w)
		}
	}
}

func eventsAlone(t *testing.T, b Box) {
	at := time.Date(2026, 11, 23, 5, 6, 7, 0, time.UTC)
	commit(t, b, tree.Batch{Events: []nodes.Event{{Kind: nodes.NodeStatusChanged, Time: at}, {Kind: nodes.NodeRemoved, Time: at.Add(-time.Second)}}})
	b.Reopen()
	got := b.Events()
	if len(got) != 2 || got[0].Kind != nodes.NodeStatusChanged || got[1].Kind != nodes.NodeRemoved || !got[1].Info.LastChanged.IsZero() {
		t.Errorf("got %+v, want both in the order of their commit", got)
	}
}

func content(s nodes.Shelf) map[string]string {
	out := make(map[string]string)
	s.Range(func(k string, v []byte) bool { out[k] = string(v); return true })
	return out
}

func shelf(t *testing.T, b Box) {
	commit(t, b, tree.Batch{Put: []tree.Record{Record("gw", nodes.RootID, 1)}})
	s := b.Store().Shelf("gw")
	if v, ok := s.Get("a"); ok {
		t.Errorf("a new shelf holds %q", v)
	}
	value := []byte("one")
	s.Put("a", value)
	value[0] = 'X' // the shelf has its own copy
	s.Put("b", []byte("two"))
	s.Put("c", nil)
	s.Put("d", []byte("four"))
	want := map[string]string{"a": "one", "b": "two", "c": "", "d": "four"}
	if got := content(s); !maps.Equal(got, want) {
		t.Errorf("at once: %q, want %q", got, want)
	}
	b.Reopen()
	s = b.Store().Shelf("gw")
	if got := content(s); !maps.Equal(got, want) {
		t.Errorf("after a restart: %q, want %q", got, want)
	}
	s.Put("a", []byte("uno"))
	s.Delete("b")
	s.Delete("never there")
	want = map[string]string{"a": "uno", "c": "", "d": "four"}
	if v, ok := s.Get("b"); ok {
		t.Errorf("deleted, but still %q", v)
	}
	if v, ok := s.Get("a"); !ok || string(v) != "uno" {
		t.Errorf("got %q, %v, want uno", v, ok)
	}
	if got := content(s); !maps.Equal(got, want) {
		t.Errorf("after a change: %q, want %q", got, want)
	}
	var keys []string
	s.Range(func(k string, _ []byte) bool { keys = append(keys, k); return k != "c" })
	if want := []string{"a", "c"}; !slices.Equal(keys, want) {
		t.Errorf("Range called for %q, want %q", keys, want)
	}
	b.Reopen()
	if got := content(b.Store().Shelf("gw")); !maps.Equal(got, want) {
		t.Errorf("after another restart: %q, want %q", got, want)
	}
	if got := content(b.Store().Shelf("other")); len(got) != 0 {
		t.Errorf("another shelf holds %q", got)
	}
}

func shelfGone(t *testing.T, b Box) {
	commit(t, b, tree.Batch{Put: []tree.Record{Record("gw", nodes.RootID, 1)}})
	b.Store().Shelf("gw").Put("a", []byte("old"))
	b.Reopen()
	store := b.Store()
	old := store.Shelf("gw")
	old.Put("b", []byte("old"))
	if err := store.Commit(tree.Batch{Delete: []string{"gw"}}); err != nil {
		t.Fatal(err)
	}
	old.Put("c", []byte("too late"))
	if got := content(store.Shelf("gw")); len(got) != 0 {
		t.Errorf("the shelf of a new node of that id holds %q", got)
	}
	b.Reopen()
	if got := content(b.Store().Shelf("gw")); len(got) != 0 {
		t.Errorf("after a restart it holds %q", got)
	}
}
