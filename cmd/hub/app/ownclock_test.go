package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface"
	"github.com/fieldhub/hub/xmppface/synchronization"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// TestClockCompared: through a broker the hub compares its clock with that of somebody
// else, and shows it as fields of its own source; a source that is gone is told.
func TestClockCompared(t *testing.T) {
	p := xmpptest.Prosody(t, xmpptest.Options{})
	p.AddUser(t, "gateway", "pw-gateway")
	p.AddUser(t, "clock", "pw-clock")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	source, err := xmppface.Dial(ctx, xmppface.Account{JID: "clock@" + p.Domain(), Password: "pw-clock", Server: p.Addr(), CAFile: p.CAFile(), Resource: "time"},
		synchronization.New(""))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- source.Run(running) }()
	t.Cleanup(func() { stop(); <-done })

	secret := filepath.Join(t.TempDir(), "password")
	put(t, secret, "pw-gateway")
	d := startDaemon(t, t.TempDir(), fmt.Sprintf(`
xmpp: {jid: gateway@%s, password_file: %q, server: %q, ca_file: %q}
clock: {source: %q, every: 10s}
`, p.Domain(), secret, p.Addr(), p.CAFile(), source.Self()))
	var out string
	soon(t, "the first comparison", func() bool {
		out, _ = d.cli("read", "Hub:clock")
		return strings.Contains(out, "Clock offset")
	})
	for _, want := range []string{"Clock source", source.Self(), "Clock jitter", "Clock latency"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s:\n%s", want, out)
		}
	}
	if out, _ := d.cli("show", "Hub:clock"); strings.Contains(out, "behind that of") || strings.Contains(out, "ahead of that") {
		t.Errorf("the same clock is off:\n%s", out)
	}
	stop()
	soon(t, "a message that the source is gone", func() bool {
		out, _ := d.cli("show", "Hub:clock")
		return strings.Contains(out, "could not be compared with that of "+source.Self())
	})
}
