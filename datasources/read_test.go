package datasources

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// TestReadouts: what Read and Current yield, of what a device has answered.
func TestReadouts(t *testing.T) {
	c, _, p, _ := grow(t)
	for _, id := range []string{"L", "LOther"} {
		p.host(id).Report([]nodes.Reading{reading(id+"/U/r", 1), reading(id+"/V/r", 2)})
	}
	ref := func(list ...string) (out []nodes.Ref) {
		for _, s := range list {
			source, id, _ := strings.Cut(s, "|")
			out = append(out, nodes.Ref{Source: source, ID: id})
		}
		return
	}
	main := nodes.DefaultSource
	for _, tt := range []struct {
		name string
		ro   nodes.Readout
		want []string
	}{
		{"one", nodes.Readout{Refs: ref("|L/U")}, []string{"|L/U: v=1 s=on"}},
		{"a part", nodes.Readout{Refs: ref(main + "|L/V/r")}, []string{main + "|L/V/r: v=2 s=on"}},
		{"none", nodes.Readout{}, nil},
		{"twice", nodes.Readout{Refs: ref("|L/U", "|L/U")}, []string{"|L/U: v=1 s=on"}},
		{"under two names", nodes.Readout{Refs: ref("|L/U", main+"|L/U", "|L/U")}, []string{"|L/U: v=1 s=on", main + "|L/U: v=1 s=on"}},
		{"of two sources", nodes.Readout{Refs: ref("|L/U", "Other|LOther/V")}, []string{"|L/U: v=1 s=on", "Other|LOther/V: v=2 s=on"}},
		{"unreadable", nodes.Readout{Refs: ref("|F")}, []string{"|F:!not supported"}},
		{"mixed", nodes.Readout{Refs: ref("|F", "|L", "|L/V")}, []string{"|F:!not supported", "|L:!not supported", "|L/V: v=2 s=on"}},
		{"category", nodes.Readout{Refs: ref("|L/U"), Categories: nodes.Status | nodes.Peak}, []string{"|L/U: s=on"}},
		{"no such category", nodes.Readout{Refs: ref("|L/U"), Categories: nodes.Peak}, []string{"|L/U:"}},
		{"name", nodes.Readout{Refs: ref("|L/U", "|L/V"), Fields: []string{"v", "x"}}, []string{"|L/U: v=1", "|L/V: v=2"}},
		{"name and category", nodes.Readout{Refs: ref("|L/U"), Fields: []string{"v"}, Categories: nodes.Status}, []string{"|L/U:"}},
		{"from", nodes.Readout{Refs: ref("|L/U"), From: noon.Add(time.Second)}, []string{"|L/U: s=on"}},
		{"from, inclusive", nodes.Readout{Refs: ref("|L/U"), From: noon}, []string{"|L/U: v=1 s=on"}},
		{"to", nodes.Readout{Refs: ref("|L/U"), To: noon}, []string{"|L/U: v=1"}},
		{"from and to", nodes.Readout{Refs: ref("|L/U"), From: noon.Add(1), To: noon.Add(2)}, []string{"|L/U:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			yield := func(ref nodes.Ref, r nodes.Reading) { got = append(got, show(ref, r)) }
			fresh, err := c.Current(person("reader"), &tt.ro, yield)
			if err != nil || !fresh || !slices.Equal(got, tt.want) {
				t.Errorf("Current: %q, %v, %v; want %q", got, fresh, err, tt.want)
			}
			got = nil
			if err := c.Read(t.Context(), person("reader"), &tt.ro, yield); err != nil || sorted(got) != sorted(tt.want) {
				t.Errorf("Read: %q, %v; want %q", got, err, tt.want)
			}
		})
	}
	if len(p.asked) != 0 {
		t.Errorf("the device was asked for %v, which all were fresh", p.asked)
	}
	i, _ := c.Node(person("reader"), nodes.In("L/U"), nodes.Detail{})
	if r := readOne(t, c, i.Ref); len(r.Fields) != 2 {
		t.Errorf("a filter changed what is kept: %v", r.Fields)
	}
}

func readOne(t *testing.T, c *Catalog, ref nodes.Ref) (out nodes.Reading) {
	t.Helper()
	if err := c.Read(t.Context(), person("reader"), &nodes.Readout{Refs: []nodes.Ref{ref}}, func(_ nodes.Ref, r nodes.Reading) { out = r }); err != nil {
		t.Error(err)
	}
	return
}

// TestNotFresh: Current yields nothing at all when anything is missing; Read asks,
// and tells of what failed.
func TestNotFresh(t *testing.T) {
	c, _, p, _ := grow(t)
	p.fail = map[string]bool{"L/V/r": true}
	ro := &nodes.Readout{Refs: []nodes.Ref{{ID: "L/U"}, {ID: "L/V"}, {ID: "F"}}}
	fresh, err := c.Current(person("reader"), ro, func(ref nodes.Ref, r nodes.Reading) { t.Errorf("yielded %s", show(ref, r)) })
	if fresh || err != nil {
		t.Errorf("Current: %v, %v", fresh, err)
	}
	var got []string
	if err := c.Read(t.Context(), person("reader"), ro, func(ref nodes.Ref, r nodes.Reading) { got = append(got, show(ref, r)) }); err != nil {
		t.Error(err)
	}
	if want := "|F:!not supported, |L/U: v=1 s=on, |L/V:!internal error"; sorted(got) != want {
		t.Errorf("got %s, want %s", sorted(got), want)
	}
	// One ref that may not be read spoils all, before any device is asked.
	p.asked = nil
	ro.Refs = append(ro.Refs, nodes.In("nowhere"))
	if err := c.Read(t.Context(), person("reader"), ro, func(nodes.Ref, nodes.Reading) { t.Error("yielded") }); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("Read: %v", err)
	}
	if _, err := c.Current(person("reader"), ro, func(nodes.Ref, nodes.Reading) { t.Error("yielded") }); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("Current: %v", err)
	}
	if len(p.asked) != 0 {
		t.Errorf("asked for %v", p.asked)
	}
}

// log collects what is told.
type log struct {
	mu   sync.Mutex
	list []string
}

func (l *log) add(s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
}

func (l *log) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := strings.Join(l.list, ", ")
	l.list = nil
	return s
}

// TestWatch: refs come as they were written, the right is looked at for each
// change, and the end is the end.
func TestWatch(t *testing.T) {
	c, access, p, _ := grow(t)
	p.host("L").Report([]nodes.Reading{reading("L/U/r", 1)})
	var l log
	refs := []nodes.Ref{{ID: "L/U"}, nodes.In("L/U"), {ID: "L/U"}, {Source: "Other", ID: "LOther/V/r"}}
	stop, err := c.Watch(person("reader"), nodes.Watch{Refs: refs, Notify: func(ref nodes.Ref, r nodes.Reading) { l.add(show(ref, r)) }})
	if err != nil {
		t.Fatal(err)
	}
	tell := func(v float64) string {
		p.host("L").Report([]nodes.Reading{reading("L/U/r", v), reading("L/V/r", v)})
		p.host("LOther").Report([]nodes.Reading{reading("LOther/V/r", v)})
		return l.take()
	}
	if got, want := tell(2), "|L/U: v=2, MeteringTopology|L/U: v=2, Other|LOther/V/r: v=2 s=on"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := tell(2); got != "" {
		t.Errorf("nothing changed, told %s", got)
	}
	access.Replace([]Rule{{Who: []string{person("reader").JID}, May: nodes.See}})
	if got := tell(3); got != "" {
		t.Errorf("without the right: told %s", got)
	}
	access.Replace([]Rule{{Who: []string{person("reader").JID}, May: nodes.See | nodes.Read}})
	if got, want := tell(4), "|L/U: v=4, MeteringTopology|L/U: v=4, Other|LOther/V/r: v=4"; got != want {
		t.Errorf("with the right again: %s, want %s", got, want)
	}
	stop()
	stop()
	if got := tell(5); got != "" {
		t.Errorf("after the end: told %s", got)
	}
	if _, err := c.Watch(person("reader"), nodes.Watch{Refs: append(refs, nodes.In("nowhere"))}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a watch of what is not there: %v", err)
	}
}

// TestWatchEndsWhileTold: after stop has returned nothing is told, however many
// changes there are.
func TestWatchEndsWhileTold(t *testing.T) {
	c, _, p, _ := grow(t)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for v := 0.0; ctx.Err() == nil; v++ {
			p.host("L").Report([]nodes.Reading{reading("L/U/r", v)})
		}
	})
	for range 100 {
		over := false // a race if it is read after stop has returned
		stop, err := c.Watch(person("reader"), nodes.Watch{Refs: []nodes.Ref{nodes.In("L/U")}, Interval: time.Second, Notify: func(nodes.Ref, nodes.Reading) {
			if over {
				t.Error("told after the end")
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Microsecond)
		stop()
		over = true
	}
	cancel()
	wg.Wait()
}

// TestSubscribe: everybody is told only of what he may see, as he may use it.
func TestSubscribe(t *testing.T) {
	c, access, _, trees := grow(t)
	var l log
	stop, err := c.Subscribe(person("looker"), "", func(e nodes.Event) {
		l.add(fmt.Sprint(e.Kind, " ", e.Info.Ref.ID, " ", e.Info.Sniffable))
	})
	if err != nil {
		t.Fatal(err)
	}
	change := func(name string) string {
		for _, source := range []string{"", "Other"} {
			ref := nodes.Ref{Source: source, ID: "Root"}
			if _, err := c.Create(t.Context(), nodes.System, nodes.NewNode{Parent: ref, Type: "line", Name: name}); err != nil {
				t.Fatal(err)
			}
			ref.ID = name
			if err := c.Destroy(t.Context(), nodes.System, ref); err != nil {
				t.Fatal(err)
			}
		}
		return l.take()
	}
	if got, want := change("N"), "added N false, removed N false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	trees[0].Fault("F", nodes.Message{Severity: nodes.SeverityError, EventID: "x", Text: "odd"})
	if got, want := l.take(), "status changed F false"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	access.Replace(nil)
	if got := change("N"); got != "" {
		t.Errorf("without the right: told %s", got)
	}
	access.Replace([]Rule{{Who: []string{"@example.org"}, May: nodes.AllRights}})
	if got, want := change("N"), "added N true, removed N true"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	stop()
	stop()
	if got := change("N"); got != "" {
		t.Errorf("after the end: told %s", got)
	}
}

// TestSniff: a line gives everything, a unit only what is its own.
func TestSniff(t *testing.T) {
	c, access, p, _ := grow(t)
	who := person("listener")
	frames := func() {
		for _, node := range []string{"L", "L/U", "L/U/r", "L/V", "L/V/r", "nowhere"} {
			p.tap("L").Rx(node, []byte(node))
		}
		p.tap("L").Note(sniffer.Info, "", "connected")
		p.tap("LOther").Rx("LOther/U", []byte("other"))
	}
	heard := func(s *sniffer.Subscription) string {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		events, _, _ := s.Next(ctx)
		var out []string
		for _, e := range events {
			out = append(out, string(e.Data)+e.Text)
		}
		return strings.Join(out, " ")
	}
	for id, want := range map[string]string{"L": "L L/U L/U/r L/V L/V/r nowhere connected", "L/U": "L/U L/U/r connected"} {
		s, err := c.Sniff(who, nodes.Ref{ID: id}, time.Now().Add(time.Minute))
		if err != nil {
			t.Fatal(err)
		}
		frames()
		if got := heard(s); got != want {
			t.Errorf("%s: %q, want %q", id, got, want)
		}
		access.Replace([]Rule{{Who: []string{who.JID}, May: nodes.See}})
		p.tap("L").Rx("L/U", []byte("private"))
		if got := heard(s); got != "" {
			t.Errorf("%s without the right: %q", id, got)
		}
		access.Replace([]Rule{{Who: []string{who.JID}, May: nodes.See | nodes.Listen}})
		s.Close()
		if p.tap("L").Active() {
			t.Errorf("%s: the tap still has listeners", id)
		}
	}
	for _, id := range []string{"L/U/r", "F", "Root"} {
		if _, err := c.Sniff(who, nodes.In(id), time.Now().Add(time.Minute)); nodes.KindOf(err) != nodes.NotAcceptable || !strings.Contains(err.Error(), "choose its gateway") {
			t.Errorf("%s: %v, want not acceptable, and what to do", id, err)
		}
	}
	none := New(access, func(string) *sniffer.Tap { return nil }, c.trees...)
	if _, err := none.Sniff(who, nodes.In("L"), time.Now().Add(time.Minute)); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("before it is open: %v", err)
	}
	// A unit that is destroyed has no more frames.
	s, err := c.Sniff(who, nodes.In("L/U"), time.Now().Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := c.Destroy(t.Context(), nodes.System, nodes.In("L/U")); err != nil {
		t.Fatal(err)
	}
	p.tap("L").Rx("L/U", []byte("late"))
	if got := heard(s); got != "" {
		t.Errorf("a unit that is gone: %q", got)
	}
}
