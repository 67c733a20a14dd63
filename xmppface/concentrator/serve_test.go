package concentrator

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// ask serves one request and returns the answer as it is sent: a payload, or an
// error element.
func ask(t testing.TB, s *Server, link ext.Link, who, typ, request string) string {
	t.Helper()
	e, err := wire.Parse(request)
	if err != nil {
		t.Fatalf("%v: %.200s", err, request)
	}
	got := make(chan string, 2)
	s.Serve(&ext.Request{Link: link, ID: "1", Type: typ, Payload: e,
		Caller: nodes.Caller{JID: who, Full: who + "/desk", Way: nodes.WayLocal, Lang: "sv"},
		Respond: func(payload []byte, fail *ext.StanzaError) {
			if fail != nil {
				payload = fail.Append(nil)
			}
			got <- string(payload)
		}})
	select {
	case answer := <-got:
		if len(answer) > exttest.MaxStanza-1000 {
			t.Errorf("an answer of %d bytes", len(answer))
		}
		return answer
	case <-time.After(10 * time.Second):
		t.Fatalf("no answer to %.200s", request)
	}
	return ""
}

func op(name, attrs, children string) string {
	return "<" + name + " xmlns='" + NSNF + "' " + attrs + ">" + children + "</" + name + ">"
}

func typeOf(name string) string {
	for _, o := range operations() {
		if o.name == name && o.typ != "" {
			return o.typ
		}
	}
	return "get"
}

const (
	gwForm = "<x xmlns='jabber:x:data' type='submit'><field var='NodeId'><value>G2</value></field><field var='Name'><value>second</value></field>" +
		"<field var='Host'><value>192.0.2.8</value></field><field var='Port'><value>503</value></field></x>"
	wrongForm1 = "<x xmlns='jabber:x:data' type='submit'><field var='NodeId'><value>G3</value></field>" +
		"<field var='Port'><value>many</value></field><field var='Hots'><value>h</value></field><field var='Password'><value>geheim</value></field></x>"
)

const (
	editForm1 = formOpen + "<field var='Name'><value>first</value></field><field var='Port'><value/></field><field var='Password'><value></value></field></x>"
	editForm2 = formOpen + "<field var='Port'><value>1502</value></field><field var='Password.clear'><value>true</value></field></x>"
	wrongEdit = formOpen + "<field var='NodeId'><value/></field><field var='Port'><value>70000</value></field><field var='Password'><value>geheim</value></field>" +
		"<field var='Password.clear'><value>1</value></field><field var='Hots'><value>h</value></field></x>"
)

const (
	formOpen   = "<x xmlns='jabber:x:data' type='submit'>"
	clockForm  = formOpen + "<field var='Time'><value>2026-08-20T10:11:12Z</value></field></x>"
	wrongClock = formOpen + "<field var='Repeat'><value>10</value></field><field var='Tiem'><value>now</value></field></x>"
	scanForm   = formOpen + "<field var='Last'><value>3</value></field><field var='Key'><value>geheim</value></field></x>"
	longScan   = formOpen + "<field var='Last'><value>200</value></field></x>"
	wrongScan  = formOpen + "<field var='Last'><value>300</value></field><field var='Key'><value>geheim</value></field></x>"
	badRange   = formOpen + "<field var='First'><value>9</value></field><field var='Last'><value>3</value></field></x>"
	emptyForm  = formOpen + "</x>"
)

// The requests of the golden files, at least one for each operation.
var golden = []struct{ name, op, attrs, children string }{
	{"getCapabilities", "", "", ""},
	{"getAllDataSources", "", "st='a b' ut='c'", ""},
	{"getRootDataSources", "", "", ""},
	{"getChildDataSources", "", "src='MeteringTopology'", ""},
	{"containsNode", "", "id='GW'", ""},
	{"containsNodes", "", "", "<nd id='GW'/><nd id='no'/><nd id='GW/7' src='MeteringTopology' pt=''/>"},
	{"getNode", "", "id='GW' src='MeteringTopology' parameters='true' messages='1' xml:lang='en'", ""},
	{"getNode-plain", "getNode", "id='GW'", ""},
	{"getNode-missing", "getNode", "id='no &lt;such&gt; node'", ""},
	{"getNodes", "", "", "<nd id='GW'/><nd id='GW/7'/>"},
	{"getNodes-one-missing", "getNodes", "", "<nd id='GW'/><nd id='no'/>"},
	{"getAllNodes", "", "src='MeteringTopology'", "<onlyIfDerivedFrom>modbus.unit</onlyIfDerivedFrom><onlyIfDerivedFrom>root</onlyIfDerivedFrom>"},
	{"getNodeInheritance", "", "id='GW'", ""},
	{"getRootNodes", "", "src='MeteringTopology' messages='true'", ""},
	{"getChildNodes", "", "id='GW' parameters='true'", ""},
	{"getAncestors", "", "id='GW/7' messages='true'", ""},
	{"getAddableNodeTypes", "", "id='Root'", ""},
	{"getParametersForNewNode", "", "id='Root' type='modbus.gateway' xml:lang='en'", ""},
	{"createNewNode", "", "id='Root' src='MeteringTopology' type='modbus.gateway'", gwForm},
	{"createNewNode-wrong", "createNewNode", "id='Root' type='modbus.gateway'", wrongForm1},
	{"destroyNode", "", "id='GW/7'", ""},
	{"getNodeParametersForEdit", "", "id='GW' xml:lang='en'", ""},
	{"setNodeParametersAfterEdit", "", "id='GW'", editForm1},
	{"setNodeParametersAfterEdit-wrong", "setNodeParametersAfterEdit", "id='GW'", wrongEdit},
	{"setNodeParametersForEdit", "", "id='GW'", editForm1},
	{"getCommonNodeParametersForEdit", "", "", "<nd id='GW'/><nd id='GW2'/>"},
	{"setCommonNodeParametersAfterEdit", "", "", "<nd id='GW'/><nd id='GW2'/>" + editForm2},
	{"moveNodeUp", "", "id='GW'", ""},
	{"moveNodeDown", "", "id='GW'", ""},
	{"moveNodesUp", "", "", "<nd id='GW'/><nd id='GW2'/>"},
	{"moveNodesDown", "", "", "<nd id='GW'/><nd id='GW2'/>"},
	{"getNodeCommands", "", "id='GW' xml:lang='en'", ""},
	{"getNodeCommands-none", "getNodeCommands", "id='GW/7'", ""},
	{"getCommandParameters", "", "id='GW' src='MeteringTopology' command='SetClock'", ""},
	{"getCommandParameters-query", "getCommandParameters", "id='GW' command='ScanUnits'", ""},
	{"executeNodeCommand", "", "id='GW' command='Reconnect'", ""},
	{"executeNodeCommand-form", "executeNodeCommand", "id='GW' command='SetClock'", clockForm},
	{"executeNodeCommand-wrong", "executeNodeCommand", "id='GW' command='SetClock'", wrongClock},
	{"executeNodeQuery", "", "id='GW' command='ScanUnits' queryId='q1'", scanForm},
	{"executeNodeQuery-wrong", "executeNodeQuery", "id='GW' command='ScanUnits' queryId='q1'", wrongScan},
	{"executeNodeQuery-combination", "executeNodeQuery", "id='GW' command='ScanUnits' queryId='q1'", badRange},
	{"abortNodeQuery", "", "id='GW' command='ScanUnits' queryId='unknown'", ""},
	{"getCommonNodeCommands", "", "xml:lang='en'", "<nd id='GW'/><nd id='GW2'/>"},
	{"getCommonCommandParameters", "", "command='ScanUnits'", "<nd id='GW'/><nd id='GW2'/>"},
	{"executeCommonNodeCommand", "", "command='Reconnect'", "<nd id='GW2'/><nd id='GW'/>"},
	{"executeCommonNodeCommand-form", "executeCommonNodeCommand", "command='SetClock'", "<nd id='GW'/><nd id='GW2'/>" + clockForm},
	{"executeCommonNodeCommand-wrong", "executeCommonNodeCommand", "command='SetClock'", "<nd id='GW'/><nd id='GW2'/>" + wrongClock},
	{"executeCommonNodeQuery", "", "command='ScanUnits' queryId='q1'", "<nd id='GW'/><nd id='GW2'/>" + scanForm},
	{"executeCommonNodeQuery-partly", "executeCommonNodeQuery", "command='ScanUnits' queryId='q1'", "<nd id='GW'/><nd id='GW2'/>" + longScan},
	{"executeCommonNodeQuery-wrong", "executeCommonNodeQuery", "command='ScanUnits' queryId='q1'", "<nd id='GW'/><nd id='GW2'/>" + wrongScan},
	{"abortCommonNodeQuery", "", "command='ScanUnits' queryId='unknown'", "<nd id='GW'/><nd id='GW2'/>"},
	{"registerSniffer", "", "id='GW'", ""},
	{"unregisterSniffer", "", "id='GW' snifferId='unknown'", ""},
	{"subscribe", "", "src='MeteringTopology' ttl='600' parameters='true' nodeMovedUp='false' nodeMovedDown='false'", ""},
	{"unsubscribe", "", "src='MeteringTopology'", ""},
	{"unknown", "getEverything", "", ""},
}

// volatile is what differs from run to run.
var volatile = regexp.MustCompile(`snifferId='[A-Z2-7]{26}' expires='[^']*'`)

func TestGolden(t *testing.T) {
	var covered []string
	for _, g := range golden {
		if g.op == "" {
			g.op = g.name
			covered = append(covered, g.op)
		}
		f := newFake()
		_, link, s := pair(t, f, NSNF)
		request := op(g.op, g.attrs, g.children)
		answer := ask(t, s, link.Net().Server, ops, typeOf(g.op), request)
		exttest.Record([]byte(answer))
		if o, known := s.operations[g.op]; known && !o.alias {
			exttest.Record([]byte(request))
		}
		text := request + "\n\n" + strings.ReplaceAll(volatile.ReplaceAllString(answer, "snifferId='…' expires='…'"), "><", ">\n<") + "\n"
		file := filepath.Join("testdata", g.name+".txt")
		if *update {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if text != string(want) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", file, text, want)
		}
		if g.attrs != "" && strings.Contains(g.attrs, "xml:lang") && f.langs[0] != "en" {
			t.Errorf("%s: the caller's language is %q", g.name, f.langs[0])
		}
	}
	for _, o := range operations() {
		if !slices.Contains(covered, o.name) {
			t.Errorf("%s has no golden file", o.name)
		}
	}
}

// Every family answers alike, but for the namespace.
func TestFamilies(t *testing.T) {
	_, link, s := pair(t, newFake(), NSNF)
	for _, g := range golden {
		if g.op == "" && s.operations[g.name].typ == "get" {
			request := op(g.name, g.attrs, g.children)
			want := ask(t, s, link, ops, "get", request)
			for _, space := range s.Spaces() {
				got := ask(t, s, link, ops, "get", strings.ReplaceAll(request, NSNF, space))
				if got != strings.ReplaceAll(want, NSNF, space) {
					t.Errorf("%s in %s: %s", g.name, space, got)
				}
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	long := strings.Repeat("é&lt;", 5000)
	deep := "<x xmlns='jabber:x:data' type='submit'>" + strings.Repeat("<field var='a'>", 55) + strings.Repeat("</field>", 55) + "</x>"
	big := "<x xmlns='jabber:x:data' type='submit'><field var='Host'><value>" + strings.Repeat("h", 200<<10) + "</value></field></x>"
	const (
		notFound, badRequest = "item-not-found", "bad-request"
		notAcceptable        = "not-acceptable"
	)
	for _, c := range []struct{ op, attrs, children, want string }{
		{"getChildDataSources", "src='Other'", "", notFound},
		{"containsNode", "", "", badRequest},
		{"containsNode", "id=''", "", badRequest},
		{"containsNodes", "", "<nd/>", badRequest},
		{"containsNodes", "", "<node id='GW'/>", badRequest},
		{"getNode", "", "", badRequest},
		{"getNode", "id=''", "", badRequest},
		{"getNode", "id='GW' src='Other'", "", notFound},
		{"getNode", "id='GW' pt='1'", "", notFound},
		{"getNode", "id='" + long + "'", "", notFound},
		{"getNode", "id='😀&lt;&amp;&quot;&#10;'", "", notFound},
		{"getNodes", "", "<nd id='GW'/><nd src='MeteringTopology'/>", badRequest},
		{"getNodes", "", "<nd id='" + long + "'/>", notFound},
		{"getAllNodes", "src='Other'", "", notFound},
		{"getAllNodes", "", "<onlyIfDerivedFrom>no.type</onlyIfDerivedFrom>", notFound},
		{"getAllNodes", "", "<onlyIfDerivedFrom/>", badRequest},
		{"getAllNodes", "", "<nd id='GW'/>", badRequest},
		{"getNodeInheritance", "id='no'", "", notFound},
		{"getNodeInheritance", "", "", badRequest},
		{"getRootNodes", "src='" + long + "'", "", notFound},
		{"getChildNodes", "id='no'", "", notFound},
		{"getChildNodes", "", "", badRequest},
		{"getAncestors", "id='no'", "", notFound},
		{"getAncestors", "", "", badRequest},
		{"getAddableNodeTypes", "id='no'", "", notFound},
		{"getAddableNodeTypes", "", "", badRequest},
		{"getParametersForNewNode", "id='Root'", "", badRequest},
		{"getParametersForNewNode", "type='modbus.gateway'", "", badRequest},
		{"getParametersForNewNode", "id='no' type='modbus.gateway'", "", notFound},
		{"getParametersForNewNode", "id='Root' type='" + long + "'", "", notFound},
		{"getParametersForNewNode", "id='Root' type='modbus.unit'", "", notAcceptable},
		{"createNewNode", "id='Root' type='modbus.gateway'", "", badRequest},
		{"createNewNode", "id='Root' type=''", gwForm, badRequest},
		{"createNewNode", "type='modbus.gateway'", gwForm, badRequest},
		{"createNewNode", "id='no' type='modbus.gateway'", gwForm, notFound},
		{"createNewNode", "id='Root' type='no'", gwForm, notFound},
		{"createNewNode", "id='GW' type='modbus.gateway'", gwForm, notAcceptable},
		{"createNewNode", "id='Root' src='Other' type='modbus.gateway'", gwForm, notFound},
		{"createNewNode", "id='Root' type='modbus.gateway'", "<x xmlns='urn:other'/>", badRequest},
		{"createNewNode", "id='Root' type='modbus.gateway'", "<x xmlns='jabber:x:data' type='cancel'/>", badRequest},
		{"createNewNode", "id='Root' type='modbus.gateway'", "<x xmlns='jabber:x:data' type='submit'/>", notAcceptable},
		{"createNewNode", "id='Root' type='modbus.gateway'", wrongForm1, notAcceptable},
		{"createNewNode", "id='Root' type='modbus.gateway'", big, notAcceptable},
		{"createNewNode", "id='Root' type='modbus.gateway'", deep, notAcceptable},
		{"destroyNode", "", "", badRequest},
		{"destroyNode", "id='no'", "", notFound},
		{"destroyNode", "id='Root'", "", notAcceptable},
		{"destroyNode", "id='GW' src='Other'", "", notFound},
		{"destroyNode", "id='" + long + "'", "", notFound},
		{"getNodeParametersForEdit", "", "", badRequest},
		{"getNodeParametersForEdit", "id='no'", "", notFound},
		{"getNodeParametersForEdit", "id='" + long + "'", "", notFound},
		{"getNodeParametersForEdit", "id='GW' src='Other'", "", notFound},
		{"setNodeParametersAfterEdit", "", editForm1, badRequest},
		{"setNodeParametersAfterEdit", "id=''", editForm1, badRequest},
		{"setNodeParametersAfterEdit", "id='no'", editForm1, notFound},
		{"setNodeParametersAfterEdit", "id='GW'", "", badRequest},
		{"setNodeParametersAfterEdit", "id='GW'", "<x xmlns='urn:other'/>", badRequest},
		{"setNodeParametersAfterEdit", "id='GW'", "<x xmlns='jabber:x:data' type='cancel'/>", badRequest},
		{"setNodeParametersAfterEdit", "id='GW'", formOpen + "<field><value>a</value></field></x>", badRequest},
		{"setNodeParametersAfterEdit", "id='GW'", formOpen + "<field var='Port'/><field var='Port'/></x>", badRequest},
		{"setNodeParametersAfterEdit", "id='GW'", wrongEdit, notAcceptable},
		{"setNodeParametersAfterEdit", "id='GW'", formOpen + "<field var='Host'/></x>", notAcceptable},
		{"setNodeParametersAfterEdit", "id='GW'", formOpen + "<field var='Host.clear'><value>1</value></field></x>", notAcceptable},
		{"setNodeParametersAfterEdit", "id='GW'", formOpen + "<field var='Password.clear'><value>perhaps</value></field></x>", notAcceptable},
		{"setNodeParametersAfterEdit", "id='GW'", strings.ReplaceAll(big, "Host", "Hots"), notAcceptable},
		{"setNodeParametersAfterEdit", "id='GW'", deep, notAcceptable},
		{"setNodeParametersForEdit", "id='GW'", "", badRequest},
		{"setNodeParametersForEdit", "id='no'", editForm1, notFound},
		{"getCommonNodeParametersForEdit", "", "", badRequest},
		{"getCommonNodeParametersForEdit", "id='GW'", "", badRequest},
		{"getCommonNodeParametersForEdit", "", "<nd id='GW'/><nd id='no'/>", notFound},
		{"getCommonNodeParametersForEdit", "", "<nd id='GW'/><nd id='GW'/>", badRequest},
		{"getCommonNodeParametersForEdit", "", "<nd/>", badRequest},
		{"setCommonNodeParametersAfterEdit", "", editForm2, badRequest},
		{"setCommonNodeParametersAfterEdit", "", "<nd id='GW'/>", badRequest},
		{"setCommonNodeParametersAfterEdit", "", "<nd id='GW'/><node id='GW2'/>" + editForm2, badRequest},
		{"setCommonNodeParametersAfterEdit", "", "<nd id='GW'/><nd id='GW2'/><nd id='" + long + "'/>" + editForm2, notFound},
		{"setCommonNodeParametersAfterEdit", "", "<nd id='GW'/><nd id='GW2'/>" + editForm1, notAcceptable},
		{"setCommonNodeParametersAfterEdit", "", "<nd id='GW'/><nd id='GW2'/>" + wrongEdit, notAcceptable},
		{"moveNodeUp", "", "", badRequest},
		{"moveNodeUp", "id='no'", "", notFound},
		{"moveNodeDown", "id='" + long + "'", "", notFound},
		{"moveNodeDown", "id='GW' src='Other'", "", notFound},
		{"moveNodesUp", "", "", badRequest},
		{"moveNodesUp", "", "<nd id='GW'/><nd id='no'/>", notFound},
		{"moveNodesDown", "", "<nd id='GW'/><nd id=''/>", badRequest},
		{"moveNodesDown", "", "<nd id='GW'/><nd id='GW' src='MeteringTopology'/>", badRequest},
		{"getNodeCommands", "", "", badRequest},
		{"getNodeCommands", "id='no'", "", notFound},
		{"getNodeCommands", "id='GW' src='Other'", "", notFound},
		{"getCommandParameters", "id='GW'", "", badRequest},
		{"getCommandParameters", "command='ScanUnits'", "", badRequest},
		{"getCommandParameters", "id='no' command='ScanUnits'", "", notFound},
		{"getCommandParameters", "id='GW' command='" + long + "'", "", notFound},
		{"getCommandParameters", "id='GW/7' command='ScanUnits'", "", notFound},
		{"getCommandParameters", "id='GW' command='Reconnect'", "", badRequest},
		{"executeNodeCommand", "id='GW'", "", badRequest},
		{"executeNodeCommand", "command='Reconnect'", "", badRequest},
		{"executeNodeCommand", "id='no' command='Reconnect'", "", notFound},
		{"executeNodeCommand", "id='GW/7' command='Reconnect'", "", notFound},
		{"executeNodeCommand", "id='GW' command='" + long + "'", "", notFound},
		{"executeNodeCommand", "id='GW' command='Reconnect'", emptyForm, badRequest},
		{"executeNodeCommand", "id='GW' command='SetClock'", "", badRequest},
		{"executeNodeCommand", "id='GW' command='SetClock'", emptyForm, notAcceptable},
		{"executeNodeCommand", "id='GW' command='SetClock'", "<x xmlns='jabber:x:data' type='cancel'/>", badRequest},
		{"executeNodeCommand", "id='GW' command='SetClock'", "<x xmlns='urn:other'/>", badRequest},
		{"executeNodeCommand", "id='GW' command='SetClock'", wrongClock, notAcceptable},
		{"executeNodeCommand", "id='GW' command='SetClock'", big, notAcceptable},
		{"executeNodeCommand", "id='GW' command='ScanUnits'", scanForm, badRequest},
		{"executeNodeQuery", "id='GW' command='ScanUnits'", scanForm, badRequest},
		{"executeNodeQuery", "id='GW' command='ScanUnits' queryId=''", scanForm, badRequest},
		{"executeNodeQuery", "id='GW' command='ScanUnits' queryId='" + long + "'", scanForm, badRequest},
		{"executeNodeQuery", "id='GW' queryId='q'", scanForm, badRequest},
		{"executeNodeQuery", "command='ScanUnits' queryId='q'", scanForm, badRequest},
		{"executeNodeQuery", "id='no' command='ScanUnits' queryId='q'", scanForm, notFound},
		{"executeNodeQuery", "id='GW' src='Other' command='ScanUnits' queryId='q'", scanForm, notFound},
		{"executeNodeQuery", "id='GW' command='No' queryId='q'", scanForm, notFound},
		{"executeNodeQuery", "id='GW' command='Reconnect' queryId='q'", "", badRequest},
		{"executeNodeQuery", "id='GW' command='SetClock' queryId='q'", clockForm, badRequest},
		{"executeNodeQuery", "id='GW' command='Dump' queryId='q'", "", badRequest},
		{"executeNodeQuery", "id='GW' command='Dump' queryId='q'", emptyForm, notAcceptable},
		{"executeNodeQuery", "id='GW' command='ScanUnits' queryId='q'", wrongScan, notAcceptable},
		{"executeNodeQuery", "id='GW' command='ScanUnits' queryId='q'", badRange, notAcceptable},
		{"abortNodeQuery", "id='GW' command='ScanUnits'", "", badRequest},
		{"abortNodeQuery", "command='ScanUnits' queryId='q'", "", badRequest},
		{"abortNodeQuery", "id='GW' command='ScanUnits' queryId='" + long + "'", "", notFound},
		{"getCommonNodeCommands", "", "", badRequest},
		{"getCommonNodeCommands", "id='GW'", "", badRequest},
		{"getCommonNodeCommands", "", "<nd id='GW'/><nd id='" + long + "'/>", notFound},
		{"getCommonNodeCommands", "", "<nd id='GW'/><nd id='GW'/>", badRequest},
		{"getCommonNodeCommands", "", "<nd id='GW'/><node id='GW2'/>", badRequest},
		{"getCommonCommandParameters", "", "<nd id='GW'/><nd id='GW2'/>", badRequest},
		{"getCommonCommandParameters", "command='ScanUnits'", "", badRequest},
		{"getCommonCommandParameters", "command='Reconnect'", "<nd id='GW'/><nd id='GW2'/>", badRequest},
		{"getCommonCommandParameters", "command='ScanUnits'", "<nd id='GW'/><nd id='GW/7'/>", notFound},
		{"getCommonCommandParameters", "command='Dump'", "<nd id='GW'/><nd id='no'/>", notFound},
		{"executeCommonNodeCommand", "", "<nd id='GW'/><nd id='GW2'/>", badRequest},
		{"executeCommonNodeCommand", "command='Reconnect'", "", badRequest},
		{"executeCommonNodeCommand", "command='Reconnect'", "<nd id='GW'/><nd/>", badRequest},
		{"executeCommonNodeCommand", "command='Reconnect'", "<nd id='GW'/><nd id='no'/>", notFound},
		{"executeCommonNodeCommand", "command='Reconnect'", "<nd id='GW'/><nd id='GW' src='Other'/>", notFound},
		{"executeCommonNodeCommand", "command='" + long + "'", "<nd id='GW'/><nd id='GW2'/>", notFound},
		{"executeCommonNodeCommand", "command='Reconnect'", "<nd id='GW'/><nd id='GW2'/>" + emptyForm, badRequest},
		{"executeCommonNodeCommand", "command='SetClock'", "<nd id='GW'/><nd id='GW2'/>", badRequest},
		{"executeCommonNodeCommand", "command='SetClock'", "<nd id='GW'/><nd id='GW2'/>" + wrongClock, notAcceptable},
		{"executeCommonNodeCommand", "command='SetClock'", "<nd id='GW'/><nd id='GW2'/>" + big, notAcceptable},
		{"executeCommonNodeCommand", "command='SetClock'", "<nd id='GW'/><nd id='GW2'/>" + deep, notAcceptable},
		{"executeCommonNodeCommand", "command='ScanUnits'", "<nd id='GW'/><nd id='GW2'/>" + scanForm, badRequest},
		{"executeCommonNodeQuery", "command='ScanUnits'", "<nd id='GW'/><nd id='GW2'/>" + scanForm, badRequest},
		{"executeCommonNodeQuery", "command='ScanUnits' queryId='" + long + "'", "<nd id='GW'/><nd id='GW2'/>" + scanForm, badRequest},
		{"executeCommonNodeQuery", "command='Reconnect' queryId='q'", "<nd id='GW'/><nd id='GW2'/>", badRequest},
		{"executeCommonNodeQuery", "command='ScanUnits' queryId='q'", "<nd id='GW'/><nd id='no'/>" + scanForm, notFound},
		{"executeCommonNodeQuery", "command='ScanUnits' queryId='q'", "<nd id='GW'/><nd id='GW2'/>" + wrongScan, notAcceptable},
		{"executeCommonNodeQuery", "command='ScanUnits' queryId='q'", "<nd id='GW2'/>" + longScan, notAcceptable},
		{"executeCommonNodeQuery", "command='Dump' queryId='q'", "<nd id='GW'/>", badRequest},
		{"executeCommonNodeQuery", "command='Dump' queryId='q'", "<nd id='GW'/><nd id='GW2'/>", notFound},
		{"abortCommonNodeQuery", "command='ScanUnits'", "<nd id='GW'/>", badRequest},
		{"abortCommonNodeQuery", "command='ScanUnits' queryId='q'", "", badRequest},
		{"abortCommonNodeQuery", "command='ScanUnits' queryId='" + long + "'", "<nd id='GW'/>", notFound},
		{"registerSniffer", "", "", badRequest},
		{"registerSniffer", "id='no'", "", notFound},
		{"registerSniffer", "id='GW/7'", "", notAcceptable},
		{"registerSniffer", "id='GW' expires='tomorrow'", "", badRequest},
		{"registerSniffer", "id='GW' expires=''", "", badRequest},
		{"registerSniffer", "id='GW' expires='2020-01-01T00:00:00Z'", "", badRequest},
		{"unregisterSniffer", "id='GW'", "", badRequest},
		{"unregisterSniffer", "snifferId='a'", "", badRequest},
		{"unregisterSniffer", "id='GW' snifferId='" + long + "'", "", notFound},
		{"getEverything", "", "", "feature-not-implemented"},
		{strings.Repeat("x", 300), "", "", "feature-not-implemented"},
	} {
		f := newFake()
		_, link, s := pair(t, f, NSNF)
		name := fmt.Sprintf("%s %s %.80s", c.op, c.attrs, c.children)
		before := f.nodes()
		answer := ask(t, s, link.Net().Server, ops, typeOf(c.op), op(c.op, c.attrs, c.children))
		e, err := wire.Parse(answer)
		if err != nil {
			t.Errorf("%.100s: %v", name, err)
			continue
		}
		if e.Child(c.want) == nil || e.Child("text") == nil || e.Child("text").Text == "" {
			t.Errorf("%.100s: got %.300s, want %s with a text", name, answer, c.want)
		}
		// Clients take every error of type modify for a form.
		if (e.Attr("type") == "modify") != (e.Child("x") != nil) {
			t.Errorf("%.100s: type %s, form %v", name, e.Attr("type"), e.Child("x") != nil)
		}
		if len(answer) > 16<<10 || strings.Contains(answer, "geheim") {
			t.Errorf("%.100s: an answer of %d bytes: %.2000s", name, len(answer), answer)
		}
		if !reflect.DeepEqual(f.nodes(), before) || f.changed() != 0 {
			t.Errorf("%.100s: something was changed", name)
		}
	}
}

// Whoever sends the wrong type of iq learns the right one, and nothing happens.
func TestGetForSet(t *testing.T) {
	f := newFake()
	_, link, s := pair(t, f, NSNF)
	for _, g := range golden {
		if g.op != "" || s.operations[g.name].typ == "" {
			continue
		}
		other := map[string]string{"get": "set", "set": "get"}[typeOf(g.name)]
		answer := ask(t, s, link, ops, other, op(g.name, g.attrs, g.children))
		if !strings.Contains(answer, "<bad-request") || !strings.Contains(answer, "iq of type "+typeOf(g.name)) {
			t.Errorf("%s as %s: %s", g.name, other, answer)
		}
	}
	if f.changed() != 0 {
		t.Error("something was changed")
	}
}

// To a stranger what exists looks exactly like what does not.
func TestStranger(t *testing.T) {
	for _, g := range golden {
		if g.op != "" || g.name == "getCapabilities" {
			continue
		}
		f := newFake()
		_, link, s := pair(t, f, NSNF)
		absent := strings.NewReplacer("GW", "QQ", "Root", "Qroo", nodes.DefaultSource, "QqqqqqqqQqqqqqqq", "modbus", "qodbus",
			"Reconnect", "Qeconnect", "SetClock", "QetClock", "ScanUnits", "QcanUnits")
		there := strings.NewReplacer("QQ", "GW", "QqqqqqqqQqqqqqqq", nodes.DefaultSource, "Qroo", "Root", "qodbus", "modbus",
			"Qeconnect", "Reconnect", "QetClock", "SetClock", "QcanUnits", "ScanUnits")
		got := ask(t, s, link, stranger, typeOf(g.name), op(g.name, g.attrs, g.children))
		want := ask(t, s, link, stranger, typeOf(g.name), op(g.name, absent.Replace(g.attrs), absent.Replace(g.children)))
		if got != there.Replace(want) {
			t.Errorf("%s: a stranger can tell\n%s\nfrom\n%s", g.name, got, want)
		}
		empty := strings.HasPrefix(got, "<dataSources") && !strings.Contains(got, "<dataSource ") || strings.HasPrefix(got, "<bool")
		if strings.Contains(got, "true") || !empty && !strings.Contains(got, "<item-not-found") {
			t.Errorf("%s: a stranger gets %s", g.name, got)
		}
		if f.changed() != 0 {
			t.Errorf("%s: a stranger changed something", g.name)
		}
	}
}

func TestTooLong(t *testing.T) {
	var list []nodes.Info
	for i := range 5000 {
		list = append(list, nodes.Info{Ref: nodes.In(fmt.Sprintf("GW/register %d", i)), Type: "modbus.unit", TypeTitle: "Modbus unit", Parent: nodes.In("GW")})
	}
	s := New(canned{newFake(), list}, quiet)
	link := exttest.Pair(t, s, nil)
	for _, request := range []string{
		op("getAllNodes", "", ""),
		op("getChildNodes", "id='GW'", ""),
		op("getNodes", "", strings.Repeat("<nd id='GW'/>", 10000)),
		op("containsNodes", "", strings.Repeat("<nd id='no'/>", 15000)),
	} {
		answer := ask(t, s, link, ops, "get", request)
		if !strings.Contains(answer, "<not-acceptable") || !strings.Contains(answer, "branch by branch") || len(answer) > 1000 {
			t.Errorf("%.60s: %.500s", request, answer)
		}
	}
}

// What deployed clients write beyond the schema is understood.
func TestTolerance(t *testing.T) {
	_, link, s := pair(t, newFake(), NSNF)
	full := ask(t, s, link, ops, "get", op("getNode", "id='GW' parameters='true' messages='true'", ""))
	for _, attrs := range []string{
		"parameters='TRUE' messages='True'", "parameters='1' messages='yes'", "parameters='on' messages='ON' src='' pt=''",
		"parameters='true' messages='true' src='MeteringTopology' xml:lang='sv' st='a' dt='b' ut='c d' other='e'",
	} {
		if got := ask(t, s, link, ops, "get", op("getNode", "id='GW' "+attrs, "")); got != full {
			t.Errorf("%s: %s", attrs, got)
		}
	}
	plain := ask(t, s, link, ops, "get", op("getNode", "id='GW'", ""))
	for _, attrs := range []string{"parameters='false' messages='0'", "parameters='NO' messages='off'", "parameters='' messages='maybe'"} {
		if got := ask(t, s, link, ops, "get", op("getNode", "id='GW' "+attrs, "")); got != plain {
			t.Errorf("%s: %s", attrs, got)
		}
	}
	form := strings.ReplaceAll(gwForm, " type='submit'", "")
	if got := ask(t, s, link, ops, "set", op("createNewNode", "id='Root' type='modbus.gateway'", form)); !strings.HasPrefix(got, "<nodeInfo") {
		t.Errorf("a form without a type: %s", got)
	}
}

func create(id string) string {
	return op("createNewNode", "id='Root' type='modbus.gateway'", strings.ReplaceAll(gwForm, "G2", id))
}

// Changes of one sender are made one at a time, in order; others do not wait for
// them, nor do reads; too many are refused.
func TestChangesInOrder(t *testing.T) {
	f := newFake()
	f.hold = make(chan struct{})
	_, link, s := pair(t, f, NSNF)
	hub := link.Net().Server
	var mu sync.Mutex
	var answers []string
	send := func(who, request string, done func()) {
		e, err := wire.Parse(request)
		if err != nil {
			t.Fatal(err)
		}
		s.Serve(&ext.Request{Link: hub, Type: "set", Payload: e, Caller: nodes.Caller{JID: ops, Full: who},
			Respond: func(payload []byte, fail *ext.StanzaError) {
				mu.Lock()
				defer mu.Unlock()
				if fail != nil {
					payload = fail.Append(nil)
				}
				answers = append(answers, string(payload))
				done()
			}})
	}
	var wg sync.WaitGroup
	const n = MaxWaiting + 1 // one under way
	for i := range n {
		wg.Add(1)
		send(ops+"/a", create(fmt.Sprintf("N%d", i)), wg.Done)
		if i == 0 {
			waitFor(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return len(f.log) == 1 })
		}
	}
	refused := false
	send(ops+"/a", create("one too many"), func() { refused = strings.Contains(answers[0], "resource-constraint") })
	if !refused {
		t.Errorf("one too many: %q", answers)
	}
	wg.Add(1)
	send(ops+"/b", create("B"), wg.Done)
	waitFor(t, func() bool { f.mu.Lock(); defer f.mu.Unlock(); return slices.Contains(f.log, "begin B") })
	if got := ask(t, s, hub, ops, "get", op("getNode", "id='GW'", "")); !strings.HasPrefix(got, "<nodeInfo") {
		t.Errorf("a read meanwhile: %s", got)
	}
	close(f.hold)
	wg.Wait()
	f.log = slices.DeleteFunc(f.log, func(s string) bool { return strings.HasSuffix(s, " B") })
	for i := range n {
		if f.log[2*i] != fmt.Sprintf("begin N%d", i) || f.log[2*i+1] != fmt.Sprintf("end N%d", i) {
			t.Fatalf("order: %q", f.log)
		}
	}
	waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.lanes) == 0 })
}

// What waits when the hub stops is answered, and not done.
func TestStop(t *testing.T) {
	f := newFake()
	f.hold = make(chan struct{})
	s := New(f, quiet)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	answers := make(chan string, 3)
	request := func() {
		e, _ := wire.Parse(create("N"))
		s.Serve(&ext.Request{Type: "set", Payload: e, Caller: nodes.Caller{JID: ops}, Respond: func(_ []byte, fail *ext.StanzaError) {
			answers <- fail.Condition
		}})
	}
	request() // does not run yet
	if got := <-answers; got != "resource-constraint" {
		t.Errorf("before Run: %s", got)
	}
	go func() { _ = s.Run(ctx); close(ended) }()
	waitFor(t, s.Running)
	request()
	request()
	cancel()
	<-ended
	<-answers
	if got := <-answers; got != "resource-constraint" {
		t.Errorf("waiting while the hub stops: %s", got)
	}
	request()
	if got := <-answers; got != "resource-constraint" || f.changed() != 0 {
		t.Errorf("after Run: %s, %d changes", got, f.changed())
	}
}

func waitFor(t testing.TB, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal("waited 10 s in vain")
		}
	}
}

func BenchmarkGetChildNodes(b *testing.B) {
	f := newFake()
	for i := range 100 {
		n := f.list[1]
		n.Ref, n.Parent, n.Messages = nodes.In(fmt.Sprintf("GW/register %d", i)), nodes.In("GW"), nil
		f.list = append(f.list, n)
	}
	list := f.list[3:]
	e, err := wire.Parse(op("getChildNodes", "id='GW' parameters='true'", ""))
	if err != nil {
		b.Fatal(err)
	}
	size := 0
	s := New(canned{f, list}, quiet)
	r := &ext.Request{Type: "get", Payload: e, Caller: nodes.Caller{JID: ops}, Respond: func(p []byte, _ *ext.StanzaError) { size = len(p) }}
	b.ReportAllocs()
	for b.Loop() {
		s.Serve(r)
	}
	b.SetBytes(int64(size))
}

// canned has its children ready.
type canned struct {
	*fake
	list []nodes.Info
}

func (c canned) Children(nodes.Caller, nodes.Ref, nodes.Detail) ([]nodes.Info, error) {
	return c.list, nil
}

func (c canned) All(nodes.Caller, string, []string, nodes.Detail) ([]nodes.Info, error) {
	return c.list, nil
}
