package xmpptest

import (
	"bytes"

	"github.com/fieldhub/hub/xmppface/ext"
)

// EchoNS is the namespace of the echo.
const EchoNS = "urn:fieldhub:echo"

// Echo is an extension that answers every request with the same payload: what an
// answer of that size costs when there is nothing to do for it.
type Echo struct{ Payload []byte }

// NewEcho makes one whose payload is size bytes, at least 37.
func NewEcho(size int) *Echo {
	head, tail := "<echo xmlns='"+EchoNS+"'>", "</echo>"
	b := append([]byte(head), bytes.Repeat([]byte("x"), max(0, size-len(head)-len(tail)))...)
	return &Echo{append(b, tail...)}
}

// EchoRequest is a payload to ask an Echo with.
func EchoRequest() []byte { return []byte("<echo xmlns='" + EchoNS + "'/>") }

// Spaces returns the namespace.
func (e *Echo) Spaces() []string { return []string{EchoNS} }

// Serve answers.
func (e *Echo) Serve(r *ext.Request) { r.Result(e.Payload) }
