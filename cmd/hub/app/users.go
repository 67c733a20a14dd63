package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/local"
)

// users are the accounts of the local server: those of the owner and the hub, which
// are new at each start, and those that the owner made, of which the hashes of their
// passwords are kept on a shelf. All of them have the hub as their contact. Safe for
// concurrent use.
type users struct {
	local.Memory
	shelf nodes.Shelf
	log   *slog.Logger
}

var userName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,63}$`)

// Account implements local.Accounts.
func (u *users) Account(name string) (local.Credential, error) {
	if c, err := u.Memory.Account(name); err == nil {
		return c, nil
	}
	b, ok := u.shelf.Get(name)
	if !ok {
		return local.Credential{}, local.ErrNoAccount
	}
	var c local.Credential
	if err := json.Unmarshal(b, &c); err != nil {
		u.log.Error("an account of the local server is damaged: set its password anew", "account", name, "error", err)
		return c, local.ErrNoAccount
	}
	return c, nil
}

// names are the accounts that the owner made, sorted.
func (u *users) names() (out []string) {
	u.shelf.Range(func(name string, _ []byte) bool {
		out = append(out, name)
		return true
	})
	return out
}

// set makes an account, or gives it another password.
func (u *users) set(name, password string) error {
	if !userName.MatchString(name) {
		return fmt.Errorf("%q is no name for an account: up to 64 lower-case letters, digits, dots, dashes and underscores", name)
	}
	if name == ownerName || name == hubName {
		return fmt.Errorf("%s is an account of the hub's own; its password is new at each start", name)
	}
	c, err := local.NewCredential(password)
	if err != nil {
		return err
	}
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	u.shelf.Put(name, b)
	return nil
}

// remove takes an account away.
func (u *users) remove(name string) error {
	if _, ok := u.shelf.Get(name); !ok {
		return errors.New("there is no account " + name)
	}
	u.shelf.Delete(name)
	return nil
}

// befriend makes the hub and an account of its server contacts.
func (h *hub) befriend(name string) error {
	return errors.Join(h.local.SetContact(name, local.Contact{JID: h.owner.Hub, To: true, From: true, Listed: true}),
		h.local.SetContact(hubName, local.Contact{JID: name + "@" + h.local.Domain(), To: true, From: true, Listed: true}))
}

// SetUser implements owner.Backend.
func (h *hub) SetUser(c nodes.Caller, name, password string) (err error) {
	if err := h.admit(c); err != nil {
		return err
	}
	_, known := h.users.shelf.Get(name)
	defer func() {
		action := "add user"
		if known {
			action = "change password"
		}
		h.noteOwner(c, action, name, err)
	}()
	if err := h.users.set(name, password); err != nil {
		return err
	}
	if known {
		h.local.Expel(name)
	}
	return h.befriend(name)
}

// RemoveUser implements owner.Backend.
func (h *hub) RemoveUser(c nodes.Caller, name string) (err error) {
	if err := h.admit(c); err != nil {
		return err
	}
	defer func() { h.noteOwner(c, "remove user", name, err) }()
	if err := h.users.remove(name); err != nil {
		return err
	}
	h.local.Expel(name)
	return errors.Join(h.users.DeleteContact(name, h.owner.Hub), h.local.SetContact(hubName, local.Contact{JID: name + "@" + h.local.Domain()}))
}

// Users implements owner.Backend.
func (h *hub) Users(c nodes.Caller) ([]string, error) {
	if err := h.admit(c); err != nil {
		return nil, err
	}
	var out []string
	for _, name := range h.users.names() {
		out = append(out, name+"@"+h.local.Domain())
	}
	return out, nil
}
