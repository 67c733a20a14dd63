package local_test

import (
	"context"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/local/localtest"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestSlixmpp: a client that others wrote, on another XML reader, logs in and works.
func TestSlixmpp(t *testing.T) {
	t.Parallel()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import slixmpp").Run(); err != nil {
		xmpptest.Missing(t, "slixmpp is not installed (Debian package python3-slixmpp)")
	}
	srv := localtest.Start(t, nil)
	srv.AddUser(t, "user", password)
	host, port, err := net.SplitHostPort(srv.Addr())
	if err != nil {
		t.Fatal(err)
	}
	login := func(password string) string {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		out, err := exec.CommandContext(ctx, python, "testdata/login.py",
			host, port, "user@"+srv.Domain()+"/slixmpp", password, srv.CAFile()).CombinedOutput()
		if err != nil {
			t.Errorf("%v: %s", err, out)
		}
		return string(out)
	}
	if out, want := login(password), "online user@"+srv.Domain()+"/slixmpp "; !strings.HasPrefix(out, want) || !strings.Contains(out, "urn:xmpp:ping") {
		t.Errorf("got %s, want %s", out, want)
	}
	if out := login("wrong"); !strings.HasPrefix(out, "failed") {
		t.Errorf("with a wrong password: %s", out)
	}
}
