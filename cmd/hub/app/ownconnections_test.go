package app

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
)

// TestConnectionShown: how a connection, or why there is none, is shown on the hub's own
// node and in hub status.
func TestConnectionShown(t *testing.T) {
	since := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	soon, late := time.Now().Add(10*time.Second).UTC(), time.Now().Add(time.Hour).UTC()
	failure := func(k xmppface.FailureKind, text string) *xmppface.Failure {
		return &xmppface.Failure{Kind: k, Text: text}
	}
	for _, tt := range []struct {
		name     string
		st       xmppface.Status
		fields   string
		message  string
		status   string
		noStatus string
	}{
		{"connecting", xmppface.Status{}, "connected=false", "", "connecting", "attempt"},
		{"online", xmppface.Status{Online: true, JID: "hub@example.org/x", Since: since}, "connected=true since=" + nodes.DateTime(since).String(), "",
			"online as hub@example.org/x since 2026-11-23T12:00:00Z", "attempt"},
		{"soon again", xmppface.Status{Since: since, Retry: soon, Failure: failure(xmppface.Lost, "the connection was lost")},
			"connected=false since=" + nodes.DateTime(since).String() + " failure=connection lost next attempt=" + nodes.DateTime(soon).String(),
			"Broker is not connected: the connection was lost", "offline since 2026-11-23T12:00:00Z: the connection was lost", "attempt"},
		{"much later", xmppface.Status{Since: since, Retry: late, Failure: failure(xmppface.Disabled, "the account is disabled")},
			"connected=false since=" + nodes.DateTime(since).String() + " failure=account disabled next attempt=" + nodes.DateTime(late).String(),
			"Broker is not connected: the account is disabled",
			"the account is disabled; the next attempt is at " + late.Format(time.RFC3339) + ", or now with hub do Hub:connections Reconnect", "online"},
	} {
		f := fields{now: since}
		messages := connection(&f, nodes.WayBroker, "Broker", tt.st)
		var list []string
		for _, x := range f.list {
			list = append(list, fmt.Sprintf("%s=%s", strings.TrimPrefix(x.Name, "Broker "), x.Value))
		}
		if got := strings.Join(list, " "); got != tt.fields {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.fields)
		}
		message := ""
		for _, m := range messages {
			message += m.Text
		}
		if message != tt.message {
			t.Errorf("%s: the message %q, want %q", tt.name, message, tt.message)
		}
		if got := described(tt.st) + again(tt.st); !strings.Contains(got, tt.status) || strings.Contains(got, tt.noStatus) {
			t.Errorf("%s: status %q, want %q and not %q", tt.name, got, tt.status, tt.noStatus)
		}
	}
}
