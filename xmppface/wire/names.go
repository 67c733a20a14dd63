package wire

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

const (
	spaceXML   = "http://www.w3.org/XML/1998/namespace"
	spaceXMLNS = "http://www.w3.org/2000/xmlns/"
)

// CheckNames returns an error when the element or one in it has a name that
// encoding/xml lets pass, but that cannot be written again: without a local part,
// with one that is no name, or in the namespaces that XML itself owns. [Element.Append]
// of what has passed is well-formed.
func (e *Element) CheckNames() error {
	if !isName(e.Name.Local) || e.Name.Space == spaceXML || e.Name.Space == spaceXMLNS {
		return fmt.Errorf("%+q is no name of an element", e.Name.Local)
	}
	for _, a := range e.Attrs {
		if !isName(a.Name.Local) || a.Name.Space == spaceXMLNS {
			return fmt.Errorf("%+q is no name of an attribute", a.Name.Local)
		}
	}
	for _, c := range e.Children {
		if err := c.CheckNames(); err != nil {
			return err
		}
	}
	return nil
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
