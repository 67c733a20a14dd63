package nodes

import "time"

// State is the state of a node as its messages make it; states are ordered, and
// a node has that of its most serious message.
type State uint8

// The states of the concentrator interface. Signed means that an operator has
// acknowledged what unsigned still shows.
const (
	StateNone State = iota
	StateInformation
	StateWarningSigned
	StateWarning
	StateErrorSigned
	StateError
)

var stateNames = [...]string{"ok", "information", "warning (signed)", "warning", "error (signed)", "error"}

// String returns the name of the state, for tables.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return "unknown"
}

// Severity is how serious a message is.
type Severity uint8

// The severities of node messages.
const (
	SeverityInformation Severity = iota
	SeverityWarning
	SeverityError
)

// State returns the state that a message of this severity gives its node.
func (s Severity) State() State {
	switch s {
	case SeverityError:
		return StateError
	case SeverityWarning:
		return StateWarning
	}
	return StateInformation
}

// Message is a message on a node: what happened, to which device, and what to
// do. A node has at most one message per event id; setting it again with the same
// text keeps the first time.
type Message struct {
	Time     time.Time // since when; set by the tree when zero
	Severity Severity
	EventID  string // names the condition, e.g. "Connection", "Timeout"
	Text     string
}
