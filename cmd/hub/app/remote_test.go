package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestRemote: the commands reach a hub through a real broker, by options and by a
// profile, and say what is wrong.
func TestRemote(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{})
	for _, name := range []string{"gateway", "ops", "viewer", "stranger"} {
		p.AddUser(t, name, "pw-"+name)
	}
	plant := modbustest.NewPlant(1)
	if err := plant.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- plant.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })

	dir := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(dir, "config"))
	t.Setenv("HUB_OWNER", "")
	secret := func(name string) string {
		file := filepath.Join(dir, name)
		put(t, file, "pw-"+name+"\n")
		return file
	}
	d := startDaemon(t, t.TempDir(), fmt.Sprintf(`
xmpp: {jid: gateway@%[1]s, password_file: %[2]q, server: %[3]q, ca_file: %[4]q}
access:
  - {who: [ops@%[1]s], may: [all]}
  - {who: [viewer@%[1]s], may: [see]}
`, p.Domain(), secret("gateway"), p.Addr(), p.CAFile()))
	soon(t, "the hub online", func() bool {
		out, _ := d.cli("status")
		return strings.Contains(out, "online as gateway@")
	})
	tree := filepath.Join(t.TempDir(), "tree.yaml")
	put(t, tree, string(appendPlant(t, plant.Addr())))
	if out, code := d.cli("import", tree); code != 0 {
		t.Fatal(out)
	}
	gateway := "gateway@" + p.Domain()
	account := func(name string) []string {
		return []string{"--jid", name + "@" + p.Domain(), "--password-file", secret(name), "--to", gateway, "--server", p.Addr(), "--ca-file", p.CAFile()}
	}
	hub := func(args ...string) (string, int) {
		out := &text{}
		code := run(t.Context(), args, out, out, []adapters.Factory{})
		return out.String(), code
	}
	expect := func(code int, want string, args ...string) {
		t.Helper()
		out, got := hub(args...)
		if got != code || !strings.Contains(out, want) {
			t.Errorf("hub %s\ngot  %d %s\nwant %d %s", strings.Join(args, " "), got, out, code, want)
		}
	}
	soon(t, "good values by options", func() bool {
		out, code := hub(append(account("ops"), "read", "-k", "momentary", "plant/tank")...)
		return code == exitOK && strings.Contains(out, "level")
	})

	// A profile does the same.
	expect(exitOK, "profile plant7 is in "+filepath.Join(dir, "config/hub/profiles.yaml"), append(account("ops"), "profile", "add", "plant7")...)
	expect(exitOK, "plant7   "+gateway, "profile", "ls")
	expect(exitOK, `{"name":"plant7","jid":"ops@`, "profile", "ls", "--json")
	expect(exitOK, "plant/tank  level", "--profile", "plant7", "read", "plant/tank")
	expect(exitOK, "done", "--profile", "plant7", "set", "plant/pump/on", "true")
	expect(exitOK, `"field":"level"`, "--profile", "plant7", "--json", "watch", "-n", "1", "plant/tank/level")
	expect(exitOK, `"kind":"tx"`, "--profile", "plant7", "--json", "sniff", "-n", "2", "plant")
	expect(exitOK, `"event":"added","source":`, "--profile", "plant7", "--json", "events", "--since", "1h", "-n", "1")
	expect(exitOK, "ScanUnits", "--profile", "plant7", "commands", "plant")

	// What can be wrong.
	expect(exitUsage, `there is no profile "plant8"; there are: plant7`, "--profile", "plant8", "ls")
	expect(exitUsage, "the hub's address is missing", "--jid", "a@b", "ls")
	expect(exitUsage, "your account is missing", "--to", "a@b", "ls")
	expect(exitUsage, "the password is missing", "--jid", "a@b", "--to", "c@d", "ls")
	strange := account("stranger")
	var waits sync.WaitGroup
	waits.Go(func() {
		expect(exitFailed, "is not online, or ", "--profile", "plant7", "--to", "nobody@"+p.Domain(), "ls")
	})
	waits.Go(func() { expect(exitFailed, "gives access under \"access\"", append(strange, "ls")...) })
	waits.Wait()
	expect(exitFailed, "does not accept the account or its password", "--profile", "plant7", "--password-file", secret("viewer"), "ls")
	expect(exitFailed, "but not: read. You are viewer@"+p.Domain()+"; who runs the hub gives rights under \"access\"", append(account("viewer"), "read", "plant/tank")...)
	if err := os.Chmod(filepath.Join(dir, "ops"), 0o644); err != nil {
		t.Fatal(err)
	}
	expect(exitFailed, "chmod 600", "--profile", "plant7", "ls")
	expect(exitFailed, "there is no profile", "profile", "rm", "plant8")
	expect(exitOK, "removed", "profile", "rm", "plant7")
	expect(exitUsage, "hub profile add", "--profile", "plant7", "ls")
}
