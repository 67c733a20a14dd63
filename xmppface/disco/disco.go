package disco

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"slices"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The namespaces.
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
)

// Identity is what an entity is, in terms of the registry of XEP-0030.
type Identity struct{ Category, Type, Name string }

// Info is what an entity says of itself.
type Info struct {
	Identities []Identity
	Features   []string // namespaces
}

// Has tells whether a feature is supported.
func (i Info) Has(feature string) bool { return slices.Contains(i.Features, feature) }

// First returns the first of the given features that is supported, or "": how a
// client chooses among the families of a namespace.
func (i Info) First(features ...string) string {
	for _, f := range features {
		if i.Has(f) {
			return f
		}
	}
	return ""
}

// Item is something that belongs to an entity.
type Item struct{ JID, Node, Name string }

type extension struct{ info, caps, node []byte }

// New makes the extension of an entity with that name that serves those
// extensions, itself included.
func New(name string, mounted ...ext.Extension) ext.Extension {
	features := []string{NSInfo, NSItems, nsCaps}
	for _, x := range mounted {
		features = append(features, x.Spaces()...)
	}
	slices.Sort(features)
	info := Info{[]Identity{{"client", "bot", name}}, slices.Compact(features)}
	ver := hash(info)
	caps := wire.AppendAttr([]byte("<c xmlns='"+nsCaps+"' hash='sha-1'"), "node", capsNode)
	caps = wire.AppendAttr(caps, "ver", ver)
	return &extension{
		info: appendInfo(nil, info, ""),
		node: appendInfo(nil, info, capsNode+"#"+ver),
		caps: append(caps, "/>"...),
	}
}

func appendInfo(b []byte, info Info, node string) []byte {
	b = append(b, "<query xmlns='"+NSInfo+"'"...)
	b = wire.AppendOptional(b, "node", node)
	b = append(b, '>')
	for _, i := range info.Identities {
		b = wire.AppendAttr(append(b, "<identity"...), "category", i.Category)
		b = wire.AppendAttr(b, "type", i.Type)
		b = append(wire.AppendOptional(b, "name", i.Name), "/>"...)
	}
	for _, f := range info.Features {
		b = append(wire.AppendAttr(append(b, "<feature"...), "var", f), "/>"...)
	}
	return append(b, "</query>"...)
}

// Names of entity capabilities (XEP-0115).
const (
	nsCaps   = "http://jabber.org/protocol/caps"
	capsNode = "urn:fieldhub:hub"
)

// hash returns the verification string of XEP-0115, 5.1, by which clients that
// have seen the same answer elsewhere need not ask. Both lists are sorted.
func hash(info Info) string {
	var b []byte
	for _, i := range info.Identities {
		b = append(b, i.Category+"/"+i.Type+"//"+i.Name+"<"...)
	}
	for _, f := range info.Features {
		b = append(b, f+"<"...)
	}
	sum := sha1.Sum(b)
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Presence returns the capabilities, which go with our presence.
func (x *extension) Presence() []byte { return x.caps }

// Spaces returns the namespaces.
func (*extension) Spaces() []string { return []string{NSInfo, NSItems} }

// Serve answers. There are no nodes and no items: what a hub has is asked for in
// the namespaces of its features.
func (x *extension) Serve(r *ext.Request) {
	node := r.Payload.Attr("node")
	byHash := node != "" && r.Space() == NSInfo && bytes.Contains(x.node, wire.AppendAttr(nil, "node", node))
	switch {
	case r.Type != "get" || r.Payload.Name.Local != "query":
		r.Fail(nodes.Errorf(nodes.Unsupported, "disco", nodes.Ref{}, "only query, by get"))
	case byHash:
		r.Result(bytes.Clone(x.node))
	case node != "":
		r.Fail(nodes.Errorf(nodes.NotFound, "disco", nodes.Ref{}, "there is no such node"))
	case r.Space() == NSItems:
		r.Result([]byte("<query xmlns='" + NSItems + "'/>"))
	default:
		r.Result(bytes.Clone(x.info))
	}
}

// Ask asks an entity what it is; node may be empty.
func Ask(ctx context.Context, l ext.Link, to, node string) (Info, error) {
	e, err := l.Ask(ctx, to, "get", query(NSInfo, node))
	if err != nil {
		return Info{}, err
	}
	return parseInfo(e), nil
}

// Items asks an entity what belongs to it; node may be empty.
func Items(ctx context.Context, l ext.Link, to, node string) ([]Item, error) {
	e, err := l.Ask(ctx, to, "get", query(NSItems, node))
	if err != nil {
		return nil, err
	}
	return parseItems(e), nil
}

func query(space, node string) []byte {
	b := wire.AppendAttr([]byte("<query"), "xmlns", space)
	b = wire.AppendOptional(b, "node", node)
	return append(b, "/>"...)
}

func parseInfo(e *wire.Element) (i Info) {
	if e == nil {
		return i
	}
	for _, c := range e.Children {
		switch c.Name.Local {
		case "identity":
			i.Identities = append(i.Identities, Identity{c.Attr("category"), c.Attr("type"), c.Attr("name")})
		case "feature":
			i.Features = append(i.Features, c.Attr("var"))
		}
	}
	return i
}

func parseItems(e *wire.Element) (items []Item) {
	if e == nil {
		return nil
	}
	for _, c := range e.Children {
		if c.Name.Local == "item" {
			items = append(items, Item{c.Attr("jid"), c.Attr("node"), c.Attr("name")})
		}
	}
	return items
}
