package xmppface

import (
	"log/slog"

	"github.com/fieldhub/hub/datasources"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/interfaces"
	"github.com/fieldhub/hub/xmppface/owner"
	"github.com/fieldhub/hub/xmppface/ping"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/synchronization"
	"github.com/fieldhub/hub/xmppface/version"
)

// Program is what a hub says of itself.
type Program struct {
	Name    string // of this hub, for people
	Product string // "hub"
	Version string
	OS      string
	Clock   string // address of the clock that its own is measured against; empty: none
}

// Backends are what the namespaces stand on.
type Backends struct {
	Catalog *datasources.Catalog
	Owner   owner.Backend
	Log     *slog.Logger
	// Subscriptions is how many subscriptions to values one bare address may have;
	// [events.DefaultMaxEach] when 0.
	Subscriptions int
}

// Extensions makes the namespaces that a hub serves. It is the one place where
// they are listed: each folder of a namespace has its line here. The list may be
// mounted on several faces; those of its members that are an ext.Runner are run by
// the caller.
func Extensions(p Program, b Backends) []ext.Extension {
	subscriptions := events.New(b.Catalog, b.Log)
	if b.Subscriptions > 0 {
		subscriptions.MaxEach = b.Subscriptions
	}
	list := []ext.Extension{
		ping.New(),
		version.New(version.Software{Name: p.Product, Version: p.Version, OS: p.OS}),
		concentrator.New(b.Catalog, b.Log),
		sensordata.New(b.Catalog, b.Log),
		subscriptions,
		control.New(b.Catalog, b.Log),
		interfaces.New(b.Catalog),
		synchronization.New(p.Clock),
		owner.New(b.Owner),
	}
	return append(list, disco.New(p.Name, list...))
}
