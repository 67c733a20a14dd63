package local_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local/localtest"
)

// deaf is a peer for which as much waits as may, of which it takes a little now and
// then.
func deaf(t *testing.T, srv *localtest.Server) *peer {
	t.Helper()
	p, filler := online(t, srv, "deaf", "1"), online(t, srv, "filler", "1")
	body := strings.Repeat("x", 200<<10)
	refused := 0
	for answer := range flood(filler, 16, func(i int) string {
		return fmt.Sprintf("<iq type='get' id='%d' to='%s'><x xmlns='urn:x'>%s</x></iq>", i, p.full, body)
	}) {
		if strings.Contains(answer, "resource-constraint") {
			refused++
		}
	}
	if refused == 0 {
		t.Fatal("the queue is not full")
	}
	done := make(chan struct{})
	t.Cleanup(func() { p.conn.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 16<<10)
		for {
			p.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := p.conn.Read(b); err != nil {
				return
			}
			time.Sleep(300 * time.Millisecond)
		}
	}()
	return p
}

// TestEndOfTheDeaf: a connection that is to end does so soon, however slowly the
// client takes what waits for it.
func TestEndOfTheDeaf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		end  func(t *testing.T, srv *localtest.Server, p *peer)
	}{
		{"not well-formed", func(_ *testing.T, _ *localtest.Server, p *peer) { p.send("<a></b>") }},
		{"logged out", func(_ *testing.T, _ *localtest.Server, p *peer) { p.send("</stream:stream>") }},
		{"replaced", func(t *testing.T, srv *localtest.Server, _ *peer) { online(t, srv, "deaf", "1") }},
		{"thrown out", func(_ *testing.T, srv *localtest.Server, _ *peer) { srv.Expel("deaf") }},
		{"shutdown", func(_ *testing.T, srv *localtest.Server, _ *peer) { srv.Stop() }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := localtest.Start(t, nil)
			p := deaf(t, srv)
			began := time.Now()
			tt.end(t, srv, p)
			for {
				p.conn.SetWriteDeadline(time.Time{})
				if _, err := p.conn.Write([]byte(" ")); err != nil {
					break
				}
				if time.Since(began) > 5*time.Second {
					t.Fatal("it is still connected")
				}
				time.Sleep(20 * time.Millisecond)
			}
			if took := time.Since(began); took > 4*time.Second || tt.name == "shutdown" && took > 2*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}
