package xmppface

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

const nsOOB = "jabber:x:oob"

// maxShown is how much of what a server writes for a person is passed on, in bytes.
const maxShown = 300

// fillIn answers what a server asks before it makes an account: the query to send. Where
// there is a data form it counts, not the plain fields (XEP-0077, 4). What only a person
// can know is an error that names it.
func fillIn(query *wire.Element, user, password string) ([]byte, error) {
	instructions := ""
	if e := query.Child("instructions"); e != nil {
		instructions = shown(e.Text)
	}
	if x := form.Find(query); x != nil {
		out, err := fillForm(x, instructions, user, password)
		if err != nil {
			return nil, err
		}
		if out != nil {
			return out, nil
		}
	}
	var fields, more []string
	for _, e := range query.Children {
		switch {
		case e.Name.Space != nsRegister:
		case e.Name.Local == "username" || e.Name.Local == "password":
			fields = append(fields, e.Name.Local)
		case e.Name.Local == "key": // of servers before the specification: it goes back
		case e.Name.Local != "instructions" && e.Name.Local != "registered":
			more = append(more, e.Name.Local)
		}
	}
	switch address := elsewhere(query); {
	case len(more) > 0:
		return nil, onlyPerson(more, instructions, elsewhere(query))
	case slices.Contains(fields, "username") && slices.Contains(fields, "password"):
	case address != "":
		return nil, fmt.Errorf("the server creates accounts only on a web page, %s: create it there%s", address, withInstructions(instructions))
	default:
		return nil, errors.New("the server does not ask for a name and a password, so it makes no account this way" + withInstructions(instructions))
	}
	out := append([]byte(nil), "<query xmlns='"+nsRegister+"'>"...)
	out = appendField(out, "username", user)
	out = appendField(out, "password", password)
	if key := query.Child("key"); key != nil && key.Name.Space == nsRegister {
		out = appendField(out, "key", key.Text)
	}
	return append(out, "</query>"...), nil
}

func appendField(b []byte, name, text string) []byte {
	b = append(b, "<"+name+">"...)
	b = wire.AppendText(b, text)
	return append(b, "</"+name+">"...)
}

// fillForm fills in a data form: name and password, what is hidden, and what has a value
// already. It returns nil for a form that asks for neither name nor password.
func fillForm(x *wire.Element, instructions, user, password string) ([]byte, error) {
	r, err := form.Parse(x)
	if err != nil {
		return nil, fmt.Errorf("the server's form cannot be filled in: %w", err)
	}
	if r.Instructions != "" {
		instructions = shown(r.Instructions)
	}
	values := make(nodes.Params)
	var more []string
	for _, p := range r.Params {
		switch {
		case p.ID == "username":
			values[p.ID] = nodes.String(user)
		case p.ID == "password":
			values[p.ID] = nodes.String(password)
		case !r.Values[p.ID].IsZero():
			values[p.ID] = r.Values[p.ID]
		case p.Required:
			more = append(more, called(&p))
		}
	}
	if len(more) > 0 {
		err := onlyPerson(more, instructions, "")
		if page := captchaAddress(x); page != "" {
			err = fmt.Errorf("%w; the server names %s", err, page)
		}
		return nil, err
	}
	if values["username"].IsZero() || values["password"].IsZero() {
		return nil, nil
	}
	out := form.AppendSubmit([]byte("<query xmlns='"+nsRegister+"'>"), r.Submission(values))
	return append(out, "</query>"...), nil
}

// called is a field as a person knows it.
func called(p *nodes.Param) string {
	if p.Label == "" || p.Label == p.ID {
		return shown(p.ID)
	}
	return shown(p.ID) + " (" + shown(p.Label) + ")"
}

// onlyPerson is why a hub cannot make the account.
func onlyPerson(fields []string, instructions, address string) error {
	slices.Sort(fields)
	text := "the server wants to know what only a person can tell: " + shown(strings.Join(fields, ", ")) + withInstructions(instructions)
	if address != "" {
		return errors.New(text + "; create the account by hand, at " + address)
	}
	return errors.New(text + "; create the account by hand, with any XMPP client")
}

func withInstructions(s string) string {
	if s == "" {
		return ""
	}
	return " (the server says: " + s + ")"
}

// elsewhere is the address to which a server sends those who want an account
// (XEP-0077, 5; XEP-0066), or "".
func elsewhere(e *wire.Element) string {
	for _, c := range e.Children {
		if c.Name.Local == "x" && c.Name.Space == nsOOB {
			if url := c.Child("url"); url != nil {
				return shown(url.Text)
			}
		}
	}
	return ""
}

// captchaAddress is the web page that does what a picture in the form asks for
// (XEP-0158, 4.3), or "".
func captchaAddress(x *wire.Element) string {
	for _, f := range x.Children {
		if f.Attr("var") == "captcha-fallback-url" || f.Attr("var") == "url" {
			if v := f.Child("value"); v != nil && strings.HasPrefix(strings.TrimSpace(v.Text), "http") {
				return shown(v.Text)
			}
		}
	}
	return ""
}

// shown is what a server wrote, in one line of bounded length.
func shown(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
