package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestCreate: a daemon makes its account on a real server, and finds it again.
func TestCreate(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: "allow_registration = true"})
	broker := func(name, more string) string {
		return fmt.Sprintf("xmpp: {jid: %s@%s, create: true, server: %q, ca_file: %q%s}\n", name, p.Domain(), p.Addr(), p.CAFile(), more)
	}
	online := func(d *daemon, name string) {
		t.Helper()
		soon(t, name+" online", func() bool {
			out, _ := d.cli("status")
			return strings.Contains(out, "online as "+name+"@"+p.Domain())
		})
	}
	created := func(name string) int {
		return strings.Count(p.Log(), "User account created: "+name+"@"+p.Domain())
	}

	d := startDaemon(t, t.TempDir(), broker("fresh", ""))
	online(d, "fresh")
	file := filepath.Join(d.dir, "data", "password-fresh@"+p.Domain())
	first, err := os.ReadFile(file)
	if err != nil || len(first) != 33 {
		t.Errorf("the password is %q, %v; want 32 characters and a line feed", first, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v; others may read the password", info.Mode(), err)
	}
	if strings.Contains(d.out.String(), strings.TrimSpace(string(first))) {
		t.Error("the password is in the log")
	}
	d.stop()
	d = startDaemon(t, d.dir, broker("fresh", ""))
	online(d, "fresh")
	d.stop()
	if second, err := os.ReadFile(file); err != nil || string(second) != string(first) || created("fresh") != 1 {
		t.Errorf("after a restart: %d accounts were created, the password is the same: %v, %v", created("fresh"), string(second) == string(first), err)
	}

	// The data folder is that of a hub which crashed: what it kept is used.
	kept := filepath.Join(t.TempDir(), "kept")
	put(t, kept, "kept-through-a-crash\n")
	d = startDaemon(t, t.TempDir(), broker("crashed", ", password_file: "+kept))
	online(d, "crashed")
	d.stop()
	if created("crashed") != 1 {
		t.Error("the account was not created once")
	}

	// The password of an account that exists is lost: none is made that cannot be right.
	if err := os.Remove(kept); err != nil {
		t.Fatal(err)
	}
	lost := &text{}
	if code := run(t.Context(), []string{"run", "-c", filepath.Join(d.dir, "hub.yaml")}, lost, lost, nil); code != exitFailed || !strings.Contains(lost.String(), "its password is gone") {
		t.Errorf("a lost password: exit code %d, %s", code, lost)
	}

	// Somebody else has the name: that is told, and the hub goes on without the broker.
	p.AddUser(t, "taken", "other")
	d = startDaemon(t, t.TempDir(), broker("taken", ""))
	soon(t, "a message about the name", func() bool {
		out, _ := d.cli("show")
		return strings.Contains(out, "was not created") && strings.Contains(out, "taken at "+p.Domain())
	})
}

func TestKeepPassword(t *testing.T) {
	dir := t.TempDir()
	a, err := keepPassword(filepath.Join(dir, "a"))
	if err != nil || len(a) != 32 {
		t.Fatalf("got %q, %v", a, err)
	}
	if again, err := keepPassword(filepath.Join(dir, "a")); err != nil || again != a {
		t.Errorf("a second time: got %q, %v; want %q", again, err, a)
	}
	if b, err := keepPassword(filepath.Join(dir, "b")); err != nil || b == a {
		t.Errorf("another file: got %q, %v; want another password", b, err)
	}
	if _, err := keepPassword(filepath.Join(dir, "none", "c")); err == nil {
		t.Error("a folder that is not there: no error")
	}
	if list, err := os.ReadDir(dir); err != nil || len(list) != 2 {
		t.Errorf("got %v, %v; want two files", list, err)
	}
}
