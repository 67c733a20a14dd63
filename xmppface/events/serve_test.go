package events

import (
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

func subscribe(space, attrs, children string) string {
	return "<subscribe xmlns='" + space + "' " + attrs + ">" + children + "</subscribe>"
}

// ask asks with a payload that follows the schema.
func ask(t testing.TB, link *exttest.Link, typ, request string) *wire.Element {
	t.Helper()
	e, err := link.Ask(t.Context(), exttest.ServerJID, typ, []byte(request))
	if err != nil {
		t.Fatalf("%.200s: %v", request, err)
	}
	return e
}

// values returns the fields that a message holds: "node:name=value …", and "!text"
// for failures.
func values(e *wire.Element) string {
	if e == nil {
		return ""
	}
	var out []string
	e.EachReading(func(ref nodes.Ref, fields []nodes.Field, failures []wire.Failure) {
		for _, f := range fields {
			out = append(out, ref.ID+":"+f.Name+"="+f.Value.String())
		}
		for _, x := range failures {
			out = append(out, ref.ID+":!"+x.Text)
		}
	})
	return strings.Join(out, " ")
}

var failedAt = regexp.MustCompile(`v='[^']*'>(\s*)<err>`)

// Each form of the request, its answer, and the message after a change.
func TestGolden(t *testing.T) {
	for _, g := range []struct{ name, attrs, children string }{
		{"node", "id='a &amp; b'", "<nd id='GW/7'/>"},
		{"address", "id='7' all='true' st='x' dt='y' ut='z'", "<nd id='GW/7' src='MeteringTopology' pt=''/>"},
		{"root", "id='7'", ""},
		{"fields", "id='7' m='true' maxAge='P99Y'", "<nd id='GW/7'/><f n='Level'/>"},
		{"conditions", "id='7'", "<nd id='GW/7'/><f n='Level' by='0.5'/><f n='Pump' v='0' up='1' dn='1'/>"},
		{"intervals", "id='7' minInt='PT0.01S' maxInt='P1M'", "<nd id='GW/7'/><nd id='GW/8'/><nd id='GW/7'/>"},
		{"request", "id='7' req='true' minInt='PT0.5S'", "<nd id='GW/8'/><nd id='Root'/>"},
	} {
		var want string
		for i, space := range []string{NSNF, NSNFI, NSIEEE} {
			f := newFake()
			link, in, _ := peer(t, f)
			request := subscribe(space, g.attrs, g.children)
			text := request
			add := func(e *wire.Element) {
				if e == nil {
					t.Fatalf("%s: nothing came", g.name)
				}
				text += "\n\n" + string(e.Append(nil, ""))
			}
			add(ask(t, link, []string{"get", "set", "get"}[i], request))
			if g.name == "request" {
				add(in.next(time.Second))
			}
			changed := field("Level", nodes.Quantity(2.0, 1, "m"))
			changed.QoS, changed.Time = nodes.Warning, at.Add(time.Second)
			for _, id := range []string{"GW/7", "GW/8"} {
				f.set(id, changed)
			}
			f.set("Root", field("Uptime", nodes.Duration(0, time.Hour)))
			f.tell("GW/8", nodes.Reading{Node: "GW/8", Err: nodes.Errorf(nodes.Timeout, "read", nodes.In("GW/8"), "unit 8 does not answer")})
			add(in.next(2 * time.Second))
			text = strings.ReplaceAll(text, "><", ">\n<") + "\n"
			text = strings.ReplaceAll(strings.ReplaceAll(text, space, NSNF), sensorData(space), sensorData(NSNF))
			text = failedAt.ReplaceAllString(text, "v='…'>$1<err>")
			if want == "" {
				want = text
			} else if text != want && g.name != "intervals" {
				t.Errorf("%s in %s:\n%s", g.name, space, text)
			}
		}
		if g.name == "intervals" { // how many messages it takes is a matter of luck
			want, _, _ = strings.Cut(want, "\n\n<resp")
			want += "\n"
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

// drain takes what else comes.
func drain(in inbox) {
	for in.next(60*time.Millisecond) != nil {
	}
}

func TestBadInput(t *testing.T) {
	long := strings.Repeat("é&lt;", 2000)
	nd := "<nd id='GW/7'/>"
	const badRequest, notFound = "bad-request", "item-not-found"
	for _, c := range []struct{ request, want string }{
		{subscribe(NSNF, "", nd), badRequest},
		{subscribe(NSNF, "id=''", nd), badRequest},
		{subscribe(NSNF, "id='"+long+"'", nd), badRequest},
		{subscribe(NSNF, "id='1' m='perhaps'", nd), badRequest},
		{subscribe(NSNF, "id='1' req=''", nd), badRequest},
		{subscribe(NSNF, "id='1' minInt='10'", nd), badRequest},
		{subscribe(NSNF, "id='1' minInt=''", nd), badRequest},
		{subscribe(NSNF, "id='1' minInt='-PT1S'", nd), badRequest},
		{subscribe(NSNF, "id='1' minInt='-P1M'", nd), badRequest},
		{subscribe(NSNF, "id='1' maxInt='-PT1S'", nd), badRequest},
		{subscribe(NSNF, "id='1' maxInt='PT0S'", nd), badRequest},
		{subscribe(NSNF, "id='1' maxInt='P9999Y'", nd), badRequest},
		{subscribe(NSNF, "id='1' maxAge='-PT1S'", nd), badRequest},
		{subscribe(NSNF, "id='1' maxAge='old'", nd), badRequest},
		{subscribe(NSNF, "id='1' minInt='PT10S' maxInt='PT5S'", nd), badRequest},
		{subscribe(NSNF, "id='1'", "<nd/>"), badRequest},
		{subscribe(NSNF, "id='1'", "<nd id=''/>"), badRequest},
		{subscribe(NSNF, "id='1'", "<node id='GW/7'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n=''/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' by='0'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' by='1'/><f n='Level' by='2'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' by='1'/><f n='Level'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level'/><f n='Pump'/><f n='Level' up='1'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' by='-1'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' up='much'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' dn=''/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' by='INF'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' by='0x1'/>"), badRequest},
		{subscribe(NSNF, "id='1'", nd+"<f n='Level' v='NaN'/>"), badRequest},
		{subscribe(NSNF, "id='1'", "<nd id='nowhere'/>"), notFound},
		{subscribe(NSNF, "id='1'", "<nd id='"+long+"'/>"), notFound},
		{subscribe(NSNF, "id='1'", nd+"<nd id='nowhere'/>"), notFound},
		{subscribe(NSNF, "id='1'", "<nd id='nowhere'/><f n='a' by='1'/>"), notFound},
		{subscribe(NSNF, "id='1'", "<nd id='secret'/>"), "forbidden"},
		{subscribe(NSNF, "id='1'", nd+fields(MaxNames+1)), "not-acceptable"},
		{subscribe(NSNF, "id='1'", numbered(MaxNodes+1)), "not-acceptable"},
		{"<unsubscribe xmlns='" + NSNF + "'/>", badRequest},
		{"<unsubscribe xmlns='" + NSNF + "' id=''/>", badRequest},
		{"<unsubscribe xmlns='" + NSNF + "' id='never'/>", notFound},
		{"<unsubscribe xmlns='" + NSNF + "' id='" + long + "'/>", notFound},
		{"<watch xmlns='" + NSNF + "' id='1'/>", "feature-not-implemented"},
	} {
		f := newFake()
		link, in, s := peer(t, f)
		ask(t, link, "get", subscribe(NSNF, "id='1'", "<nd id='GW/8'/>")) // stays as it is
		_, err := link.AskRaw(t.Context(), "get", c.request)
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != c.want || e.Text == "" || len(e.Text) > 400 || e.Type == "modify" {
			t.Errorf("%.150s: got %v, want %s", c.request, err, c.want)
		}
		if f.watching() != 1 || len(s.subs) != 1 || f.reads > 0 || len(in) > 0 {
			t.Errorf("%.150s: something has changed", c.request)
		}
		f.set("GW/8", field("Level", nodes.Double(9)))
		if got := values(in.next(time.Second)); got != "GW/8:Level=9" {
			t.Errorf("%.150s: the former subscription tells %q", c.request, got)
		}
	}
}

func fields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<f n='f%d'/>", i)
	}
	return b.String()
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<nd id='n%d'/>", i)
	}
	return b.String()
}

// TestTwice: a field that is named twice with one rule is named once.
func TestTwice(t *testing.T) {
	e, err := wire.Parse(subscribe(NSNF, "id='1'", "<f n='Level' by='1'/><f n='Pump'/><f n='Level' by='1'/><f n='Pump' v='1'/>"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := parse(e)
	if err != nil || strings.Join(q.names, " ") != "Level Pump" || len(q.rules) != 1 || q.rules["Level"].by != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

func TestEnds(t *testing.T) {
	for name, end := range map[string]func(link *exttest.Link, f *fake, in inbox){
		"unsubscribe": func(link *exttest.Link, f *fake, in inbox) {
			if e := ask(t, link, "set", "<unsubscribe xmlns='"+NSNFI+"' id='1'/>"); e != nil {
				t.Errorf("got %v", e)
			}
		},
		"offline": func(link *exttest.Link, f *fake, in inbox) { link.Drop() },
		"link":    func(link *exttest.Link, f *fake, in inbox) { link.Net().Server.Drop() },
	} {
		f := newFake()
		link, in, s := peer(t, f)
		ask(t, link, "get", subscribe(NSNFI, "id='1' maxInt='PT0.1S'", "<nd id='GW/7'/>"))
		other := make(inbox, 10)
		second := link.Net().Join("ops@example.org/2", other)
		ask(t, second, "get", subscribe(NSNFI, "id='1'", "<nd id='GW/7'/>"))
		end(link, f, in)
		left := 1
		if name == "link" {
			left = 0
		}
		eventually(t, name+": the watch ended", func() bool { return f.watching() == left })
		drain(in)
		f.set("GW/7", field("Level", nodes.Double(9)))
		if e := in.next(150 * time.Millisecond); e != nil {
			t.Errorf("%s: %s", name, e.Append(nil, ""))
		}
		if got := values(other.next(50 * time.Millisecond)); left == 1 && got != "GW/7:Level=9" {
			t.Errorf("%s: the other peer got %q", name, got)
		}
		s.mu.Lock()
		if len(s.subs) != left {
			t.Errorf("%s: %d are left", name, len(s.subs))
		}
		s.mu.Unlock()
	}
}

// A peer that is not there any more bounces messages.
func TestBounce(t *testing.T) {
	f := newFake()
	link, _, s := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1'", "<nd id='GW/7'/>"))
	s.Gone(link.Net().Server, exttest.ClientJID)
	eventually(t, "the watch ended", func() bool { return f.watching() == 0 })
}

// A new subscription with the same id takes the place of the former, whatever its
// family.
func TestReplaced(t *testing.T) {
	f := newFake()
	link, in, s := peer(t, f)
	for range 200 {
		ask(t, link, "get", subscribe(NSNFI, "id='1'", "<nd id='GW/7'/>"))
	}
	ask(t, link, "set", subscribe(NSNF, "id='1'", "<nd id='GW/8'/>"))
	eventually(t, "one watch is left", func() bool { return f.watching() == 1 })
	f.set("GW/7", field("Level", nodes.Double(7)))
	f.set("GW/8", field("Level", nodes.Double(8)))
	if e := in.next(time.Second); values(e) != "GW/8:Level=8" || e.Name.Space != "urn:nf:iot:sd:1.0" {
		t.Errorf("got %s in %s", values(e), e.Name.Space)
	}
	if e := in.next(50 * time.Millisecond); e != nil || len(s.subs) != 1 {
		t.Errorf("then came %s; %d subscriptions", values(e), len(s.subs))
	}
}

func TestLimits(t *testing.T) {
	f := newFake()
	const each, all = 20, 100
	s := New(f, quiet)
	s.MaxEach, s.MaxAll = each, all
	link := exttest.Pair(t, s, make(inbox, 10))
	refused := 0
	for peer := range all/each + 1 {
		l := link.Net().Join(fmt.Sprintf("p%d@example.org/x", peer), make(inbox, 1))
		for i := range each + 5 {
			_, err := l.AskRaw(t.Context(), "get", subscribe(NSNFI, "id='"+strconv.Itoa(i)+"'", "<nd id='GW/7'/>"))
			var e *ext.StanzaError
			if errors.As(err, &e) && e.Condition == "resource-constraint" && e.Type == "wait" {
				refused++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if want := (peer + 1) * 5; peer < all/each && refused != want {
			t.Errorf("peer %d: %d refused, want %d", peer, refused, want)
		}
	}
	s.mu.Lock()
	if len(s.own) != all/each {
		t.Errorf("subscriptions of %d people", len(s.own))
	}
	s.mu.Unlock()
	if len(s.subs) != all || f.watching() != all {
		t.Errorf("%d subscriptions, %d watches", len(s.subs), f.watching())
	}
	link.Net().Server.Drop()
	eventually(t, "all watches ended", func() bool { return f.watching() == 0 })
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.subs)+len(s.own) != 0 {
		t.Errorf("left: %d, of %v", len(s.subs), s.own)
	}
}

// However slow the peer and however fast the values, what waits is one value of each
// field, and the newest arrives.
func TestCoalesced(t *testing.T) {
	f := newFake()
	link, in, s := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1'", "<nd id='GW/7'/>"))
	link.Stall()
	for i := range 50000 {
		x := field("Level", nodes.Int32(int32(i)))
		x.Time = at.Add(time.Duration(i) * time.Millisecond)
		f.set("GW/7", x)
	}
	f.set("GW/7", field("Pump", nodes.Bool(true)))
	s.mu.Lock()
	for _, u := range s.subs {
		u.mu.Lock()
		for _, c := range u.nodes {
			if len(c.fields) > 2 {
				t.Errorf("%d fields wait", len(c.fields))
			}
		}
		u.mu.Unlock()
	}
	s.mu.Unlock()
	link.Resume()
	n, last := 0, ""
	for e := in.next(time.Second); e != nil; e = in.next(100 * time.Millisecond) {
		n++
		last += values(e) + " "
	}
	if n > 1000 || !strings.Contains(last, "Level=49999") || !strings.Contains(last, "Pump=true") {
		t.Errorf("%d messages, the last %s", n, last[max(0, len(last)-100):])
	}
}

func TestFailureAndLater(t *testing.T) {
	f := newFake()
	link, in, _ := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1'", "<nd id='GW/7'/>"))
	f.tell("GW/7", nodes.Reading{Node: "GW/7", Err: errors.New("secret detail")})
	if got := values(in.next(time.Second)); !strings.HasPrefix(got, "GW/7:!The hub could not") {
		t.Errorf("got %q", got)
	}
	newer, older := field("Level", nodes.Int32(2)), field("Level", nodes.Int32(1))
	newer.Time = at.Add(time.Second)
	f.set("GW/7", newer)
	f.set("GW/7", older) // reported late, while the newer one waits
	if got := values(in.next(time.Second)); got != "GW/7:Level=2" && got != "GW/7:Level=1" {
		t.Errorf("got %q", got)
	}
}

func TestMinInterval(t *testing.T) {
	f := newFake()
	link, in, _ := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1' minInt='PT0.2S'", "<nd id='GW/7'/>"))
	if f.interval() != 200*time.Millisecond {
		t.Errorf("wanted every %s", f.interval())
	}
	f.set("GW/7", field("Level", nodes.Int32(1)))
	if got := values(in.next(time.Second)); got != "GW/7:Level=1" {
		t.Fatalf("got %q", got)
	}
	began := time.Now()
	f.set("GW/7", field("Level", nodes.Int32(2)))
	f.set("GW/7", field("Pump", nodes.Bool(true)))
	f.set("GW/7", field("Level", nodes.Int32(3)))
	if got := values(in.next(time.Second)); got != "GW/7:Level=3 GW/7:Pump=true" {
		t.Errorf("got %q", got)
	}
	if d := time.Since(began); d < 150*time.Millisecond {
		t.Errorf("after %s", d)
	}
}

func TestMaxInterval(t *testing.T) {
	f := newFake()
	link, in, _ := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1' maxInt='PT0.01S'", "<nd id='GW/7'/><f n='Level'/>")) // at least 100 ms
	for range 3 {
		began := time.Now()
		if got := values(in.next(time.Second)); got != "GW/7:Level=1.5 m" {
			t.Errorf("got %q", got)
		}
		if d := time.Since(began); d < 60*time.Millisecond {
			t.Errorf("after %s", d)
		}
	}
	if f.interval() != leastMaxInt {
		t.Errorf("wanted every %s", f.interval())
	}
}

// A silent device does not hold back what others delivered.
func TestNowWithSlowNode(t *testing.T) {
	f := newFake()
	f.hold = make(chan struct{})
	link, in, _ := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1' req='true'", "<nd id='Root'/><nd id='GW/8'/>"))
	if got := values(in.next(2 * time.Second)); got != "Root:Uptime=1m0s" {
		t.Errorf("got %q", got)
	}
	close(f.hold)
	if got := values(in.next(time.Second)); got != "GW/8:Level=2.5 m" {
		t.Errorf("got %q", got)
	}
}

func TestConditions(t *testing.T) {
	num := func(f float64) nodes.Value { return nodes.Quantity(f, 2, "m") }
	bad := field("F", num(5))
	bad.QoS = nodes.Erroneous
	for _, c := range []struct {
		name, f string
		start   nodes.Value
		stale   bool
		then    []nodes.Value
		want    string // for each value whether it triggers
	}{
		{"any", "", num(5), false, []nodes.Value{num(5.01), num(5.02)}, "yy"},
		{"by", "by='0.5'", num(5), false, []nodes.Value{num(5.49), num(4.51), num(5.5), num(5.9), num(6), num(5.5)}, "nnynyy"},
		{"rounded", "by='0.1'", num(0.2), false, []nodes.Value{num(0.3)}, "y"},
		{"up", "up='1'", num(5), false, []nodes.Value{num(1), num(5.9), num(6)}, "nny"},
		{"down", "dn='1'", num(5), false, []nodes.Value{num(9), num(4.1), num(4)}, "nny"},
		{"up and down", "up='2' dn='1'", num(5), false, []nodes.Value{num(6), num(4), num(6)}, "nyy"},
		{"what the client thinks", "by='1' v='7'", num(5), false, []nodes.Value{num(6.5), num(8)}, "ny"},
		{"empty v", "by='1' v=''", num(5), false, []nodes.Value{num(5.5), num(6)}, "ny"},
		{"not known", "by='1'", num(5), true, []nodes.Value{num(5), num(5.5), num(6)}, "yny"},
		{"boolean", "by='1'", nodes.Bool(false), false, []nodes.Value{nodes.Bool(true), nodes.Bool(false)}, "yy"},
		{"boolean up", "up='1'", nodes.Bool(false), false, []nodes.Value{nodes.Bool(true), nodes.Bool(false)}, "yn"},
		{"text", "by='1'", nodes.String("a"), false, []nodes.Value{nodes.String("b"), nodes.String("b"), nodes.String("a")}, "yny"},
		{"text up", "up='1'", nodes.Enum("b", "t"), false, []nodes.Value{nodes.Enum("a", "t"), nodes.Enum("c", "t")}, "ny"},
		{"text down", "dn='1'", nodes.Enum("b", "t"), false, []nodes.Value{nodes.Enum("c", "t"), nodes.Enum("a", "t")}, "ny"},
		{"time", "by='60'", nodes.DateTime(at), false, []nodes.Value{nodes.DateTime(at.Add(time.Second)), nodes.DateTime(at.Add(time.Minute))}, "ny"},
		{"day", "by='86400'", nodes.Date(at), false, []nodes.Value{nodes.Date(at), nodes.Date(at.Add(24 * time.Hour))}, "ny"},
		{"duration", "up='3600'", nodes.Duration(0, 0), false, []nodes.Value{nodes.Duration(0, time.Minute), nodes.Duration(1, 0)}, "ny"},
		{"time of day", "by='10'", nodes.TimeOfDay(0), false, []nodes.Value{nodes.TimeOfDay(time.Second), nodes.TimeOfDay(time.Minute)}, "ny"},
		{"kind", "by='100'", num(5), false, []nodes.Value{nodes.String("5")}, "y"},
	} {
		f := newFake()
		f.stale = c.stale
		f.fields["GW/7"] = []nodes.Field{field("F", c.start)}
		link, in, _ := peer(t, f)
		if _, err := link.AskRaw(t.Context(), "get", subscribe(NSNFI, "id='1'", "<nd id='GW/7'/><f n='F' "+c.f+"/>")); err != nil {
			t.Fatal(err)
		}
		got := ""
		for i, v := range c.then {
			f.set("GW/7", field("F", v))
			wait := 2 * time.Second
			if c.want[i] == 'n' {
				wait = 35 * time.Millisecond
			}
			if e := in.next(wait); e != nil {
				got += "y"
			} else {
				got += "n"
			}
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
		if c.name == "up" { // a failure is told whatever the value
			f.set("GW/7", bad)
			if e := in.next(time.Second); e == nil {
				t.Error("the error flag was not told")
			}
		}
	}
}

// Only what is wanted triggers and is sent.
func TestWanted(t *testing.T) {
	f := newFake()
	link, in, _ := peer(t, f)
	ask(t, link, "get", subscribe(NSNFI, "id='1' m='true'", "<nd id='GW/7'/><f n='Level'/><f n='Serial'/>"))
	f.set("GW/7", field("Pump", nodes.Bool(true)))
	f.set("GW/7", nodes.Field{Name: "Serial", Value: nodes.String("8"), Time: at, Category: nodes.Identity})
	if e := in.next(40 * time.Millisecond); e != nil {
		t.Errorf("got %s", values(e))
	}
	f.set("GW/7", field("Level", nodes.Int32(2)), field("Pump", nodes.Bool(false)))
	if got := values(in.next(time.Second)); got != "GW/7:Level=2" {
		t.Errorf("got %q", got)
	}
}

// Every request gets exactly one well-formed answer, and nothing is left of it once
// its sender is gone.
func FuzzServe(f *testing.F) {
	f.Add(subscribe(NSNF, "id='7' all='1' minInt='PT1S' maxInt='PT2S' maxAge='P1D' req='true'", "<nd id='GW/7' src='MeteringTopology'/><f n='Level' v='1' by='1' up='2' dn='3'/>"))
	f.Add(subscribe(NSNF, "id='7'", ""))
	f.Add("<unsubscribe xmlns='" + NSNF + "' id='7'/>")
	backend := newFake()
	link, in, s := peer(f, backend)
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
		if _, err := wire.Parse(string(answer)); err != nil && len(answer) > 0 {
			t.Errorf("%v: %s", err, answer)
		}
		s.Gone(link.Net().Server, "")
		eventually(t, "the watch ended", func() bool { return backend.watching() == 0 })
		if len(answers) > 0 {
			t.Error("two answers")
		}
		for len(in) > 0 {
			<-in
		}
	})
}
