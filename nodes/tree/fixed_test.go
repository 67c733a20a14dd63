package tree

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// The root has commands of the program's own.
func TestRootCommands(t *testing.T) {
	var ran string
	reason := errors.New("no room")
	tr, err := New(Config{Types: testTypes, Store: &Memory{}, Opener: &plant{},
		Commands: []nodes.Command{{ID: "Save", Kind: nodes.Parametrized, Params: []nodes.Param{{ID: "To", Kind: nodes.KindString, Default: nodes.String("disk")}}}},
		Run: func(_ context.Context, command string, p nodes.Params) error {
			ran = command + " " + p.Text("To")
			if p.Text("To") == "tape" {
				return reason
			}
			return nil
		}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	do(t, tr, nodes.RootID, "Save", nil)
	if ran != "Save disk" {
		t.Errorf("ran %q", ran)
	}
	if err := tr.Execute(t.Context(), nodes.RootID, "Save", nodes.Params{"To": nodes.String("tape")}); nodes.KindOf(err) != nodes.NotAcceptable || !errors.Is(err, reason) {
		t.Errorf("it fails with %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	ran = ""
	if err := tr.Execute(gone, nodes.RootID, "Save", nil); nodes.KindOf(err) != nodes.Gone || ran != "" {
		t.Errorf("given up, it ran %q, %v", ran, err)
	}
	do(t, tr, nodes.RootID, LogMessage, nodes.Params{"Text": nodes.String("x")})
	if _, err := New(Config{Types: testTypes, Store: &Memory{}, Commands: []nodes.Command{{ID: LogMessage}}}); err == nil {
		t.Error("a second LogMessage is accepted")
	}
}

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
