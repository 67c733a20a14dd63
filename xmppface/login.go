package xmppface

import (
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/xmppface/wire"
	"mellium.im/sasl"
	"mellium.im/xmpp"
)

const nsSASL = "urn:ietf:params:xml:ns:xmpp-sasl"

// maxIterations bounds the work that a server can ask of us. With fewer than
// minIterations (RFC 7677, 4) our proof would tell too much of the password to a
// server that is a false one.
const (
	minIterations = 4096
	maxIterations = 1_000_000
)

var iterations = regexp.MustCompile(`(?:^|,)i=([^,]*)`)

// login is the stream feature SASL (RFC 6120, 6) with SCRAM, client side, bound to the
// TLS connection where both ends can. The library's own does not tell a wrong password
// from other failures.
func login(user, password string, ch *channel) xmpp.StreamFeature {
	return xmpp.StreamFeature{
		Name:       xml.Name{Space: nsSASL, Local: "mechanisms"},
		Necessary:  xmpp.Secure,
		Prohibited: xmpp.Authn,
		Parse: func(_ context.Context, d *xml.Decoder, start *xml.StartElement) (bool, any, error) {
			var offer struct {
				Mechanisms []string `xml:"mechanism"`
			}
			err := d.DecodeElement(&offer, start)
			return true, offer.Mechanisms, err
		},
		Negotiate: func(_ context.Context, s *xmpp.Session, data any) (xmpp.SessionState, io.ReadWriter, error) {
			offered, _ := data.([]string)
			listed, _ := s.Feature(nsBindings)
			kinds, _ := listed.([]string)
			st := s.ConnectionState()
			name, m, ok := choose(offered, kinds, st, ch.isOff())
			if !ok {
				return 0, nil, &Failure{Kind: NoMechanism,
					Text: "the server offers no way to log in that does not show it the password: it must offer SCRAM-SHA-256 or SCRAM-SHA-1, but has " + strings.Join(offered, " ")}
			}
			if ch.must && !strings.HasSuffix(name, "-PLUS") {
				return 0, nil, &Failure{Kind: Unbound, Text: "channel_binding is required, and the server offers no login that is bound to our TLS connection: it has " +
					strings.Join(offered, " ") + ". Prosody 0.12 has it with TLS 1.2 only, ejabberd 23.01, too; if it had it before, somebody may be in between"}
			}
			client := sasl.NewClient(m, sasl.TLSState(st), sasl.RemoteMechanisms(offered...),
				sasl.Credentials(func() ([]byte, []byte, []byte) { return []byte(user), []byte(password), nil }))
			if err := authenticate(s, name, m.Name, client); err != nil {
				return 0, nil, err
			}
			ch.worked(strings.HasSuffix(name, "-PLUS"))
			return xmpp.Authn, s.Conn(), nil
		},
	}
}

// authenticate logs in by the mechanism of that name; form is the name of the one that
// says what we do of channel binding.
func authenticate(s *xmpp.Session, name, form string, client *sasl.Negotiator) error {
	more, response, err := client.Step(nil)
	if err != nil {
		return err
	}
	head := "<auth xmlns='" + nsSASL + "' mechanism='" + name + "'>"
	tail := "</auth>"
	for {
		text := base64.StdEncoding.EncodeToString(response)
		if text == "" && tail == "</auth>" {
			text = "="
		}
		if _, err := io.WriteString(s.Conn(), head+text+tail); err != nil {
			return err
		}
		e, err := readElement(s)
		if err != nil {
			return err
		}
		if e.Name.Space != nsSASL {
			return fmt.Errorf("login: unexpected <%s/>", e.Name.Local)
		}
		text = strings.TrimSpace(e.Text)
		if text == "=" {
			text = ""
		}
		challenge, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return fmt.Errorf("login: the server's answer cannot be read: %w", err)
		}
		switch e.Name.Local {
		case "challenge":
			if !more {
				return errors.New("login: the server asks for more than the mechanism has")
			}
			if tail == "</auth>" { // the first one
				if err := checkIterations(challenge); err != nil {
					return err
				}
			}
			if more, response, err = client.Step(challenge); err != nil {
				return fmt.Errorf("login: %w", err)
			}
			head, tail = "<response xmlns='"+nsSASL+"'>", "</response>"
		case "success":
			// The server proves here that it knows the password, too.
			if more {
				if more, _, err = client.Step(challenge); err != nil {
					return fmt.Errorf("login: %w", err)
				}
			}
			if more {
				return errors.New("login: the server ended it before it proved who it is")
			}
			return nil
		case "failure":
			return refused(e, name, form)
		default:
			return fmt.Errorf("login: unexpected <%s/>", e.Name.Local)
		}
	}
}

// checkIterations refuses a challenge with too many or too few rounds.
func checkIterations(challenge []byte) error {
	all := iterations.FindAllSubmatch(challenge, -1)
	if len(all) != 1 {
		return errors.New("login: the server does not say once how many rounds of hashing it wants")
	}
	n, err := strconv.ParseUint(string(all[0][1]), 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange), err == nil && n > maxIterations:
		return fmt.Errorf("login: the server asks for %s rounds of hashing, more than %d", all[0][1], maxIterations)
	case err != nil:
		return fmt.Errorf("login: the server asks for %q rounds of hashing", all[0][1])
	case n < minIterations:
		return fmt.Errorf("login: the server asks for %d rounds of hashing, fewer than %d: let it store the password anew, with more", n, minIterations)
	}
	return nil
}

// refused explains a failed login by a mechanism, and a form of it.
func refused(e *wire.Element, mechanism, form string) error {
	condition, text := "not-authorized", ""
	for _, c := range e.Children {
		if c.Name.Local == "text" {
			text = c.Text
		} else {
			condition = c.Name.Local
		}
	}
	cause := errors.New(strings.TrimSpace(condition + " " + text))
	switch {
	case !strings.HasSuffix(form, "-PLUS") || !aboutBinding(condition, text):
	case form == mechanism:
		return &errBinding{cause.Error()}
	default: // we have said that the server does not bind
		return &Failure{Kind: Unbound, Err: cause, Text: "the server refuses that we do not bind the login to the TLS connection (" + cause.Error() +
			"), which it did not offer to us: somebody in between may have cut its offer; ask the server's owner for its key, and write it under pins"}
	}
	switch condition {
	case "account-disabled":
		return &Failure{Kind: Disabled, Err: cause, Text: because("the server's administrator has disabled the account", text) + ": ask for it to be enabled again"}
	case "credentials-expired":
		return &Failure{Kind: PasswordExpired, Err: cause, Text: because("the password of the account has expired", text) + ": set a new one on the server, and write it into the configuration"}
	case "policy-violation":
		return &Failure{Kind: RateLimit, Err: cause, Text: because("the server refuses logins for now, perhaps after too many wrong ones", text) + ": wait, or ask the server's administrator"}
	case "not-authorized", "invalid-authzid":
		return &Failure{Kind: WrongPassword, Err: cause,
			Text: "the server does not accept the account or its password (" + condition + "): check both"}
	case "temporary-auth-failure":
		return &Failure{Kind: LoginDown, Err: cause, Text: because("the server cannot check logins at present ("+condition+")", text) + ": when that lasts, its administrator should look at its user database"}
	}
	return &Failure{Kind: NoMechanism, Err: cause, Text: "the login failed: " + cause.Error()}
}

func because(what, text string) string {
	if text == "" {
		return what
	}
	return what + " (" + text + ")"
}

// readElement reads one whole element during the negotiation.
func readElement(s *xmpp.Session) (*wire.Element, error) {
	r := s.TokenReader()
	defer r.Close()
	for {
		t, err := r.Token()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.StartElement:
			return wire.ReadElement(r, t)
		case xml.CharData: // white space
		default:
			return nil, errors.New("the server ended the stream during the negotiation")
		}
	}
}
