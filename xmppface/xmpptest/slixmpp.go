package xmpptest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/wire"
)

// Slixmpp is a client that others wrote, on another XML reader: it sends raw stanzas.
type Slixmpp struct {
	JID   string // full
	in    io.Writer
	lines chan string
	left  []string // lines that came while another was waited for
}

// StartSlixmpp logs in with slixmpp until the test ends. When it is not installed
// the test is skipped, or fails where HUB_TEST_SERVERS is "required".
func StartSlixmpp(t testing.TB, s Server, name, password string) *Slixmpp {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import slixmpp").Run(); err != nil {
		Missing(t, "slixmpp is not installed (Debian package python3-slixmpp)")
	}
	host, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_, here, _, _ := runtime.Caller(0)
	cmd := exec.Command(python, filepath.Join(filepath.Dir(here), "testdata", "client.py"),
		host, port, name+"@"+s.Domain()+"/slixmpp", password, s.CAFile())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &Slixmpp{in: in, lines: make(chan string, 10000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for r := bufio.NewScanner(out); r.Scan(); {
			c.lines <- r.Text()
		}
	}()
	t.Cleanup(func() {
		in.Close()
		timer := time.AfterFunc(3*time.Second, func() { cmd.Process.Kill() })
		defer timer.Stop()
		<-done
		cmd.Wait() // it was told to end, or killed
		if t.Failed() && complaints.Len() > 0 {
			t.Logf("slixmpp: %s", complaints.String())
		}
	})
	c.JID = c.next(t, "online ", 20*time.Second)
	return c
}

// next returns the rest of the next line that begins so; others wait.
func (c *Slixmpp) next(t testing.TB, begin string, wait time.Duration) string {
	t.Helper()
	line, ok := c.find(begin, wait)
	if !ok {
		t.Fatalf("slixmpp did not print %q within %v; it printed %q", begin, wait, c.left)
	}
	return line
}

func (c *Slixmpp) find(begin string, wait time.Duration) (string, bool) {
	for i, line := range c.left {
		if rest, ok := strings.CutPrefix(line, begin); ok {
			c.left = append(c.left[:i:i], c.left[i+1:]...)
			return rest, true
		}
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case line := <-c.lines:
			if rest, ok := strings.CutPrefix(line, begin); ok {
				return rest, true
			}
			c.left = append(c.left, line)
		case <-timer.C:
			return "", false
		}
	}
}

// Ask sends an iq and returns the type of the answer and its payload, or the error
// element; nil when there is none.
func (c *Slixmpp) Ask(t testing.TB, to, typ, payload string) (string, *wire.Element) {
	t.Helper()
	fmt.Fprintf(c.in, "iq %s %s %s\n", typ, to, strings.ReplaceAll(payload, "\n", " "))
	kind, doc, _ := strings.Cut(c.next(t, "iq ", 20*time.Second), " ")
	return kind, parsed(t, doc)
}

// Message returns the payload of the next message, or nil when none comes for a while.
func (c *Slixmpp) Message(t testing.TB, from string, wait time.Duration) *wire.Element {
	t.Helper()
	doc, ok := c.find("message "+from+" ", wait)
	if !ok {
		return nil
	}
	return parsed(t, doc)
}

// Presence sends a presence; empty: to nobody in particular, and of no type.
func (c *Slixmpp) Presence(to, typ string) {
	if to == "" {
		to = "-"
	}
	if typ == "" {
		typ = "-"
	}
	fmt.Fprintf(c.in, "presence %s %s\n", to, typ)
}

// Forget drops what has come and was not waited for.
func (c *Slixmpp) Forget() {
	c.left = nil
	for {
		select {
		case <-c.lines:
		default:
			return
		}
	}
}

// Sees waits for a presence of that type ("available", "unavailable") from an address.
func (c *Slixmpp) Sees(t testing.TB, full, typ string) {
	t.Helper()
	c.next(t, "presence "+full+" "+typ, 10*time.Second)
}

func parsed(t testing.TB, doc string) *wire.Element {
	t.Helper()
	if doc == "" {
		return nil
	}
	e, err := wire.Parse(doc)
	if err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	return e
}
