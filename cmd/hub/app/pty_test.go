package app

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal (pty(7)) with a program on it, and what a person
// sees on it.
type terminal struct {
	*exec.Cmd
	master, slave *os.File
	before        unix.Termios

	mu   sync.Mutex
	all  strings.Builder // everything that was written
	page page
}

// onTerminal starts the program on a terminal of that size. It is killed at the end
// of the test.
func onTerminal(t *testing.T, width, height int, env []string, args ...string) *terminal {
	t.Helper()
	return startOnTerminal(t, width, height, append([]string{"NO_COLOR=", "HUB_DATA=", "HUB_OWNER=", "GORACE=" + quickExit}, env...), linked(t), args...)
}

// linked is the path of the program.
func linked(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hub := filepath.Join(t.TempDir(), "hub")
	if err := os.Symlink(exe, hub); err != nil {
		t.Fatal(err)
	}
	return hub
}

// startOnTerminal starts any program on a terminal.
func startOnTerminal(t *testing.T, width, height int, env []string, name string, args ...string) *terminal {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminal: %v", err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	slave, err := os.OpenFile("/dev/pts/"+strconv.Itoa(n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{master: master, slave: slave}
	x.resize(t, width, height)
	x.before = x.settings(t)
	x.Cmd = exec.Command(name, args...)
	x.Env = append(append(os.Environ(), "TERM=xterm"), env...)
	x.Stdin, x.Stdout, x.Stderr = slave, slave, slave
	x.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := x.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			x.mu.Lock()
			x.all.Write(b[:n])
			x.page.write(string(b[:n]))
			x.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		x.Process.Kill()
		x.Wait() // an error: it was waited for already
		slave.Close()
		<-read // ends with the last slave
		master.Close()
	})
	return x
}

func (x *terminal) resize(t *testing.T, width, height int) {
	t.Helper()
	if err := unix.IoctlSetWinsize(int(x.slave.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(width), Row: uint16(height)}); err != nil {
		t.Fatal(err)
	}
}

func (x *terminal) settings(t *testing.T) unix.Termios {
	t.Helper()
	s, err := unix.IoctlGetTermios(int(x.slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	return *s
}

func (x *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := x.master.WriteString(keys); err != nil {
		t.Fatal(err)
	}
}

// sees returns the lines that a person sees, and all that was written.
func (x *terminal) sees() (lines []string, all string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, l := range x.page.lines {
		lines = append(lines, strings.TrimRight(string(l), " "))
	}
	return lines, x.all.String()
}

// shows waits for a line that begins and ends with these texts.
func (x *terminal) shows(t *testing.T, begin, end string) {
	t.Helper()
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		lines, all := x.sees()
		for _, l := range lines {
			if strings.HasPrefix(l, begin) && strings.HasSuffix(l, end) {
				return
			}
		}
		if time.Now().After(until) {
			t.Fatalf("no line %q … %q on\n%s\nwritten: %q", begin, end, strings.Join(lines, "\n"), all)
		}
	}
}

// page is as much of a terminal (ECMA-48) as the program uses.
type page struct {
	lines       [][]rune
	row, column int
	rest        string // the beginning of a command
	unknown     []string
}

func (p *page) write(text string) {
	text, p.rest = p.rest+text, ""
	for i := 0; i < len(text); {
		if strings.HasPrefix(text[i:], "\x1b[") {
			end := strings.IndexFunc(text[i+2:], func(r rune) bool { return r >= '@' && r <= '~' })
			if end < 0 {
				p.rest = text[i:]
				return
			}
			p.command(text[i+2:i+2+end], text[i+2+end])
			i += end + 3
			continue
		}
		if text[i] == '\x1b' && i+1 == len(text) || !utf8.FullRuneInString(text[i:]) {
			p.rest = text[i:]
			return
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		p.put(r)
		i += n
	}
}

func (p *page) put(r rune) {
	switch r {
	case '\r':
		p.column = 0
		return
	case '\n':
		p.row++
		return
	}
	for len(p.lines) <= p.row {
		p.lines = append(p.lines, nil)
	}
	for len(p.lines[p.row]) <= p.column {
		p.lines[p.row] = append(p.lines[p.row], ' ')
	}
	p.lines[p.row][p.column] = r
	p.column++
}

func (p *page) command(params string, c byte) {
	switch {
	case c == 'm', params == "?25" && (c == 'l' || c == 'h'):
	case params == "?1049", params == "2" && c == 'J':
		p.lines, p.row, p.column = nil, 0, 0
	case c == 'J':
		p.lines = p.lines[:min(p.row, len(p.lines))]
	case c == 'K':
		if p.row < len(p.lines) {
			p.lines[p.row] = p.lines[p.row][:min(p.column, len(p.lines[p.row]))]
		}
	case c == 'H':
		fmt.Sscanf(params, "%d;%d", &p.row, &p.column)
		p.row, p.column = p.row-1, p.column-1
	default:
		p.unknown = append(p.unknown, params+string(c))
	}
}

// TestWatchOnTerminal: the table is kept current, fits a window that changes, and
// gives the terminal back however it ends.
func TestWatchOnTerminal(t *testing.T) {
	dir := own(t)
	demo := begin(t, dir, nil, "demo", "--quiet")
	soon(t, "the demo", func() bool { return strings.Contains(demo.printed(), "Ctrl-C ends") })
	env := []string{"XDG_RUNTIME_DIR=" + dir, "TMPDIR=" + dir}

	x := onTerminal(t, 100, 12, env, "watch", "plant/tank")
	x.shows(t, "1 node; q or Ctrl-C ends it; ", "")
	x.shows(t, "NODE        FIELD", "TREND")
	x.shows(t, "plant/tank  level", "▁█") // there is more than one value
	x.shows(t, "plant/tank  low", "good")
	if _, all := x.sees(); !strings.Contains(all, "\x1b[32mgood\x1b[m") || !strings.HasPrefix(all, enterScreen) {
		t.Errorf("no colour, or not the other page: %q", all)
	}
	if during := x.settings(t); during.Lflag&(unix.ECHO|unix.ICANON) != 0 {
		t.Error("what is typed would be shown")
	}
	soon(t, "a value that does not change, read again", func() bool { return ageOf(x, "plant/tank  high") >= 3 })
	soon(t, "its age to begin anew", func() bool { a := ageOf(x, "plant/tank  high"); return a >= 0 && a < 3 })
	x.resize(t, 60, 4)
	soon(t, "a table of four lines", func() bool {
		lines, _ := x.sees()
		return len(lines) == 4 && strings.HasPrefix(lines[0], "1 node, rows 1 to 2 of 6: arrow keys move; q or Ctrl-C ends")
	})
	x.press(t, "\x1b[B")
	soon(t, "the next row first", func() bool {
		lines, _ := x.sees()
		return len(lines) == 4 && strings.HasPrefix(lines[2], "plant/tank  inflow")
	})
	x.resize(t, 30, 20)
	soon(t, "a narrow table", func() bool { lines, _ := x.sees(); return len(lines) == 8 && len(lines[1]) <= 30 })
	x.press(t, "\x03")
	x.over(t)

	y := onTerminal(t, 80, 24, append(env, "NO_COLOR=1"), "watch", "plant/tank/level", "plant/pump/on")
	y.shows(t, "plant/pump/on", "good")
	y.press(t, "q")
	y.over(t)
	if _, all := y.sees(); strings.Contains(all, "\x1b[32m") {
		t.Errorf("colours in spite of NO_COLOR: %q", all)
	}

	z := onTerminal(t, 80, 24, env, "watch", "--lines", "plant/tank")
	z.shows(t, "waiting for changes of 1 node", "Ctrl-C ends it")
	soon(t, "a line", func() bool { _, all := z.sees(); return strings.Contains(all, "plant/tank/level ") })
	z.press(t, "\x03")
	if err := z.Wait(); err != nil {
		t.Error(err)
	}
	if _, all := z.sees(); strings.Contains(all, "\x1b[") {
		t.Errorf("commands in line mode: %q", all)
	}

	// The hub goes: the terminal is given back, and the code tells.
	w := onTerminal(t, 80, 24, env, "watch", "plant/tank")
	w.shows(t, "plant/tank  level", "")
	if err := demo.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	w.Wait()
	if code := w.ProcessState.ExitCode(); code != exitFailed {
		t.Errorf("exit code %d", code)
	}
	w.restored(t)
}

// ageOf is what stands under AGE in the line that begins so, in seconds; -1: there is
// none.
func ageOf(x *terminal, begin string) int {
	lines, _ := x.sees()
	for _, l := range lines {
		if !strings.HasPrefix(l, begin) {
			continue
		}
		for _, w := range strings.Fields(l) {
			if n, err := strconv.Atoi(strings.TrimSuffix(w, "s")); err == nil && strings.HasSuffix(w, "s") {
				return n
			}
		}
	}
	return -1
}

// over checks a good end.
func (x *terminal) over(t *testing.T) {
	t.Helper()
	stuck := time.AfterFunc(20*time.Second, func() { x.Process.Kill() })
	defer stuck.Stop()
	if err := x.Wait(); err != nil {
		t.Errorf("the end: %v", err)
	}
	x.restored(t)
	soon(t, "the last table stays", func() bool {
		_, all := x.sees()
		_, after, _ := strings.Cut(all, leaveScreen)
		return strings.Count(after, "\r\nplant/") >= 2
	})
}

// restored checks that the terminal is as it was.
func (x *terminal) restored(t *testing.T) {
	t.Helper()
	if got := x.settings(t); got != x.before {
		t.Errorf("settings\ngot  %+v\nwant %+v", got, x.before)
	}
	soon(t, "the page left", func() bool { _, all := x.sees(); return strings.Contains(all, leaveScreen) })
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.page.unknown) > 0 {
		t.Errorf("commands that a plain terminal may not know: %q", x.page.unknown)
	}
}
