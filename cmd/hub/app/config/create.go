package config

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/xmppface"
)

// password reads the password of the account, and create. Where the hub shall create the
// account there need be no password yet: the hub makes one and keeps it in PasswordFile.
func (c *Config) password(x *XMPP, xmpp strict.Value, f map[string]strict.Value) {
	if v, ok := f["create"]; ok {
		x.Create = flag(v, "create")
		if x.Create && x.Component {
			v.Problem("a component cannot be created from here; write it into the server's configuration, and leave create out")
		}
	}
	p, named := f["password_file"]
	switch {
	case named && !x.Create:
		x.PasswordFile, x.Password = c.path(p.Text("password_file")), c.secret(p)
		return
	case !x.Create:
		xmpp.Problem("password_file is missing; write the path of a file that holds the password in one line, or create: true for an account that the hub shall create")
		return
	case named:
		if x.PasswordFile = c.path(p.Text("password_file")); x.PasswordFile == "" {
			p.Problem("write the path of the file in which the hub shall keep the password, or leave password_file out")
			return
		}
	default:
		x.PasswordFile, p = filepath.Join(c.Data, "password-"+account(x.JID)), xmpp
	}
	if _, err := os.Stat(x.PasswordFile); !errors.Is(err, fs.ErrNotExist) {
		x.Password = c.line(p, x.PasswordFile)
	}
}

// account is an address in the one form that stands for all its spellings. A password is
// that of one account, so that it is shown to no other server.
func account(jid string) string {
	if bare, _, err := xmppface.Normalize(jid); err == nil {
		return bare
	}
	return jid
}
