package wire

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Element is a parsed XML element, small and bounded: what arrives in a stanza.
type Element struct {
	Name     xml.Name
	Attrs    []xml.Attr // without namespace declarations
	Children []*Element // in order
	Text     string     // its own character data, joined, untrimmed
}

// MaxDepth is how deep elements may be nested in a stanza.
const MaxDepth = 64

// MaxElements is how many elements a stanza may hold.
const MaxElements = 20000

// ErrTooComplex is returned for a stanza beyond [MaxDepth] or [MaxElements].
var ErrTooComplex = errors.New("stanza too deeply nested or with too many elements")

// Attr returns an unqualified attribute, or "".
func (e *Element) Attr(name string) string {
	v, _ := e.Lookup(name)
	return v
}

// Lookup returns an unqualified attribute and whether it is there.
func (e *Element) Lookup(name string) (string, bool) {
	for i := range e.Attrs {
		if e.Attrs[i].Name.Local == name && e.Attrs[i].Name.Space == "" {
			return e.Attrs[i].Value, true
		}
	}
	return "", false
}

// maxLang is how long a language may be; the tags of languages are shorter (RFC 5646).
const maxLang = 64

// Lang returns xml:lang, or "" when there is none, or none that could be one.
func (e *Element) Lang() string {
	for i := range e.Attrs {
		if n := e.Attrs[i].Name; n.Local == "lang" && (n.Space == "xml" || n.Space == "http://www.w3.org/XML/1998/namespace") && len(e.Attrs[i].Value) <= maxLang {
			return e.Attrs[i].Value
		}
	}
	return ""
}

// Child returns the first child of that local name, or nil. Namespaces are not
// compared: deployed clients differ.
func (e *Element) Child(local string) *Element {
	for _, c := range e.Children {
		if c.Name.Local == local {
			return c
		}
	}
	return nil
}

// First returns the first child, or nil; that of an iq is its payload.
func (e *Element) First() *Element {
	if len(e.Children) == 0 {
		return nil
	}
	return e.Children[0]
}

// ReadElement reads the element that start has begun, up to its end. Comments,
// directives and processing instructions are errors, as XMPP forbids them.
func ReadElement(r xml.TokenReader, start xml.StartElement) (*Element, error) {
	p := elementReader{r: r, left: MaxElements}
	return p.read(start, 0)
}

type elementReader struct {
	r    xml.TokenReader
	left int
}

func (p *elementReader) read(start xml.StartElement, depth int) (*Element, error) {
	if p.left--; p.left < 0 || depth > MaxDepth {
		return nil, ErrTooComplex
	}
	e := &Element{Name: start.Name}
	for _, a := range start.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		e.Attrs = append(e.Attrs, a)
	}
	var text strings.Builder
	for {
		t, err := p.r.Token()
		if t == nil {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			c, err := p.read(t, depth+1)
			if err != nil {
				return nil, err
			}
			e.Children = append(e.Children, c)
		case xml.EndElement:
			e.Text = text.String()
			return e, nil
		case xml.CharData:
			text.Write(t)
		default:
			return nil, errors.New("comments, directives and processing instructions are not allowed in a stanza")
		}
	}
}

// Parse reads one whole element from a document, for tests and stored payloads.
func Parse(doc string) (*Element, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	for {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		if start, ok := t.(xml.StartElement); ok {
			return ReadElement(d, start)
		}
	}
}
