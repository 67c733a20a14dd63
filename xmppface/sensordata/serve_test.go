package sensordata

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

func req(space, attrs, children string) string {
	return "<req xmlns='" + space + "' " + attrs + ">" + children + "</req>"
}

// converse asks and returns the answer and all messages that belong to it.
func converse(t *testing.T, link *exttest.Link, in inbox, typ, request string) (out []*wire.Element) {
	t.Helper()
	if !strings.Contains(request, "TRUE") && !strings.Contains(request, "urn:other") { // beyond the schema
		exttest.Record([]byte(request))
	}
	e, err := link.AskRaw(t.Context(), typ, request)
	if err != nil {
		t.Fatalf("%s: %v", request, err)
	}
	if e == nil {
		return nil
	}
	out = append(out, e)
	for e.Name.Local != "done" && (e.Name.Local != "resp" || e.Flag("more")) {
		if e = in.next(5 * time.Second); e == nil {
			t.Fatalf("no end of the answer to %s", request)
		}
		out = append(out, e)
	}
	return out
}

var failedAt = regexp.MustCompile(`v='[^']*'>(\s*)<err>`)

func TestGolden(t *testing.T) {
	for _, g := range []struct{ name, attrs, children string }{
		{"one-field", "id='7' m='true'", "<nd id='GW/7'/><f n='Temperature'/>"},
		{"all", "id='a &amp; b' all='true' st='x' dt='y' ut='z'", "<nd id='GW/7' src='MeteringTopology'/>"},
		{"no-category", "id='7'", "<nd id='GW/7' src='' pt=''/>"},
		{"categories", "id='7' i='1' p='TRUE' m='false'", "<nd id='GW/7'/>"},
		{"from", "id='7' from='2026-08-20T10:11:12.345' all='1'", "<nd id='GW/7'/><f n='Peak'/><f n='Count'/>"},
		{"to", "id='7' to='2026-08-20T12:11:12+02:00'", "<nd id='GW/7'/>"},
		{"nothing-wanted", "id='7' h='true'", "<nd id='GW/7'/><nd id='Root'/>"},
		{"unknown-field", "id='7'", "<nd id='GW/7'/><f n='temperature'/>"},
		{"no-node", "id='7'", ""},
		{"no-node-nothing", "id='7' h='true'", ""},
		{"several", "id='7'", "<nd id='Root'/><f n='Uptime'/><nd id='GW/7'/><f n='Temperature'/><nd id='Root'/>"},
		{"not-readable", "id='7'", "<nd id='folder'/>"},
		{"when-past", "id='7' when='2020-01-01T00:00:00Z'", "<nd id='Root'/>"},
		{"foreign", "id='7'", "<x xmlns='urn:other'/><nd id='Root'/>"},
		{"not-fresh", "id='7'", "<nd id='old'/>"},
		{"failed", "id='7'", "<nd id='dead' src='MeteringTopology'/><nd id='Root'/><nd id='folder'/>"},
		{"long", "id='7'", "<nd id='big'/>"},
	} {
		link, in, _ := peer(t, newFake())
		request := req(NSNF, g.attrs, g.children)
		var want string
		for i, space := range []string{NSNF, NSNFI, NSIEEE} {
			typ := []string{"get", "set", "get"}[i]
			text := request
			for n, e := range converse(t, link, in, typ, strings.ReplaceAll(request, NSNF, space)) {
				size := len(e.Append(nil, ""))
				if n > 0 && size > DefaultMaxStanza || e.Attr("id") == "" {
					t.Errorf("%s: %d bytes, id %q", g.name, size, e.Attr("id"))
				}
				text += "\n\n" + string(e.Append(nil, ""))
			}
			text = strings.ReplaceAll(strings.ReplaceAll(text, space, NSNF), "><", ">\n<") + "\n"
			text = failedAt.ReplaceAllString(text, "v='…'>$1<err>")
			if want == "" {
				want = text
			} else if text != want {
				t.Errorf("%s in %s:\n%s", g.name, space, text)
			}
		}
		file := filepath.Join("testdata", g.name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if want != string(golden) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", file, want, golden)
		}
	}
}

func TestBadInput(t *testing.T) {
	long := strings.Repeat("é&lt;", 2000)
	future := string(wire.AppendDateTime(nil, time.Now().Add(2*MaxAhead)))
	const (
		badRequest = "bad-request"
		notFound   = "item-not-found"
	)
	root := "<nd id='Root'/>"
	for _, c := range []struct{ request, want string }{
		{req(NSNF, "", root), badRequest},
		{req(NSNF, "id=''", root), badRequest},
		{req(NSNF, "id='"+long+"'", root), badRequest},
		{req(NSNF, "id='7' m='maybe'", root), badRequest},
		{req(NSNF, "id='7' all=''", root), badRequest},
		{req(NSNF, "id='7' from='yesterday'", root), badRequest},
		{req(NSNF, "id='7' from=''", root), badRequest},
		{req(NSNF, "id='7' to='2026-13-01T00:00:00Z'", root), badRequest},
		{req(NSNF, "id='7' to='2026-08-20'", root), badRequest},
		{req(NSNF, "id='7' when='soon'", root), badRequest},
		{req(NSNF, "id='7' from='2026-08-20T10:00:00Z' to='2026-08-20T09:00:00Z'", root), badRequest},
		{req(NSNF, "id='7' when='"+future+"'", root), "not-acceptable"},
		{req(NSNF, "id='7'", "<nd/>"), badRequest},
		{req(NSNF, "id='7'", "<nd id=''/>"), badRequest},
		{req(NSNF, "id='7'", "<nd src='MeteringTopology'/>"), badRequest},
		{req(NSNF, "id='7'", root+"<f/>"), badRequest},
		{req(NSNF, "id='7'", root+"<f n=''/>"), badRequest},
		{req(NSNF, "id='7'", "<node id='GW'/>"), badRequest},
		{req(NSNF, "id='7'", "<nd id='nowhere'/>"), notFound},
		{req(NSNF, "id='7'", root+"<nd id='"+long+"'/>"), notFound},
		{req(NSNF, "id='7'", "<nd id='Root' src='Other'/>"), notFound},
		{req(NSNF, "id='7'", "<nd id='Root' pt='1'/>"), notFound},
		{req(NSNF, "id='7'", "<nd id='secret'/>"), "forbidden"},
		{req(NSNF, "id='7'", "<nd id='old'/><nd id='nowhere'/>"), notFound},
		{req(NSNF, "id='7'", strings.Repeat("<nd id='Root'/>", MaxNodes+1)), "not-acceptable"},
		{req(NSNF, "id='7'", root+strings.Repeat("<f n='a'/>", MaxNames+1)), "not-acceptable"},
		{"<read xmlns='" + NSNF + "' id='7'/>", "feature-not-implemented"},
		{"<" + strings.Repeat("x", 300) + " xmlns='" + NSNF + "' id='7'/>", "feature-not-implemented"},
	} {
		f := newFake()
		link, in, s := peer(t, f)
		_, err := link.AskRaw(t.Context(), "get", c.request)
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != c.want || e.Text == "" || len(e.Text) > 400 || e.Type == "modify" {
			t.Errorf("%.150s: got %v, want %s", c.request, err, c.want)
		}
		if len(in) > 0 || f.reads > 0 || len(s.readouts) > 0 {
			t.Errorf("%.150s: something was read", c.request)
		}
	}
}

// A stranger finds no node at all, and no hub.
func TestStranger(t *testing.T) {
	link, _, _ := peer(t, newFake())
	stranger := link.Net().Join("who@example.com/x", make(inbox, 1))
	for _, nd := range []string{"", "<nd id='GW/7'/>", "<nd id='secret'/>", "<nd id='nowhere'/>"} {
		_, err := stranger.AskRaw(t.Context(), "get", req(NSNFI, "id='1'", nd))
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != "item-not-found" {
			t.Errorf("%s: %v", nd, err)
		}
	}
}

// A node that is ready does not wait for one that is slow, and the result comes
// before all messages.
func TestNodesAsTheyCome(t *testing.T) {
	f := newFake()
	link, in, _ := peer(t, f)
	e, err := link.Ask(t.Context(), exttest.ServerJID, "get", []byte(req(NSNFI, "id='7'", "<nd id='slow'/><nd id='old'/>")))
	if err != nil || e.Name.Local != "accepted" {
		t.Fatal(e, err)
	}
	began := time.Now()
	if e = in.next(time.Second); e == nil || e.Name.Local != "started" {
		t.Fatalf("got %v", e)
	}
	if e = in.next(time.Second); e == nil || !e.Flag("more") || len(e.Children) != 1 || e.Children[0].Attr("id") != "old" {
		t.Fatalf("got %v", e)
	}
	if d := time.Since(began); d > 500*time.Millisecond {
		t.Errorf("it waited %s", d)
	}
	if e = in.next(50 * time.Millisecond); e != nil {
		t.Fatalf("got %v", e)
	}
	close(f.hold)
	if e = in.next(time.Second); e == nil || e.Flag("more") || len(e.Children) != 1 || e.Children[0].Attr("id") != "slow" {
		t.Fatalf("got %v", e)
	}
}

func TestDeadline(t *testing.T) {
	f := newFake()
	s := New(f, quiet)
	s.Deadline = 50 * time.Millisecond
	in := make(inbox, 10)
	link := exttest.Pair(t, s, in)
	list := converse(t, link, in, "get", req(NSNFI, "id='7'", "<nd id='slow'/><nd id='old'/>"))
	last := list[len(list)-1]
	if nd := last.Child("nd"); nd == nil || nd.Attr("id") != "slow" || nd.Child("ts").Child("err").Text != "the device did not answer in time" {
		t.Errorf("got %s", last.Append(nil, ""))
	}
	eventually(t, "nothing is left", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.readouts) == 0 && f.idle() })
}

func TestCancel(t *testing.T) {
	for _, typ := range []string{"get", "set"} {
		f := newFake()
		link, in, s := peer(t, f)
		other := link.Net().Join("ops@example.org/other", make(inbox, 10))
		ask := func(l *exttest.Link, payload string) {
			t.Helper()
			e, err := l.AskRaw(t.Context(), typ, payload)
			if err != nil || e != nil && e.Name.Local != "accepted" {
				t.Fatal(e, err)
			}
		}
		cancel := func(id string) string { return "<cancel xmlns='" + NSNF + "' id='" + id + "'/>" }
		ask(link, cancel("nothing"))
		ask(link, "<cancel xmlns='"+NSNF+"'/>")
		ask(link, req(NSNF, "id='7'", "<nd id='slow'/>"))
		ask(other, cancel("7")) // not his
		in.next(time.Second)    // started
		eventually(t, "it runs", func() bool { return !f.idle() })
		ask(link, cancel("7"))
		eventually(t, "the readout ended", func() bool { return f.idle() })
		if e := in.next(30 * time.Millisecond); e != nil {
			t.Errorf("after cancel came %s", e.Append(nil, ""))
		}
		if f.ended != 1 {
			t.Errorf("%d reads were stopped", f.ended)
		}
		eventually(t, "nothing is left", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.readouts) == 0 })
	}
}

// A req with the id of one that runs takes its place.
func TestSameID(t *testing.T) {
	f := newFake()
	link, in, _ := peer(t, f)
	for range 3 * MaxReadoutsEach {
		if _, err := link.AskRaw(t.Context(), "get", req(NSNF, "id='7'", "<nd id='slow'/>")); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 { // the last one may not have begun when those before it have ended
		eventually(t, "one is left", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.reading == 1 })
		time.Sleep(100 * time.Millisecond)
	}
	close(f.hold)
	ends := 0
	for e := in.next(5 * time.Second); e != nil; e = in.next(200 * time.Millisecond) {
		if e.Name.Local == "done" || e.Name.Local == "resp" && !e.Flag("more") {
			ends++
		}
	}
	if ends != 1 {
		t.Errorf("%d ends", ends)
	}
}

// One peer that asks without end is refused; others are not.
func TestFlood(t *testing.T) {
	f := newFake()
	link, _, s := peer(t, f)
	accepted, refused := 0, 0
	for i := range 500 {
		e, err := link.AskRaw(t.Context(), "get", req(NSNF, "id='"+strconv.Itoa(i)+"'", "<nd id='slow'/>"))
		var stanza *ext.StanzaError
		switch {
		case err == nil && e.Name.Local == "accepted":
			accepted++
		case errors.As(err, &stanza) && stanza.Condition == "resource-constraint" && stanza.Type == "wait":
			refused++
		default:
			t.Fatal(e, err)
		}
	}
	if accepted != MaxReadoutsEach || refused != 500-MaxReadoutsEach {
		t.Errorf("%d accepted, %d refused", accepted, refused)
	}
	again := make(inbox, 10)
	same := link.Net().Join("ops@example.org/second", again)
	if _, err := same.AskRaw(t.Context(), "get", req(NSNF, "id='1'", "<nd id='slow'/>")); err == nil {
		t.Error("another resource of the same peer was not refused")
	}
	if list := converse(t, same, again, "get", req(NSNF, "id='1'", "<nd id='GW/7'/>")); list[0].Name.Local != "resp" {
		t.Errorf("fresh values were refused: %v", list[0])
	}
	link.Drop()
	eventually(t, "all readouts ended", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return f.idle() && len(s.readouts) == 0 })
	list := converse(t, same, again, "get", req(NSNF, "id='1'", "<nd id='old'/>"))
	if len(list) != 3 || f.most > MaxReadoutsEach {
		t.Errorf("%d elements, %d readouts at a time", len(list), f.most)
	}
}

func TestTotal(t *testing.T) {
	f := newFake()
	s := New(everybody{f}, quiet)
	net := exttest.New(t, s)
	refused := 0
	for i := range MaxReadouts/MaxReadoutsEach + 1 {
		l := net.Join(fmt.Sprintf("p%d@example.org/x", i), make(inbox, 100))
		for n := range MaxReadoutsEach {
			if _, err := l.AskRaw(t.Context(), "get", req(NSNF, "id='"+strconv.Itoa(n)+"'", "<nd id='slow'/>")); err != nil {
				refused++
			}
		}
	}
	if refused != MaxReadoutsEach {
		t.Errorf("%d were refused", refused)
	}
	net.Server.Drop()
	eventually(t, "all readouts ended", func() bool { return f.idle() })
}

type everybody struct{ *fake }

func (e everybody) Current(c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (bool, error) {
	return false, nil
}

func (e everybody) Read(ctx context.Context, c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error {
	c.JID = "ops@example.org"
	return e.fake.Read(ctx, c, ro, yield)
}

// A peer that takes nothing holds its readout, and nothing else.
func TestStalled(t *testing.T) {
	f := newFake()
	link, in, s := peer(t, f)
	other := make(inbox, 10)
	second := link.Net().Join("ops@example.org/second", other)
	e, err := link.AskRaw(t.Context(), "get", req(NSNF, "id='1'", "<nd id='big'/><nd id='old'/>"))
	if err != nil || e.Name.Local != "accepted" {
		t.Fatal(e, err)
	}
	link.Stall()
	if list := converse(t, second, other, "get", req(NSNF, "id='1'", "<nd id='old'/>")); len(list) != 3 {
		t.Errorf("got %d elements", len(list))
	}
	link.Resume()
	n := 0
	for e := in.next(time.Second); e != nil; e = in.next(50 * time.Millisecond) {
		e.EachReading(func(_ nodes.Ref, fields []nodes.Field, _ []wire.Failure) { n += len(fields) })
	}
	if n != 1001 {
		t.Errorf("%d fields", n)
	}
	eventually(t, "nothing is left", func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.readouts) == 0 })
}

func TestNotRunning(t *testing.T) {
	s := New(newFake(), quiet)
	got := make(chan error, 1)
	e, _ := wire.Parse(req(NSNF, "id='1'", "<nd id='old'/>"))
	s.Serve(&ext.Request{Payload: e, Caller: nodes.Caller{JID: "ops@example.org"}, Respond: func(_ []byte, err *ext.StanzaError) { got <- err }})
	if err := <-got; !strings.Contains(err.Error(), "resource-constraint") {
		t.Error(err)
	}
}

// Every request gets exactly one well-formed answer.
func FuzzServe(f *testing.F) {
	f.Add(req(NSNF, "id='7' all='1' from='2026-08-20T10:11:12' to='2026-08-20T10:11:12Z'", "<nd id='GW/7' src='MeteringTopology'/><f n='Temperature'/>"))
	f.Add(req(NSNF, "id='7' when='2020-01-01T00:00:00Z'", "<nd id='old'/>"))
	f.Add("<cancel xmlns='" + NSNF + "' id='7'/>")
	link, in, s := peer(f, newFake())
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		answers := make(chan []byte, 2)
		s.Serve(&ext.Request{Link: link.Net().Server, Type: "get", Payload: e,
			Caller: nodes.Caller{JID: "ops@example.org", Full: exttest.ClientJID, Way: nodes.WayLocal},
			Respond: func(payload []byte, fail *ext.StanzaError) {
				if fail != nil {
					payload = fail.Append(nil)
				}
				answers <- payload
			}})
		answer := <-answers
		if len(answer) > 0 {
			if _, err := wire.Parse(string(answer)); err != nil {
				t.Errorf("%v: %s", err, answer)
			}
		}
		if len(answers) > 0 || len(answer) > DefaultMaxStanza {
			t.Errorf("%d bytes, %d more answers", len(answer), len(answers))
		}
		s.Gone(link.Net().Server, "")
		for len(in) > 0 {
			<-in
		}
	})
}

// BenchmarkServe is what a readout of one fresh field costs.
func BenchmarkServe(b *testing.B) {
	f := newFake()
	s := New(f, quiet)
	e, err := wire.Parse(req(NSNFI, "id='8f3a1c' m='true'", "<nd id='old2' src='MeteringTopology'/><f n='Level'/>"))
	if err != nil {
		b.Fatal(err)
	}
	s.backend = one{nodes.Reading{Fields: f.fields["old"]}}
	r := &ext.Request{Payload: e, Type: "get", Caller: nodes.Caller{JID: "ops@example.org"}, Respond: func(p []byte, err *ext.StanzaError) {
		if err != nil || len(p) < 100 {
			b.Fatal(string(p), err)
		}
	}}
	b.ReportAllocs()
	for b.Loop() {
		s.Serve(r)
	}
}

type one struct{ r nodes.Reading }

func (o one) Current(_ nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (bool, error) {
	yield(ro.Refs[0], o.r)
	return true, nil
}

func (o one) Read(context.Context, nodes.Caller, *nodes.Readout, func(nodes.Ref, nodes.Reading)) error {
	return nil
}
