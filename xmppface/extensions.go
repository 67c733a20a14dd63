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
	Shares  Shares
}

// Shares is how much of the hub one bare address may have by one way in, whatever number
// of clients it has. Where it is 0 the default of the extension holds; how much there may
// be in all is up to the extension, too.
type Shares struct {
	Subscriptions       int // to values; [events.DefaultMaxEach]
	SourceSubscriptions int // to the events of sources; [concentrator.MaxSubscriptionsEach]
	Sniffers            int // [concentrator.MaxSniffersEach]
	Queries             int // under way; [concentrator.MaxQueriesEach]
	Readouts            int // under way; [sensordata.MaxReadoutsEach]
}

// Extensions makes the namespaces that a hub serves. It is the one place where
// they are listed: each folder of a namespace has its line here. The list may be
// mounted on several faces; those of its members that are an ext.Runner are run by
// the caller.
func Extensions(p Program, b Backends) []ext.Extension {
	catalog, readouts, subscriptions := concentrator.New(b.Catalog, b.Log), sensordata.New(b.Catalog, b.Log), events.New(b.Catalog, b.Log)
	for _, share := range []struct {
		to *int
		n  int
	}{
		{&subscriptions.MaxEach, b.Shares.Subscriptions},
		{&catalog.SubscriptionsEach, b.Shares.SourceSubscriptions},
		{&catalog.SniffersEach, b.Shares.Sniffers},
		{&catalog.QueriesEach, b.Shares.Queries},
		{&readouts.ReadoutsEach, b.Shares.Readouts},
	} {
		if share.n > 0 {
			*share.to = share.n
		}
	}
	list := []ext.Extension{
		ping.New(),
		version.New(version.Software{Name: p.Product, Version: p.Version, OS: p.OS}),
		catalog,
		readouts,
		subscriptions,
		control.New(b.Catalog, b.Log),
		interfaces.New(b.Catalog),
		synchronization.New(p.Clock),
		owner.New(b.Owner),
	}
	return append(list, disco.New(p.Name, list...))
}
