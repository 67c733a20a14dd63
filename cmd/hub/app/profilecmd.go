package app

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

type profileCmd struct {
	Ls  profileLsCmd  `cmd:"" help:"List the profiles."`
	Add profileAddCmd `cmd:"" help:"Add a profile, or replace one: hub profile add plant7 --jid me@example.org --to gateway-7@example.org. Without --password-file the password is asked for and kept in the file of the profiles, which only you can read."`
	Rm  profileRmCmd  `cmd:"" help:"Remove a profile."`
}

type profileLsCmd struct{}

// profileLine is a profile in JSON; its password stays away.
type profileLine struct {
	Name         string `json:"name"`
	JID          string `json:"jid"`
	To           string `json:"to"`
	Server       string `json:"server,omitempty"`
	CAFile       string `json:"ca_file,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
}

func (profileLsCmd) Run(p *program) error {
	file, err := profileFile()
	if err != nil {
		return err
	}
	all, err := readProfiles(file)
	if err != nil {
		return err
	}
	if len(all) == 0 && !p.options.JSON {
		fmt.Fprintf(p.err, "there are no profiles in %s; make one with \"hub profile add NAME --jid JID --to JID\"\n", file)
		return nil
	}
	t := table{}
	if !p.options.JSON {
		t = newTable(p.out, "PROFILE", "HUB", "ACCOUNT", "SERVER")
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		x := all[name]
		if !p.options.JSON {
			t.row(name, x.To, x.JID, x.Server)
		} else if err := line(p.out, profileLine{name, x.JID, x.To, x.Server, x.CAFile, x.PasswordFile}); err != nil {
			return err
		}
	}
	if p.options.JSON {
		return nil
	}
	return t.end()
}

type profileAddCmd struct {
	Name string `arg:"" help:"Name of the profile: letters, digits, dots, dashes and underscores."`
}

func (c *profileAddCmd) Run(p *program) error {
	if !profileName.MatchString(c.Name) {
		return usageError{fmt.Errorf("%q is no name of a profile; use letters, digits, dots, dashes and underscores", c.Name)}
	}
	r := p.options.remote
	x := profile{JID: r.JID, To: r.To, Server: r.Server}
	for _, f := range [...]struct {
		to   *string
		path string
	}{{&x.PasswordFile, r.PasswordFile}, {&x.CAFile, r.CAFile}} {
		if f.path == "" {
			continue
		}
		abs, err := filepath.Abs(f.path)
		if err != nil {
			return err
		}
		*f.to = abs
	}
	whole := x
	whole.Password = "x" // it comes later
	if err := whole.check(); err != nil {
		return usageError{err}
	}
	file, err := profileFile()
	if err != nil {
		return err
	}
	all, err := readProfiles(file)
	if err != nil {
		return err
	}
	if x.PasswordFile != "" {
		_, err = readSecret(x.PasswordFile)
	} else {
		x.Password, err = p.askSecret("Password of " + x.JID + ": ")
	}
	if err != nil {
		return err
	}
	all[c.Name] = x
	if err := writeProfiles(file, all); err != nil {
		return err
	}
	if !p.options.JSON {
		fmt.Fprintf(p.out, "profile %s is in %s; try: hub --profile %s ls\n", c.Name, file, c.Name)
	}
	return nil
}

type profileRmCmd struct {
	Name string `arg:"" help:"Name of the profile."`
}

func (c *profileRmCmd) Run(p *program) error {
	file, err := profileFile()
	if err != nil {
		return err
	}
	all, err := readProfiles(file)
	if err != nil {
		return err
	}
	if _, ok := all[c.Name]; !ok {
		return unknownProfile(c.Name, all)
	}
	delete(all, c.Name)
	if err := writeProfiles(file, all); err != nil {
		return err
	}
	if !p.options.JSON {
		fmt.Fprintf(p.out, "profile %s is removed\n", c.Name)
	}
	return nil
}

// askSecret reads a line that the terminal does not show; where there is no
// terminal, the first line of standard input.
func (p *program) askSecret(question string) (string, error) {
	if isTerminal(os.Stdin) {
		defer quietTerminal(os.Stdin, unix.ECHO)()
		fmt.Fprint(p.err, question)
		defer fmt.Fprintln(p.err)
		if !typed(p.ctx, os.Stdin) {
			return "", errInterrupted
		}
	}
	text, err := bufio.NewReader(io.LimitReader(os.Stdin, 4096)).ReadString('\n')
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		return "", errors.New("no password was given: type it, hand it in on standard input, or name a file with --password-file")
	}
	return text, nil
}

// readUpTo reads all of a file that is not larger than it may be.
func readUpTo(f *os.File, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("%s is larger than %d bytes", f.Name(), most)
	}
	return b, err
}
