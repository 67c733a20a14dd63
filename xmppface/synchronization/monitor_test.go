package synchronization

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// TestMonitor: what was measured is told as fields; a source that is gone keeps them,
// with a warning.
func TestMonitor(t *testing.T) {
	s := New("").(*server)
	s.now = func() time.Time { return time.Now().Add(3 * time.Second) }
	link := exttest.Pair(t, s, nil)
	var mu sync.Mutex
	online := false
	m := &Monitor{Source: exttest.ServerJID, Every: 5 * time.Millisecond, Samples: 3, Pause: time.Microsecond, Link: func() ext.Link {
		mu.Lock()
		defer mu.Unlock()
		if !online {
			return nil
		}
		return link
	}}
	set := func(on bool) {
		mu.Lock()
		defer mu.Unlock()
		online = on
	}
	until := func(what string, ok func() bool) {
		t.Helper()
		for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("not so: %s", what)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := m.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	defer wg.Wait()
	defer cancel()
	until("offline is said", func() bool { _, _, err := m.Last(); return err != nil })
	if list := m.Fields(time.Now()); len(list) != 1 || list[0].Value.Text() != exttest.ServerJID {
		t.Errorf("before the first: %+v", list)
	}
	set(true)
	until("it was measured", func() bool { _, at, err := m.Last(); return !at.IsZero() && err == nil })
	set(false)
	until("it fails", func() bool { _, _, err := m.Last(); return err != nil })
	_, at, err := m.Last()
	if !strings.Contains(err.Error(), "connection") {
		t.Errorf("got %v", err)
	}
	list := m.Fields(time.Now())
	if len(list) != 4 {
		t.Fatalf("got %+v", list)
	}
	for _, f := range list[1:] {
		if f.Category != nodes.Status || f.QoS != nodes.Warning || !f.Time.Equal(at) || f.Value.Unit() != "ms" || f.Value.Decimals() != 3 {
			t.Errorf("got %+v", f)
		}
	}
	if off := list[1].Value.Double(); list[1].Name != "Clock offset" || off < 2900 || off > 3100 {
		t.Errorf("got %+v", list[1])
	}
}
