package app

import (
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// count returns how many messages were heard that hold a text.
func (p *visitor) count(text string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.heard {
		n += strings.Count(m, text)
	}
	return n
}

// forget drops what was heard.
func (p *visitor) forget() {
	p.mu.Lock()
	p.heard = nil
	p.mu.Unlock()
}

// waits until n messages were heard that hold a text.
func (p *visitor) waits(t *testing.T, n int, text string) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); p.count(text) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(until) {
			p.mu.Lock()
			defer p.mu.Unlock()
			t.Fatalf("%s was not told of %s; heard %.2000s", p.name, text, strings.Join(p.heard, "\n"))
		}
	}
}

// TestRevoked: what somebody listens to falls silent as soon as the right is taken away,
// while another one with the same rights goes on to be told.
func TestRevoked(t *testing.T) {
	t.Parallel()
	h := rolesHub(t)
	loses, keeps := join(t, h, "loses"), join(t, h, "keeps")
	both := func(r nodes.Rights) map[string]nodes.Rights {
		return map[string]nodes.Rights{"loses": r, "keeps": nodes.AllRights}
	}
	create := func(name string) {
		if _, err := h.tree.Create(t.Context(), nodes.NewNode{Parent: nodes.In("in/M"), Type: "machine.value", Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		typ     string
		payload string
		text    string // of a message that tells something
		left    nodes.Rights
		change  func(name string) // makes something to tell of
	}{
		{"event subscription", "set", "<subscribe xmlns='" + events.NSNF + "' id='e' m='true' minInt='PT0.1S'><nd id='in/M'/></subscribe>", "n='count'", nodes.AllRights &^ nodes.Read, nil},
		{"event subscription of what he may not see", "set", "<subscribe xmlns='" + events.NSNF + "' id='f' m='true' minInt='PT0.1S'><nd id='in/M'/></subscribe>", "n='count'", 0, nil},
		{"sniffer", "set", "<registerSniffer xmlns='" + concentrator.NSNF + "' id='in/M'/>", "<rxBin", nodes.AllRights &^ nodes.Listen, nil},
		{"sniffer of what he may not see", "set", "<registerSniffer xmlns='" + concentrator.NSNF + "' id='in/M'/>", "<rxBin", 0, nil},
		{"source subscription", "set", "<subscribe xmlns='" + concentrator.NSNF + "' src='MeteringTopology' ttl='600'/>", "<nodeAdded", 0, create},
		{"query", "set", "<executeNodeQuery xmlns='" + concentrator.NSNF + "' id='in/M' command='Wait' queryId='q1'/>", "count ", nodes.AllRights &^ nodes.Configure, nil},
		{"query of what he may not see", "set", "<executeNodeQuery xmlns='" + concentrator.NSNF + "' id='in/M' command='Wait' queryId='q2'/>", "count ", 0, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			give(h, []nodes.Ref{nodes.In("in")}, both(nodes.AllRights))
			for _, p := range []*visitor{loses, keeps} {
				p.forget()
				if answer, condition := p.ask(t, tt.typ, tt.payload); condition != "" {
					t.Fatalf("%s: %s: %s", p.name, condition, answer)
				}
			}
			change := func(step string) {
				if tt.change != nil {
					tt.change(strings.ReplaceAll(tt.name, " ", "-") + step)
				}
			}
			change("1")
			loses.waits(t, 1, tt.text)
			keeps.waits(t, 1, tt.text)
			give(h, []nodes.Ref{nodes.In("in")}, both(tt.left))
			settle(t, h, loses)
			loses.forget()
			keeps.forget()
			change("2")
			keeps.waits(t, 1, tt.text)
			time.Sleep(300 * time.Millisecond) // many times what there is to tell of
			loses.ask(t, "get", "<ping xmlns='urn:xmpp:ping'/>")
			if n := loses.count(tt.text); n > 0 {
				t.Errorf("%d messages still came", n)
			}
			loses.ask(t, "set", "<unsubscribe xmlns='"+concentrator.NSNF+"' src='MeteringTopology'/>")
			keeps.ask(t, "set", "<unsubscribe xmlns='"+concentrator.NSNF+"' src='MeteringTopology'/>")
		})
	}
}

// settle waits until what was on its way to somebody has come.
func settle(t *testing.T, h *hub, p *visitor) {
	t.Helper()
	for range 2 { // through the hub's queue of messages, and of answers
		p.ask(t, "get", "<ping xmlns='urn:xmpp:ping'/>")
		time.Sleep(120 * time.Millisecond) // what a sniffer or a subscription has gathered
	}
}

// TestRevokedWhileQueued: a readout for later is answered by the rights of then, and a
// right that is given holds at once.
func TestRevokedWhileQueued(t *testing.T) {
	t.Parallel()
	h := rolesHub(t)
	people := []*visitor{join(t, h, "keeps"), join(t, h, "unread"), join(t, h, "blind")}
	on := []nodes.Ref{nodes.In("in")}
	rights := map[string]nodes.Rights{"keeps": nodes.AllRights, "unread": nodes.AllRights, "blind": nodes.AllRights}
	give(h, on, rights)
	// What is less than two seconds ahead is taken for now.
	request := "<req xmlns='" + sensordata.NSNF + "' id='later' all='true' when='" + time.Now().Add(3*time.Second).UTC().Format("2006-01-02T15:04:05.000Z") + "'><nd id='in/M'/></req>"
	for _, p := range people {
		if answer, condition := p.ask(t, "get", request); condition != "" || !strings.Contains(answer, "queued='true'") {
			t.Fatalf("%s: %s %s", p.name, condition, answer)
		}
	}
	rights["unread"], rights["blind"] = nodes.AllRights&^nodes.Read, 0
	give(h, on, rights)
	people[0].waits(t, 1, "n='speed'")
	for _, p := range people[1:] {
		p.waits(t, 1, "<") // that it came to nothing
		if n := p.count("n='speed'") + p.count("n='count'"); n > 0 {
			t.Errorf("%s: %d values came", p.name, n)
		}
	}
	form := "<getForm xmlns='" + control.NSNF + "'><nd id='in/M'/></getForm>"
	for _, tt := range []struct {
		has  nodes.Rights
		want string
	}{{0, "item-not-found"}, {nodes.See, "forbidden"}, {nodes.See | nodes.Control, ""}, {nodes.Control, "item-not-found"}} {
		rights["blind"] = tt.has
		give(h, on, rights)
		if _, got := people[2].ask(t, "get", form); got != tt.want {
			t.Errorf("as soon as he has %v: %q, want %q", tt.has, got, tt.want)
		}
	}
}
