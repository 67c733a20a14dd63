package ping

import (
	"context"
	"errors"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// NS is the namespace.
const NS = "urn:xmpp:ping"

type extension struct{}

// New makes the extension that answers pings.
func New() ext.Extension { return extension{} }

// Spaces returns the namespace.
func (extension) Spaces() []string { return []string{NS} }

// Serve answers.
func (extension) Serve(r *ext.Request) {
	if r.Type != "get" || r.Payload.Name.Local != "ping" {
		r.Fail(nodes.Errorf(nodes.Unsupported, "ping", nodes.Ref{}, "only ping, by get"))
		return
	}
	r.Result(nil)
}

// Send pings somebody and returns how long the answer took. That ping is not
// supported is an answer, too.
func Send(ctx context.Context, l ext.Link, to string) (time.Duration, error) {
	began := time.Now()
	_, err := l.Ask(ctx, to, "get", []byte("<ping xmlns='"+NS+"'/>"))
	var e *ext.StanzaError
	if errors.As(err, &e) && e.Condition == "feature-not-implemented" {
		err = nil
	}
	return time.Since(began), err
}
