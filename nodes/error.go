package nodes

import (
	"errors"
	"strings"
)

// ErrorKind is why an operation failed, in the terms a face can translate.
type ErrorKind uint8

// The kinds of errors.
const (
	Internal      ErrorKind = iota // a fault of the hub
	NotFound                       // no such source, node, type, command; or not visible
	Forbidden                      // visible, but not permitted
	Invalid                        // malformed request or value
	NotAcceptable                  // well-formed, but not possible here
	Conflict                       // exists already, or changed meanwhile
	Unsupported                    // not implemented by this node
	Unreachable                    // the device does not answer, or the link is down
	Timeout                        // no answer in time; the outcome may be unknown
	Exhausted                      // a limit or queue is full; try again later
	Gone                           // stopped or removed while the call was under way
)

var errorKindNames = [...]string{"internal error", "not found", "forbidden", "invalid", "not acceptable",
	"conflict", "not supported", "unreachable", "timed out", "busy", "gone"}

// String returns the kind as words.
func (k ErrorKind) String() string {
	if int(k) < len(errorKindNames) {
		return errorKindNames[k]
	}
	return "unknown error"
}

// Error is an error that crosses package borders. Its text tells the person at
// the box what happened, to which node, and what to do.
type Error struct {
	Op   string // operation, e.g. "create"; may be empty
	Ref  Ref    // node concerned; may be zero
	Kind ErrorKind
	Err  error // the cause, in words; may be nil
	// Fields holds a message per parameter id, when parameters were wrong.
	Fields map[string]string
}

// Error returns "op node: cause".
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Ref.ID != "" {
		if b.Len() > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(e.Ref.String())
	}
	if b.Len() > 0 {
		b.WriteString(": ")
	}
	if e.Err != nil {
		b.WriteString(e.Err.Error())
	} else {
		b.WriteString(e.Kind.String())
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an [Error] whose cause is the text.
func Errorf(kind ErrorKind, op string, ref Ref, text string) *Error {
	return &Error{Op: op, Ref: ref, Kind: kind, Err: errors.New(text)}
}

// KindOf returns the kind of the first [Error] in err's chain, or [Internal].
func KindOf(err error) ErrorKind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Internal
}
