package xmpptest_test

import (
	"context"
	"errors"
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
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/wire"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// boxes have parameters of some kinds, a secret, and no device.
func boxes() adapters.Factory {
	return adapters.Factory{Name: "box", Types: []nodes.Type{{Name: "box", Title: "Box", Parents: []string{nodes.TypeRoot}, Params: []nodes.Param{
		{ID: "Host", Page: "Connection", Label: "Host", Kind: nodes.KindString, Required: true},
		{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(65535), Default: nodes.Int32(502)},
		{ID: "Password", Page: "Connection", Label: "Password", Kind: nodes.KindString, Secret: true},
	}}}, Open: func(adapters.Env) (nodes.Device, error) { return nil, errors.New("a box has no device") }}
}

// startConcentrator runs a hub without nodes, for the account ops; seer may only see.
func startConcentrator(t *testing.T, srv xmpptest.Server) (*xmppface.Session, *tree.Tree) {
	t.Helper()
	quiet := slog.New(slog.DiscardHandler)
	set, err := adapters.NewSet(boxes())
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
	cat := datasources.New(datasources.NewAccess(
		datasources.Rule{Who: []string{"ops@" + srv.Domain()}, May: nodes.AllRights},
		datasources.Rule{Who: []string{"seer@" + srv.Domain()}, May: nodes.See}), set.Tap, tr)
	server := concentrator.New(cat, quiet)
	run(server.Run)
	s, err := xmppface.Dial(t.Context(), xmppface.Account{JID: "hub@" + srv.Domain(), Password: "pw", Server: srv.Addr(), CAFile: srv.CAFile(),
		Welcome: cat.Friend, Log: quiet}, server, disco.New("hub", server))
	if err != nil {
		t.Fatal(err)
	}
	run(s.Run)
	return s, tr
}

// outlined is an element with what names its children.
func outlined(e *wire.Element) string {
	if e == nil {
		return ""
	}
	out := e.Name.Local
	for _, name := range []string{"id", "localId", "error"} {
		if v := e.Attr(name); v != "" {
			out += " " + name + "=" + v
		}
	}
	if text := strings.TrimSpace(e.Text); text != "" {
		out += " " + text
	}
	for _, c := range e.Children {
		name := c.Attr("id")
		for _, other := range []string{c.Attr("src"), c.Attr("command"), c.Attr("type")} {
			if name == "" {
				name = other
			}
		}
		switch c.Name.Local {
		case "nodeInfo", "dataSource", "command", "nodeType":
			out += " " + name
		case "bool", "value":
			out += " " + c.Text
		case "result":
			out += " " + c.Text
			if reason := c.Attr("error"); reason != "" {
				out += "(" + reason + ")"
			}
		}
	}
	return out
}

// fields are those of a form, in short: with their values, "≠" where nodes differ.
func fields(x *wire.Element) string {
	if x == nil || x.Name.Local != "x" {
		return "no form"
	}
	var list []string
	for _, f := range x.Children {
		if f.Name.Local != "field" {
			continue
		}
		text := f.Attr("var")
		if v := f.Child("value"); v != nil {
			text += "=" + v.Text
		}
		if f.Child("notSame") != nil {
			text += "≠"
		}
		if e := f.Child("error"); e != nil {
			text += "!"
		}
		list = append(list, text)
	}
	return strings.Join(list, " ")
}

// TestConcentratorByIndependentClient: slixmpp runs a hub by raw stanzas, as deployed
// clients write them, in each family, through each server.
func TestConcentratorByIndependentClient(t *testing.T) {
	t.Run("Prosody", func(t *testing.T) { concentratorThrough(t, xmpptest.Prosody(t, xmpptest.Options{})) })
	t.Run("ejabberd", func(t *testing.T) { concentratorThrough(t, xmpptest.Ejabberd(t)) })
}

func concentratorThrough(t *testing.T, srv xmpptest.Server) {
	for _, name := range []string{"hub", "ops", "seer", "stranger"} {
		srv.AddUser(t, name, "pw")
	}
	hub, tr := startConcentrator(t, srv)
	to := hub.Self()
	client := func(name string) *xmpptest.Slixmpp {
		c := xmpptest.StartSlixmpp(t, srv, name, "pw")
		c.Presence("hub@"+srv.Domain(), "subscribe")
		c.Sees(t, to, "available")
		c.Presence("hub@"+srv.Domain(), "subscribed")
		return c
	}
	c := client("ops")
	const (
		submit = "<x xmlns='jabber:x:data' type='submit'>"
		src    = " src='MeteringTopology' "
		both   = "<nd id='b1' src='MeteringTopology'/><nd id='b2'/>"
	)
	field := func(id, value string) string { return "<field var='" + id + "'><value>" + value + "</value></field>" }
	for _, family := range []string{"nfi", "nf", "ieee"} {
		ns := "urn:" + family + ":iot:concentrator:1.0"
		request := func(name, attrs, children string) string {
			return "<" + name + " xmlns='" + ns + "' " + attrs + ">" + children + "</" + name + ">"
		}
		steps := []step{
			{"get", "getAllDataSources", "", "", "dataSources MeteringTopology", nil},
			{"get", "getRootDataSources", "", "", "dataSources MeteringTopology", nil},
			{"get", "getChildDataSources", "src='MeteringTopology'", "", "dataSources", nil},
			{"get", "getAddableNodeTypes", "id='Root' xml:lang='sv'", "", "nodeTypes box folder", nil},
			{"get", "getParametersForNewNode", "id='Root' type='box'", "", "NodeId Name Host Port=502 Password Disabled=false", fields},
			// A form without a type, with numbers for booleans.
			{"set", "createNewNode", "id='Root' type='box'" + src, "<x xmlns='jabber:x:data'>" + field("NodeId", "b1") + field("Host", "192.0.2.1") + field("Disabled", "1") + "</x>", "nodeInfo id=b1 localId=b1", nil},
			{"set", "createNewNode", "id='Root' type='box' dt='' ut='a b'", submit + field("NodeId", "b2") + field("Name", "second &amp; last") + field("Host", "192.0.2.2") + field("Password", "geheim") + "</x>",
				"nodeInfo id=b2 localId=second & last", nil},
			{"get", "containsNode", "id='b1'", "", "bool true", nil},
			{"get", "containsNodes", "", both + "<nd id='b3'/>", "bools true true false", nil},
			{"get", "getNode", "id='b2' parameters='1' messages='TRUE' xml:lang='en'" + src, "", "nodeInfo id=b2 localId=second & last", nil},
			{"get", "getNodes", "", both, "nodeInfos b1 b2", nil},
			{"get", "getAllNodes", src, "<onlyIfDerivedFrom>box</onlyIfDerivedFrom>", "nodeInfos b1 b2", nil},
			{"get", "getNodeInheritance", "id='b1'", "", "inheritance", nil},
			{"get", "getRootNodes", src, "", "nodeInfos Root", nil},
			{"get", "getChildNodes", "id='Root'", "", "nodeInfos b1 b2", nil},
			{"get", "getAncestors", "id='b1'", "", "nodeInfos b1 Root", nil},
			// Partial forms, and secrets that are never sent.
			{"get", "getNodeParametersForEdit", "id='b2'", "", "NodeId=b2 Name=second & last Host=192.0.2.2 Port=502 Password Password.clear Disabled=false", fields},
			{"set", "setNodeParametersAfterEdit", "id='b2'", submit + field("Port", "503") + "</x>", "nodeInfo id=b2 localId=second & last", nil},
			{"set", "setNodeParametersForEdit", "id='b2'" + src, submit + field("NodeId", "b9") + field("Name", "n") + field("Password", "") + "</x>", "nodeInfo id=b9 localId=n", nil},
			{"set", "setNodeParametersAfterEdit", "id='b9'", submit + field("NodeId", "b2") + field("Password.clear", "1") + "</x>", "nodeInfo id=b2 localId=n", nil},
			{"get", "getCommonNodeParametersForEdit", "", both, "Host≠ Port≠ Password Password.clear Disabled≠", fields},
			{"set", "setCommonNodeParametersAfterEdit", "", both + submit + field("Port", "1502") + field("Disabled", "false") + "</x>", "", nil},
			{"set", "moveNodeDown", "id='b1'", "", "", nil},
			{"set", "moveNodeDown", "id='b1'", "", "", nil}, // at the edge
			{"get", "getChildNodes", "id='Root'", "", "nodeInfos b2 b1", nil},
			{"set", "moveNodeUp", "id='b1'", "", "", nil},
			{"set", "moveNodesUp", "", both, "", nil},
			{"set", "moveNodesDown", "", both, "", nil},
			{"get", "getChildNodes", "id='Root'", "", "nodeInfos b1 b2", nil},
			{"get", "getNodeCommands", "id='b1' xml:lang='de'", "", "commands ClearMessages LogMessage Enable Disable ReadoutReport FaultReport InterfaceReport", nil},
			{"get", "getCommandParameters", "id='b1' command='LogMessage'", "", "Type=Information Text", fields},
			{"set", "executeNodeCommand", "id='b1' command='LogMessage'", submit + field("Text", "seen") + "</x>", "", nil},
			{"set", "executeNodeCommand", "id='b1' command='ClearMessages'", "", "", nil},
			{"get", "getCommonNodeCommands", "", both, "commands ClearMessages LogMessage Enable Disable ReadoutReport FaultReport InterfaceReport", nil},
			{"get", "getCommonCommandParameters", "command='LogMessage'", both, "Type=Information Text", fields},
			{"set", "executeCommonNodeCommand", "command='LogMessage'", both + submit + field("Text", "seen") + "</x>", "partialExecution true true", nil},
			{"get", "executeCommonNodeCommand", "command='ClearMessages'", both, "partialExecution true true", nil},
			{"set", "destroyNode", "id='b1'", "", "", nil},
		}
		for _, s := range steps {
			if s.show == nil {
				s.show = outlined
			}
			kind, e := c.Ask(t, to, s.typ, request(s.name, s.attrs, s.children))
			got := s.show(e)
			if kind != "result" || got != s.want {
				t.Errorf("%s %s in %s: %s %q, want %q", s.name, s.attrs, family, kind, got, s.want)
			}
			if e != nil && e.Name.Space != ns && e.Name.Local != "x" {
				t.Errorf("%s in %s is answered in %s", s.name, family, e.Name.Space)
			}
		}
		if spec, _ := tr.Spec("b2"); spec.Params.Int("Port") != 1502 || spec.Params.Text("Password") != "" || spec.Params.Text("Host") != "192.0.2.2" {
			t.Errorf("after all: %+v", spec)
		}
		// Queries tell what they find in messages of the same family, numbered for each node.
		follow := func(what, node, id string) {
			t.Helper()
			for n, ended := 1, false; !ended; n++ {
				m := c.Message(t, to, 10*time.Second)
				if m == nil || m.Name.Local != "queryProgress" || m.Name.Space != ns || m.Attr("id") != node || m.Attr("queryId") != id || m.Attr("seqNr") != string(rune('0'+n)) {
					t.Fatalf("%s in %s: message %d is %s", what, family, n, m.Append(nil, ""))
				}
				ended = m.Child("queryDone") != nil
			}
		}
		if kind, e := c.Ask(t, to, "set", request("executeNodeQuery", "id='b2' command='FaultReport' queryId='q1'"+src, "")); kind != "result" {
			t.Errorf("a query in %s: %s", family, conditionOf(e))
		}
		follow("a query", "b2", "q1")
		if kind, e := c.Ask(t, to, "get", request("executeCommonNodeQuery", "command='FaultReport' queryId='q2'", "<nd id='b2'/>")); kind != "result" || outlined(e) != "partialExecution true" {
			t.Errorf("a query of several in %s: %s %s", family, kind, outlined(e))
		}
		follow("a query of several", "b2", "q2")
		for _, s := range []struct{ typ, name, attrs, children, want string }{
			{"get", "getNode", "id='nowhere'", "", "cancel item-not-found"},
			{"set", "getNode", "id='b2'", "", "cancel bad-request"},
			{"set", "createNewNode", "id='Root' type='box'", submit + field("NodeId", "b2") + field("Port", "0") + "</x>", "modify not-acceptable"},
			{"set", "setNodeParametersAfterEdit", "id='b2'", submit + field("Port", "many") + field("Host", "h") + "</x>", "modify not-acceptable"},
			{"set", "setNodeParametersAfterEdit", "id='b2'", "", "cancel bad-request"},
			{"set", "setCommonNodeParametersAfterEdit", "", "<nd id='b2'/>" + submit + field("Host", "") + "</x>", "modify not-acceptable"},
			{"set", "moveNodeUp", "id='nowhere'", "", "cancel item-not-found"},
			{"set", "executeNodeCommand", "id='b2' command='LogMessage'", submit + "</x>", "modify not-acceptable"},
			{"set", "executeCommonNodeCommand", "command='Nothing'", "<nd id='b2'/>", "cancel item-not-found"},
			{"set", "abortNodeQuery", "id='b2' command='FaultReport' queryId='q1'", "", "cancel item-not-found"},
			{"set", "abortCommonNodeQuery", "command='FaultReport' queryId='q2'", "<nd id='b2'/>", "cancel item-not-found"},
			{"set", "registerSniffer", "id='b2'", "", "cancel not-acceptable"},
			{"set", "unregisterSniffer", "id='b2' snifferId='none'", "", "cancel item-not-found"},
		} {
			kind, e := c.Ask(t, to, s.typ, request(s.name, s.attrs, s.children))
			if kind != "error" || conditionOf(e) != s.want {
				t.Errorf("%s %s in %s: %s %s, want %s", s.name, s.attrs, family, kind, conditionOf(e), s.want)
			}
			if strings.HasPrefix(s.want, "modify") && !strings.Contains(fields(e.Child("x")), "!") {
				t.Errorf("%s %s in %s: the form says nothing of what is wrong: %s", s.name, s.attrs, family, fields(e.Child("x")))
			}
		}
		if kind, _ := c.Ask(t, to, "set", request("destroyNode", "id='b2'", "")); kind != "result" {
			t.Errorf("b2 stays in %s", family)
		}
		if family != "nfi" {
			continue
		}
		// To who may only see, everything that needs more is forbidden; to a stranger nothing
		// is there.
		for _, id := range []string{"b1", "b2"} {
			if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "box", ID: id, Params: nodes.Params{"Host": nodes.String("h")}}); err != nil {
				t.Fatal(err)
			}
		}
		seer, stranger := client("seer"), xmpptest.StartSlixmpp(t, srv, "stranger", "pw")
		for _, s := range steps {
			if strings.Contains(s.attrs, "b9") {
				continue // there is none now
			}
			kind, e := stranger.Ask(t, to, s.typ, request(s.name, s.attrs, s.children))
			nothing := seesNothing[s.name]
			if nothing && (kind != "result" || strings.Contains(outlined(e), "true") || strings.Contains(outlined(e), "Topology")) ||
				!nothing && (kind != "error" || conditionOf(e) != "cancel item-not-found") {
				t.Errorf("%s by a stranger: %s %s %s", s.name, kind, conditionOf(e), outlined(e))
			}
			kind, e = seer.Ask(t, to, s.typ, request(s.name, s.attrs, s.children))
			if may := nothing || sees[s.name]; may && kind != "result" || !may && (kind != "error" || conditionOf(e) != "auth forbidden") {
				t.Errorf("%s by who may only see: %s %s", s.name, kind, conditionOf(e))
			}
		}
		for _, id := range []string{"b1", "b2"} {
			if spec, ok := tr.Spec(id); !ok || spec.Params.Text("Host") != "h" || spec.Name != id {
				t.Errorf("they have changed %+v", spec)
			}
			if err := tr.Destroy(t.Context(), id); err != nil {
				t.Error(err)
			}
		}
	}
}

// step is a request and what is wanted of its answer.
type step struct {
	typ, name, attrs, children, want string
	show                             func(*wire.Element) string // nil: outlined
}

// seesNothing are what is answered to everybody, and to a stranger with nothing; sees what
// is answered to who may see.
var (
	seesNothing = map[string]bool{"getAllDataSources": true, "getRootDataSources": true, "containsNode": true, "containsNodes": true}
	sees        = map[string]bool{"getChildDataSources": true, "getNode": true, "getNodes": true, "getAllNodes": true, "getNodeInheritance": true,
		"getRootNodes": true, "getChildNodes": true, "getAncestors": true, "getNodeCommands": true, "getCommonNodeCommands": true}
)
