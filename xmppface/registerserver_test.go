package xmppface

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// newcomer is an account that is not there yet.
func newcomer(t *testing.T, srv xmpptest.Server, name string) Account {
	return Account{JID: name + "@" + srv.Domain(), Password: "Long-enough_0123456789abcdefABCDEF", Server: srv.Addr(), CAFile: srv.CAFile(),
		Log: quiet(t), Creation: &creation{}}
}

// creates connects twice: the first time makes the account, and the second finds it.
func creates(t *testing.T, a Account) {
	t.Helper()
	for i := range 2 {
		s, err := Dial(within(t, 20*time.Second), a)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		s.Close()
		if got := a.Creation.(*creation).confirmed.Load(); got != 1 {
			t.Errorf("connection %d: confirmed %d times, want once", i, got)
		}
	}
}

// TestRegisterProsody makes accounts on a real server, and is refused by others.
func TestRegisterProsody(t *testing.T) {
	srv := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: "allow_registration = true"})
	creates(t, newcomer(t, srv, "fresh"))
	direct := newcomer(t, srv, "direct")
	direct.Server, direct.TLS = srv.Direct(), DirectTLS
	creates(t, direct)
	srv.AddUser(t, "taken", "other")
	fails(t, newcomer(t, srv, "taken"), NotCreated, "taken at localhost", "password_file")
	// A crash after the account was made and before that was noted: the login works.
	again := newcomer(t, srv, "fresh")
	creates(t, again)
	// What the server knows and forgot again is not made again.
	gone := newcomer(t, srv, "gone")
	gone.Creation = &creation{before: true}
	fails(t, gone, WrongPassword)
}

func TestRegisterProsodyRefuses(t *testing.T) {
	t.Run("switched off", func(t *testing.T) {
		srv := xmpptest.Prosody(t, xmpptest.Options{})
		fails(t, newcomer(t, srv, "hub"), NotCreated, "lets nobody register")
	})
	t.Run("email wanted", func(t *testing.T) {
		srv := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: `allow_registration = true
additional_registration_fields = { "email+" }`})
		fails(t, newcomer(t, srv, "hub"), NotCreated, "email (Email)", "by hand")
	})
	t.Run("one at a time", func(t *testing.T) {
		srv := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: `allow_registration = true
registration_allowlist = {}
min_seconds_between_registrations = 3600`})
		creates(t, newcomer(t, srv, "first"))
		fails(t, newcomer(t, srv, "second"), RateLimit, "Too many registrations", "tries again later")
	})
	t.Run("from elsewhere", func(t *testing.T) {
		srv := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: `allow_registration = true
registration_blocklist = { "127.0.0.1" }`})
		fails(t, newcomer(t, srv, "hub"), NotCreated, "not from this network (Your IP address is blocklisted)")
	})
}

func TestRegisterEjabberd(t *testing.T) {
	srv := xmpptest.Ejabberd(t, "mod_register: {ip_access: all, access_from: all, password_strength: 32}")
	srv.AddUser(t, "taken", "other")
	fails(t, newcomer(t, srv, "taken"), NotCreated, "taken at localhost")
	weak := newcomer(t, srv, "weak")
	weak.Password = "a"
	fails(t, weak, NotCreated, "does not accept")
	creates(t, newcomer(t, srv, "fresh"))
	fails(t, newcomer(t, srv, "second"), RateLimit, "quickly", "tries again later")
}
