package app

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/persist"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// countingStore counts the commits of a tree.
type countingStore struct {
	tree.Store
	commits atomic.Int64
}

func (s *countingStore) Commit(b tree.Batch) error {
	s.commits.Add(1)
	return s.Store.Commit(b)
}

// noDevices opens devices that do nothing.
type noDevices struct{}

func (noDevices) Open(*nodes.Node, nodes.Host) (nodes.Device, error) { return noDevices{}, nil }
func (noDevices) Forget(string)                                      {}
func (noDevices) Run(ctx context.Context) error                      { <-ctx.Done(); return nil }
func (noDevices) Update(nodes.Change)                                {}

// TestMany edits, moves and runs commands on thousands of nodes of a real tree, each in one
// request, from the client's call to its return.
func TestMany(t *testing.T) {
	const n = 2000
	db, err := persist.Open(t.TempDir(), persist.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store := &countingStore{Store: db.Tree(nodes.DefaultSource)}
	tr, err := tree.New(tree.Config{Types: modbus.Factory().Types, Store: store, Opener: noDevices{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	gateway := &nodes.Node{Spec: nodes.Spec{Name: "gw", Type: "modbus.gateway", Params: nodes.Params{"Host": nodes.String("192.0.2.1")}}}
	var list []nodes.Ref
	for len(list) < n {
		unit := &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("unit ", len(gateway.Children)), Type: "modbus.unit", Params: nodes.Params{"UnitId": nodes.Int32(1)}}}
		for i := range 100 {
			unit.Children = append(unit.Children, &nodes.Node{Spec: nodes.Spec{Name: fmt.Sprint("r", i), Type: "modbus.register",
				Params: nodes.Params{"Table": nodes.Enum("holdingRegister", "Table"), "Address": nodes.Int32(int32(i))}}})
			list = append(list, nodes.In(fmt.Sprintf("gw/%s/r%d", unit.Name, i)))
		}
		gateway.Children = append(gateway.Children, unit)
	}
	if err := tr.Import(ctx, []*nodes.Node{gateway}); err != nil {
		t.Fatal(err)
	}
	person, _, _ := strings.Cut(exttest.ClientJID, "/")
	cat := datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{person}, Way: nodes.WayLocal, May: nodes.AllRights}), nil, tr)
	c := &concentrator.Client{To: exttest.ServerJID}
	c.Link = exttest.Pair(t, concentrator.New(cat, slog.New(slog.DiscardHandler)), c)

	step := func(what string, most int64, f func() error) {
		t.Helper()
		before, began := store.commits.Load(), time.Now()
		if err := f(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		took, commits := time.Since(began), store.commits.Load()-before
		t.Logf("%s of %d nodes: %v, %d commits", what, n, took.Round(time.Millisecond), commits)
		if commits > most {
			t.Errorf("%s: %d commits, want at most %d", what, commits, most)
		}
	}
	failed := func(errs []error, err error) error {
		for i, one := range errs {
			if err == nil && one != nil {
				err = fmt.Errorf("node %d: %w", i, one)
			}
		}
		if err == nil && len(errs) != n {
			err = fmt.Errorf("%d results", len(errs))
		}
		return err
	}
	step("the form", 0, func() error {
		f, err := c.EditForm(ctx, list)
		if err == nil && (!f.Differ["Address"] || f.Differ["Table"] || f.Values["Table"].Text() != "holdingRegister") {
			t.Errorf("differ %v, values %v", f.Differ, f.Values)
		}
		return err
	})
	step("an edit", 1, func() error {
		return c.EditAll(ctx, list, nodes.Edit{Params: nodes.Params{"Scale": nodes.Quantity(0.1, 1, "")}})
	})
	if spec, _ := tr.Spec(list[n-1].ID); spec.Params.Double("Scale") != 0.1 || spec.Params.Int("Address") != 99 {
		t.Errorf("the last node: %+v", spec)
	}
	step("a move", 1, func() error { return c.Move(ctx, true, list...) })
	step("the commands", 0, func() error {
		all, err := c.CommonCommands(ctx, list)
		if len(all) == 0 {
			t.Error("no common commands")
		}
		return err
	})
	step("the form of a command", 0, func() error { _, err := c.CommonCommandForm(ctx, list, "LogMessage"); return err })
	step("a command", n, func() error {
		return failed(c.ExecuteAll(ctx, list, "LogMessage", nodes.Params{"Text": nodes.String("seen")}))
	})
	if info, err := cat.Node(nodes.System, list[n-1], nodes.Detail{Messages: true}); err != nil || len(info.Messages) != 1 || info.Messages[0].Text != "seen" {
		t.Errorf("the last node has %+v, %v", info.Messages, err)
	}
	step("a query of the first 100", n/10, func() error { // the messages of the command are kept meanwhile
		first := list[:100]
		found := make([]int, len(first))
		errs, err := c.QueryAll(ctx, first, "FaultReport", nil, func(i int, _ nodes.Finding) error { found[i]++; return nil })
		for i := range found {
			if found[i] == 0 || errs[i] != nil {
				t.Errorf("node %d: %d findings, %v", i, found[i], errs[i])
			}
		}
		return err
	})
}
