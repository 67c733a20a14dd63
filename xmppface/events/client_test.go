package events

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// told collects what a client is told.
type told struct {
	mu   sync.Mutex
	list []string
	errs []error
}

func (o *told) notify(ref nodes.Ref, r nodes.Reading) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, f := range r.Fields {
		o.list = append(o.list, ref.String()+":"+f.Name+"="+f.Value.String())
	}
	if r.Err != nil {
		o.list = append(o.list, ref.String()+":!")
		o.errs = append(o.errs, r.Err)
	}
}

func (o *told) all() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.list, " ")
}

func (o *told) last() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.errs[len(o.errs)-1]
}

func pair(t testing.TB, f *fake, space string) (*Client, *exttest.Link) {
	t.Helper()
	c := &Client{To: exttest.ServerJID, Space: space}
	link := exttest.Pair(t, New(f, quiet), c)
	c.Link = link
	return c, link
}

func TestSubscribe(t *testing.T) {
	for _, space := range []string{"", NSNFI, NSNF, NSIEEE} {
		f := newFake()
		c, _ := pair(t, f, space)
		var changes, root told
		stop, err := c.Subscribe(t.Context(), Subscription{Refs: []nodes.Ref{{ID: "GW/7"}, nodes.In("GW/8")}, Now: true, Categories: nodes.Momentary,
			Fields: []Field{{Name: "Level", By: 0.5, Up: 0.25, Down: 1e-3}, {Name: "Pump"}}, MinInterval: 10 * time.Millisecond, MaxInterval: time.Hour}, changes.notify)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Subscribe(t.Context(), Subscription{}, root.notify); err != nil {
			t.Fatal(err)
		}
		want := "GW/7:Level=1.5 m GW/7:Pump=false GW/8:Level=2.5 m"
		eventually(t, want, func() bool { return changes.all() == want })
		f.set("GW/8", field("Level", nodes.Quantity(3, 1, "m")))
		f.set("Root", field("Uptime", nodes.Duration(0, time.Hour)))
		want += " GW/8:Level=3.0 m"
		eventually(t, want, func() bool { return changes.all() == want && root.all() == "Root:Uptime=1h0m0s" })
		f.tell("GW/7", nodes.Reading{Node: "GW/7", Err: nodes.Errorf(nodes.Timeout, "read", nodes.In("GW/7"), "unit 7 does not answer")})
		want += " GW/7:!"
		eventually(t, want, func() bool { return changes.all() == want })
		if err := changes.last(); nodes.KindOf(err) != nodes.Unreachable || !strings.Contains(err.Error(), "unit 7 does not answer") {
			t.Error(err)
		}
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
		eventually(t, "one watch is left", func() bool { return f.watching() == 1 })
	}
}

func TestSubscribeErrors(t *testing.T) {
	f := newFake()
	c, link := pair(t, f, "")
	for id, want := range map[string]nodes.ErrorKind{"nowhere": nodes.NotFound, "secret": nodes.Forbidden} {
		if _, err := c.Subscribe(t.Context(), Subscription{Refs: []nodes.Ref{nodes.In(id)}}, nil); nodes.KindOf(err) != want {
			t.Errorf("%s: %v", id, err)
		}
	}
	// The hub accepts, but nobody hears it: nothing is left there.
	link.Stall()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Subscribe(ctx, Subscription{}, nil); !errors.Is(err, context.DeadlineExceeded) || nodes.KindOf(err) != nodes.Timeout {
		t.Error(err)
	}
	link.Resume()
	eventually(t, "the hub watches no more", func() bool { return f.watching() == 0 })
	if len(c.subs) != 0 {
		t.Errorf("%d are left", len(c.subs))
	}
}

func TestHubGone(t *testing.T) {
	for _, drop := range []string{"hub", "link"} {
		c, link := pair(t, newFake(), "")
		var changes told
		stop, err := c.Subscribe(t.Context(), Subscription{Refs: []nodes.Ref{nodes.In("GW/7"), nodes.In("GW/8")}}, changes.notify)
		if err != nil {
			t.Fatal(err)
		}
		if drop == "hub" {
			link.Net().Server.Drop()
		} else {
			link.Drop()
		}
		if got := changes.all(); got != "GW/7:! GW/8:!" || nodes.KindOf(changes.last()) != nodes.Unreachable {
			t.Errorf("%s: told %s", drop, got)
		}
		if err := stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// Messages of readouts, and of anybody else, are not for this client.
func TestNotOurs(t *testing.T) {
	f := newFake()
	c, link := pair(t, f, "")
	var changes told
	if _, err := c.Subscribe(t.Context(), Subscription{Refs: []nodes.Ref{nodes.In("GW/7")}}, changes.notify); err != nil {
		t.Fatal(err)
	}
	var id string
	for k := range c.subs {
		id = k
	}
	thief := link.Net().Join("thief@example.com/x", nil)
	forged := "'><nd id='GW/7'><ts v='2026-08-20T10:11:12Z'><i n='forged' v='1' m='true'/></ts></nd></resp>"
	thief.Tell(t.Context(), exttest.ClientJID, []byte("<resp xmlns='urn:nfi:iot:sd:1.0' id='"+id+forged))
	link.Net().Server.Tell(t.Context(), exttest.ClientJID, []byte("<resp xmlns='urn:nfi:iot:sd:1.0' id='another"+forged))
	link.Net().Server.Tell(t.Context(), exttest.ClientJID, []byte("<done xmlns='urn:nfi:iot:sd:1.0' id='"+id+"'/>"))
	f.set("GW/7", field("Level", nodes.Int32(1)))
	eventually(t, "a change came", func() bool { return changes.all() != "" })
	if got := changes.all(); got != "GW/7:Level=1" {
		t.Errorf("told %s", got)
	}
}
