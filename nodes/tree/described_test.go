package tree

import (
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// TestHostNode: a device learns what it is made of, and nothing of others.
func TestHostNode(t *testing.T) {
	o := &oddities{}
	tr := works(t, o, "M", "N")
	if err := tr.Import(t.Context(), []*nodes.Node{below("M/P", machine("inner", part("Q"))), below("M", part("one", valve("v", "n")))}); err != nil {
		t.Fatal(err)
	}
	h := o.lastOf("M").host
	n, ok := h.Node("M/one")
	if !ok || len(n.Children) != 1 || n.Children[0].ID != "M/one/v" || n.Children[0].Parent != "M/one" {
		t.Errorf("M/one: got %+v, %v", n, ok)
	}
	whole, ok := h.Node("M")
	if !ok {
		t.Fatal("M does not know itself")
	}
	whole.Walk(func(n *nodes.Node) bool {
		if n.ID == "M/P/inner" {
			t.Error("a device of its own is shown")
		}
		return true
	})
	for _, id := range []string{"N", "M/P/inner", nodes.RootID, "", "M/none"} {
		if n, ok := h.Node(id); ok {
			t.Errorf("M sees %q: %+v", id, n)
		}
	}
}
