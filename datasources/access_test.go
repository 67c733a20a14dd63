package datasources

import (
	"fmt"
	"sync"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func TestAccess(t *testing.T) {
	const rc = nodes.Read | nodes.Control
	a := NewAccess(
		Rule{Who: []string{"Ops@Example.ORG", "both@example.org"}, May: nodes.See | nodes.Read},
		Rule{Who: []string{"@example.org"}, May: nodes.See},
		Rule{Who: []string{"both@example.org"}, May: nodes.Control},
		Rule{Who: []string{"blind@other.org"}, May: rc},
		Rule{Who: []string{"adds@other.org"}, May: rc},
		Rule{Who: []string{"@other.org"}, May: nodes.Listen},
		Rule{Who: []string{"adds@other.org"}, May: nodes.See},
		Rule{Who: []string{"owner@box"}, Way: nodes.WayLocal, May: nodes.AllRights},
		Rule{Who: []string{"", "@", "ops@example.org/phone"}, May: nodes.AllRights},
	)
	for _, tt := range []struct {
		jid  string
		way  nodes.Way
		want nodes.Rights
	}{
		{"ops@example.org", nodes.WayBroker, nodes.See | nodes.Read},
		{"OPS@EXAMPLE.org", nodes.WayBroker, nodes.See | nodes.Read},
		{"anybody@example.org", nodes.WayBroker, nodes.See},
		{"both@example.org", nodes.WayBroker, nodes.See | rc},
		{"ops@example.org", nodes.WayLocal, 0},
		{"ops@example.org", "", 0},
		{"ops@example.org/phone", nodes.WayBroker, nodes.AllRights}, // never comes: addresses are bare
		{"x@sub.example.org", nodes.WayBroker, 0},
		{"x@badexample.org", nodes.WayBroker, 0},
		{"example.org", nodes.WayBroker, 0},
		{"@example.org", nodes.WayBroker, nodes.See},
		{"blind@other.org", nodes.WayBroker, 0},
		{"adds@other.org", nodes.WayBroker, nodes.See | rc | nodes.Listen},
		{"x@other.org", nodes.WayBroker, 0},
		{"owner@box", nodes.WayLocal, nodes.AllRights},
		{"owner@box", nodes.WayBroker, 0},
		{"", nodes.WayBroker, 0},
		{"nobody", nodes.WayBroker, 0},
		{"", nodes.WaySystem, nodes.AllRights},
	} {
		c := nodes.Caller{JID: tt.jid, Way: tt.way}
		if got := a.Rights(c, nodes.In("x"), func() []string { t.Error("the path is asked for"); return nil }); got != tt.want {
			t.Errorf("%s: %v, want %v", c, got, tt.want)
		}
		if got := a.Person(c); got != tt.want {
			t.Errorf("%s anywhere: %v, want %v", c, got, tt.want)
		}
	}
	if got, want := fmt.Sprint(a.People(nodes.WayBroker)), "[adds@other.org both@example.org ops@example.org ops@example.org/phone]"; got != want {
		t.Errorf("people %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(a.People(nodes.WayLocal)), "[owner@box]"; got != want {
		t.Errorf("people of the local way %s, want %s", got, want)
	}
	var zero Access
	if got := zero.Person(person("ops")); got != 0 || zero.People(nodes.WayBroker) != nil {
		t.Errorf("the zero access gives %v", got)
	}
}

// TestReplace: new rules hold at once, while others ask.
func TestReplace(t *testing.T) {
	a := NewAccess()
	yes := []Rule{{Who: []string{person("x").JID}, May: nodes.See}}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 500 {
				if r := a.Person(person("x")); r != 0 && r != nodes.See {
					t.Errorf("got %v", r)
				}
			}
		})
	}
	for range 200 {
		a.Replace(yes)
		if a.Person(person("x")) != nodes.See {
			t.Error("not let in at once")
		}
		a.Replace(nil)
		if a.Person(person("x")) != 0 {
			t.Error("not shut out at once")
		}
	}
	wg.Wait()
}
