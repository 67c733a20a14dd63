package xmpptest_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/interfaces"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/synchronization"
	"github.com/fieldhub/hub/xmppface/wire"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// panel is a device with a lamp and a fan that can be set.
type panel struct {
	env adapters.Env
	mu  sync.Mutex
	on  bool
	fan float64
}

func panels() adapters.Factory {
	return adapters.Factory{Name: "panel", Types: []nodes.Type{{Name: "panel", Title: "Panel", Parents: []string{nodes.TypeRoot}, Connects: true, Caps: nodes.CanRead | nodes.CanControl,
		Controls: func(*nodes.Spec) []nodes.Param {
			return []nodes.Param{{ID: "Lamp", Kind: nodes.KindBool}, {ID: "Fan", Kind: nodes.KindDouble, Min: nodes.Double(0), Max: nodes.Double(100)}}
		}}},
		Open: func(e adapters.Env) (nodes.Device, error) { return &panel{env: e}, nil }}
}

func (p *panel) Update(nodes.Change) {}

func (p *panel) Run(ctx context.Context) error {
	p.report()
	<-ctx.Done()
	return nil
}

func (p *panel) report() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	p.env.Host.Report([]nodes.Reading{{Node: p.env.Node.ID, MaxAge: time.Hour, Fields: []nodes.Field{
		{Name: "Lamp", Value: nodes.Bool(p.on), Time: now, Category: nodes.Momentary, Writable: true},
		{Name: "Fan", Value: nodes.Quantity(p.fan, 1, "%"), Time: now, Category: nodes.Momentary, Writable: true},
		{Name: "Serial", Value: nodes.String("P-7 <&>"), Time: now, Category: nodes.Identity}}}})
}

func (p *panel) Set(_ context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	for i, s := range list {
		p.mu.Lock()
		if s.Name == "Lamp" {
			p.on = s.Value.Bool()
		} else {
			p.fan = s.Value.Double()
		}
		p.mu.Unlock()
		p.report()
		yield(i, nodes.Outcome{State: nodes.WriteDone, Time: time.Now()})
	}
}

// startHub runs a hub with a panel "p" on a server, for the account ops.
func startHub(t *testing.T, srv xmpptest.Server) *xmppface.Session {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	set, err := adapters.NewSet(panels())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := tree.New(tree.Config{Types: set.Types(), Store: &tree.Memory{}, Opener: set})
	if err != nil {
		t.Fatal(err)
	}
	run := func(f func(context.Context) error) {
		ctx, cancel := context.WithCancel(context.Background())
		var wg sync.WaitGroup
		t.Cleanup(func() { cancel(); wg.Wait() })
		wg.Go(func() { f(ctx) })
	}
	run(tr.Run)
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "panel", Name: "p",
		Params: nodes.Params{nodes.ParamInterfaces: nodes.String("actuator:lamp\nactuator:fan\nsensor:temperature")}}); err != nil {
		t.Fatal(err)
	}
	tr.Report([]nodes.Reading{{Node: nodes.RootID, Fields: []nodes.Field{{Name: "Version", Value: nodes.String("1"), Time: time.Now(), Category: nodes.Identity}}}})
	for end := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		if _, fresh, _ := tr.Current("p"); fresh {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the panel does not report")
		}
	}
	cat := datasources.New(datasources.NewAccess(datasources.Rule{Who: []string{"ops@" + srv.Domain()}, May: nodes.AllRights}), set.Tap, tr)
	list := []ext.Extension{sensordata.New(cat, quiet), events.New(cat, quiet), control.New(cat, quiet), interfaces.New(cat), synchronization.New("clock.example.org")}
	for _, x := range list {
		if r, ok := x.(ext.Runner); ok {
			run(r.Run)
		}
	}
	s, err := xmppface.Dial(t.Context(), xmppface.Account{JID: "hub@" + srv.Domain(), Password: "pw", Server: srv.Addr(), CAFile: srv.CAFile(),
		Welcome: cat.Friend, Log: quiet}, append(list, disco.New("hub", list...))...)
	if err != nil {
		t.Fatal(err)
	}
	run(s.Run)
	return s
}

// conditionOf is what an error says: its type, condition, and the parameters that it
// names.
func conditionOf(e *wire.Element) string {
	if e == nil || e.Name.Local != "error" {
		return "no error"
	}
	out := e.Attr("type")
	for _, c := range e.Children {
		switch {
		case c.Name.Space == "urn:ietf:params:xml:ns:xmpp-stanzas" && c.Name.Local != "text":
			out += " " + c.Name.Local
		case c.Name.Local == "paramError":
			out += " " + c.Attr("var")
		}
	}
	return out
}

// shown are the fields of a resp, in short.
func shown(e *wire.Element) string {
	if e == nil {
		return "nothing"
	}
	out := e.Name.Local
	e.EachReading(func(ref nodes.Ref, fields []nodes.Field, failures []wire.Failure) {
		for _, f := range fields {
			out += " " + ref.ID + ":" + f.Name + "=" + f.Value.String()
			if f.Writable {
				out += "*"
			}
		}
		for _, f := range failures {
			out += " " + ref.ID + "!" + f.Text
		}
	})
	return out
}

// TestIndependentClient: slixmpp reads, watches and sets by raw stanzas, in each
// family, through Prosody.
func TestIndependentClient(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{})
	for _, name := range []string{"hub", "ops", "stranger"} {
		srv.AddUser(t, name, "pw")
	}
	hub := startHub(t, srv)
	c := xmpptest.StartSlixmpp(t, srv, "ops", "pw")
	to := hub.Self()
	c.Presence("hub@"+srv.Domain(), "subscribe")
	c.Sees(t, to, "available")
	c.Presence("hub@"+srv.Domain(), "subscribed")
	_, info := c.Ask(t, to, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	features := string(info.Append(nil, ""))
	for _, family := range []string{"nfi", "nf", "ieee"} {
		ns := func(name string) string { return "urn:" + family + ":iot:" + name + ":1.0" }
		for _, name := range []string{"sd", "events", "ctr", "hi", "synchronization"} {
			if !strings.Contains(features, "'"+ns(name)+"'") {
				t.Errorf("disco does not list %s", ns(name))
			}
		}
		good := func(what, typ, payload, want string, show func(*wire.Element) string) {
			t.Helper()
			kind, e := c.Ask(t, to, typ, payload)
			got := ""
			if e != nil {
				got = show(e)
			}
			if kind != "result" || got != want {
				t.Errorf("%s in %s: %s %q, want %q", what, family, kind, got, want)
			}
		}
		whole := func(e *wire.Element) string { return string(e.Append(nil, "")) }
		good("set", "set", "<set xmlns='"+ns("ctr")+"'><nd id='p'/><b n='Lamp' v='false'/><db n='Fan' v='10'/></set>",
			"<resp xmlns='"+ns("ctr")+"'><nd id='p'/><p n='Lamp'/><p n='Fan'/></resp>", whole)
		good("readout", "get", "<req xmlns='"+ns("sd")+"' id='1' m='true'><nd id='p'/></req>", "resp p:Lamp=false* p:Fan=10.0 %*", shown)
		good("readout of what it is", "get", "<req xmlns='"+ns("sd")+"' id='2' i='true'><nd id='p' src='MeteringTopology'/></req>", "resp p:Serial=P-7 <&>", shown)
		good("readout of the hub", "get", "<req xmlns='"+ns("sd")+"' id='3' all='true'/>", "resp :Version=1", shown)
		good("subscription", "set", "<subscribe xmlns='"+ns("events")+"' id='s1' m='true'><nd id='p'/><f n='Fan' by='5'/></subscribe>", "<accepted xmlns='"+ns("sd")+"' id='s1'/>", whole)
		good("set below the threshold", "set", "<set xmlns='"+ns("ctr")+"'><nd id='p'/><db n='Fan' v='14'/></set>",
			"<resp xmlns='"+ns("ctr")+"'><nd id='p'/><p n='Fan'/></resp>", whole)
		if m := c.Message(t, to, 100*time.Millisecond); m != nil {
			t.Errorf("below the threshold came %s", shown(m))
		}
		good("set above the threshold", "set", "<set xmlns='"+ns("ctr")+"'><nd id='p'/><i n='Fan' v='15'/></set>",
			"<resp xmlns='"+ns("ctr")+"'><nd id='p'/><p n='Fan'/></resp>", whole)
		if m := c.Message(t, to, 10*time.Second); shown(m) != "resp p:Fan=15.0 %*" || m.Name.Space != ns("sd") || m.Attr("id") != "s1" {
			t.Errorf("%s: above the threshold came %s", family, shown(m))
		}
		good("unsubscription", "set", "<unsubscribe xmlns='"+ns("events")+"' id='s1'/>", "", whole)
		good("form", "get", "<getForm xmlns='"+ns("ctr")+"'><nd id='p'/></getForm>", "Lamp=false Fan=15.0", func(e *wire.Element) string {
			var list []string
			for _, f := range e.Children {
				if v := f.Child("value"); f.Name.Local == "field" && v != nil {
					list = append(list, f.Attr("var")+"="+v.Text)
				}
			}
			return strings.Join(list, " ")
		})
		good("set by form", "set", "<set xmlns='"+ns("ctr")+"'><nd id='p'/><x xmlns='jabber:x:data' type='submit'><field var='Lamp'><value>1</value></field></x></set>",
			"<resp xmlns='"+ns("ctr")+"'><nd id='p'/><p n='Lamp'/></resp>", whole)
		good("interfaces", "get", "<getInterfaces xmlns='"+ns("hi")+"' id='p'/>",
			"<interfaces xmlns='"+ns("hi")+"'><interface ref='urn:nfi:iot:hi:actuator:lamp:1.0'/><interface ref='urn:nfi:iot:hi:actuator:fan:1.0'/></interfaces>", whole)
		good("clock source", "get", "<sourceReq xmlns='"+ns("synchronization")+"'/>", "<sourceResp xmlns='"+ns("synchronization")+"'>clock.example.org</sourceResp>", whole)
		for _, tt := range []struct{ typ, payload, want string }{
			{"get", "<req xmlns='" + ns("sd") + "' id='1'><nd id='nowhere'/></req>", "cancel item-not-found"},
			{"get", "<req xmlns='" + ns("sd") + "' id='1' from='yesterday'><nd id='p'/></req>", "cancel bad-request"},
			{"get", "<req xmlns='" + ns("sd") + "'><nd id='p'/></req>", "cancel bad-request"},
			{"set", "<subscribe xmlns='" + ns("events") + "' id='1' minInt='-PT1S'><nd id='p'/></subscribe>", "cancel bad-request"},
			{"set", "<unsubscribe xmlns='" + ns("events") + "' id='never'/>", "cancel item-not-found"},
			{"set", "<set xmlns='" + ns("ctr") + "'><nd id='p'/><db n='Fan' v='101'/></set>", "modify bad-request Fan"},
			{"set", "<set xmlns='" + ns("ctr") + "'><nd id='p'/><db n='Fan' v='NaN'/></set>", "modify bad-request Fan"},
			{"set", "<set xmlns='" + ns("ctr") + "'><nd id='p'/><b n='Lamp' v='true'/><s n='Fan' v='1'/></set>", "modify bad-request Fan"},
			{"set", "<set xmlns='" + ns("ctr") + "'><nd id='p'/><b n='Horn' v='true'/></set>", "modify item-not-found Horn"},
			{"set", "<set xmlns='" + ns("ctr") + "'><b n='Lamp' v='true'/></set>", "cancel item-not-found"},
			{"get", "<getInterfaces xmlns='" + ns("hi") + "' id='nowhere'/>", "cancel item-not-found"},
		} {
			if kind, e := c.Ask(t, to, tt.typ, tt.payload); kind != "error" || conditionOf(e) != tt.want {
				t.Errorf("%s: %s %s, want %s", tt.payload, kind, conditionOf(e), tt.want)
			}
		}
	}
	// It ends when its owner goes offline.
	if kind, _ := c.Ask(t, to, "set", "<subscribe xmlns='"+events.NSNFI+"' id='s2'><nd id='p'/></subscribe>"); kind != "result" {
		t.Error("not subscribed")
	}
	c.Presence("", "unavailable")
	for end := time.Now().Add(10 * time.Second); len(hub.Resources("ops@"+srv.Domain())) > 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the hub still sees its peer")
		}
	}
	c.Presence("", "")
	if kind, e := c.Ask(t, to, "set", "<unsubscribe xmlns='"+events.NSNFI+"' id='s2'/>"); conditionOf(e) != "cancel item-not-found" {
		t.Errorf("the subscription of who was offline: %s %s", kind, conditionOf(e))
	}
	// And when he no longer wants to see the hub.
	c.Sees(t, to, "available")
	if kind, _ := c.Ask(t, to, "set", "<subscribe xmlns='"+events.NSNFI+"' id='s3'><nd id='p'/></subscribe>"); kind != "result" {
		t.Error("not subscribed")
	}
	c.Presence("hub@"+srv.Domain(), "unsubscribe")
	if kind, e := c.Ask(t, to, "set", "<unsubscribe xmlns='"+events.NSNFI+"' id='s3'/>"); conditionOf(e) != "cancel item-not-found" {
		t.Errorf("the subscription of who unsubscribed: %s %s", kind, conditionOf(e))
	}
	// Who may see nothing sees nothing.
	stranger := xmpptest.StartSlixmpp(t, srv, "stranger", "pw")
	for _, payload := range []string{"<req xmlns='" + sensordata.NSNFI + "' id='1'><nd id='p'/></req>",
		"<subscribe xmlns='" + events.NSNFI + "' id='1'><nd id='p'/></subscribe>", "<getInterfaces xmlns='" + interfaces.NSNFI + "' id='p'/>"} {
		if kind, e := stranger.Ask(t, to, "get", payload); conditionOf(e) != "cancel item-not-found" {
			t.Errorf("a stranger's %s: %s %s", payload, kind, conditionOf(e))
		}
	}
	// A hub that restarts has another address: the former one goes offline.
	c.Forget()
	c.Presence("hub@"+srv.Domain(), "subscribe")
	c.Sees(t, to, "available")
	hub.Close()
	c.Sees(t, to, "unavailable")
}
