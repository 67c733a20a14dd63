package local

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
)

// client is a connection after its login.
type client struct {
	s                *Server
	name, bare, full string
	lang             string // of stanzas that do not say theirs; may be empty
	to               []byte // the end of an opening tag, addressed to it
	st               *stream.Stream
	sock             *socket
	log              *slog.Logger

	patience *time.Timer // closes the connection some time after its end was queued

	heard  atomic.Int64 // stanzas received
	over   atomic.Bool  // replaced or thrown out: what still comes is dropped
	silent int64        // heard, when it was looked at last; -1: pinged; watch's
	pinged bool         // watch's

	// Guarded by the table.
	presence *stanza // nil: not available
	priority int
	// Guarded by social.
	interested bool            // has asked for the roster
	directed   map[string]bool // addresses it has shown itself to, without subscription
}

func newClient(s *Server, n *negotiation, resource string) (*client, error) {
	st, err := stream.New(n.c, stream.Options{Queue: s.limits.Queue, WriteTimeout: s.limits.Write})
	if err != nil {
		return nil, err
	}
	bare := n.name + "@" + s.domain
	c := &client{s: s, name: n.name, bare: bare, full: bare + "/" + resource, lang: n.lang, st: st, sock: n.sock, silent: -1}
	c.to = appendTo(nil, c.full)
	c.log = s.log.With("jid", c.full)
	c.patience = time.AfterFunc(time.Hour, func() { c.st.Abort(errDeaf) })
	c.patience.Stop()
	return c, nil
}

// run serves the client until its stream ends, or ctx does.
func (c *client) run(ctx context.Context, bindID string) {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer c.patience.Stop()
	stop := context.AfterFunc(ctx, func() {
		c.finish(&stream.Error{Condition: "system-shutdown"}, shutdownTime)
		cancel()
	})
	defer stop()
	written := make(chan error, 1)
	go func() { written <- c.st.Run(inner) }()
	c.enter(bindID)
	err := c.read()
	var broken *stream.Error
	if errors.As(err, &broken) && !broken.Remote {
		c.sock.linger.Store(true) // before the end is written and the socket closed
		c.finish(broken, endTime)
	} else {
		c.finish(nil, endTime)
	}
	c.s.social.leave(c.s, c)
	if lost := <-written; lost != nil {
		err = lost
	}
	switch {
	case ctx.Err() != nil:
	case err == io.EOF, c.over.Load():
		c.log.Info("client logged out")
	default:
		c.log.Info("client gone", "why", err)
	}
}

// enter makes the client reachable and answers its request for a resource.
func (c *client) enter(bindID string) {
	b := wire.AppendAttr([]byte("<iq"), "id", bindID)
	b = append(b, " type='result'><bind xmlns='"+nsBind+"'><jid>"...)
	b = append(wire.AppendText(b, c.full), "</jid></bind></iq>"...)
	if c.s.social.enter(c.s, c, b) {
		c.log.Info("client logged in", "address", c.sock.RemoteAddr().String())
		if c.s.login != nil {
			account, _, _ := strings.Cut(c.full, "@")
			c.s.login(account, c.sock.RemoteAddr().String(), nil)
		}
		return
	}
	b = wire.AppendAttr([]byte("<iq"), "id", bindID)
	b = (&ext.StanzaError{Type: "wait", Condition: "resource-constraint", Text: "too many clients"}).Append(append(b, " type='error'>"...))
	c.st.Reply(append(b, "</iq>"...))
	c.end("policy-violation", "too many clients")
}

// end throws the client out.
func (c *client) end(condition, text string) {
	c.over.Store(true)
	c.finish(&stream.Error{Condition: condition, Text: text}, endTime)
}

const (
	endTime      = 2 * time.Second // in which a client must take what waits for it at the end
	shutdownTime = 1200 * time.Millisecond
)

var errDeaf = errors.New("what waited at the end of the stream was not taken in time")

// finish queues the end of the stream. However slowly the client takes what waits
// before it, the connection is closed after that time.
func (c *client) finish(e *stream.Error, within time.Duration) {
	c.st.End(e)
	c.patience.Reset(within)
}

// read serves what comes until there is no more.
func (c *client) read() error {
	for {
		e, err := c.st.Read()
		if err != nil {
			return err
		}
		c.heard.Add(1)
		if c.over.Load() {
			return io.EOF
		}
		if err := c.handle(e); err != nil {
			return err
		}
	}
}

// checkAlive is called at intervals: after one without a stanza the client is
// pinged, after one more it is given up.
func (c *client) checkAlive() {
	heard := c.heard.Load()
	switch {
	case heard != c.silent:
		c.silent, c.pinged = heard, false
	case !c.pinged:
		c.pinged = true
		b := wire.AppendAttr([]byte("<iq type='get'"), "from", c.s.domain)
		b = wire.AppendAttr(b, "id", random())
		c.st.Send(b, c.to, []byte("<ping xmlns='"+nsPing+"'/></iq>"))
	default:
		c.st.Abort(errors.New("no sign of life for " + (2 * c.s.limits.Idle).Round(time.Millisecond).String()))
	}
}
