package adaptertest

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/sniffer"
)

// Config is what the contract needs of an adapter's test.
type Config struct {
	// Factory makes the adapter.
	Factory func() adapters.Factory
	// Healthy returns a connecting node with at least two readable parts, as Fill
	// leaves it, whose peer runs until the test ends and delivers (or pushes) a
	// value of each part at least every 200 ms.
	Healthy func(t *testing.T) *nodes.Node
	// Silent does the same with a peer that accepts and never answers; nil: there is
	// no such thing.
	Silent func(t *testing.T) *nodes.Node
	// Off does the same with a peer that is not there; nil: there is no such thing.
	Off func(t *testing.T) *nodes.Node
	// Writing does as Healthy, and says what may be written; nil: nothing can be.
	Writing func(t *testing.T) Writing
	// Running does as Healthy, and says which query may be run; nil: there is none.
	Running func(t *testing.T) Running
}

// Run runs the contract.
func Run(t *testing.T, c Config) {
	t.Run("Types", func(t *testing.T) { testTypes(t, c) })
	t.Run("OpenStartsNothing", func(t *testing.T) { testOpen(t, c) })
	t.Run("StopsAndLeaksNothing", func(t *testing.T) { testStop(t, c) })
	t.Run("ReadsEachOnce", func(t *testing.T) { testRead(t, c) })
	t.Run("UpdateTouchesOnlyWhatChanged", func(t *testing.T) { testUpdate(t, c) })
	t.Run("AllAtOnce", func(t *testing.T) { testTogether(t, c) })
	t.Run("Set", func(t *testing.T) { testSet(t, c) })
	t.Run("Query", func(t *testing.T) { testQuery(t, c) })
	if c.Silent != nil {
		t.Run("SilentPeer", func(t *testing.T) { testSilent(t, c) })
	}
	if c.Off != nil {
		t.Run("PeerOff", func(t *testing.T) { testOff(t, c) })
	}
}

// parts returns the nodes below n that describe parts, which are the ones that
// deliver values.
func parts(t *testing.T, f adapters.Factory, n *nodes.Node) []*nodes.Node {
	t.Helper()
	part := make(map[string]bool)
	for _, typ := range f.Types {
		part[typ.Name] = typ.Part && typ.Caps&nodes.CanRead != 0
	}
	var list []*nodes.Node
	n.Walk(func(n *nodes.Node) bool {
		if part[n.Type] {
			list = append(list, n)
		}
		return true
	})
	if len(list) < 2 {
		t.Fatalf("the contract needs two readable parts, got %d", len(list))
	}
	return list
}

// settled remembers the goroutines of the peer, which may just be starting.
func settled() goleak.Option {
	time.Sleep(50 * time.Millisecond)
	return goleak.IgnoreCurrent()
}

func ids(list []*nodes.Node) []string {
	var out []string
	for _, n := range list {
		out = append(out, n.ID)
	}
	return out
}

func testTypes(t *testing.T, c Config) {
	f := c.Factory()
	if _, err := adapters.NewSet(f); err != nil {
		t.Fatal(err)
	}
	if f.Name == "" || f.Open == nil || len(f.Types) == 0 {
		t.Fatal("a factory has a name, types and Open")
	}
	connects := false
	for _, typ := range f.Types {
		connects = connects || typ.Connects
		if typ.Title == "" || len(typ.Parents) == 0 {
			t.Errorf("%s: no title or no parents", typ.Name)
		}
		testParams(t, typ.Name, typ.Params, "NodeId", "Name")
		testCommands(t, &typ)
		if (typ.Controls != nil) != (typ.Caps&nodes.CanControl != 0) {
			t.Errorf("%s: Controls and the capability to be controlled do not go together", typ.Name)
		}
	}
	if !connects {
		t.Error("no type connects: nothing could ever be opened")
	}
}

// testParams looks at the descriptions of parameters.
func testParams(t *testing.T, of string, list []nodes.Param, taken ...string) {
	t.Helper()
	seen := make(map[string]bool)
	for _, id := range taken {
		seen[id] = true
	}
	for _, p := range list {
		if seen[p.ID] || p.ID == "" || p.Label == "" || p.Description == "" || p.Kind == nodes.KindNone {
			t.Errorf("%s: parameter %q is double, or has no label, description or kind", of, p.ID)
		}
		seen[p.ID] = true
		if !p.Default.IsZero() {
			if got, err := param.Value(p, p.Default); err != nil || got != p.Default {
				t.Errorf("%s: the default of %s is not valid: %v", of, p.ID, err)
			}
		}
		if p.Kind == nodes.KindEnum && len(p.Options) < 2 {
			t.Errorf("%s: %s has no options", of, p.ID)
		}
	}
}

// testCommands looks at the descriptions of commands.
func testCommands(t *testing.T, typ *nodes.Type) {
	t.Helper()
	if (len(typ.Commands) > 0) != (typ.Caps&nodes.CanCommand != 0) {
		t.Errorf("%s: Commands and the capability to run them do not go together", typ.Name)
	}
	seen := make(map[string]bool)
	for _, c := range typ.Commands {
		of := typ.Name + ", command " + c.ID
		if seen[c.ID] || c.ID == "" || c.Title == "" || c.Description == "" {
			t.Errorf("%s: it is double, or has no title or description", of)
		}
		seen[c.ID] = true
		switch {
		case c.Kind < nodes.Simple || c.Kind > nodes.Query:
			t.Errorf("%s: kind %d", of, c.Kind)
		case c.Kind == nodes.Simple && len(c.Params) > 0, c.Kind == nodes.Parametrized && len(c.Params) == 0:
			t.Errorf("%s: kind and count of parameters (%d) do not go together", of, len(c.Params))
		}
		testParams(t, of, c.Params)
	}
}

func testOpen(t *testing.T, c Config) {
	n := c.Healthy(t)
	h := NewHost(n)
	before := copyNode(n)
	existing := settled()
	dev, err := c.Factory().Open(adapters.Env{Node: n, Host: h, Tap: sniffer.NewTap()})
	if err != nil || dev == nil {
		t.Fatalf("Open: %v", err)
	}
	if err := goleak.Find(existing); err != nil {
		t.Errorf("Open started something: %v", err)
	}
	if h.Reports() > 0 || h.AllMessages() > 0 {
		t.Error("Open reported something")
	}
	if !reflect.DeepEqual(before, n) {
		t.Error("Open changed the node")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	if err := dev.Run(ctx); err != nil && err != context.Canceled {
		t.Errorf("Run with an ended context: %v", err)
	}
	if took := time.Since(start); took > StopsWithin {
		t.Errorf("Run with an ended context took %v", took)
	}
}

func copyNode(n *nodes.Node) *nodes.Node {
	out := &nodes.Node{Spec: n.Spec}
	out.Params = make(nodes.Params)
	for k, v := range n.Params {
		out.Params[k] = v
	}
	if n.Params == nil {
		out.Params = nil
	}
	for _, c := range n.Children {
		out.Children = append(out.Children, copyNode(c))
	}
	return out
}

func testStop(t *testing.T, c Config) {
	f, n := c.Factory(), c.Healthy(t)
	list := parts(t, f, n)
	existing := settled()
	d := Start(t, f, n)
	allGood(t, d.Host, ids(list))
	d.Stop()
	if err := goleak.Find(existing); err != nil {
		t.Errorf("something is left: %v", err)
	}
}

// allGood waits until each part has delivered a value.
func allGood(t *testing.T, h *Host, ids []string) {
	t.Helper()
	for _, id := range ids {
		h.Wait(t, 5*time.Second, "a value of "+id, func() bool { _, ok := h.Good(id); return ok })
	}
}

func testRead(t *testing.T, c Config) {
	f, n := c.Factory(), c.Healthy(t)
	list := ids(parts(t, f, n))
	d := Start(t, f, n)
	if _, ok := d.Device.(nodes.Reader); !ok {
		t.Skip("the device only pushes")
	}
	got := d.Read(5*time.Second, append(list, "no such node")...)
	if len(got) != len(list)+1 {
		t.Errorf("got %d readings, want %d", len(got), len(list)+1)
	}
	for _, id := range list {
		if r := got[id]; len(r.Fields) == 0 || r.Err != nil {
			t.Errorf("%s: got %d fields, error %v", id, len(r.Fields), r.Err)
		}
	}
	if got["no such node"].Err == nil {
		t.Error("an unknown id: no error")
	}
	if got := d.Read(time.Second); len(got) != 0 {
		t.Errorf("nothing asked: got %v", got)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if got := d.Read(5*time.Second, list[i%len(list):]...); len(got) != len(list)-i%len(list) {
				t.Errorf("reader %d: got %d readings", i, len(got))
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	start := time.Now()
	readAll(ctx, t, d.Device.(nodes.Reader), list)
	if took := time.Since(start); took > time.Second {
		t.Errorf("a Read that nobody waits for took %v", took)
	}
}

func testUpdate(t *testing.T, c Config) {
	f, n := c.Factory(), c.Healthy(t)
	list := parts(t, f, n)
	first, second := list[0], list[1]
	d := Start(t, f, n)
	allGood(t, d.Host, ids(list))
	d.Update(nodes.Change{Removed: []string{first.ID}})
	settle(t, d.Host, second.ID)
	gone := d.Host.Count(first.ID)
	settle(t, d.Host, second.ID)
	if got := d.Host.Count(first.ID); got != gone {
		t.Errorf("%d readings of a node that was removed", got-gone)
	}
	if r, ok := d.Device.(nodes.Reader); ok {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if got := readAll(ctx, t, r, []string{first.ID}); got[first.ID].Err == nil {
			t.Error("a node that was removed can still be read")
		}
	}
	d.Update(nodes.Change{Put: []*nodes.Node{{Spec: first.Spec}}})
	d.Host.Wait(t, 5*time.Second, "a node that was added", func() bool { return d.Host.Count(first.ID) > gone })
	for _, x := range list { // the same again changes nothing
		d.Update(nodes.Change{Put: []*nodes.Node{{Spec: x.Spec}}})
	}
	d.Update(nodes.Change{Put: []*nodes.Node{{Spec: n.Spec}}})
	settle(t, d.Host, first.ID)
	for _, x := range list {
		if err := d.Host.Err(x.ID); err != nil {
			t.Errorf("%s: %v", x.ID, err)
		}
	}
}

// settle waits for two more readings of a node.
func settle(t *testing.T, h *Host, id string) {
	t.Helper()
	n := h.Count(id)
	h.Wait(t, 5*time.Second, "two more readings of "+id, func() bool { return h.Count(id) >= n+2 })
}

// testTogether calls everything at the same time, for the race detector, and
// stops in the middle of it.
func testTogether(t *testing.T, c Config) {
	f, n := c.Factory(), c.Healthy(t)
	list := parts(t, f, n)
	d := Start(t, f, n)
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	loop := func(f func(i int)) {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				f(i)
				time.Sleep(time.Millisecond)
			}
		})
	}
	loop(func(i int) {
		x := list[i%len(list)]
		d.Update(nodes.Change{Removed: []string{x.ID}})
		d.Update(nodes.Change{Put: []*nodes.Node{{Spec: x.Spec}}})
	})
	if r, ok := d.Device.(nodes.Reader); ok {
		for range 2 {
			loop(func(int) { readAll(ctx, t, r, ids(list)) })
		}
	}
	if x, ok := d.Device.(nodes.Interested); ok {
		loop(func(i int) {
			var want []nodes.Interest
			for j := range i % (len(list) + 1) {
				want = append(want, nodes.Interest{Node: list[j].ID, Interval: time.Duration(i%3) * 50 * time.Millisecond})
			}
			x.Interest(append(want, nodes.Interest{Node: fmt.Sprint("none", i)}))
		})
	}
	time.Sleep(200 * time.Millisecond)
	d.Stop()
	wg.Wait()
}

func testSilent(t *testing.T, c Config) {
	f, n := c.Factory(), c.Silent(t)
	list := ids(parts(t, f, n))
	existing := settled()
	d := Start(t, f, n)
	time.Sleep(50 * time.Millisecond) // in the middle of waiting for an answer
	if r, ok := d.Device.(nodes.Reader); ok {
		ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
		defer cancel()
		start := time.Now()
		for id, x := range readAll(ctx, t, r, list) {
			if len(x.Fields) > 0 {
				t.Errorf("%s: a value of a silent peer", id)
			}
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Read took %v, its context 50ms", took)
		}
	}
	d.Stop()
	if err := goleak.Find(existing); err != nil {
		t.Errorf("something is left: %v", err)
	}
}

func testOff(t *testing.T, c Config) {
	f, n := c.Factory(), c.Off(t)
	list := ids(parts(t, f, n))
	d := Start(t, f, n)
	d.Host.Wait(t, 5*time.Second, "a message that says that the peer is off", func() bool { return d.Host.AllMessages() > 0 })
	if _, polls := d.Device.(nodes.Reader); polls {
		for _, id := range list {
			d.Host.Wait(t, 5*time.Second, "an error of "+id, func() bool { return d.Host.Err(id) != nil })
		}
		for id, x := range d.Read(5*time.Second, list...) {
			if x.Err == nil || len(x.Fields) > 0 {
				t.Errorf("%s: got %d fields, error %v", id, len(x.Fields), x.Err)
			}
		}
	}
}
