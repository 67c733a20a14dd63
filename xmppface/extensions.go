package xmppface

import (
	"github.com/fieldhub/hub/xmppface/disco"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ping"
	"github.com/fieldhub/hub/xmppface/version"
)

// Program is what a hub says of itself.
type Program struct {
	Name    string // of this hub, for people
	Product string // "hub"
	Version string
	OS      string
}

// Extensions makes the namespaces that a hub serves. It is the one place where
// they are listed: each folder of a namespace has its line here. The list may be
// mounted on several faces.
func Extensions(p Program) []ext.Extension {
	list := []ext.Extension{
		ping.New(),
		version.New(version.Software{Name: p.Product, Version: p.Version, OS: p.OS}),
	}
	return append(list, disco.New(p.Name, list...))
}
