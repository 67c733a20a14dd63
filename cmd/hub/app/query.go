package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/fieldhub/hub/nodes"
)

type queryCmd struct {
	chosen
	Out string `help:"Where files that it finds are written: a file, or a folder for several. Without it one that is all there is goes to standard output." short:"o" placeholder:"FILE"`
}

// shower shows what a query finds.
type shower interface {
	put(nodes.Finding) error
	// end is called after the last.
	end() error
}

func (c *queryCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		x, err := p.prepare(ctx, s, &c.chosen, true)
		if err != nil {
			return err
		}
		files := &destination{path: c.Out}
		var show shower = newReport(p, files)
		if p.options.JSON {
			show = &records{p: p, files: files}
		}
		err = s.nodes.Query(ctx, x.ref, x.cmd.ID, x.params, show.put)
		if e := show.end(); err == nil {
			err = e
		}
		if err != nil {
			return x.failure(err)
		}
		if x.cmd.Success != "" && !p.options.JSON {
			fmt.Fprintln(p.err, clean(x.cmd.Success))
		}
		return nil
	})
}

// destination is where the files that a query finds go.
type destination struct {
	path string // of a file or folder; empty: none was named
	used int
}

// write writes a file and returns its path. The name is the hub's, and only its
// last part counts.
func (d *destination) write(o *nodes.Object) (string, error) {
	path := d.path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		name := filepath.Base(clean(o.Name))
		if o.Name == "" || name == "." || name == ".." || name == string(filepath.Separator) {
			name = fmt.Sprintf("object-%d", d.used+1)
		}
		path = filepath.Join(path, name)
	} else if d.used > 0 {
		return "", fmt.Errorf("the query found more than one file; name a folder that is there with --out")
	}
	d.used++
	return path, os.WriteFile(path, o.Data, 0o666)
}
