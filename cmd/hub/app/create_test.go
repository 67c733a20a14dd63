package app

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestCreate: a daemon makes its account on a real server, and finds it again.
func TestCreate(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: "allow_registration = true"})
	xmpp := func(name, more string) string {
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

	d := startDaemon(t, t.TempDir(), xmpp("fresh", ""))
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
	d = startDaemon(t, d.dir, xmpp("fresh", ""))
	online(d, "fresh")
	d.stop()
	if second, err := os.ReadFile(file); err != nil || string(second) != string(first) || created("fresh") != 1 {
		t.Errorf("after a restart: %d accounts were created, the password is the same: %v, %v", created("fresh"), string(second) == string(first), err)
	}

	// The data folder is that of a hub which crashed: what it kept is used.
	kept := filepath.Join(t.TempDir(), "kept")
	put(t, kept, "kept-through-a-crash\n")
	d = startDaemon(t, t.TempDir(), xmpp("crashed", ", password_file: "+kept))
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

	// There is no place to keep it: nothing is asked of the server.
	nowhere := &text{}
	put(t, filepath.Join(d.dir, "nowhere.yaml"), "data: data\nlocal: {listen: \"127.0.0.1:0\"}\n"+xmpp("nowhere", ", password_file: none/password"))
	if code := run(t.Context(), []string{"run", "-c", filepath.Join(d.dir, "nowhere.yaml")}, nowhere, nowhere, nil); code != exitFailed ||
		!strings.Contains(nowhere.String(), "cannot be kept") || created("nowhere") != 0 {
		t.Errorf("no place to keep the password: exit code %d, %s", code, nowhere)
	}

	// Somebody else has the name: that is told, and the hub goes on without the broker.
	p.AddUser(t, "taken", "other")
	d = startDaemon(t, t.TempDir(), xmpp("taken", ""))
	soon(t, "a message about the name", func() bool {
		out, _ := d.cli("show")
		return strings.Contains(out, "was not created") && strings.Contains(out, "taken at "+p.Domain())
	})
}

// TestCreateKilled: a daemon that is killed while it waits for the server has kept its
// password, and the next one uses it.
func TestCreateKilled(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: "allow_registration = true"})
	dir := own(t)
	conf := filepath.Join(dir, "hub.yaml")
	put(t, conf, fmt.Sprintf("data: data\nlocal: {listen: \"127.0.0.1:0\"}\nxmpp: {jid: gateway@%s, create: true, server: %q, ca_file: %q}\n", p.Domain(), p.Addr(), p.CAFile()))
	file := filepath.Join(dir, "data", "password-gateway@"+p.Domain())
	p.Pause()
	killed := begin(t, dir, nil, "run", "-c", conf)
	soon(t, "a password", func() bool { return exists(file) })
	killed.Process.Kill()
	killed.ended(t, 10*time.Second)
	kept, err := os.ReadFile(file)
	if err != nil || len(kept) != 33 {
		t.Fatalf("kept %q, %v", kept, err)
	}
	p.Resume()
	next := begin(t, dir, nil, "run", "-c", conf)
	soon(t, "the account", func() bool { return strings.Contains(next.printed(), "the account was created") })
	if again, err := os.ReadFile(file); err != nil || string(again) != string(kept) {
		t.Errorf("the password became %q, %v; want %q", again, err, kept)
	}
}

// TestInitCreate: hub init lets the server create the account, and what it writes runs.
func TestInitCreate(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: "allow_registration = true"})
	p.AddUser(t, "taken", "other")
	dir := t.TempDir()
	file, secret := filepath.Join(dir, "hub.yaml"), filepath.Join(dir, "password")
	setup := func(name string, args ...string) (string, int) {
		out := &text{}
		code := run(t.Context(), append([]string{"init", file, "--dir", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0", "--create",
			"--account", name + "@" + p.Domain(), "--broker", p.Addr(), "--broker-ca", p.CAFile()}, args...), out, out, nil)
		return out.String(), code
	}
	read := func(file string) string {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if out, code := setup("taken"); code != exitFailed || !strings.Contains(out, "taken at "+p.Domain()) || exists(file) || exists(secret) {
		t.Errorf("a name that is taken: exit code %d, %s", code, out)
	}
	// What a run that was cut off has kept is used.
	put(t, secret, "kept-when-it-was-cut-off\n")
	if out, code := setup("gateway"); code != 0 || !strings.Contains(out, "the account works: gateway@"+p.Domain()) {
		t.Fatalf("exit code %d, %s", code, out)
	}
	if got := read(secret); got != "kept-when-it-was-cut-off\n" {
		t.Errorf("the password became %q", got)
	}
	if got := read(file); strings.Contains(got, "create") {
		t.Errorf("the account is there, and the configuration creates it:\n%s", got)
	}
	// The configuration is there already, for another account: its password is another one.
	if out, code := setup("second", "--force"); code != 0 {
		t.Fatalf("exit code %d, %s", code, out)
	}
	if got := read(secret); len(got) != 33 {
		t.Errorf("the password of another account is %q; want one that was made", got)
	}
	out := &text{}
	if code := run(t.Context(), []string{"check", "--online", file}, out, out, nil); code != 0 || !strings.Contains(out.String(), "logged in as second@") {
		t.Errorf("check: exit code %d, %s", code, out)
	}
	// Untried: the daemon does it.
	if out, code := setup("third", "--force", "--no-test"); code != 0 || !strings.Contains(read(file), "create: true") {
		t.Errorf("untried: exit code %d, %s\n%s", code, out, read(file))
	}
	// A password that was chosen.
	chosen := filepath.Join(dir, "chosen")
	put(t, chosen, "chosen-by-somebody\n")
	if out, code := setup("fourth", "--force", "--account-password", chosen); code != 0 || read(secret) != "chosen-by-somebody\n" {
		t.Errorf("a chosen password: exit code %d, %s", code, out)
	}
}

// TestInitAsksToCreate: the dialogue asks whether the account is there.
func TestInitAsksToCreate(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{Modules: []string{"register_ibr"}, Settings: "allow_registration = true"})
	dir := t.TempDir()
	x := onTerminal(t, 200, 40, nil, "init", filepath.Join(dir, "hub.yaml"), "--dir", filepath.Join(dir, "data"), "--broker", p.Addr(), "--broker-ca", p.CAFile())
	for _, step := range []struct{ question, answer string }{
		{"The hub's account on an XMPP server?", "gateway@" + p.Domain()},
		{"Is the account there already?", "no"},
		{"Who may do everything?", "ops@" + p.Domain()},
	} {
		soon(t, step.question, func() bool { _, all := x.sees(); return strings.Contains(all, step.question) })
		x.press(t, step.answer+"\r")
	}
	if err := x.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
	if _, all := x.sees(); !strings.Contains(all, "the account works: gateway@"+p.Domain()) || strings.Contains(all, "Its password?") {
		t.Errorf("it wrote %q", all)
	}
	if cfg, err := config.Load(filepath.Join(dir, "hub.yaml")); err != nil || cfg.XMPP.Create || len(cfg.XMPP.Password) != 32 {
		t.Errorf("got %+v, %v", cfg, err)
	}
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
