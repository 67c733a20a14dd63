package wire

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// CheckNames returns an error when the element or one in it has a name that
// encoding/xml lets pass, but that cannot be written again: without a local part,
// with one that is no name, in the namespaces that XML itself owns, or in one that
// is no URI. [Element.Append] of what has passed is well-formed, and every reader
// takes it.
func (e *Element) CheckNames() error {
	return make(checked).names(e)
}

// checked holds the namespaces that were looked at and are good: many names may
// share one that is long.
type checked map[string]bool

func (c checked) names(e *Element) error {
	if !isName(e.Name.Local) || e.Name.Space == spaceXML || !c.space(e.Name.Space) {
		return fmt.Errorf("%+q is no name of an element", e.Name.Local)
	}
	for _, a := range e.Attrs {
		if !isName(a.Name.Local) || !c.space(a.Name.Space) {
			return fmt.Errorf("%+q is no name of an attribute", a.Name.Local)
		}
	}
	for _, child := range e.Children {
		if err := c.names(child); err != nil {
			return err
		}
	}
	return nil
}

func (c checked) space(s string) bool {
	if s == "" || c[s] {
		return true
	}
	if s == spaceXMLNS || !IsSpace(s) {
		return false
	}
	c[s] = true
	return true
}

// isName tells whether something is a name without a colon. The decoder has checked
// that its characters are those of names, but not which one is the first after the
// prefix.
func isName(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	if first != '_' && !unicode.IsLetter(first) {
		return false
	}
	for _, c := range []byte(s) {
		if c == ':' {
			return false
		}
	}
	return true
}

// IsSpace tells whether something can be the name of a namespace: it holds no
// character that no URI holds (RFC 3986, 2). Readers such as expat use one of these
// (a space, a brace) between a namespace and a name, and refuse a document in which
// the namespace holds it, too.
func IsSpace(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || strings.IndexByte("{}<>\"|\\^`", c) >= 0 {
			return false
		}
	}
	return true
}
