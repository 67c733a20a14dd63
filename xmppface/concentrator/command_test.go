package concentrator

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestCommands(t *testing.T) {
	for _, space := range []string{NSNFI, NSNF, NSIEEE} {
		f := newFake()
		c, _, _ := pair(t, f, space)
		ctx := t.Context()
		got, err := c.Commands(ctx, nodes.Ref{ID: "GW"})
		if err != nil {
			t.Fatalf("%s: %v", space, err)
		}
		want := slices.Clone(commands)
		for i := range want {
			want[i].Params, want[i].Description, want[i].Rights = nil, "", 0
			if want[i].Title == "" {
				want[i].Title = want[i].ID
			}
			if want[i].SortKey == "" {
				want[i].SortKey = want[i].Title
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", space, got, want)
		}
		form, err := c.CommandForm(ctx, nodes.In("GW"), "SetClock")
		if err != nil || form.Title != "Set the clock" || form.Instructions != "Sets the clock of all units." || len(form.Params) != 2 || form.Values["Repeat"] != nodes.Int32(1) {
			t.Errorf("%s: form %+v, %v", space, form, err)
		}
		if err := c.Execute(ctx, nodes.In("GW"), "Reconnect", nil); err != nil {
			t.Errorf("%s: simple: %v", space, err)
		}
		if err := c.Execute(ctx, nodes.In("GW"), "SetClock", nodes.Params{"Time": nodes.DateTime(at), "Repeat": nodes.Int32(2)}); err != nil {
			t.Errorf("%s: parametrized: %v", space, err)
		}
		err = c.Execute(ctx, nodes.In("GW"), "SetClock", nodes.Params{"Repeat": nodes.Int32(20)})
		var e *nodes.Error
		if !errors.As(err, &e) || e.Fields["Time"] == "" || e.Fields["Repeat"] == "" {
			t.Errorf("%s: wrong parameters: %v", space, err)
		}
		if len(f.ran) != 2 || len(f.ran[0]) != 0 || f.ran[1]["Time"] != nodes.DateTime(at) || f.ran[1]["Repeat"] != nodes.Int32(2) {
			t.Errorf("%s: run with %v", space, f.ran)
		}
	}
}

// Kinds are read in both spellings; commands of no kind are left out.
func TestReadCommands(t *testing.T) {
	c := &Client{To: exttest.ServerJID}
	c.Link = exttest.Pair(t, answers("<commands xmlns='urn:other'><command command='a' type='Parameterized'/><command command='b' type='Odd'/>"+
		"<command type='Simple'/><other command='c' type='Simple'/><command command='d' name='D' type='Query' other='x'/></commands>"), c)
	got, err := c.Commands(t.Context(), nodes.In("GW"))
	want := []nodes.Command{{ID: "a", Kind: nodes.Parametrized}, {ID: "d", Title: "D", Kind: nodes.Query}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func reconnect(node string) string {
	return op("executeNodeCommand", "id='"+node+"' command='Reconnect'", "")
}

// Every command is answered before clients give up, exactly once, and one that was
// not begun by then is not run any more.
func TestCommandTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		execute func(ctx context.Context) error
		want    string
		after   time.Duration
	}{
		{"quick", func(context.Context) error { time.Sleep(time.Second); return nil }, "result", time.Second},
		{"ends with its time", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }, "remote-server-timeout", CommandTime},
		{"done at the last moment", func(ctx context.Context) error { <-ctx.Done(); return nil }, "result", CommandTime},
		{"device hangs", func(context.Context) error { time.Sleep(time.Hour); return nil }, "remote-server-timeout", commandAnswer},
	} {
		synctest.Test(t, func(t *testing.T) {
			f, r := newFake(), &recorder{}
			f.execute = func(ctx context.Context, _ string, _ nodes.Params) error { return c.execute(ctx) }
			s, stop := run(t, f)
			defer stop()
			start := time.Now()
			r.serve(t, s, reconnect("GW"))
			time.Sleep(time.Millisecond)
			r.serve(t, s, reconnect("GW"))
			time.Sleep(3 * time.Hour)
			synctest.Wait()
			if len(r.list) != 2 {
				t.Fatalf("%s: %d answers", c.name, len(r.list))
			}
			first := r.list[0]
			if got := r.times[0].Sub(start); first.Name.Local+first.Attr("condition") != strings.Replace("error"+c.want, "errorresult", "result", 1) || got != c.after {
				t.Errorf("%s: %s %s after %v, want %s after %v", c.name, first.Name.Local, first.Attr("condition"), got, c.want, c.after)
			}
			if got := r.times[1].Sub(start); got > commandAnswer+time.Second {
				t.Errorf("%s: the second is answered after %v", c.name, got)
			}
			begun := 1
			if c.name == "quick" {
				begun = 2
			}
			if n := f.changed(); n != begun {
				t.Errorf("%s: %d were begun, want %d", c.name, n, begun)
			}
		})
	}
}

// Commands of one sender at one node are run in order, one at a time; those at other
// nodes, and changes of the tree, do not wait for them.
func TestCommandsInOrder(t *testing.T) {
	f := newFake()
	gate := make(chan struct{})
	var mu sync.Mutex
	var log []string
	f.execute = func(_ context.Context, command string, p nodes.Params) error {
		mu.Lock()
		log = append(log, fmt.Sprint(p["Repeat"].Int()))
		mu.Unlock()
		<-gate
		return nil
	}
	_, link, s := pair(t, f, NSNF)
	r := &recorder{}
	for i := range 9 {
		r.serve(t, s, op("executeNodeCommand", "id='GW' command='SetClock'", strings.Replace(clockForm, "</x>", fmt.Sprintf("<field var='Repeat'><value>%d</value></field></x>", i+1), 1)))
	}
	waitFor(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(log) == 1 })
	if got := ask(t, s, link.Net().Server, ops, "set", create("N")); !strings.HasPrefix(got, "<nodeInfo") {
		t.Errorf("a change meanwhile: %s", got)
	}
	close(gate)
	waitFor(t, func() bool { return len(r.names()) == 9 })
	if got := strings.Join(log, ""); got != "123456789" {
		t.Errorf("run in the order %s", got)
	}
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.lanes) == 0 })
}

// So many lanes of commands may be, for each sender and in all.
func TestCommandLimits(t *testing.T) {
	s := New(newFake(), quiet)
	link := &recorder{}
	add := func(jid string, n int) {
		for range n {
			s.lanes[laneOf{link, jid, nodes.In(fmt.Sprint(len(s.lanes)))}] = &lane{}
		}
	}
	add("a", MaxCommandsEach)
	if !s.crowded(laneOf{link, "a", nodes.In("GW")}) || s.crowded(laneOf{link, "b", nodes.In("GW")}) || s.crowded(laneOf{link: link, jid: "a"}) {
		t.Error("the limit of one is not that of others")
	}
	add("b", MaxCommands-len(s.lanes))
	if !s.crowded(laneOf{link, "c", nodes.In("GW")}) || s.crowded(laneOf{link: link, jid: "c"}) {
		t.Error("the limit of all is not that of changes")
	}
	link.serve(t, s, reconnect("GW"))
	if e := link.list[0]; e.Attr("condition") != "resource-constraint" {
		t.Errorf("one too many: %s %v", e.Name.Local, e.Attrs)
	}
}

// script is a hub that answers every request with nothing and then, or before, sends
// prepared messages of the query.
type script struct {
	client *Client
	before []string // messages without their start, sent before the answer
	after  []string
	flood  int      // so many messages of a megabyte are sent after that
	asked  []string // names of requests
	id     string
}

func (s *script) Way() nodes.Way { return nodes.WayLocal }
func (s *script) Self() string   { return exttest.ClientJID }
func (s *script) Tell(context.Context, string, []byte) error {
	return errors.New("nobody is told")
}

func (s *script) Ask(_ context.Context, to, _ string, payload []byte) (*wire.Element, error) {
	e, err := wire.Parse(string(payload))
	if err != nil {
		return nil, err
	}
	s.asked = append(s.asked, e.Name.Local)
	if e.Name.Local == "executeNodeQuery" {
		s.id = e.Attr("queryId")
		s.send(s.before)
		go func() {
			s.send(s.after)
			for i := range s.flood {
				number := []xml.Attr{{Name: xml.Name{Local: "queryId"}, Value: s.id}, {Name: xml.Name{Local: "seqNr"}, Value: fmt.Sprint(i + 1)}}
				remark := &wire.Element{Name: xml.Name{Local: "queryMessage"}, Text: fmt.Sprint(i, " ", strings.Repeat("x", 1<<20))}
				s.client.Receive(&ext.Message{From: exttest.ServerJID, Payload: &wire.Element{
					Name: xml.Name{Local: "queryProgress"}, Attrs: number, Children: []*wire.Element{remark}}})
			}
		}()
	}
	return nil, nil
}

func (s *script) send(list []string) {
	for _, m := range list {
		if m == "gone" {
			s.client.Gone(s, exttest.ServerJID)
			continue
		}
		from := exttest.ServerJID
		if strings.HasPrefix(m, "foreign ") {
			from, m = "foe@example.org/x", strings.TrimPrefix(m, "foreign ")
		}
		s.client.Receive(message(from, "<queryProgress xmlns='"+NSNF+"' id='GW' queryId='"+s.id+"' "+m+"</queryProgress>"))
	}
}

func TestFollowing(t *testing.T) {
	const n, done, aborted = "seqNr='", "'><queryDone/>", "'><queryAborted/>"
	status := func(text string) string { return "'><status message='" + text + "'/>" }
	long := make([]string, maxAhead+2)
	for i := range long {
		long[i] = fmt.Sprint(n, i+2, status("x"))
	}
	for _, c := range []struct {
		name          string
		before, after []string
		got           string // states, "|"
		err           string // empty: none
		aborts        bool
		takes         time.Duration
	}{
		{"in order", nil, []string{n + "1'><queryStarted/>", n + "2" + status("a"), n + "3" + done}, "a", "", false, 0},
		{"before the answer", []string{n + "1" + status("a"), n + "2" + done}, nil, "a", "", false, 0},
		{"backwards", nil, []string{n + "3" + done, n + "2" + status("b"), n + "1" + status("a")}, "a|b", "", false, 0},
		{"repeated", nil, []string{n + "1" + status("a"), n + "1" + status("b"), n + "3" + status("d"), n + "3" + status("e"), n + "2" + status("c"), n + "4" + done}, "a|c|d", "", false, 0},
		{"no numbers", nil, []string{"><status message='a'/><status message='b'/>", "><queryDone/>"}, "a|b", "", false, 0},
		{"bad numbers", nil, []string{n + "x" + status("a"), n + "-1" + status("b"), n + "0" + status("c"), n + "3" + done}, "a|b", "", false, 0},
		{"unknown elements", nil, []string{n + "1'>text<other/><newObject contentType='a/b'>%%%</newObject><status message='a'/>", n + "2" + done}, "the hub sent an object that is not base64.|a", "", false, 0},
		{"after the end", nil, []string{n + "1" + done + "<status message='a'/>", n + "2" + status("b")}, "", "", false, 0},
		{"of somebody else", nil, []string{"foreign " + n + "1" + status("a"), n + "1" + status("b"), n + "2" + done}, "b", "", false, 0},
		{"gap", nil, []string{n + "1" + status("a"), n + "3" + done}, "a", "a part of the result was lost", true, maxGap},
		{"the first is lost", nil, []string{n + "2" + status("a"), n + "3" + done}, "", "a part of the result was lost", true, maxGap},
		{"too far ahead", nil, long, "", "finds more than is taken", true, 0},
		{"aborted", nil, []string{n + "1" + status("a") + "<queryAborted/>"}, "a", "the hub ended the query", false, 0},
		{"failed", nil, []string{n + "1" + status("a") + "<queryMessage type='Exception' level='Major'>no line</queryMessage><queryAborted/>"}, "a", "no line", false, 0},
		{"failed in two", nil, []string{n + "1'><queryMessage type='Exception'>no line</queryMessage>", n + "2" + aborted}, "", "no line", false, 0},
		{"exceptions on the way", nil, []string{n + "1'><queryMessage type='Exception'>bad unit</queryMessage><status message='a'/><queryMessage type='Exception'>last</queryMessage><queryDone/>"}, "bad unit|a|last", "", false, 0},
		{"gone", nil, []string{n + "1" + status("a"), "gone", n + "2" + status("b")}, "a", "the hub is gone", false, 0},
		{"silent", nil, []string{n + "1" + status("a")}, "a", context.DeadlineExceeded.Error(), true, time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				link := &script{before: c.before, after: c.after}
				client := &Client{Link: link, To: exttest.ServerJID, Space: NSNF}
				link.client = client
				var got []string
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				start := time.Now()
				err := client.Query(ctx, nodes.In("GW"), "ScanUnits", nil, func(f nodes.Finding) error {
					switch f := f.(type) {
					case nodes.QueryStatus:
						got = append(got, string(f))
					case nodes.Remark:
						got = append(got, strings.ToLower(f.Text[:1])+f.Text[1:])
						if f.Severity != nodes.SeverityError {
							t.Errorf("severity of %q: %d", f.Text, f.Severity)
						}
					}
					return nil
				})
				if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v, want %q", err, c.err)
				}
				if strings.Join(got, "|") != c.got {
					t.Errorf("got %q, want %q", got, c.got)
				}
				if aborts := slices.Contains(link.asked, "abortNodeQuery"); aborts != c.aborts {
					t.Errorf("asked %q", link.asked)
				}
				if took := time.Since(start); took < c.takes || took > c.takes+2*time.Second {
					t.Errorf("took %v, want %v", took, c.takes)
				}
				synctest.Wait()
			})
		})
	}
}

// What waits for a slow put is bounded in bytes; what was ready is still handed
// over.
func TestFollowingSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		link := &script{flood: 100}
		client := &Client{Link: link, To: exttest.ServerJID}
		link.client = client
		n := 0
		err := client.Query(t.Context(), nodes.In("GW"), "ScanUnits", nil, func(f nodes.Finding) error {
			if !strings.HasPrefix(f.(nodes.Remark).Text, fmt.Sprint(n, " ")) {
				t.Errorf("finding %d: %.20v", n, f)
			}
			n++
			time.Sleep(time.Second)
			return nil
		})
		if nodes.KindOf(err) != nodes.Exhausted || n < 30 || n > 40 {
			t.Errorf("%v after %d", err, n)
		}
	})
}

// The traffic of sniffers and the progress of queries do not meet.
func TestSniffBesideQuery(t *testing.T) {
	f := newFake()
	c, _, _ := pair(t, f, NSIEEE)
	l, err := c.Sniff(t.Context(), nodes.In("GW"), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	f.query = func(_ context.Context, put nodes.Put) error {
		f.tap.Note(sniffer.Info, "", "asked")
		return put(nodes.QueryStatus("found"))
	}
	var got []nodes.Finding
	if err := c.Query(t.Context(), nodes.In("GW"), "ScanUnits", nil, collect(&got)); err != nil || len(got) != 1 {
		t.Errorf("found %v, %v", got, err)
	}
	events, _, err := l.Next(t.Context())
	if err != nil || len(events) != 1 || events[0].Text != "asked" {
		t.Errorf("heard %v, %v", events, err)
	}
}

func message(from, doc string) *ext.Message {
	e, err := wire.Parse(doc)
	if err != nil {
		panic(err)
	}
	return &ext.Message{From: from, Payload: e}
}

// When the hub stops, the command under way is told so and answered, and one that
// waits is not begun.
func TestCommandStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFake(), &recorder{}
		f.execute = func(ctx context.Context, _ string, _ nodes.Params) error {
			<-ctx.Done()
			return nodes.Errorf(nodes.Gone, "", nodes.Ref{}, "stopped")
		}
		s, stop := run(t, f)
		r.serve(t, s, reconnect("GW"))
		r.serve(t, s, reconnect("GW"))
		time.Sleep(time.Second)
		stop()
		r.serve(t, s, reconnect("GW"))
		var got []string
		for _, e := range r.list {
			got = append(got, e.Attr("condition"))
		}
		if want := []string{"gone", "resource-constraint", "resource-constraint"}; !slices.Equal(got, want) || f.changed() != 1 {
			t.Errorf("answers %q, want %q; %d begun", got, want, f.changed())
		}
	})
}
