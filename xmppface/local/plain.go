package local

import (
	"bytes"
	"strings"

	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
)

// content returns what is inside a stanza, to be put into another opening tag in
// the namespace jabber:client.
func content(raw []byte, e *wire.Element) ([]byte, *stream.Error) {
	if inner, ok := plain(raw); ok {
		return inner, nil
	}
	if err := e.CheckNames(); err != nil {
		return nil, &stream.Error{Condition: "bad-namespace-prefix", Text: err.Error()}
	}
	b := wire.AppendText(nil, e.Text)
	for _, c := range e.Children {
		var fits bool
		if b, fits = c.AppendMax(b, nsClient, stream.MaxStanza); !fits {
			return nil, &stream.Error{Condition: "policy-violation", Text: "stanza larger than 256 KiB when its prefixes are resolved"}
		}
	}
	return b, nil
}

// plain returns the bytes between the tags of a stanza that the decoder has taken,
// when they mean the same in any stream: no prefixes, and nothing of what
// encoding/xml lets pass but other readers do not.
func plain(raw []byte) (inner []byte, ok bool) {
	from := -1 // where the content begins
	for i := 0; i < len(raw); {
		switch raw[i] {
		case '<':
			end := tag(raw[i:])
			if end < 0 {
				return nil, false
			}
			i += end
			if from < 0 {
				if from = i; raw[i-2] == '/' {
					return nil, i == len(raw)
				}
			}
		case '&':
			n := reference(raw[i:])
			if n < 0 {
				return nil, false
			}
			i += n
		default:
			i++
		}
	}
	last := bytes.LastIndexByte(raw, '<')
	if from < 0 || last < from {
		return nil, false
	}
	return raw[from:last], true
}

// tag returns the length of a tag, or -1 when it is not a plain one.
func tag(b []byte) int {
	i := 1
	closes := i < len(b) && b[i] == '/'
	if closes {
		i++
	}
	n := nameLen(b[i:])
	if n == 0 {
		return -1
	}
	i += n
	for {
		spaces := 0
		for i < len(b) && isSpace(b[i]) {
			i, spaces = i+1, spaces+1
		}
		switch {
		case i >= len(b):
			return -1
		case b[i] == '>':
			return i + 1
		case b[i] == '/' && !closes && i+1 < len(b) && b[i+1] == '>':
			return i + 2
		case closes || spaces == 0:
			return -1
		}
		n := attribute(b[i:])
		if n < 0 {
			return -1
		}
		i += n
	}
}

var langName = []byte("xml:lang")

// attribute returns the length of an attribute, or -1.
func attribute(b []byte) int {
	n := nameLen(b)
	if bytes.HasPrefix(b, langName) {
		n = len(langName)
	}
	if n == 0 || n+2 >= len(b) || b[n] != '=' || b[n+1] != '\'' && b[n+1] != '"' {
		return -1
	}
	quote := b[n+1]
	i := n + 2
	for i < len(b) && b[i] != quote {
		switch b[i] {
		case '<':
			return -1
		case '&':
			k := reference(b[i:])
			if k < 0 {
				return -1
			}
			i += k
		default:
			i++
		}
	}
	if i >= len(b) || string(b[:n]) == "xmlns" && !space(string(b[n+2:i])) {
		return -1
	}
	return i + 1
}

// space tells whether a namespace can be a default one (Namespaces in XML, 3). One
// with references is looked at more closely elsewhere.
func space(name string) bool {
	return wire.IsSpace(name) && !strings.Contains(name, "&") &&
		name != "http://www.w3.org/XML/1998/namespace" && name != "http://www.w3.org/2000/xmlns/"
}

// references are those that need no look at the number.
var references = [][]byte{[]byte("&amp;"), []byte("&lt;"), []byte("&gt;"), []byte("&apos;"), []byte("&quot;"),
	[]byte("&#10;"), []byte("&#13;"), []byte("&#9;"), []byte("&#xA;"), []byte("&#xD;"), []byte("&#x9;")}

func reference(b []byte) int {
	for _, r := range references {
		if bytes.HasPrefix(b, r) {
			return len(r)
		}
	}
	return -1
}

func nameLen(b []byte) int {
	n := 0
	for n < len(b) {
		c := b[n]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (n == 0 || (c < '0' || c > '9') && c != '-' && c != '.') {
			break
		}
		n++
	}
	return n
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }
