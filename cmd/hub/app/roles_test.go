package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/interfaces"
	"github.com/fieldhub/hub/xmppface/owner"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/synchronization"
	"github.com/fieldhub/hub/xmppface/wire"
)

// What an operation needs that is not a right.
const (
	anybody nodes.Rights = 0
	// begun is what one only does to what one has begun, so that without that it is not
	// there for anybody.
	begun nodes.Rights = 1 << 7
	// hubwide is in place of a node: only who administers the whole hub has it.
	hubwide nodes.Rights = 1 << 6
)

const submit = "<x xmlns='jabber:x:data' type='submit'>"

// operation is a request that anybody may try. {n} and {m} stand for two machines, {u}
// for what differs in each request; without them it is about a source.
type operation struct {
	space, typ, name string
	need             nodes.Rights // beside See
	attrs, children  string
}

// allOperations are the operations of all namespaces, each with what it needs.
var allOperations = []operation{
	{concentrator.NSNF, "get", "getCapabilities", anybody, "", ""},
	{concentrator.NSNF, "get", "getAllDataSources", anybody, "", ""},
	{concentrator.NSNF, "get", "getRootDataSources", anybody, "", ""},
	{concentrator.NSNF, "get", "containsNode", anybody, "id='{n}'", ""},
	{concentrator.NSNF, "get", "containsNodes", anybody, "", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "get", "getChildDataSources", nodes.See, "src='MeteringTopology'", ""},
	{concentrator.NSNF, "get", "getNode", nodes.See, "id='{n}' parameters='true' messages='true'", ""},
	{concentrator.NSNF, "get", "getNodes", nodes.See, "parameters='true'", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "get", "getAllNodes", nodes.See, "src='MeteringTopology'", ""},
	{concentrator.NSNF, "get", "getNodeInheritance", nodes.See, "id='{n}'", ""},
	{concentrator.NSNF, "get", "getRootNodes", nodes.See, "src='MeteringTopology'", ""},
	{concentrator.NSNF, "get", "getChildNodes", nodes.See, "id='{n}'", ""},
	{concentrator.NSNF, "get", "getAncestors", nodes.See, "id='{n}'", ""},
	{concentrator.NSNF, "get", "getNodeCommands", nodes.See, "id='{n}'", ""},
	{concentrator.NSNF, "get", "getCommonNodeCommands", nodes.See, "", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "set", "subscribe", nodes.See, "src='MeteringTopology' ttl='600'", ""},
	{concentrator.NSNF, "set", "unsubscribe", nodes.See, "src='MeteringTopology'", ""},
	{concentrator.NSNF, "get", "getAddableNodeTypes", nodes.Configure, "id='{n}'", ""},
	{concentrator.NSNF, "get", "getParametersForNewNode", nodes.Configure, "id='{n}' type='machine.value'", ""},
	{concentrator.NSNF, "set", "createNewNode", nodes.Configure, "id='{n}' type='machine.value'", submit + "<field var='Name'><value>{u}</value></field></x>"},
	{concentrator.NSNF, "set", "destroyNode", nodes.Configure, "id='{n}/spare'", ""},
	{concentrator.NSNF, "get", "getNodeParametersForEdit", nodes.Configure, "id='{n}/speed'", ""},
	{concentrator.NSNF, "set", "setNodeParametersAfterEdit", nodes.Configure, "id='{n}/speed'", submit + "<field var='Writable'><value>true</value></field></x>"},
	{concentrator.NSNF, "set", "setNodeParametersForEdit", nodes.Configure, "id='{n}/speed'", submit + "<field var='Writable'><value>true</value></field></x>"},
	{concentrator.NSNF, "get", "getCommonNodeParametersForEdit", nodes.Configure, "", "<nd id='{n}/speed'/><nd id='{m}/speed'/>"},
	{concentrator.NSNF, "set", "setCommonNodeParametersAfterEdit", nodes.Configure, "", "<nd id='{n}/speed'/><nd id='{m}/speed'/>" + submit + "<field var='Writable'><value>true</value></field></x>"},
	{concentrator.NSNF, "set", "moveNodeUp", nodes.Configure, "id='{n}/speed'", ""},
	{concentrator.NSNF, "set", "moveNodeDown", nodes.Configure, "id='{n}/speed'", ""},
	{concentrator.NSNF, "set", "moveNodesUp", nodes.Configure, "", "<nd id='{n}/speed'/><nd id='{m}/speed'/>"},
	{concentrator.NSNF, "set", "moveNodesDown", nodes.Configure, "", "<nd id='{n}/speed'/><nd id='{m}/speed'/>"},
	{concentrator.NSNF, "get", "getCommandParameters", nodes.Configure, "id='{n}' command='Label'", ""},
	{concentrator.NSNF, "set", "executeNodeCommand", nodes.Configure, "id='{n}' command='Reset'", ""},
	{concentrator.NSNF, "set", "executeNodeQuery", nodes.Configure, "id='{n}' command='Recipe' queryId='{u}'", ""},
	{concentrator.NSNF, "set", "executeNodeQuery", nodes.Read, "id='{n}' command='ReadoutReport' queryId='{u}'", ""},
	{concentrator.NSNF, "set", "executeNodeQuery", nodes.See, "id='{n}' command='FaultReport' queryId='{u}'", ""},
	{concentrator.NSNF, "get", "getCommonCommandParameters", nodes.Configure, "command='Label'", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "set", "executeCommonNodeCommand", nodes.Configure, "command='Reset'", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "set", "executeCommonNodeQuery", nodes.Configure, "command='Recipe' queryId='{u}'", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "set", "abortNodeQuery", begun, "id='{n}' command='Recipe' queryId='{u}-other'", ""},
	{concentrator.NSNF, "set", "abortCommonNodeQuery", begun, "command='Recipe' queryId='{u}-other'", "<nd id='{n}'/><nd id='{m}'/>"},
	{concentrator.NSNF, "set", "registerSniffer", nodes.Listen, "id='{n}'", ""},
	{concentrator.NSNF, "set", "unregisterSniffer", begun, "id='{n}' snifferId='other'", ""},

	{sensordata.NSNF, "get", "req", nodes.Read, "id='{u}' all='true'", "<nd id='{n}'/>"},
	{sensordata.NSNF, "get", "req", nodes.Read, "id='{u}' all='true'", "<nd id='{n}'/><nd id='{m}'/>"},
	{sensordata.NSNF, "get", "req", nodes.Read, "id='{u}' all='true' when='{later}'", "<nd id='{n}'/>"},
	{sensordata.NSNF, "get", "cancel", anybody, "id='{u}-other'", ""},
	{events.NSNF, "set", "subscribe", nodes.Read, "id='e' m='true'", "<nd id='{n}'/>"},
	{events.NSNF, "set", "subscribe", nodes.Read, "id='e' m='true'", "<nd id='{n}'/><nd id='{m}'/>"},
	{events.NSNF, "set", "unsubscribe", begun, "id='other'", ""},
	{control.NSNF, "get", "getForm", nodes.Control, "", "<nd id='{n}'/>"},
	{control.NSNF, "get", "getForm", nodes.Control, "", "<nd id='{n}'/><nd id='{m}'/>"},
	{control.NSNF, "set", "set", nodes.Control, "", "<nd id='{n}'/><i n='speed' v='1'/>"},
	{control.NSNF, "set", "set", nodes.Control, "", "<nd id='{n}'/><nd id='{m}'/><i n='speed' v='1'/>"},
	{interfaces.NSNF, "get", "getInterfaces", nodes.See, "id='{n}'", ""},
	{interfaces.NSOld, "get", "getInterfaces", nodes.See, "sourceId='MeteringTopology' nodeId='{n}'", ""},
	{synchronization.NSNF, "get", "req", anybody, "", ""},

	{owner.NS, "get", "export", hubwide, "", ""},
	{owner.NS, "set", "import", hubwide, "id='{u}'", "nodes:"},
	{owner.NS, "set", "backup", hubwide, "", ""},
	{owner.NS, "set", "restore", hubwide, "file='/nowhere.backup'", ""},
	{owner.NS, "get", "status", hubwide, "", ""},
	{owner.NS, "get", "users", hubwide, "", ""},
	{owner.NS, "set", "user", hubwide, "name='{u}' password='x y z 1 2 3'", ""},
	{owner.NS, "get", "audit", hubwide, "", ""},
	{owner.NS, "get", "explain", hubwide, "jid='x@example.org' way='broker' id='{n}'", ""},

	{"http://jabber.org/protocol/disco#info", "get", "query", anybody, "", ""},
	{"http://jabber.org/protocol/disco#items", "get", "query", anybody, "", ""},
	{"urn:xmpp:ping", "get", "ping", anybody, "", ""},
	{"jabber:iq:version", "get", "query", anybody, "", ""},
}

// payload is the request about two machines.
func (o operation) payload(n, m, unique string) string {
	return strings.NewReplacer("{n}", n, "{m}", m, "{u}", unique, "{later}", time.Now().Add(24*time.Hour).UTC().Format(time.RFC3339)).Replace(
		"<" + o.name + " xmlns='" + o.space + "' " + o.attrs + ">" + o.children + "</" + o.name + ">")
}

// loud is a machine with traffic, a value that changes and a query that goes on.
type loud struct {
	*machine
	count string
}

func loudMachines() adapters.Factory {
	f := machineAdapter()
	f.Types[0].Caps |= nodes.CanSniff
	open := f.Open
	f.Open = func(e adapters.Env) (nodes.Device, error) {
		d, err := open(e)
		if err != nil {
			return nil, err
		}
		l := &loud{machine: d.(*machine)}
		for _, c := range e.Node.Children {
			if c.Name == "count" {
				l.count = c.ID
			}
		}
		return l, nil
	}
	return f
}

func (l *loud) Run(ctx context.Context) error {
	for n := 0; ctx.Err() == nil; n++ {
		l.mu.Lock()
		l.values[l.count] = nodes.Quantity(float64(n), 0, "")
		l.mu.Unlock()
		l.env.Tap.Rx(l.env.Node.ID, []byte{byte(n)})
		l.report()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
	}
	return nil
}

func (l *loud) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	for n := 0; command == "Wait"; n++ {
		if err := put(nodes.QueryStatus(fmt.Sprint("count ", n))); err != nil {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return l.machine.Query(ctx, node, command, p, put)
}

// rolesHub runs a whole hub with two branches of machines, "in" and "out".
func rolesHub(t *testing.T) *hub { return limitedHub(t, config.Limits{}) }

func limitedHub(t *testing.T, limits config.Limits) *hub {
	t.Helper()
	ready := make(chan *hub)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	cfg := &config.Config{Data: t.TempDir(), Local: config.Local{Listen: "127.0.0.1:0"}, Limits: limits}
	go func() {
		ended <- runHub(ctx, cfg, slog.New(slog.DiscardHandler), []adapters.Factory{loudMachines()}, func(h *hub) (func(), error) {
			if err := h.waitLocal(ctx); err != nil {
				return nil, err
			}
			ready <- h
			return nil, nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the hub: %v", err)
		}
	})
	var h *hub
	select {
	case h = <-ready:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	value := func(name string) *nodes.Node {
		return &nodes.Node{Spec: nodes.Spec{Name: name, Type: "machine.value", Params: nodes.Params{"Writable": nodes.Bool(true)}}}
	}
	var branches []*nodes.Node
	for _, branch := range []string{"in", "out"} {
		b := &nodes.Node{Spec: nodes.Spec{Name: branch, Type: nodes.TypeFolder}}
		for _, name := range []string{"M", "N"} {
			b.Children = append(b.Children, &nodes.Node{Spec: nodes.Spec{Name: name, Type: "machine.machine"},
				Children: []*nodes.Node{value("count"), value("speed"), value("spare")}})
		}
		branches = append(branches, b)
	}
	if err := h.tree.Import(ctx, branches); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		fresh := 0
		for _, id := range []string{"in/M", "in/N", "out/M", "out/N"} {
			if _, ok, _ := h.tree.Current(id); ok {
				fresh++
			}
		}
		if fresh == 4 {
			return h
		}
		if time.Now().After(until) {
			t.Fatal("the machines do not run")
		}
	}
}

// visitor is a client of the hub.
type visitor struct {
	*xmppface.Session
	name string
	hub  string // its full address

	mu    sync.Mutex
	heard []string // messages
}

var listened = []string{sensordata.NSNF, concentrator.NSNF, events.NSNF}

func (p *visitor) Spaces() []string     { return listened }
func (p *visitor) Serve(r *ext.Request) { r.Result(nil) }
func (p *visitor) Receive(m *ext.Message) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.heard = append(p.heard, string(m.Payload.Append(nil, "")))
}

func join(t *testing.T, h *hub, name string) *visitor {
	t.Helper()
	if err := h.users.AddUser(name, "secret"); err != nil {
		t.Fatal(err)
	}
	s, err := h.face(nodes.WayLocal).WaitOnline(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := &visitor{name: name, hub: s.Self()}
	p.dial(t, h)
	return p
}

// dial opens a session that runs until the test ends.
func (p *visitor) dial(t *testing.T, h *hub) {
	t.Helper()
	var err error
	p.Session, err = xmppface.Dial(t.Context(), xmppface.Account{JID: p.name + "@" + h.local.Domain(), Password: "secret", Server: h.owner.Address,
		CAFile: filepath.Join(h.db.Dir(), "local.pem"), Log: slog.New(slog.DiscardHandler)}, p)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); p.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
}

// ask returns the answer, or the condition of the error with what it says.
func (p *visitor) ask(t *testing.T, typ, payload string) (answer, condition string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	e, err := p.Ask(ctx, p.hub, typ, []byte(payload))
	var failure *ext.StanzaError
	switch {
	case errors.As(err, &failure):
		return failure.Text, failure.Condition
	case err != nil:
		t.Fatalf("%s: %s: %v", p.name, payload, err)
	case e != nil:
		return string(e.Append(nil, "")), ""
	}
	return "", ""
}

// give puts rights in place of all that people had.
func give(h *hub, on []nodes.Ref, rights map[string]nodes.Rights) {
	rules := h.rules(h.cfg)
	for name, r := range rights {
		rules = append(rules, datasources.Rule{Who: []string{name + "@" + h.local.Domain()}, Way: nodes.WayLocal, May: r, On: on})
	}
	h.access.Replace(rules)
}

// TestAllRoles: a stranger and everyone with each right alone, with each missing and
// with all, tries every operation of every namespace, on nodes of his branch, of another
// one, and on one of each, through the whole hub and its own server. He gets exactly what
// he may: what he may not see is not there, what he may see and not do is forbidden.
func TestAllRoles(t *testing.T) {
	t.Parallel()
	h := rolesHub(t)
	rights := map[string]nodes.Rights{"stranger": 0, "blind": nodes.AllRights &^ nodes.See, "see": nodes.See, "all": nodes.AllRights}
	for r := nodes.Read; r <= nodes.Administer; r <<= 1 {
		name := strings.ToLower(r.String())
		rights[name], rights["not-"+name] = nodes.See|r, nodes.AllRights&^r
	}
	var people []*visitor
	for name := range rights {
		people = append(people, join(t, h, name))
	}
	slices.SortFunc(people, func(a, b *visitor) int { return strings.Compare(a.name, b.name) })
	checkComplete(t, people[0])
	unique := 0
	for _, scope := range []struct {
		name string
		on   []nodes.Ref
	}{
		{"on a branch", []nodes.Ref{nodes.In("in")}},
		{"on everything", nil},
	} {
		give(h, scope.on, rights)
		for _, where := range [][2]string{{"in/M", "in/N"}, {"out/M", "out/N"}, {"in/M", "out/N"}} {
			for _, p := range people {
				for _, o := range allOperations {
					about := strings.Contains(o.attrs+o.children, "{n}")
					both := strings.Contains(o.children, "{m}")
					if scope.on == nil && where != [2]string{"in/M", "in/N"} || where[0] == "out/M" && !about || where == [2]string{"in/M", "out/N"} && !both {
						continue // tried already
					}
					hidden := scope.on != nil && about && (strings.HasPrefix(where[0], "out") || both && strings.HasPrefix(where[1], "out"))
					has := rights[p.name]
					if has&nodes.See == 0 {
						has = 0
					}
					want := ""
					switch {
					case o.need == anybody:
					case o.need == hubwide:
						if has&nodes.Administer == 0 || scope.on != nil {
							want = "service-unavailable"
						}
					case o.need == begun, has == 0, hidden:
						want = "item-not-found"
					case has&o.need != o.need:
						want = "forbidden"
					}
					unique++
					text := fmt.Sprintf("u%d", unique)
					respawn(t, h, where[0])
					payload := o.payload(where[0], where[1], text)
					answer, got := p.ask(t, o.typ, payload)
					if o.need == hubwide && want == "" && got != "service-unavailable" && got != "forbidden" {
						got = "" // the owner's own mistakes
					}
					if want == "item-not-found" && got == "forbidden" && where[0] == "in/M" && has&o.need != o.need {
						want = got // on the node that he sees, which comes first
					}
					if got != want {
						t.Errorf("%s, %s: %s: got %q (%.200s), want %q", p.name, scope.name, payload, got, answer, want)
					}
					if o.need != hubwide && about && (has == 0 || hidden) {
						checkSilent(t, p, o, payload, answer, has == 0)
					}
				}
			}
		}
	}
}

// checkSilent asks for nodes that do not exist: the answer about those that one may not
// see is the same.
func checkSilent(t *testing.T, p *visitor, o operation, payload, answer string, blind bool) {
	t.Helper()
	away, back := []string{"'out/", "'zut/"}, []string{"zut/", "out/"}
	if blind {
		away, back = append(away, "'in/", "'yn/"), append(back, "yn/", "in/")
	}
	other, _ := p.ask(t, o.typ, strings.NewReplacer(away...).Replace(payload))
	if other = strings.NewReplacer(back...).Replace(other); other != answer {
		t.Errorf("%s: %s: got %s, but for nodes that do not exist %s", p.name, payload, answer, other)
	}
}

// respawn brings back the node that is there to be destroyed.
func respawn(t *testing.T, h *hub, machine string) {
	t.Helper()
	if h.tree.Has(machine + "/spare") {
		return
	}
	if _, err := h.tree.Create(t.Context(), nodes.NewNode{Parent: nodes.In(machine), Type: "machine.value", Name: "spare"}); err != nil {
		t.Fatal(err)
	}
}

// checkComplete compares the list of operations with what the hub says that it serves.
func checkComplete(t *testing.T, p *visitor) {
	t.Helper()
	covered := func(space, name string) bool {
		return slices.ContainsFunc(allOperations, func(o operation) bool { return o.space == space && (name == "" || o.name == name) })
	}
	parsed := func(answer string) *wire.Element {
		e, err := wire.Parse(answer)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	answer, _ := p.ask(t, "get", "<getCapabilities xmlns='"+concentrator.NSNF+"'/>")
	n := 0
	for _, v := range parsed(answer).Children {
		n++
		if !covered(concentrator.NSNF, v.Text) {
			t.Errorf("no request for %s", v.Text)
		}
	}
	if n < 39 {
		t.Errorf("the concentrator has %d operations", n)
	}
	answer, _ = p.ask(t, "get", "<query xmlns='http://jabber.org/protocol/disco#info'/>")
	for _, f := range parsed(answer).Children {
		space := f.Attr("var")
		family := strings.NewReplacer("urn:ieee:iot:", "urn:nf:iot:", "urn:nfi:iot:", "urn:nf:iot:").Replace(space)
		if f.Name.Local == "feature" && !covered(space, "") && !covered(family, "") && !slices.Contains(notRequests, family) {
			t.Errorf("no request in %s", space)
		}
	}
}

// notRequests are features without requests.
var notRequests = []string{"http://jabber.org/protocol/caps"}

// TestOtherSource: a right on one source tells nothing of another, which looks as one
// that does not exist; a rule for another way in is about somebody else.
func TestOtherSource(t *testing.T) {
	t.Parallel()
	h := rolesHub(t)
	p, q := join(t, h, "all"), join(t, h, "same-name")
	give(h, []nodes.Ref{nodes.In("in"), nodes.In("out")}, map[string]nodes.Rights{"all": nodes.AllRights})
	part := h.parts[0].id
	for _, payload := range []string{
		"<getAllNodes xmlns='" + concentrator.NSNF + "' src='Hub'/>",
		"<getRootNodes xmlns='" + concentrator.NSNF + "' src='Hub'/>",
		"<getChildDataSources xmlns='" + concentrator.NSNF + "' src='Hub'/>",
		"<getNode xmlns='" + concentrator.NSNF + "' src='Hub' id='" + part + "'/>",
		"<getNodeCommands xmlns='" + concentrator.NSNF + "' src='Hub' id='" + part + "'/>",
		"<getNodeParametersForEdit xmlns='" + concentrator.NSNF + "' src='Hub' id='" + part + "'/>",
		"<containsNode xmlns='" + concentrator.NSNF + "' src='Hub' id='" + part + "'/>",
		"<req xmlns='" + sensordata.NSNF + "' id='1'><nd src='Hub' id='" + part + "'/></req>",
		"<getForm xmlns='" + control.NSNF + "'><nd src='Hub' id='" + part + "'/></getForm>",
		"<getInterfaces xmlns='" + interfaces.NSNF + "' src='Hub' id='" + part + "'/>",
	} {
		answer, condition := p.ask(t, "get", payload)
		want, wanted := p.ask(t, "get", strings.Replace(payload, "'Hub'", "'Nub'", 1))
		if condition != wanted || answer != strings.ReplaceAll(want, "Nub", "Hub") || condition == "" && !strings.Contains(answer, ">false<") {
			t.Errorf("%s: %s %s, of a source that does not exist %s %s", payload, condition, answer, wanted, want)
		}
	}
	if answer, _ := p.ask(t, "get", "<getAllDataSources xmlns='"+concentrator.NSNF+"'/>"); strings.Contains(answer, "Hub") || !strings.Contains(answer, nodes.DefaultSource) {
		t.Errorf("sources: %s", answer)
	}
	h.access.Replace([]datasources.Rule{{Who: []string{"same-name@" + h.local.Domain()}, Way: nodes.WayBroker, May: nodes.AllRights},
		{Who: []string{"@" + h.local.Domain()}, Way: nodes.WayBroker, May: nodes.AllRights}})
	if answer, condition := q.ask(t, "get", "<getNode xmlns='"+concentrator.NSNF+"' id='in/M'/>"); condition != "item-not-found" {
		t.Errorf("by another way in: %s %s", condition, answer)
	}
	h.access.Replace([]datasources.Rule{{Who: []string{"@" + h.local.Domain()}, Way: nodes.WayLocal, May: nodes.See}})
	if answer, condition := q.ask(t, "get", "<getNode xmlns='"+concentrator.NSNF+"' id='in/M'/>"); condition != "" {
		t.Errorf("by his domain: %s %s", condition, answer)
	}
	if answer, condition := q.ask(t, "get", "<req xmlns='"+sensordata.NSNF+"' id='1'><nd id='in/M'/></req>"); condition != "forbidden" {
		t.Errorf("by his domain: %s %s", condition, answer)
	}
}
