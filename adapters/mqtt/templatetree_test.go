package mqtt

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// runTree runs a tree until stop.
func runTree(t *testing.T, store *tree.Memory) (tr *tree.Tree, stop func()) {
	t.Helper()
	set, err := adapters.NewSet(factory(hasty))
	if err != nil {
		t.Fatal(err)
	}
	if tr, err = tree.New(tree.Config{Types: set.Types(), Store: store, Opener: set, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { tr.Run(ctx) })
	stop = sync.OnceFunc(func() { cancel(); running.Wait() })
	t.Cleanup(stop)
	return tr, stop
}

// What is made of a template in a tree: devices come, follow the template, stay over a
// restart, and do not come back when they were removed; the broker node can be removed
// while more come up.
func TestTemplateTree(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	ctx, store := t.Context(), &tree.Memory{}
	tr, stop := runTree(t, store)
	n := brokerNode(t, b.Port(), []*nodes.Node{templateNode(pumpFields(), "Automatic", true, "MaxDevices", 3)})
	if err := tr.Import(ctx, []*nodes.Node{n}); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(soon); !done(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				list, _ := tr.Children("mq/pumps", nodes.Detail{})
				t.Fatalf("not %s; there are %+v", what, list)
			}
		}
	}
	shows := func(id string, want nodes.Value) func() bool {
		return func() bool {
			r, _, _ := tr.Current(id)
			return len(r.Fields) == 1 && r.Fields[0].Value == want
		}
	}
	exists := func(id string) bool { _, ok := tr.Info(id, nodes.Detail{}); return ok }
	publishing(t, b, `{"speed":3}`, "plant/a/p1/state", "plant/a/Ä 1/state", "plant/b/p1/state")
	for _, id := range []string{"mq/pumps/a p1/speed", "mq/pumps/a Ä 1/speed", "mq/pumps/b p1/speed"} {
		wait("a value of "+id, shows(id, nodes.Quantity(3, 0, "1/min")))
	}
	if err := tr.Edit(ctx, nodes.Edit{Node: "mq/pumps/speed", Params: params("Unit", "Hz")}); err != nil {
		t.Fatal(err)
	}
	wait("the other unit", shows("mq/pumps/a p1/speed", nodes.Quantity(3, 0, "Hz")))
	load := fieldNode("load", "speed", "Unit", "%")
	load.Parent = "mq/pumps"
	if err := tr.Import(ctx, []*nodes.Node{load}); err != nil {
		t.Fatal(err)
	}
	wait("a value of the new field", shows("mq/pumps/b p1/load", nodes.Quantity(3, 0, "%")))
	if err := tr.Destroy(ctx, "mq/pumps/b p1"); err != nil {
		t.Fatal(err)
	}
	stop()

	tr, _ = runTree(t, store)
	wait("a value after a restart", shows("mq/pumps/a p1/speed", nodes.Quantity(3, 0, "Hz")))
	publishing(t, b, `{"speed":4}`, "plant/c/p1/state")
	wait("another device", shows("mq/pumps/c p1/load", nodes.Quantity(4, 0, "%")))
	if exists("mq/pumps/b p1") {
		t.Error("a device that was removed came back")
	}
	if err := tr.Edit(ctx, nodes.Edit{Node: "mq/pumps", Params: params("MaxDevices", 1000)}); err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"plant/d/1/state", "plant/d/2/state", "plant/d/3/state"} {
		b.Publish(topic, `{"speed":1}`, false)
	}
	if err := tr.Destroy(ctx, "mq"); err != nil {
		t.Fatal(err)
	}
	if exists("mq/pumps") {
		t.Error("the template is there still")
	}
}
