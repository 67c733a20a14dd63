package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/fieldhub/hub/persist"
)

type keyCmd struct {
	New    keyNewCmd    `cmd:"" help:"Write a new key file."`
	Change keyChangeCmd `cmd:"" help:"Begin a new key. The former one stays in the file, so that backups can be read."`
	Forget keyForgetCmd `cmd:"" help:"Remove former keys from the key file. Backups made with them lose their secrets."`
}

type keyNewCmd struct {
	File string `arg:"" help:"File to write; there must be none."`
}

func (c *keyNewCmd) Run(p *program) error {
	f, err := os.OpenFile(c.File, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("there is a %s already; to begin a new key in it use \"hub key change\"", c.File)
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(filepath.Dir(c.File)); err == nil && os.Geteuid() == 0 {
		// In a folder of the daemon's group, as /etc/hub is, the daemon may read it.
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Gid != 0 && f.Chown(-1, int(s.Gid)) == nil {
			if err := f.Chmod(0o640); err != nil {
				return errors.Join(err, f.Close(), os.Remove(c.File))
			}
		}
	}
	_, err = f.WriteString(persist.NewKey() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	fmt.Fprintln(p.out, "key written to", c.File)
	fmt.Fprintln(p.out, "Keep a copy of it away from the backups: without it they have no secrets.")
	return nil
}

// keyFile is the key file that commands change.
func (p *program) keyFile() string {
	if p.options.KeyFile != "" {
		return p.options.KeyFile
	}
	return filepath.Join(p.options.data(), keyName)
}

// readKeyFile reads a key file that must be good.
func (p *program) readKeyFile() ([]byte, error) {
	b, err := os.ReadFile(p.keyFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s; name the key file of the hub with --key-file FILE", p.keyFile())
	}
	if err != nil {
		return nil, err
	}
	if _, err := persist.ParseKeys(b); err != nil {
		return nil, fmt.Errorf("%s: %w; nothing was changed", p.keyFile(), err)
	}
	return b, nil
}

type keyChangeCmd struct{}

// Run puts a new key before the former ones. From then on every state of the data file is
// readable: what the former key sealed, and what the new one does.
func (keyChangeCmd) Run(p *program) error {
	b, err := p.readKeyFile()
	if err != nil {
		return err
	}
	if err := writeKeys(p.keyFile(), persist.NewKey()+"\n"+string(b)); err != nil {
		return fmt.Errorf("nothing was changed: %w", err)
	}
	fmt.Fprintln(p.out, "new key written to", p.keyFile())
	err = p.offline(func(_ context.Context, f files) error {
		if f.db.SecretsPending() {
			return errors.New("the secrets in the data file are not sealed with it yet; the hub tries that at its next start")
		}
		fmt.Fprintln(p.out, "the secrets are sealed with it; restart of the hub is not needed")
		return nil
	})
	if errors.Is(err, persist.ErrLocked) {
		fmt.Fprintln(p.out, "restart the hub: it then seals its secrets with it")
		return nil
	}
	return err
}

type keyForgetCmd struct{}

func (keyForgetCmd) Run(p *program) error {
	b, err := p.readKeyFile()
	if err != nil {
		return err
	}
	var first []byte
	for line := range bytes.Lines(b) {
		if _, err := persist.ParseKeys(line); err == nil {
			first = append(bytes.TrimSpace(line), '\n')
			break
		}
	}
	// Held open while the file is written: no hub can store anything meanwhile.
	err = p.offline(func(_ context.Context, f files) error {
		if f.db.SecretsPending() {
			return errors.New("the secrets in the data file are still sealed with a former key; nothing was changed")
		}
		return writeKeys(p.keyFile(), string(first))
	})
	if errors.Is(err, persist.ErrLocked) {
		return errors.New("stop the hub first; nothing was changed")
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, "former keys are gone from", p.keyFile())
	return nil
}
