package local

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base32"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/stream"
	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/xmpp/jid"
)

var errWrongPassword = errors.New("wrong name or password")

const (
	nsClient  = "jabber:client"
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"

	offerTLS   = "<starttls xmlns='" + nsTLS + "'><required/></starttls>"
	offerLogin = "<mechanisms xmlns='" + nsSASL + "'><mechanism>" + mechanism + "</mechanism></mechanisms>"
	offerBind  = "<bind xmlns='" + nsBind + "'/><session xmlns='" + nsSession + "'><optional/></session>"

	maxTries = 3  // to log in, or to bind, on one stream
	maxLang  = 64 // bytes; the tags of languages are shorter
)

// negotiation is a connection up to its login (RFC 6120, 4 to 7).
type negotiation struct {
	s      *Server
	ctx    context.Context
	sock   *socket
	from   string // whose tries count together
	c      *stream.Conn
	d      *xml.Decoder
	opened bool   // our header of this stream is sent
	lang   string // xml:lang of the client's header
	name   string
}

// negotiate does it all up to the request for a resource, which is answered by
// the stanza loop. The caller closes the connection.
func (n *negotiation) negotiate() (resource, id string, err error) {
	n.c = stream.NewConn(n.sock)
	if err := n.open(offerTLS); err != nil {
		return "", "", err
	}
	if err := n.secure(); err != nil {
		return "", "", err
	}
	if err := n.open(offerLogin); err != nil {
		return "", "", err
	}
	if err := n.login(); err != nil {
		return "", "", err
	}
	if err := n.open(offerBind); err != nil {
		return "", "", err
	}
	return n.bind()
}

// fail tells the client why the stream ends; connections that are lost are left
// alone.
func (n *negotiation) fail(err error) {
	e := streamError(err)
	if e == nil {
		return
	}
	var b []byte
	if !n.opened {
		b = n.header(b)
	}
	b = append(b, "<stream:error><"+e.Condition+" xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"...)
	if e.Text != "" {
		b = append(b, "<text xmlns='urn:ietf:params:xml:ns:xmpp-streams' xml:lang='en'>"...)
		b = append(wire.AppendText(b, e.Text), "</text>"...)
	}
	n.sock.linger.Store(true)
	n.sock.SetWriteDeadline(time.Now().Add(time.Second))
	n.c.Write(append(b, "</stream:error></stream:stream>"...))
}

// streamError tells what of an error the client should hear; nil for nothing.
func streamError(err error) *stream.Error {
	var known *stream.Error
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, errNegotiation), errors.Is(err, stream.ErrTooLarge), errors.Is(err, wire.ErrTooComplex):
		return &stream.Error{Condition: "policy-violation", Text: err.Error()}
	case errors.As(err, &syntax) && syntax.Msg != "unexpected EOF":
		return &stream.Error{Condition: "not-well-formed", Text: syntax.Msg}
	}
	return nil
}

// open reads the client's header, and answers with ours and the features.
func (n *negotiation) open(features string) error {
	n.opened = false
	n.d = xml.NewDecoder(n.c)
	for first := true; ; first = false {
		t, err := n.d.Token()
		if err != nil {
			return err
		}
		if p, ok := t.(xml.ProcInst); ok && first && p.Target == "xml" {
			continue
		}
		if text, ok := t.(xml.CharData); ok && strings.TrimSpace(string(text)) == "" {
			continue
		}
		if err := check(t); err != nil {
			return err
		}
		start, ok := t.(xml.StartElement)
		if !ok {
			return &stream.Error{Condition: "not-well-formed", Text: "text before the stream"}
		}
		if err := n.checkHeader(start); err != nil {
			return err
		}
		break
	}
	b := n.header(nil)
	b = append(append(b, "<stream:features>"...), features...)
	_, err := n.c.Write(append(b, "</stream:features>"...))
	n.opened = err == nil
	return err
}

func (n *negotiation) header(b []byte) []byte {
	b = append(b, "<?xml version='1.0'?><stream:stream xmlns='"+nsClient+"' xmlns:stream='"+stream.NS+"'"...)
	b = wire.AppendAttr(b, "id", random())
	b = wire.AppendAttr(b, "from", n.s.domain)
	return append(b, " version='1.0' xml:lang='en'>"...)
}

func (n *negotiation) checkHeader(start xml.StartElement) error {
	var to, version, space string
	n.lang = ""
	for _, a := range start.Attr {
		if isLang(a.Name) && len(a.Value) <= maxLang {
			n.lang = a.Value
		}
		if a.Name.Space != "" {
			continue
		}
		switch a.Name.Local {
		case "to":
			to = a.Value
		case "version":
			version = a.Value
		case "xmlns":
			space = a.Value
		}
	}
	switch {
	case start.Name.Space != stream.NS:
		return &stream.Error{Condition: "invalid-namespace"}
	case start.Name.Local != "stream":
		return &stream.Error{Condition: "bad-format"}
	case space != nsClient:
		return &stream.Error{Condition: "invalid-namespace", Text: "only " + nsClient}
	case !strings.HasPrefix(version, "1."):
		return &stream.Error{Condition: "unsupported-version"}
	}
	if to != "" {
		if j, err := jid.Parse(to); err != nil || j.String() != n.s.domain {
			return &stream.Error{Condition: "host-unknown"}
		}
	}
	return nil
}

func isLang(n xml.Name) bool { return n.Local == "lang" && isXML(n.Space) }

// isXML tells whether a namespace is the one that the prefix xml stands for; the
// decoder leaves the prefix in place.
func isXML(space string) bool {
	return space == "xml" || space == "http://www.w3.org/XML/1998/namespace"
}

// check refuses what XMPP forbids anywhere.
func check(t xml.Token) error {
	switch t.(type) {
	case xml.StartElement, xml.EndElement, xml.CharData:
		return nil
	}
	return &stream.Error{Condition: "restricted-xml", Text: "comments, directives and processing instructions are not allowed"}
}

// strict is the decoder with that check.
type strict struct{ d *xml.Decoder }

func (r strict) Token() (xml.Token, error) {
	t, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	return t, check(t)
}

// element reads the next whole element.
func (n *negotiation) element() (*wire.Element, error) {
	r := strict{n.d}
	for {
		t, err := r.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return wire.ReadElement(r, t)
		case xml.EndElement:
			return nil, io.EOF
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, &stream.Error{Condition: "not-well-formed", Text: "text between elements"}
			}
		}
	}
}

// secure switches to TLS; nothing else is possible before.
func (n *negotiation) secure() error {
	e, err := n.element()
	if err != nil {
		return err
	}
	if e.Name.Space == nsSASL {
		n.say("<failure xmlns='" + nsSASL + "'><encryption-required/></failure>")
		return &stream.Error{Condition: "policy-violation", Text: "STARTTLS comes first"}
	}
	if e.Name != (xml.Name{Space: nsTLS, Local: "starttls"}) {
		return &stream.Error{Condition: "not-authorized", Text: "STARTTLS comes first"}
	}
	if n.c.Buffered() > 0 { // they would be taken for encrypted ones
		return &stream.Error{Condition: "policy-violation", Text: "bytes in the clear after <starttls/>"}
	}
	if err := n.say("<proceed xmlns='" + nsTLS + "'/>"); err != nil {
		return err
	}
	secured := tls.Server(n.sock, n.s.tls)
	if err := secured.HandshakeContext(n.ctx); err != nil {
		return fmt.Errorf("TLS: %v", err) // nothing that could still be said
	}
	n.c = stream.NewConn(secured)
	return nil
}

func (n *negotiation) say(text string) error {
	_, err := io.WriteString(n.c, text)
	return err
}

// login authenticates the client with SCRAM-SHA-256.
func (n *negotiation) login() error {
	for range maxTries {
		e, err := n.element()
		if err != nil {
			return err
		}
		if e.Name.Space != nsSASL {
			return &stream.Error{Condition: "not-authorized", Text: "login comes first"}
		}
		failure, err := n.scram(e)
		if err != nil || failure == "" {
			return err
		}
		if err := n.say("<failure xmlns='" + nsSASL + "'><" + failure + "/></failure>"); err != nil {
			return err
		}
	}
	return &stream.Error{Condition: "policy-violation", Text: "too many failed logins"}
}

// scram does one login; failure is the condition when it failed.
func (n *negotiation) scram(e *wire.Element) (failure string, err error) {
	switch {
	case e.Name.Local == "abort":
		return "aborted", nil
	case e.Name.Local != "auth":
		return "malformed-request", nil
	case e.Attr("mechanism") != mechanism:
		return "invalid-mechanism", nil
	}
	msg, failure := decode(e.Text)
	if failure == "" && msg == "" {
		msg, failure, err = n.challenge("")
	}
	if failure != "" || err != nil {
		return failure, err
	}
	first, err := parseFirst(msg)
	if err != nil || first.binding {
		return "malformed-request", nil
	}
	name, cred, known, err := n.account(first.user)
	if err != nil {
		n.s.log.Error("an account of the local server cannot be read", "account", name, "err", err)
		return "temporary-auth-failure", nil
	}
	x := newExchange(first, cred, random())
	msg, failure, err = n.challenge(x.serverFirst)
	if failure != "" || err != nil {
		return failure, err
	}
	final, err := parseFinal(msg)
	if err != nil {
		return "malformed-request", nil
	}
	account, address := "account "+name, "address "+n.from
	if err := n.pause(n.s.guard.delay(account, address)); err != nil {
		return "", err
	}
	last, right := x.finish(final)
	switch {
	case !right || !known:
		if n.s.login != nil {
			n.s.login(name, n.from, errWrongPassword)
		}
		if count := n.s.guard.fail(address, account); count&(count-1) == 0 {
			n.s.log.Warn("login refused: wrong name or password", "account", name, "address", n.from, "failed", count)
		}
		return "not-authorized", nil
	case first.authzid != "" && !n.isSelf(first.authzid, name):
		return "invalid-authzid", nil
	}
	n.s.guard.succeed(account)
	n.name = name
	return "", n.say("<success xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString([]byte(last)) + "</success>")
}

// account finds the credential; that of nobody for a name without an account.
func (n *negotiation) account(user string) (name string, c Credential, known bool, err error) {
	name = user
	if j, err := jid.New(user, n.s.domain, ""); err == nil {
		name = j.Localpart()
		c, err = n.s.accounts.Account(name)
		if err == nil {
			return name, c, true, nil
		}
		if !errors.Is(err, ErrNoAccount) {
			return name, c, false, err
		}
	}
	return name, nobody(n.s.secret, name), false, nil
}

func (n *negotiation) isSelf(authzid, name string) bool {
	j, err := jid.Parse(authzid)
	return err == nil && j.String() == name+"@"+n.s.domain
}

// challenge sends one and returns the response.
func (n *negotiation) challenge(text string) (msg, failure string, err error) {
	if err := n.say("<challenge xmlns='" + nsSASL + "'>" + base64.StdEncoding.EncodeToString([]byte(text)) + "</challenge>"); err != nil {
		return "", "", err
	}
	e, err := n.element()
	switch {
	case err != nil:
		return "", "", err
	case e.Name.Space == nsSASL && e.Name.Local == "abort":
		return "", "aborted", nil
	case e.Name.Space != nsSASL || e.Name.Local != "response":
		return "", "malformed-request", nil
	}
	msg, failure = decode(e.Text)
	return msg, failure, nil
}

func decode(text string) (msg, failure string) {
	if text == "=" {
		return "", ""
	}
	b, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return "", "incorrect-encoding"
	}
	return string(b), ""
}

func (n *negotiation) pause(d time.Duration) error {
	if d == 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-n.ctx.Done():
		return n.ctx.Err()
	}
}

// bind reads the request for a resource.
func (n *negotiation) bind() (resource, id string, err error) {
	for range maxTries {
		e, err := n.element()
		if err != nil {
			return "", "", err
		}
		request := e.First()
		if e.Name != (xml.Name{Space: nsClient, Local: "iq"}) || request == nil || request.Name != (xml.Name{Space: nsBind, Local: "bind"}) {
			return "", "", &stream.Error{Condition: "not-authorized", Text: "resource binding comes first"}
		}
		id = e.Attr("id")
		if e.Attr("type") == "set" && id != "" {
			var wanted string
			if r := request.Child("resource"); r != nil {
				wanted = r.Text
			}
			if wanted == "" {
				wanted = random()
			}
			if j, err := jid.New(n.name, n.s.domain, wanted); err == nil {
				return j.Resourcepart(), id, nil
			}
		}
		b := wire.AppendAttr([]byte("<iq type='error'"), "id", id)
		b = append(b, '>')
		b = (&ext.StanzaError{Type: "modify", Condition: "bad-request"}).Append(b)
		if _, err := n.c.Write(append(b, "</iq>"...)); err != nil {
			return "", "", err
		}
	}
	return "", "", &stream.Error{Condition: "policy-violation", Text: "too many attempts to bind a resource"}
}

// random returns 100 random bits as text.
func random() string {
	var b [15]byte
	rand.Read(b[:])
	return strings.ToLower(base32.StdEncoding.EncodeToString(b[:]))[:20]
}
