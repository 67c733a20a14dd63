package concentrator

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/wire"
)

var (
	address  = regexp.MustCompile(`(<nd|^) ?id='[^']*'`) // of a node, in the attributes or the first nd
	someForm = regexp.MustCompile(`<x .*</x>`)
)

// Every operation of the list is asked with every address that leads nowhere, and with
// forms that are none: the condition is the documented one, the text says something, and
// nothing is changed.
func TestBadInputEverywhere(t *testing.T) {
	const anything = "anything"
	long := strings.Repeat("é", 5000)
	addresses := []struct{ name, attrs, want string }{
		{"no id", "", "bad-request"},
		{"an empty id", "id=''", "bad-request"},
		{"an empty id and a source", "id='' src='MeteringTopology'", "bad-request"},
		{"an unknown node", "id='nowhere'", "item-not-found"},
		{"an unknown source", "id='GW' src='Other'", "item-not-found"},
		{"an unknown partition", "id='GW' pt='p'", "item-not-found"},
		{"XML specials", "id='&lt;&amp;&gt;&quot;&apos;]]&gt;'", "item-not-found"},
		{"emoji", "id='😀👩‍🔧'", "item-not-found"},
		{"white space", "id=' &#9;&#10; '", "item-not-found"},
		{"10,000 bytes", "id='" + long + "'", "item-not-found"},
		{"10,000 bytes of source", "id='GW' src='" + long + "'", "item-not-found"},
	}
	forms := []struct{ name, x string }{
		{"200 kB", formOpen + "<field var='Host'><value>" + strings.Repeat("h", 200<<10) + "</value></field></x>"},
		{"200 kB of fields", formOpen + strings.Repeat("<field var='Host'><value>h</value></field>", 4500) + "</x>"},
		{"deep", formOpen + strings.Repeat("<field var='a'>", 55) + strings.Repeat("</field>", 55) + "</x>"},
		{"not a form", "<x xmlns='jabber:x:data' type='result'/>"},
		{"cancelled", "<x xmlns='jabber:x:data' type='cancel'/>"},
		{"a field without a name", formOpen + "<field><value>1</value></field></x>"},
		{"an unknown field", formOpen + "<field var='Qqq'><value>1</value></field></x>"},
		{"a field twice", formOpen + "<field var='Port'/><field var='Port'/></x>"},
	}
	send := func(o operation, name, attrs, children, want string) {
		t.Helper()
		f := newFake()
		_, link, s := pair(t, f, NSNF)
		before := f.nodes()
		answer := ask(t, s, link.Net().Server, ops, typeOf(o.name), op(o.name, attrs, children))
		e, err := wire.Parse(answer)
		switch {
		case strings.HasPrefix(o.name, "contains") && want == "item-not-found":
			if !strings.Contains(answer, ">false<") {
				t.Errorf("%s with %s: %.300s", o.name, name, answer)
			}
		case err != nil || e.Name.Local != "error" || e.Child("text") == nil || e.Child("text").Text == "":
			t.Errorf("%s with %s: no error with a text: %.300s", o.name, name, answer)
		case want != anything && e.Child(want) == nil:
			t.Errorf("%s with %s: %.300s, want %s", o.name, name, answer, want)
		case (e.Attr("type") == "modify") != (e.Child("x") != nil):
			t.Errorf("%s with %s: type %s and a form: %v", o.name, name, e.Attr("type"), e.Child("x") != nil)
		}
		if len(answer) > 32<<10 {
			t.Errorf("%s with %s: an answer of %d bytes", o.name, name, len(answer))
		}
		if !reflect.DeepEqual(f.nodes(), before) || f.changed() != 0 {
			t.Errorf("%s with %s: something was changed", o.name, name)
		}
	}
	requests := make(map[string]int)
	for i, g := range golden {
		if g.op == "" {
			requests[g.name] = i
		}
	}
	for _, o := range operations() {
		i, ok := requests[o.name]
		if !ok {
			t.Errorf("%s has no golden request", o.name)
			continue
		}
		g := golden[i]
		for _, bad := range addresses {
			switch {
			case address.MatchString(g.attrs):
				attrs := strings.ReplaceAll(strings.ReplaceAll(g.attrs, "src='MeteringTopology'", ""), "pt=''", "")
				send(o, bad.name, address.ReplaceAllLiteralString(attrs, bad.attrs), g.children, bad.want)
			case strings.HasPrefix(g.children, "<nd"):
				for at := range 2 { // the first, or the last that is without attributes beside
					children := g.children
					if at == 1 {
						children = "<nd id='GW'/>" + strings.Replace(children, "<nd id='GW'/>", "", 1)
					}
					places := regexp.MustCompile(`<nd [^>]*/>`).FindAllStringIndex(children, -1)
					place := places[at]
					send(o, fmt.Sprintf("%s, node %d", bad.name, at+1), g.attrs, children[:place[0]]+"<nd "+bad.attrs+"/>"+children[place[1]:], bad.want)
				}
			}
		}
		if strings.HasPrefix(g.children, "<nd") {
			if o.name != "getNodes" && o.name != "containsNodes" { // of none there is nothing to tell
				send(o, "no nodes", g.attrs, someForm.FindString(g.children), "bad-request")
			}
			send(o, "something else than nodes", g.attrs, "<node id='GW'/>"+g.children, "bad-request")
		}
		if someForm.MatchString(g.children) {
			for _, bad := range forms {
				send(o, "a form: "+bad.name, g.attrs, someForm.ReplaceAllLiteralString(g.children, bad.x), anything)
			}
		}
	}
}
