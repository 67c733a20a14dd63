package interfaces

import (
	"cmp"
	"context"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Get asks a device which harmonised interfaces it fulfils, or one of its nodes; the
// zero Ref is the device itself. space is the first of the namespaces here that the
// device has; empty: the canonical one. Names of the older namespace are returned as
// references. Errors are [*nodes.Error]; one that the device sent unwraps to its
// [*ext.StanzaError].
func Get(ctx context.Context, l ext.Link, to, space string, ref nodes.Ref) ([]string, error) {
	const op = "list interfaces"
	space = cmp.Or(space, NSNFI)
	b := wire.AppendAttr([]byte("<getInterfaces"), "xmlns", space)
	if ref.ID != "" {
		b = wire.AppendRef(b, ref)
	}
	e, err := l.Ask(ctx, to, "get", append(b, "/>"...))
	if err != nil {
		return nil, ext.Failed(op, ref, err)
	}
	if e == nil || e.Name.Local != "interfaces" && e.Name.Local != "getInterfacesResponse" {
		return nil, nodes.Errorf(nodes.Internal, op, ref, "the device answered without a list; does it serve harmonised interfaces?")
	}
	return read(e), nil
}

// read reads the answer of either namespace.
func read(e *wire.Element) (out []string) {
	for _, c := range e.Children {
		if c.Name.Local != "interface" {
			continue
		}
		if ref := cmp.Or(c.Attr("ref"), newName(c.Attr("name"))); ref != "" {
			out = append(out, ref)
		}
	}
	return out
}
