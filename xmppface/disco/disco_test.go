package disco

import (
	"reflect"
	"testing"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

type mounted []string

func (m mounted) Spaces() []string   { return m }
func (m mounted) Serve(*ext.Request) {}

// serve returns what the extension answers.
func serve(t testing.TB, x ext.Extension, typ, payload string) (answer string, condition string) {
	t.Helper()
	e, err := wire.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	x.Serve(&ext.Request{Type: typ, Payload: e, Respond: func(b []byte, err *ext.StanzaError) {
		answer = string(b)
		if err != nil {
			condition = err.Condition
		}
	}})
	return answer, condition
}

func TestServe(t *testing.T) {
	x := New("Boiler & room", mounted{"urn:b:1", "urn:a:1"}, mounted{"urn:a:1"})
	for _, tt := range []struct{ typ, payload, want, condition string }{
		{"get", "<query xmlns='" + NSInfo + "'/>", "<query xmlns='http://jabber.org/protocol/disco#info'>" +
			"<identity category='client' type='bot' name='Boiler &amp; room'/>" +
			"<feature var='http://jabber.org/protocol/caps'/><feature var='http://jabber.org/protocol/disco#info'/><feature var='http://jabber.org/protocol/disco#items'/>" +
			"<feature var='urn:a:1'/><feature var='urn:b:1'/></query>", ""},
		{"get", "<query xmlns='" + NSItems + "'/>", "<query xmlns='http://jabber.org/protocol/disco#items'/>", ""},
		{"get", "<query xmlns='" + NSInfo + "' node='x'/>", "", "item-not-found"},
		{"set", "<query xmlns='" + NSInfo + "'/>", "", "feature-not-implemented"},
		{"get", "<other xmlns='" + NSInfo + "'/>", "", "feature-not-implemented"},
	} {
		got, condition := serve(t, x, tt.typ, tt.payload)
		if got != tt.want || condition != tt.condition {
			t.Errorf("%s %s:\n got %s %s\nwant %s %s", tt.typ, tt.payload, got, condition, tt.want, tt.condition)
		}
	}
}

func TestParse(t *testing.T) {
	x := New("n", mounted{"urn:b:1"})
	answer, _ := serve(t, x, "get", "<query xmlns='"+NSInfo+"'/>")
	e, err := wire.Parse(answer)
	if err != nil {
		t.Fatal(err)
	}
	got := parseInfo(e)
	want := Info{[]Identity{{"client", "bot", "n"}}, []string{nsCaps, NSInfo, NSItems, "urn:b:1"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if f := got.First("urn:x", "urn:b:1", NSInfo); f != "urn:b:1" {
		t.Errorf("First: %q", f)
	}
	if f := got.First("urn:x"); f != "" {
		t.Errorf("First of none: %q", f)
	}
	e, _ = wire.Parse("<query xmlns='" + NSItems + "'><item jid='a@b' node='n' name='x'/><other/></query>")
	if got := parseItems(e); !reflect.DeepEqual(got, []Item{{"a@b", "n", "x"}}) {
		t.Errorf("items: %+v", got)
	}
	if len(parseItems(nil)) > 0 || len(parseInfo(nil).Features) > 0 {
		t.Error("something out of nothing")
	}
}

// TestHash checks the example of XEP-0115, 5.2.
func TestHash(t *testing.T) {
	info := Info{[]Identity{{"client", "pc", "Exodus 0.9.1"}}, []string{nsCaps, NSInfo, NSItems, "http://jabber.org/protocol/muc"}}
	if got, want := hash(info), "QgayPKawpkPSDYmwT/WM94uAlu0="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestCapabilities(t *testing.T) {
	x := New("n", mounted{"urn:b:1"})
	c, err := wire.Parse(string(x.(interface{ Presence() []byte }).Presence()))
	if err != nil || c.Name.Space != nsCaps || c.Attr("hash") != "sha-1" {
		t.Fatalf("got %+v, %v", c, err)
	}
	node := c.Attr("node") + "#" + c.Attr("ver")
	answer, condition := serve(t, x, "get", string(query(NSInfo, node)))
	e, err := wire.Parse(answer)
	if err != nil || condition != "" || e.Attr("node") != node || hash(parseInfo(e)) != c.Attr("ver") {
		t.Errorf("asked for %s: %s %s %v", node, answer, condition, err)
	}
	if _, condition := serve(t, x, "get", string(query(NSInfo, "urn:fieldhub"))); condition != "item-not-found" {
		t.Errorf("asked for a part of the node: %q", condition)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<query xmlns='" + NSInfo + "'><identity category='a' type='b'/><feature var='c'/></query>")
	f.Add("<query><item jid='a'/></query>")
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			return
		}
		if n := len(parseInfo(e).Features) + len(parseInfo(e).Identities) + len(parseItems(e)); n > len(e.Children) {
			t.Errorf("%d from %d children", n, len(e.Children))
		}
	})
}
