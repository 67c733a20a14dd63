package concentrator

import (
	"strings"
	"testing"
)

// TestChanges: what reads is done each time, what changes only once.
func TestChanges(t *testing.T) {
	s := New(newFake(), quiet)
	for _, op := range operations() {
		reads := strings.HasPrefix(op.name, "get") || strings.HasPrefix(op.name, "contains")
		if s.Changes(op.name) == reads {
			t.Errorf("%s changes something: %v", op.name, !reads)
		}
	}
	if s.Changes("unheardOf") {
		t.Error("an unknown operation changes something")
	}
}
