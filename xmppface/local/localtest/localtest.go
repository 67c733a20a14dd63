// Package localtest gives tests a running local server, to be used in place of a
// real one by tests that are written against xmpptest.Server.
package localtest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/fieldhub/hub/xmppface/local"
)

// Server is a local server that runs until the test ends.
type Server struct {
	*local.Server
	Memory *local.Memory
	ca     string
	stop   func()
}

// Start makes and runs a server; change, if not nil, may change its configuration
// first.
func Start(t testing.TB, change func(*local.Config)) *Server {
	t.Helper()
	domain := local.NewDomain()
	cert, err := local.NewCertificate(domain)
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{Memory: new(local.Memory), ca: filepath.Join(t.TempDir(), "ca.pem")}
	c := local.Config{Domain: domain, Certificate: cert, Accounts: s.Memory, Rosters: s.Memory,
		Name: "hub", Version: "test", Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	if change != nil {
		change(&c)
	}
	if err := os.WriteFile(s.ca, c.Certificate.Cert, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Server, err = local.New(c); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := s.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	s.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the local server: %v", err)
		}
	})
	t.Cleanup(s.stop)
	return s
}

// Stop stops it before the test ends.
func (s *Server) Stop() { s.stop() }

// Addr is where clients connect.
func (s *Server) Addr() string { return s.Server.Addr().String() }

// CAFile holds the certificate, which is its own authority.
func (s *Server) CAFile() string { return s.ca }

// AddUser makes an account.
func (s *Server) AddUser(t testing.TB, name, password string) {
	t.Helper()
	if err := s.Memory.AddUser(name, password); err != nil {
		t.Fatal(err)
	}
}
