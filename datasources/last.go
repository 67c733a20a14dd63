package datasources

import "github.com/fieldhub/hub/nodes"

// Last returns the last values of a node, a device's with those of its parts, as they
// are known now: what is older than it should be carries the warning flag, what could
// not be read again the error flag, and Err names what was never read. It never waits
// for a device. The fields are shared and must not be changed.
func (c *Catalog) Last(who nodes.Caller, ref nodes.Ref) (nodes.Reading, error) {
	t, err := c.node(who, "read", ref, nodes.Read)
	if err != nil {
		return nodes.Reading{}, err
	}
	r, _, ok := t.Current(ref.ID)
	if !ok {
		r = unreadable(ref)
	}
	return r, nil
}
