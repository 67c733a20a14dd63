package tree

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func TestEdit(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("B/X"), Type: "channel", Name: "z"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		edits  []nodes.Edit
		kind   nodes.ErrorKind // wanted
		fields string          // ids of wrong parameters
	}{
		{"no such node", []nodes.Edit{{Node: "nowhere", Name: "x"}}, nodes.NotFound, ""},
		{"the root", []nodes.Edit{{Node: "Root", Name: "x"}}, nodes.NotAcceptable, ""},
		{"wrong parameters", []nodes.Edit{{Node: "B", Params: nodes.Params{"Port": nodes.Int32(99), "port": nodes.Int32(1)}}}, nodes.Invalid, "Port port"},
		{"id in use", []nodes.Edit{{Node: "B", ID: "B/X"}}, nodes.Invalid, "NodeId"},
		{"name in use", []nodes.Edit{{Node: "B/X/a", Name: "z"}}, nodes.Invalid, "Name"},
		{"control character", []nodes.Edit{{Node: "B/X/a", Name: "a\x01", ID: "\x02"}}, nodes.Invalid, "Name NodeId"},
		{"twice", []nodes.Edit{{Node: "B/X/a", Name: "p"}, {Node: "B/X/a", Name: "q"}}, nodes.Invalid, "NodeId"},
		{"two want one id", []nodes.Edit{{Node: "B/X/a", ID: "p"}, {Node: "B/X/z", ID: "p"}}, nodes.Invalid, "NodeId"},
		{"one of two is wrong", []nodes.Edit{{Node: "B/X/a", Name: "p"}, {Node: "B", Params: nodes.Params{"Port": nodes.Int32(99)}}}, nodes.Invalid, "Port"},
	} {
		before := text(tr.Export())
		err := tr.Edit(t.Context(), tt.edits...)
		var e *nodes.Error
		if !errors.As(err, &e) || e.Kind != tt.kind {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.kind)
			continue
		}
		for _, id := range strings.Fields(tt.fields) {
			if e.Fields[id] == "" {
				t.Errorf("%s: no message for %s in %v", tt.name, id, e.Fields)
			}
		}
		if after := text(tr.Export()); after != before {
			t.Errorf("%s: the tree has changed", tt.name)
		}
	}
}

// An edit keeps what hangs on the node, whatever its id becomes, and so does what
// is on disk.
func TestRename(t *testing.T) {
	p, store := &plant{}, &Memory{}
	tr := grow(t, p, store)
	var events []nodes.Event
	defer tr.Subscribe(func(e nodes.Event) { events = append(events, e) })()
	p.host("B").Report([]nodes.Reading{value("B/X/a", "a", 1)})
	tr.Fault("B/X", nodes.Message{Severity: nodes.SeverityWarning, EventID: "Own", Text: "stays"})
	var heard []nodes.Reading
	defer tr.Watch([]string{"B/X"}, 0, func(r nodes.Reading) { heard = append(heard, r) })()
	events = nil
	if err := tr.Edit(t.Context(), nodes.Edit{Node: "B/X", ID: "box 1", Name: "first"}); err != nil {
		t.Fatal(err)
	}
	if len(events) != 1 || events[0].Kind != nodes.NodeUpdated || events[0].OldID != "B/X" || events[0].Info.Ref.ID != "box 1" || events[0].Info.Name != "first" {
		t.Errorf("events %+v", events)
	}
	r, _, ok := tr.Current("box 1")
	if !ok || len(r.Fields) != 1 || r.Node != "box 1" {
		t.Errorf("values %+v, %v", r, ok)
	}
	if i, _ := tr.Info("box 1", nodes.Detail{Messages: true}); len(i.Messages) != 1 || i.State != nodes.StateWarning {
		t.Errorf("messages %+v", i.Messages)
	}
	if i, _ := tr.Info("B/X/a", nodes.Detail{}); i.Parent.ID != "box 1" {
		t.Errorf("its child's parent is %s", i.Parent.ID)
	}
	if _, ok := tr.Info("B/X", nodes.Detail{}); ok {
		t.Error("the old id is still there")
	}
	until(t, "the device learns of it", func() (ok bool) {
		p.set(func() {
			for _, c := range p.changes {
				ok = ok || slices.Contains(c.Removed, "B/X") && len(c.Put) >= 2 && c.Put[0].ID == "box 1" && c.Put[1].Parent == "box 1"
			}
		})
		return ok
	})
	heard = nil
	p.host("B").Report([]nodes.Reading{value("B/X/a", "a", 2)})
	if len(heard) != 1 || heard[0].Node != "box 1" {
		t.Errorf("the watcher was told %+v", heard)
	}
	again, err := New(Config{Types: testTypes, Store: store, Opener: &plant{}})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := text(again.Export()), text(tr.Export()); got != want {
		t.Errorf("on disk:\n%s\nin memory:\n%s", got, want)
	}
}

func text(n *nodes.Node) string {
	s := fmt.Sprintf("%s %s %s %s %v\n", n.Parent, n.ID, n.Name, n.Type, n.Params)
	for _, c := range n.Children {
		s += text(c)
	}
	return s
}

// The device of a node that gets another id is opened again, with what it kept.
func TestRenameDevice(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	p.host("B").Shelf().Put("total", []byte("42"))
	p.host("B").Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "E", Text: "of the old one"})
	if err := tr.Edit(t.Context(), nodes.Edit{Node: "B", ID: "line", Params: nodes.Params{"Port": nodes.Int32(3), "Key": nodes.String("k")}}); err != nil {
		t.Fatal(err)
	}
	until(t, "it runs again", func() (ok bool) { p.set(func() { ok = p.buses["line"] != nil && p.running == 1 }); return ok })
	if v, _ := p.host("line").Shelf().Get("total"); string(v) != "42" {
		t.Errorf("the shelf holds %q", v)
	}
	if n := p.buses["line"].node; n.Params.Int("Port") != 3 || n.Children[0].Parent != "line" {
		t.Errorf("opened with %+v", n)
	}
	if i, _ := tr.Info("B/X", nodes.Detail{Messages: true}); len(i.Messages) != 0 {
		t.Errorf("messages of the device that is gone: %v", i.Messages)
	}
	until(t, "it reports", func() bool {
		p.host("line").Report([]nodes.Reading{value("B/X/a", "a", 5)})
		r, _, _ := tr.Current("B/X/a")
		return len(r.Fields) == 1
	})
}

func TestMove(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	for _, name := range []string{"a", "b", "c", "d"} {
		if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In("Root"), Type: "folder", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	order := func() string {
		var names []string
		list, _ := tr.Children("Root", nodes.Detail{})
		for _, i := range list {
			names = append(names, i.Name)
		}
		return strings.Join(names, " ")
	}
	for _, tt := range []struct {
		down   bool
		ids    []string
		want   string
		events int
	}{
		{false, []string{"c"}, "B a c b d", 1},
		{false, []string{"B"}, "B a c b d", 0},
		{true, []string{"d"}, "B a c b d", 0},
		{true, []string{"B"}, "a B c b d", 1},
		{false, []string{"a", "B", "c"}, "a B c b d", 0}, // a cannot, so that the others stop behind it
		{false, []string{"B", "c"}, "B c a b d", 2},
		{true, []string{"B", "c"}, "a B c b d", 2},
		{true, []string{"b", "d"}, "a B c b d", 0},
		{false, []string{"nowhere", "B/X", "Root"}, "a B c b d", 0},
	} {
		var events []string
		stop := tr.Subscribe(func(e nodes.Event) { events = append(events, e.Kind.String()+" "+e.Info.Ref.ID) })
		if err := tr.Move(t.Context(), tt.down, tt.ids...); err != nil {
			t.Fatal(err)
		}
		stop()
		if got := order(); got != tt.want || len(events) != tt.events {
			t.Errorf("%v down %v: %s, events %v; want %s and %d", tt.ids, tt.down, got, events, tt.want, tt.events)
		}
	}
}

// host is what the opening of a bus sees.
func (p *plant) host(id string) (h nodes.Host) {
	p.set(func() { h = p.buses[id].host })
	return h
}
