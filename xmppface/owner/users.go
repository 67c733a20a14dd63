package owner

import (
	"context"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// user makes an account of the hub's own server, changes its password, or removes it.
func (s *Server) user(rq *ext.Request) error {
	p := rq.Payload
	if p.Flag("remove") {
		return told(s.backend.RemoveUser(rq.Caller, p.Attr("name")))
	}
	return told(s.backend.SetUser(rq.Caller, p.Attr("name"), p.Attr("password")))
}

// listUsers lists the accounts.
func (s *Server) listUsers(rq *ext.Request) ([]byte, error) {
	list, err := s.backend.Users(rq.Caller)
	if err != nil {
		return nil, told(err)
	}
	b := []byte("<users xmlns='" + NS + "'>")
	for _, jid := range list {
		b = append(wire.AppendAttr(append(b, "<user"...), "jid", jid), "/>"...)
	}
	return append(b, "</users>"...), nil
}

// SetUser makes an account of the hub's own server, or gives it another password, and
// ends its sessions then.
func (c *Client) SetUser(ctx context.Context, name, password string) error {
	b := wire.AppendAttr([]byte("<user xmlns='"+NS+"'"), "name", name)
	_, err := c.ask(ctx, "set", append(wire.AppendAttr(b, "password", password), "/>"...), "")
	return err
}

// RemoveUser takes an account away and ends its sessions.
func (c *Client) RemoveUser(ctx context.Context, name string) error {
	b := wire.AppendAttr([]byte("<user xmlns='"+NS+"'"), "name", name)
	_, err := c.ask(ctx, "set", append(b, " remove='true'/>"...), "")
	return err
}

// Users returns the addresses of the accounts, without the hub's own two.
func (c *Client) Users(ctx context.Context) ([]string, error) {
	e, err := c.ask(ctx, "get", []byte("<users xmlns='"+NS+"'/>"), "users")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, x := range e.Children {
		out = append(out, x.Attr("jid"))
	}
	return out, nil
}
