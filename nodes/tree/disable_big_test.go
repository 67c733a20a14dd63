package tree

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// TestDisableBig: 10,000 nodes are disabled and enabled in a time that shows that
// nothing is quadratic.
func TestDisableBig(t *testing.T) {
	const size = 10_000
	tr, stop := started(t, &Memory{})
	defer stop()
	if err := tr.Import(t.Context(), plantOfSize(size)); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"B", "B/box 7"} {
		told := 0
		unsubscribe := tr.Subscribe(func(e nodes.Event) { told++ })
		begin := time.Now()
		do(t, tr, id, Disable, nil)
		do(t, tr, id, Enable, nil)
		t.Logf("%s: %v, %d events", id, time.Since(begin), told)
		if took := time.Since(begin); took > 5*time.Second {
			t.Errorf("%s: took %v", id, took)
		}
		if want := map[string]int{"B": 2*size + 2, "B/box 7": 2*100 + 2}[id]; told != want {
			t.Errorf("%s: %d events, want %d", id, told, want)
		}
		unsubscribe()
	}
}
