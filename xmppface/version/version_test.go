package version

import (
	"encoding/xml"
	"testing"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

func name(local string) xml.Name { return xml.Name{Space: NS, Local: local} }

func TestServe(t *testing.T) {
	for _, s := range []Software{{"hub", "1.0", "linux"}, {"<hub>", "1&2", ""}} {
		x := New(s)
		x.Serve(&ext.Request{Type: "get", Payload: &wire.Element{Name: name("query")}, Respond: func(b []byte, err *ext.StanzaError) {
			e, parseErr := wire.Parse(string(b))
			if err != nil || parseErr != nil {
				t.Fatalf("%s: %v, %v", b, err, parseErr)
			}
			if got := parse(e); got != s || e.Name != name("query") {
				t.Errorf("got %+v of %s, want %+v", got, b, s)
			}
		}})
		x.Serve(&ext.Request{Type: "set", Payload: &wire.Element{Name: name("query")}, Respond: func(_ []byte, err *ext.StanzaError) {
			if err == nil || err.Condition != "feature-not-implemented" {
				t.Errorf("set: %v", err)
			}
		}})
	}
	if got := parse(nil); got != (Software{}) {
		t.Errorf("of nothing: %+v", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("<query xmlns='jabber:iq:version'><name>a</name><version>b</version></query>")
	f.Fuzz(func(t *testing.T, doc string) {
		if e, err := wire.Parse(doc); err == nil {
			if s := parse(e); len(s.Name)+len(s.Version)+len(s.OS) > len(doc)*3 {
				t.Errorf("%+v of %q", s, doc)
			}
		}
	})
}
