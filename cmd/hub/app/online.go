package app

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
)

// account is how the hub logs in at its broker.
func account(x *config.XMPP) xmppface.Account {
	return xmppface.Account{JID: x.JID, Password: x.Password, Server: x.Server, CAFile: x.CAFile,
		TLS: x.TLS, Pins: x.Pins, Insecure: x.Insecure, Component: x.Component, KeepAlive: x.KeepAlive, Way: nodes.WayBroker}
}

// online logs in at the broker once, as another resource than the daemon's, and returns
// the full address. The error says why it cannot, and what to do.
func online(ctx context.Context, x *config.XMPP) (string, error) {
	a := account(x)
	a.Resource, a.Priority, a.Log = "check", -1, slog.New(slog.DiscardHandler)
	s, err := xmppface.Dial(ctx, a)
	if err != nil {
		return "", fmt.Errorf("%s cannot log in: %w", x.JID, err)
	}
	defer s.Close()
	return s.Self(), nil
}
