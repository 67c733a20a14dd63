package tree

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func (o *odd) Set(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	if o.set != nil {
		o.set(ctx, list, yield)
		return
	}
	for i := range list {
		yield(i, nodes.Outcome{State: nodes.WriteDone})
	}
}

func (o *odd) Execute(ctx context.Context, node, command string, p nodes.Params) error {
	if o.execute != nil {
		return o.execute(ctx, node, command, p)
	}
	return nil
}

func (o *odd) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	if o.query != nil {
		return o.query(ctx, node, command, p, put)
	}
	return put(nodes.QueryTitle(command))
}

// workTypes are a machine with parts that have valves; a machine may stand below
// another.
var workTypes = []nodes.Type{
	{Name: "machine", Title: "Machine", Parents: []string{nodes.TypeRoot, nodes.TypeFolder, "part"}, Connects: true,
		Commands: []nodes.Command{
			{ID: "Reset", Kind: nodes.Simple, Title: "Reset"},
			{ID: "Move", Kind: nodes.Parametrized, Title: "Move", Description: "Moves it.", Params: []nodes.Param{
				{ID: "Way", Kind: nodes.KindInt32, Required: true, Min: nodes.Int32(1), Max: nodes.Int32(9)},
				{ID: "Speed", Kind: nodes.KindDouble, Default: nodes.Double(1.5)},
				{ID: "Key", Kind: nodes.KindString, Secret: true, Default: nodes.String("s")}}},
			{ID: "Scan", Kind: nodes.Query, Title: "Scan", Params: []nodes.Param{{ID: "To", Kind: nodes.KindInt32, Default: nodes.Int32(3)}}},
		}},
	{Name: "part", Title: "Part", Parents: []string{"machine"}, Caps: nodes.CanRead,
		Commands: []nodes.Command{{ID: "Scan", Kind: nodes.Query, Title: "Scan"}}},
	{Name: "valve", Title: "Valve", Parents: []string{"part", "valve"}, Caps: nodes.CanRead | nodes.CanControl, Part: true,
		Params: []nodes.Param{{ID: "Writable", Kind: nodes.KindBool}, {ID: "Kind", Kind: nodes.KindString}},
		Controls: func(s *nodes.Spec) []nodes.Param {
			if !s.Params.Bool("Writable") {
				return nil
			}
			switch s.Params.Text("Kind") {
			case "panics":
				panic("index out of range")
			case "two":
				return []nodes.Param{{ID: s.Name + ".x", Kind: nodes.KindBool}, {ID: s.Name + ".y", Kind: nodes.KindBool}}
			case "switch":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "on"}, {Value: "off"}}}}
			case "secret":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindString, Secret: true}}
			case "free":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindInt64}}
			case "fixed":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindBool, ReadOnly: true}}
			}
			return []nodes.Param{{ID: s.Name, Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(100)}}
		}},
}

// valve makes a valve; a kind makes it writable.
func valve(name, kind string, below ...*nodes.Node) *nodes.Node {
	n := &nodes.Node{Spec: nodes.Spec{Name: name, Type: "valve", Params: nodes.Params{}}, Children: below}
	if kind != "" {
		n.Params["Writable"], n.Params["Kind"] = nodes.Bool(true), nodes.String(kind)
	}
	return n
}

// works starts a tree of machines, each with a part "P" with valves a, b, fixed.
func works(t *testing.T, o *oddities, machines ...string) *Tree {
	t.Helper()
	return worksOf(t, o, func() []*nodes.Node {
		return []*nodes.Node{valve("a", "n"), valve("b", "n"), valve("fixed", "")}
	}, machines...)
}

func worksOf(t *testing.T, o *oddities, valves func() []*nodes.Node, machines ...string) *Tree {
	t.Helper()
	tr, err := New(Config{Types: workTypes, Store: &Memory{}, Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	var list []*nodes.Node
	for _, id := range machines {
		list = append(list, &nodes.Node{Spec: nodes.Spec{Name: id, Type: "machine"}, Children: []*nodes.Node{
			{Spec: nodes.Spec{Name: "P", Type: "part"}, Children: valves()}}})
	}
	if err := tr.Import(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	until(t, "all are open", func() bool {
		for _, id := range machines {
			if _, err := sessionOf(tr, id); err != nil {
				return false
			}
		}
		return true
	})
	return tr
}

// sessionOf returns the session of a device.
func sessionOf(t *Tree, id string) (*session, error) {
	t.mu.RLock()
	d := t.devices[id]
	t.mu.RUnlock()
	if d == nil {
		return nil, errors.New("no device")
	}
	return d.current()
}

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
	for id, want := range map[string]bool{nodes.RootID: false, "M": true, "M/P": true, "M/P/a": false} {
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

// TestSetWithoutDevice: nothing is sent, and it says so.
func TestSetWithoutDevice(t *testing.T) {
	list := []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 1)}
	check := func(tr *Tree, ctx context.Context, want string, kind nodes.ErrorKind, text string) {
		t.Helper()
		out, err := tr.Set(ctx, list)
		if err != nil || states(out) != want || nodes.KindOf(out[0].Err) != kind || !strings.Contains(out[0].Err.Error(), text) {
			t.Errorf("got %s, %v: %+v", states(out), err, out)
		}
		if got := controlMessage(tr, "M/P/a"); !strings.Contains(got, text) {
			t.Errorf("the node says %q", got)
		}
	}
	sent := false
	o := &oddities{make: func(_ string, nth int, o *odd) error {
		o.set = func(context.Context, []nodes.Setting, func(int, nodes.Outcome)) { sent = true }
		if nth > 1 {
			return errBroken
		}
		o.run = func(ctx context.Context) error { return errBroken }
		return nil
	}}
	tr, err := New(Config{Types: workTypes, Store: &Memory{}, Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	m := &nodes.Node{Spec: nodes.Spec{Name: "M", Type: "machine"}, Children: []*nodes.Node{
		{Spec: nodes.Spec{Name: "P", Type: "part"}, Children: []*nodes.Node{valve("a", "n"), valve("b", "n")}}}}
	if err := tr.Import(t.Context(), []*nodes.Node{m}); err != nil {
		t.Fatal(err)
	}
	until(t, "it has fallen over", func() bool { return o.count("M") > 1 })
	until(t, "it is said", func() bool {
		out, _ := tr.Set(t.Context(), list)
		return states(out) == "refused skipped" && strings.Contains(out[0].Err.Error(), "cable cut")
	})
	check(tr, t.Context(), "refused skipped", nodes.Unreachable, "nothing was sent: cable cut")
	if sent {
		t.Error("something was sent")
	}
	tr = works(t, &oddities{}, "M")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check(tr, ctx, "expired skipped", nodes.Timeout, "nothing was written")
	// A device that cannot be written, though its types say so.
	p := &plant{}
	tr, err = New(Config{Types: workTypes, Store: &Memory{}, Opener: p})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	if err := tr.Import(t.Context(), []*nodes.Node{m}); err != nil {
		t.Fatal(err)
	}
	until(t, "it is open", func() bool { _, err := sessionOf(tr, "M"); return err == nil })
	check(tr, t.Context(), "refused skipped", nodes.Unsupported, "cannot be written")
}

// TestOddOutcomes: whatever an adapter yields, there is one final outcome for each
// setting, and what was not said is unknown.
func TestOddOutcomes(t *testing.T) {
	done, refused := nodes.Outcome{State: nodes.WriteDone}, nodes.Outcome{State: nodes.WriteRefused, Err: errBroken}
	type yielding = func(int, nodes.Outcome)
	for _, tt := range []struct {
		name string
		set  func(yielding)
		want string
	}{
		{"nothing", func(yielding) {}, "unknown unknown unknown"},
		{"too few", func(y yielding) { y(0, done) }, "done unknown unknown"},
		{"twice", func(y yielding) { y(0, done); y(0, refused); y(1, done); y(2, done); y(2, done) }, "done done done"},
		{"wrong places", func(y yielding) { y(-1, done); y(3, done); y(1<<40, refused); y(1, done) }, "unknown done unknown"},
		{"the other way round", func(y yielding) { y(2, done); y(1, done); y(0, done) }, "done done done"},
		{"not final", func(y yielding) {
			y(0, nodes.Outcome{State: nodes.WriteSent})
			y(0, nodes.Outcome{})
			y(1, nodes.Outcome{State: nodes.WriteQueued})
			y(2, nodes.Outcome{State: 200})
		}, "unknown unknown unknown"},
		{"sent before done", func(y yielding) { y(0, nodes.Outcome{State: nodes.WriteSent}); y(0, done); y(1, done); y(2, refused) }, "done done refused"},
		{"after a panic", func(y yielding) { y(0, done); panic("nil map") }, "done unknown unknown"},
		{"from many sides", func(y yielding) {
			var wg sync.WaitGroup
			for i := range 9 {
				wg.Go(func() { y(i%3, done) })
			}
			wg.Wait()
		}, "done done done"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			late := make(chan yielding, 1)
			tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
				o.set = func(_ context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
					late <- yield
					tt.set(yield)
				}
				return nil
			}}, "M")
			out, err := tr.Set(t.Context(), []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 2), set("M/P", "a", 3)})
			if err != nil || states(out) != tt.want {
				t.Errorf("got %s, %v; want %s", states(out), err, tt.want)
			}
			for i, o := range out {
				if o.Time.IsZero() || (o.Err == nil) != o.State.Good() {
					t.Errorf("outcome %d is %+v", i, o)
				}
			}
			was := slices.Clone(out)
			(<-late)(1, refused) // long after
			if !slices.Equal(out, was) {
				t.Errorf("the outcomes changed afterwards: %s", states(out))
			}
		})
	}
}

// TestHangingSet: a device that never returns is given up some seconds after the
// time, and nobody claims that nothing happened. Too many of these are refused.
func TestHangingSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := works(t, &oddities{make: func(id string, _ int, o *odd) error {
			o.set = func(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
				yield(0, nodes.Outcome{State: nodes.WriteDone})
				if id == "M" {
					<-release
				}
			}
			return nil
		}}, "M", "N")
		list := []nodes.Setting{set("M/P", "a", 1), set("M/P", "b", 1), set("N/P", "b", 1)}
		for i := range maxSets {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			begin := time.Now()
			out, err := tr.Set(ctx, list)
			if took := time.Since(begin); took != 2*time.Second+setGrace {
				t.Fatalf("write %d took %v", i, took)
			}
			cancel()
			if err != nil || states(out) != "done unknown skipped" || nodes.KindOf(out[1].Err) != nodes.Timeout {
				t.Fatalf("write %d: %s, %v", i, states(out), err)
			}
		}
		if out, _ := tr.Set(t.Context(), list); states(out) != "refused skipped skipped" || nodes.KindOf(out[0].Err) != nodes.Exhausted {
			t.Errorf("one too many: %+v", out)
		}
		if out, _ := tr.Set(t.Context(), list[2:]); states(out) != "done" {
			t.Errorf("another device: %+v", out)
		}
		// The last is done, so that it does not matter that the device hangs.
		close(release)
		synctest.Wait()
		if out, _ := tr.Set(t.Context(), list[:1]); states(out) != "done" {
			t.Errorf("when it has returned: %+v", out)
		}
	})
}

// TestSetWhenAllIsSaid: who has all outcomes waits for nothing more.
func TestSetWhenAllIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.set = func(_ context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
				yield(0, nodes.Outcome{State: nodes.WriteDone})
				<-release
			}
			return nil
		}}, "M")
		begin := time.Now()
		out, _ := tr.Set(t.Context(), []nodes.Setting{set("M/P", "a", 1)})
		if took := time.Since(begin); states(out) != "done" || took != 0 {
			t.Errorf("%s after %v", states(out), took)
		}
		close(release)
	})
}

// TestSetHasAnEnd: writes that nobody limits have a minute.
func TestSetHasAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.set = func(ctx context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
				end, _ := ctx.Deadline()
				left = time.Until(end)
				<-ctx.Done()
				yield(0, nodes.Outcome{State: nodes.WriteExpired, Err: ctx.Err()})
			}
			return nil
		}}, "M")
		out, _ := tr.Set(context.WithoutCancel(t.Context()), []nodes.Setting{set("M/P", "a", 1)})
		if states(out) != "expired" || left != setTime {
			t.Errorf("%s, with %v", states(out), left)
		}
	})
}

// TestSetWhileItEnds: what a device does not say before it is gone is unknown.
func TestSetWhileItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var heeds atomic.Bool
		heeds.Store(true)
		tr := works(t, &oddities{make: func(_ string, _ int, o *odd) error {
			o.set = func(ctx context.Context, _ []nodes.Setting, yield func(int, nodes.Outcome)) {
				if heeds.Load() {
					<-ctx.Done()
					yield(0, nodes.Outcome{State: nodes.WriteExpired, Err: ctx.Err()})
				}
				<-release
			}
			return nil
		}}, "M", "N")
		for _, id := range []string{"M", "N"} {
			go func() {
				time.Sleep(time.Second)
				tr.Destroy(t.Context(), id)
			}()
			begin := time.Now()
			out, err := tr.Set(t.Context(), []nodes.Setting{set(id+"/P", "a", 1), set(id+"/P", "b", 1)})
			want := "expired unknown"
			if !heeds.Load() {
				want = "unknown unknown"
			}
			if took := time.Since(begin); err != nil || states(out) != want || took > time.Second+endGrace {
				t.Errorf("%s: %s, %v after %v; want %s", id, states(out), err, took, want)
			}
			if !strings.Contains(out[1].Err.Error(), "stopped meanwhile") {
				t.Errorf("%s: %v", id, out[1].Err)
			}
			heeds.Store(false)
		}
		close(release)
	})
}
