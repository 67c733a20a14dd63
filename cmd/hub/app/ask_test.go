package app

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Whoever leaves out at a terminal what a node or a command needs is asked for it, again
// until it is right; with --ask for all of it.
func TestAskedOnTerminal(t *testing.T) {
	dir := own(t)
	demo := begin(t, dir, nil, "demo", "--quiet")
	soon(t, "the demo", func() bool { return strings.Contains(demo.printed(), "Ctrl-C ends") })
	env := []string{"XDG_RUNTIME_DIR=" + dir, "TMPDIR=" + dir}
	hub := func(args ...string) string {
		cmd := exec.Command(linked(t), args...)
		cmd.Env = append(os.Environ(), append(env, "HUB_DATA=", "HUB_OWNER=")...)
		out, _ := cmd.CombinedOutput() // what it says is looked at
		return string(out)
	}
	for _, c := range []struct {
		name    string
		args    []string
		answers map[string][]string
		want    []string // of what is said
		not     string   // what is not asked
		code    int
		after   []string // a command, and what it shows then
	}{
		{"Ctrl-C", []string{"add", "modbus.gateway", "east"}, map[string][]string{"Host": {"\x03"}},
			[]string{"interrupted"}, "Port: ", exitFailed, []string{"show east", "there is no node"}},
		{"what is required", []string{"add", "modbus.gateway", "east"}, map[string][]string{"Host": {"\n", "two words", "127.0.0.1"}},
			[]string{"is required", `"two words"`, "added east"}, "Port: ", exitOK, []string{"show east", "127.0.0.1"}},
		{"nothing left to ask", []string{"add", "modbus.gateway", "north", "Host=127.0.0.1"}, nil,
			[]string{"added north"}, "Host: ", exitOK, []string{"show north", "127.0.0.1"}},
		{"all", []string{"add", "modbus.gateway", "west", "--ask", "Host=127.0.0.2"}, map[string][]string{"Port": {"99999", "1502"}, "Name": {"not asked"}},
			[]string{"99999", "from 1 to 65535", "added west"}, "Host: ", exitOK, []string{"show west", "1502"}},
		{"a command", []string{"do", "plant", "LogMessage"}, map[string][]string{"Text": {"belt changed"}},
			[]string{"Text: "}, "Type: ", exitOK, []string{"show plant", "belt changed"}},
		{"a command, all of it", []string{"do", "plant", "LogMessage", "--ask"}, map[string][]string{"Type": {"Warning"}, "Text": {"belt slips"}},
			[]string{"Warning"}, "[y/N]", exitOK, []string{"show plant", "belt slips"}},
	} {
		x := onTerminal(t, 120, 200, env, c.args...)
		code := x.fill(t, c.answers, "")
		for _, want := range c.want { // the last of it may still be on its way from the terminal
			soon(t, c.name+": "+want, func() bool { _, all := x.sees(); return strings.Contains(all, want) })
		}
		_, all := x.sees()
		if code != c.code || strings.Contains(all, c.not) {
			t.Errorf("%s: exit code %d, want %d, and not %q\n%s", c.name, code, c.code, c.not, all)
		}
		if out := hub(strings.Fields(c.after[0])...); !strings.Contains(out, c.after[1]) {
			t.Errorf("%s: %s has no %q:\n%s", c.name, c.after[0], c.after[1], out)
		}
	}
	if out := hub("add", "modbus.gateway", "south"); !strings.Contains(out, "Host") {
		t.Errorf("without a terminal: %s, want that Host is missing", out)
	}
}
