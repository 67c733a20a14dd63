package tree

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// TestDisableModel: after any changes the nodes are disabled as their settings say,
// belong to the right device, say so, and just the devices run that should; a restart
// finds the same.
func TestDisableModel(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			p, store := &plant{}, &Memory{}
			tr := grow(t, p, store)
			random := rand.New(rand.NewPCG(seed, 7))
			for step := range 150 {
				var ids []string
				tr.Walk(func(id, typ string) bool { ids = append(ids, id); return true })
				id := ids[random.IntN(len(ids))]
				info, _ := tr.Info(id, nodes.Detail{})
				var err error
				switch k := random.IntN(10); {
				case k < 3:
					err = tr.Execute(t.Context(), id, Disable, nil)
				case k < 6:
					err = tr.Execute(t.Context(), id, Enable, nil)
				case k < 7:
					err = tr.Edit(t.Context(), nodes.Edit{Node: id, ID: fmt.Sprint("r", step), Params: nodes.Params{"Disabled": nodes.Bool(random.IntN(2) == 0)}})
				case k < 8 && len(ids) > 4:
					err = tr.Destroy(t.Context(), id)
				default:
					child := map[string]string{nodes.TypeRoot: "bus", "bus": "box", "box": "bus", "channel": "", "channel.slow": ""}[info.Type]
					if child != "" {
						_, err = tr.Create(t.Context(), nodes.NewNode{Parent: info.Ref, Type: child, Name: fmt.Sprint("n", step)})
					}
				}
				if kind := nodes.KindOf(err); err != nil && kind != nodes.NotAcceptable && kind != nodes.NotFound {
					t.Fatalf("step %d: %v", step, err)
				}
				checkDisabled(t, tr, fmt.Sprint("step ", step))
			}
			want := 0
			tr.root.each(func(n *node) {
				if n.typ.Connects && !n.off {
					want++
				}
			})
			until(t, fmt.Sprint(want, " devices run"), func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == want })
			again, err := New(Config{Types: testTypes, Store: store, Opener: &plant{}})
			if err != nil {
				t.Fatal(err)
			}
			run(t, again)
			<-again.running
			checkDisabled(t, again, "after a restart")
			for id, n := range again.nodes {
				if before := tr.nodes[id]; before == nil || before.off != n.off || before.state != n.state {
					t.Errorf("%s is another after a restart", id)
				}
			}
		})
	}
}

func checkDisabled(t *testing.T, tr *Tree, when string) {
	t.Helper()
	tr.mu.RLock()
	defer tr.mu.RUnlock()
	tr.root.each(func(n *node) {
		if off := n.disabled() || n.parent != nil && n.parent.off; n.off != off {
			t.Errorf("%s: %s is off: %v, want %v", when, n.spec.ID, n.off, off)
		}
		var owner string
		if !n.off {
			for up := n; up != nil && owner == ""; up = up.parent {
				if up.typ.Connects {
					owner = up.spec.ID
				}
			}
		}
		if have := n.owner; (have == nil) != (owner == "") || have != nil && have.node.spec.ID != owner {
			t.Errorf("%s: %s belongs to %v, want %q", when, n.spec.ID, have != nil, owner)
		}
		i := slices.IndexFunc(n.messages, func(m message) bool { return m.EventID == disabledEvent })
		if (i >= 0) != n.off || i >= 0 && n.messages[i].Text != offMessage(n).Text {
			t.Errorf("%s: %s has messages %+v", when, n.spec.ID, n.messages)
		}
	})
}
