package datasources

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// scoped is grow with people whose rights are on some nodes only.
func scoped(t *testing.T) (*Catalog, *tree.Tree, *plant) {
	t.Helper()
	c, access, p, trees := grow(t)
	on := func(name string, may nodes.Rights, text string, refs ...nodes.Ref) Rule {
		return Rule{Who: []string{person(name).JID}, May: may, On: refs, Text: text}
	}
	access.Replace([]Rule{
		on("branch", nodes.See|nodes.Read|nodes.Configure, "rule 1", nodes.In("L/U")),
		on("branch", nodes.Control, "rule 2", nodes.In("L/U/r")),
		on("other", nodes.See, "", nodes.In("L/V")),
		on("elsewhere", nodes.See, "", nodes.Ref{Source: "Missing"}),
		on("source", nodes.See, "", nodes.Ref{Source: "Other"}),
		on("gone", nodes.AllRights, "", nodes.In("gone")),
		on("ops", nodes.AllRights, ""),
	})
	return c, trees[0], p
}

// Somebody whose rights are on a part of the tree sees that part as if it were all.
func TestRightsOnABranch(t *testing.T) {
	c, _, _ := scoped(t)
	who := person("branch")
	if got := fmt.Sprint(len(c.Sources(who))); got != "1" {
		t.Errorf("sources: got %s", got)
	}
	roots, err := c.Roots(who, "", nodes.Detail{})
	if got := ids(roots); err != nil || got != "L/U" {
		t.Fatalf("roots: got %q, %v", got, err)
	}
	if roots[0].Parent != (nodes.Ref{}) {
		t.Errorf("a parent that may not be seen is told: %v", roots[0].Parent)
	}
	children, err := c.Children(who, nodes.In("L/U"), nodes.Detail{})
	if got := ids(children); err != nil || got != "L/U/r" || children[0].Parent.ID != "L/U" {
		t.Errorf("children: got %q, %v", got, err)
	}
	all, err := c.All(who, "", nil, nodes.Detail{})
	if got := ids(all); err != nil || got != "L/U L/U/r" {
		t.Errorf("all: got %q, %v", got, err)
	}
	up, err := c.Ancestors(who, nodes.In("L/U/r"), nodes.Detail{})
	if got := ids(up); err != nil || got != "L/U/r L/U" {
		t.Errorf("ancestors: got %q, %v", got, err)
	}
	for _, id := range []string{"L", "L/V", "L/V/r", nodes.RootID, "missing"} {
		if _, err := c.Node(who, nodes.In(id), nodes.Detail{}); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("%s: got %v, want that it does not exist", id, err)
		}
		if err := c.Destroy(t.Context(), who, nodes.In(id)); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("destroy %s: got %v, want that it does not exist", id, err)
		}
	}
	// The register below is given more than the branch.
	if c.May(who, nodes.Control, nodes.In("L/U")) || !c.May(who, nodes.Control, nodes.In("L/U/r")) {
		t.Error("the rights below do not add up")
	}
	if _, err := c.Node(person("elsewhere"), nodes.In("L/U"), nodes.Detail{}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a rule about another source: got %v", err)
	}
	if got := len(c.Sources(person("elsewhere"))); got != 0 {
		t.Errorf("a rule about another source: %d sources", got)
	}
	if got := c.Sources(person("source")); len(got) != 1 || got[0].ID != "Other" {
		t.Errorf("a rule about a source: got %v", got)
	}
	if got := len(c.Sources(person("gone"))); got != 0 {
		t.Errorf("a rule about a node that is not there: %d sources", got)
	}
}

// Events of a branch that goes are told to those who saw it, and to nobody else.
func TestEventsOfABranchThatGoes(t *testing.T) {
	c, tr, _ := scoped(t)
	got := make(map[string][]string)
	for _, name := range []string{"branch", "other", "ops"} {
		stop, err := c.Subscribe(person(name), "", func(e nodes.Event) { got[name] = append(got[name], e.Kind.String()+" "+e.Info.Ref.ID) })
		if err != nil {
			t.Fatal(err)
		}
		defer stop()
	}
	if err := tr.Destroy(t.Context(), "L"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"branch": 2, "other": 2, "ops": 5} {
		removed := 0
		for _, e := range got[name] {
			if strings.HasPrefix(e, "removed ") {
				removed++
			}
		}
		if removed != want {
			t.Errorf("%s: got %q, want %d that are removed", name, got[name], want)
		}
	}
}

// A right that is taken away ends what lives on it, at once.
func TestScopeTakenAway(t *testing.T) {
	c, _, p := scoped(t)
	told := 0
	stop, err := c.Watch(person("branch"), nodes.Watch{Refs: []nodes.Ref{nodes.In("L/U/r")}, Notify: func(nodes.Ref, nodes.Reading) { told++ }})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	report := func(v float64) {
		p.host("L").Report([]nodes.Reading{{Node: "L/U/r", Fields: []nodes.Field{{Name: "r", Value: nodes.Double(v), Time: time.Now(), Category: nodes.Momentary}}}})
	}
	report(1)
	c.access.Replace([]Rule{{Who: []string{person("branch").JID}, May: nodes.See | nodes.Read, On: []nodes.Ref{nodes.In("L/V")}}})
	report(2)
	if told != 1 {
		t.Errorf("told %d times, want once", told)
	}
}

func TestExplain(t *testing.T) {
	c, _, _ := scoped(t)
	path, _ := c.path(nodes.In("L/U/r"))
	var got []string
	for _, r := range c.access.Explain(person("branch"), nodes.In("L/U/r"), path) {
		got = append(got, r.Text)
	}
	if want := "[rule 1 rule 2]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if got := c.access.Explain(person("nobody"), nodes.In("L/U/r"), path); got != nil {
		t.Errorf("nobody: got %v", got)
	}
}
