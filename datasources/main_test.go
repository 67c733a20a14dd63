package datasources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/sniffer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The types of a made-up adapter: a line with units that have registers.
var testTypes = []nodes.Type{
	{Name: "line", Title: "Line", Parents: []string{nodes.TypeRoot, nodes.TypeFolder}, Connects: true, Caps: nodes.CanSniff | nodes.CanCommand,
		Params: []nodes.Param{{ID: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(7)},
			{ID: "Key", Kind: nodes.KindString, Secret: true, Default: nodes.String("secret")}},
		Commands: []nodes.Command{{ID: "Restart", Kind: nodes.Simple, Title: "Restart"}}},
	{Name: "unit", Title: "Unit", Parents: []string{"line"}, Caps: nodes.CanRead | nodes.CanControl | nodes.CanCommand | nodes.CanSniff,
		Commands: []nodes.Command{
			{ID: "Identify", Kind: nodes.Query, Title: "Identify", Rights: nodes.Read},
			{ID: "Move", Kind: nodes.Parametrized, Title: "Move", Params: []nodes.Param{
				{ID: "To", Kind: nodes.KindInt32, Default: nodes.Int32(1), Max: nodes.Int32(9)}, {ID: "Pin", Kind: nodes.KindString, Secret: true}}},
			{ID: "Scan", Kind: nodes.Query, Title: "Scan"}}},
	{Name: "register", Title: "Register", Parents: []string{"unit"}, Caps: nodes.CanRead | nodes.CanControl, Part: true,
		Controls: func(s *nodes.Spec) []nodes.Param {
			return []nodes.Param{{ID: s.Name, Kind: nodes.KindDouble, Min: nodes.Double(0), Max: nodes.Double(100)},
				{ID: s.Name + ".key", Kind: nodes.KindString, Secret: true}}
		}},
	{Name: "lamp", Title: "Lamp", Parents: []string{"unit"}, Caps: nodes.CanRead | nodes.CanControl, Part: true,
		Controls: func(s *nodes.Spec) []nodes.Param { return []nodes.Param{{ID: s.Name, Kind: nodes.KindBool}} }},
}

// plant opens lines and keeps their hosts and taps.
type plant struct {
	mu    sync.Mutex
	hosts map[string]nodes.Host
	taps  map[string]*sniffer.Tap
	asked []string
	fail  map[string]bool
	done  []string // what was set and run
	bad   float64  // a value that is refused
	hold  func()   // called between the findings of a query
}

type line struct{ p *plant }

func (p *plant) Open(n *nodes.Node, h nodes.Host) (nodes.Device, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.hosts == nil {
		p.hosts, p.taps = make(map[string]nodes.Host), make(map[string]*sniffer.Tap)
	}
	p.hosts[n.ID], p.taps[n.ID] = h, sniffer.NewTap()
	return &line{p}, nil
}

func (p *plant) Forget(string) {}

func (p *plant) tap(id string) *sniffer.Tap {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.taps[id]
}

func (p *plant) host(id string) nodes.Host {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.hosts[id]
}

func (l *line) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (l *line) Update(nodes.Change)           {}

func (l *line) Read(_ context.Context, ids []string, yield func(nodes.Reading)) {
	for _, id := range ids {
		l.p.mu.Lock()
		l.p.asked = append(l.p.asked, id)
		fail := l.p.fail[id]
		l.p.mu.Unlock()
		if fail {
			yield(nodes.Reading{Node: id, Err: errors.New("cable cut")})
		} else {
			yield(reading(id, 1))
		}
	}
}

func (p *plant) note(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = append(p.done, text)
}

func (p *plant) noted() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	text := strings.Join(p.done, "; ")
	p.done = nil
	return text
}

func (l *line) Set(_ context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	for i, s := range list {
		if s.Value.Double() == l.p.bad && l.p.bad != 0 {
			yield(i, nodes.Outcome{State: nodes.WriteRefused, Err: errors.New("valve stuck")})
			for i++; i < len(list); i++ {
				yield(i, nodes.Outcome{State: nodes.WriteSkipped})
			}
			return
		}
		l.p.note(s.Node + " " + s.Name + "=" + s.Value.String())
		yield(i, nodes.Outcome{State: nodes.WriteDone})
	}
}

func (l *line) Execute(_ context.Context, node, command string, p nodes.Params) error {
	l.p.note(fmt.Sprint(node, " ", command, " ", p))
	if p.Int("To") == 9 {
		return errors.New("end of the rail")
	}
	return nil
}

func (l *line) Query(_ context.Context, node, command string, _ nodes.Params, put nodes.Put) error {
	for range 3 {
		if err := put(nodes.QueryStatus(node + " " + command)); err != nil {
			return err
		}
		if l.p.hold != nil {
			l.p.hold()
		}
	}
	return nil
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// reading has a momentary field "v" of noon, and a status "s" of an hour later.
func reading(id string, v float64) nodes.Reading {
	return nodes.Reading{Node: id, MaxAge: time.Minute, Fields: []nodes.Field{
		{Name: "v", Value: nodes.Double(v), Time: noon, Category: nodes.Momentary},
		{Name: "s", Value: nodes.String("on"), Time: noon.Add(time.Hour), Category: nodes.Status},
	}}
}

// show writes a reading in short.
func show(ref nodes.Ref, r nodes.Reading) string {
	out := fmt.Sprintf("%s|%s:", ref.Source, ref.ID)
	for _, f := range r.Fields {
		out += " " + f.Name + "=" + f.Value.String()
	}
	if r.Err != nil {
		out += "!" + nodes.KindOf(r.Err).String()
	}
	return out
}

// person gives somebody an address by the broker.
func person(name string) nodes.Caller {
	return nodes.Caller{JID: name + "@example.org", Full: name + "@example.org/x", Way: nodes.WayBroker}
}

// The people of the tests, and what they may do.
var people = map[string]nodes.Rights{
	"stranger": 0, "looker": nodes.See, "reader": nodes.See | nodes.Read, "installer": nodes.See | nodes.Configure,
	"listener": nodes.See | nodes.Listen, "operator": nodes.See | nodes.Control, "all": nodes.AllRights, "blind": nodes.AllRights &^ nodes.See,
}

// grow starts a catalog of the default source and one called "Other", each with a
// folder "F" and a line "L" with units "L/U" and "L/V", which have a register "r"
// each.
func grow(t *testing.T) (*Catalog, *Access, *plant, []*tree.Tree) {
	t.Helper()
	p := &plant{}
	var rules []Rule
	for name, may := range people {
		rules = append(rules, Rule{Who: []string{person(name).JID}, May: may})
	}
	access := NewAccess(rules...)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	var trees []*tree.Tree
	for _, source := range []string{"", "Other"} {
		tr, err := tree.New(tree.Config{Source: source, Types: testTypes, Store: &tree.Memory{}, Opener: p})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := tr.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		unit := func(name string) *nodes.Node {
			return &nodes.Node{Spec: nodes.Spec{Name: name, Type: "unit"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "r", Type: "register"}}}}
		}
		id := "L" + source
		if err := tr.Import(ctx, []*nodes.Node{{Spec: nodes.Spec{Name: "F", Type: "folder"}},
			{Spec: nodes.Spec{ID: id, Name: "L", Type: "line"}, Children: []*nodes.Node{unit("U"), unit("V")}}}); err != nil {
			t.Fatal(err)
		}
		for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
			ok := false
			tr.Read(ctx, []string{id + "/U"}, func(r nodes.Reading) { ok = r.Err == nil })
			if ok {
				break
			}
			if time.Now().After(end) {
				t.Fatal("the device is not there")
			}
		}
		trees = append(trees, tr)
	}
	p.mu.Lock()
	p.asked = nil
	p.mu.Unlock()
	return New(access, p.tap, trees...), access, p, trees
}

func ids(list []nodes.Info) string {
	var out []string
	for _, i := range list {
		out = append(out, i.Ref.ID)
	}
	return strings.Join(out, " ")
}

func sorted(list []string) string {
	list = slices.Clone(list)
	slices.Sort(list)
	return strings.Join(list, ", ")
}
