package nodes

// ParamInterfaces is the parameter of readable nodes in which a person claims, one in
// a line, the harmonised interfaces that a node fulfils.
const ParamInterfaces = "Interfaces"

// Claim is that a node fulfils a harmonised interface: a published agreement on
// names, kinds and units of fields and control parameters.
type Claim struct {
	Interface string // its namespace, e.g. "urn:nfi:iot:hi:sensor:temperature:1.0"
	// Lacks says what the node lacks of it; empty when it fulfils it, or when nothing
	// is known of the interface, which is then the claimant's own.
	Lacks string
}
