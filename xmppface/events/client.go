package events

import (
	"context"
	"crypto/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Field says of a field by how much it has to change to be told of. Zeros are
// conditions that are not set; without any each change is told.
type Field struct {
	Name         string
	By, Up, Down float64
}

// Subscription is a wish to be told of changes.
type Subscription struct {
	Refs       []nodes.Ref    // nodes; none: the hub itself
	Categories nodes.Category // fields of any of these; zero means all
	Fields     []Field        // exact names; none means all
	// MinInterval is the shortest time between messages, and how often values are
	// polled for them; 0: as often as they are polled anyway.
	MinInterval time.Duration
	// MaxInterval is the time after which all fields are sent even when none has
	// changed; 0: never.
	MaxInterval time.Duration
	MaxAge      time.Duration // older values are not wanted; 0: all are
	Now         bool          // all fields are sent at once, too
}

// Client subscribes at one hub. Its errors are [*nodes.Error]; one that the hub sent
// unwraps to its [*ext.StanzaError]. Safe for concurrent use; the exported fields
// are set before.
//
// It is an [ext.Receiver] of messages in the three families of the sensor data
// namespace, and an [ext.Leaver]. Messages whose id it does not know are ignored.
type Client struct {
	Link  ext.Link
	To    string // full JID of the hub
	Space string // the family to ask in: the first of nfi, nf, ieee that the hub has; empty: nfi

	mu   sync.Mutex
	subs map[string]*subscribed // by id
}

type subscribed struct {
	refs   []nodes.Ref
	notify func(nodes.Ref, nodes.Reading)
}

// Subscribe asks to be told of changes. notify gets the fields that changed, under
// the reference of the subscription, and failures as Err; it is called in order, from
// the goroutine that receives messages, so it must be quick and must not ask the
// hub. That may be before Subscribe has returned, and once more while stop runs.
//
// stop ends the subscription; after that, nothing is told even when the hub could
// not be asked. When the hub or the link is gone, notify is called for each node with
// an error of kind Unreachable, and the subscription has ended.
func (c *Client) Subscribe(ctx context.Context, w Subscription, notify func(nodes.Ref, nodes.Reading)) (stop func(context.Context) error, err error) {
	id := rand.Text()
	refs := w.Refs
	if len(refs) == 0 {
		refs = []nodes.Ref{nodes.In(nodes.RootID)}
	}
	c.mu.Lock()
	if c.subs == nil {
		c.subs = make(map[string]*subscribed)
	}
	c.subs[id] = &subscribed{refs, notify}
	c.mu.Unlock()
	e, err := c.Link.Ask(ctx, c.To, "get", c.request(id, &w))
	switch {
	case err != nil:
		err = ext.Failed("watch", only(refs), err)
	case e == nil || e.Name.Local != "accepted" || e.Attr("id") != id && e.Attr("id") != "":
		err = nodes.Errorf(nodes.Internal, "watch", refs[0], "the hub did not accept the subscription; does it serve events?")
	}
	if err != nil {
		c.remove(id)
		if ctx.Err() != nil { // it may have been accepted all the same
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), parting)
			defer cancel()
			c.unsubscribe(ctx, id)
		}
		return nil, err
	}
	return func(ctx context.Context) error {
		if !c.remove(id) {
			return nil
		}
		err := c.unsubscribe(ctx, id)
		if err == nil {
			return nil
		}
		if err = ext.Failed("stop watching", only(refs), err); nodes.KindOf(err) == nodes.NotFound {
			return nil // it has ended
		}
		return err
	}, nil
}

// parting is how long a hub may take to hear that nobody waits any more.
const parting = 500 * time.Millisecond

func (c *Client) unsubscribe(ctx context.Context, id string) error {
	b := wire.AppendAttr([]byte("<unsubscribe"), "xmlns", c.space())
	_, err := c.Link.Ask(ctx, c.To, "set", append(wire.AppendAttr(b, "id", id), "/>"...))
	return err
}

func (c *Client) remove(id string) (was bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, was = c.subs[id]
	delete(c.subs, id)
	return was
}

func (c *Client) space() string {
	if c.Space == "" {
		return NSNFI
	}
	return c.Space
}

// request makes a subscribe element.
func (c *Client) request(id string, w *Subscription) []byte {
	b := wire.AppendAttr(append(make([]byte, 0, 256), "<subscribe"...), "xmlns", c.space())
	b = wire.AppendAttr(b, "id", id)
	b = wire.AppendCategories(b, w.Categories)
	b = appendInterval(b, "minInt", w.MinInterval)
	b = appendInterval(b, "maxInt", w.MaxInterval)
	b = appendInterval(b, "maxAge", w.MaxAge)
	b = wire.AppendFlag(b, "req", w.Now)
	b = append(b, '>')
	for _, ref := range w.Refs {
		b = append(wire.AppendRef(append(b, "<nd"...), ref), "/>"...)
	}
	for _, f := range w.Fields {
		b = wire.AppendAttr(append(b, "<f"...), "n", f.Name)
		b = appendNumber(b, "by", f.By)
		b = appendNumber(b, "up", f.Up)
		b = append(appendNumber(b, "dn", f.Down), "/>"...)
	}
	return append(b, "</subscribe>"...)
}

func appendInterval(b []byte, name string, d time.Duration) []byte {
	if d <= 0 {
		return b
	}
	b = append(append(append(b, ' '), name...), "='"...)
	return append(wire.AppendDuration(b, 0, d), '\'')
}

func appendNumber(b []byte, name string, f float64) []byte {
	if f == 0 {
		return b
	}
	b = append(append(append(b, ' '), name...), "='"...)
	return append(strconv.AppendFloat(b, f, 'f', -1, 64), '\'')
}

// only is the node that a subscription is of, when it is one.
func only(refs []nodes.Ref) (ref nodes.Ref) {
	if len(refs) == 1 {
		ref = refs[0]
	}
	return ref
}

// Receive takes the messages of subscriptions; others are ignored.
func (c *Client) Receive(m *ext.Message) {
	if m.From != c.To || m.Payload.Name.Local != "resp" {
		return
	}
	c.mu.Lock()
	u := c.subs[m.Payload.Attr("id")]
	c.mu.Unlock()
	if u == nil {
		return
	}
	m.Payload.EachReading(func(ref nodes.Ref, fields []nodes.Field, failures []wire.Failure) {
		ref = u.find(ref)
		r := nodes.Reading{Node: ref.ID, Fields: fields}
		if len(failures) > 0 {
			texts := make([]string, len(failures))
			for i, f := range failures {
				texts[i] = f.Text
			}
			r.Err = nodes.Errorf(nodes.Unreachable, "read", ref, strings.Join(texts, "; "))
		}
		u.notify(ref, r)
	})
}

// find returns a reference as the subscription has it.
func (u *subscribed) find(ref nodes.Ref) nodes.Ref {
	if ref.ID == "" {
		return u.refs[0]
	}
	ref = ref.Resolved()
	for _, r := range u.refs {
		if r.Resolved() == ref {
			return r
		}
	}
	return ref
}

// Gone ends all subscriptions when the hub or the link is gone.
func (c *Client) Gone(_ ext.Link, jid string) {
	if jid != "" && jid != c.To {
		return
	}
	c.mu.Lock()
	list := c.subs
	c.subs = nil
	c.mu.Unlock()
	for _, u := range list {
		for _, ref := range u.refs {
			u.notify(ref, nodes.Reading{Node: ref.ID, Err: nodes.Errorf(nodes.Unreachable, "watch", ref, "the hub is gone")})
		}
	}
}
