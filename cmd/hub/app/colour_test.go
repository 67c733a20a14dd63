package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestColours: tables are in colour on a terminal only, and nowhere against a
// person's will.
func TestColours(t *testing.T) {
	dir := own(t)
	demo := begin(t, dir, nil, "demo", "--quiet")
	soon(t, "the demo", func() bool { return strings.Contains(demo.printed(), "Ctrl-C ends") })
	env := []string{"XDG_RUNTIME_DIR=" + dir, "TMPDIR=" + dir}
	for _, tt := range []struct {
		name string
		env  []string
		args []string
		want string
		not  string
	}{
		{"quality", nil, []string{"read", "plant/tank"}, "\x1b[32mgood\x1b[m", ""},
		{"state", nil, []string{"ls"}, "\x1b[32mok\x1b[m", ""},
		{"outcome", nil, []string{"set", "plant/pump/on", "false"}, "\x1b[32mdone\x1b[m", ""},
		{"NO_COLOR", []string{"NO_COLOR=1"}, []string{"read", "plant/tank"}, "good", "\x1b"},
		{"dumb", []string{"TERM=dumb"}, []string{"read", "plant/tank"}, "good", "\x1b"},
		{"JSON", nil, []string{"--json", "read", "plant/tank"}, `"quality":"good"`, "\x1b"},
	} {
		x := onTerminal(t, 80, 24, append(env, tt.env...), tt.args...)
		if err := x.Wait(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		soon(t, tt.name+": "+tt.want, func() bool { _, all := x.sees(); return strings.Contains(all, tt.want) })
		if _, all := x.sees(); tt.not != "" && strings.Contains(all, tt.not) {
			t.Errorf("%s: %q", tt.name, all)
		}
	}
	p := begin(t, dir, []string{"TERM=xterm", "NO_COLOR="}, "read", "plant/tank")
	if err := p.Wait(); err != nil || !strings.Contains(p.printed(), "good") || strings.Contains(p.printed(), "\x1b") {
		t.Errorf("into a file: %v, %q", err, p.printed())
	}
}

// TestAskSecret: what is typed is not shown, and the terminal is as before.
func TestAskSecret(t *testing.T) {
	for _, tt := range []struct {
		name, keys string
		code       int
		kept       string
	}{
		{"a password", "pass word\r", exitOK, `password: "pass word"`},
		{"none", "\r", exitFailed, ""},
		{"Ctrl-C", "abc\x03", exitFailed, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := own(t)
			x := onTerminal(t, 80, 24, []string{"XDG_CONFIG_HOME=" + dir}, "profile", "add", "p", "--jid", "me@example.org", "--to", "gateway@example.org")
			x.shows(t, "Password of me@example.org:", "")
			x.press(t, tt.keys)
			x.Wait() // the code tells
			if code := x.ProcessState.ExitCode(); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if _, all := x.sees(); strings.Contains(all, "pass word") || strings.Contains(all, "abc") {
				t.Errorf("the password is shown: %q", all)
			}
			if got := x.settings(t); got != x.before {
				t.Errorf("settings\ngot  %+v\nwant %+v", got, x.before)
			}
			b, err := os.ReadFile(filepath.Join(dir, "hub", "profiles.yaml"))
			if (err == nil) != (tt.kept != "") || !strings.Contains(string(b), tt.kept) {
				t.Errorf("kept: %s, %v", b, err)
			}
		})
	}
}
