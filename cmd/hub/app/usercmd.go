package app

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

type userCmd struct {
	Ls     userLsCmd     `cmd:"" help:"List the accounts of the hub's own server."`
	Add    userAddCmd    `cmd:"" help:"Make an account."`
	Passwd userPasswdCmd `cmd:"" help:"Give an account another password; its sessions end."`
	Rm     userRmCmd     `cmd:"" help:"Remove an account; its sessions end."`
}

type userLsCmd struct{}

func (userLsCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		list, err := s.owner.Users(ctx)
		if err != nil {
			return err
		}
		for _, jid := range list {
			if p.options.JSON {
				err = line(p.out, map[string]string{"jid": jid})
			} else {
				_, err = fmt.Fprintln(p.out, jid)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// newPassword is where a password comes from.
type newPassword struct {
	From     string `help:"File that holds the password in one line." placeholder:"FILE" type:"path"`
	Generate bool   `help:"Make one, and print it."`
}

// get returns the password, and whether it was made here.
func (n *newPassword) get(p *program) (password string, made bool, err error) {
	switch {
	case n.Generate:
		return rand.Text(), true, nil
	case n.From != "":
		b, err := os.ReadFile(n.From)
		return strings.TrimRight(string(b), "\r\n"), false, err
	case !isTerminal(os.Stdin):
		return "", false, usageError{errors.New("there is nobody to ask for the password: add --from FILE or --generate")}
	}
	fmt.Fprint(p.err, "The password, which is not shown: ")
	show := quietTerminal(os.Stdin, unix.ECHO)
	defer func() { show(); fmt.Fprintln(p.err) }()
	if !typed(p.ctx, os.Stdin) {
		return "", false, errInterrupted
	}
	text, err := bufio.NewReader(os.Stdin).ReadString('\n')
	return strings.TrimRight(text, "\r\n"), false, err
}

type userAddCmd struct {
	Name string `arg:"" help:"Name of the account, the part before the @."`
	newPassword
}

func (c *userAddCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		list, err := s.owner.Users(ctx)
		if err != nil {
			return err
		}
		for _, jid := range list {
			if name, _, _ := strings.Cut(jid, "@"); name == c.Name {
				return fmt.Errorf("%s is there already; hub user passwd gives it another password", jid)
			}
		}
		return c.set(ctx, p, s, c.Name)
	})
}

type userPasswdCmd struct {
	Name string `arg:"" help:"Name of the account."`
	newPassword
}

func (c *userPasswdCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		list, err := s.owner.Users(ctx)
		if err != nil {
			return err
		}
		for _, jid := range list {
			if name, _, _ := strings.Cut(jid, "@"); name == c.Name {
				return c.set(ctx, p, s, c.Name)
			}
		}
		return fmt.Errorf("there is no account %s; hub user add makes one", c.Name)
	})
}

// set gives an account a password and says under which address it logs in.
func (n *newPassword) set(ctx context.Context, p *program, s *client, name string) error {
	password, made, err := n.get(p)
	if err != nil {
		return err
	}
	if err := s.owner.SetUser(ctx, name, password); err != nil {
		return err
	}
	_, domain, _ := strings.Cut(s.owner.To, "@")
	domain, _, _ = strings.Cut(domain, "/")
	fmt.Fprintf(p.out, "%s@%s\n", name, domain)
	if made {
		fmt.Fprintf(p.out, "password %s\n", password)
	}
	return nil
}

type userRmCmd struct {
	Name string `arg:"" help:"Name of the account."`
}

func (c *userRmCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error { return s.owner.RemoveUser(ctx, c.Name) })
}
