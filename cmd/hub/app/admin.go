package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/persist"
)

// offline opens the data folder itself when no hub runs on it, and runs f with its
// tree, no device opened.
func (p *program) offline(f func(context.Context, files) error) error {
	dir := p.options.Data
	if _, err := os.Stat(filepath.Join(dir, "hub.db")); err != nil {
		return fmt.Errorf("%w\n     There is no hub's data in %s either; name its folder with --data DIR", errNoHub, dir)
	}
	set, err := adapters.NewSet(p.factory...)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(p.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	db, err := persist.Open(dir, persist.Options{Log: log})
	if err != nil {
		return err
	}
	t, err := tree.New(tree.Config{Source: nodes.DefaultSource, Types: set.Types(), Store: db.Tree(nodes.DefaultSource), Opener: idle{}})
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s := newStages(p.ctx)
	s.start("tree", t.Run)
	err = f(p.ctx, files{db, t})
	return errors.Join(err, s.stop(), db.Close())
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
	n := 0
	err = p.manage(func(ctx context.Context, s *client) error {
		n, err = s.owner.Import(ctx, c.File, doc)
		return err
	}, func(ctx context.Context, f files) error {
		n, err = f.load(ctx, c.File, doc)
		return err
	})
	if err != nil {
		return fmt.Errorf("nothing was imported:\n%w", err)
	}
	fmt.Fprintf(p.out, "imported %d nodes\n", n)
	return nil
}

type backupCmd struct {
	File string `arg:"" optional:"" help:"File to write, on the hub's machine; one in the data folder when left out."`
}

func (c *backupCmd) Run(p *program) error {
	path, err := absolute(c.File)
	if err != nil {
		return err
	}
	err = p.manage(func(ctx context.Context, s *client) error {
		path, err = s.owner.Backup(ctx, path)
		return err
	}, func(ctx context.Context, f files) error {
		path, err = f.backup(ctx, path, p.options.Data)
		return err
	})
	if err != nil {
		return err
	}
	fmt.Fprintln(p.out, "backup written to", path)
	return nil
}

func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

type restoreCmd struct {
	File string `arg:"" help:"Backup, on the hub's machine."`
}

func (c *restoreCmd) Run(p *program) error {
	path, err := absolute(c.File)
	if err != nil {
		return err
	}
	s, err := p.connect()
	switch {
	case errors.Is(err, errNoHub):
		if err := persist.Restore(p.options.Data, path, persist.Options{}); err != nil {
			return err
		}
		fmt.Fprintln(p.out, "restored; what was there before is among the backups")
		return nil
	case err != nil:
		return err
	}
	defer s.close()
	if err := s.owner.Restore(p.ctx, path); err != nil {
		return plain(err)
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
