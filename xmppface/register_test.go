package xmppface

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/wire"
)

// creation is what a test knows of an account.
type creation struct {
	before    bool
	confirmed atomic.Int32
}

func (c *creation) Confirmed() bool { return c.before || c.confirmed.Load() > 0 }

func (c *creation) Confirm() { c.confirmed.Add(1) }

const (
	plainQuery   = "<query xmlns='jabber:iq:register'><instructions>Choose.</instructions><username/><password/></query>"
	refusedLogin = "<failure xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><not-authorized/></failure>"
)

func stanzaError(typ, condition, text string) string {
	return "<error type='" + typ + "'><" + condition + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>" + text + "</text></error>"
}

// registering scripts a server that refuses each login and answers a registration with
// what is given: a payload, an error, or raw when it begins with "<stream:". What was set
// is passed on.
func registering(t *testing.T, features, get, set string) (Account, <-chan string) {
	sets := make(chan string, 10)
	a := secured(t, "localhost", func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, fakeHeader+"<stream:features>"+features+"</stream:features>")
		for {
			head := hear(">")
			if strings.HasPrefix(head, "<auth") {
				hear("</auth>")
				io.WriteString(c, refusedLogin)
				return
			}
			if !strings.HasPrefix(head, "<iq") {
				return
			}
			body := hear("</iq>")
			_, id, _ := strings.Cut(head, "id='")
			id, _, _ = strings.Cut(id, "'")
			answer := get
			if strings.Contains(head, "type='set'") {
				sets <- strings.TrimSuffix(body, "</iq>")
				answer = set
			}
			typ := "result"
			if strings.HasPrefix(answer, "<error") {
				typ = "error"
			}
			if strings.HasPrefix(answer, "<stream:") {
				io.WriteString(c, answer)
				return
			}
			io.WriteString(c, "<iq type='"+typ+"' id='"+id+"' from='localhost'>"+answer+"</iq>")
		}
	})
	a.Password = "p&ss"
	a.Creation = &creation{}
	return a, sets
}

const mechanism = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>SCRAM-SHA-1</mechanism></mechanisms>"

// TestRefusedRegistrations: what a server answers decides what the person is told.
func TestRefusedRegistrations(t *testing.T) {
	captcha := "<query xmlns='jabber:iq:register'><instructions>You need a client that supports x:data</instructions><username/><password/>" +
		"<x xmlns='jabber:x:data' type='form'><instructions>Fill in the form, please</instructions><field var='FORM_TYPE' type='hidden'><value>urn:xmpp:captcha</value></field>" +
		"<field var='captcha-fallback-url' type='text-single' label='web page'><value>https://example.org/captcha/7</value></field>" +
		"<field var='username' type='text-single'><required/></field><field var='password' type='text-private'><required/></field>" +
		"<field var='ocr' type='text-single' label='Enter the text you see'><required/></field></x></query>"
	for _, tt := range []struct {
		name, get, set string
		want           FailureKind
		words          []string
	}{
		{"taken", plainQuery, stanzaError("cancel", "conflict", "Exists."), NotCreated, []string{"the login as user@localhost was refused, and the account was not created", "user is taken at localhost (Exists.)", "password_file"}},
		{"off", stanzaError("cancel", "service-unavailable", ""), "", NotCreated, []string{"lets nobody register", "allow_registration"}},
		{"not allowed", plainQuery, stanzaError("cancel", "not-allowed", ""), NotCreated, []string{"lets nobody register"}},
		{"from elsewhere", plainQuery, stanzaError("auth", "forbidden", "Your IP address is not allowlisted"), NotCreated, []string{"network (Your IP address is not allowlisted)"}},
		{"off, stream closed", "<stream:error><not-authorized xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", "", NotCreated, []string{"lets nobody register"}},
		{"too many", plainQuery, stanzaError("wait", "resource-constraint", "Users are not allowed to register accounts so quickly"), RateLimit, []string{"so quickly", "tries again later"}},
		{"throttled", plainQuery, stanzaError("wait", "policy-violation", "Too many"), RateLimit, []string{"Too many", "tries again later"}},
		{"throttled, older server", plainQuery, stanzaError("wait", "not-acceptable", ""), RateLimit, []string{"tries again later"}},
		{"server down", plainQuery, stanzaError("wait", "internal-server-error", "Disk"), RateLimit, []string{"cannot create it for now (Disk)"}},
		{"rules", plainQuery, stanzaError("modify", "policy-violation", "No robots"), NotCreated, []string{"rules (No robots)"}},
		{"bad name", plainQuery, stanzaError("modify", "not-acceptable", "The requested username is invalid."), NotCreated, []string{"does not accept", "is invalid", "another name"}},
		{"malformed name", plainQuery, stanzaError("modify", "jid-malformed", ""), NotCreated, []string{"name user"}},
		{"unknown error", plainQuery, stanzaError("cancel", "gone", "Closed for ever"), NotCreated, []string{"Closed for ever (gone)"}},
		{"shutting down", plainQuery, "<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>", ServerShutdown, nil},
		{"cut off", plainQuery, "<stream:stream", Lost, nil},
		{"email", "<query xmlns='jabber:iq:register'><instructions>Tell us</instructions><username/><password/><email/><name/></query>", "", NotCreated, []string{"email, name", "Tell us", "by hand"}},
		{"captcha", captcha, "", NotCreated, []string{"ocr (Enter the text you see)", "Fill in the form, please", "https://example.org/captcha/7"}},
		{"web page", "<query xmlns='jabber:iq:register'><instructions>Use the web</instructions><x xmlns='jabber:x:oob'><url>https://example.org/register</url></x></query>", "", NotCreated, []string{"web page, https://example.org/register", "Use the web"}},
		{"nothing asked", "<query xmlns='jabber:iq:register'/>", "", NotCreated, []string{"name and a password"}},
		{"no query", "<other xmlns='urn:other'/>", "", NotCreated, []string{"does not say"}},
		{"odd form", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='odd'/></query>", "", NotCreated, []string{"cannot be filled in"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, sets := registering(t, mechanism, tt.get, tt.set)
			fails(t, a, tt.want, tt.words...)
			if n := len(sets); (n > 0) != (tt.set != "") {
				t.Errorf("%d registrations were sent", n)
			}
			if a.Creation.(*creation).Confirmed() {
				t.Error("it was confirmed")
			}
		})
	}
}

// TestRegistrationSent: what a server hears, and that the login is tried again then.
func TestRegistrationSent(t *testing.T) {
	const x = "<x xmlns='jabber:x:data' type='form'><instructions>Choose.</instructions><field var='FORM_TYPE' type='hidden'><value>jabber:iq:register</value></field>" +
		"<field var='username' type='text-single' label='Username'><required/></field><field var='password' type='text-private' label='Password'><required/></field>" +
		"<field var='lang' type='text-single'><required/><value>en</value></field><field var='email' type='text-single'/></x>"
	const announced = "<register xmlns='http://jabber.org/features/iq-register'/>"
	for _, tt := range []struct{ name, features, get, want string }{
		{"fields", mechanism, plainQuery, "<query xmlns='jabber:iq:register'><username>user</username><password>p&amp;ss</password></query>"},
		{"announced", mechanism + announced, plainQuery, "<query xmlns='jabber:iq:register'><username>user</username><password>p&amp;ss</password></query>"},
		{"key", mechanism, "<query xmlns='jabber:iq:register'><key>k1</key><username/><password/></query>",
			"<query xmlns='jabber:iq:register'><username>user</username><password>p&amp;ss</password><key>k1</key></query>"},
		{"form", mechanism, "<query xmlns='jabber:iq:register'><username/><password/><email/>" + x + "</query>",
			"<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>jabber:iq:register</value></field>" +
				"<field var='lang'><value>en</value></field><field var='password'><value>p&amp;ss</value></field><field var='username'><value>user</value></field></x></query>"},
		{"fields and a form of something else", mechanism, "<query xmlns='jabber:iq:register'><username/><password/><x xmlns='jabber:x:data' type='form'><field var='a'/></x></query>",
			"<query xmlns='jabber:iq:register'><username>user</username><password>p&amp;ss</password></query>"},
		{"fields, and the web too", mechanism, "<query xmlns='jabber:iq:register'><username/><password/><x xmlns='jabber:x:oob'><url>https://example.org</url></x></query>",
			"<query xmlns='jabber:iq:register'><username>user</username><password>p&amp;ss</password></query>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, sets := registering(t, tt.features, tt.get, "")
			fails(t, a, NotCreated, "has created the account", "approve") // the server refuses every login
			if len(sets) != 1 {
				t.Fatalf("%d registrations were sent, want 1", len(sets))
			}
			if got := <-sets; got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestNotRegistered: what is no missing account, or was there before, is not registered.
func TestNotRegistered(t *testing.T) {
	a, sets := registering(t, mechanism, plainQuery, "")
	a.Creation = nil
	fails(t, a, WrongPassword)
	a.Creation = &creation{before: true}
	fails(t, a, WrongPassword)
	clear := scripted(t, func(c net.Conn, hear func(string) string) {
		hear("'>")
		io.WriteString(c, fakeHeader+"<stream:features>"+mechanism+"<register xmlns='http://jabber.org/features/iq-register'/></stream:features>")
		if heard := hear("/>"); strings.Contains(heard, "<iq") || strings.Contains(heard, "<auth") {
			t.Errorf("heard in the clear: %s", heard)
		}
	})
	clear.Creation = &creation{}
	self, err := clear.fill()
	if err != nil {
		t.Fatal(err)
	}
	if err := register(within(t, 3*time.Second), &clear, self); err == nil {
		t.Error("registered in the clear")
	}
	if len(sets) != 0 {
		t.Error("it was registered")
	}
}

// FuzzFillIn: whatever a server asks, the answer is an element that can be read, and tells
// nothing but the name and the password.
func FuzzFillIn(f *testing.F) {
	f.Add(plainQuery)
	f.Add("<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='form'><field var='username'/><field var='password' type='text-private'/><field var='b' type='boolean'><value>1</value></field></x></query>")
	f.Add("<query xmlns='jabber:iq:register'><x xmlns='jabber:x:oob'><url>https://example.org</url></x></query>")
	f.Add("<query xmlns='jabber:iq:register'><username/><password/><email/></query>")
	f.Fuzz(func(t *testing.T, doc string) {
		query, err := wire.Parse(doc)
		if err != nil {
			return
		}
		out, err := fillIn(query, "user", "s3cret")
		if err != nil {
			if out != nil || strings.Contains(err.Error(), "s3cret") && !strings.Contains(doc, "s3cret") || len(err.Error()) > 2000 {
				t.Errorf("got %q, %v", out, err)
			}
			return
		}
		e, err := wire.Parse(string(out))
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if e.Name.Space != nsRegister || !strings.Contains(string(out), "user") || !strings.Contains(string(out), "s3cret") {
			t.Errorf("got %s", out)
		}
	})
}

// TestIsUnknownAccount: only what a missing account looks like is one.
func TestIsUnknownAccount(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{errors.New("not-authorized"), false},
		{&Failure{Kind: WrongPassword, Err: errors.New("not-authorized")}, true},
		{&Failure{Kind: WrongPassword, Err: errors.New("not-authorized Go away")}, true},
		{&Failure{Kind: WrongPassword, Err: errors.New("credentials-expired")}, false},
		{&Failure{Kind: Disabled, Err: errors.New("account-disabled")}, false},
		{&Failure{Kind: WrongPassword}, false},
	} {
		if got := isUnknownAccount(tt.err); got != tt.want {
			t.Errorf("%v: got %v, want %v", tt.err, got, tt.want)
		}
	}
}

// TestRegistrationRests: after a refusal a face asks more rarely than it connects else.
func TestRegistrationRests(t *testing.T) {
	a, _ := registering(t, mechanism, plainQuery, stanzaError("cancel", "conflict", ""))
	told := make(chan Status, 10)
	f, err := New(a, Options{First: time.Second, Last: 20 * time.Minute, OnStatus: func(st Status) { told <- st }})
	if err != nil {
		t.Fatal(err)
	}
	start(t, f.Run)
	select {
	case st := <-told:
		if rest := st.Retry.Sub(st.Since); st.Failure == nil || st.Failure.Kind != NotCreated || rest < 99*time.Minute {
			t.Errorf("got %v, and a rest of %v; want 100 minutes", st.Failure, rest)
		}
	case <-time.After(10 * time.Second):
		t.Error("no status")
	}
}
