package wire

import "github.com/fieldhub/hub/nodes"

// AppendRef appends the attributes id, src and pt of a node's address; empty ones
// are left out, but for the id.
func AppendRef(b []byte, r nodes.Ref) []byte {
	b = AppendAttr(b, "id", r.ID)
	b = AppendOptional(b, "src", r.Source)
	return AppendOptional(b, "pt", r.Partition)
}

// Ref reads a node's address as it was written: a source that is left out is
// empty. It returns false when there is no id.
func (e *Element) Ref() (nodes.Ref, bool) {
	var r nodes.Ref
	for i := range e.Attrs {
		a := &e.Attrs[i]
		if a.Name.Space != "" {
			continue
		}
		switch a.Name.Local {
		case "id":
			r.ID = a.Value
		case "src":
			r.Source = a.Value
		case "pt":
			r.Partition = a.Value
		}
	}
	return r, r.ID != ""
}
