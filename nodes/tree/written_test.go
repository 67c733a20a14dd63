package tree

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// TestWrittenMessage: what became of the last write is a message; one that went well
// gives no state, and those of a minute are one event.
func TestWrittenMessage(t *testing.T) {
	o := &oddities{make: func(_ string, _ int, o *odd) error {
		o.set = func(_ context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
			out := nodes.Outcome{State: nodes.WriteDone}
			switch list[0].Value.Int() {
			case 2:
				out.State = nodes.WriteVerified
			case 13:
				out = nodes.Outcome{State: nodes.WriteRefused, Err: errBroken}
			}
			yield(0, out)
		}
		return nil
	}}
	tr := works(t, o, "M")
	events := make(chan nodes.Event, 100)
	stop := tr.Subscribe(func(e nodes.Event) { events <- e })
	defer stop()
	told := func() (n int) {
		for {
			select {
			case <-events:
				n++
			case <-time.After(50 * time.Millisecond):
				return n
			}
		}
	}
	show := func() string {
		i, _ := tr.Info("M/P/a", nodes.Detail{Messages: true})
		var out []string
		for _, m := range i.Messages {
			out = append(out, m.Severity.State().String()+" "+m.EventID+" "+m.Text)
		}
		return fmt.Sprint(i.State, ": ", strings.Join(out, "; "))
	}
	told()
	for _, tt := range []struct {
		value  int32
		want   string
		events int
	}{
		{1, "ok: information Written a was set to 1.", 1},
		{2, "ok: information Written a was set to 2, and read back.", 0},
		{13, "warning: warning Control a was not set to 13: cable cut", 1},
		{2, "ok: information Written a was set to 2, and read back.", 1},
		{2, "ok: information Written a was set to 2, and read back.", 0},
	} {
		if _, err := tr.Set(t.Context(), []nodes.Setting{set("M/P/a", "a", tt.value)}); err != nil {
			t.Fatal(err)
		}
		if got := show(); got != tt.want {
			t.Errorf("%d: %s, want %s", tt.value, got, tt.want)
		}
		if got := told(); got != tt.events {
			t.Errorf("%d: %d events, want %d", tt.value, got, tt.events)
		}
	}
	if err := tr.clearMessages("M/P/a"); err != nil || !strings.HasSuffix(show(), ": ") {
		t.Errorf("cleared: %v, %s", err, show())
	}
}
