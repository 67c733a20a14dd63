package xmppface

import (
	"errors"

	"github.com/fieldhub/hub/xmppface/ext"
	"mellium.im/xmpp/jid"
	xmppstream "mellium.im/xmpp/stream"
)

// NotCreated is the kind of a [Failure] when the account is not there and cannot be made.
const NotCreated FailureKind = "account not created"

// registrationRefused is the cause of failures after which a registration shall rest for a while:
// servers count who asks often.
type registrationRefused struct{ error }

// Unwrap returns what the server said.
func (r registrationRefused) Unwrap() error { return r.error }

// isRegistrationRefused tells whether a failure is a server's answer to a registration.
func isRegistrationRefused(err error) bool { return errors.As(err, new(registrationRefused)) }

func notCreated(a *Account, cause error, text string) *Failure {
	if cause == nil {
		cause = errors.New(text)
	}
	return &Failure{Kind: NotCreated, Err: registrationRefused{cause}, Text: "the login as " + a.JID + " was refused, and the account was not created: " + text}
}

// refusedRegistration explains what a server answered. Other errors are passed on.
func refusedRegistration(a *Account, self jid.JID, err error) error {
	if broken := (xmppstream.Error{}); errors.As(err, &broken) {
		if broken.Err == "not-authorized" || broken.Err == "unsupported-stanza-type" {
			return notCreated(a, err, switchedOff(self, ""))
		}
		return err
	}
	said := new(ext.StanzaError)
	if !errors.As(err, &said) {
		return err
	}
	text := shown(said.Text)
	wait := func(what string) error {
		return &Failure{Kind: RateLimit, Err: registrationRefused{err}, Text: "the login as " + a.JID + " was refused, and the account was not created yet: " + because(what, text) +
			"; the hub tries again later, or ask the server's administrator for the account"}
	}
	switch said.Condition {
	case "conflict":
		return notCreated(a, err, because("the name "+self.Localpart()+" is taken at "+self.Domainpart(), text)+
			", and the password is not that account's: choose another name, or write the password of that account into password_file")
	case "resource-constraint":
		return wait("the server makes no more accounts for now, as there were others from here just before")
	case "policy-violation":
		if said.Type == "wait" {
			return wait("the server makes no more accounts for now, as there were others from here just before")
		}
		return notCreated(a, err, because("it is against the server's rules", text)+": ask its administrator")
	case "not-allowed", "service-unavailable", "feature-not-implemented", "forbidden", "registration-required", "not-authorized":
		return notCreated(a, err, switchedOff(self, text))
	case "not-acceptable", "bad-request":
		if said.Type == "wait" {
			return wait("the server makes no more accounts for now")
		}
		return notCreated(a, err, because("the server does not accept what it was told (name or password)", text)+
			": choose another name, or ask the server's administrator what it wants")
	case "jid-malformed":
		return notCreated(a, err, because("the server does not accept the name "+self.Localpart(), text)+": choose another one")
	}
	if said.Type == "wait" {
		return wait("the server cannot create it for now")
	}
	return notCreated(a, err, said.Error())
}

func switchedOff(self jid.JID, text string) string {
	return because("the server of "+self.Domainpart()+" lets nobody register, or not from this network", text) +
		": ask its administrator for the account, or to allow the registration (Prosody: mod_register_ibr and allow_registration; ejabberd: mod_register)"
}
