package app

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus"
	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// hub init tries the account on a real server, and says what is wrong with it; what it
// writes can be run.
func TestInit(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{})
	p.AddUser(t, "gateway", "pw-gateway")
	jid := "gateway@" + p.Domain()
	dir := t.TempDir()
	file := filepath.Join(dir, "etc", "hub.yaml")
	good, bad := filepath.Join(dir, "good"), filepath.Join(dir, "bad")
	put(t, good, "pw-gateway\n")
	put(t, bad, "guess\n")
	hub := func(args ...string) (string, int) {
		out := &text{}
		code := run(context.Background(), args, out, out, []adapters.Factory{modbus.Factory()})
		return out.String(), code
	}
	setup := func(args ...string) (string, int) {
		return hub(append([]string{"init", file, "--dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--account", jid, "--broker", p.Addr()}, args...)...)
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nobody to ask", nil, exitUsage, "--account-password"},
		{"wrong password", []string{"--account-password", bad, "--broker-ca", p.CAFile()}, exitFailed, "does not accept the account or its password"},
		{"foreign certificate", []string{"--account-password", good}, exitFailed, "authority"},
	} {
		out, code := setup(tt.args...)
		if code != tt.code || !strings.Contains(out, tt.want) {
			t.Errorf("%s: exit code %d, want %d; got %q, want it to hold %q", tt.name, code, tt.code, out, tt.want)
		}
		if exists(file) {
			t.Errorf("%s: the configuration was written", tt.name)
		}
	}
	out, code := setup("--account-password", good, "--broker-ca", p.CAFile(), "--admin", "ops@example.org", "--viewer", "@example.org")
	if code != 0 || !strings.Contains(out, "the account works: "+jid+"/check-") || !strings.Contains(out, "hub run -c "+file) {
		t.Fatalf("exit code %d, %s", code, out)
	}
	cfg, err := config.Load(file)
	if err != nil || len(cfg.Access) != 2 || cfg.XMPP.Password != "pw-gateway" {
		t.Errorf("got %+v, %v", cfg, err)
	}
	for _, f := range []string{file, filepath.Join(dir, "etc", "password")} {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm()&0o007 != 0 {
			t.Errorf("%s: %v, %v: others may read it", f, info.Mode(), err)
		}
	}
	if out, code := setup("--account-password", good); code != exitFailed || !strings.Contains(out, "is there already") {
		t.Errorf("a second time: exit code %d, %s", code, out)
	}
	if out, code := hub("check", "--online", file); code != 0 || !strings.Contains(out, "logged in as "+jid) {
		t.Errorf("check: exit code %d, %s", code, out)
	}
	put(t, filepath.Join(dir, "etc", "password"), "guess\n")
	if out, code := hub("check", "--online", file); code != exitFailed || !strings.Contains(out, "password") {
		t.Errorf("check with a wrong password: exit code %d, %s", code, out)
	}
	p.Stop()
	if out, code := hub("check", "--online", file); code != exitFailed || !strings.Contains(out, "nobody listens") {
		t.Errorf("check without a server: exit code %d, %s", code, out)
	}
}

// Without an account there is nothing to try, and the hub is reached locally.
func TestInitLocal(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "hub.yaml")
	out := &text{}
	if code := run(context.Background(), []string{"init", file, "--dir", dir}, out, out, nil); code != 0 {
		t.Fatalf("exit code %d, %s", code, out)
	}
	out = &text{}
	if code := run(context.Background(), []string{"check", "--online", file}, out, out, nil); code != exitFailed || !strings.Contains(out.String(), "no account") {
		t.Errorf("exit code %d, %s", code, out)
	}
}

// TestCheckOnline: what hub check says of a server, and its exit code, when the account
// cannot be tried.
func TestCheckOnline(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{Expired: true})
	dir := t.TempDir()
	file := filepath.Join(dir, "hub.yaml")
	put(t, filepath.Join(dir, "pw"), "pw-gateway\n")
	for _, tt := range []struct{ name, jid, rest, want string }{
		{"expired", "gateway@localhost", "server: " + p.Addr() + ", ca_file: " + p.CAFile(), "has expired on"},
		{"direct TLS", "gateway@localhost", "server: " + p.Addr() + ", tls: direct", "write tls: starttls"},
		{"other domain", "gateway@example.org", "server: " + p.Addr() + ", pins: [" + p.Pin() + "]", "does not serve example.org"},
		{"wrong password", "gateway@localhost", "server: " + p.Addr() + ", pins: [" + p.Pin() + "]", "does not accept the account or its password"},
		{"no such host", "gateway@example.org", "server: 'no-such-host.invalid:5222'", "no-such-host.invalid"},
		{"nobody listens", "gateway@example.org", "server: " + xmpptest.FreeAddr(t), "nobody listens"},
	} {
		put(t, file, "data: "+dir+"\nxmpp: {jid: "+tt.jid+", password_file: "+filepath.Join(dir, "pw")+", "+tt.rest+"}\n")
		out := &text{}
		code := run(t.Context(), []string{"check", "--online", file}, out, out, nil)
		if code != exitFailed || !strings.Contains(out.String(), tt.want) || !strings.Contains(out.String(), tt.jid+" cannot log in") {
			t.Errorf("%s: exit code %d, %s; want %q", tt.name, code, out, tt.want)
		}
	}
}
