package adaptertest

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// The host sees what breaks the contract.
func TestHostProblems(t *testing.T) {
	good := nodes.Field{Name: "f", Value: nodes.Int32(1), Time: time.Now(), Category: nodes.Momentary}
	bad := func(change func(*nodes.Field)) nodes.Reading {
		f := good
		change(&f)
		return nodes.Reading{Node: "n", Fields: []nodes.Field{f}}
	}
	report := func(r nodes.Reading) func(*Host) {
		return func(h *Host) { h.Report([]nodes.Reading{r}) }
	}
	for _, tt := range []struct {
		name string
		do   func(*Host)
		want string // part of the problem; empty: none
	}{
		{"good", report(nodes.Reading{Node: "n", Fields: []nodes.Field{good}}), ""},
		{"only an error", report(nodes.Reading{Node: "n", Err: errors.New("off")}), ""},
		{"message", func(h *Host) { h.Fault("n", nodes.Message{EventID: "E", Text: "off"}) }, ""},
		{"nothing", report(nodes.Reading{Node: "n"}), "neither fields nor an error"},
		{"empty", func(h *Host) { h.Report(nil) }, "nothing"},
		{"foreign", report(nodes.Reading{Node: "m", Fields: []nodes.Field{good}}), "not in the subtree"},
		{"foreign message", func(h *Host) { h.Fault("m", nodes.Message{EventID: "E", Text: "off"}) }, "not in the subtree"},
		{"no text", func(h *Host) { h.Fault("n", nodes.Message{EventID: "E"}) }, "without event id or text"},
		{"no name", report(bad(func(f *nodes.Field) { f.Name = "" })), "field name"},
		{"twice", report(nodes.Reading{Node: "n", Fields: []nodes.Field{good, good}}), "not unique"},
		{"no value", report(bad(func(f *nodes.Field) { f.Value = nodes.Value{} })), "no value"},
		{"NaN", report(bad(func(f *nodes.Field) { f.Value = nodes.Double(math.NaN()) })), "no value"},
		{"no time", report(bad(func(f *nodes.Field) { f.Time = time.Time{} })), "has time"},
		{"future", report(bad(func(f *nodes.Field) { f.Time = time.Now().Add(time.Hour) })), "has time"},
		{"two categories", report(bad(func(f *nodes.Field) { f.Category = nodes.Momentary | nodes.Peak })), "exactly one"},
		{"after the end", func(h *Host) { h.Over(); h.Clear("n", "E") }, "after Run had returned"},
	} {
		h := NewHost(&nodes.Node{Spec: nodes.Spec{ID: "n"}})
		tt.do(h)
		got := strings.Join(h.Problems(), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want it to hold %q", tt.name, got, tt.want)
		}
	}
}

func TestShelf(t *testing.T) {
	s := NewShelf()
	s.Put("b", []byte("2"))
	s.Put("a", []byte("1"))
	s.Put("c", []byte("3"))
	s.Delete("c")
	got := ""
	s.Range(func(k string, v []byte) bool { got += k + string(v); return true })
	if _, ok := s.Get("c"); ok || got != "a1b2" {
		t.Errorf("got %q, c is there: %v", got, ok)
	}
}

// The host knows the nodes of the device, with those that it created.
func TestHostNode(t *testing.T) {
	h := NewHost(&nodes.Node{Spec: nodes.Spec{ID: "gw"}, Children: []*nodes.Node{{Spec: nodes.Spec{ID: "gw/u", Parent: "gw"}}}})
	if err := h.Create(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "r", Parent: "gw/u"}}}); err != nil {
		t.Fatal(err)
	}
	n, ok := h.Node("gw/u")
	if !ok || len(n.Children) != 1 || n.Children[0].ID != "gw/u/r" {
		t.Errorf("got %+v, %v", n, ok)
	}
	if _, ok := h.Node("other"); ok {
		t.Error("a node that is not there is found")
	}
}
