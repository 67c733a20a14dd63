package datasources

import (
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// TestOutcomeIsSeen: what has become of a write is its answer, a message on the node,
// and an event for whoever watches; writing well takes the message away.
func TestOutcomeIsSeen(t *testing.T) {
	c, _, p, _ := grow(t)
	p.bad = 13
	var seen log
	stop, err := c.Subscribe(person("looker"), "", func(e nodes.Event) {
		if e.Kind == nodes.NodeStatusChanged {
			seen.add(e.Info.Ref.ID + " " + e.Info.State.String())
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	set := func(v float64, state nodes.WriteState) {
		t.Helper()
		out, err := c.Set(t.Context(), person("operator"), []nodes.Assignment{assign("", "L/U", "r", v)})
		if err != nil || len(out) != 1 || out[0].State != state {
			t.Fatalf("%v: %s, %v", v, states(out), err)
		}
	}
	message := func() string {
		i, err := c.Node(person("looker"), nodes.In("L/U/r"), nodes.Detail{Messages: true})
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, m := range i.Messages {
			list = append(list, m.EventID+": "+m.Text)
		}
		return strings.Join(list, "; ")
	}
	told := func(want string) {
		t.Helper()
		seen.mu.Lock()
		defer seen.mu.Unlock()
		if got := strings.Join(seen.list, ", "); got != want {
			t.Errorf("events: %q, want %q", got, want)
		}
	}
	set(13, nodes.WriteRefused)
	if got := message(); got != "Control: r was not set to 13: valve stuck" {
		t.Errorf("message: %q", got)
	}
	told("L/U/r warning")
	set(12, nodes.WriteDone)
	if got := message(); got != "Written: r was set to 12." {
		t.Errorf("message after a good write: %q", got)
	}
	told("L/U/r warning, L/U/r ok")
}
