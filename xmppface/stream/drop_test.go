package stream

import (
	"encoding/xml"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/wire"
)

// TestDrop: with Drop, a stanza that is too large or too complex is passed over, and
// what comes after it is read.
func TestDrop(t *testing.T) {
	attrs := ""
	for i := range 100 {
		attrs += " a" + strings.Repeat("b", i) + "='x'"
	}
	for _, tt := range []struct{ name, in, want string }{
		{"nested", "<iq id='1'>" + strings.Repeat("<a>", 1000) + strings.Repeat("</a>", 1000) + "</iq>", "stanza too deeply nested or with too many elements"},
		{"elements", "<iq id='1'>" + strings.Repeat("<a/>", wire.MaxElements) + "</iq>", "stanza too deeply nested or with too many elements"},
		{"attributes", "<iq id='1'" + attrs + "><a/></iq>", "element with too many attributes"},
		{"attributes inside", "<iq id='1'><a><b" + attrs + "><c/></b></a><d" + attrs + "/></iq>", "element with too many attributes"},
		{"large", "<iq id='1'>" + strings.Repeat("x", MaxStanza) + "</iq>", "stanza larger than 256 KiB"},
		{"large attribute", "<iq id='1' a='" + strings.Repeat(">/", MaxStanza) + "'/>", "stanza larger than 256 KiB"},
		{"very large", "<iq id='1'>" + strings.Repeat("x&lt;", MaxStanza) + "</iq>", "stanza larger than 256 KiB"},
		{"very large and deep", "<iq id='1'>" + strings.Repeat("<a b='>'>", MaxStanza/2) + "<c d=\"/\" e='/' /><f/>" + strings.Repeat("</a>", MaxStanza/2) + "</iq>", "stanza too deeply nested or with too many elements"},
		{"a comment in what is passed over", "<iq id='1'><b" + attrs + "/><!-- x --></iq>", "stream ended: restricted-xml"},
		{"ended inside", "<iq id='1'><b" + attrs + ">", "stream ended: unexpected EOF"},
		{"endless", "<iq id='1'>" + strings.Repeat("x", 4<<20), "stream ended: unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			s, peer := open(t, header, Options{Drop: func(e *wire.Element, why *Error) {
				got += why.Text
				if known := e.Name.Local == "iq" && e.Attr("id") == "1"; !known && (e.Name.Local != "" || tt.name != "large attribute") || len(e.Children) > 0 {
					t.Errorf("passed over: %.200s", e.Append(nil, ""))
				}
			}})
			run(t, s)
			written := make(chan struct{})
			go func() {
				defer close(written)
				io.WriteString(peer, tt.in+"<message id='2'/></stream:stream>")
				peer.(*net.TCPConn).CloseWrite()
			}()
			e, err := s.Read()
			if err != nil {
				got = "stream ended: " + err.Error()
			} else {
				if e.Attr("id") != "2" {
					t.Errorf("then came %.200s", e.Append(nil, ""))
				}
				if n := s.received.Load(); n != 2 {
					t.Errorf("%d stanzas are counted, want 2: the peer would send some again", n)
				}
				if _, err := s.Read(); err != io.EOF {
					t.Errorf("in the end: %v", err)
				}
			}
			if want, ended := strings.CutPrefix(tt.want, "stream ended: "); got != tt.want && !(ended && err != nil && strings.Contains(got, want)) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			peer.Close()
			<-written
		})
	}
}

// FuzzSkip: what the XML decoder takes for one whole element ends where skip ends.
func FuzzSkip(f *testing.F) {
	for _, s := range []string{"<a/>", "<a></a>", "<a b='>' c=\"/>\"><b/>x>y</a>z", "<a><b><c d='/'/></b ></a>", "<a b='x'/ >", "<a><!-- x --></a>", "<a><![CDATA[</a>]]></a>", "<iq"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d := xml.NewDecoder(strings.NewReader(s))
		if first, err := d.Token(); err != nil || first == nil {
			return
		} else if _, ok := first.(xml.StartElement); !ok || s[0] != '<' {
			return
		}
		plain := true
		for depth := 1; depth > 0; {
			tok, err := (&tokens{d: d}).Token()
			if err != nil {
				return
			}
			switch tok.(type) {
			case xml.StartElement:
				depth++
			case xml.EndElement:
				depth--
			}
		}
		want := int(d.InputOffset())
		if strings.Contains(s[:want], "<!") {
			plain = false // CDATA
		}
		var tg tags
		for i := range len(s) {
			end, err := tg.take(s[i])
			if err != nil {
				if plain {
					t.Fatalf("%q: %v", s, err)
				}
				return
			}
			if end {
				if i+1 != want {
					t.Fatalf("%q ends at %d, want %d", s, i+1, want)
				}
				return
			}
		}
		t.Fatalf("%q does not end", s)
	})
}
