package concentrator

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// changing are the requests that change something when they are answered well.
var changing = []string{"createNewNode", "destroyNode", "executeNodeCommand", "executeNodeQuery",
	"setNodeParametersAfterEdit", "setNodeParametersForEdit", "setCommonNodeParametersAfterEdit",
	"moveNodeUp", "moveNodeDown", "moveNodesUp", "moveNodesDown"}

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
		changes := slices.Contains(changing, e.Name.Local)
		if strings.HasPrefix(e.Name.Local, "executeCommon") {
			// Several changes, which may come after the answer.
			s.Gone(link.Net().Server, "")
			waitFor(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return len(s.queries)+len(s.lanes) == 0 })
			if n := backend.changed() - before; n > 0 && strings.HasPrefix(string(answer), "<error") {
				t.Errorf("%d changes in spite of an error: %s", n, doc)
			}
			return
		}
		if n := backend.changed() - before; n > 1 || n == 1 && (!changes || !set) || n == 0 && changes && len(answer) > 0 && !strings.HasPrefix(string(answer), "<error") {
			t.Errorf("%d changes by %s", n, doc)
		}
		s.Gone(link.Net().Server, "")
		backend.mu.Lock()
		backend.list, backend.log, backend.langs = newFake().list, nil, nil
		backend.mu.Unlock()
	})
}

// What a hub says of several nodes is read for each of them, or not at all.
func FuzzReadPartial(f *testing.F) {
	f.Add("<partialExecution><result>true</result><result error='off'>false</result></partialExecution>")
	f.Add("<partialExecution><result> 1 </result><other/><result>no</result><result/></partialExecution>")
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		list := []nodes.Ref{nodes.In("a"), nodes.In("b")}
		errs, err := readPartial(e, "x", list)
		if err != nil {
			return
		}
		again, err := wire.Parse(string(appendPartial([]byte("<partialExecution"), errs)))
		if err != nil {
			t.Fatal(err)
		}
		back, err := readPartial(again, "x", list)
		if err != nil || len(errs) != 2 || len(back) != 2 || (back[0] == nil) != (errs[0] == nil) || (back[1] == nil) != (errs[1] == nil) {
			t.Errorf("got %v, then %v, %v", errs, back, err)
		}
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

// What a client reads of any hub's progress can be spelled again, in parts that fit
// messages, and reads the same.
func FuzzFindings(f *testing.F) {
	f.Add(spellAll(f, new(report), scan))
	f.Add(`<q><newTable tableId='t'><column/><column nrDecimals='999' alignment='Odd'/></newTable><newRecords tableId='t'><record><int>x</int><quantity m='NaN' u='V'/><measurement m='1e300' u='' e='1'/><odd/></record></newRecords><queryMessage type='Exception'>a</queryMessage><queryMessage type='odd'/><beginSection header='../x'/><newObject>AAA</newObject><newObject> A A= = </newObject><endSection/><queryAborted/><title/></q>`)
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Skip()
		}
		first, ok := spellAgain(t, readProgress(t, e))
		if !ok {
			t.Skip() // such as rows without a table
		}
		if e, err = wire.Parse(first); err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		if second, ok := spellAgain(t, readProgress(t, e)); !ok || second != first && len(doc) < maxCaption {
			t.Errorf("spelled, read and spelled again:\n%s\n%s", first, second)
		}
	})
}

// spellAgain spells what was read, but for the names of objects, which the sections
// before them tell.
func spellAgain(t *testing.T, list []nodes.Finding) (string, bool) {
	var r report
	b := []byte("<q>")
	for _, found := range list {
		if o, ok := found.(nodes.Object); ok {
			o.Name = ""
			found = o
		}
		for found != nil {
			var part []byte
			var err error
			if part, found, err = r.spell(nil, found); err != nil {
				return "", false
			}
			if len(part) > maxPart {
				t.Fatalf("a part of %d bytes", len(part))
			}
			b = append(b, part...)
		}
	}
	return string(append(r.close(b), "</q>"...)), true
}

func readProgress(t *testing.T, e *wire.Element) []nodes.Finding {
	var got []nodes.Finding
	reader := findings{put: func(f nodes.Finding) error {
		if o, ok := f.(nodes.Object); ok && strings.ContainsAny(o.Name, `/\`) {
			t.Errorf("a file named %q", o.Name)
		}
		got = append(got, f)
		return nil
	}}
	if _, err := reader.read(e); err != nil {
		t.Fatal(err)
	}
	return got
}

// Messages of any numbers in any order: what is handed over is in order, none twice,
// and the client's record of its bytes is right.
func FuzzFollowing(f *testing.F) {
	f.Add([]byte{1, 2, 3})
	f.Add([]byte{3, 1, 1, 2, 200, 0, 4, 5, 255, 6})
	f.Fuzz(func(t *testing.T, numbers []byte) {
		c := &Client{To: exttest.ServerJID}
		fl := &following{wake: make(chan struct{}, 1), held: make(map[uint64]*wire.Element)}
		c.following = map[string]*following{"q": fl}
		last := uint64(0)
		taken := func() {
			for {
				e, err := c.next(fl)
				if e == nil || err != nil {
					return
				}
				n := e.Attr("seqNr")
				if last++; n != "0" && n != fmt.Sprint(last) {
					t.Fatalf("message %s, want %d", n, last)
				}
			}
		}
		for i, n := range numbers {
			c.Receive(message(exttest.ServerJID, fmt.Sprintf("<queryProgress queryId='q' seqNr='%d'><status message='x'/></queryProgress>", n)))
			if i%3 == 0 {
				taken()
			}
		}
		taken()
		held := 0
		for n, e := range fl.held {
			if held += sizeOf(e); n <= last {
				t.Errorf("message %d is held after %d", n, last)
			}
		}
		if held != fl.bytes || len(fl.held) > maxAhead || fl.gap.IsZero() != (len(fl.held) == 0) {
			t.Errorf("%d bytes in %d messages, %d counted, gap %v", held, len(fl.held), fl.bytes, fl.gap)
		}
	})
}
