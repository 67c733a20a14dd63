package wire

import (
	"math"
	"strconv"
)

// Append appends the element with everything in it. outer is the default
// namespace of the place where it will stand; declarations are written only where
// it changes. Of mixed content the text comes before the children.
func (e *Element) Append(b []byte, outer string) []byte {
	b, _ = e.append(b, outer, math.MaxInt)
	return b
}

// AppendMax is Append that gives up when b grows beyond max bytes, more or less:
// namespaces that were declared once may have to be written many times. It
// returns false then, and b is of no use.
func (e *Element) AppendMax(b []byte, outer string, max int) ([]byte, bool) {
	return e.append(b, outer, max)
}

func (e *Element) append(b []byte, outer string, max int) (_ []byte, fits bool) {
	if len(b) > max {
		return b, false
	}
	b = append(b, '<')
	b = append(b, e.Name.Local...)
	if e.Name.Space != outer {
		b = AppendAttr(b, "xmlns", e.Name.Space)
	}
	for i := range e.Attrs {
		a := &e.Attrs[i]
		switch a.Name.Space {
		case "":
			b = AppendAttr(b, a.Name.Local, a.Value)
		case "xml", "http://www.w3.org/XML/1998/namespace":
			b = AppendAttr(b, "xml:"+a.Name.Local, a.Value)
		default:
			prefix := "n" + strconv.Itoa(i)
			b = AppendAttr(b, "xmlns:"+prefix, a.Name.Space)
			b = AppendAttr(b, prefix+":"+a.Name.Local, a.Value)
		}
	}
	if e.Text == "" && len(e.Children) == 0 {
		b = append(b, '/', '>')
		return b, len(b) <= max
	}
	b = append(b, '>')
	b = AppendText(b, e.Text)
	for _, c := range e.Children {
		if b, fits = c.append(b, e.Name.Space, max); !fits {
			return b, false
		}
	}
	b = append(b, '<', '/')
	b = append(b, e.Name.Local...)
	b = append(b, '>')
	return b, len(b) <= max
}
