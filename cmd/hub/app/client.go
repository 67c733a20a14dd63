package app

import (
	"cmp"
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
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/owner"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/wire"
)

const (
	// patience is how long a command waits for a hub to answer unless it is told.
	patience = 30 * time.Second
	// work is how long it waits until a hub has imported a tree or written a backup.
	work = 5 * time.Minute
)

// patient is a link that does not wait for ever.
type patient struct {
	ext.Link
	most time.Duration
}

func (l patient) Ask(ctx context.Context, to, typ string, payload []byte) (*wire.Element, error) {
	inner, cancel := context.WithTimeout(ctx, l.most)
	defer cancel()
	e, err := l.Link.Ask(inner, to, typ, payload)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("the hub has not answered within %v; it is busy, or the way to it is broken. Its log may say why; --timeout waits longer", l.most)
	}
	return e, err
}

// patience is how long the person waits for a hub to answer.
func (p *program) patience() time.Duration {
	if t := p.options.Timeout; t > 0 {
		return t
	}
	return patience
}

// client is a session with a hub.
type client struct {
	session  *xmppface.Session
	hub      string // its full JID
	data     string // its data folder, on its machine
	nodes    *concentrator.Client
	values   *sensordata.Client
	changes  *events.Client
	controls *control.Client
	owner    *owner.Client
	done     chan error // what ended the session
	stop     context.CancelFunc
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
var errNoHub = errors.New("no hub is running here. Start one with \"hub demo\" or \"hub run -c hub.yaml\", or name another one: with --profile NAME, or by its credential with --hub FILE")

// connect opens a session with the hub that the options name. The caller must
// close it.
func (p *program) connect() (*client, error) {
	if p.options.remote.named() {
		return p.reach()
	}
	var failed error
	for _, path := range p.options.credentials() {
		cred, err := readCredential(path)
		if errors.Is(err, fs.ErrNotExist) && p.options.Hub == "" {
			continue
		}
		if err == nil {
			var c *client
			if c, err = p.dial(cred); err == nil {
				return c, nil
			}
			if p.ctx.Err() != nil {
				return nil, errInterrupted
			}
			var f *xmppface.Failure
			if p.options.Hub == "" && (errors.As(err, &f) && f.Kind == xmppface.Refused || !cred.alive()) {
				continue // it was killed and left its credential behind
			}
			if errors.Is(err, context.DeadlineExceeded) {
				err = fmt.Errorf("the hub at %s does not answer; its log may say why", cred.Address)
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

// dial opens a session by the owner's credential.
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
	ctx, cancel := context.WithTimeout(p.ctx, p.patience())
	defer cancel()
	c, err := p.open(ctx, xmppface.Account{JID: cred.JID, Password: cred.Password, Server: cred.Address, CAFile: ca.Name(), Way: nodes.WayLocal})
	if err != nil {
		return nil, err
	}
	c.data = cred.Data
	found, err := c.session.WaitAvailable(ctx, cred.Hub)
	if err != nil || len(found) == 0 {
		c.close()
		return nil, fmt.Errorf("the hub %s is not online at its local server; its log says why: %w", cred.Hub, err)
	}
	c.turnTo(found[0])
	return c, nil
}

// presence is how long a command waits for the presence of a hub on a broker.
const presence = 10 * time.Second

// reach opens a session with a hub on a broker.
func (p *program) reach() (*client, error) {
	x, err := p.options.remote.resolve()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.patience())
	defer cancel()
	c, err := p.open(ctx, xmppface.Account{JID: x.JID, Password: x.Password, Server: x.Server, CAFile: x.CAFile})
	switch {
	case p.ctx.Err() != nil:
		if err == nil {
			c.close()
		}
		return nil, errInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return nil, fmt.Errorf("the server of %s has not answered within %v; look at the network, or name the server with --server host:port", x.JID, p.patience())
	case err != nil:
		return nil, fmt.Errorf("%s: %w", x.JID, err)
	}
	waiting, end := context.WithTimeout(ctx, presence)
	defer end()
	found, err := c.session.WaitAvailable(waiting, x.To)
	if err == nil && len(found) > 0 {
		c.turnTo(found[0])
		if err = c.agree(ctx); err == nil {
			return c, nil
		}
	} else {
		err = fmt.Errorf("%s is not online, or %s may not see it. Is the address right? Who runs the hub can look with \"hub status\", and gives access under \"access\" in its configuration", x.To, x.JID)
	}
	c.close()
	if p.ctx.Err() != nil {
		return nil, errInterrupted
	}
	return nil, err
}

// open logs in.
func (p *program) open(ctx context.Context, a xmppface.Account) (*client, error) {
	c := &client{nodes: &concentrator.Client{}, values: &sensordata.Client{}, changes: &events.Client{}, controls: &control.Client{}, owner: &owner.Client{}, done: make(chan error, 1)}
	a.Resource, a.Priority, a.Log = "cli", -1, slog.New(slog.DiscardHandler)
	var err error
	c.session, err = xmppface.Dial(ctx, a,
		inbox{[]string{concentrator.NSNFI, concentrator.NSNF, concentrator.NSIEEE}, []ext.Receiver{c.nodes}},
		inbox{[]string{sensordata.NSNFI, sensordata.NSNF, sensordata.NSIEEE}, []ext.Receiver{c.values, c.changes}})
	if err != nil {
		return nil, err
	}
	asking := patient{c.session, p.patience()}
	c.nodes.Link, c.values.Link, c.changes.Link, c.controls.Link, c.owner.Link = asking, asking, asking, asking, patient{c.session, work}
	running, stop := context.WithCancel(context.WithoutCancel(p.ctx))
	c.stop = stop
	go func() { c.done <- c.session.Run(running) }()
	return c, nil
}

// turnTo says which hub is asked, by its full JID.
func (c *client) turnTo(hub string) {
	c.hub = hub
	c.nodes.To, c.values.To, c.changes.To, c.controls.To, c.owner.To = hub, hub, hub, hub, hub
}

// agree finds out which families of the namespaces the hub speaks.
func (c *client) agree(ctx context.Context) error {
	info, err := disco.Ask(ctx, c.nodes.Link, c.hub, "")
	if err != nil {
		return fmt.Errorf("%s does not say what it can do: %w", c.hubJID(), err)
	}
	c.nodes.Space = info.First(concentrator.NSNFI, concentrator.NSNF, concentrator.NSIEEE)
	c.values.Space = info.First(sensordata.NSNFI, sensordata.NSNF, sensordata.NSIEEE)
	c.changes.Space = info.First(events.NSNFI, events.NSNF, events.NSIEEE)
	c.controls.Space = info.First(control.NSNFI, control.NSNF, control.NSIEEE)
	if c.nodes.Space == "" {
		return fmt.Errorf("%s is no hub: it does not list the interface of concentrators", c.hubJID())
	}
	return nil
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

// with runs f with a session. Ctrl-C is a failure: what was asked for is not done.
func (p *program) with(f func(context.Context, *client) error) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	defer c.close()
	err = f(p.ctx, c)
	if nodes.KindOf(err) == nodes.Forbidden {
		me, _, _ := strings.Cut(c.session.Self(), "/")
		return fmt.Errorf("%s You are %s; who runs the hub gives rights under \"access\" in its configuration", ended(plain(err).Error()), me)
	}
	return plain(err)
}

// until runs f with a session until it ends or Ctrl-C ends it, which is no failure.
func (p *program) until(f func(context.Context, *client) error) error {
	if err := p.with(f); !errors.Is(err, errInterrupted) {
		return err
	}
	return nil
}

// find returns the reference of a node that a person names by its id, by a path of
// names below the root, or by source and id: Hub:storage.
func (c *client) find(ctx context.Context, name string) (nodes.Ref, error) {
	ref, missing, err := c.look(ctx, name)
	if err == nil && missing != nil {
		err = c.unknown(ctx, name, missing.part, missing.siblings)
	}
	return ref, err
}

// astray is where a path leads nowhere.
type astray struct {
	part     string // of the path, that no sibling is called
	siblings []nodes.Info
}

// look finds a node as [client.find] does; astray tells that there is none.
func (c *client) look(ctx context.Context, name string) (nodes.Ref, *astray, error) {
	ref := nodes.In(name)
	_, err := c.nodes.Node(ctx, ref, nodes.Detail{})
	if err == nil || nodes.KindOf(err) != nodes.NotFound {
		return ref, nil, err
	}
	if source, id, ok := strings.Cut(name, ":"); ok { // as tables show nodes of other sources
		ref := nodes.Ref{Source: source, ID: cmp.Or(id, nodes.RootID)}
		if _, err := c.nodes.Node(ctx, ref, nodes.Detail{}); err == nil || nodes.KindOf(err) != nodes.NotFound {
			return ref, nil, err
		}
	}
	at := nodes.In(nodes.RootID)
	for _, part := range strings.Split(strings.Trim(name, "/"), "/") {
		list, err := c.nodes.Children(ctx, at, nodes.Detail{})
		if err != nil {
			return ref, nil, err
		}
		i := slices.IndexFunc(list, func(i nodes.Info) bool { return strings.EqualFold(i.Name, part) })
		if i < 0 {
			return ref, &astray{part, list}, nil
		}
		at = list[i].Ref
	}
	return at, nil, nil
}

// unknown says that there is no such node, and which ones the person may have
// meant: siblings that look like the part of the path that is wrong, or any that
// looks like all of it.
func (c *client) unknown(ctx context.Context, name, part string, siblings []nodes.Info) error {
	var names []string
	ids := make(map[string]string)
	for _, i := range siblings {
		names = append(names, i.Name)
		ids[i.Name] = i.Ref.ID
	}
	var meant []string
	for _, n := range alike(part, names) {
		meant = append(meant, ids[n])
	}
	if len(meant) == 0 {
		if all, err := c.nodes.All(ctx, nodes.DefaultSource, nil, nodes.Detail{}); err == nil {
			names = nil
			for _, i := range all {
				names = append(names, i.Ref.ID)
				last := i.Ref.ID[strings.LastIndexByte(i.Ref.ID, '/')+1:]
				if strings.EqualFold(last, name) || strings.EqualFold(i.Name, name) {
					meant = append(meant, i.Ref.ID)
				}
			}
			if len(meant) == 0 {
				meant = alike(name, names)
			}
		}
	}
	if len(meant) == 0 {
		return fmt.Errorf("there is no node %q; \"hub ls -r\" lists all", name)
	}
	return fmt.Errorf("there is no node %q; do you mean %s? \"hub ls -r\" lists all", name, either(meant[:min(len(meant), 3)]))
}

// either lists alternatives in words.
func either(list []string) string {
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
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

// errInterrupted is that Ctrl-C came before the end.
var errInterrupted = errors.New("interrupted")

// plain says an error as a person wants it: what the hub said needs no stanza
// condition.
func plain(err error) error {
	if errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	var s *ext.StanzaError
	if errors.As(err, &s) && s.Text != "" {
		var e *nodes.Error
		if errors.As(err, &e) && len(e.Fields) > 0 {
			return err
		}
		if s.Text == "no data source "+nodes.DefaultSource {
			return errors.New("this hub shows you no nodes: your address has no rights to any. Who runs it gives them under \"access\" in its configuration")
		}
		return errors.New(s.Text)
	}
	return err
}
