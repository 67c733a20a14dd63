package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/cmd/hub/app/strict"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/persist"
	"github.com/fieldhub/hub/xmppface/ext"
)

// offline opens the data folder itself when no hub runs on it, and runs f with its
// tree, no device opened.
func (p *program) offline(f func(context.Context, files) error) error {
	dir := p.options.data()
	_, err := os.Stat(filepath.Join(dir, "hub.db"))
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("only the hub's own user may look into %s: run this command as that user or as root, with sudo for example", dir)
	case err != nil:
		return fmt.Errorf("%w\n     There is no hub's data in %s either; name its folder with --data DIR", errNoHub, dir)
	}
	set, err := adapters.NewSet(p.factory...)
	if err != nil {
		return err
	}
	defer giveBack(dir)
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	keys := findKeys(dir, p.options.KeyFile, false)
	db, err := persist.Open(dir, persist.Options{Log: log, Secrets: keys.secrets(set.Types())})
	if err != nil {
		return err
	}
	t, err := tree.New(tree.Config{Source: nodes.DefaultSource, Types: keys.types(set.Types()), Store: db.Tree(nodes.DefaultSource), Opener: idle{}})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s := newStages(p.ctx)
	s.start("tree", t.Run)
	err = plain(f(p.ctx, files{db, t}))
	return errors.Join(err, s.stop(), db.Close())
}

// giveBack gives what root has made in a data folder to the folder's owner: the
// daemon could not open it otherwise.
func giveBack(dir string) {
	info, err := os.Stat(dir)
	if err != nil || os.Geteuid() != 0 {
		return
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok || owner.Uid == 0 {
		return
	}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return nil
		}
		// Not what has a second name: it may be another's file.
		if s, ok := info.Sys().(*syscall.Stat_t); ok && s.Uid == 0 && (d.IsDir() || s.Nlink == 1) {
			os.Lchown(path, int(owner.Uid), int(owner.Gid)) // a failure shows when the daemon starts
		}
		return nil
	})
}

// idle opens devices that do nothing.
type idle struct{}

func (idle) Open(*nodes.Node, nodes.Host) (nodes.Device, error) { return idle{}, nil }
func (idle) Forget(string)                                      {}
func (idle) Update(nodes.Change)                                {}
func (idle) Run(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// manage runs online with the running hub, or offline with the data folder.
func (p *program) manage(online func(context.Context, *client) error, offline func(context.Context, files) error) error {
	c, err := p.connect()
	if errors.Is(err, errNoHub) {
		return p.offline(offline)
	}
	if err != nil {
		return err
	}
	defer c.close()
	return plain(online(p.ctx, c))
}

type exportCmd struct {
	File string `arg:"" optional:"" help:"File to write; standard output when left out."`
}

func (c *exportCmd) Run(p *program) error {
	write := func(doc []byte) error {
		if c.File == "" {
			_, err := p.out.Write(doc)
			return err
		}
		return os.WriteFile(c.File, doc, 0o600)
	}
	return p.manage(func(ctx context.Context, s *client) error {
		doc, err := s.owner.Export(ctx)
		if err != nil {
			return err
		}
		return write(doc)
	}, func(_ context.Context, f files) error { return write(f.export()) })
}

type importCmd struct {
	File string `arg:"" help:"File to read; - for standard input."`
}

func (c *importCmd) Run(p *program) error {
	var doc []byte
	var err error
	if c.File == "-" {
		doc, err = io.ReadAll(os.Stdin)
	} else {
		doc, err = os.ReadFile(c.File)
	}
	if err != nil {
		return err
	}
	if err := strict.Check(c.File, doc); err != nil { // XML would change it on the way
		return err
	}
	n := 0
	sent := false
	err = p.manage(func(ctx context.Context, s *client) error {
		sent = true
		n, err = s.owner.Import(ctx, c.File, doc)
		var said *ext.StanzaError
		sent = err != nil && !errors.As(err, &said)
		return err
	}, func(ctx context.Context, f files) error {
		n, err = f.load(ctx, c.File, doc)
		return err
	})
	switch {
	case err != nil && sent:
		return fmt.Errorf("%w; look with \"hub ls\" whether the nodes are there: all are, or none", err)
	case err != nil:
		return fmt.Errorf("nothing was imported:\n%w", err)
	}
	fmt.Fprintf(p.out, "imported %d nodes\n", n)
	return nil
}

type backupCmd struct {
	File string `arg:"" optional:"" help:"File to write; one in the data folder when left out."`
}

func (c *backupCmd) Run(p *program) error {
	path, err := absolute(c.File)
	if err != nil {
		return err
	}
	err = p.manage(func(ctx context.Context, s *client) error {
		own, err := s.owner.Backup(ctx, "")
		if err != nil || path == "" {
			path = own
			return err
		}
		if err := copyFile(own, path); err != nil {
			return fmt.Errorf("the backup was written to %s, but: %w", own, err)
		}
		return os.Remove(own)
	}, func(ctx context.Context, f files) error {
		path, err = f.backup(ctx, path, p.options.data())
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, "backup written to", path)
	return nil
}

// copyFile makes a copy that only the user may read. The daemon of a systemd unit
// sees another /tmp and no home folders, so its files and those of a person change
// hands in the data folder.
func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Sync(), out.Close()); err != nil {
		os.Remove(to)
	}
	return err
}

// handOver puts a copy of a file where the hub can read it. The caller removes it.
func handOver(path, dir string) (string, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return "", err
	}
	own := filepath.Join(dir, "restore-"+rand.Text()+".tmp")
	if err := copyFile(path, own); err != nil {
		return "", err
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		err = os.Chown(own, int(s.Uid), int(s.Gid))
	}
	return own, err
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

type restoreCmd struct {
	File string `arg:"" help:"Backup."`
}

func (c *restoreCmd) Run(p *program) error {
	path, err := absolute(c.File)
	if err != nil {
		return err
	}
	s, err := p.connect()
	switch {
	case errors.Is(err, errNoHub):
		defer giveBack(p.options.data())
		if err := persist.Restore(p.options.data(), path, persist.Options{}); err != nil {
			return err
		}
		fmt.Fprintln(p.out, "restored; what was there before is among the backups")
		return nil
	case err != nil:
		return err
	}
	defer s.close()
	own, err := handOver(path, s.data)
	if err != nil {
		return fmt.Errorf("restore: nothing was changed: %w", err)
	}
	defer os.Remove(own)
	if err := s.owner.Restore(p.ctx, own); err != nil {
		return errors.New(strings.ReplaceAll(plain(err).Error(), own, path))
	}
	fmt.Fprintln(p.out, "the backup is good; restart the hub to put it in place")
	return nil
}

type statusCmd struct{}

func (statusCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		list, err := s.owner.Status(ctx)
		if err != nil {
			return err
		}
		if p.options.JSON {
			m := make(map[string]string)
			for _, i := range list {
				m[i.Name] = i.Value.Text()
			}
			return line(p.out, m)
		}
		t := newTable(p.out, "hub", s.hub)
		for _, i := range list {
			t.row(i.Name, i.Value.Text())
		}
		return t.end()
	})
}
