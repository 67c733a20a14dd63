package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestShellWords(t *testing.T) {
	for _, tt := range []struct {
		line string
		want string // words but the last by |, then the last and its open quote
	}{
		{"", "|"},
		{"hub", "|hub"},
		{"hub ", "hub|"},
		{"hub  read pl", "hub read|pl"},
		{`hub read a\ b`, "hub read|a b"},
		{`hub read a\`, "hub read|a"},
		{`hub read "a b" 'c`, `hub read <a b>|c'`},
		{`hub read "a \" \x $`, `hub read|a " \x $"`},
		{`hub read a'b c'd`, "hub read|ab cd"},
		{"cd x; ls | hub set n x=1", "hub set n|x=1"},
		{`hub set 'a;b' "c|`, `hub set a;b|c|"`},
	} {
		before, last := shellWords(tt.line)
		var words []string
		for _, w := range before {
			if strings.Contains(w.text, " ") {
				w.text = "<" + w.text + ">"
			}
			words = append(words, w.text)
		}
		got := strings.Join(words, " ") + "|" + last.text
		if last.quote != 0 {
			got += string(last.quote)
		}
		if got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.line, got, tt.want)
		}
	}
}

func TestCompleted(t *testing.T) {
	const breaks = " \t\n\"'@><=;|&(:"
	for _, tt := range []struct{ line, candidate, want string }{
		{"hub read pl", "plant", "plant"},
		{"hub read plant/v", "plant/voltage L1", `plant/voltage\ L1`},
		{"hub read 'plant/v", "plant/voltage L1", "plant/voltage L1"},
		{"hub read 'it", "it's", `it'\''s`},
		{`hub read "x`, "x$y", `x\$y`},
		{"hub set n on=t", "on=true", "true"},
		{"hub set n a@b=", "a@b=c d", `c\ d`},
		{"hub do n c Text=@a", "Text=@a b", `@a\ b`},
		{`hub set n "on=t`, "on=true", "on=true"},
		{`hub set n on\=t`, "on=true", "on=true"},
		{"hub read a:b:c", "a:b:cd", "cd"},
	} {
		_, last := shellWords(tt.line)
		if got := last.completed(tt.candidate, breaks); got != tt.want {
			t.Errorf("%s to %s: got %s, want %s", tt.line, tt.candidate, got, tt.want)
		}
	}
}

// FuzzShellWords: a candidate that begins with what a line means stands there, read
// again by the shell, as itself.
func FuzzShellWords(f *testing.F) {
	f.Add("hub read 'pl", "ant it's")
	f.Add(`hub set a b\ =`, `x"y`)
	f.Fuzz(func(t *testing.T, line, more string) {
		_, last := shellWords(line)
		candidate := last.text + more
		if strings.ContainsAny(candidate, "\n\x00") || strings.HasSuffix(last.raw, `\`) {
			return // no line of an answer, or half a character
		}
		done := last.completed(candidate, "")
		if last.quote != 0 {
			done = string(last.quote) + done + string(last.quote)
		}
		before, got := shellWords("x " + done)
		if got.text != candidate || len(before) != 1 && candidate != "" {
			t.Errorf("%q with %q: %q is read as %q behind %d words", line, candidate, done, got.text, len(before))
		}
	})
}

// TestCompletion presses the tabulator in real shells.
func TestCompletion(t *testing.T) {
	dir := own(t)
	demo := begin(t, dir, nil, "demo", "--quiet")
	soon(t, "the demo", func() bool { return strings.Contains(demo.printed(), "Ctrl-C ends") })
	if err := writeProfiles(filepath.Join(dir, "hub", "profiles.yaml"), map[string]profile{"plant7": {JID: "a@b", To: "c@d", Password: "x"}}); err != nil {
		t.Fatal(err)
	}
	// What is run in the end is shown instead, word by word.
	bin := t.TempDir()
	wrapper := fmt.Sprintf("#!/bin/sh\ncase $1 in complete|completion) exec %s \"$@\";; esac\nprintf 'RUN'\nprintf '<%%s>' \"$@\"\nprintf 'END\\n'\n", linked(t))
	if err := os.WriteFile(filepath.Join(bin, "hub"), []byte(wrapper), 0o700); err != nil {
		t.Fatal(err)
	}
	env := []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "XDG_RUNTIME_DIR=" + dir, "XDG_CONFIG_HOME=" + dir, "XDG_DATA_HOME=" + dir, "HOME=" + dir, "TMPDIR=" + dir,
		"HUB_DATA=", "HUB_OWNER=", "GORACE=" + quickExit, "PS1=> "}
	file := filepath.Join(dir, "a tree.yaml")
	put(t, file, "")
	for _, shell := range []struct {
		name string
		args []string
		init string
	}{
		{"bash", []string{"--norc", "--noprofile", "-i"}, `eval "$(hub completion bash)"`},
		{"zsh", []string{"-f", "-i"}, `autoload -Uz compinit; compinit -u -D; eval "$(hub completion zsh)"`},
		{"fish", []string{"--no-config", "-i"}, `hub completion fish | source`},
	} {
		t.Run(shell.name, func(t *testing.T) {
			path, err := exec.LookPath(shell.name)
			if err != nil {
				t.Skipf("%s is not installed", shell.name)
			}
			x := startOnTerminal(t, 200, 50, env, path, shell.args...)
			x.press(t, shell.init+"\nhub ready\n")
			soon(t, "the shell", func() bool { _, all := x.sees(); return strings.Contains(all, "RUN<ready>END") })
			for _, tt := range []struct{ keys, want string }{
				{"hub sta\t", "<status>"},
				{"hub read plant/ta\t", "<read><plant/tank>"},
				{"hub read plant/meter/vol\t1", "<read><plant/meter/voltage L1>"},
				{"hub read 'plant/meter/pow\t", "<read><plant/meter/power>"},
				{"hub read plant/tank plant/pu\t", "<read><plant/tank><plant/pump>"},
				{"hub set plant/pump/on tr\t", "<set><plant/pump/on><true>"},
				{"hub set plant/pump on=t\t", "<set><plant/pump><on=true>"},
				{"hub query plant Sc\t", "<query><plant><ScanUnits>"},
				{"hub query plant ScanUnits Ident\tf\t", "<query><plant><ScanUnits><Identify=false>"},
				{"hub do plant/pump Dupl\tUn\t9", "<do><plant/pump><Duplicate><UnitId=9>"},
				{"hub watch --cat\tmom\tpl\t", "<watch><--category><momentary><plant>"},
				{"hub --profile pl\tls", "<--profile><plant7><ls>"},
				{"hub query plant/pump ImportRegisters Text=@" + dir + "/a\\ tr\t", "<query><plant/pump><ImportRegisters><Text=@" + file + ">"},
				{"hub import " + dir + "/a\\ tr\t", "<import><" + file + ">"},
			} {
				x.runs(t, tt.keys, tt.want)
			}
		})
	}
}

// runs types keys and Enter until the shell runs what is wanted: a busy machine may
// be too slow for the time that completion has.
func (x *terminal) runs(t *testing.T, keys, want string) {
	t.Helper()
	got := ""
	for range 5 {
		_, before := x.sees()
		for _, k := range strings.SplitAfter(keys, "\t") {
			x.press(t, k)
		}
		x.press(t, "\n")
		for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			_, all := x.sees()
			if _, after, ran := strings.Cut(all[len(before):], "RUN"); ran && strings.Contains(after, "END") {
				got, _, _ = strings.Cut(after, "END")
				break
			}
		}
		if got == want {
			return
		}
	}
	_, all := x.sees()
	t.Errorf("%q: got %s, want %s\n%q", keys, got, want, all[max(len(all)-600, 0):])
}
