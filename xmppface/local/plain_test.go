package local

import (
	"encoding/xml"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
)

const testHeader = "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:p='urn:p' version='1.0'>"

// fixed is a connection from which fixed bytes come.
type fixed struct {
	net.Conn
	r io.Reader
}

func (f *fixed) Read(p []byte) (int, error) { return f.r.Read(p) }

// stanzaOf reads a stanza as the server does; nil for what ends the stream.
func stanzaOf(t testing.TB, s string) (raw []byte, e *wire.Element) {
	t.Helper()
	c := stream.NewConn(&fixed{r: strings.NewReader(testHeader + s)})
	if _, err := xml.NewDecoder(c).Token(); err != nil {
		t.Fatal(err)
	}
	st, err := stream.New(c, stream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if e, err = st.Read(); err != nil {
		return nil, nil
	}
	return st.Raw(), e
}

func TestContent(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"empty", "<iq/>", ""},
		{"empty in two tags", "<iq a='b>'></iq>", ""},
		{"as it is", "<iq><q xmlns='urn:q' b=\"'>\" xml:lang='de'> Grüße &amp; &#10;<a /><b  ></b ></q></iq >",
			"<q xmlns='urn:q' b=\"'>\" xml:lang='de'> Grüße &amp; &#10;<a /><b  ></b ></q>"},
		{"own namespace said again", "<iq xmlns='jabber:client'><q/></iq>", "<q/>"},
		{"prefix of the stream", "<iq><p:q p:a='1'><r/></p:q></iq>", "<q xmlns='urn:p' xmlns:n0='urn:p' n0:a='1'><r xmlns='jabber:client'/></q>"},
		{"prefix of the stanza", "<iq xmlns:x='urn:x'><x:q/></iq>", "<q xmlns='urn:x'/>"},
		{"prefixed stanza", "<c:iq xmlns:c='jabber:client'><c:q/><r/></c:iq>", "<q/><r/>"},
		{"CDATA", "<message><body><![CDATA[<&]]></body></message>", "<body>&lt;&amp;</body>"},
		{"other references", "<message><body>&#x20AC;&#65;</body></message>", "<body>€A</body>"},
		{"white space around =", "<message><body a = 'b'/></message>", "<body a='b'/>"},
		{"letters of others", "<message><größe/></message>", "<größe/>"},
		{"no namespace", "<iq><q xmlns=''/></iq>", "<q xmlns=''/>"},
	} {
		raw, e := stanzaOf(t, tt.in)
		if e == nil {
			t.Errorf("%s: not read", tt.name)
			continue
		}
		if got, err := content(raw, e); err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}

func TestContentRefuses(t *testing.T) {
	many := "<iq xmlns:x='urn:" + strings.Repeat("x", 1000) + "'>" + strings.Repeat("<x:q/><r/>", 1000) + "</iq>"
	for name, in := range map[string]string{
		"grows when prefixes are resolved": many,
		"namespace of XML itself":          "<iq><q xmlns='http://www.w3.org/2000/xmlns/'/></iq>",
		"no name after the prefix":         "<iq xmlns:x='y'><x:1/></iq>",
	} {
		raw, e := stanzaOf(t, in)
		if e == nil {
			continue // refused before
		}
		if got, err := content(raw, e); err == nil {
			t.Errorf("%s: forwarded as %.200s", name, got)
		}
	}
}

// FuzzContent: what is forwarded is read by the next one as it was read here.
func FuzzContent(f *testing.F) {
	for _, s := range []string{
		"<iq/>", "<iq><q xmlns='urn:q' a=\"b>c\">x&amp;<r/>y</q></iq>", "<p:iq><p:q p:a='b'/></p:iq>",
		"<message><![CDATA[<a>]]><b xmlns:c='d' c:e='f'/></message>", "<iq a='&#10;&lt;'><q xmlns=''/></iq>",
		"<iq xmlns:xml='http://www.w3.org/XML/1998/namespace'><q xml:lang='de' xml:space='preserve'/></iq>",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, in string) {
		raw, e := stanzaOf(t, in)
		if e == nil {
			return
		}
		inner, broken := content(raw, e)
		if broken != nil {
			return
		}
		_, again := stanzaOf(t, "<message>"+string(inner)+"</message>")
		if again == nil {
			t.Fatalf("%q is forwarded as %q, which cannot be read", in, inner)
		}
		want := &wire.Element{Name: again.Name, Children: e.Children, Text: e.Text}
		if !reflect.DeepEqual(normal(again), normal(want)) {
			t.Fatalf("%q is forwarded as %q: another content", in, inner)
		}
	})
}

// normal makes the two ways in which the decoder names the namespace of xml: one.
func normal(e *wire.Element) *wire.Element {
	out := &wire.Element{Name: e.Name, Text: e.Text}
	for _, a := range e.Attrs {
		if isXML(a.Name.Space) {
			a.Name.Space = "xml"
		}
		out.Attrs = append(out.Attrs, a)
	}
	for _, c := range e.Children {
		out.Children = append(out.Children, normal(c))
	}
	return out
}
