package ext

import (
	"context"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Link is one live XMPP session of ours: as a hub towards its peers, or as a
// client towards a hub. Safe for concurrent use. A link that has dropped fails
// every call; the next session is another Link.
type Link interface {
	// Way says by which way in requests of this link come.
	Way() nodes.Way
	// Self is our own full JID.
	Self() string
	// Ask sends an iq of type "get" or "set" and waits for the answer of exactly
	// that peer. It returns the first child of the result (nil when it has none), a
	// [*StanzaError] when the peer answered with an error, ctx's error, or a
	// nodes.Error of kind Unreachable when the link dropped meanwhile.
	Ask(ctx context.Context, to, typ string, payload []byte) (*wire.Element, error)
	// Tell sends a message of type "normal" holding the payload. It waits while
	// the bounded queue of the link is full, until ctx ends. Handlers must not
	// call it; use a goroutine of [Workers].
	Tell(ctx context.Context, to string, payload []byte) error
}

// Extension is one namespace, server side. It is mounted on every face of a
// hub, so its methods are called concurrently.
type Extension interface {
	// Spaces are the XML namespaces served, canonical first. They are advertised
	// as features; requests whose payload is in one of them come to Serve.
	Spaces() []string
	// Serve handles one iq get or set. It answers at once or hands the request to
	// a goroutine of its own and returns; it never waits for a device or the
	// network. Requests of one sender come in order.
	Serve(*Request)
}

// Leaver is an extension that keeps something for peers, such as subscriptions.
type Leaver interface {
	// Gone tells that a full JID went offline, or bounced what was sent to it. An
	// empty jid means all peers of the link: the link has dropped.
	Gone(l Link, jid string)
}

// Joiner is an extension that keeps something for peers over the loss of a link,
// such as what they want later.
type Joiner interface {
	// Joined tells of a new link on which the extension is mounted, before any request
	// comes by it. Gone with an empty jid tells that it has dropped.
	Joined(l Link)
}

// Changer is an extension that serves requests of type get which change something,
// because deployed clients send them so. Repeated, they join the first one's answer as
// those of type set do.
type Changer interface {
	// Changes tells whether requests with an element of that name change something.
	Changes(name string) bool
}

// Receiver is an extension that gets messages; mostly the client end of one.
type Receiver interface {
	// Receive handles the payload of a message, quickly, in order per sender.
	Receive(*Message)
}

// Runner is an extension with goroutines of its own.
type Runner interface {
	// Run owns them and returns after all of them when ctx ends. Requests that come
	// before it runs or after it has ended are answered with an error.
	Run(ctx context.Context) error
}

// Message is a received message with a payload that an extension knows.
type Message struct {
	Link    Link
	From    string // full JID
	Payload *wire.Element
}

// Request is an iq get or set. Exactly one answer is sent, by Result or Fail,
// from any goroutine, at any time; further ones are ignored.
type Request struct {
	Link    Link
	Caller  nodes.Caller // Full is the sender's full JID
	ID      string       // id of the stanza
	Type    string       // "get" or "set"
	Payload *wire.Element
	// Respond sends the answer: a payload (may be empty), or a stanza error. It
	// is set by the face, and never blocks.
	Respond func(payload []byte, err *StanzaError)
}

// Space returns the namespace of the request: answers and later messages use
// the same family.
func (r *Request) Space() string { return r.Payload.Name.Space }

// Result answers with a payload; none is an empty result. The slice belongs to
// the link afterwards.
func (r *Request) Result(payload []byte) { r.Respond(payload, nil) }

// Fail answers with the error, translated by [FromError].
func (r *Request) Fail(err error) { r.Respond(nil, FromError(err)) }
