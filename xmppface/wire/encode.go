package wire

import "strconv"

// Append appends the element with everything in it. outer is the default
// namespace of the place where it will stand; declarations are written only where
// it changes. Of mixed content the text comes before the children.
func (e *Element) Append(b []byte, outer string) []byte {
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
		return append(b, '/', '>')
	}
	b = append(b, '>')
	b = AppendText(b, e.Text)
	for _, c := range e.Children {
		b = c.Append(b, e.Name.Space)
	}
	b = append(b, '<', '/')
	b = append(b, e.Name.Local...)
	return append(b, '>')
}
