package nodes

import "time"

// Source is a data source as a client sees it.
type Source struct {
	ID          string
	Name        string
	HasChildren bool // has child sources
	LastChanged time.Time
}

// Info is a node as a client sees it.
type Info struct {
	Ref             Ref
	Name            string // unique among its siblings
	Type            string
	TypeTitle       string
	Parent          Ref // zero for the root
	State           State
	HasChildren     bool
	ChildrenOrdered bool
	Readable        bool
	Controllable    bool
	HasCommands     bool
	Sniffable       bool
	LastChanged     time.Time
	// Properties are its displayable parameters; filled when asked for.
	Properties []Property
	// Messages are its messages, the most serious first; filled when asked for.
	Messages []Message
}

// Detail says how much of an [Info] is wanted.
type Detail struct {
	Properties bool
	Messages   bool
}

// Form is a set of parameters to be filled in, with their present values.
type Form struct {
	Title string
	// Instructions say what a person should know before filling it in; may be empty.
	Instructions string
	Params       []Param
	Values       Params // present values; secrets left out
	// Differ are parameters of several nodes that do not all have the same value.
	Differ map[string]bool
}

// NewNode is a wish to create a node.
type NewNode struct {
	Parent Ref
	Type   string
	ID     string // empty: made from parent and name
	Name   string // empty: the id
	Params Params // those left out get their default
}

// Edit is a wish to change a node. Everything below it, its values, messages,
// history and those who watch it stay with it, whatever its id becomes.
type Edit struct {
	Node string // id within the source
	ID   string // the new id; empty: as it is
	Name string // the new name; empty: as it is
	// Params are the parameters to be changed; a zero Value takes one away, so that
	// its default holds. Those left out stay as they are.
	Params Params
}
