package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/persist"
	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/local"
	"github.com/fieldhub/hub/xmppface/synchronization"
)

// The accounts of the local server.
const (
	ownerName = "owner"
	hubName   = "hub"
)

// hub is a running hub.
type hub struct {
	cfg    *config.Config
	log    *slog.Logger
	set    *adapters.Set
	db     *persist.DB
	keys   *keys
	tree   *tree.Tree
	access *datasources.Access
	cat    *datasources.Catalog
	local  *local.Server
	faces  map[nodes.Way]*xmppface.Face // see face
	owner  *credential
	audit  *audit
	users  *users
	logins logins
	// requests are those for the hub's presence.
	requests *requests
	began    time.Time

	own         *tree.Tree // the source in which the hub shows itself
	parts       []*ownPart
	connections *ownPart                 // one of them
	asking      *ownPart                 // one of them: who asks for access
	compared    *synchronization.Monitor // of the clock; nil: with none
	facing      sync.Mutex               // over faces, while they are being opened
}

// face returns the participant of a way in; nil: there is none yet.
func (h *hub) face(w nodes.Way) *xmppface.Face {
	h.facing.Lock()
	defer h.facing.Unlock()
	return h.faces[w]
}

// runHub runs a hub until ctx ends or a part of it fails. ready is called when all
// has been started; the hub stops when it returns an error. What ready returns is
// called before the first part stops; it may be nil.
func runHub(ctx context.Context, cfg *config.Config, log *slog.Logger, factories []adapters.Factory, ready func(*hub) (leave func(), err error)) error {
	h := &hub{cfg: cfg, log: log, began: time.Now(), faces: make(map[nodes.Way]*xmppface.Face)}
	var err error
	if h.set, err = adapters.NewSet(factories...); err != nil {
		return err
	}
	if h.keys, err = openKeys(cfg, log); err != nil {
		return err
	}
	if h.db, err = persist.Open(cfg.Data, persist.Options{Log: log, Secrets: h.keys.secrets(h.set.Types())}); err != nil {
		return err
	}
	s := newStages(ctx)
	var leave func()
	err = h.start(ctx, s)
	if err == nil {
		leave, err = ready(h)
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-s.failed:
		}
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // told to stop while it was starting
	}
	if leave != nil {
		leave()
	}
	return errors.Join(err, s.stop(), h.db.Close())
}

// start starts the parts in the order in which they need each other.
func (h *hub) start(ctx context.Context, s *stages) error {
	s.start("memory", limitMemory)
	var err error
	h.compared = h.clockMonitor()
	h.makeParts()
	h.tree, err = tree.New(tree.Config{Source: nodes.DefaultSource, Name: "Metering topology", Types: h.keys.types(h.set.Types()),
		Store: h.db.Tree(nodes.DefaultSource), Opener: opener{h.set, h.keys, secretParams(h.set.Types())}, Log: h.log, Commands: h.ownCommands(), Run: h.runOwn})
	if err != nil {
		return err
	}
	if text := h.db.Recovered(); text != "" {
		h.tree.Fault(nodes.RootID, nodes.Message{Severity: nodes.SeverityWarning, EventID: "Recovered", Text: text})
	}
	s.start("storage", h.db.Run)
	s.start("tree", h.tree.Run)
	h.audit = openAudit(h.db.Shelf("audit"), h.log)
	h.requests = openRequests(h.db.Shelf("presence"), h.log, h.cfg.XMPP != nil && !h.cfg.XMPP.RefuseRequests,
		func(who nodes.Caller) bool { return h.cat.Friend(who) }, h.asking.changed, h.refuse)
	hubPassword, err := h.openLocal(ctx)
	if err != nil {
		return err
	}
	if h.own, err = h.openOwn(); err != nil {
		return err
	}
	s.start("own source", h.own.Run)
	h.cat = datasources.New(h.access, h.set.Tap, h.tree, h.own)
	h.cat.Log, h.cat.Audit = h.log, h.audit.add
	program := xmppface.Program{Name: "hub", Product: "hub", Version: release(), OS: runtime.GOOS}
	if h.compared != nil {
		program.Clock = h.compared.Source
	}
	extensions := xmppface.Extensions(program,
		xmppface.Backends{Catalog: h.cat, Owner: h, Log: h.log, Shares: h.cfg.Limits.Shares})
	for _, x := range extensions {
		if r, ok := x.(ext.Runner); ok {
			s.start(x.Spaces()[0], r.Run)
		}
	}
	s.start("local server", h.local.Run)
	if err := h.openFaces(s, hubPassword, extensions); err != nil {
		return err
	}
	s.start("own node", h.tellSelf)
	if h.compared != nil {
		s.start("clock", h.compared.Run)
	}
	s.start("configuration", h.followConfig)
	return nil
}

// openLocal makes the local server with its accounts, and the owner's credential.
// The domain and the certificate stay the same for ever, the passwords are new at
// each start.
func (h *hub) openLocal(ctx context.Context) (hubPassword string, err error) {
	shelf := h.db.Shelf("local")
	domain, _ := shelf.Get("domain")
	cert, _ := shelf.Get("certificate")
	key, ok := shelf.Get("key")
	if !ok {
		domain = []byte(local.NewDomain())
		c, err := local.NewCertificate(string(domain))
		if err != nil {
			return "", fmt.Errorf("local server: %w", err)
		}
		cert, key = c.Cert, c.Key
		shelf.Put("domain", domain)
		shelf.Put("certificate", cert)
		shelf.Put("key", key)
	}
	certificate := local.Certificate{Cert: cert, Key: key}
	fingerprint, err := certificate.Fingerprint()
	if err != nil {
		return "", fmt.Errorf("local server: %w", err)
	}
	h.users = &users{shelf: h.db.Shelf("users"), log: h.log}
	h.owner = &credential{JID: ownerName + "@" + string(domain), Password: rand.Text(), Hub: hubName + "@" + string(domain),
		Certificate: string(cert), Fingerprint: fingerprint, Data: h.db.Dir(), PID: os.Getpid()}
	hubPassword = rand.Text()
	if err := errors.Join(h.users.AddUser(ownerName, h.owner.Password), h.users.AddUser(hubName, hubPassword),
		h.users.SetContact(ownerName, local.Contact{JID: h.owner.Hub, To: true, From: true, Listed: true}),
		h.users.SetContact(hubName, local.Contact{JID: h.owner.JID, To: true, From: true, Listed: true})); err != nil {
		return "", err
	}
	h.access = datasources.NewAccess(h.rules(h.cfg)...)
	h.local, err = local.New(local.Config{Domain: string(domain), Certificate: certificate, Accounts: h.users, Rosters: h.users,
		Listen: h.cfg.Local.Listen, Name: "hub", Version: release(), Log: h.log, Login: h.noteLogin})
	if err != nil {
		return "", err
	}
	if err := h.local.Listen(ctx); err != nil {
		return "", fmt.Errorf("local server: %w; write another address as listen, below local", err)
	}
	h.owner.Address = h.local.Addr().String()
	for _, name := range h.users.names() {
		if err := h.befriend(name); err != nil {
			return "", err
		}
	}
	return hubPassword, nil
}

// openFaces connects the hub to its own server, and to the broker if there is one.
func (h *hub) openFaces(s *stages, hubPassword string, extensions []ext.Extension) error {
	ca := filepath.Join(h.db.Dir(), "local.pem")
	if err := os.WriteFile(ca, []byte(h.owner.Certificate), 0o600); err != nil {
		return err
	}
	err := h.openFace(s, xmppface.Account{JID: h.owner.Hub, Password: hubPassword, Server: h.owner.Address, CAFile: ca, Way: nodes.WayLocal}, extensions)
	if err != nil || h.cfg.XMPP == nil {
		return err
	}
	broker, err := h.brokerAccount()
	if err != nil {
		return err
	}
	return h.openFace(s, broker, extensions)
}

func (h *hub) openFace(s *stages, a xmppface.Account, extensions []ext.Extension) error {
	a.Resource, a.Log = "hub", h.log.With("way", string(a.Way))
	a.Welcome = func(who nodes.Caller) bool { return h.cat.Friend(who) || h.requests.welcome(who) }
	if a.Way == nodes.WayBroker {
		a.Requests = h.requests
	}
	a.Limits = xmppface.Limits{Requests: h.cfg.Limits.Requests, Waiting: h.cfg.Limits.Waiting, Answers: h.cfg.Limits.AnswerBytes, Unsent: h.cfg.Limits.Unsent, Flooding: h.flooded}
	event := "Connection " + string(a.Way)
	o := xmppface.Options{OnStatus: func(st xmppface.Status) {
		if a.Way == nodes.WayBroker {
			notify("STATUS=" + a.JID + " is " + strings.ReplaceAll(described(st), "\n", " "))
		}
		h.connections.changed()
		switch {
		case st.Online:
			h.tree.Clear(nodes.RootID, event)
		case st.Failure != nil:
			h.tree.Fault(nodes.RootID, nodes.Message{Severity: nodes.SeverityError, EventID: event,
				Text: a.JID + " is not online: " + st.Failure.Text})
		}
	}}
	if a.Way == nodes.WayLocal {
		o.First, o.Last = 50*time.Millisecond, time.Second // the server is at hand
	}
	f, err := xmppface.New(a, o, extensions...)
	if err != nil {
		return fmt.Errorf("xmpp account %s: %w", a.JID, err)
	}
	h.facing.Lock()
	h.faces[a.Way] = f
	h.facing.Unlock()
	s.start("xmpp account "+a.JID, f.Run)
	return nil
}

// waitLocal waits until the hub can be reached through its local server.
func (h *hub) waitLocal(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	_, err := h.faces[nodes.WayLocal].WaitOnline(ctx)
	return err
}
