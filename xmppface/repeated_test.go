package xmppface

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local/localtest"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// changer serves requests of type get that change something, those named run.
type changer struct{ served }

func (c *changer) Changes(name string) bool { return name == "run" }

// TestRepeatedGets: those that change something are done once, others each time.
func TestRepeatedGets(t *testing.T) {
	srv := localtest.Start(t, nil)
	requests := make(chan *ext.Request, 10)
	hub := online(t, account(t, srv, "hub"), xmpptest.NewEcho(100), &changer{served{serve: func(r *ext.Request) { requests <- r }}})
	client := online(t, account(t, srv, "client"))
	for _, tt := range []struct {
		name string
		want int
	}{{"run", 1}, {"look", 3}} {
		answer := client.asks.add(tt.name, hub.Self())
		for range 3 {
			if err := client.st.Send([]byte("<iq type='get' id='" + tt.name + "' to='" + hub.Self() + "'><" + tt.name + " xmlns='" + testNS + "'/></iq>")); err != nil {
				t.Fatal(err)
			}
		}
		isAlive(t, client, hub) // all have been served
		if len(requests) != tt.want {
			t.Errorf("%s: %d requests were served, want %d", tt.name, len(requests), tt.want)
		}
		for range len(requests) {
			(<-requests).Result(nil)
		}
		select {
		case <-answer:
		case <-time.After(5 * time.Second):
			t.Errorf("%s: no answer", tt.name)
		}
		client.asks.remove(tt.name)
	}
}
