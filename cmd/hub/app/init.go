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
)

type initCmd struct {
	File         string   `arg:"" optional:"" help:"Configuration file to write." default:"/etc/hub/hub.yaml"`
	Dir          string   `help:"Folder for the hub's data." default:"/var/lib/hub" placeholder:"DIR"`
	JID          string   `name:"account" help:"The hub's account on an XMPP server, name@domain; empty: local access only." placeholder:"JID"`
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
	if c.JID != "" {
		if err := writePrivate(secret, password+"\n"); err != nil {
			return err
		}
	}
	text := c.text(secret)
	cfg, err := config.Parse(c.File, []byte(text))
	if err != nil {
		return err
	}
	if c.JID != "" && !c.NoTest {
		fmt.Fprintf(p.err, "logging in as %s …\n", c.JID)
		ctx, cancel := context.WithTimeout(p.ctx, patience)
		defer cancel()
		switch jid, err := online(ctx, cfg.XMPP); {
		case err == nil:
			fmt.Fprintf(p.err, "the account works: %s\n", jid)
		case !c.Force:
			return fmt.Errorf("%w\nNothing but %s was written. Put it right and run it again, or add --force or --no-test", err, secret)
		default:
			fmt.Fprintf(p.err, "hub: %v\n", err)
		}
	}
	if err := writePrivate(c.File, text); err != nil {
		return err
	}
	c.next(p)
	return nil
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
		if c.JID != "" && password == "" {
			return "", usageError{errors.New("there is nobody to ask for the password: name a file that holds it with --account-password")}
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
	if password == "" {
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

// writePrivate writes a file in one step, for its owner only; where the folder belongs
// to another group, which is that of the daemon, also for that group to read.
func writePrivate(path, text string) error {
	mode, group := fs.FileMode(0o600), -1
	if info, err := os.Stat(filepath.Dir(path)); err == nil {
		if sys, ok := info.Sys().(*syscall.Stat_t); ok && int(sys.Gid) != os.Getegid() {
			mode, group = 0o640, int(sys.Gid)
		}
	}
	tmp := path + ".new"
	err := os.WriteFile(tmp, []byte(text), mode)
	if err == nil && group >= 0 {
		err = os.Chown(tmp, -1, group)
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err != nil {
		os.Remove(tmp)
	}
	return err
}
