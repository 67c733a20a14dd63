package stream

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"fmt"
	"io"

	"mellium.im/xmlstream"
	"mellium.im/xmpp"
)

const nsTLS = "urn:ietf:params:xml:ns:xmpp-tls"

// StartTLS is the stream feature STARTTLS (RFC 6120, 5) for either end, over a
// [Conn] whose successor counts the decrypted bytes. It is always required, and
// bytes that came in the clear after the switch was agreed are refused. A client's
// cfg must hold the ServerName.
func StartTLS(cfg *tls.Config) xmpp.StreamFeature {
	name := xml.Name{Space: nsTLS, Local: "starttls"}
	return xmpp.StreamFeature{
		Name:       name,
		Prohibited: xmpp.Secure,
		List: func(_ context.Context, w xmlstream.TokenWriter, start xml.StartElement) (bool, error) {
			_, err := xmlstream.Copy(w, xmlstream.Wrap(
				xmlstream.Wrap(nil, xml.StartElement{Name: xml.Name{Local: "required"}}), start))
			return true, err
		},
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			return true, nil, d.Skip()
		},
		Negotiate: func(ctx context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			c, ok := s.Conn().(*Conn)
			if !ok {
				return 0, nil, errors.New("STARTTLS: not over a stream.Conn")
			}
			server := s.State()&xmpp.Received != 0
			if !server {
				if _, err := io.WriteString(c, "<starttls xmlns='"+nsTLS+"'/>"); err != nil {
					return 0, nil, err
				}
			}
			want := "proceed"
			if server {
				want = "starttls"
			}
			if err := expect(s, xml.Name{Space: nsTLS, Local: want}); err != nil {
				return 0, nil, err
			}
			if c.Buffered() > 0 {
				return 0, nil, errors.New("STARTTLS: bytes in the clear after the switch to TLS was agreed")
			}
			var secured *tls.Conn
			if server {
				if _, err := io.WriteString(c, "<proceed xmlns='"+nsTLS+"'/>"); err != nil {
					return 0, nil, err
				}
				secured = tls.Server(c.Conn, cfg)
			} else {
				secured = tls.Client(c.Conn, cfg)
			}
			if err := secured.HandshakeContext(ctx); err != nil {
				return 0, nil, err
			}
			return xmpp.Secure, NewConn(secured), nil
		},
	}
}

// expect reads one whole element of that name.
func expect(s *xmpp.Session, name xml.Name) error {
	r := s.TokenReader()
	defer r.Close()
	d := xml.NewTokenDecoder(r)
	t, err := d.Token()
	if err != nil {
		return err
	}
	start, ok := t.(xml.StartElement)
	if !ok || start.Name != name {
		return fmt.Errorf("STARTTLS: the other side sent %v in place of <%s/>", describe(t), name.Local)
	}
	return d.Skip()
}

func describe(t xml.Token) string {
	if start, ok := t.(xml.StartElement); ok {
		return "<" + start.Name.Local + "/>"
	}
	return fmt.Sprintf("%T", t)
}
