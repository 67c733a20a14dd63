package control

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

var update = flag.Bool("update", false, "write the golden files anew")

func element(name, space, children string) string {
	return "<" + name + " xmlns='" + space + "'>" + children + "</" + name + ">"
}

// errRefused is what the device says in the tests.
var errRefused = errors.New("unit 3 at 192.0.2.7: function 6, register 12: illegal data value")

func TestGolden(t *testing.T) {
	refused := nodes.Outcome{State: nodes.WriteRefused, Err: errRefused}
	unknown := nodes.Outcome{State: nodes.WriteUnknown, Err: errors.New("unit 3 at 192.0.2.7 did not answer within 1s")}
	const x = "<x xmlns='jabber:x:data' type='submit'>"
	for _, g := range []struct {
		name, children string
		outcomes       map[string]nodes.Outcome
		foreign        bool // beyond the schema
	}{
		{name: "set", children: "<nd id='pump'/><b n='on' v='true'/>"},
		{name: "set-all-types", children: "<nd id='all' src='MeteringTopology'/><b n='bool' v='1'/><i n='int32' v='-7'/><l n='int64' v='1099511627776'/>" +
			"<db n='double' v='23.50'/><s n='string' v='a &lt;b&gt;'/><e n='enum' v='Hand' t='Mode'/><d n='date' v='2026-11-23'/>" +
			"<dt n='dateTime' v='2026-11-23T09:30:15.250'/><t n='time' v='09:30:00'/><dr n='duration' v='P1Y2MT1M30S'/><cl n='color' v='FF800040'/>"},
		{name: "set-several-nodes", children: "<nd id='pump'/><nd id='fan'/><b n='on' v='false'/><db n='speed' v='100'/>"},
		{name: "set-numbers", children: "<nd id='pump'/><i n='speed' v='100'/>"},
		{name: "set-twice", children: "<nd id='pump'/><b n='on' v='true'/><b n='on' v='false'/>"},
		{name: "set-form", children: "<nd id='pump'/>" + x + "<field var='xdd session' type='hidden'><value>83CAA4BC</value></field>" +
			"<field var='speed' type='text-single'><value>12.5</value></field><field var='on' type='boolean'><value>1</value></field></x>"},
		{name: "set-form-wrong", children: "<nd id='pump'/>" + x + "<field var='speed'><value>fast</value></field><field var='on'><value>1</value></field></x>"},
		{name: "set-form-range", children: "<nd id='pump'/><nd id='fan'/>" + x + "<field var='speed'><value>2000</value></field></x>"},
		{name: "set-permitted", children: "<nd id='secret'/><nd id='pump'/><b n='on' v='true'/>"},
		{name: "set-forbidden", children: "<nd id='secret'/><b n='on' v='true'/>"},
		{name: "set-unknown-parameter", children: "<nd id='pump'/><b n='on' v='true'/><b n='of' v='true'/>"},
		{name: "set-range", children: "<nd id='pump'/><b n='on' v='true'/><db n='speed' v='3001'/>"},
		{name: "set-no-number", children: "<nd id='pump'/><db n='speed' v='fast'/>", foreign: true},
		{name: "set-refused", children: "<nd id='pump'/><db n='speed' v='1'/>", outcomes: map[string]nodes.Outcome{"pump speed": refused}},
		{name: "set-refused-later", children: "<nd id='pump'/><nd id='fan'/><b n='on' v='true'/><db n='speed' v='1'/><e n='mode' v='Off' t=''/>",
			outcomes: map[string]nodes.Outcome{"fan speed": refused}},
		{name: "set-unknown", children: "<nd id='pump'/><b n='on' v='true'/><db n='speed' v='1'/>", outcomes: map[string]nodes.Outcome{"pump speed": unknown}},
		{name: "set-expired", children: "<nd id='pump'/><b n='on' v='true'/>", outcomes: map[string]nodes.Outcome{"pump on": {State: nodes.WriteExpired,
			Err: errors.New("its time was over before it was sent; nothing was written")}}},
		{name: "set-unreachable", children: "<nd id='pump'/><b n='on' v='true'/>", outcomes: map[string]nodes.Outcome{"pump on": {State: nodes.WriteRefused,
			Err: nodes.Errorf(nodes.Unreachable, "set", nodes.In("pump"), "nothing was sent: 192.0.2.7:502 refuses the connection")}}},
		{name: "set-hub", children: "<b n='on' v='true'/>"},
		{name: "getForm", children: "<nd id='pump'/>"},
		{name: "getForm-all-types", children: "<nd id='all'/>"},
		{name: "getForm-several-nodes", children: "<nd id='pump'/><nd id='fan'/>"},
		{name: "getForm-not-current", children: "<nd id='old'/>"},
		{name: "getForm-not-readable", children: "<nd id='blind'/>"},
		{name: "getForm-groups", children: "<nd id='spot'/>"},
		{name: "set-groups-wrong", children: "<nd id='spot'/>" + x + "<field var='pan'><value>left</value></field></x>"},
		{name: "getForm-nothing", children: "<nd id='folder'/>"},
		{name: "getForm-permitted", children: "<nd id='secret'/><nd id='old'/>"},
		{name: "getForm-forbidden", children: "<nd id='secret'/>"},
		{name: "getForm-missing", children: "<nd id='secret'/><nd id='nowhere'/>"},
		{name: "getForm-hub"},
	} {
		operation, _, _ := strings.Cut(g.name, "-")
		typ := map[string]string{"set": "set", "getForm": "get"}[operation]
		var want string
		for _, space := range []string{NSNF, NSNFI, NSIEEE} {
			f := &fake{outcomes: g.outcomes}
			_, link, _ := pair(t, f, space)
			request := element(operation, space, g.children)
			if !g.foreign {
				exttest.Record([]byte(request))
			}
			e, err := link.AskRaw(t.Context(), typ, request)
			text := request + "\n\n"
			var stanza *ext.StanzaError
			switch {
			case errors.As(err, &stanza):
				for _, c := range stanza.Element.Children {
					exttest.Record(c.Append(nil, ""))
				}
				text += string(stanza.Element.Append(nil, "jabber:client"))
			case err != nil || e == nil:
				t.Fatalf("%s: %v, %v", g.name, e, err)
			default:
				text += string(e.Append(nil, ""))
			}
			if w := f.all(); w != "" {
				text += "\n\nwritten: " + w
			}
			text = strings.ReplaceAll(strings.ReplaceAll(text, space, NSNF), "><", ">\n<") + "\n"
			if want == "" {
				want = text
			} else if text != want {
				t.Errorf("%s in %s:\n%s", g.name, space, text)
			}
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

func TestBadInput(t *testing.T) {
	const (
		bad     = "bad-request"
		missing = "item-not-found"
		pump    = "<nd id='pump'/>"
	)
	many := strings.Repeat("<b n='on' v='1'/>", MaxSettings/2+1)
	for _, c := range []struct{ name, typ, children, want string }{
		{"set", "get", pump + "<b n='on' v='1'/>", bad},
		{"getForm", "set", pump, bad},
		{"resp", "set", "", "feature-not-implemented"},
		{"set", "set", pump, bad},
		{"set", "set", pump + "<b n='on'/>", bad},
		{"set", "set", pump + "<b v='1'/>", bad},
		{"set", "set", pump + "<b n='on' v=''/>", bad},
		{"set", "set", pump + "<b n='on' v='maybe'/>", bad},
		{"set", "set", pump + "<i n='speed' v=''/>", bad},
		{"set", "set", pump + "<i n='speed' v='12a'/>", bad},
		{"set", "set", pump + "<i n='speed' v='2147483648'/>", bad},
		{"set", "set", pump + "<l n='speed' v='9223372036854775808'/>", bad},
		{"set", "set", pump + "<db n='speed' v='NaN'/>", bad},
		{"set", "set", pump + "<db n='speed' v='INF'/>", bad},
		{"set", "set", pump + "<db n='speed' v='1,5'/>", bad},
		{"set", "set", pump + "<db n='speed' v='1e999'/>", bad},
		{"set", "set", pump + "<b n='speed' v='1'/>", bad},
		{"set", "set", pump + "<s n='speed' v='1'/>", bad},
		{"set", "set", pump + "<e n='mode' v='auto' t=''/>", bad},
		{"set", "set", "<nd id='all'/><cl n='color' v='red'/>", bad},
		{"set", "set", "<nd id='all'/><cl n='color' v=''/>", bad},
		{"set", "set", "<nd id='all'/><d n='date' v='2026-02-30'/>", bad},
		{"set", "set", "<nd id='all'/><dt n='dateTime' v='yesterday'/>", bad},
		{"set", "set", "<nd id='all'/><dr n='duration' v='90'/>", bad},
		{"set", "set", "<nd id='all'/><t n='time' v='25:00:00'/>", bad},
		{"set", "set", "<nd id='all'/><i n='int32' v='1'/><db n='int32' v='1.5'/>", bad},
		{"set", "set", pump + "<q n='speed' v='1' u='1/min'/>", bad},
		{"set", "set", "<nd/><b n='on' v='1'/>", bad},
		{"set", "set", "<nd id='nowhere'/><b n='on' v='1'/>", missing},
		{"set", "set", pump + "<nd id='pump' src='Other'/><b n='on' v='1'/>", missing},
		{"set", "set", pump + "<nd id='folder'/><b n='on' v='1'/>", missing},
		{"set", "set", pump + "<nd id='fan'/>" + many, "not-acceptable"},
		{"set", "set", pump + "<x xmlns='jabber:x:data' type='submit'/>", bad},
		{"set", "set", pump + "<x xmlns='jabber:x:data' type='cancel'/>", bad},
		{"set", "set", pump + "<x xmlns='jabber:x:data' type='submit'/><x xmlns='jabber:x:data' type='submit'/>", bad},
		{"set", "set", pump + "<x xmlns='jabber:x:data' type='submit'><field var='speed'><value/></field></x>", bad},
		{"set", "set", pump + "<x xmlns='jabber:x:data' type='submit'><field var='of'><value>1</value></field></x>", bad},
		{"getForm", "get", "", missing},
		{"getForm", "get", pump + "<b n='on' v='1'/>", bad},
		{"getForm", "get", strings.Repeat("<nd id='a'/>", 10) + "<nd id='pump'/>", missing},
	} {
		f := &fake{}
		_, link, _ := pair(t, f, "")
		_, err := link.AskRaw(t.Context(), c.typ, element(c.name, NSNF, c.children))
		var e *ext.StanzaError
		if !errors.As(err, &e) || e.Condition != c.want || e.Text == "" || len(e.Text) > 1000 {
			t.Errorf("%.200s: %v, want %s", c.children, err, c.want)
		}
		if f.all() != "" {
			t.Errorf("%.200s: written %s", c.children, f.all())
		}
	}
}

// TestEmptyFields: what a form could not show and comes back empty is not set.
func TestEmptyFields(t *testing.T) {
	for _, c := range []struct{ node, fields, want string }{
		{"old", "<field var='on'><value>1</value></field><field var='text'><value/></field>", "old on=true"},
		{"old", "<field var='text'><value>new</value></field>", "old text=new"},
		{"all", "<field var='string'><value/></field>", "all string="},
		{"pump", "<field var='on'><value>0</value></field><field var='mode'><value/></field>", "pump on=false"},
	} {
		f := &fake{}
		_, link, _ := pair(t, f, "")
		_, err := link.AskRaw(t.Context(), "set", element("set", NSNFI, "<nd id='"+c.node+"'/><x xmlns='jabber:x:data' type='submit'>"+c.fields+"</x>"))
		if err != nil || f.all() != c.want {
			t.Errorf("%s: %q, %v, want %q", c.fields, f.all(), err, c.want)
		}
	}
}

func TestForeignElements(t *testing.T) {
	f := &fake{}
	_, link, _ := pair(t, f, "")
	_, err := link.AskRaw(t.Context(), "set", "<set xmlns='"+NSNF+"' st='a' dt='b' ut='c'><y xmlns='urn:other'/><nd id='pump'/><nd id='pump'/><b n='on' v='yes'/></set>")
	if want := "pump on=true"; err != nil || f.all() != want {
		t.Errorf("%q, %v, want %q", f.all(), err, want)
	}
}
