package owner

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Client is the owner's end. What the hub refuses is an [*ext.StanzaError], whose
// text says why; after any other error it is not known whether the hub has done it.
// Safe for concurrent use.
type Client struct {
	Link ext.Link
	To   string // full JID of the hub
}

func (c *Client) ask(ctx context.Context, typ string, payload []byte, want string) (*wire.Element, error) {
	e, err := c.Link.Ask(ctx, c.To, typ, payload)
	var s *ext.StanzaError
	if errors.As(err, &s) && s.Condition == "service-unavailable" {
		return nil, &ext.StanzaError{Type: s.Type, Condition: s.Condition, Element: s.Element,
			Text: "this hub does not let you administer it: the right administer is missing"}
	}
	if err != nil {
		return nil, err
	}
	if want != "" && (e == nil || e.Name.Local != want) {
		return nil, fmt.Errorf("the hub's answer holds no %s", want)
	}
	return e, nil
}

// Export returns the tree as a file. One export at a time.
func (c *Client) Export(ctx context.Context) ([]byte, error) {
	version := ""
	var doc []byte
	for {
		b := wire.AppendAttr([]byte("<export xmlns='"+NS+"'"), "offset", strconv.Itoa(len(doc)))
		b = wire.AppendOptional(b, "version", version)
		e, err := c.ask(ctx, "get", append(b, "/>"...), "part")
		if err != nil {
			return nil, err
		}
		size, err := strconv.Atoi(e.Attr("size"))
		if err != nil || size > maxUpload*4 {
			return nil, errors.New("the hub's answer has no size")
		}
		version = e.Attr("version")
		doc = append(doc, e.Text...)
		if len(doc) >= size {
			return doc, nil
		}
		if e.Text == "" {
			return nil, errors.New("the hub's answer ends early")
		}
	}
}

// Import adds the nodes of a file, all or none, and returns how many. The file must
// be UTF-8; control characters would not arrive.
func (c *Client) Import(ctx context.Context, name string, doc []byte) (int, error) {
	if !utf8.Valid(doc) {
		return 0, &ext.StanzaError{Type: "cancel", Condition: "not-acceptable", Text: name + " is not UTF-8"}
	}
	id := rand.Text()
	for {
		part := cut(doc)
		doc = doc[len(part):]
		b := wire.AppendAttr([]byte("<import xmlns='"+NS+"'"), "id", id)
		b = wire.AppendAttr(b, "name", name)
		b = wire.AppendFlag(b, "last", len(doc) == 0)
		b = append(b, '>')
		b = wire.AppendText(b, string(part))
		b = append(b, "</import>"...)
		if len(doc) > 0 {
			if _, err := c.ask(ctx, "set", b, ""); err != nil {
				return 0, err
			}
			continue
		}
		e, err := c.ask(ctx, "set", b, "imported")
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(e.Attr("nodes"))
	}
}

// Backup writes a backup on the hub's machine and returns its path.
func (c *Client) Backup(ctx context.Context, file string) (string, error) {
	b := wire.AppendOptional([]byte("<backup xmlns='"+NS+"'"), "file", file)
	e, err := c.ask(ctx, "set", append(b, "/>"...), "backup")
	if err != nil {
		return "", err
	}
	return e.Attr("file"), nil
}

// Restore checks a backup on the hub's machine, which is put in place at the hub's
// next start.
func (c *Client) Restore(ctx context.Context, file string) error {
	b := wire.AppendAttr([]byte("<restore xmlns='"+NS+"'"), "file", file)
	_, err := c.ask(ctx, "set", append(b, "/>"...), "")
	return err
}

// Status tells how the hub is; all values are texts.
func (c *Client) Status(ctx context.Context) ([]nodes.Property, error) {
	e, err := c.ask(ctx, "get", []byte("<status xmlns='"+NS+"'/>"), "status")
	if err != nil {
		return nil, err
	}
	return items(e), nil
}

// Explain tells what somebody who comes by a way in may do with a node, and which
// rules give it.
func (c *Client) Explain(ctx context.Context, who nodes.Caller, ref nodes.Ref) ([]nodes.Property, error) {
	b := wire.AppendAttr([]byte("<explain xmlns='"+NS+"'"), "jid", who.JID)
	b = wire.AppendAttr(b, "way", string(who.Way))
	b = wire.AppendAttr(b, "id", ref.ID)
	b = wire.AppendOptional(b, "src", ref.Source)
	e, err := c.ask(ctx, "get", append(b, "/>"...), "explain")
	if err != nil {
		return nil, err
	}
	return items(e), nil
}

// items reads names with values.
func items(e *wire.Element) (out []nodes.Property) {
	for _, i := range e.Children {
		name := i.Attr("name")
		out = append(out, nodes.Property{ID: name, Name: name, Value: nodes.String(i.Attr("value"))})
	}
	return out
}
