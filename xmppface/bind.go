package xmppface

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

const nsBind = "urn:ietf:params:xml:ns:xmpp-bind"

// bind is the stream feature of resource binding (RFC 6120, 7) that asks for the
// wanted resource, which the library's own never does. The full address given by
// the server is stored in bound.
func bind(resource string, bound *string) xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsBind, Local: "bind"},
		Necessary:  xmpp.Secure | xmpp.Authn,
		Prohibited: xmpp.Ready,
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			return true, nil, d.Skip()
		},
		Negotiate: func(_ context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			id := random()
			b := append([]byte(nil), "<iq type='set' id='"+id+"'><bind xmlns='"+nsBind+"'><resource>"...)
			b = wire.AppendText(b, resource)
			b = append(b, "</resource></bind></iq>"...)
			if _, err := s.Conn().Write(b); err != nil {
				return 0, nil, err
			}
			e, err := readElement(s)
			if err != nil {
				return 0, nil, err
			}
			switch {
			case e.Name.Local != "iq" || e.Attr("id") != id:
				return 0, nil, fmt.Errorf("resource binding: unexpected <%s/>", e.Name.Local)
			case e.Attr("type") == "error":
				refusal := ext.ParseError(e)
				return 0, nil, &Failure{Kind: BrokenStream, Err: refusal,
					Text: "the server gives us no address (resource binding): " + refusal.Error()}
			}
			if payload := e.Child("bind"); payload != nil {
				if address := payload.Child("jid"); address != nil {
					j, err := jid.Parse(address.Text)
					if err != nil {
						return 0, nil, fmt.Errorf("resource binding: address %q: %w", address.Text, err)
					}
					*bound = j.String()
				}
			}
			return xmpp.Ready, nil, nil
		},
	}
}
