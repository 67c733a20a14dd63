package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/owner"
	"github.com/fieldhub/hub/xmppface/sensordata"
)

// patience is how long a command waits for a hub to answer.
const patience = 30 * time.Second

// client is a session with a hub.
type client struct {
	session *xmppface.Session
	hub     string // its full JID
	nodes   *concentrator.Client
	values  *sensordata.Client
	changes *events.Client
	owner   *owner.Client
	done    chan error // what ended the session
	stop    context.CancelFunc
}

// inbox gives messages of some namespaces to whom they may concern.
type inbox struct {
	spaces []string
	to     []ext.Receiver
}

func (i inbox) Spaces() []string { return i.spaces }
func (i inbox) Serve(rq *ext.Request) {
	rq.Fail(&ext.StanzaError{Type: "cancel", Condition: "service-unavailable"})
}
func (i inbox) Receive(m *ext.Message) {
	for _, r := range i.to {
		r.Receive(m)
	}
}
func (i inbox) Gone(l ext.Link, jid string) {
	for _, r := range i.to {
		if leaver, ok := r.(ext.Leaver); ok {
			leaver.Gone(l, jid)
		}
	}
}

// errNoHub is that there is nothing to connect to.
var errNoHub = errors.New("no hub is running here. Start one with \"hub demo\" or \"hub run -c hub.yaml\", or name the credential of another one with --hub FILE")

// connect opens a session with the hub that the options name. The caller must
// close it.
func (p *program) connect() (*client, error) {
	var failed error
	for _, path := range p.credentials() {
		cred, err := readCredential(path)
		if errors.Is(err, fs.ErrNotExist) && p.options.Hub == "" {
			continue
		}
		if err == nil {
			var c *client
			if c, err = p.dial(cred); err == nil {
				return c, nil
			}
			var f *xmppface.Failure
			if errors.As(err, &f) && f.Kind == xmppface.Refused && p.options.Hub == "" {
				continue // it was killed and left its credential behind
			}
		}
		if failed == nil {
			failed = fmt.Errorf("%s: %w", path, err)
		}
	}
	if failed != nil {
		return nil, failed
	}
	return nil, errNoHub
}

func (p *program) dial(cred *credential) (*client, error) {
	ca, err := os.CreateTemp("", "hub-*.pem")
	if err != nil {
		return nil, err
	}
	defer os.Remove(ca.Name())
	_, err = ca.WriteString(cred.Certificate)
	if err = errors.Join(err, ca.Close()); err != nil {
		return nil, err
	}
	c := &client{nodes: &concentrator.Client{}, values: &sensordata.Client{}, changes: &events.Client{}, owner: &owner.Client{}, done: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	c.session, err = xmppface.Dial(ctx, xmppface.Account{JID: cred.JID, Password: cred.Password, Server: cred.Address, CAFile: ca.Name(),
		Resource: "cli", Way: nodes.WayLocal, Priority: -1, Log: slog.New(slog.DiscardHandler)},
		inbox{[]string{concentrator.NSNFI}, []ext.Receiver{c.nodes}},
		inbox{[]string{sensordata.NSNFI}, []ext.Receiver{c.values, c.changes}})
	if err != nil {
		return nil, err
	}
	c.nodes.Link, c.values.Link, c.changes.Link, c.owner.Link = c.session, c.session, c.session, c.session
	running, stop := context.WithCancel(context.WithoutCancel(p.ctx))
	c.stop = stop
	go func() { c.done <- c.session.Run(running) }()
	found, err := c.session.WaitAvailable(ctx, cred.Hub)
	if err != nil || len(found) == 0 {
		c.close()
		return nil, fmt.Errorf("the hub %s is not online at its local server; its log says why: %w", cred.Hub, err)
	}
	c.hub = found[0]
	c.nodes.To, c.values.To, c.changes.To, c.owner.To = c.hub, c.hub, c.hub, c.hub
	return c, nil
}

// close ends the session and waits for it.
func (c *client) close() {
	c.stop()
	<-c.done
}

// gone tells whether the session is over, or the hub offline.
func (c *client) gone() bool {
	select {
	case <-c.session.Done():
		return true
	default:
		return len(c.session.Resources(c.hubJID())) == 0
	}
}

// hubJID is the hub's bare address.
func (c *client) hubJID() string {
	bare, _, _ := strings.Cut(c.hub, "/")
	return bare
}

// with runs f with a session.
func (p *program) with(f func(context.Context, *client) error) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	defer c.close()
	return plain(f(p.ctx, c))
}

// find returns the reference of a node that a person names by its id or by a path
// of names below the root.
func (c *client) find(ctx context.Context, name string) (nodes.Ref, error) {
	ref := nodes.In(name)
	_, err := c.nodes.Node(ctx, ref, nodes.Detail{})
	if err == nil || nodes.KindOf(err) != nodes.NotFound {
		return ref, err
	}
	at := nodes.In(nodes.RootID)
	for _, part := range strings.Split(strings.Trim(name, "/"), "/") {
		list, err := c.nodes.Children(ctx, at, nodes.Detail{})
		if err != nil {
			return ref, err
		}
		i := slices.IndexFunc(list, func(i nodes.Info) bool { return strings.EqualFold(i.Name, part) })
		if i < 0 {
			return ref, fmt.Errorf("there is no node %q; \"hub ls -r\" lists all", name)
		}
		at = list[i].Ref
	}
	return at, nil
}

func (c *client) findAll(ctx context.Context, names []string) ([]nodes.Ref, error) {
	var out []nodes.Ref
	for _, name := range names {
		ref, err := c.find(ctx, name)
		if err != nil {
			return nil, err
		}
		out = append(out, ref)
	}
	return out, nil
}

// plain says an error as a person wants it: an operation that was cut short by
// Ctrl-C is none, and what the hub said needs no stanza condition.
func plain(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	var s *ext.StanzaError
	if errors.As(err, &s) && s.Text != "" {
		var e *nodes.Error
		if errors.As(err, &e) && len(e.Fields) > 0 {
			return err
		}
		return errors.New(s.Text)
	}
	return err
}
