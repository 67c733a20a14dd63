package version

import (
	"context"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// NS is the namespace.
const NS = "jabber:iq:version"

// Software is a program.
type Software struct {
	Name    string // of the program
	Version string
	OS      string // operating system; may be empty
}

type extension struct{ answer []byte }

// New makes the extension that answers with the program.
func New(s Software) ext.Extension {
	b := []byte("<query xmlns='" + NS + "'>")
	b = appendElement(b, "name", s.Name)
	b = appendElement(b, "version", s.Version)
	if s.OS != "" {
		b = appendElement(b, "os", s.OS)
	}
	return extension{append(b, "</query>"...)}
}

func appendElement(b []byte, name, text string) []byte {
	b = append(b, "<"+name+">"...)
	b = wire.AppendText(b, text)
	return append(b, "</"+name+">"...)
}

// Spaces returns the namespace.
func (extension) Spaces() []string { return []string{NS} }

// Serve answers.
func (x extension) Serve(r *ext.Request) {
	if r.Type != "get" || r.Payload.Name.Local != "query" {
		r.Fail(nodes.Errorf(nodes.Unsupported, "version", nodes.Ref{}, "only query, by get"))
		return
	}
	r.Result(append([]byte(nil), x.answer...))
}

// Ask asks somebody which program it is.
func Ask(ctx context.Context, l ext.Link, to string) (Software, error) {
	e, err := l.Ask(ctx, to, "get", []byte("<query xmlns='"+NS+"'/>"))
	if err != nil {
		return Software{}, err
	}
	return parse(e), nil
}

func parse(e *wire.Element) (s Software) {
	if e == nil {
		return s
	}
	for _, c := range e.Children {
		switch c.Name.Local {
		case "name":
			s.Name = c.Text
		case "version":
			s.Version = c.Text
		case "os":
			s.OS = c.Text
		}
	}
	return s
}
