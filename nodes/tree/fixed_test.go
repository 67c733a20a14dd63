package tree

import (
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// The nodes of a fixed tree are there, run, are not stored, and stay as they are.
func TestFixed(t *testing.T) {
	fixed := []*nodes.Node{{Spec: nodes.Spec{Name: "B", Type: "bus"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "X", Type: "box"}}}}}
	p, store := &plant{}, &Memory{}
	tr, err := New(Config{Types: testTypes, Store: store, Opener: p, Fixed: fixed})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	until(t, "the bus runs", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == 1 })
	p.host("B").Report([]nodes.Reading{value("B/X", "x", 1)})
	if r, fresh, _ := tr.Current("B/X"); !fresh || len(r.Fields) != 1 {
		t.Errorf("it reads %+v", r)
	}
	for what, err := range map[string]error{
		"create":  tr.Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "F", Type: nodes.TypeFolder}}}),
		"edit":    tr.Edit(t.Context(), nodes.Edit{Node: "B", Name: "C"}),
		"move":    tr.Move(t.Context(), true, "B"),
		"destroy": tr.Destroy(t.Context(), "B"),
	} {
		if nodes.KindOf(err) != nodes.NotAcceptable || !strings.Contains(err.Error(), "cannot be changed") {
			t.Errorf("%s: %v", what, err)
		}
	}
	list, _ := tr.Commands("B")
	if slices.ContainsFunc(list, func(c nodes.Command) bool { return c.ID == Disable }) || len(list) != 2 {
		t.Errorf("commands %+v", list)
	}
	do(t, tr, "B", LogMessage, nodes.Params{"Text": nodes.String("mine")})
	if len(store.records) != 0 {
		t.Errorf("stored: %v", store.records)
	}
	again, err := New(Config{Types: testTypes, Store: store, Opener: p, Fixed: fixed})
	if err != nil || !again.Has("B/X") || len(messages(again, "B")) != 1 {
		t.Errorf("again %v, messages %q", err, messages(again, "B"))
	}
	if _, err := New(Config{Types: testTypes, Store: store, Opener: p, Fixed: []*nodes.Node{{Spec: nodes.Spec{Name: "X", Type: "box"}}}}); err == nil {
		t.Error("a box below the root is accepted")
	}
}
