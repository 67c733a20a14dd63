package tree

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// model is what a tree should be, as simply as can be: a list of nodes in which
// siblings stand in their order.
type model struct {
	list   []nodes.Spec
	events []string // of the last change
}

func (m *model) find(id string) int {
	return slices.IndexFunc(m.list, func(s nodes.Spec) bool { return s.ID == id })
}

func (m *model) children(id string) (out []nodes.Spec) {
	for _, s := range m.list {
		if s.Parent == id {
			out = append(out, s)
		}
	}
	return
}

func (m *model) typeOf(id string) string {
	if id == nodes.RootID {
		return nodes.TypeRoot
	}
	if i := m.find(id); i >= 0 {
		return m.list[i].Type
	}
	return ""
}

// stands tells what may stand below what.
var stands = map[string][]string{nodes.TypeRoot: {"bus", "folder"}, "folder": {"bus", "folder"}, "bus": {"box"}, "box": {"bus", "channel", "channel.slow"}}

// add adds a branch and tells whether that is possible; if not, the model is as it
// was before only after restore.
func (m *model) add(n *nodes.Node, parent string) bool {
	s := n.Spec
	s.Parent = parent
	if s.Name == "" {
		s.Name = s.ID
	}
	if s.ID == "" {
		s.ID = s.Name
		if parent != nodes.RootID {
			s.ID = parent + "/" + s.Name
		}
	}
	if s.Name == "" || !slices.Contains(stands[m.typeOf(parent)], s.Type) || s.ID == nodes.RootID || m.find(s.ID) >= 0 {
		return false
	}
	after := ""
	for _, c := range m.children(parent) {
		if c.Name == s.Name {
			return false
		}
		after = c.ID
	}
	m.list = append(m.list, s)
	m.events = append(m.events, fmt.Sprintf("added %s after %q children %v", s.ID, after, len(n.Children) > 0))
	for _, c := range n.Children {
		if !m.add(c, s.ID) {
			return false
		}
	}
	return true
}

func (m *model) addAll(list []*nodes.Node) bool {
	was := slices.Clone(m.list)
	m.events = nil
	for _, n := range list {
		parent := n.Parent
		if parent == "" {
			parent = nodes.RootID
		}
		if !m.add(n, parent) {
			m.list, m.events = was, nil
			return false
		}
	}
	return true
}

func (m *model) remove(id string) bool {
	m.events = nil
	if m.find(id) < 0 {
		return false
	}
	var gone []string
	var each func(id string)
	each = func(id string) {
		gone = append(gone, id)
		for _, c := range m.children(id) {
			each(c.ID)
		}
	}
	each(id)
	slices.Reverse(gone)
	for _, id := range gone {
		m.events = append(m.events, fmt.Sprintf("removed %s after %q children %v", id, "", len(m.children(id)) > 0))
	}
	m.list = slices.DeleteFunc(m.list, func(s nodes.Spec) bool { return slices.Contains(gone, s.ID) })
	return true
}

// lines writes the nodes as the tree should walk them.
func (m *model) lines(id string) (out []string) {
	for _, c := range m.children(id) {
		out = append(out, fmt.Sprintf("%s|%s|%s|%s", c.ID, c.Name, c.Type, c.Parent))
		out = append(out, m.lines(c.ID)...)
	}
	return
}

// anything makes a branch that may or may not be possible.
func anything(r *rand.Rand, m *model, depth int) *nodes.Node {
	types := []string{"bus", "folder", "box", "channel", "channel.slow", "node", "root", "unheard of"}
	n := &nodes.Node{Spec: nodes.Spec{Type: types[r.IntN(5)], Name: string(rune('a' + r.IntN(6)))}}
	switch r.IntN(20) {
	case 0:
		n.ID, n.Name = fmt.Sprint("own", r.IntN(10)), ""
	case 1:
		n.ID = fmt.Sprint("own", r.IntN(10))
	case 2:
		n.Type = types[r.IntN(len(types))]
	case 3:
		n.Name = ""
	case 4:
		n.ID = nodes.RootID
	}
	for below := stands[n.Type]; depth > 0 && len(below) > 0 && r.IntN(3) > 0; depth-- {
		c := anything(r, m, depth-1)
		if r.IntN(8) > 0 {
			c.Type = below[r.IntN(len(below))]
			if len(stands[c.Type]) == 0 {
				c.Children = nil
			}
		}
		n.Children = append(n.Children, c)
	}
	return n
}

// TestModel does changes at random, one after the other, and compares the tree,
// its order, its events and what is stored with a simple model after each.
func TestModel(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { follow(t, rand.New(rand.NewPCG(seed, 1)), 80) })
	}
}

func follow(t *testing.T, r *rand.Rand, steps int) {
	store, m, o := &Memory{}, &model{}, &oddities{}
	var tr *Tree
	var stop func()
	var got []string
	start := func() {
		var err error
		if tr, err = New(Config{Types: testTypes, Store: store, Opener: o}); err != nil {
			t.Fatal(err)
		}
		stop = run(t, tr)
		tr.Subscribe(func(e nodes.Event) {
			if e.Kind != nodes.NodeStatusChanged {
				got = append(got, fmt.Sprintf("%s %s after %q children %v", e.Kind, e.Info.Ref.ID, e.After, e.Info.HasChildren))
			}
		})
	}
	start()
	pick := func() string {
		if len(m.list) == 0 || r.IntN(5) == 0 {
			return nodes.RootID
		}
		return m.list[r.IntN(len(m.list))].ID
	}
	for step := range steps {
		got, m.events = nil, nil
		var did string
		var err error
		var ok bool
		switch k := r.IntN(20); {
		case k < 9:
			n := anything(r, m, 0)
			n.Children, n.Parent = nil, pick()
			if below := stands[m.typeOf(n.Parent)]; len(below) > 0 && r.IntN(4) > 0 {
				n.Type = below[r.IntN(len(below))]
			}
			did = fmt.Sprintf("create %+v", n.Spec)
			ok = m.addAll([]*nodes.Node{n})
			_, err = tr.Create(context.Background(), nodes.NewNode{Parent: nodes.In(n.Parent), Type: n.Type, ID: n.ID, Name: n.Name})
		case k < 14:
			var list []*nodes.Node
			for range 1 + r.IntN(3) {
				n := anything(r, m, 3)
				if r.IntN(3) > 0 {
					n.Parent = pick()
				}
				if below := stands[m.typeOf(n.Parent)]; len(below) > 0 && len(n.Children) == 0 {
					n.Type = below[r.IntN(len(below))]
				}
				list = append(list, n)
			}
			did = fmt.Sprintf("import of %d branches", len(list))
			ok = m.addAll(list)
			err = tr.Import(context.Background(), list)
		case k < 18:
			id := pick()
			if r.IntN(10) == 0 {
				id = "nowhere"
			}
			did, ok = "destroy "+id, m.remove(id)
			err = tr.Destroy(context.Background(), id)
		default:
			did, ok = "restart", true
			stop()
			start()
		}
		if (err == nil) != ok {
			t.Fatalf("step %d, %s: got %v, want success %v", step, did, err, ok)
		}
		if !slices.Equal(got, m.events) {
			t.Fatalf("step %d, %s: events\n%s\nwant\n%s", step, did, strings.Join(got, "\n"), strings.Join(m.events, "\n"))
		}
		compare(t, fmt.Sprintf("step %d, %s", step, did), tr, store, m)
	}
	stop()
}

func compare(t *testing.T, when string, tr *Tree, store *Memory, m *model) {
	t.Helper()
	var got, ids []string
	types := make(map[string]string)
	tr.Walk(func(id, typ string) bool { ids, types[id] = append(ids, id), typ; return true })
	for _, id := range ids {
		s, _ := tr.Spec(id)
		if id != nodes.RootID {
			got = append(got, fmt.Sprintf("%s|%s|%s|%s", s.ID, s.Name, s.Type, s.Parent))
		}
		i, ok := tr.Info(id, nodes.Detail{})
		list, _ := tr.Children(id, nodes.Detail{})
		if want := m.children(id); !ok || i.Type != types[id] || i.HasChildren != (len(want) > 0) || len(list) != len(want) {
			t.Errorf("%s: %s has %d children, want %d; info %+v", when, id, len(list), len(want), i)
		}
		owner := ""
		for at := id; at != nodes.RootID && owner == ""; at = m.list[m.find(at)].Parent {
			if m.typeOf(at) == "bus" {
				owner = at
			}
		}
		if have, ok := tr.Owner(id); have != owner || ok != (owner != "") {
			t.Errorf("%s: the owner of %s is %q, want %q", when, id, have, owner)
		}
	}
	if want := m.lines(nodes.RootID); !slices.Equal(got, want) {
		t.Fatalf("%s: the tree is\n%s\nwant\n%s", when, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(store.records) != len(m.list) {
		t.Fatalf("%s: %d nodes are stored, want %d", when, len(store.records), len(m.list))
	}
	for _, s := range m.list {
		if have := store.records[s.ID].Spec; have.Name != s.Name || have.Type != s.Type || have.Parent != s.Parent {
			t.Fatalf("%s: stored %+v, want %+v", when, have, s)
		}
	}
	tr.mu.RLock()
	defer tr.mu.RUnlock()
	if len(tr.nodes) != len(m.list)+1 {
		t.Fatalf("%s: %d nodes are known, want %d", when, len(tr.nodes), len(m.list)+1)
	}
}
