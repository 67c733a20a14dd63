package concentrator

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// raw is a client that keeps messages as they come.
type raw chan *wire.Element

func (r raw) Receive(m *ext.Message) { r <- m.Payload }

func (r raw) next(t *testing.T) *wire.Element {
	t.Helper()
	select {
	case e := <-r:
		return e
	case <-time.After(time.Minute):
		t.Fatal("no message")
		return nil
	}
}

func children(e *wire.Element) string {
	var names []string
	for _, c := range e.Children {
		names = append(names, c.Name.Local+" "+c.Text)
	}
	return strings.Join(names, "|")
}

// register registers a sniffer and returns its id and expiry.
func register(t *testing.T, link *exttest.Link, space, attrs string) (id string, expires time.Time) {
	t.Helper()
	e, err := link.Ask(t.Context(), exttest.ServerJID, "set", []byte("<registerSniffer xmlns='"+space+"' id='GW' "+attrs+"/>"))
	if err != nil {
		t.Fatal(err)
	}
	if e.Name.Space != space || e.Name.Local != "sniffer" {
		t.Errorf("answer %v", e.Name)
	}
	expires, _ = wire.ParseDateTime(e.Attr("expires"))
	return e.Attr("snifferId"), expires
}

// Several events travel in one message, in order, with the time of the first, in
// the family of the request.
func TestSniffGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, got := newFake(), make(raw, 100)
		link := exttest.Pair(t, New(f, quiet), got)
		id, _ := register(t, link, NSIEEE, "")
		f.tap.Tx("", []byte{1, 2, 3})
		first := got.next(t)
		if first.Name.Space != NSIEEE || first.Attr("snifferId") != id || children(first) != "txBin AQID" {
			t.Errorf("first message: %v %v %s", first.Name, first.Attrs, children(first))
		}
		start := time.Now()
		f.tap.Rx("GW/7", []byte{4})
		f.tap.Note(sniffer.Rx, "GW/7", "registers <1..3>")
		time.Sleep(30 * time.Millisecond)
		f.tap.Note(sniffer.Info, "", "i")
		f.tap.Note(sniffer.Warning, "", "w")
		f.tap.Note(sniffer.Error, "", "e")
		f.tap.Note(sniffer.Exception, "", "x")
		f.tap.Note(sniffer.Tx, "", "t")
		f.tap.Note(sniffer.Kind(77), "", "odd")
		second := got.next(t)
		if want := "rxBin BA==|rx registers <1..3>|info i|warning w|error e|exception x|tx t|info odd"; children(second) != want {
			t.Errorf("second message: %s, want %s", children(second), want)
		}
		if at, ok := wire.ParseDateTime(second.Attr("timestamp")); !ok || !at.Equal(start.Truncate(time.Millisecond)) {
			t.Errorf("timestamp %s, want %v", second.Attr("timestamp"), start)
		}
	})
}

func TestSniffExpires(t *testing.T) {
	for _, c := range []struct {
		ask  time.Duration // 0: not at all
		want time.Duration
	}{{0, DefaultLife}, {time.Minute, time.Minute}, {10 * MaxLife, MaxLife}} {
		synctest.Test(t, func(t *testing.T) {
			f := newFake()
			client, _, s := pair(t, f, NSNFI)
			var expires time.Time
			if c.ask != 0 {
				expires = time.Now().Add(c.ask)
			}
			l, err := client.Sniff(t.Context(), nodes.In("GW"), expires)
			if err != nil {
				t.Fatal(err)
			}
			if got := time.Until(l.Expires()).Round(10 * time.Millisecond); got != c.want {
				t.Errorf("asked for %v: told %v, want %v", c.ask, got, c.want)
			}
			time.Sleep(c.want - time.Second)
			f.tap.Note(sniffer.Info, "", "near the end")
			synctest.Wait()
			events, _, err := l.Next(t.Context())
			if err != nil || len(events) != 1 || events[0].Text != "near the end" {
				t.Errorf("asked for %v: before the end: %+v, %v", c.ask, events, err)
			}
			// In reality too, and without any traffic.
			time.Sleep(2 * time.Second)
			events, _, err = l.Next(t.Context())
			if err != nil || len(events) != 1 || events[0].Kind != sniffer.Expired {
				t.Errorf("asked for %v: at the end: %+v, %v", c.ask, events, err)
			}
			if _, _, err := l.Next(t.Context()); err != io.EOF {
				t.Errorf("after the end: %v", err)
			}
			if f.tap.Active() || kept(s) != 0 {
				t.Errorf("asked for %v: the sniffer lives on", c.ask)
			}
		})
	}
}

func kept(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sniffers)
}

// A client slower than the line learns how much it missed, and keeps its order.
func TestSniffDrops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, got := newFake(), make(raw, 5000)
		link := exttest.Pair(t, New(f, quiet), got)
		register(t, link, NSNFI, "")
		link.Stall()
		const n = 3000
		for i := range n {
			f.tap.Note(sniffer.Info, "", fmt.Sprintf("%d %s", i, strings.Repeat("x", 500)))
			time.Sleep(time.Millisecond)
		}
		link.Resume()
		time.Sleep(time.Second)
		synctest.Wait()
		seen, lost, last := 0, 0, -1
		for len(got) > 0 {
			m := <-got
			for _, c := range m.Children {
				var i int
				if c.Name.Local == "warning" {
					if _, err := fmt.Sscanf(c.Text, "%d events before this were lost", &i); err != nil {
						t.Errorf("warning %q", c.Text)
					}
					lost, last = lost+i, last+i
					continue
				}
				if _, err := fmt.Sscanf(c.Text, "%d ", &i); err != nil || i != last+1 {
					t.Fatalf("event %d after %d", i, last)
				}
				seen, last = seen+1, i
			}
		}
		if seen+lost != n || lost == 0 || seen < 200 {
			t.Errorf("%d seen, %d lost, of %d", seen, lost, n)
		}
	})
}

func TestSniffEnds(t *testing.T) {
	ctx := t.Context()
	f := newFake()
	client, link, s := pair(t, f, NSNF)
	ended := func(what string) {
		t.Helper()
		waitFor(t, func() bool { return kept(s) == 0 && !f.tap.Active() })
	}

	l, err := client.Sniff(ctx, nodes.In("GW"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	other := link.Net().Join(viewer+"/x", nil)
	foreign := "<unregisterSniffer xmlns='" + NSNF + "' id='GW' snifferId='" + l.id + "'/>"
	if _, err := other.AskRaw(ctx, "set", foreign); ext.FromError(err).Condition != "item-not-found" || kept(s) != 1 {
		t.Errorf("somebody else unregisters: %v", err)
	}
	if _, err := link.AskRaw(ctx, "set", strings.Replace(foreign, "id='GW'", "id='Root'", 1)); ext.FromError(err).Condition != "item-not-found" {
		t.Errorf("at another node: %v", err)
	}
	if err := l.Close(ctx); err != nil {
		t.Error(err)
	}
	ended("unregistered")
	if err := l.Close(ctx); err != nil {
		t.Errorf("closed twice: %v", err)
	}

	// The right is taken away: the next event ends it.
	l, err = client.Sniff(ctx, nodes.In("GW"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	f.mu.Lock()
	f.rights[ops] = nodes.See
	f.mu.Unlock()
	f.tap.Note(sniffer.Info, "", "secret")
	if events, _, err := l.Next(ctx); err != nil || len(events) != 1 || events[0].Kind != sniffer.Expired {
		t.Errorf("without the right: %+v, %v", events, err)
	}
	ended("right")
	f.mu.Lock()
	f.rights[ops] = nodes.AllRights
	f.mu.Unlock()

	// Somebody else going offline ends nothing; the client does.
	if _, err = client.Sniff(ctx, nodes.In("GW"), time.Time{}); err != nil {
		t.Fatal(err)
	}
	other.Drop()
	if kept(s) != 1 {
		t.Error("another client's end ended the sniffer")
	}
	link.Drop()
	ended("offline")

	// The hub's link drops: the client's listeners end with an error.
	client.Link = link.Net().Join(exttest.ClientJID, client)
	l, err = client.Sniff(ctx, nodes.In("GW"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	link.Net().Server.Drop()
	if _, _, err := l.Next(ctx); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("the hub is gone: %v", err)
	}
	ended("dropped")
}

func TestSniffCaps(t *testing.T) {
	ctx := t.Context()
	f := newFake()
	client, link, s := pair(t, f, NSNF)
	for range MaxSniffersEach {
		if _, err := client.Sniff(ctx, nodes.In("GW"), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	// Another resource of the same person is the same client.
	second := &Client{To: exttest.ServerJID}
	second.Link = link.Net().Join(ops+"/phone", second)
	if _, err := second.Sniff(ctx, nodes.In("GW"), time.Time{}); nodes.KindOf(err) != nodes.Exhausted || !strings.Contains(err.Error(), "(limits, sniffers, in hub.yaml)") {
		t.Errorf("one too many for a client: %v", err)
	}
	for i := MaxSniffersEach; i < MaxSniffers; i++ {
		jid := fmt.Sprintf("ops%d@example.org", i/MaxSniffersEach)
		f.mu.Lock()
		f.rights[jid] = nodes.AllRights
		f.mu.Unlock()
		c := &Client{To: exttest.ServerJID}
		c.Link = link.Net().Join(fmt.Sprintf("%s/%d", jid, i), c)
		if _, err := c.Sniff(ctx, nodes.In("GW"), time.Time{}); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	f.rights["last@example.org"] = nodes.AllRights
	f.mu.Unlock()
	last := &Client{To: exttest.ServerJID}
	last.Link = link.Net().Join("last@example.org/x", last)
	if _, err := last.Sniff(ctx, nodes.In("GW"), time.Time{}); nodes.KindOf(err) != nodes.Exhausted {
		t.Errorf("one too many in all: %v", err)
	}
	if kept(s) != MaxSniffers {
		t.Errorf("%d sniffers are kept", kept(s))
	}
	// Changes still find a goroutine.
	if _, err := client.Create(ctx, nodes.NewNode{Parent: nodes.In("Root"), Type: "modbus.gateway", ID: "N", Params: nodes.Params{"Host": nodes.String("h")}}); err != nil {
		t.Error(err)
	}
	link.Drop()
	waitFor(t, func() bool { return kept(s) == MaxSniffers-MaxSniffersEach })
}

// Messages that overtake the answer to their registration are not lost, and what
// nobody listens to is not kept.
func TestEarlyMessages(t *testing.T) {
	c := &Client{To: "hub"}
	receive := func(from, id, text string) {
		e, err := wire.Parse("<sniff xmlns='" + NSNF + "' snifferId='" + id + "' timestamp='2026-08-20T10:11:12.345Z'><info>" + text + "</info></sniff>")
		if err != nil {
			t.Fatal(err)
		}
		c.Receive(&ext.Message{From: from, Payload: e})
	}
	receive("hub", "S", "before asking")
	c.Link = early{func() {
		receive("hub", "S", "first")
		receive("foreigner", "S", "forged")
		for i := range 1000 {
			receive("hub", fmt.Sprintf("other %d", i), "unknown")
		}
		receive("hub", "S", "second")
	}}
	l, err := c.Sniff(t.Context(), nodes.In("GW"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	receive("hub", "S", "third")
	events, _, err := l.Next(t.Context())
	if err != nil || len(events) != 3 || events[0].Text != "first" || events[1].Text != "second" || events[2].Text != "third" {
		t.Errorf("got %+v, %v", events, err)
	}
	if len(c.early) != 0 {
		t.Errorf("%d early messages are kept", len(c.early))
	}
	for i := range MaxEvents + 10 {
		receive("hub", "S", fmt.Sprint(i))
	}
	events, dropped, err := l.Next(t.Context())
	if err != nil || len(events) != MaxEvents || dropped != 10 || events[0].Text != "10" {
		t.Errorf("%d events, %d dropped, %v", len(events), dropped, err)
	}
}

func TestAppendSniff(t *testing.T) {
	t0 := time.Date(2026, 8, 20, 10, 11, 12, 0, time.UTC)
	var events []sniffer.Event
	for i := range 5 {
		events = append(events, sniffer.Event{Time: t0.Add(time.Duration(i) * 60 * time.Millisecond), Kind: sniffer.RxBin, Data: []byte{byte(i)}})
	}
	big := strings.Repeat("'", 100<<10)
	events = append(events, sniffer.Event{Time: t0.Add(240 * time.Millisecond), Kind: sniffer.TxBin, Data: make([]byte, 100<<10)})
	for range 9 {
		events = append(events, sniffer.Event{Time: t0.Add(240 * time.Millisecond), Kind: sniffer.Error, Text: big})
	}
	var got []string
	for dropped := 3; len(events) > 0; dropped = 0 {
		var b []byte
		left := len(events)
		b, events = appendSniff(nil, NSNFI, "S", events, dropped)
		exttest.Record(b)
		if len(b) > exttest.MaxStanza-1000 || len(events) == left {
			t.Fatalf("%d bytes, %d of %d left", len(b), len(events), left)
		}
		e, err := wire.Parse(string(b))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, fmt.Sprintf("%s %d %s", e.Attr("timestamp")[17:], len(e.Children), e.Children[len(e.Children)-1].Name.Local))
	}
	want := "[12.000Z 3 rxBin 12.120Z 2 rxBin 12.240Z 3 error"
	if s := fmt.Sprint(got); !strings.HasPrefix(s, want) {
		t.Errorf("got %s, want %s…", s, want)
	}
	b, _ := appendSniff(nil, NSNFI, "S", nil, 7)
	exttest.Record(b)
	if !strings.Contains(string(b), "<warning>7 events") {
		t.Errorf("nothing but dropped: %s", b)
	}
}

// early is a link whose answers come after messages.
type early struct{ before func() }

func (early) Way() nodes.Way { return nodes.WayLocal }
func (early) Self() string   { return "me" }
func (e early) Ask(context.Context, string, string, []byte) (*wire.Element, error) {
	e.before()
	return wire.Parse("<sniffer xmlns='" + NSNF + "' snifferId='S' expires='2026-08-20T10:11:12.345Z'/>")
}
func (early) Tell(context.Context, string, []byte) error { return nil }
