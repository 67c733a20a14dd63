package wire

import (
	"encoding/xml"
	"errors"
	"strings"
	"testing"
)

func TestReadElement(t *testing.T) {
	e, err := Parse("<iq xmlns='jabber:client' xml:lang='de' type='get'>text<req xmlns='urn:x' id='1' b:id='2' xmlns:b='urn:b'/>more<z/></iq>")
	if err != nil {
		t.Fatal(err)
	}
	if p := e.First(); p == nil || p.Name != (xml.Name{Space: "urn:x", Local: "req"}) || p.Attr("id") != "1" {
		t.Errorf("the payload is the first child element, text or not: %+v", p)
	}
	if e.Lang() != "de" || e.Text != "textmore" || e.Child("z") == nil || e.Child("y") != nil || len(e.Attrs) != 2 {
		t.Errorf("got %+v", e)
	}
	if _, ok := e.Lookup("id"); ok {
		t.Error("an attribute that is not there")
	}
	var none Element
	if none.First() != nil || none.Lang() != "" || none.Attr("x") != "" {
		t.Error("an empty element has something")
	}
}

func TestReadElementRefuses(t *testing.T) {
	for name, doc := range map[string]string{
		"a comment":                "<a><!-- x --></a>",
		"a processing instruction": "<a><?x y?></a>",
		"an unknown entity":        "<a>&x;</a>",
		"cut off":                  "<a><b>",
		"wrong end":                "<a></b>",
		"too deep":                 strings.Repeat("<a>", MaxDepth+2) + strings.Repeat("</a>", MaxDepth+2),
		"too many":                 "<a>" + strings.Repeat("<b/>", MaxElements) + "</a>",
	} {
		if e, err := Parse(doc); err == nil {
			t.Errorf("%s: got %+v", name, e.Name)
		} else if strings.HasPrefix(name, "too ") && !errors.Is(err, ErrTooComplex) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzAppendText: whatever a text holds, it is one valid attribute value and one
// valid text, and what XML can carry comes back.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", `<&>'"`, "ä€😀", "\x00\x7f\xff", "a\r\n\tb", "\ufffe"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := AppendAttr([]byte("<a"), "x", s)
		b = append(AppendText(append(b, '>'), s), "</a>"...)
		e, err := Parse(string(b))
		if err != nil {
			t.Fatalf("%q: %v", b, err)
		}
		want := strings.Map(func(r rune) rune {
			if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
				return '\ufffd'
			}
			return r
		}, strings.ToValidUTF8(s, "\ufffd"))
		if len(strings.ToValidUTF8(s, "")) == len(s) && (e.Text != want || e.Attr("x") != want) {
			t.Errorf("got %q and %q, want %q", e.Text, e.Attr("x"), want)
		}
	})
}
