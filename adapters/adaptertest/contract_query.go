package adaptertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// Running is a query that the contract may run.
type Running struct {
	Root    *nodes.Node // the connecting node
	Node    string      // at or below it, of which the query is
	Command string
	// Params are filled up with defaults. With them the query is done within 10 s,
	// finds at least two things, and not all of them at once.
	Params nodes.Params
}

// testQuery checks that a query keeps the contract, and that it can be aborted.
func testQuery(t *testing.T, c Config) {
	if c.Running == nil {
		for _, typ := range c.Factory().Types {
			for _, cmd := range typ.Commands {
				if cmd.Kind == nodes.Query {
					t.Skipf("%s has the query %s, but Config.Running is not set", typ.Name, cmd.ID)
				}
			}
		}
		t.Skip("there are no queries")
	}
	start := func(t *testing.T) (*Device, Running) {
		q := c.Running(t)
		q.fill(t, c)
		return Start(t, c.Factory(), q.Root), q
	}
	t.Run("Done", func(t *testing.T) {
		d, q := start(t)
		list, err := d.Query(20*time.Second, q.Node, q.Command, q.Params)
		if err != nil || len(list) < 2 {
			t.Errorf("%d findings, %v", len(list), err)
		}
	})
	t.Run("Unknown", func(t *testing.T) {
		d, q := start(t)
		if list, err := d.Query(5*time.Second, "no such node", q.Command, q.Params); err == nil {
			t.Errorf("of an unknown node: %d findings and no error", len(list))
		}
		if list, err := d.Query(5*time.Second, q.Node, "NoSuchQuery", nil); err == nil {
			t.Errorf("an unknown query: %d findings and no error", len(list))
		}
		if err := d.Execute(5*time.Second, q.Node, "NoSuchCommand", nil); err == nil {
			t.Error("an unknown command: no error")
		}
	})
	t.Run("Aborted", func(t *testing.T) {
		q := c.Running(t)
		q.fill(t, c)
		existing := settled()
		d := Start(t, c.Factory(), q.Root)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		var ended time.Time
		d.query(ctx, q, func(nodes.Finding) error {
			if ended.IsZero() {
				ended = time.Now()
				cancel()
			}
			return nil
		})
		if took := time.Since(ended); ended.IsZero() || took > time.Second {
			t.Errorf("it returned %v after it was aborted", took)
		}
		begin := time.Now()
		list, err := d.query(ctx, q, nil)
		if took := time.Since(begin); err == nil && len(list) == 0 || took > time.Second {
			t.Errorf("aborted before it began: %d findings, error %v, after %v", len(list), err, took)
		}
		d.Stop()
		if err := goleak.Find(existing); err != nil {
			t.Errorf("something is left: %v", err)
		}
	})
	t.Run("NobodyWantsMore", func(t *testing.T) {
		d, q := start(t)
		ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
		defer cancel()
		enough := errors.New("enough")
		begin := time.Now()
		list, err := d.query(ctx, q, func(nodes.Finding) error { begin = time.Now(); return enough })
		if took := time.Since(begin); !errors.Is(err, enough) || len(list) != 1 || took > time.Second {
			t.Errorf("put failed: %d findings, error %v, %v later", len(list), err, took)
		}
	})
	t.Run("AtTheEnd", func(t *testing.T) {
		d, q := start(t)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { d.query(ctx, q, nil) })
		}
		time.Sleep(20 * time.Millisecond)
		d.Stop()
		returned(t, &wg, "Query", "the end of Run")
	})
}

// fill fills in the defaults of the query's parameters.
func (q *Running) fill(t *testing.T, c Config) {
	t.Helper()
	typ := ""
	q.Root.Walk(func(n *nodes.Node) bool {
		if n.ID == q.Node {
			typ = n.Type
		}
		return typ == ""
	})
	for _, nt := range c.Factory().Types {
		for _, cmd := range nt.Commands {
			if nt.Name != typ || cmd.ID != q.Command || cmd.Kind != nodes.Query {
				continue
			}
			params, wrong := param.Check(cmd.Params, q.Params)
			if len(wrong) > 0 {
				t.Fatalf("the parameters of %s: %v", q.Command, wrong)
			}
			q.Params = params
			return
		}
	}
	t.Fatalf("%s (type %q) has no query %s", q.Node, typ, q.Command)
}
