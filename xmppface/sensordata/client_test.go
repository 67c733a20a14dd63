package sensordata

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// read gathers what a client yields, by reference.
func read(ctx context.Context, c *Client, ro nodes.Readout) (map[nodes.Ref]nodes.Reading, error) {
	got := make(map[nodes.Ref]nodes.Reading)
	err := c.Read(ctx, ro, func(ref nodes.Ref, r nodes.Reading) {
		have := got[ref]
		have.Node = r.Node
		have.Fields = append(have.Fields, r.Fields...)
		have.Err = errors.Join(have.Err, r.Err)
		got[ref] = have
	})
	return got, err
}

func TestRead(t *testing.T) {
	f := newFake()
	close(f.hold)
	for _, space := range []string{"", NSNFI, NSNF, NSIEEE} {
		c, _, _ := pair(t, f, space)
		gw, old := nodes.In("GW/7"), nodes.Ref{ID: "old"}
		for _, ro := range []nodes.Readout{
			{},
			{Refs: []nodes.Ref{gw}},
			{Refs: []nodes.Ref{gw, {ID: "Root"}}, Categories: nodes.Status | nodes.Identity},
			{Refs: []nodes.Ref{gw}, Fields: []string{"Serial & no.", "Peak", "nothing"}, Categories: nodes.AllCategories},
			{Refs: []nodes.Ref{gw}, From: at, To: at.Add(time.Second)},
			{Refs: []nodes.Ref{old, gw, nodes.In("slow"), nodes.In("folder"), {ID: "dead"}}},
			{Refs: []nodes.Ref{nodes.In("big"), old}},
		} {
			got, err := read(t.Context(), c, ro)
			if err != nil {
				t.Errorf("%v: %v", ro, err)
				continue
			}
			refs := ro.Refs
			if refs == nil {
				refs = []nodes.Ref{nodes.In("Root")}
			}
			if len(got) != len(refs) {
				t.Errorf("%v: got %v", ro, got)
			}
			for _, ref := range refs {
				want := f.reading1(ref, &ro)
				have, ok := got[ref]
				if !ok || have.Node != ref.ID || (have.Err != nil) != (want.Err != nil) {
					t.Errorf("%v: got %v", ref, have)
				}
				if want.Err != nil && !strings.Contains(have.Err.Error(), nodesText(want.Err)) {
					t.Errorf("%v: got %v, want %v", ref, have.Err, want.Err)
				}
				byName := make(map[string]nodes.Field)
				for _, x := range have.Fields {
					byName[x.Name] = x
				}
				n := 0
				for _, x := range want.Fields {
					if x.Name == "Broken" {
						continue
					}
					if n++; byName[x.Name] != x {
						t.Errorf("%v: got %+v, want %+v", ref, byName[x.Name], x)
					}
				}
				if n != len(have.Fields) {
					t.Errorf("%v: %d fields, want %d", ref, len(have.Fields), n)
				}
			}
		}
		if len(c.readouts) != 0 {
			t.Error("readouts are left")
		}
	}
}

func nodesText(err error) string {
	var e *nodes.Error
	errors.As(err, &e)
	return e.Err.Error()
}

func TestReadErrors(t *testing.T) {
	c, _, _ := pair(t, newFake(), "")
	for id, want := range map[string]nodes.ErrorKind{"nowhere": nodes.NotFound, "secret": nodes.Forbidden} {
		_, err := read(t.Context(), c, nodes.Readout{Refs: []nodes.Ref{nodes.In(id)}})
		var stanza *ext.StanzaError
		if nodes.KindOf(err) != want || !errors.As(err, &stanza) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

// Who stops waiting says so to the hub.
func TestReadCancelled(t *testing.T) {
	f := newFake()
	c, _, s := pair(t, f, "")
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := read(ctx, c, nodes.Readout{Refs: []nodes.Ref{nodes.In("slow")}})
	if nodes.KindOf(err) != nodes.Timeout || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	eventually(t, "the hub stopped", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return f.idle() && len(s.readouts) == 0 })
}

func TestHubGone(t *testing.T) {
	for _, drop := range []string{"hub", "link"} {
		f := newFake()
		c, link, _ := pair(t, f, "")
		go func() {
			eventually(t, "it runs", func() bool { return !f.idle() })
			if drop == "hub" {
				link.Net().Server.Drop()
			} else {
				link.Drop()
			}
		}()
		_, err := read(t.Context(), c, nodes.Readout{Refs: []nodes.Ref{nodes.In("slow")}})
		if nodes.KindOf(err) != nodes.Unreachable {
			t.Errorf("%s dropped: %v", drop, err)
		}
	}
}

// scripted is a hub that answers with what a test says.
type scripted struct {
	answer   string   // $ is the id
	messages []string // before ! they come before the answer
	link     *exttest.Link
}

func (s *scripted) Spaces() []string { return []string{NSNFI} }

func (s *scripted) Serve(r *ext.Request) {
	id := r.Payload.Attr("id")
	fill := func(text string) []byte { return []byte(strings.ReplaceAll(text, "$", id)) }
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, m := range s.messages {
		if early, ok := strings.CutPrefix(m, "!"); ok {
			s.link.Tell(ctx, r.Caller.Full, fill(early))
		}
	}
	r.Result(fill(s.answer))
	for _, m := range s.messages {
		if !strings.HasPrefix(m, "!") {
			s.link.Tell(ctx, r.Caller.Full, fill(m))
		}
	}
}

// The client takes whatever deployed hubs answer.
func TestTolerance(t *testing.T) {
	ts := func(name string) string {
		return "<ts v='2026-08-20T10:11:12'><i n='" + name + "' v='1' m='true'/></ts>"
	}
	const open = "<resp xmlns='urn:nf:iot:sd:1.0' id='$'"
	for _, c := range []struct {
		name, answer string
		messages     []string
		fields       string
		kind         nodes.ErrorKind // 0: none
	}{
		{"at once", open + ">" + ts("a") + "</resp>", nil, "a", 0},
		{"at once, nd", open + "><nd id='x'>" + ts("a") + "</nd></resp>", nil, "a", 0},
		{"at once, more", open + " more='1'>" + ts("a") + "</resp>", []string{open + ">" + ts("b") + "</resp>"}, "ab", 0},
		{"accepted", "<accepted xmlns='urn:nf:iot:sd:1.0' id='$'/>", []string{open + ">" + ts("a") + "</resp>"}, "a", 0},
		{"queued", "<accepted xmlns='urn:nf:iot:sd:1.0' id='$' queued='true'/>", []string{"<started xmlns='urn:nf:iot:sd:1.0' id='$'/>", open + ">" + ts("a") + "</resp>"}, "a", 0},
		{"started", "<started xmlns='urn:nf:iot:sd:1.0' id='$'/>", []string{open + " more='true'>" + ts("a") + "</resp>", "<done xmlns='urn:nf:iot:sd:1.0' id='$'/>"}, "a", 0},
		{"overtaken", "<accepted xmlns='urn:nf:iot:sd:1.0' id='$'/>", []string{"!" + open + " more='true'>" + ts("a") + "</resp>", "!<done xmlns='urn:nf:iot:sd:1.0' id='$'/>"}, "a", 0},
		{"others' messages", "<accepted xmlns='urn:nf:iot:sd:1.0' id='$'/>", []string{"<resp xmlns='urn:nf:iot:sd:1.0' id='z'>" + ts("z") + "</resp>", "<done xmlns='urn:nf:iot:sd:1.0' id='z'/>", open + ">" + ts("a") + "</resp>"}, "a", 0},
		{"late ones", open + ">" + ts("a") + "</resp>", []string{open + ">" + ts("b") + "</resp>"}, "a", 0},
		{"nothing", "", nil, "", nodes.Internal},
		{"another id", "<accepted xmlns='urn:nf:iot:sd:1.0' id='other'/>", nil, "", nodes.Internal},
		{"something else", "<strings xmlns='urn:nf:iot:concentrator:1.0'/>", nil, "", nodes.Internal},
	} {
		hub := &scripted{answer: c.answer, messages: c.messages}
		client := &Client{To: exttest.ServerJID}
		net := exttest.New(t, hub)
		hub.link = net.Server
		client.Link = net.Join(exttest.ClientJID, client)
		fields := ""
		err := client.Read(t.Context(), nodes.Readout{Refs: []nodes.Ref{{ID: "x"}}}, func(ref nodes.Ref, r nodes.Reading) {
			if (ref != nodes.Ref{ID: "x"}) {
				t.Errorf("%s: %v", c.name, ref)
			}
			for _, f := range r.Fields {
				fields += f.Name
			}
		})
		failed := c.kind != 0 || c.answer == "" || strings.Contains(c.name, "else") || strings.Contains(c.name, "another")
		if fields != c.fields || (err != nil) != failed || err != nil && nodes.KindOf(err) != c.kind {
			t.Errorf("%s: got %q, %v", c.name, fields, err)
		}
	}
}

// Messages of anybody else, with the right id even, change nothing.
func TestForged(t *testing.T) {
	f := newFake()
	c, link, _ := pair(t, f, "")
	thief := link.Net().Join("thief@example.com/x", nil)
	go func() {
		eventually(t, "it runs", func() bool { return !f.idle() })
		c.mu.Lock()
		var id string
		for k := range c.readouts {
			id = k
		}
		c.mu.Unlock()
		thief.Tell(t.Context(), exttest.ClientJID, []byte("<resp xmlns='urn:nfi:iot:sd:1.0' id='"+id+"'><nd id='slow'><ts v='2026-08-20T10:11:12Z'><i n='forged' v='1' m='true'/></ts></nd></resp>"))
		time.Sleep(20 * time.Millisecond)
		close(f.hold)
	}()
	got, err := read(t.Context(), c, nodes.Readout{Refs: []nodes.Ref{nodes.In("slow")}})
	if r := got[nodes.In("slow")]; err != nil || len(r.Fields) != 1 || r.Fields[0].Name != "Level" {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzResp(f *testing.F) {
	f.Add("<resp id='1' more='true'><nd id='GW/7' src='MeteringTopology'><ts v='2026-08-20T10:11:12Z'><q n='a' v='1.5' u='m'/><err>no</err></ts></nd><ts v='2026-08-20T10:11:12Z'><err/></ts></resp>")
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		for _, ro := range []nodes.Readout{{}, {Refs: []nodes.Ref{nodes.In("GW/7")}}, {Refs: []nodes.Ref{nodes.In("a"), {ID: "b"}}}} {
			y := yielder{ro: &ro, yield: func(ref nodes.Ref, r nodes.Reading) {
				if ref.ID == "" || ref.ID != r.Node {
					t.Errorf("%v %v", ref, r)
				}
				for _, x := range r.Fields {
					if x.Name == "" || x.Value.IsZero() || x.Category == 0 || x.Category&(x.Category-1) != 0 {
						t.Errorf("%+v", x)
					}
				}
			}}
			y.resp(e)
		}
	})
}

// TestReadAt: the hub reads when the time has come; who gives up before takes it away.
func TestReadAt(t *testing.T) {
	t.Parallel()
	c, _, s := pair(t, newFake(), "")
	waiting := func() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.planned) }
	ro := nodes.Readout{Refs: []nodes.Ref{nodes.In("Root")}}
	when := time.Now().Add(soon + 300*time.Millisecond)
	var got []nodes.Reading
	if err := c.ReadAt(t.Context(), when, ro, func(_ nodes.Ref, r nodes.Reading) { got = append(got, r) }); err != nil {
		t.Fatal(err)
	}
	if len(got) == 0 || len(got[0].Fields) == 0 || time.Now().Before(when.Add(-10*time.Millisecond)) {
		t.Errorf("got %+v, %v before", got, time.Until(when))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err := c.ReadAt(ctx, time.Now().Add(time.Hour), ro, func(nodes.Ref, nodes.Reading) { t.Error("read before its time") })
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	eventually(t, "nothing waits at the hub", func() bool { return waiting() == 0 })
	if err := c.ReadAt(t.Context(), time.Now().Add(2*MaxAhead), ro, func(nodes.Ref, nodes.Reading) {}); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("too far ahead: %v", err)
	}
}
