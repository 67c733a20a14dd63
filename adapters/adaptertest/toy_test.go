package adaptertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// toy is a device as it should be: valves that can be set, and a query.
type toy struct {
	host nodes.Host
	peer *peer
	over chan struct{} // closed when Run ends

	mu    sync.Mutex
	nodes map[string]bool
	ended bool
}

// peer is what toys write to.
type peer struct {
	mu     sync.Mutex
	writes int
}

func (p *peer) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.writes
}

func toyFactory(p *peer) adapters.Factory {
	bound := nodes.Param{ID: "To", Label: "To", Description: "The last step.", Kind: nodes.KindInt32, Default: nodes.Int32(20), Min: nodes.Int32(1)}
	return adapters.Factory{Name: "toy", Types: []nodes.Type{
		{Name: "toy.box", Title: "Box", Parents: []string{nodes.TypeRoot}, Connects: true, Caps: nodes.CanCommand, Commands: []nodes.Command{
			{ID: "Walk", Kind: nodes.Query, Title: "Walk", Description: "Walks.", Params: []nodes.Param{bound}},
			{ID: "Reset", Kind: nodes.Simple, Title: "Reset", Description: "Resets."}}},
		{Name: "toy.valve", Title: "Valve", Parents: []string{"toy.box"}, Part: true, Caps: nodes.CanRead | nodes.CanControl,
			Controls: func(s *nodes.Spec) []nodes.Param { return []nodes.Param{{ID: s.Name, Kind: nodes.KindInt32}} }},
	}, Open: func(e adapters.Env) (nodes.Device, error) {
		d := &toy{host: e.Host, peer: p, over: make(chan struct{}), nodes: make(map[string]bool)}
		e.Node.Walk(func(n *nodes.Node) bool { d.nodes[n.ID] = n.Type == "toy.valve"; return true })
		return d, nil
	}}
}

func toyNode(t *testing.T, p *peer) *nodes.Node {
	return Fill(t, toyFactory(p), &nodes.Node{Spec: nodes.Spec{Name: "box", Type: "toy.box", Parent: nodes.RootID}, Children: []*nodes.Node{
		{Spec: nodes.Spec{Name: "a", Type: "toy.valve"}}, {Spec: nodes.Spec{Name: "b", Type: "toy.valve"}}}})
}

func (d *toy) Run(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.mu.Lock()
			defer d.mu.Unlock()
			d.ended = true
			close(d.over)
			return nil
		case <-tick.C:
			d.mu.Lock()
			for id, valve := range d.nodes {
				if valve {
					d.host.Report([]nodes.Reading{d.reading(id)})
				}
			}
			d.mu.Unlock()
		}
	}
}

func (d *toy) reading(id string) nodes.Reading {
	if !d.nodes[id] {
		return nodes.Reading{Node: id, Err: errors.New("no such valve")}
	}
	return nodes.Reading{Node: id, Fields: []nodes.Field{{Name: id, Value: nodes.Int32(1), Time: time.Now(), Category: nodes.Momentary}}}
}

func (d *toy) Update(c nodes.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, id := range c.Removed {
		delete(d.nodes, id)
	}
	for _, n := range c.Put {
		d.nodes[n.ID] = n.Type == "toy.valve"
	}
}

func (d *toy) Read(_ context.Context, ids []string, yield func(nodes.Reading)) {
	for _, id := range ids {
		d.mu.Lock()
		r := d.reading(id)
		d.mu.Unlock()
		yield(r)
	}
}

func (d *toy) Set(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	good := true
	for i, s := range list {
		o := nodes.Outcome{State: nodes.WriteSkipped, Err: errors.New("one before it failed"), Time: time.Now()}
		if good {
			o = d.write(ctx, s)
			good = o.State.Good()
		}
		yield(i, o)
	}
}

func (d *toy) write(ctx context.Context, s nodes.Setting) nodes.Outcome {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return nodes.Outcome{State: nodes.WriteExpired, Err: ctx.Err(), Time: time.Now()}
	case d.ended:
		return nodes.Outcome{State: nodes.WriteRefused, Err: errors.New("stopped"), Time: time.Now()}
	case !d.nodes[s.Node], s.Value.Int() == 13:
		return nodes.Outcome{State: nodes.WriteRefused, Err: fmt.Errorf("%s does not take %v", s.Node, s.Value), Time: time.Now()}
	}
	d.peer.mu.Lock()
	defer d.peer.mu.Unlock()
	d.peer.writes++
	return nodes.Outcome{State: nodes.WriteDone, Time: time.Now()}
}

func (d *toy) Execute(_ context.Context, node, command string, _ nodes.Params) error {
	return fmt.Errorf("%s has no command %s", node, command)
}

func (d *toy) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	d.mu.Lock()
	_, known := d.nodes[node]
	d.mu.Unlock()
	if !known || command != "Walk" {
		return fmt.Errorf("%s has no query %s", node, command)
	}
	if err := put(nodes.Table{ID: "t", Name: "Steps", Columns: []nodes.Column{{ID: "n"}}}); err != nil {
		return err
	}
	for i := range p.Int("To") {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.over:
			return errors.New("stopped")
		case <-time.After(5 * time.Millisecond):
		}
		if err := put(nodes.Rows{Table: "t", Rows: [][]nodes.Value{{nodes.Int32(int32(i))}}}); err != nil {
			return err
		}
	}
	return put(nodes.TableEnd("t"))
}

// TestContractOfToy: a device as it should be passes.
func TestContractOfToy(t *testing.T) {
	p := &peer{}
	healthy := func(t *testing.T) *nodes.Node { return toyNode(t, p) }
	set := func(id string, v int32) nodes.Setting {
		return nodes.Setting{Node: "box/" + id, Name: id, Value: nodes.Int32(v)}
	}
	Run(t, Config{Factory: func() adapters.Factory { return toyFactory(p) }, Healthy: healthy,
		Writing: func(t *testing.T) Writing {
			return Writing{Node: healthy(t), Settings: []nodes.Setting{set("a", 1), set("b", 2)}, Refused: set("a", 13), Writes: p.count}
		},
		Running: func(t *testing.T) Running { return Running{Root: healthy(t), Node: "box", Command: "Walk"} },
	})
}

// TestOutcomes: the recorder sees what breaks the contract.
func TestOutcomes(t *testing.T) {
	done, refused, skipped := nodes.Outcome{State: nodes.WriteDone}, nodes.Outcome{State: nodes.WriteRefused, Err: errors.New("no")}, nodes.Outcome{State: nodes.WriteSkipped, Err: errors.New("no")}
	for _, tt := range []struct {
		name string
		do   func(o *Outcomes)
		want string // part of the problem; empty: none
	}{
		{"good", func(o *Outcomes) { o.Yield(0, done); o.Yield(1, done); o.Yield(2, done) }, ""},
		{"stops", func(o *Outcomes) { o.Yield(0, done); o.Yield(1, refused); o.Yield(2, skipped) }, ""},
		{"too few", func(o *Outcomes) { o.Yield(0, done); o.Yield(1, done) }, "setting 2: no outcome"},
		{"order", func(o *Outcomes) { o.Yield(1, done); o.Yield(0, done); o.Yield(2, done) }, "when 0 was due"},
		{"twice", func(o *Outcomes) { o.Yield(0, done); o.Yield(0, done); o.Yield(1, done); o.Yield(2, done) }, "when 1 was due"},
		{"outside", func(o *Outcomes) { o.Yield(0, done); o.Yield(1, done); o.Yield(2, done); o.Yield(3, done) }, "setting 3 of 3"},
		{"negative", func(o *Outcomes) { o.Yield(-1, done); o.Yield(0, done); o.Yield(1, done); o.Yield(2, done) }, "setting -1 of 3"},
		{"not final", func(o *Outcomes) {
			o.Yield(0, nodes.Outcome{State: nodes.WriteSent})
			o.Yield(1, done)
			o.Yield(2, done)
		}, "not final"},
		{"no reason", func(o *Outcomes) {
			o.Yield(0, nodes.Outcome{State: nodes.WriteUnknown})
			o.Yield(1, skipped)
			o.Yield(2, skipped)
		}, "without a reason"},
		{"good with an error", func(o *Outcomes) {
			o.Yield(0, nodes.Outcome{State: nodes.WriteDone, Err: errors.New("x")})
			o.Yield(1, done)
			o.Yield(2, done)
		}, "with an error"},
		{"goes on", func(o *Outcomes) { o.Yield(0, refused); o.Yield(1, done); o.Yield(2, done) }, "though the one before is refused"},
		{"skips for nothing", func(o *Outcomes) { o.Yield(0, done); o.Yield(1, skipped); o.Yield(2, skipped) }, "though the one before is done"},
		{"late", func(o *Outcomes) {
			o.Yield(0, done)
			o.Yield(1, done)
			o.Yield(2, done)
			o.Close()
			o.Yield(2, done)
		}, "after Set had returned"},
	} {
		o := NewOutcomes(3)
		tt.do(o)
		o.Close()
		got := strings.Join(o.Problems(), "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want it to hold %q", tt.name, got, tt.want)
		}
	}
}

// TestFindings: the recorder sees what breaks the contract.
func TestFindings(t *testing.T) {
	table := nodes.Table{ID: "t", Name: "T", Columns: []nodes.Column{{ID: "a"}, {ID: "b"}}}
	row := nodes.Rows{Table: "t", Rows: [][]nodes.Value{{nodes.Int32(1), {}}}}
	for _, tt := range []struct {
		name string
		put  []nodes.Finding
		want string
	}{
		{"good", []nodes.Finding{nodes.QueryTitle("x"), nodes.QueryStatus(""), nodes.Section("s"), table, row, row, nodes.TableEnd("t"), nodes.SectionEnd{},
			nodes.Object{ContentType: "text/csv", Data: []byte("a")}, nodes.Remark{Text: "x"}}, ""},
		{"nothing", []nodes.Finding{nil}, "nothing was put"},
		{"table left open", []nodes.Finding{table}, `the tables ["t"] are not complete`},
		{"section left open", []nodes.Finding{nodes.Section("s")}, "1 sections"},
		{"section too much", []nodes.Finding{nodes.SectionEnd{}}, "not open"},
		{"section without header", []nodes.Finding{nodes.Section(""), nodes.SectionEnd{}}, "without a header"},
		{"rows of no table", []nodes.Finding{row}, "not open"},
		{"rows after the end", []nodes.Finding{table, nodes.TableEnd("t"), row}, "not open"},
		{"row of another width", []nodes.Finding{table, nodes.Rows{Table: "t", Rows: [][]nodes.Value{{{}}}}, nodes.TableEnd("t")}, "1 cells, want 2"},
		{"no rows", []nodes.Finding{table, nodes.Rows{Table: "t"}, nodes.TableEnd("t")}, "no rows"},
		{"table twice", []nodes.Finding{table, nodes.TableEnd("t"), table, nodes.TableEnd("t")}, "not unique"},
		{"table without columns", []nodes.Finding{nodes.Table{ID: "t", Name: "T"}, nodes.TableEnd("t")}, "no columns"},
		{"column twice", []nodes.Finding{nodes.Table{ID: "t", Name: "T", Columns: []nodes.Column{{ID: "a"}, {ID: "a"}}}, nodes.TableEnd("t")}, "not unique"},
		{"end of no table", []nodes.Finding{nodes.TableEnd("t")}, "not open"},
		{"object", []nodes.Finding{nodes.Object{ContentType: "text/csv"}}, "without content type or data"},
		{"remark", []nodes.Finding{nodes.Remark{}}, "without text"},
		{"title", []nodes.Finding{nodes.QueryTitle("")}, "empty title"},
	} {
		f := NewFindings(nil)
		for _, x := range tt.put {
			if err := f.Put(x); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		_, problems := f.Close(true)
		got := strings.Join(problems, "; ")
		if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q, want it to hold %q", tt.name, got, tt.want)
		}
	}
	full := errors.New("enough")
	f := NewFindings(func(nodes.Finding) error { return full })
	for range 2 {
		if err := f.Put(nodes.QueryTitle("x")); err != full {
			t.Errorf("got %v", err)
		}
	}
	f.Close(false)
	f.Put(row)
	if got := strings.Join(f.Problems(), "; "); !strings.Contains(got, "after put had failed") || !strings.Contains(got, "after Query had returned") {
		t.Errorf("got %q", got)
	}
	f = NewFindings(nil)
	f.Put(row)
	row.Rows[0][0] = nodes.Int32(2)
	if _, problems := f.Close(false); !strings.Contains(strings.Join(problems, "; "), "changed after it was put") {
		t.Errorf("got %q", problems)
	}
}

// TestHostCreate: the host refuses what the tree does.
func TestHostCreate(t *testing.T) {
	node := func(id string, below ...*nodes.Node) *nodes.Node {
		return &nodes.Node{Spec: nodes.Spec{Name: id, Parent: "box"}, Children: below}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		list []*nodes.Node
		kind nodes.ErrorKind // Internal: none
	}{
		{"a branch", t.Context(), []*nodes.Node{node("x", node("y"))}, 0},
		{"nothing", t.Context(), nil, 0},
		{"below an earlier one", t.Context(), []*nodes.Node{node("x"), {Spec: nodes.Spec{Name: "y", Parent: "box/x"}}}, 0},
		{"no node", t.Context(), []*nodes.Node{node("x"), nil}, nodes.Invalid},
		{"no child", t.Context(), []*nodes.Node{node("x", nil)}, nodes.Invalid},
		{"foreign", t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "y", Parent: "other"}}}, nodes.NotFound},
		{"there already", t.Context(), []*nodes.Node{node("a")}, nodes.Invalid},
		{"twice", t.Context(), []*nodes.Node{node("x"), node("x")}, nodes.Invalid},
		{"over", over, []*nodes.Node{node("x")}, nodes.Timeout},
	} {
		h := NewHost(toyNode(t, nil))
		err := h.Create(tt.ctx, tt.list)
		if (err != nil) != (tt.kind != 0) || err != nil && nodes.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil && len(h.Created()) > 0 {
			t.Errorf("%s: all or none, but %d", tt.name, len(h.Created()))
		}
		if _, there := h.Node("box/x"); there != (err == nil && len(tt.list) > 0) {
			t.Errorf("%s: box/x is there: %v", tt.name, there)
		}
		if tt.list != nil && tt.list[0].ID != "" {
			t.Errorf("%s: the caller's node was changed", tt.name)
		}
	}
	h := NewHost(toyNode(t, nil))
	h.Over()
	if err := h.Create(t.Context(), []*nodes.Node{node("x")}); nodes.KindOf(err) != nodes.Gone || len(h.Problems()) > 0 {
		t.Errorf("after the end: %v, problems %q", err, h.Problems())
	}
}
