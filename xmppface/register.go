package xmppface

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp"
	"mellium.im/xmpp/jid"
)

const (
	nsRegister        = "jabber:iq:register"
	nsRegisterFeature = "http://jabber.org/features/iq-register"
)

// Creation lets an account be made by in-band registration (XEP-0077) where its server
// does not know it. The account is made with the Password of the [Account], which whoever
// connects has to have stored for good before, so that no crash can lose it.
//
// A login is tried first. Only when the server refuses it as not authorized, and it has
// never worked, the account is registered, over TLS, and the login tried again. Its methods
// are called by the goroutine that connects.
type Creation interface {
	// Confirmed tells whether a login has worked before: then nothing is registered.
	Confirmed() bool
	// Confirm notes that a login has worked. Should it be forgotten, it is told again.
	Confirm()
}

// arrive connects as connect does, and makes the account first where that is wanted and
// it is not there yet.
func arrive(ctx context.Context, a *Account, self jid.JID, b *binding) (*stream.Conn, error) {
	c, err := connect(ctx, a, self, b)
	if a.Creation == nil || a.Component || a.Creation.Confirmed() {
		return c, err
	}
	if err != nil {
		if !isUnknownAccount(err) {
			return nil, err
		}
		if err := register(ctx, a, self); err != nil {
			return nil, err
		}
		a.Log.Info("the account was created", "account", a.JID)
		c, err = connect(ctx, a, self, b)
		if isUnknownAccount(err) {
			return nil, &Failure{Kind: NotCreated, Err: registrationRefused{err}, Text: "the server has created the account " + a.JID +
				", but does not let it in: perhaps its administrator has to approve it first; ask, the hub tries again later"}
		}
		if err != nil {
			return nil, err
		}
	}
	a.Creation.Confirm()
	return c, nil
}

// isUnknownAccount tells whether a login failed as it does when there is no such account.
// Servers do not tell that from a wrong password.
func isUnknownAccount(err error) bool {
	f := new(Failure)
	return errors.As(err, &f) && f.Kind == WrongPassword && f.Err != nil && strings.HasPrefix(f.Err.Error(), "not-authorized")
}

// errRegistered ends the negotiation once the account is made.
var errRegistered = errors.New("registered")

// register makes the account, in a connection of its own. Its errors are as connect's.
func register(ctx context.Context, a *Account, self jid.JID) error {
	outer := ctx
	ctx, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	domain := self.Domainpart()
	failed := func(err error, server string) error {
		switch {
		case outer.Err() != nil:
			return outer.Err()
		case ctx.Err() != nil:
			err = ctx.Err()
		}
		return explain(err, a, server, domain)
	}
	cfg, err := clientTLS(a, domain)
	if err != nil {
		return failed(err, domain)
	}
	list, _, err := places(ctx, a, domain)
	if err != nil {
		return failed(err, domain)
	}
	direct := cfg.Clone()
	direct.NextProtos = []string{"xmpp-client"}
	conn, at, err := reach(ctx, a, list, direct)
	if err != nil {
		return failed(err, at.addr)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	var state xmpp.SessionState
	if at.direct {
		state = xmpp.Secure
	}
	// A server that registers may announce it or not, so the list of mechanisms, which each
	// one sends, is where it begins, too.
	features := []xmpp.StreamFeature{
		stream.StartTLS(cfg),
		registration(xml.Name{Space: nsSASL, Local: "mechanisms"}, a, self),
		registration(xml.Name{Space: nsRegisterFeature, Local: "register"}, a, self),
	}
	s, err := xmpp.NewSession(ctx, self.Domain(), self, stream.NewConn(conn), state,
		xmpp.NewNegotiator(func(*xmpp.Session, *xmpp.StreamConfig) xmpp.StreamConfig {
			return xmpp.StreamConfig{Features: features, Lang: "en"}
		}))
	switch {
	case errors.Is(err, errRegistered):
		return nil
	case err != nil:
		return failed(err, at.addr)
	case s.State()&xmpp.Secure == 0:
		return &Failure{Kind: NoTLS, Text: "the server does not encrypt (no STARTTLS), so the account was not created"}
	}
	return notCreated(a, nil, "the server offers neither a login nor a registration: check the server's settings for clients")
}

// registration is a stream feature that registers, and then ends the negotiation with
// errRegistered.
func registration(name xml.Name, a *Account, self jid.JID) xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       name,
		Necessary:  xmpp.Secure,
		Prohibited: xmpp.Authn,
		Parse: func(_ context.Context, d *xml.Decoder, _ *xml.StartElement) (bool, any, error) {
			return true, nil, d.Skip()
		},
		Negotiate: func(_ context.Context, s *xmpp.Session, _ any) (xmpp.SessionState, io.ReadWriter, error) {
			if err := inBand(s, a, self); err != nil {
				return 0, nil, err
			}
			io.WriteString(s.Conn(), "</stream:stream>") // the account is there, whatever becomes of it
			return 0, nil, errRegistered
		},
	}
}

// inBand asks what the server wants to know, and tells it (XEP-0077, 3.1).
func inBand(s *xmpp.Session, a *Account, self jid.JID) error {
	answer, err := exchange(s, "get", self.Domainpart(), []byte("<query xmlns='"+nsRegister+"'/>"))
	if err != nil {
		return refusedRegistration(a, self, err)
	}
	query := answer.Child("query")
	if query == nil || query.Name.Space != nsRegister {
		return notCreated(a, nil, "the server does not say what a registration needs: ask its administrator for the account, and leave create out")
	}
	payload, err := fillIn(query, self.Localpart(), a.Password)
	if err != nil {
		return notCreated(a, err, err.Error())
	}
	if _, err = exchange(s, "set", self.Domainpart(), payload); err != nil {
		return refusedRegistration(a, self, err)
	}
	return nil
}

// exchange sends a request to the server and returns its result. A stanza error comes as
// *ext.StanzaError.
func exchange(s *xmpp.Session, typ, to string, payload []byte) (*wire.Element, error) {
	id := random()
	out := wire.AppendAttr([]byte("<iq type='"+typ+"' id='"+id+"'"), "to", to)
	out = append(append(append(out, '>'), payload...), "</iq>"...)
	if _, err := s.Conn().Write(out); err != nil {
		return nil, err
	}
	e, err := readElement(s)
	switch {
	case err != nil:
		return nil, err
	case e.Name.Local != "iq" || e.Attr("id") != id:
		return nil, fmt.Errorf("registration: unexpected <%s/>", e.Name.Local)
	case e.Attr("type") == "error":
		return nil, ext.ParseError(e)
	case e.Attr("type") != "result":
		return nil, fmt.Errorf("registration: unexpected answer of type %q", e.Attr("type"))
	}
	return e, nil
}
