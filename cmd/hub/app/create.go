package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface"
)

// generatePassword makes a password of 32 characters, 192 random bits.
func generatePassword() string {
	const characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var b [32]byte
	rand.Read(b[:])
	for i := range b {
		b[i] = characters[b[i]&63]
	}
	return string(b[:])
}

// creation implements xmppface.Creation: the accounts that have worked are noted on a
// shelf, by their address.
type creation struct {
	shelf nodes.Shelf
	jid   string
}

func (c creation) Confirmed() bool {
	_, ok := c.shelf.Get(c.jid)
	return ok
}

func (c creation) Confirm() { c.shelf.Put(c.jid, []byte("created")) }

// brokerAccount is the account on the broker. Where the hub shall create it, a password is
// made and kept before anything is asked of the server: what a crash leaves is used again.
func (h *hub) brokerAccount() (xmppface.Account, error) {
	x := h.cfg.XMPP
	a := account(x)
	if !x.Create {
		return a, nil
	}
	jid, _, err := xmppface.Normalize(x.JID)
	if err != nil {
		return a, fmt.Errorf("xmpp account %s: %w", x.JID, err)
	}
	c := creation{h.db.Shelf("account"), jid}
	if a.Password == "" {
		if c.Confirmed() {
			return a, fmt.Errorf("xmpp account %s: it was created before, but its password is gone: put the file %s back, or ask the server's administrator for a new password", x.JID, x.PasswordFile)
		}
		if a.Password, err = keepPassword(x.PasswordFile); err != nil {
			return a, fmt.Errorf("xmpp account %s: the password of the account cannot be kept: %w; leave password_file out, then it is kept in %s", x.JID, err, h.cfg.Data)
		}
		h.log.Info("a password was made for an account that is to be created", "account", x.JID, "file", x.PasswordFile)
	}
	a.Creation = c
	return a, nil
}

// keepPassword makes a password and puts it into a new file that only its owner can read,
// on the disk for good when it returns. Where the file is there, its password is returned.
func keepPassword(file string) (string, error) {
	b, err := os.ReadFile(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return strings.TrimRight(string(b), "\r\n"), err
	}
	password := generatePassword()
	return password, writeKeys(file, password+"\n")
}

// once implements xmppface.Creation for a command that connects once.
type once struct{ worked bool }

func (o *once) Confirmed() bool { return o.worked }

func (o *once) Confirm() { o.worked = true }

// isNotCreated tells whether the server has refused to create an account.
func isNotCreated(err error) bool {
	f := new(xmppface.Failure)
	return errors.As(err, &f) && f.Kind == xmppface.NotCreated
}
