package datasources

import (
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
)

// Watch tells of changes from now on, until stop is called, which may be done
// more than once and from anywhere but Notify. The right to read is checked again
// at each change.
func (c *Catalog) Watch(who nodes.Caller, w nodes.Watch) (stop func(), err error) {
	shares, err := c.shares(who, "watch", w.Refs)
	if err != nil {
		return nil, err
	}
	stops := make([]func(), 0, len(shares))
	for _, s := range shares {
		stops = append(stops, s.tree.Watch(s.ids, w.Interval, func(r nodes.Reading) {
			for _, ref := range s.refs[r.Node] {
				if c.May(who, nodes.See|nodes.Read, ref) {
					w.Notify(ref, r)
				}
			}
		}))
	}
	return func() {
		for _, stop := range stops {
			stop()
		}
	}, nil
}

// Subscribe tells of the events of a source from now on, until stop is called.
// Only events of nodes that the caller may see are told. notify is called in
// order, must not block, and must not call back.
func (c *Catalog) Subscribe(who nodes.Caller, source string, notify func(nodes.Event)) (stop func(), err error) {
	t, err := c.source(who, "subscribe", source)
	if err != nil {
		return nil, err
	}
	return t.Subscribe(func(e nodes.Event) {
		if c.maySee(who, &e) {
			e.Info = c.seen(who, e.Info)
			notify(e)
		}
	}), nil
}

// Events calls f for the events of a source that are kept since a time, oldest first,
// of nodes that the caller may see, until it returns false.
func (c *Catalog) Events(who nodes.Caller, source string, since time.Time, f func(nodes.Event) bool) error {
	t, err := c.source(who, "events", source)
	if err != nil {
		return err
	}
	return t.Events(since, func(e nodes.Event) bool {
		if !c.maySee(who, &e) {
			return true
		}
		e.Info = c.seen(who, e.Info)
		return f(e)
	})
}

// maySee tells whether the caller may learn of an event: of a node that is gone,
// whether he could see it.
func (c *Catalog) maySee(who nodes.Caller, e *nodes.Event) bool {
	return c.access.Rights(who, e.Info.Ref, func() []string {
		if path, ok := c.path(e.Info.Ref); ok {
			return path
		}
		if e.Above != nil {
			return append([]string{e.Info.Ref.ID}, e.Above...)
		}
		path, _ := c.path(e.Info.Parent)
		return append([]string{e.Info.Ref.ID}, path...)
	})&nodes.See != 0
}

// Sniff listens to the traffic of a node until expires: that of the whole
// connection for the node that owns it, else only what concerns the node and what
// is below it. Frames come only as long as the caller may listen. The caller must
// close the subscription.
func (c *Catalog) Sniff(who nodes.Caller, ref nodes.Ref, expires time.Time) (*sniffer.Subscription, error) {
	t, err := c.node(who, "listen to", ref, nodes.Listen)
	if err != nil {
		return nil, err
	}
	spec, _ := t.Spec(ref.ID)
	typ, _ := t.Type(spec.Type)
	owner, ok := t.Owner(ref.ID)
	if !ok || typ.Caps&nodes.CanSniff == 0 {
		return nil, nodes.Errorf(nodes.NotAcceptable, "listen to", ref, "this node has no traffic of its own; choose its gateway")
	}
	tap := c.tap(owner)
	if tap == nil {
		return nil, nodes.Errorf(nodes.Unreachable, "listen to", ref, "the device is not open yet; its message says why")
	}
	c.note(who, "listen", ref, "until "+expires.UTC().Format(time.RFC3339), "", "", nil)
	accept := func(node string) bool {
		if !c.May(who, nodes.See|nodes.Listen, ref) {
			return false
		}
		if owner == ref.ID {
			return true
		}
		path, _ := t.Path(node)
		return slices.Contains(path, ref.ID)
	}
	return tap.Subscribe(expires, 0, accept), nil
}
