package concentrator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// one waits for an event.
func one(t *testing.T, events <-chan nodes.Event) nodes.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event came")
	}
	return nodes.Event{}
}

// subscribers is how many subscriptions the backend has.
func (f *fake) subscriptions() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.subscribers)
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// Events of all kinds travel in every family, in order, after those that are sent again.
func TestSubscribe(t *testing.T) {
	for _, space := range []string{NSNFI, NSNF, NSIEEE} {
		f := newFake()
		c, _, _ := pair(t, f, space)
		info := f.nodes()[1]
		f.happen(nodes.Event{Kind: nodes.NodeStatusChanged, Time: at, Info: info})
		f.happen(nodes.Event{Kind: nodes.NodeStatusChanged, Time: at.Add(time.Second), Info: info})
		events := make(chan nodes.Event, 100)
		err := c.Subscribe(t.Context(), Subscription{Detail: nodes.Detail{Properties: true, Messages: true}, Since: at.Add(time.Second)}, func(e nodes.Event) { events <- e })
		if err != nil {
			t.Fatal(err)
		}
		if e := one(t, events); e.Kind != nodes.NodeStatusChanged || !e.Time.Equal(at.Add(time.Second)) {
			t.Errorf("%s: sent again: got %+v", space, e)
		}
		now := time.Now().Truncate(time.Millisecond)
		gone := nodes.Info{Ref: nodes.In("gone"), Name: "<gone>"}
		for _, e := range []nodes.Event{
			{Kind: nodes.NodeAdded, Info: info, After: "a&b"}, {Kind: nodes.NodeUpdated, Info: info, OldID: "old"}, {Kind: nodes.NodeStatusChanged, Info: info},
			{Kind: nodes.NodeRemoved, Info: gone}, {Kind: nodes.NodeMovedUp, Info: info}, {Kind: nodes.NodeMovedDown, Info: info},
		} {
			e.Time = now
			f.happen(e)
			got := one(t, events)
			if got.Kind != e.Kind || got.Info.Ref != e.Info.Ref || got.Info.Name != e.Info.Name || got.After != e.After || got.OldID != e.OldID || !got.Time.Equal(now) {
				t.Errorf("%s: got %+v, want %+v", space, got, e)
			}
			if k := e.Kind; (k == nodes.NodeAdded || k == nodes.NodeUpdated) && len(got.Info.Properties) == 0 || k <= nodes.NodeStatusChanged && (len(got.Info.Messages) == 0 || got.Info.State != info.State) {
				t.Errorf("%s: %v without parameters, messages or state: %+v", space, e.Kind, got.Info)
			}
		}
		// One kind less, then none.
		if err := c.Unsubscribe(t.Context(), "", nodes.NodeRemoved); err != nil {
			t.Fatal(err)
		}
		f.happen(nodes.Event{Kind: nodes.NodeRemoved, Time: now, Info: gone})
		f.happen(nodes.Event{Kind: nodes.NodeMovedUp, Time: now, Info: info})
		if e := one(t, events); e.Kind != nodes.NodeMovedUp {
			t.Errorf("%s: got %v, which was turned off", space, e.Kind)
		}
		if err := c.Unsubscribe(t.Context(), ""); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end of the subscription", func() bool { return f.subscriptions() == 0 })
	}
}

// A subscription ends with its time to live, with its client, and when its client is too
// slow; renewing makes it live longer and adds kinds.
func TestSubscriptionEnds(t *testing.T) {
	f := newFake()
	c, link, s := pair(t, f, NSNFI)
	events := make(chan nodes.Event, 100)
	take := func(e nodes.Event) { events <- e }
	wish := Subscription{TTL: time.Second, Kinds: []nodes.EventKind{nodes.NodeAdded}}
	if err := c.Subscribe(t.Context(), wish, take); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the end of its time", func() bool { return f.subscriptions() == 0 })
	for _, kinds := range [][]nodes.EventKind{{nodes.NodeAdded}, {nodes.NodeMovedUp}} {
		if err := c.Subscribe(t.Context(), Subscription{Kinds: kinds}, take); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.subscriptions(); n != 1 {
		t.Errorf("%d subscriptions after one was renewed", n)
	}
	f.happen(nodes.Event{Kind: nodes.NodeRemoved, Time: at, Info: f.nodes()[1]})
	f.happen(nodes.Event{Kind: nodes.NodeMovedUp, Time: at, Info: f.nodes()[1]})
	if e := one(t, events); e.Kind != nodes.NodeMovedUp {
		t.Errorf("got %v", e.Kind)
	}
	s.Gone(link.Net().Server, exttest.ClientJID)
	if n := f.subscriptions(); n != 0 {
		t.Errorf("%d subscriptions of somebody who is gone", n)
	}
	sub := &subscription{wake: make(chan struct{}, 1)}
	for range maxEvents + 10 {
		sub.notify(nodes.Event{Kind: nodes.NodeUpdated})
	}
	if len(sub.waiting) != maxEvents || !sub.full {
		t.Errorf("%d events wait, full: %v", len(sub.waiting), sub.full)
	}
}

// When many events wait, the latest status of a node takes the place of the one before,
// in the order of time; nothing is passed over that tells of something else.
func TestSubscriptionCrowded(t *testing.T) {
	sub := &subscription{wake: make(chan struct{}, 1)}
	n := 0
	put := func(k nodes.EventKind, id string) {
		n++
		sub.notify(nodes.Event{Kind: k, Time: at.Add(time.Duration(n) * time.Millisecond), Info: nodes.Info{Ref: nodes.In(id)}})
	}
	for range crowded {
		put(nodes.NodeStatusChanged, "a")
	}
	for range 50_000 { // two nodes, then one of them goes and comes again
		put(nodes.NodeStatusChanged, "a")
		put(nodes.NodeStatusChanged, "b")
	}
	put(nodes.NodeRemoved, "a")
	put(nodes.NodeAdded, "a")
	for range 50_000 {
		put(nodes.NodeStatusChanged, "a")
	}
	if sub.full || len(sub.waiting) > 3*crowded {
		t.Errorf("%d wait, full: %v", len(sub.waiting), sub.full)
	}
	var got []string
	var last time.Time
	for _, e := range sub.waiting {
		if e.Kind == 0 {
			continue
		}
		if !e.Time.After(last) {
			t.Fatalf("%v after %v", e.Time, last)
		}
		last = e.Time
		got = append(got, e.Kind.String()+" "+e.Info.Ref.ID)
	}
	want := []string{"status changed a", "status changed b", "removed a", "added a", "status changed a"}
	if len(got) != crowded+len(want) || !slices.Equal(got[crowded:], want) {
		t.Errorf("got %d, at the end %v; want %v", len(got), got[min(crowded, len(got)):], want)
	}
	if !last.Equal(at.Add(time.Duration(n) * time.Millisecond)) {
		t.Errorf("the last is of %v", last)
	}
}

func TestSubscribeBadInput(t *testing.T) {
	_, link, s := pair(t, newFake(), NSNF)
	for _, tt := range []struct{ attrs, want string }{
		{"", "ttl"}, {"ttl='0'", "ttl"}, {"ttl='-1'", "ttl"}, {"ttl='many'", "ttl"}, {"ttl='99999999999999'", "ttl"},
		{"ttl='60' getEventsSince='yesterday'", "getEventsSince"}, {"ttl='60' nodeAdded='perhaps'", "nodeAdded"},
		{"ttl='60' nodeAdded='false' nodeUpdated='0' nodeStatusChanged='no' nodeRemoved='off' nodeMovedUp='false' nodeMovedDown='false'", "no event is chosen"},
		{"ttl='60' src='Other'", "item-not-found"},
	} {
		if got := ask(t, s, link, ops, "set", op("subscribe", tt.attrs, "")); !strings.Contains(got, tt.want) || !strings.HasPrefix(got, "<error") {
			t.Errorf("%s: got %s", tt.attrs, got)
		}
	}
	if s.SubscriptionsEach != MaxSubscriptionsEach {
		t.Errorf("%d subscriptions each by default", s.SubscriptionsEach)
	}
	s.SubscriptionsEach = 5
	for i := range 8 {
		got := ask(t, s, &anotherLink{link}, ops, "set", op("subscribe", "ttl='60'", ""))
		if refused := strings.Contains(got, "resource-constraint") && strings.Contains(got, "(limits, source_subscriptions, in hub.yaml)"); refused != (i >= 5) {
			t.Errorf("subscription %d: got %q", i, got)
		}
	}
}

// anotherLink is a link of its own.
type anotherLink struct{ *exttest.Link }
