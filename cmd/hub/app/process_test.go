package app

import (
	"bytes"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is the program in a process of its own, with folders of its own.
type process struct {
	*exec.Cmd
	dir string
	out string // file with what it prints
}

// begin starts the program. It is killed at the end of the test.
func begin(t *testing.T, dir string, env []string, args ...string) *process {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hub := filepath.Join(t.TempDir(), "hub")
	if err := os.Symlink(exe, hub); err != nil {
		t.Fatal(err)
	}
	p := &process{exec.Command(hub, args...), dir, filepath.Join(t.TempDir(), "out")}
	p.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir, "HUB_DATA=", "HUB_OWNER=", "GORACE="+quickExit)
	p.Env = append(p.Env, env...)
	out, err := os.Create(p.out)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	p.Stdout, p.Stderr = out, out
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.Process.Signal(syscall.SIGCONT)
		p.Process.Kill()
		p.Wait() // an error: it was waited for already
	})
	return p
}

func (p *process) printed() string {
	b, _ := os.ReadFile(p.out)
	return string(b)
}

// ended waits for the end and returns the exit code, which is -1 after a signal.
func (p *process) ended(t *testing.T, within time.Duration) int {
	t.Helper()
	began := time.Now()
	stuck := time.AfterFunc(within+20*time.Second, func() { p.Process.Kill() })
	defer stuck.Stop()
	p.Wait() // the code tells
	if took := time.Since(began); took > within {
		t.Errorf("the end took %v, want at most %v; output:\n%s", took, within, p.printed())
	}
	return p.ProcessState.ExitCode()
}

func own(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func exists(pattern string) bool {
	list, _ := filepath.Glob(pattern)
	return len(list) > 0
}

// TestDemoEndsInTime: Ctrl-C ends the demo within two seconds, with status 0, at
// any moment, and nothing is left.
func TestDemoEndsInTime(t *testing.T) {
	// Below nohup the hub ignores SIGHUP: not here.
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hup) })
	for _, tt := range []struct {
		name   string
		signal syscall.Signal
		until  string        // there is such a file
		after  time.Duration // since then
	}{
		{"while starting", syscall.SIGINT, "hub-demo-*", 0},
		{"a little later", syscall.SIGINT, "hub-demo-*", 200 * time.Millisecond},
		{"while running", syscall.SIGINT, "hub/owner.json", time.Second},
		{"SIGTERM", syscall.SIGTERM, "hub/owner.json", 0},
		{"the terminal is closed", syscall.SIGHUP, "hub/owner.json", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := begin(t, own(t), nil, "demo")
			soon(t, tt.until, func() bool { return exists(filepath.Join(p.dir, tt.until)) })
			time.Sleep(tt.after)
			if err := p.Process.Signal(tt.signal); err != nil {
				t.Fatal(err)
			}
			if code := p.ended(t, 2*time.Second); code != 0 {
				t.Errorf("exit code %d; output:\n%s", code, p.printed())
			}
			nothingLeft(t, p.dir)
		})
	}
}

func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	for _, pattern := range []string{"hub-demo-*", "hub/*", "*.pem"} {
		if left, _ := filepath.Glob(filepath.Join(dir, pattern)); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// TestDemoWithoutReader: "hub demo | head" ends when head does, and tidies up.
func TestDemoWithoutReader(t *testing.T) {
	t.Parallel()
	dir := own(t)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hub := filepath.Join(t.TempDir(), "hub")
	if err := os.Symlink(exe, hub); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(hub, "demo")
	c.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+dir, "TMPDIR="+dir, "GORACE="+quickExit)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(out, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	out.Close()
	stuck := time.AfterFunc(20*time.Second, func() { c.Process.Kill() })
	defer stuck.Stop()
	if err := c.Wait(); err != nil || errs.Len() > 0 {
		t.Errorf("%v, and it said: %s", err, &errs)
	}
	nothingLeft(t, dir)
}

// TestDaemonWithoutBroker: a broker that is not there keeps nobody waiting; systemd
// is told of it, and the daemon takes its credential away when it stops.
func TestDaemonWithoutBroker(t *testing.T) {
	t.Parallel()
	dir := own(t)
	socket := filepath.Join(t.TempDir(), "n") // its path must be short
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	put(t, filepath.Join(dir, "password"), "secret")
	file := filepath.Join(dir, "hub.yaml")
	put(t, file, "data: data\nlocal: {listen: \"127.0.0.1:0\"}\nxmpp: {jid: a@localhost, password_file: password, server: \"127.0.0.1:1\"}\n")
	p := begin(t, dir, []string{"NOTIFY_SOCKET=" + socket}, "run", "-c", file)
	want := map[string]bool{"READY=1": true, "STATUS=a@localhost is offline": true}
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	for b := make([]byte, 4096); len(want) > 0; {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("not told: %v; output:\n%s", want, p.printed())
		}
		for _, word := range strings.Split(string(b[:n]), "\n") {
			maps.DeleteFunc(want, func(w string, _ bool) bool { return strings.HasPrefix(word, w) })
		}
	}
	credential := filepath.Join(dir, "data", ownerFile)
	if info, err := os.Stat(credential); err != nil || info.Mode() != 0o600 {
		t.Errorf("the credential: %v, %v", info, err)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := p.ended(t, 5*time.Second); code != 0 {
		t.Errorf("exit code %d; output:\n%s", code, p.printed())
	}
	if exists(credential) {
		t.Error("the credential was left behind")
	}
}

// TestInterrupted: a command that Ctrl-C cuts short has not done what it was asked
// for, and says so.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	dir := own(t)
	file := filepath.Join(dir, "hub.yaml")
	put(t, file, "data: data\nlocal: {listen: \"127.0.0.1:0\"}\n")
	put(t, filepath.Join(dir, "tree.yaml"), "- {name: a, type: folder}\n")
	d := begin(t, dir, nil, "run", "-c", file)
	data := filepath.Join(dir, "data")
	soon(t, "the daemon", func() bool { return exists(filepath.Join(data, ownerFile)) })
	if err := d.Process.Signal(syscall.SIGSTOP); err != nil { // it hangs
		t.Fatal(err)
	}
	for _, args := range [][]string{{"backup", filepath.Join(dir, "b")}, {"import", filepath.Join(dir, "tree.yaml")}, {"export"}, {"ls"}, {"status"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			temp := t.TempDir()
			p := begin(t, dir, []string{"HUB_DATA=" + data, "TMPDIR=" + temp}, args...)
			soon(t, "the command at work", func() bool { return exists(filepath.Join(temp, "hub-*.pem")) })
			if err := p.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			if code := p.ended(t, 2*time.Second); code != exitFailed || !strings.Contains(p.printed(), "interrupted") {
				t.Errorf("exit code %d, output:\n%s", code, p.printed())
			}
			if text := p.printed(); strings.Contains(text, "written") || strings.Contains(text, "imported 0") {
				t.Errorf("it says that it was done:\n%s", text)
			}
		})
	}
}
