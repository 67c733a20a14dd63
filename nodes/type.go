package nodes

// The node types that every tree has, whatever its adapters.
const (
	// TypeNode is the base of all types; it cannot be created.
	TypeNode = "node"
	// TypeRoot is the type of the root node.
	TypeRoot = "root"
	// TypeFolder groups nodes. It may stand below the root and other folders.
	TypeFolder = "folder"
)

// Caps is what nodes of a type can do. Callers ask it before they assert an
// interface of a device.
type Caps uint8

// The capabilities.
const (
	CanRead    Caps = 1 << iota // has fields of its own or of its parts
	CanControl                  // may have control parameters ([Type.Controls])
	CanCommand                  // has commands or queries of its own ([Type.Commands])
	CanSniff                    // its traffic can be listened to
)

// Type is a kind of node. Types are values that adapters publish; they are
// immutable once published.
type Type struct {
	Name    string   // stable for ever, seen by clients: "modbus.unit"
	Base    string   // the type it derives from; empty: [TypeNode]
	Title   string   // what a person reads: "Modbus unit"
	Parents []string // types of which it, or a type derived from it, may be a child
	Caps    Caps
	// Connects: nodes of the type own a connection; the adapter is opened for
	// each of them with everything below it.
	Connects bool
	// Part: nodes of the type describe a part of their parent, whose fields
	// include theirs.
	Part bool
	// Ordered: the order of the children matters. All trees keep the order
	// anyway; this says so to clients.
	Ordered bool
	Params  []Param // beside NodeId and Name, which every node has
	// Check looks at parameters that are each valid alone and returns a message
	// per parameter id that is wrong in combination; nil: nothing to check.
	Check func(Params) map[string]string
	// Properties returns what a client may see of the node beside its
	// parameters, e.g. a Modbus address in both notations; nil: nothing.
	Properties func(Params) []Property
	// Controls returns the control parameters of a node: what may be set, named as
	// the field that shows it, with kind, range and options. None when its
	// configuration does not say that it is writable; nil: nodes of the type never
	// have any. Those of a part are also those of its device.
	Controls func(*Spec) []Param
	// Commands are what can be done with nodes of the type beside that.
	Commands []Command
}

// Spec is a node as a person configured it.
type Spec struct {
	ID     string // unique within the source; empty: made from parent and name
	Name   string // unique among its siblings
	Type   string
	Parent string // id of the parent; empty only for the root
	Params Params // with defaults filled in
}

// Node is a configured node with its children in order, as a device is handed
// its subtree.
type Node struct {
	Spec
	Children []*Node
}

// Walk calls f for the node and all below it, parents first, in order, and stops
// where f returns false.
func (n *Node) Walk(f func(*Node) bool) bool {
	if !f(n) {
		return false
	}
	for _, c := range n.Children {
		if !c.Walk(f) {
			return false
		}
	}
	return true
}
