package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/xmppface"
)

// profile is a hub somewhere and the account by which a person reaches it.
type profile struct {
	JID          string // the person's account
	Password     string // or
	PasswordFile string // a file that holds it in one line
	To           string // the hub's address
	Server       string // host:port; empty: by SRV
	CAFile       string // empty: the system's authorities
}

// remote are the options that name a hub by its address.
type remote struct {
	Profile      string `help:"A hub somewhere, by the name of its profile; \"hub profile ls\" lists them." placeholder:"NAME"`
	JID          string `help:"Your account, name@domain; with --to and --password-file, instead of a profile." name:"jid" placeholder:"JID"`
	PasswordFile string `help:"File that holds the password of --jid in one line, and that only you can read." placeholder:"FILE"`
	To           string `help:"Address of the hub to speak to." placeholder:"JID"`
	Server       string `help:"host:port of the server of --jid; else as DNS says." placeholder:"ADDR"`
	CAFile       string `help:"Authorities in PEM that the server's certificate is of; else those of the system." name:"ca-file" placeholder:"FILE"`
}

// named tells whether the options name a hub by its address.
func (r *remote) named() bool { return *r != remote{} }

// resolve returns the profile that the options name, with its password.
func (r *remote) resolve() (*profile, error) {
	x := profile{JID: r.JID, PasswordFile: r.PasswordFile, To: r.To, Server: r.Server, CAFile: r.CAFile}
	if r.Profile != "" {
		file, err := profileFile()
		if err != nil {
			return nil, err
		}
		all, err := readProfiles(file)
		if err != nil {
			return nil, err
		}
		base, ok := all[r.Profile]
		if !ok {
			return nil, usageError{unknownProfile(r.Profile, all)}
		}
		x.JID, x.To = cmp.Or(x.JID, base.JID), cmp.Or(x.To, base.To)
		x.Server, x.CAFile = cmp.Or(x.Server, base.Server), cmp.Or(x.CAFile, base.CAFile)
		if x.PasswordFile == "" {
			x.Password, x.PasswordFile = base.Password, base.PasswordFile
		}
	}
	if err := x.check(); err != nil {
		return nil, usageError{err}
	}
	if x.Password == "" {
		var err error
		if x.Password, err = readSecret(x.PasswordFile); err != nil {
			return nil, err
		}
	}
	return &x, nil
}

func unknownProfile(name string, all map[string]profile) error {
	if len(all) == 0 {
		return fmt.Errorf("there is no profile %q, and no other; make one with \"hub profile add %s --jid JID --to JID\"", name, name)
	}
	return fmt.Errorf("there is no profile %q; there are: %s", name, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
}

// check tells what of a profile is missing or makes no sense.
func (x *profile) check() error {
	switch {
	case x.JID == "":
		return errors.New("your account is missing: add --jid name@domain, or name a profile with --profile")
	case x.To == "":
		return errors.New("the hub's address is missing: add --to name@domain")
	case x.Password == "" && x.PasswordFile == "":
		return errors.New("the password is missing: add --password-file FILE, a file that holds it in one line")
	}
	if bare, full, err := xmppface.Normalize(x.JID); err != nil || bare != full || !strings.Contains(bare, "@") {
		return fmt.Errorf("%q is no account; write it as name@domain, without a resource", x.JID)
	}
	if bare, full, err := xmppface.Normalize(x.To); err != nil || bare != full {
		return fmt.Errorf("%q is no hub's address; write it as name@domain, without a resource", x.To)
	}
	if x.Server != "" {
		host, port, err := net.SplitHostPort(x.Server)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil || host == "" {
			return fmt.Errorf("%q is no address of a server; write host:port, e.g. 192.0.2.10:5222", x.Server)
		}
	}
	return nil
}

// readSecret reads a file of one line that only this user can read.
func readSecret(file string) (string, error) {
	b, err := readPrivate(file)
	if err != nil {
		return "", err
	}
	s := strings.TrimRight(string(b), "\r\n")
	if s == "" || strings.ContainsAny(s, "\r\n") || len(s) > 1024 {
		return "", fmt.Errorf("%s must hold the password and nothing else, in one line", file)
	}
	return s, nil
}

// readPrivate reads a file with secrets, unless others can read it too.
func readPrivate(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder; name a file", file)
	case info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0:
		return nil, fmt.Errorf("%s holds a password and can be read by others: run \"chmod 600 %s\"", file, file)
	}
	return readUpTo(f, strict.MaxSize)
}

// profileFile is the file of this user's profiles: hub/profiles.yaml in
// XDG_CONFIG_HOME, by default ~/.config.
func profileFile() (string, error) {
	dir := os.Getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("nobody knows where your profiles are: set HOME or XDG_CONFIG_HOME (%w)", err)
		}
		dir = filepath.Join(home, ".config")
	}
	return filepath.Join(dir, "hub", "profiles.yaml"), nil
}

// profileName is what a profile may be called.
var profileName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// readProfiles reads the profiles of a file; there are none where it is not there.
func readProfiles(file string) (map[string]profile, error) {
	b, err := readPrivate(file)
	if errors.Is(err, fs.ErrNotExist) {
		return map[string]profile{}, nil
	}
	if err != nil {
		return nil, err
	}
	return parseProfiles(file, b)
}

// parseProfiles reads profiles by name. Its errors are of type *strict.Problems.
func parseProfiles(file string, b []byte) (map[string]profile, error) {
	doc, top, err := strict.Parse(file, b)
	if err != nil {
		return nil, err
	}
	out := make(map[string]profile)
	for _, e := range top.Entries("the profiles") {
		if !profileName.MatchString(e.Key) {
			e.Position.Problem("%q is no name of a profile; use letters, digits, dots, dashes and underscores", e.Key)
			continue
		}
		what := "profile " + e.Key
		f := e.Value.Fields(what, "jid", "password", "password_file", "to", "server", "ca_file")
		x := profile{JID: f["jid"].Text("jid"), Password: f["password"].Text("password"), PasswordFile: beside(file, f["password_file"].Text("password_file")),
			To: f["to"].Text("to"), Server: f["server"].Text("server"), CAFile: beside(file, f["ca_file"].Text("ca_file"))}
		var wrong string
		switch {
		case x.JID == "":
			wrong = "jid is missing; write your account, e.g. jid: me@example.org"
		case x.To == "":
			wrong = "to is missing; write the hub's address, e.g. to: gateway-7@example.org"
		case x.Password == "" && x.PasswordFile == "":
			wrong = "the password is missing; write password, or password_file with the path of a file that holds it"
		case x.Password != "" && x.PasswordFile != "":
			wrong = "password and password_file are both there; leave one of them away"
		default:
			if err := x.check(); err != nil {
				wrong = err.Error()
			}
		}
		if wrong != "" {
			e.Position.Problem("%s: %s", what, wrong)
		}
		out[e.Key] = x
	}
	return out, doc.Err()
}

// beside is a path that begins at the folder of a file.
func beside(file, path string) string {
	if path == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(filepath.Dir(file), path)
}

// writeProfiles replaces the file, for this user's eyes only.
func writeProfiles(file string, all map[string]profile) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), "profiles-*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(appendProfiles(nil, all))
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), file)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// appendProfiles appends the file that [parseProfiles] reads.
func appendProfiles(b []byte, all map[string]profile) []byte {
	b = append(b, "# Hubs that \"hub --profile NAME\" speaks to. \"hub profile add\" and \"rm\" write this file anew.\n"...)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x := all[name]
		b = append(b, quoted(name)+":\n"...)
		for _, f := range [...]struct{ key, value string }{{"jid", x.JID}, {"password", x.Password}, {"password_file", x.PasswordFile},
			{"to", x.To}, {"server", x.Server}, {"ca_file", x.CAFile}} {
			if f.value != "" {
				b = append(b, "  "+f.key+": "+quoted(f.value)+"\n"...)
			}
		}
	}
	return b
}

// quoted is a text as YAML has it between quotes, which is as JSON has it.
func quoted(s string) string {
	b, _ := json.Marshal(s) // a string cannot fail
	return string(b)
}
