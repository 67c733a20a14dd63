package xmppface

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/local/localtest"
)

// TestFindsNobodyWhenGone: a session that is over does not say who was online before.
func TestFindsNobodyWhenGone(t *testing.T) {
	srv := localtest.Start(t, nil)
	a := account(t, srv, "hub")
	online(t, a)
	again := a
	again.Resource = "other"
	s := online(t, again)
	if found, err := s.WaitAvailable(within(t, 10*time.Second), a.JID); err != nil || len(found) != 1 {
		t.Fatalf("while it lives: %v, %v", found, err)
	}
	s.Close()
	<-s.Done()
	if found, err := s.WaitAvailable(within(t, 10*time.Second), a.JID); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("after its end: %v, %v; want the error of a connection that is lost", found, err)
	}
}
