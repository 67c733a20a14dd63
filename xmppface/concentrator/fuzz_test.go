package concentrator

import (
	"reflect"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Every request gets exactly one well-formed answer of bounded size, and only
// well-formed ones of the changing kind change anything.
func FuzzServe(f *testing.F) {
	for _, g := range golden {
		name := g.op
		if name == "" {
			name = g.name
		}
		f.Add(op(name, g.attrs, g.children), typeOf(name) == "set")
	}
	backend := newFake()
	s := New(backend, quiet)
	link := exttest.Pair(f, s, nil)
	f.Fuzz(func(t *testing.T, doc string, set bool) {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		typ := "get"
		if set {
			typ = "set"
		}
		before := backend.changed()
		answers := make(chan []byte, 2)
		s.Serve(&ext.Request{Link: link.Net().Server, Type: typ, Payload: e,
			Caller: nodes.Caller{JID: ops, Full: exttest.ClientJID, Way: nodes.WayLocal},
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
		if len(answer) > exttest.MaxStanza-1000 || len(answers) > 0 {
			t.Errorf("%d bytes, %d more answers", len(answer), len(answers))
		}
		changes := e.Name.Local == "createNewNode" || e.Name.Local == "destroyNode"
		if n := backend.changed() - before; n > 1 || n == 1 && (!changes || !set) || n == 0 && changes && len(answer) > 0 && !strings.HasPrefix(string(answer), "<error") {
			t.Errorf("%d changes by %s", n, doc)
		}
		if e.Name.Local == "registerSniffer" {
			s.Gone(link.Net().Server, "")
		}
		backend.mu.Lock()
		backend.list, backend.log, backend.langs = newFake().list, nil, nil
		backend.mu.Unlock()
	})
}

// What a client reads from any hub can be written again and reads the same.
func FuzzReadInfo(f *testing.F) {
	list := newFake().list
	for i := range list {
		f.Add(string(appendInfo([]byte("<nodeInfo"), &list[i], nodes.Detail{Properties: true, Messages: true})))
	}
	f.Add(`<nodeInfo id='a' state='Odd' hasChildren='ON'><time id='t' value='25:00:00'/><double id='d' value='NaN'/><int id='i' value='1e9'/><duration id='u' value='-P1M'/></nodeInfo>`)
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		all := nodes.Detail{Properties: true, Messages: true}
		readInfos(e)
		readSources(e)
		readStrings(e)
		readSniff(e)
		n := readInfo(e)
		first := string(appendInfo([]byte("<nodeInfo"), &n, all))
		e, err = wire.Parse(first)
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		again := readInfo(e)
		if second := string(appendInfo([]byte("<nodeInfo"), &again, all)); second != first {
			t.Errorf("written, read and written again:\n%s\n%s", first, second)
		}
		again.Properties, n.Properties, again.Messages, n.Messages = nil, nil, nil, nil
		again.LastChanged, n.LastChanged = at, at
		if !reflect.DeepEqual(again, n) {
			t.Errorf("got %+v, want %+v", again, n)
		}
	})
}
