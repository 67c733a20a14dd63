package wire

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestCheckNames(t *testing.T) {
	for _, tt := range []struct {
		doc  string
		want bool
	}{
		{`<a xmlns='u' xml:lang='en' q:b='1' xmlns:q='v'><_c/><ä/></a>`, true},
		{`<p:a xmlns:p='u'/>`, true},
		{`<p:1a xmlns:p='u'/>`, false},
		{`<a p:-b='' xmlns:p='u'/>`, false},
		{`<:a/>`, false},
		{`<a b:='1'/>`, false},
		{`<a><xml:b/></a>`, false},
		{`<a xmlns='http://www.w3.org/2000/xmlns/'/>`, false},
		{`<a p:b='1' xmlns:p='http://www.w3.org/2000/xmlns/'/>`, false},
		{`<a xmlns='urn:x y'/>`, false},
		{`<a><p:b xmlns:p='urn:x}y'/></a>`, false},
		{`<a p:b='1' xmlns:p='&#10;'/>`, false},
		{`<a xmlns="https://example.org/~b?c=d&amp;e#f(g)'ä"/>`, true},
	} {
		e, err := Parse(tt.doc)
		if err != nil {
			t.Fatalf("%s: %v", tt.doc, err)
		}
		if err := e.CheckNames(); (err == nil) != tt.want {
			t.Errorf("%s: %v, want good: %v", tt.doc, err, tt.want)
		}
	}
}

func TestAppendMax(t *testing.T) {
	e, err := Parse("<a xmlns='u' xmlns:p='" + strings.Repeat("x", 1000) + "'>" + strings.Repeat("<p:b/>", 1000) + "</a>")
	if err != nil {
		t.Fatal(err)
	}
	if b, fits := e.AppendMax(nil, "", 10000); fits || len(b) > 20000 {
		t.Errorf("%d bytes, fits: %v", len(b), fits)
	}
	all := e.Append(nil, "")
	if b, fits := e.AppendMax(nil, "", len(all)); !fits || string(b) != string(all) {
		t.Errorf("%d bytes of %d, fits: %v", len(b), len(all), fits)
	}
}

// FuzzAppend: what is written of an element is the same element when it is read.
func FuzzAppend(f *testing.F) {
	for _, doc := range []string{
		`<a xmlns='u' b='1'>x<c xmlns=''/>y<c xmlns='v' xml:lang='sv'/></a>`,
		`<p:a xmlns:p='u' p:x='&quot;&#10;' x=''><p:b><c/></p:b></p:a>`,
		`<a><![CDATA[<&]]>&#13;</a>`, `<p:a/>`, `<a p:b='1' q:b='2'/>`,
	} {
		f.Add(doc)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := Parse(doc)
		if err != nil || e.CheckNames() != nil {
			return
		}
		for _, outer := range []string{"", "u", "other"} {
			text := "<o xmlns='" + outer + "'>" + string(e.Append(nil, outer)) + "</o>"
			again, err := Parse(text)
			if err != nil || len(again.Children) != 1 || !reflect.DeepEqual(again.Children[0], e) {
				t.Fatalf("%s: written %s: read again %+v, %v", doc, text, again, err)
			}
		}
	})
}

// TestCheckNamesOfOneLongNamespace: a namespace that many elements share is looked
// at once.
func TestCheckNamesOfOneLongNamespace(t *testing.T) {
	for name, doc := range map[string]string{
		"default": "<x xmlns='" + strings.Repeat("p", 100000) + "'>" + strings.Repeat("<y/>", 18000) + "</x>",
		"prefix":  "<x xmlns:p='" + strings.Repeat("p", 100000) + "'>" + strings.Repeat("<p:y/><z/>", 9000) + "</x>",
	} {
		e, err := Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if err := e.CheckNames(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if took := time.Since(began); took > 500*time.Millisecond {
			t.Errorf("%s: it took %v", name, took)
		}
	}
}
