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
		TLS: x.TLS, Pins: x.Pins, Bound: x.Bound, Insecure: x.Insecure, Component: x.Component, KeepAlive: x.KeepAlive, Way: nodes.WayBroker}
}

// online logs in at the broker once, as another resource than the daemon's, and returns
// the full address. The error says why it cannot, and what to do. The account is created
// by creation; when that is nil, it has to be there.
func online(ctx context.Context, x *config.XMPP, creation xmppface.Creation) (string, error) {
	if x.Password == "" {
		return "", fmt.Errorf("%s is not there yet: it is created when the hub is started", x.JID)
	}
	a := account(x)
	a.Creation = creation
	a.Resource, a.Priority, a.Log = "check", -1, slog.New(slog.DiscardHandler)
	s, err := xmppface.Dial(ctx, a)
	if err != nil {
		return "", fmt.Errorf("%s cannot log in: %w", x.JID, err)
	}
	defer s.Close()
	return s.Self(), nil
}
