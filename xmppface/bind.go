package xmppface

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

const nsBind = "urn:ietf:params:xml:ns:xmpp-bind"

// binding is what a session and its server agree on after the login.
type binding struct {
	resource string // wanted
	manage   bool   // stream management is wanted

	full    string        // our full address
	managed bool          // stream management holds
	id      string        // by which the session can be resumed; empty: it cannot
	max     time.Duration // for how long; 0: not said

	resume   string // id of the session that is to go on
	received uint32 // stanzas of it that we have
	sent     uint32 // that the server has
}

// bind is the stream feature of resource binding (RFC 6120, 7) that asks for the
// wanted resource, which the library's own never does; then it begins stream
// management, where the server offers it. With a session to resume it does that
// instead (XEP-0198, 3 and 5).
func bind(b *binding) xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsBind, Local: "bind"},
		Necessary:  xmpp.Secure | xmpp.Authn,
		Prohibited: xmpp.Ready,
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			return true, nil, d.Skip()
		},
		Negotiate: func(_ context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			if b.resume != "" {
				return xmpp.Ready, nil, b.goOn(s)
			}
			if err := b.bind(s); err != nil {
				return 0, nil, err
			}
			if _, offered := s.Feature(stream.NSManagement); !offered || !b.manage {
				return xmpp.Ready, nil, nil
			}
			return xmpp.Ready, nil, b.enable(s)
		},
	}
}

func (b *binding) bind(s *xmpp.Session) error {
	id := random()
	out := append([]byte(nil), "<iq type='set' id='"+id+"'><bind xmlns='"+nsBind+"'><resource>"...)
	out = wire.AppendText(out, b.resource)
	out = append(out, "</resource></bind></iq>"...)
	if _, err := s.Conn().Write(out); err != nil {
		return err
	}
	e, err := readElement(s)
	if err != nil {
		return err
	}
	switch {
	case e.Name.Local != "iq" || e.Attr("id") != id:
		return fmt.Errorf("resource binding: unexpected <%s/>", e.Name.Local)
	case e.Attr("type") == "error":
		refusal := ext.ParseError(e)
		if refusal.Condition == "conflict" {
			return &stream.Error{Condition: refusal.Condition, Text: refusal.Text, Remote: true}
		}
		kind := BrokenStream
		if refusal.Condition == "resource-constraint" || refusal.Condition == "policy-violation" {
			kind = RateLimit
		}
		return &Failure{Kind: kind, Err: refusal,
			Text: "the server gives us no address (resource binding): " + refusal.Error()}
	}
	if payload := e.Child("bind"); payload != nil {
		if address := payload.Child("jid"); address != nil {
			j, err := jid.Parse(address.Text)
			if err != nil {
				return fmt.Errorf("resource binding: address %q: %w", address.Text, err)
			}
			b.full = j.String()
		}
	}
	return nil
}

// enable begins stream management. A server that declines is used without.
func (b *binding) enable(s *xmpp.Session) error {
	if _, err := io.WriteString(s.Conn(), "<enable xmlns='"+stream.NSManagement+"' resume='true'/>"); err != nil {
		return err
	}
	e, err := readElement(s)
	switch {
	case err != nil:
		return err
	case e.Name.Space != stream.NSManagement:
		return fmt.Errorf("stream management: unexpected <%s/>", e.Name.Local)
	case e.Name.Local != "enabled":
		return nil
	}
	b.managed = true
	if resume := e.Attr("resume"); resume == "true" || resume == "1" {
		b.id = e.Attr("id")
	}
	if seconds, err := strconv.ParseUint(e.Attr("max"), 10, 31); err == nil {
		b.max = time.Duration(seconds) * time.Second
	}
	return nil
}

// goOn resumes a session.
func (b *binding) goOn(s *xmpp.Session) error {
	if _, offered := s.Feature(stream.NSManagement); !offered {
		return errForgotten
	}
	out := wire.AppendAttr([]byte("<resume xmlns='"+stream.NSManagement+"'"), "previd", b.resume)
	out = wire.AppendAttr(out, "h", strconv.FormatUint(uint64(b.received), 10))
	if _, err := s.Conn().Write(append(out, "/>"...)); err != nil {
		return err
	}
	e, err := readElement(s)
	switch {
	case err != nil:
		return err
	case e.Name.Space == stream.NSManagement && e.Name.Local == "failed":
		return errForgotten
	case e.Name.Space != stream.NSManagement || e.Name.Local != "resumed":
		return fmt.Errorf("stream management: unexpected <%s/>", e.Name.Local)
	}
	h, err := strconv.ParseUint(e.Attr("h"), 10, 32)
	if err != nil {
		return fmt.Errorf("stream management: the session was resumed at %q", e.Attr("h"))
	}
	b.sent = uint32(h)
	return nil
}
