package nodes

// DefaultSource is the data source meant by a reference that names none.
const DefaultSource = "MeteringTopology"

// RootID is the id of the one root node of every tree. It always exists, cannot
// be destroyed, and carries the messages that concern the hub itself.
const RootID = "Root"

// Ref names a node: its id is unique within a source and partition. The zero
// Partition is the only one in use. Ref is comparable and may be a map key.
type Ref struct {
	Source    string // data source; empty means [DefaultSource]
	Partition string
	ID        string
}

// In returns the reference of a node of the default source.
func In(id string) Ref { return Ref{Source: DefaultSource, ID: id} }

// Resolved returns the reference with its source named.
func (r Ref) Resolved() Ref {
	if r.Source == "" {
		r.Source = DefaultSource
	}
	return r
}

// String returns the id for nodes of the default source, else "source:id", for
// messages and logs.
func (r Ref) String() string {
	s := r.ID
	if r.Partition != "" {
		s = r.Partition + ":" + s
	}
	if r.Source != "" && r.Source != DefaultSource {
		s = r.Source + ":" + s
	}
	return s
}
