package control

import (
	"errors"
	"math"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// FuzzParse: whatever is asked is an error for the sender, or wishes that can be
// written again and read as the same.
func FuzzParse(f *testing.F) {
	f.Add(element("set", NSNFI, "<nd id='pump' src='a' pt='b'/><nd id='fan'/><b n='on' v='true'/><db n='speed' v='1e3'/><s n='a' v='&#10;'/>"))
	f.Add(element("set", NSNF, "<nd id='all'/><cl n='c' v='ff8000'/><d n='d' v='2026-11-23Z'/><dt n='dt' v='2026-11-23T09:30:15'/>"+
		"<dr n='dr' v='-P1Y2M3DT4H5M6.7S'/><e n='e' v='x' t=''/><i n='i' v='-7'/><l n='l' v='7'/><t n='t' v='1.02:03:04'/>"))
	f.Add(element("set", NSIEEE, "<nd id='pump'/><x xmlns='jabber:x:data' type='submit'><field var='on'><value>1</value></field></x>"))
	f.Add(element("getForm", NSIEEE, "<nd id='pump'/>"))
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			return
		}
		w, err := parse(e)
		if err != nil {
			var ours *nodes.Error
			var wrong *wrongParams
			if !errors.As(err, &ours) && !errors.As(err, &wrong) {
				t.Errorf("%T: %v", err, err)
			}
			return
		}
		if len(w.refs) == 0 || len(w.refs) > MaxNodes || len(w.params) > MaxSettings {
			t.Fatalf("%d nodes, %d parameters", len(w.refs), len(w.params))
		}
		b, err := appendSet(nil, NSNFI, w.refs, w.params)
		if err != nil {
			t.Fatalf("cannot be written again: %v", err)
		}
		e, err = wire.Parse(string(b))
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		again, err := parse(e)
		if err != nil {
			t.Fatalf("%v: %s", err, b)
		}
		if len(again.params) != len(w.params) || len(again.refs) != len(w.refs) {
			t.Fatalf("%s: %v, want %v", b, again, w)
		}
		for i, p := range w.params {
			if !same(p.Value, again.params[i].Value) {
				t.Errorf("%s: %v, want %v", b, again.params[i].Value, p.Value)
			}
		}
	})
}

// same tells whether values are the same but for what has no place on the wire:
// fractions of milliseconds, and how many decimals a number has.
func same(a, b nodes.Value) bool {
	switch a.Kind() {
	case nodes.KindTime:
		return (a.Span() - b.Span()).Abs().Milliseconds() == 0
	case nodes.KindDateTime:
		return a.Time().Sub(b.Time()).Abs().Milliseconds() == 0
	case nodes.KindDouble:
		return math.Abs(a.Double()-b.Double()) <= 1e-9*math.Abs(a.Double())+math.Pow10(-max(a.Decimals(), 0))
	}
	return a == b
}

// FuzzSubmitted: whatever is submitted is an error that shows the form again, or
// values of the form.
func FuzzSubmitted(f *testing.F) {
	f.Add("<x xmlns='jabber:x:data' type='submit'><field var='on'><value>1</value></field><field var='speed'><value>7</value></field></x>")
	f.Add("<x xmlns='jabber:x:data'><field var='xdd session' type='hidden'><value>7</value></field><field var='mode'><value/></field></x>")
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := wire.Parse(doc)
		if err != nil {
			return
		}
		s := New(&fake{}, quiet)
		form, err := s.form(nodes.Caller{JID: "ops@example.org"}, []nodes.Ref{nodes.In("pump")})
		if err != nil {
			t.Fatal(err)
		}
		list, err := submitted(e, form)
		if err != nil {
			var stanza *ext.StanzaError
			r := &ext.Request{Payload: &wire.Element{}}
			if err = s.explained(r, err); errors.As(err, &stanza) {
				if _, err := wire.Parse("<error>" + string(stanza.Payload) + "</error>"); err != nil {
					t.Errorf("%v: %s", err, stanza.Payload)
				}
			}
			return
		}
		for _, p := range list {
			if p.Value.IsZero() || p.Name != "on" && p.Name != "speed" && p.Name != "mode" {
				t.Errorf("%+v", p)
			}
		}
	})
}
