package stream

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"github.com/fieldhub/hub/xmppface/wire"
)

// Names of the namespaces of a stream.
const (
	NS       = "http://etherx.jabber.org/streams"
	nsErrors = "urn:ietf:params:xml:ns:xmpp-streams"
)

// Errors of a stream that is still good, or was ended by us.
var (
	// ErrFull is returned when the queue has no room: the peer reads slower than we
	// write.
	ErrFull = errors.New("the peer reads too slowly: the queue to it is full")
	// ErrClosed is returned after the stream has ended.
	ErrClosed = errors.New("the stream is closed")
)

// Error is a stream error (RFC 6120, 4.9). Every one ends the stream.
type Error struct {
	Condition string // not-well-formed, conflict, …
	Text      string
	Remote    bool // the peer sent it; otherwise the peer caused it
}

// Error returns who ended the stream and why.
func (e *Error) Error() string {
	who := "stream broken by the other side: "
	if e.Remote {
		who = "stream closed by the other side: "
	}
	if e.Text == "" {
		return who + e.Condition
	}
	return who + e.Text + " (" + e.Condition + ")"
}

func (e *Error) append(b []byte) []byte {
	b = append(b, "<stream:error><"+e.Condition+" xmlns='"+nsErrors+"'/>"...)
	if e.Text != "" {
		b = append(b, "<text xmlns='"+nsErrors+"' xml:lang='en'>"...)
		b = wire.AppendText(b, e.Text)
		b = append(b, "</text>"...)
	}
	return append(b, "</stream:error>"...)
}

// ParseError reads the error of a stream that the other side sent.
func ParseError(e *wire.Element) *Error {
	out := &Error{Condition: "undefined-condition", Remote: true}
	for _, c := range e.Children {
		switch {
		case c.Name.Space == nsErrors && c.Name.Local == "text":
			out.Text = c.Text
		case c.Name.Space == nsErrors:
			out.Condition = c.Name.Local
		}
	}
	return out
}

// explain turns what the decoder or the connection said into the error of Read.
func explain(c *Conn, err error) error {
	var known *Error
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, ErrTooLarge), errors.Is(c.err, ErrTooLarge):
		return &Error{Condition: "policy-violation", Text: ErrTooLarge.Error()}
	case errors.Is(err, wire.ErrTooComplex):
		return &Error{Condition: "policy-violation", Text: err.Error()}
	case c.err != nil:
		if c.err == io.EOF {
			return io.ErrUnexpectedEOF
		}
		return fmt.Errorf("connection lost: %w", c.err)
	case errors.As(err, &syntax):
		return &Error{Condition: "not-well-formed", Text: syntax.Msg}
	}
	return &Error{Condition: "not-well-formed", Text: err.Error()}
}
