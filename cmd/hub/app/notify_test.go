package app

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestSystemd: the daemon tells systemd when it is ready, that it lives, and that
// it stops.
func TestSystemd(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	t.Setenv("NOTIFY_SOCKET", socket)
	t.Setenv("WATCHDOG_USEC", "200000")
	t.Setenv("WATCHDOG_PID", "")
	d := startDaemon(t, t.TempDir(), "")
	got := make(chan string, 100)
	go func() {
		b := make([]byte, 1000)
		for {
			n, err := conn.Read(b)
			if err != nil {
				close(got)
				return
			}
			got <- string(b[:n])
		}
	}()
	next := func(want string) {
		t.Helper()
		for {
			select {
			case s, ok := <-got:
				if strings.HasPrefix(s, want) {
					return
				}
				if !ok {
					t.Fatalf("no %s", want)
				}
			case <-time.After(10 * time.Second):
				t.Fatalf("no %s; the daemon says:\n%s", want, d.out)
			}
		}
	}
	next("READY=1")
	next("WATCHDOG=1")
	next("WATCHDOG=1")
	if code := d.stop(); code != 0 {
		t.Errorf("status %d:\n%s", code, d.out)
	}
	next("STOPPING=1")
}
