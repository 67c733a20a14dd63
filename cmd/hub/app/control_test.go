package app

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// TestWhoMaySet: the namespace, the catalog and a tree together give each caller
// what his rights say, and no more.
func TestWhoMaySet(t *testing.T) {
	set, err := adapters.NewSet(machineAdapter())
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	tr, err := tree.New(tree.Config{Source: nodes.DefaultSource, Types: set.Types(), Store: &tree.Memory{}, Opener: set, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := tr.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	writable := nodes.Params{"Writable": nodes.Bool(true)}
	if err := tr.Import(ctx, []*nodes.Node{{Spec: nodes.Spec{Name: "M", Type: "machine.machine"}, Children: []*nodes.Node{
		{Spec: nodes.Spec{Name: "speed", Type: "machine.value", Params: writable}},
		{Spec: nodes.Spec{Name: "jam", Type: "machine.value", Params: writable}},
		{Spec: nodes.Spec{Name: "fixed", Type: "machine.value"}}}}}); err != nil {
		t.Fatal(err)
	}
	rule := func(name string, r nodes.Rights) datasources.Rule {
		return datasources.Rule{Who: []string{name + "@example.org"}, Way: nodes.WayLocal, May: r}
	}
	access := datasources.NewAccess(rule("ops", nodes.AllRights), rule("eye", nodes.See|nodes.Read), rule("hand", nodes.See|nodes.Control), rule("blind", nodes.Control))
	n := exttest.New(t, control.New(datasources.New(access, set.Tap, tr), quiet))
	machine := nodes.In("M")
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if _, fresh, _ := tr.Current("M"); fresh {
			break
		}
		if time.Now().After(until) {
			t.Fatal("the machine does not run")
		}
	}
	for _, tt := range []struct {
		who  string
		form string // parameters with values
		set  string // outcomes, or the kind of the error
	}{
		{"ops", "speed=0.0 jam=0.0", "done refused"},
		{"hand", "speed= jam=", "done refused"},
		{"eye", "forbidden", "forbidden"},
		{"blind", "not found", "not found"},
		{"stranger", "not found", "not found"},
	} {
		c := &control.Client{Link: n.Join(tt.who+"@example.org/desk", nil), To: exttest.ServerJID}
		f, err := c.Form(ctx, machine)
		var got []string
		if err != nil {
			got = []string{nodes.KindOf(err).String()}
		} else {
			for _, p := range f.Params {
				got = append(got, p.ID+"="+f.Values[p.ID].String())
			}
		}
		if got := strings.Join(got, " "); got != tt.form {
			t.Errorf("%s: form %s, want %s", tt.who, got, tt.form)
		}
		got = nil
		out, err := c.Set(ctx, []nodes.Ref{machine}, control.Parameter{Name: "speed", Value: nodes.Int32(0)}, control.Parameter{Name: "jam", Value: nodes.Int32(1)})
		for _, o := range out {
			got = append(got, o.State.String())
		}
		if err != nil {
			got = []string{nodes.KindOf(err).String()}
		}
		if got := strings.Join(got, " "); got != tt.set {
			t.Errorf("%s: set %s, want %s", tt.who, got, tt.set)
		}
	}
	ops := &control.Client{Link: n.Join("ops@example.org/phone", nil), To: exttest.ServerJID}
	for _, tt := range []struct {
		node, name, value string
		kind              nodes.ErrorKind
		text              string
	}{
		{"M/fixed", "fixed", "1", nodes.NotFound, "does not say that it is writable"},
		{"M", "fixed", "1", nodes.NotFound, "does not say that it is writable"},
		{"M", "other", "1", nodes.NotFound, "no such control parameter; there are speed, jam"},
		{"M", "speed", "fast", nodes.Invalid, "write a number from -100 to 100"},
		{"M/nothing", "x", "1", nodes.NotFound, "no node M/nothing"},
		{nodes.RootID, "x", "1", nodes.NotFound, "nothing of this node is writable"},
	} {
		_, err := ops.Set(ctx, []nodes.Ref{nodes.In(tt.node)}, control.Parameter{Name: tt.name, Value: nodes.String(tt.value)})
		if nodes.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s %s: %v, want %v: %s", tt.node, tt.name, err, tt.kind, tt.text)
		}
	}
}
