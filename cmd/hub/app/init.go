package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/fieldhub/hub/cmd/hub/app/config"
	"github.com/fieldhub/hub/xmppface"
)

type initCmd struct {
	File         string   `arg:"" optional:"" help:"Configuration file to write." default:"/etc/hub/hub.yaml"`
	Dir          string   `help:"Folder for the hub's data." default:"/var/lib/hub" placeholder:"DIR"`
	JID          string   `name:"account" help:"The hub's account on an XMPP server, name@domain; empty: local access only." placeholder:"JID"`
	Create       bool     `help:"The account is not there yet: let the server create it, with a password that is made here."`
	PasswordFile string   `help:"File that holds its password in one line; else it is asked for." placeholder:"FILE" type:"path" name:"account-password"`
	Server       string   `name:"broker" help:"host:port of the server, where DNS does not tell." placeholder:"HOST:PORT"`
	CAFile       string   `help:"Authorities of its certificate, where they are not the system's." placeholder:"FILE" type:"path" name:"broker-ca"`
	Admin        []string `help:"Addresses of people who may do everything." placeholder:"JID"`
	Viewer       []string `help:"Addresses of people who may see and read; \"@domain\" for everybody of a domain." placeholder:"JID"`
	Listen       string   `help:"Where the hub's own server listens." default:"127.0.0.1:5223"`
	NoTest       bool     `help:"Do not try the account."`
	Force        bool     `help:"Write over a file that is there, and write also when the account does not work."`
}

// Run asks what an installer can answer, tries the account, and writes hub.yaml.
func (c *initCmd) Run(p *program) error {
	if _, err := os.Stat(c.File); err == nil && !c.Force {
		return fmt.Errorf("%s is there already: edit it, name another file, or add --force", c.File)
	}
	password, err := c.ask(p)
	if err != nil {
		return err
	}
	folder := filepath.Dir(c.File)
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return err
	}
	secret := filepath.Join(folder, "password")
	made := false
	if c.JID != "" && c.Create && password == "" {
		if password = c.kept(secret); password == "" {
			password, made = generatePassword(), true
		}
	}
	if c.JID != "" {
		if err := writePrivate(secret, password+"\n"); err != nil {
			return err
		}
	}
	cfg, err := config.Parse(c.File, []byte(c.text(secret)))
	if err != nil {
		return err
	}
	if c.JID != "" && !c.NoTest {
		switch err := c.try(p, cfg.XMPP); {
		case err == nil:
			c.Create = false // it is there now
		case c.Force:
			fmt.Fprintf(p.err, "hub: %v\n", err)
		case made && isNotCreated(err):
			os.Remove(secret) // no server knows it
			return fmt.Errorf("%w\nNothing was written. Put it right and run it again, or add --force or --no-test", err)
		default:
			return fmt.Errorf("%w\nNothing but %s was written. Put it right and run it again, or add --force or --no-test", err, secret)
		}
	}
	if err := writePrivate(c.File, c.text(secret)); err != nil {
		return err
	}
	c.next(p)
	return nil
}

// try logs in, and lets the server create the account first where that is wanted.
func (c *initCmd) try(p *program, x *config.XMPP) error {
	fmt.Fprintf(p.err, "logging in as %s …\n", c.JID)
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	var creation xmppface.Creation
	if c.Create {
		creation = &once{}
	}
	jid, err := online(ctx, x, creation)
	if err == nil {
		fmt.Fprintf(p.err, "the account works: %s\n", jid)
	}
	return err
}

// kept is the password that was made for the account when this command ran before, or "".
func (c *initCmd) kept(secret string) string {
	if before, err := config.Load(c.File); !errors.Is(err, fs.ErrNotExist) && (err != nil || before.XMPP == nil || before.XMPP.JID != c.JID) {
		return "" // it is that of another account
	}
	b, err := os.ReadFile(secret)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(b), "\r\n")
}

// ask asks for what the flags do not say, if there is somebody to ask.
func (c *initCmd) ask(p *program) (password string, err error) {
	if c.PasswordFile != "" {
		b, err := os.ReadFile(c.PasswordFile)
		if err != nil {
			return "", err
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	if !isTerminal(os.Stdin) {
		if c.JID != "" && password == "" && !c.Create {
			return "", usageError{errors.New("there is nobody to ask for the password: name a file that holds it with --account-password, or add --create when the account is not there yet")}
		}
		return password, nil
	}
	in := bufio.NewReader(os.Stdin)
	question := func(text, help string) (string, error) {
		fmt.Fprintf(p.err, "%s\n  %s\n> ", text, help)
		if !typed(p.ctx, os.Stdin) {
			return "", errInterrupted
		}
		line, err := in.ReadString('\n')
		return strings.TrimSpace(line), err
	}
	if c.JID == "" {
		if c.JID, err = question("The hub's account on an XMPP server?", "name@domain, for access from anywhere; empty: from this machine only"); err != nil {
			return "", err
		}
	}
	if c.JID == "" {
		return "", nil
	}
	if password == "" && !c.Create {
		text, err := question("Is the account there already?", "empty: yes; no: the server shall create it, with a password that is made here")
		if err != nil {
			return "", err
		}
		c.Create = strings.HasPrefix(strings.ToLower(text), "n")
	}
	if password == "" && !c.Create {
		show := quietTerminal(os.Stdin, unix.ECHO)
		password, err = question("Its password?", "it is not shown")
		show()
		fmt.Fprintln(p.err)
		if err != nil {
			return "", err
		}
	}
	if len(c.Admin) == 0 && len(c.Viewer) == 0 {
		text, err := question("Who may do everything?", "addresses, name@domain, with blanks between; empty: nobody yet")
		if err != nil {
			return "", err
		}
		c.Admin = strings.Fields(strings.ReplaceAll(text, ",", " "))
	}
	return password, nil
}

// text is the configuration.
func (c *initCmd) text(secret string) string {
	var b bytes.Buffer
	quoted := func(list []string) string {
		var out []string
		for _, s := range list {
			out = append(out, strconv.Quote(s))
		}
		return strings.Join(out, ", ")
	}
	fmt.Fprintf(&b, "# Configuration of the daemon. hub check tells mistakes, hub check --online tries the account.\ndata: %s\n", strconv.Quote(c.Dir))
	if c.JID != "" {
		fmt.Fprintf(&b, "\nxmpp:\n  jid: %s\n  password_file: %s\n", strconv.Quote(c.JID), strconv.Quote(secret))
		if c.Create {
			b.WriteString("  create: true\n")
		}
		if c.Server != "" {
			fmt.Fprintf(&b, "  server: %s\n", strconv.Quote(c.Server))
		}
		if c.CAFile != "" {
			fmt.Fprintf(&b, "  ca_file: %s\n", strconv.Quote(c.CAFile))
		}
	}
	fmt.Fprintf(&b, "\nlocal:\n  listen: %s\n", strconv.Quote(c.Listen))
	if len(c.Admin)+len(c.Viewer) > 0 {
		b.WriteString("\n# Nobody else gets in. A change holds as soon as it is saved.\naccess:\n")
	}
	if len(c.Admin) > 0 {
		fmt.Fprintf(&b, "  - who: [%s]\n    may: [all]\n", quoted(c.Admin))
	}
	if len(c.Viewer) > 0 {
		fmt.Fprintf(&b, "  - who: [%s]\n    may: [see, read]\n", quoted(c.Viewer))
	}
	return b.String()
}

// next says what to do now.
func (c *initCmd) next(p *program) {
	fmt.Fprintf(p.out, "%s is written. Now:\n", c.File)
	fmt.Fprintf(p.out, "  hub run -c %s          start the hub; where it is installed: systemctl enable --now hub\n", c.File)
	fmt.Fprintf(p.out, "  hub types                          what can be added\n")
	fmt.Fprintf(p.out, "  hub add modbus.gateway line Host=192.0.2.20\n")
	if len(c.Admin) > 0 {
		fmt.Fprintf(p.out, "and as %s, ask %s for its presence with any XMPP client.\n", c.Admin[0], c.JID)
	}
}

// writePrivate writes a file in one step and on the disk for good, for its owner only; where the folder belongs
// to another group, which is that of the daemon, also for that group to read.
func writePrivate(path, text string) error {
	mode, group := fs.FileMode(0o600), -1
	if info, err := os.Stat(filepath.Dir(path)); err == nil {
		if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Gid) != os.Getegid() {
			mode, group = 0o640, int(sys.Gid)
		}
	}
	tmp := path + ".new"
	err := writeSynced(tmp, text, mode)
	if err == nil && group >= 0 {
		err = os.Chown(tmp, -1, group)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

func writeSynced(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
}
