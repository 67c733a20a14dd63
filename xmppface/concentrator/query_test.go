package concentrator

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// collect makes a put that keeps what it gets.
func collect(list *[]nodes.Finding) nodes.Put {
	return func(f nodes.Finding) error { *list = joined(*list, f); return nil }
}

func underWay(s *Server) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.queries)
}

func TestQuery(t *testing.T) {
	for _, space := range []string{NSNFI, NSNF, NSIEEE, ""} {
		f := newFake()
		c, _, s := pair(t, f, space)
		var got []nodes.Finding
		err := c.Query(t.Context(), nodes.Ref{ID: "GW"}, "ScanUnits", nodes.Params{"Last": nodes.Int32(9)}, collect(&got))
		if err != nil {
			t.Fatalf("%s: %v", space, err)
		}
		if want := received(scan); !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", space, got, want)
		}
		if p := f.ran[0]; p["First"] != nodes.Int32(1) || p["Last"] != nodes.Int32(9) || len(p) != 2 {
			t.Errorf("%s: run with %v", space, p)
		}
		waitFor(t, func() bool { return underWay(s) == 0 })
		if got = nil; c.Query(t.Context(), nodes.In("GW"), "ScanUnits", nil, collect(&got)) != nil || len(got) != len(received(scan)) {
			t.Errorf("%s: without parameters: %v", space, got)
		}
	}
}

// recorder is a link that keeps, in order, what the server sends.
type recorder struct {
	mu    sync.Mutex
	list  []*wire.Element // answers have the name "result" or "error"
	sizes []int
	times []time.Time
	block chan struct{} // Tell waits for it when not nil
	fail  error         // of Tell
}

func (r *recorder) Way() nodes.Way { return nodes.WayLocal }
func (r *recorder) Self() string   { return exttest.ServerJID }
func (r *recorder) Ask(context.Context, string, string, []byte) (*wire.Element, error) {
	return nil, errors.New("nobody is asked")
}

func (r *recorder) Tell(ctx context.Context, to string, payload []byte) error {
	r.mu.Lock()
	block, fail := r.block, r.fail
	r.mu.Unlock()
	if block != nil {
		select {
		case <-block:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if fail == nil {
		r.note(string(payload))
	}
	return fail
}

func (r *recorder) note(doc string) {
	e, err := wire.Parse(doc)
	if err != nil {
		panic(err)
	}
	if len(doc) < 8<<10 {
		exttest.Record([]byte(doc))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list, r.sizes, r.times = append(r.list, e), append(r.sizes, len(doc)), append(r.times, time.Now())
}

// names are what was sent: answers, and the children of messages.
func (r *recorder) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []string
	for _, e := range r.list {
		if e.Name.Local != "queryProgress" {
			out = append(out, e.Name.Local)
		}
		for _, c := range e.Children {
			if e.Name.Local == "queryProgress" {
				out = append(out, c.Name.Local)
			}
		}
	}
	return out
}

func (r *recorder) messages() []*wire.Element {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []*wire.Element
	for _, e := range r.list {
		if e.Name.Local == "queryProgress" {
			out = append(out, e)
		}
	}
	return out
}

// serve serves a request of ops over the recorder; the answer joins its record.
func (r *recorder) serve(t *testing.T, s *Server, request string) {
	t.Helper()
	e, err := wire.Parse(request)
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(&ext.Request{Link: r, Type: "set", Payload: e, Caller: nodes.Caller{JID: ops, Full: ops + "/desk", Way: nodes.WayLocal},
		Respond: func(payload []byte, fail *ext.StanzaError) {
			if fail != nil {
				r.note("<error condition='" + fail.Condition + "'/>")
				return
			}
			r.note("<result>" + string(payload) + "</result>")
		}})
}

// run runs a server of the fake until stop is called.
func run(t *testing.T, f *fake) (s *Server, stop func()) {
	t.Helper()
	s = New(f, quiet)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { _ = s.Run(ctx); close(ended) }()
	waitFor(t, s.Running)
	return s, func() { cancel(); <-ended }
}

func execute(attrs string) string {
	return op("executeNodeQuery", "id='GW' command='ScanUnits' queryId='q1' "+attrs, "")
}

func abort(id string) string {
	return op("abortNodeQuery", "id='GW' command='ScanUnits' queryId='"+id+"'", "")
}

// The answer comes first; numbers rise by one a message; the address is as the
// request has it; the last is the end, and nothing follows.
func TestQueryMessages(t *testing.T) {
	for _, attrs := range []string{"", "src='MeteringTopology'", "src='' pt=''"} {
		synctest.Test(t, func(t *testing.T) {
			f, r := newFake(), &recorder{}
			f.query = func(_ context.Context, put nodes.Put) error {
				for i, found := range scan {
					if i%3 == 0 {
						time.Sleep(time.Second)
					}
					if err := put(found); err != nil {
						return err
					}
				}
				return nil
			}
			s, stop := run(t, f)
			defer stop()
			r.serve(t, s, execute(attrs))
			time.Sleep(time.Minute)
			synctest.Wait()
			names := r.names()
			if names[0] != "result" || names[1] != "queryStarted" || names[len(names)-1] != "queryDone" ||
				strings.Count(strings.Join(names, " "), "query") != 5 { // and three messages
				t.Errorf("%s: sent %q", attrs, names)
			}
			asked, _ := wire.Parse(execute(attrs))
			for i, e := range r.messages() {
				if e.Attr("seqNr") != fmt.Sprint(i+1) || e.Attr("queryId") != "q1" || e.Name.Space != NSNF {
					t.Errorf("message %d: %v %v", i+1, e.Name, e.Attrs)
				}
				for _, name := range []string{"id", "src", "pt"} {
					got, is := e.Lookup(name)
					want, has := asked.Lookup(name)
					if got != want || is != has {
						t.Errorf("%s: %s is %q, want %q", attrs, name, got, want)
					}
				}
			}
			if n := len(r.messages()); n < 5 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

// What is found goes out at once, or soon: together with what is found meanwhile.
func TestQueryGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFake(), &recorder{}
		var found []time.Time
		f.query = func(_ context.Context, put nodes.Put) error {
			for i := range 1000 {
				time.Sleep(7 * time.Millisecond)
				if i == 500 {
					time.Sleep(time.Minute)
				}
				found = append(found, time.Now())
				if err := put(nodes.QueryStatus(fmt.Sprint(i))); err != nil {
					return err
				}
			}
			return nil
		}
		s, stop := run(t, f)
		defer stop()
		r.serve(t, s, execute(""))
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		i := 0
		for n, e := range r.list {
			for _, c := range e.Children {
				if c.Name.Local != "status" {
					continue
				}
				if c.Attr("message") != fmt.Sprint(i) {
					t.Fatalf("status %s, want %d", c.Attr("message"), i)
				}
				if late := r.times[n].Sub(found[i]); late > gatherFindings {
					t.Errorf("status %d was %v late", i, late)
				}
				if i == 500 && r.times[n] != found[i] {
					t.Errorf("the first after a pause was %v late", r.times[n].Sub(found[i]))
				}
				i++
			}
		}
		if n := len(r.messages()); i != 1000 || n > 200 {
			t.Errorf("%d of 1000 in %d messages", i, n)
		}
	})
}

// Whoever is slow gets everything, in order, and what waits for him is bounded.
func TestQuerySlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFake(), &recorder{block: make(chan struct{})}
		const n = 3000
		put := 0
		f.query = func(_ context.Context, p nodes.Put) error {
			if err := p(nodes.Table{ID: "t"}); err != nil {
				return err
			}
			for i := range n {
				if err := p(nodes.Rows{Table: "t", Rows: [][]nodes.Value{{nodes.Int32(int32(i)), nodes.String(strings.Repeat("x", 500))}}}); err != nil {
					return err
				}
				put++
			}
			return nil
		}
		s, stop := run(t, f)
		defer stop()
		r.serve(t, s, execute(""))
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if max := 2 * maxBatch / 500; put > max || put < 50 {
			t.Errorf("%d rows wait, at most %d may", put, max)
		}
		close(r.block)
		time.Sleep(time.Minute)
		synctest.Wait()
		next := 0
		for _, e := range r.messages() {
			for _, c := range e.Children {
				if c.Name.Local != "newRecords" {
					continue
				}
				for _, row := range c.Children {
					if row.Children[0].Text != fmt.Sprint(next) {
						t.Fatalf("row %s, want %d", row.Children[0].Text, next)
					}
					next++
				}
			}
		}
		if names := r.names(); next != n || names[len(names)-1] != "queryDone" || names[len(names)-2] != "tableDone" {
			t.Errorf("%d rows, end %q", next, names[len(names)-2:])
		}
		for _, size := range r.sizes {
			if size > exttest.MaxStanza-1000 {
				t.Errorf("a message of %d bytes", size)
			}
		}
	})
}

// What ends a query before it is done: its context ends, all that is open is closed,
// and exactly one end is the last word, with a reason where nobody asked for it.
func TestQueryEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		do     func(t *testing.T, f *fake, s *Server, r *recorder, stop func())
		want   string // after the start
		reason string
	}{
		{"abort", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			r.serve(t, s, abort("q1"))
		}, "result tableDone endSection queryAborted", ""},
		{"abort twice", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			r.serve(t, s, abort("q1"))
			synctest.Wait()
			r.serve(t, s, abort("q1"))
		}, "result tableDone endSection queryAborted error", ""},
		{"offline", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			s.Gone(r, ops+"/desk")
		}, "", ""},
		{"link", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			s.Gone(r, "")
		}, "", ""},
		{"stop", func(t *testing.T, f *fake, s *Server, r *recorder, stop func()) {
			stop()
		}, "tableDone endSection queryMessage queryAborted", "The hub is stopping."},
		{"stalled", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			r.mu.Lock()
			r.block = make(chan struct{})
			r.mu.Unlock()
			f.hold <- struct{}{}
			time.AfterFunc(MaxStall+farewell/2, func() { close(r.block) })
		}, "status tableDone endSection queryMessage queryAborted", "The query was ended: the receiver took nothing for 1m0s."},
		{"unreachable", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			r.mu.Lock()
			r.fail = errors.New("the link has dropped")
			r.mu.Unlock()
			f.hold <- struct{}{}
		}, "", ""},
		{"fails", func(t *testing.T, f *fake, s *Server, r *recorder, _ func()) {
			close(f.hold)
		}, "tableDone endSection queryMessage queryAborted", "the line is <down>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, r := newFake(), &recorder{}
				f.hold = make(chan struct{})
				ended := false
				f.query = func(ctx context.Context, put nodes.Put) error {
					defer func() { ended = true }()
					if err := putAll(put, []nodes.Finding{nodes.Section("s"), nodes.Table{ID: "t"}}); err != nil {
						return err
					}
					for {
						select {
						case _, ok := <-f.hold:
							if !ok {
								return nodes.Errorf(nodes.Unreachable, "scan", nodes.In("GW"), "the line is <down>")
							}
							if err := put(nodes.QueryStatus("more")); err != nil {
								return err
							}
						case <-ctx.Done():
							return ctx.Err()
						}
					}
				}
				s, stop := run(t, f)
				stop = sync.OnceFunc(stop)
				defer stop()
				r.serve(t, s, execute(""))
				time.Sleep(time.Second)
				synctest.Wait()
				start := "result queryStarted beginSection newTable"
				if got := strings.Join(r.names(), " "); got != start {
					t.Fatalf("began with %s", got)
				}
				c.do(t, f, s, r, stop)
				time.Sleep(time.Hour)
				synctest.Wait()
				got := strings.TrimSpace(strings.TrimPrefix(strings.Join(r.names(), " "), start))
				if got != c.want || !ended || underWay(s) != 0 {
					t.Errorf("sent %q, want %q; ended %v, %d under way", got, c.want, ended, underWay(s))
				}
				for _, e := range r.messages() {
					if m := e.Child("queryMessage"); m != nil && (m.Text != c.reason || m.Attr("type") != "Exception" || m.Attr("level") != "Major") {
						t.Errorf("reason %q of type %s", m.Text, m.Attr("type"))
					}
				}
			})
		})
	}
}

// A query that fails before it has found anything is an error of the request, with a
// form where parameters are wrong; its id is free again.
func TestQueryFailsAtOnce(t *testing.T) {
	f := newFake()
	c, _, s := pair(t, f, NSNF)
	var got []nodes.Finding
	f.query = func(context.Context, nodes.Put) error {
		return nodes.Errorf(nodes.Unreachable, "", nodes.In("GW"), "the line is down")
	}
	err := c.Query(t.Context(), nodes.In("GW"), "ScanUnits", nil, collect(&got))
	var stanza *ext.StanzaError
	if nodes.KindOf(err) != nodes.Unreachable || !errors.As(err, &stanza) || stanza.Text != "the line is down" {
		t.Errorf("error %v", err)
	}
	err = c.Query(t.Context(), nodes.In("GW"), "ScanUnits", nodes.Params{"First": nodes.Int32(9), "Last": nodes.Int32(3)}, collect(&got))
	var e *nodes.Error
	if !errors.As(err, &e) || e.Fields["Last"] != "is before the first" {
		t.Errorf("wrong parameters: %v", err)
	}
	if len(got) > 0 || underWay(s) != 0 {
		t.Errorf("found %v, %d under way", got, underWay(s))
	}
	// Slow ones are accepted first.
	synctest.Test(t, func(t *testing.T) {
		f, r := newFake(), &recorder{}
		f.query = func(context.Context, nodes.Put) error {
			time.Sleep(time.Minute)
			return errors.New("secret of the hub")
		}
		s, stop := run(t, f)
		defer stop()
		r.serve(t, s, execute(""))
		time.Sleep(soonFails)
		synctest.Wait()
		if got := strings.Join(r.names(), " "); got != "result queryStarted" {
			t.Errorf("after %v: %s", soonFails, got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		list := r.messages()
		if m := list[len(list)-1].Child("queryMessage"); m == nil || strings.Contains(m.Text, "secret") || !strings.Contains(m.Text, "log") {
			t.Errorf("reason %v", m)
		}
	})
}

// Ids are each client's own; one client has an id once, and so many queries.
func TestQueryLimits(t *testing.T) {
	f := newFake()
	f.query = func(ctx context.Context, put nodes.Put) error {
		if err := put(nodes.QueryStatus("runs")); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	}
	f.allow("b@example.org", nodes.AllRights)
	hub := &recorder{}
	s, stop := run(t, f)
	defer stop()
	request := func(id string) string { return strings.Replace(execute(""), "q1", id, 1) }
	for i := range MaxQueriesEach {
		if got := ask(t, s, hub, ops, "set", request(fmt.Sprint(i))); got != "" {
			t.Errorf("query %d: %s", i, got)
		}
	}
	if got := ask(t, s, hub, ops, "set", request("0")); !strings.Contains(got, "<conflict") {
		t.Errorf("the id again: %s", got)
	}
	if got := ask(t, s, hub, ops, "set", request("more")); !strings.Contains(got, "<resource-constraint") || !strings.Contains(got, "8 queries already (limits, queries, in hub.yaml)") {
		t.Errorf("one too many: %s", got)
	}
	if got := ask(t, s, hub, "b@example.org", "set", request("0")); got != "" {
		t.Errorf("the id of another: %s", got)
	}
	for _, wrong := range []string{
		strings.Replace(abort("0"), "id='GW'", "id='GW/7'", 1), strings.Replace(abort("0"), "ScanUnits", "Dump", 1), abort("9"),
	} {
		if got := ask(t, s, hub, ops, "set", wrong); !strings.Contains(got, "<item-not-found") {
			t.Errorf("%s: %s", wrong, got)
		}
	}
	if got := ask(t, s, hub, viewer, "set", abort("0")); !strings.Contains(got, "<item-not-found") || underWay(s) != MaxQueriesEach+1 {
		t.Errorf("somebody else aborts: %s", got)
	}
	if got := ask(t, s, hub, ops, "set", abort("0")); got != "" {
		t.Errorf("abort: %s", got)
	}
	waitFor(t, func() bool { return underWay(s) == MaxQueriesEach })
	if got := ask(t, s, hub, ops, "set", request("0")); got != "" {
		t.Errorf("the id once more: %s", got)
	}
	for i := 0; underWay(s) < MaxQueries; i++ {
		who := fmt.Sprintf("c%d@example.org", i/MaxQueriesEach)
		f.allow(who, nodes.AllRights)
		if got := ask(t, s, hub, who, "set", request(fmt.Sprint(i))); got != "" {
			t.Fatalf("query %d of all: %s", i, got)
		}
	}
	f.allow("d@example.org", nodes.AllRights)
	if got := ask(t, s, hub, "d@example.org", "set", request("0")); !strings.Contains(got, "<resource-constraint") {
		t.Errorf("too many in all: %s", got)
	}
	s.Gone(hub, "")
	waitFor(t, func() bool { return underWay(s) == 0 })
}

// Two clients run queries at once; each gets its own findings, also when the other
// aborts, fails to take them or drops.
func TestTwoClients(t *testing.T) {
	f := newFake()
	f.query = func(ctx context.Context, put nodes.Put) error {
		for i := range 300 {
			if err := put(nodes.Remark{Text: fmt.Sprint(i)}); err != nil {
				return err
			}
			if i%20 == 0 {
				time.Sleep(time.Millisecond)
			}
		}
		return nil
	}
	s := New(f, quiet)
	net := exttest.New(t, s)
	f.allow("b@example.org", nodes.AllRights)
	var clients []*Client
	var links []*exttest.Link
	for _, jid := range []string{ops + "/a", ops + "/b", "b@example.org/c", "b@example.org/d"} {
		c := &Client{To: exttest.ServerJID, Space: NSNF}
		l := net.Join(jid, c)
		c.Link = l
		clients, links = append(clients, c), append(links, l)
	}
	stop := errors.New("enough")
	results := make([]error, len(clients))
	counts := make([]int, len(clients))
	var wg sync.WaitGroup
	for i, c := range clients {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			results[i] = c.Query(ctx, nodes.In("GW"), "ScanUnits", nil, func(found nodes.Finding) error {
				if found != (nodes.Remark{Text: fmt.Sprint(counts[i])}) {
					t.Errorf("client %d: %v after %d", i, found, counts[i])
				}
				counts[i]++
				switch {
				case i == 1 && counts[i] == 10:
					return stop
				case i == 2 && counts[i] == 10:
					cancel()
				case i == 3 && counts[i] == 10:
					wg.Go(links[i].Drop)
				}
				return nil
			})
		})
	}
	wg.Wait()
	if results[0] != nil || counts[0] != 300 {
		t.Errorf("the first: %v, %d", results[0], counts[0])
	}
	if results[1] != stop || counts[1] != 10 {
		t.Errorf("the one that had enough: %v, %d", results[1], counts[1])
	}
	if !errors.Is(results[2], context.Canceled) {
		t.Errorf("the one that cancelled: %v", results[2])
	}
	waitFor(t, func() bool { return underWay(s) == 0 })
	for i, c := range clients {
		if c.mu.Lock(); len(c.following) > 0 {
			t.Errorf("client %d follows still", i)
		}
		c.mu.Unlock()
	}
}

// BenchmarkQuery runs a query of 10,000 rows from server to client.
func BenchmarkQuery(b *testing.B) {
	f := newFake()
	f.query = func(_ context.Context, put nodes.Put) error {
		if err := put(nodes.Table{ID: "t"}); err != nil {
			return err
		}
		for i := range 10000 {
			row := []nodes.Value{nodes.Int32(int32(i)), nodes.String("holding register 40001"), nodes.Quantity(23.5, 2, "°C"), nodes.Bool(true)}
			if err := put(nodes.Rows{Table: "t", Rows: [][]nodes.Value{row}}); err != nil {
				return err
			}
		}
		return nil
	}
	c, _, _ := pair(b, f, NSNF)
	for b.Loop() {
		rows := 0
		err := c.Query(b.Context(), nodes.In("GW"), "ScanUnits", nil, func(f nodes.Finding) error {
			if r, ok := f.(nodes.Rows); ok {
				rows += len(r.Rows)
			}
			return nil
		})
		if err != nil || rows != 10000 {
			b.Fatalf("%d rows, %v", rows, err)
		}
	}
}

// A query that is aborted before it has found anything was begun nevertheless.
func TestQueryAbortedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFake(), &recorder{}
		f.query = func(ctx context.Context, _ nodes.Put) error { <-ctx.Done(); return ctx.Err() }
		s, stop := run(t, f)
		defer stop()
		r.serve(t, s, execute(""))
		r.serve(t, s, abort("q1"))
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := strings.Join(r.names(), " "); got != "result result queryStarted queryAborted" {
			t.Errorf("sent %s", got)
		}
	})
}

// A query that pays no heed to the end goes on alone: what it finds is refused.
func TestQueryDeaf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, r := newFake(), &recorder{}
		var last error
		f.query = func(_ context.Context, put nodes.Put) error {
			for range 100 {
				time.Sleep(time.Second)
				last = put(nodes.QueryStatus("on and on"))
			}
			return nil
		}
		s, stop := run(t, f)
		defer stop()
		r.serve(t, s, execute(""))
		time.Sleep(1500 * time.Millisecond)
		r.serve(t, s, abort("q1"))
		time.Sleep(time.Hour)
		synctest.Wait()
		if got := strings.Join(r.names(), " "); got != "result queryStarted status result queryAborted" || !errors.Is(last, context.Canceled) {
			t.Errorf("sent %s; put says %v", got, last)
		}
	})
}
