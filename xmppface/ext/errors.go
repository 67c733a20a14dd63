package ext

import (
	"context"
	"errors"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

const nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"

// StanzaError is the error of a stanza (RFC 6120, 8.3).
type StanzaError struct {
	Type      string // cancel, continue, modify, auth, wait
	Condition string // item-not-found, …
	Text      string
	// Payload is an application element inside the error, such as a data form; may
	// be empty.
	Payload []byte
	// Element is the parsed error, when it was received.
	Element *wire.Element
}

// Error returns the text with the condition.
func (e *StanzaError) Error() string {
	if e.Text == "" {
		return e.Condition
	}
	return e.Text + " (" + e.Condition + ")"
}

// conditions maps the kinds of errors that cross package borders to stanza
// errors. Type modify is kept for errors that hold a form: deployed clients take
// every other one for "form wrong" and drop it.
var conditions = map[nodes.ErrorKind]StanzaError{
	nodes.Internal:      {Type: "cancel", Condition: "internal-server-error"},
	nodes.NotFound:      {Type: "cancel", Condition: "item-not-found"},
	nodes.Forbidden:     {Type: "auth", Condition: "forbidden"},
	nodes.Invalid:       {Type: "cancel", Condition: "bad-request"},
	nodes.NotAcceptable: {Type: "cancel", Condition: "not-acceptable"},
	nodes.Conflict:      {Type: "cancel", Condition: "conflict"},
	nodes.Unsupported:   {Type: "cancel", Condition: "feature-not-implemented"},
	nodes.Unreachable:   {Type: "wait", Condition: "recipient-unavailable"},
	nodes.Timeout:       {Type: "wait", Condition: "remote-server-timeout"},
	nodes.Exhausted:     {Type: "wait", Condition: "resource-constraint"},
	nodes.Gone:          {Type: "cancel", Condition: "gone"},
}

// FromError translates an error for a peer. Internal errors keep their text to
// themselves.
func FromError(err error) *StanzaError {
	var stanza *StanzaError
	if errors.As(err, &stanza) {
		return stanza
	}
	var e *nodes.Error
	if errors.As(err, &e) {
		s := conditions[e.Kind]
		if e.Kind == nodes.Internal {
			s.Text = "The hub could not do this; its log says why."
		} else if e.Err != nil {
			s.Text = e.Err.Error()
		} else {
			s.Text = e.Kind.String()
		}
		return &s
	}
	if errors.Is(err, context.DeadlineExceeded) {
		s := conditions[nodes.Timeout]
		return &s
	}
	s := conditions[nodes.Internal]
	s.Text = "The hub could not do this; its log says why."
	return &s
}

// Kind returns the kind of error that a received stanza error stands for.
func (e *StanzaError) Kind() nodes.ErrorKind {
	for k, s := range conditions {
		if s.Condition == e.Condition {
			return k
		}
	}
	switch e.Condition {
	case "service-unavailable":
		return nodes.Unreachable
	case "not-allowed", "not-authorized", "registration-required":
		return nodes.Forbidden
	}
	return nodes.Internal
}

// Append appends the error element.
func (e *StanzaError) Append(b []byte) []byte {
	b = append(b, "<error"...)
	b = wire.AppendAttr(b, "type", e.Type)
	b = append(b, "><"...)
	b = append(b, e.Condition...)
	b = append(b, " xmlns='"+nsStanzas+"'/>"...)
	if e.Text != "" {
		b = append(b, "<text xmlns='"+nsStanzas+"' xml:lang='en'>"...)
		b = wire.AppendText(b, e.Text)
		b = append(b, "</text>"...)
	}
	b = append(b, e.Payload...)
	return append(b, "</error>"...)
}

// ParseError reads the error child of a stanza of type error.
func ParseError(stanza *wire.Element) *StanzaError {
	s := &StanzaError{Type: "cancel", Condition: "undefined-condition"}
	e := stanza.Child("error")
	if e == nil {
		return s
	}
	s.Element = e
	if t := e.Attr("type"); t != "" {
		s.Type = t
	}
	for _, c := range e.Children {
		switch {
		case c.Name.Space == nsStanzas && c.Name.Local == "text":
			s.Text = c.Text
		case c.Name.Space == nsStanzas:
			s.Condition = c.Name.Local
		}
	}
	return s
}

// maxReason is how many bytes of the text of a failure are sent.
const maxReason = 1000

// Reason is what a peer is told of a failed reading, in words; empty for none.
func Reason(err error) string {
	if err == nil {
		return ""
	}
	e := FromError(err)
	text := e.Text
	if text == "" {
		if text = e.Condition; e.Condition == conditions[nodes.Timeout].Condition {
			text = "the device did not answer in time"
		}
	}
	if len(text) > maxReason {
		text = text[:maxReason] + "…"
	}
	return text
}

// Failed words the error of an [Link.Ask] for the caller of a client: of the kind
// that the peer's stanza error stands for, which it unwraps to.
func Failed(op string, ref nodes.Ref, err error) *nodes.Error {
	out := &nodes.Error{Op: op, Ref: ref, Kind: nodes.KindOf(err), Err: err}
	var stanza *StanzaError
	switch {
	case errors.As(err, &stanza):
		out.Kind = stanza.Kind()
	case errors.Is(err, context.DeadlineExceeded):
		out.Kind = nodes.Timeout
	}
	return out
}

// Clip shortens what a peer wrote, for texts that go back or to the log.
func Clip(s string) string {
	const most = 64
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// Invalid is the error of a request that makes no sense.
func Invalid(text string) error { return nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, text) }
