package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func set(node, name string, v int32) nodes.Setting {
	return nodes.Setting{Node: node, Name: name, Value: nodes.Int32(v)}
}

// states writes outcomes in short.
func states(list []nodes.Outcome) string {
	var out []string
	for _, o := range list {
		out = append(out, o.State.String())
	}
	return strings.Join(out, " ")
}

// message returns the text of the message about controls of a node, or "".
func controlMessage(tr *Tree, id string) string {
	i, _ := tr.Info(id, nodes.Detail{Messages: true})
	for _, m := range i.Messages {
		if m.EventID == controlEvent {
			return fmt.Sprint(m.Severity.State(), ": ", m.Text)
		}
	}
	return ""
}

func TestControls(t *testing.T) {
	tr := worksOf(t, &oddities{}, func() []*nodes.Node {
		return []*nodes.Node{valve("a", "n"), valve("ro", ""), valve("p", "panics"), valve("t", "two"),
			valve("deep", "", valve("a", "n"), valve("c", "n"))}
	}, "M")
	for _, tt := range []struct{ id, want string }{
		{"M", ""}, {"M/P/a", "a"}, {"M/P/ro", ""}, {"M/P/p", ""}, {"M/P/t", "t.x t.y"},
		{"M/P/deep", "a c"}, {"M/P", "t.x t.y c"}, // a stands twice
	} {
		list, err := tr.Controls(tt.id)
		if err != nil {
			t.Errorf("%s: %v", tt.id, err)
		}
		var got []string
		for _, p := range list {
			got = append(got, p.ID)
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s has %q, want %q", tt.id, got, tt.want)
		}
		if i, _ := tr.Info(tt.id, nodes.Detail{}); i.Controllable != (tt.want != "") {
			t.Errorf("%s: controllable %v, its controls are %q", tt.id, i.Controllable, tt.want)
		}
	}
	for id, want := range map[string]bool{nodes.RootID: true, "M": true, "M/P": true, "M/P/a": true} {
		if i, _ := tr.Info(id, nodes.Detail{}); i.HasCommands != want {
			t.Errorf("%s has commands: %v, want %v", id, i.HasCommands, want)
		}
	}
	if _, err := tr.Controls("nowhere"); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("an unknown node: %v", err)
	}
	// What a node can do follows its configuration.
	if err := tr.Edit(t.Context(), nodes.Edit{Node: "M/P/ro", Params: nodes.Params{"Writable": nodes.Bool(true)}},
		nodes.Edit{Node: "M/P/a", Params: nodes.Params{"Writable": nodes.Bool(false)}}); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]bool{"M/P/ro": true, "M/P/a": false} {
		if i, _ := tr.Info(id, nodes.Detail{}); i.Controllable != want {
			t.Errorf("%s after the edit: controllable %v", id, i.Controllable)
		}
	}
}

// TestControllableAfterLoading: a stored node is as it was.
func TestControllableAfterLoading(t *testing.T) {
	store := &Memory{}
	open := func() (*Tree, func()) {
		tr, err := New(Config{Types: workTypes, Store: store, Opener: &oddities{}})
		if err != nil {
			t.Fatal(err)
		}
		return tr, run(t, tr)
	}
	tr, stop := open()
	if err := tr.Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "M", Type: "machine"}, Children: []*nodes.Node{
		{Spec: nodes.Spec{Name: "P", Type: "part"}, Children: []*nodes.Node{valve("a", "n"), valve("b", "")}}}}}); err != nil {
		t.Fatal(err)
	}
	stop()
	tr, _ = open()
	for id, want := range map[string]bool{"M": false, "M/P": true, "M/P/a": true, "M/P/b": false} {
		if i, _ := tr.Info(id, nodes.Detail{}); i.Controllable != want {
			t.Errorf("%s: controllable %v, want %v", id, i.Controllable, want)
		}
	}
}

// record makes devices that note what they are told to set.
func record(got *[]string, mu *sync.Mutex) func(id string, nth int, o *odd) error {
	return func(id string, _ int, o *odd) error {
		o.set = func(_ context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
			text := id + ":"
			for _, s := range list {
				text += fmt.Sprintf(" %s %s=%v %s;", s.Node, s.Name, s.Value, s.Value.Kind())
			}
			mu.Lock() // before the last outcome: then nobody waits any more
			*got = append(*got, text)
			mu.Unlock()
			for i, s := range list {
				yield(i, nodes.Outcome{State: nodes.WriteVerified, Value: s.Value})
			}
		}
		return nil
	}
}

// TestSet: parameters of devices go to their parts, in order, in one call for
// each run of one device.
func TestSet(t *testing.T) {
	var mu sync.Mutex
	var got []string
	tr := works(t, &oddities{make: record(&got, &mu)}, "M", "N")
	out, err := tr.Set(t.Context(), []nodes.Setting{
		set("M/P", "b", 1), {Node: "M/P/a", Name: "a", Value: nodes.Double(2)}, set("N/P", "a", 3), set("M/P/a", "a", 4), set("M/P/a", "a", 5)})
	if err != nil || states(out) != "verified verified verified verified verified" {
		t.Fatalf("got %s, %v", states(out), err)
	}
	want := []string{"M: M/P/b b=1 int32; M/P/a a=2 int32;", "N: N/P/a a=3 int32;", "M: M/P/a a=4 int32; M/P/a a=5 int32;"}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(got, want) {
		t.Errorf("devices got %q,\nwant %q", got, want)
	}
	if v := out[1].Value; v != nodes.Int32(2) || out[1].Time.IsZero() || out[1].Err != nil {
		t.Errorf("the outcome is %+v", out[1])
	}
	if out, err := tr.Set(t.Context(), nil); err != nil || len(out) != 0 {
		t.Errorf("nothing: %v, %v", out, err)
	}
}

// TestSetChecksFirst: nothing is tried when anything is wrong.
func TestSetChecksFirst(t *testing.T) {
	var mu sync.Mutex
	var got []string
	tr := worksOf(t, &oddities{make: record(&got, &mu)}, func() []*nodes.Node {
		return []*nodes.Node{valve("a", "n"), valve("ro", ""), valve("s", "switch"), valve("k", "fixed"),
			valve("x", "", valve("d", "n")), valve("y", "", valve("d", "n"))}
	}, "M")
	good := set("M/P/a", "a", 7)
	for _, tt := range []struct {
		name string
		list []nodes.Setting
		kind nodes.ErrorKind
		ref  string
		want map[string]string
	}{
		{"unknown node", []nodes.Setting{good, set("M/Q", "a", 1)}, nodes.NotFound, "M/Q", nil},
		{"unknown node after a wrong value", []nodes.Setting{set("M/P", "a", 101), set("M/Q", "a", 1)}, nodes.NotFound, "M/Q", nil},
		{"above", []nodes.Setting{good, set("M/P", "a", 101)}, nodes.Invalid, "M/P", map[string]string{"a": "from 0 to 100"}},
		{"not writable", []nodes.Setting{good, set("M/P", "ro", 1)}, nodes.Invalid, "M/P", map[string]string{"ro": "does not say that it is writable"}},
		{"not writable itself", []nodes.Setting{set("M/P/ro", "ro", 1)}, nodes.Invalid, "M/P/ro", map[string]string{"ro": "does not say that it is writable"}},
		{"nothing writable", []nodes.Setting{set("M", "a", 1)}, nodes.Invalid, "M", map[string]string{"a": "nothing of this node is writable"}},
		{"unknown", []nodes.Setting{set("M/P", "z", 1)}, nodes.Invalid, "M/P", map[string]string{"z": "there are a, s, k"}},
		{"read only", []nodes.Setting{{Node: "M/P", Name: "k", Value: nodes.Bool(true)}}, nodes.Invalid, "M/P", map[string]string{"k": "cannot be changed"}},
		{"twice", []nodes.Setting{set("M/P", "d", 1)}, nodes.Invalid, "M/P", map[string]string{"d": "M/P/x/d, M/P/y/d"}},
		{"no value", []nodes.Setting{{Node: "M/P", Name: "a"}}, nodes.Invalid, "M/P", map[string]string{"a": "has no value"}},
		{"kind", []nodes.Setting{{Node: "M/P", Name: "a", Value: nodes.Bool(true)}}, nodes.Invalid, "M/P", map[string]string{"a": "a whole number"}},
		{"option", []nodes.Setting{{Node: "M/P", Name: "s", Value: nodes.String("up")}}, nodes.Invalid, "M/P", map[string]string{"s": "one of on, off"}},
		{"several", []nodes.Setting{set("M/P", "z", 1), good, set("M/P", "a", -1), set("M/P/a", "a", -1)}, nodes.Invalid, "M/P",
			map[string]string{"z": "no such", "a": "out of range"}},
	} {
		for what, err := range map[string]error{"Set": func() error { _, err := tr.Set(t.Context(), tt.list); return err }(), "CheckSet": tr.CheckSet(tt.list)} {
			var e *nodes.Error
			if !errors.As(err, &e) || e.Kind != tt.kind || e.Ref.ID != tt.ref || len(e.Fields) != len(tt.want) {
				t.Errorf("%s, %s: %v (%+v)", tt.name, what, err, e)
				continue
			}
			for name, part := range tt.want {
				if !strings.Contains(e.Fields[name], part) {
					t.Errorf("%s: %s %q, want it to hold %q", tt.name, name, e.Fields[name], part)
				}
			}
		}
	}
	if len(got) > 0 {
		t.Errorf("devices got %q", got)
	}
	if err := tr.CheckSet([]nodes.Setting{good, {Node: "M/P", Name: "s", Value: nodes.String("on")}}); err != nil {
		t.Error(err)
	}
}

// TestSetStops: at the first that is not good writing stops, and the node says so
// until it is written well.
func TestSetStops(t *testing.T) {
	bad := nodes.Outcome{State: nodes.WriteRefused, Err: errBroken}
	o := &oddities{make: func(id string, nth int, o *odd) error {
		o.set = func(_ context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
			for i, s := range list {
				if s.Value.Int() == 13 {
					yield(i, bad)
					for i++; i < len(list); i++ {
						yield(i, nodes.Outcome{State: nodes.WriteSkipped})
					}
					return
				}
				yield(i, nodes.Outcome{State: nodes.WriteDone})
			}
		}
		return nil
	}}
	tr := works(t, o, "M", "N")
	list := []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 13), set("M/P", "a", 2), set("N/P", "a", 3)}
	out, err := tr.Set(t.Context(), list)
	if err != nil || states(out) != "done refused skipped skipped" || out[1].Err != errBroken || out[2].Err == nil || out[3].Err == nil {
		t.Errorf("got %s, %v: %+v", states(out), err, out)
	}
	if got, want := controlMessage(tr, "M/P/b"), "warning: b was not set to 13: cable cut"; got != want {
		t.Errorf("b says %q, want %q", got, want)
	}
	for _, id := range []string{"M/P", "M/P/a", "N/P/a"} {
		if got := controlMessage(tr, id); got != "" {
			t.Errorf("%s says %q", id, got)
		}
	}
	if out, _ := tr.Set(t.Context(), list[3:]); states(out) != "done" || controlMessage(tr, "M/P/b") == "" {
		t.Errorf("another node: %s, and b says %q", states(out), controlMessage(tr, "M/P/b"))
	}
	bad = nodes.Outcome{State: nodes.WriteUnknown, Err: errBroken}
	tr.Set(t.Context(), list)
	if got := controlMessage(tr, "M/P/b"); !strings.HasPrefix(got, "error: Nobody knows whether b was set to 13: cable cut") {
		t.Errorf("b says %q", got)
	}
	if out, _ := tr.Set(t.Context(), []nodes.Setting{set("M/P/b", "b", 14)}); states(out) != "done" || controlMessage(tr, "M/P/b") != "" {
		t.Errorf("written well: %s, and b says %q", states(out), controlMessage(tr, "M/P/b"))
	}
}

// TestMessageOfWhatIsFixed: what cannot be set any more does not complain.
func TestMessageOfWhatIsFixed(t *testing.T) {
	tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
		o.set = func(_ context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
			yield(0, nodes.Outcome{State: nodes.WriteRefused, Err: errBroken})
		}
		return nil
	}}, "M")
	tr.Set(t.Context(), []nodes.Setting{set("M/P", "a", 1)})
	writable := func(b bool) {
		t.Helper()
		if err := tr.Edit(t.Context(), nodes.Edit{Node: "M/P/a", Params: nodes.Params{"Writable": nodes.Bool(b), "Kind": nodes.String("free")}}); err != nil {
			t.Fatal(err)
		}
	}
	if writable(true); controlMessage(tr, "M/P/a") == "" {
		t.Error("the message is gone, though it can be set still")
	}
	if writable(false); controlMessage(tr, "M/P/a") != "" {
		t.Errorf("it says %q", controlMessage(tr, "M/P/a"))
	}
	if i, _ := tr.Info("M/P/a", nodes.Detail{}); i.State != nodes.StateNone {
		t.Errorf("its state is %v", i.State)
	}
}

// TestMessageOfOneParameter: what one parameter is said not to be is not taken
// away by another; a secret is not shown.
func TestMessageOfOneParameter(t *testing.T) {
	var state nodes.WriteState
	tr := worksOf(t, &oddities{make: func(_ string, _ int, o *odd) error {
		o.set = func(_ context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
			yield(0, nodes.Outcome{State: state})
		}
		return nil
	}}, func() []*nodes.Node { return []*nodes.Node{valve("t", "two"), valve("k", "secret")} }, "M")
	do := func(s nodes.WriteState, node, name string, v nodes.Value) {
		t.Helper()
		state = s
		if out, err := tr.Set(t.Context(), []nodes.Setting{{Node: node, Name: name, Value: v}}); err != nil || out[0].State != s {
			t.Fatalf("%v, %v", out, err)
		}
	}
	do(nodes.WriteExpired, "M/P/t", "t.x", nodes.Bool(true))
	do(nodes.WriteDone, "M/P/t", "t.y", nodes.Bool(true))
	if got, want := controlMessage(tr, "M/P/t"), "warning: t.x was not set to true: the device does not say why"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	do(nodes.WriteVerified, "M/P", "t.x", nodes.Bool(true))
	if got := controlMessage(tr, "M/P/t"); got != "" {
		t.Errorf("got %q", got)
	}
	do(nodes.WriteRefused, "M/P", "k", nodes.String("open sesame"))
	if got := controlMessage(tr, "M/P/k"); got == "" || strings.Contains(got, "sesame") {
		t.Errorf("got %q", got)
	}
}

// BenchmarkSet is the cost of a write without that of the device.
func BenchmarkSet(b *testing.B) {
	tr, err := New(Config{Types: workTypes, Store: &Memory{}, Opener: &oddities{}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	defer func() { cancel(); <-done }()
	var valves []*nodes.Node
	for i := range 30 {
		valves = append(valves, valve(fmt.Sprint("v", i), "n"))
	}
	if err := tr.Import(ctx, []*nodes.Node{machine("M", part("P", valves...))}); err != nil {
		b.Fatal(err)
	}
	for {
		if _, err := sessionOf(tr, "M"); err == nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	for _, node := range []string{"M/P", "M/P/v29"} {
		list := []nodes.Setting{set(node, "v29", 1)}
		b.Run(node, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if out, err := tr.Set(ctx, list); err != nil || !out[0].State.Good() {
					b.Fatal(out, err)
				}
			}
		})
	}
}
