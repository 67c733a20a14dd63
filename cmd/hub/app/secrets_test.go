package app

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// secretMarker is a password that must come out nowhere.
const secretMarker = "MARKER-tr0ub4dor-and-3"

// keptAt runs a daemon with everything in its log on a folder.
func keptAt(t *testing.T, dir string) *process {
	t.Helper()
	p := begin(t, dir, []string{withMQTT + "=1"}, "run", "-c", filepath.Join(dir, "hub.yaml"))
	soon(t, "the daemon", func() bool { return strings.Contains(p.printed(), "msg=ready") || p.ProcessState != nil })
	return p
}

// command runs a command and returns all it prints.
func command(t *testing.T, dir string, want int, args ...string) string {
	t.Helper()
	p := begin(t, dir, []string{"HUB_DATA=" + filepath.Join(dir, "data"), withMQTT + "=1"}, args...)
	if got := p.ended(t, 30*time.Second); got != want {
		t.Errorf("hub %s: exit code %d, want %d:\n%s", strings.Join(args, " "), got, want, p.printed())
	}
	return p.printed()
}

func stopped(t *testing.T, p *process) {
	t.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := p.ended(t, 10*time.Second); code != 0 {
		t.Errorf("exit code %d:\n%s", code, p.printed())
	}
}

// TestSecretsComeOutNowhere gives a hub a password and has it do all it can with it,
// then looks for it in everything that came out and in all files.
func TestSecretsComeOutNowhere(t *testing.T) {
	t.Parallel()
	dir := own(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	put(t, filepath.Join(dir, "hub.yaml"), "data: data\nlocal: {listen: \"127.0.0.1:0\"}\nlog: {level: debug}\n"+
		"xmpp: {jid: a@localhost, password_file: password, server: \"127.0.0.1:1\"}\n")
	given := filepath.Join(dir, "password") // of the account on a broker, and of a person
	put(t, given, secretMarker)
	outputs := make(map[string]string)
	hub := func(want int, args ...string) string {
		t.Helper()
		out := command(t, dir, want, args...)
		outputs["hub "+strings.ReplaceAll(strings.Join(args, " "), secretMarker, "…")] = out
		return out
	}
	daemon := keptAt(t, dir)
	hub(0, "add", "mqtt.server", "server", "Listen=127.0.0.1:"+port, "Accounts=hub:"+secretMarker)
	hub(0, "add", "mqtt.broker", "broker", "Host=127.0.0.1", "Port="+port, "UserName=hub", "Password="+secretMarker)
	soon(t, "the login", func() bool { return !strings.Contains(hub(0, "show", "broker"), "cannot") })
	hub(0, "user", "add", "anna", "--from", given)
	data := []string{"HUB_DATA=" + filepath.Join(dir, "data")}
	sniffers := map[string]*process{
		"sniff broker": begin(t, dir, data, "sniff", "broker", "--for", "1m"),
		"sniff server": begin(t, dir, data, "sniff", "server", "--for", "1m"),
	}
	for name, s := range sniffers {
		soon(t, name, func() bool { return strings.Contains(s.printed(), "listening") })
	}
	hub(0, "edit", "broker", "ClientId=again")
	soon(t, "a login", func() bool { return strings.Contains(sniffers["sniff broker"].printed(), "connected with") })
	// All that may be asked of it, and what is refused.
	for _, args := range [][]string{
		{"ls"}, {"--json", "ls"}, {"show", "broker"}, {"--json", "show", "broker"}, {"show", "server"}, {"edit", "broker"}, {"--json", "edit", "broker"},
		{"edit", "server"}, {"export"}, {"audit"}, {"--json", "audit"}, {"status"}, {"user", "ls"}, {"check", "-c", filepath.Join(dir, "hub.yaml")}, {"--json", "status"}, {"commands", "broker"}, {"types"}, {"read", "broker"},
	} {
		if out := hub(0, args...); len(out) == 0 {
			t.Errorf("hub %v printed nothing", args)
		}
	}
	hub(2, "edit", "broker", "Port=70000", "Password=other"+secretMarker)
	hub(1, "edit", "server", "Accounts="+secretMarker)
	hub(1, "edit", "broker", "UserName=", "Password="+secretMarker)
	put(t, filepath.Join(dir, "wrong.yaml"), "- name: x\n  type: mqtt.broker\n  params: {Host: a b, Password: good}\n")
	hub(1, "import", filepath.Join(dir, "wrong.yaml"))
	hub(0, "edit", "broker", "NodeId=renamed", "Password=second-"+secretMarker)
	hub(0, "backup", filepath.Join(dir, "made.backup"))
	soon(t, "the refused login", func() bool { return strings.Contains(hub(0, "show", "renamed"), "refuses the user") })
	hub(0, "edit", "renamed", "Password="+secretMarker)
	soon(t, "the login", func() bool { return !strings.Contains(hub(0, "show", "renamed"), "refuses the user") })
	for name, s := range sniffers {
		s.Process.Signal(os.Interrupt)
		s.ended(t, 10*time.Second)
		outputs[name] = s.printed()
	}
	stopped(t, daemon)
	outputs["the log"] = daemon.printed()
	if len(outputs) < 25 || !strings.Contains(outputs["the log"], "level=DEBUG") {
		t.Errorf("%d outputs, the log:\n%s", len(outputs), outputs["the log"])
	}
	forms := map[string]string{"itself": secretMarker, "in hexadecimal": hexOf(secretMarker), "as a Go text of bytes": "77 65 82 75 69 82"}
	for name, out := range outputs {
		for form, text := range forms {
			if strings.Contains(strings.ToLower(strings.ReplaceAll(out, " ", "")), strings.ToLower(strings.ReplaceAll(text, " ", ""))) {
				t.Errorf("%s tells the secret (%s):\n%s", name, form, out)
			}
		}
	}
	files := 0
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		if files++; path == given {
			return nil
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(secretMarker)) {
			t.Errorf("the secret stands in %s", path)
		}
		return err
	})
	if err != nil || files < 5 {
		t.Errorf("%d files, %v", files, err)
	}
}

func hexOf(s string) string {
	var b strings.Builder
	for i := range len(s) {
		b.WriteString(string("0123456789abcdef"[s[i]>>4]) + string("0123456789abcdef"[s[i]&15]))
	}
	return b.String()
}
