package local

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
)

// Config is what a [Server] is made of.
type Config struct {
	// Domain is that of the addresses ([NewDomain]); the certificate is for it.
	Domain      string
	Certificate Certificate
	Accounts    Accounts
	Rosters     Rosters
	// Listen is where to listen, host:port; a free port of 127.0.0.1 when empty.
	Listen string
	// Name and Version of the program, for XEP-0092; may be empty.
	Name, Version string
	Limits        Limits
	Log           *slog.Logger // slog.Default() when nil
	// Login is told of each login and of each that is refused (with the reason), with the
	// account's name as it was given and the address it came from. It must be quick;
	// nil: nobody is told.
	Login func(account, address string, err error)
}

// Limits of a server. Zero values are replaced by what is said.
type Limits struct {
	Login            time.Duration // from connecting to having logged in; 10 s
	Waiting          int           // connections before login; 64
	WaitingFromOne   int           // of these, from one address (IPv6: a /64 network); 32
	Clients          int           // connections after login; 256
	ClientsOfOne     int           // of these, of one account; 32
	Queue            int           // bytes that wait for one client; answers may use as much again; 1 MiB
	Write            time.Duration // for which a client may take nothing; 30 s
	Idle             time.Duration // silence after which a client is pinged; it has as long again; 1 min
	Contacts         int           // in one roster; 1000
	DirectedPresence int           // addresses a client shows itself to without a subscription; 256
}

func (l *Limits) fill() {
	or := func(p *int, n int) {
		if *p <= 0 {
			*p = n
		}
	}
	during := func(p *time.Duration, d time.Duration) {
		if *p <= 0 {
			*p = d
		}
	}
	during(&l.Login, 10*time.Second)
	during(&l.Write, 30*time.Second)
	during(&l.Idle, time.Minute)
	or(&l.Waiting, 64)
	or(&l.WaitingFromOne, 32)
	or(&l.Clients, 256)
	or(&l.ClientsOfOne, 32)
	or(&l.Queue, 1<<20)
	or(&l.Contacts, 1000)
	or(&l.DirectedPresence, 256)
}

// Server is the local XMPP server. It is made by [New], and works while
// [Server.Run] runs.
type Server struct {
	domain      string
	name        string
	version     string
	listen      string
	limits      Limits
	login       func(account, address string, err error)
	accounts    Accounts
	tls         *tls.Config
	secret      []byte // for what unknown accounts are told
	fingerprint string
	log         *slog.Logger
	guard       *guard
	table       table
	social      social

	mu       sync.Mutex
	listener net.Listener
}

// New makes a server. It listens nowhere yet.
func New(c Config) (*Server, error) {
	j, err := jid.Parse(c.Domain)
	if err != nil || j.Domainpart() != c.Domain || j.String() != c.Domain {
		return nil, fmt.Errorf("%q cannot be the domain of the local server", c.Domain)
	}
	if c.Accounts == nil || c.Rosters == nil {
		return nil, errors.New("the local server needs accounts and rosters")
	}
	pair, err := c.Certificate.load(c.Domain)
	if err != nil {
		return nil, err
	}
	fingerprint, err := c.Certificate.Fingerprint()
	if err != nil {
		return nil, err
	}
	// The secret must outlive a restart, or unknown accounts would be those whose
	// salt changes.
	private, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return nil, err
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:0"
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.Limits.fill()
	s := &Server{
		domain: c.Domain, name: c.Name, version: c.Version, listen: c.Listen, limits: c.Limits,
		accounts:    c.Accounts,
		tls:         &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		secret:      mac(private, "accounts that do not exist"),
		fingerprint: fingerprint,
		log:         c.Log.With("server", c.Domain),
		login:       c.Login,
		guard:       newGuard(c.Limits.Waiting, c.Limits.WaitingFromOne),
	}
	s.table.init()
	s.social.init(c.Rosters)
	return s, nil
}

// Domain is the domain of the addresses.
func (s *Server) Domain() string { return s.domain }

// Fingerprint is the SHA-256 of the certificate, as people compare it.
func (s *Server) Fingerprint() string { return s.fingerprint }

// Listen opens the socket, so that clients can connect; they are served by Run,
// which the caller must call then: it closes the socket. The error says which
// address cannot be used.
func (s *Server) Listen(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil {
		return nil
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", s.listen)
	if err != nil {
		return fmt.Errorf("the local server cannot listen on %s: %w", s.listen, err)
	}
	s.listener = l
	return nil
}

// Addr is where it listens, or nil before Listen.
func (s *Server) Addr() net.Addr {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return nil
	}
	return s.listener.Addr()
}

// Run listens, unless Listen has done so, and serves until ctx ends; it returns
// nil then, after all clients were told and everything that it started has ended
// (within about a second). It may be called once.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	defer s.listener.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	wg.Go(func() { s.watch(ctx) })
	for {
		c, err := s.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				c.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("the local server no longer listens: %w", err)
		case err != nil: // too many open files, and the like
			s.log.Error("a connection could not be accepted", "err", err)
			pause(ctx, 200*time.Millisecond)
		default:
			wg.Go(func() { s.serve(ctx, c) })
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// serve is one connection from beginning to end.
func (s *Server) serve(ctx context.Context, conn net.Conn) {
	sock := newSocket(conn)
	from := origin(conn.RemoteAddr())
	leave := s.guard.enter(from, func() { sock.Conn.Close() })
	defer leave() // it counts until it is closed, last words included
	defer sock.Close()
	sock.SetDeadline(time.Now().Add(s.limits.Login))
	stop := context.AfterFunc(ctx, func() { sock.Conn.Close() })
	defer stop()
	n := &negotiation{s: s, ctx: ctx, sock: sock, from: from}
	resource, id, err := n.negotiate()
	if err != nil {
		s.log.Debug("not logged in", "address", from, "err", err)
		n.fail(err)
		return
	}
	c, err := newClient(s, n, resource)
	if err != nil {
		n.fail(err)
		return
	}
	if !stop() {
		return
	}
	sock.free.Store(true)
	sock.SetDeadline(time.Time{})
	leave()
	c.run(ctx, id)
}

// watch pings clients that are silent, and gives up those that stay so.
func (s *Server) watch(ctx context.Context) {
	for {
		pause(ctx, s.limits.Idle)
		if ctx.Err() != nil {
			return
		}
		for _, c := range s.table.all() {
			c.checkAlive()
		}
	}
}

// Expel throws out all clients of an account and forgets what is known of its
// roster. It is called after an account was deleted, or has got a new password.
func (s *Server) Expel(name string) {
	for _, c := range s.table.of(name) {
		c.end("not-authorized", "the account was changed")
	}
	s.social.forget(name)
}
