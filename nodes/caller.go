package nodes

import "strings"

// Way is the way in by which a caller came.
type Way string

// The ways in.
const (
	WayBroker Way = "xmpp"  // the broker the hub is a client of
	WayLocal  Way = "local" // the hub's own XMPP server
	WaySystem Way = "hub"   // the hub itself
)

// Caller is who asks: an authenticated address and the way it came in by. Every
// method of the catalog takes one.
type Caller struct {
	JID  string // bare address, normalised
	Full string // full address; may be empty
	Way  Way
	Lang string // preferred language; may be empty
}

// System is the hub itself, which may do everything.
var System = Caller{JID: "hub", Way: WaySystem}

// String returns "jid (way)", for logs.
func (c Caller) String() string { return c.JID + " (" + string(c.Way) + ")" }

// Rights are what a caller may do with a node.
type Rights uint8

// The rights; each is granted by itself, and without See a node does not exist.
const (
	See        Rights = 1 << iota // know that it exists, its state and messages
	Read                          // read and watch its fields
	Control                       // set its control parameters
	Configure                     // create, edit, move and destroy nodes, run commands
	Listen                        // listen to its traffic
	Administer                    // the hub itself: accounts, backups, access
	AllRights  = See | Read | Control | Configure | Listen | Administer
)

// RightNames are the names of the rights in configuration files, in the order of
// their bits.
var RightNames = [...]string{"see", "read", "control", "configure", "listen", "administer"}

// String returns the names of the rights, joined by "|".
func (r Rights) String() string { return joinBits(uint32(r), RightNames[:]) }

// ParseRight returns the right of that name; "all" is all of them.
func ParseRight(name string) (Rights, bool) {
	if strings.EqualFold(name, "all") {
		return AllRights, true
	}
	for i, n := range RightNames {
		if strings.EqualFold(n, name) {
			return 1 << i, true
		}
	}
	return 0, false
}
