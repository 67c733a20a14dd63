package xmppface

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestReconnect: a face that is told to makes another session, without waiting for
// its pause.
func TestReconnect(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	face, err := New(account(t, srv, "hub"), Options{First: time.Hour, Last: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	face.Reconnect() // before it runs
	start(t, face.Run)
	first, err := face.WaitOnline(within(t, 20*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	ctx := within(t, 20*time.Second)
	face.Reconnect()
	for {
		s, err := face.WaitOnline(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if s != first {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	srv.Kill()
	for face.Status().Online && ctx.Err() == nil {
		time.Sleep(5 * time.Millisecond)
	}
	srv.Start(t)
	face.Reconnect() // there is none
	if _, err := face.WaitOnline(within(t, 20*time.Second)); err != nil {
		t.Errorf("after the server was away: %v", err)
	}
}
