package app

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/fieldhub/hub/cmd/hub/app/treefile"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/persist"
	"github.com/fieldhub/hub/xmppface"
)

// files are what is done to a tree and its file, by the owner through a running hub
// or by a command that has the file to itself.
type files struct {
	db   *persist.DB
	tree *tree.Tree
}

func (f files) export() []byte {
	return treefile.Append(nil, f.tree.Export().Children, f.tree.Type)
}

func (f files) load(ctx context.Context, name string, doc []byte) (int, error) {
	file, err := treefile.Parse(name, doc, f.tree.Types())
	if err != nil {
		return 0, err
	}
	if err := f.tree.Import(ctx, file.Nodes); err != nil {
		return 0, file.Explain(err)
	}
	return file.Count, nil
}

func (f files) backup(ctx context.Context, path, dir string) (string, error) {
	if path == "" {
		path = filepath.Join(dir, "hub-"+time.Now().UTC().Format("20060102T150405.000Z")+".backup")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return path, f.db.Backup(ctx, path)
}

// The hub is the backend of the owner's namespace. A caller who may not administer
// finds nothing.

// Admit implements owner.Backend.
func (h *hub) Admit(c nodes.Caller) bool {
	return h.cat.May(c, nodes.Administer, nodes.In(nodes.RootID))
}

func (h *hub) admit(c nodes.Caller) error {
	if h.Admit(c) {
		return nil
	}
	return nodes.Errorf(nodes.NotFound, "administer", nodes.Ref{}, "nothing here")
}

// Export implements owner.Backend.
func (h *hub) Export(c nodes.Caller) ([]byte, error) {
	if err := h.admit(c); err != nil {
		return nil, err
	}
	return files{h.db, h.tree}.export(), nil
}

// Import implements owner.Backend.
func (h *hub) Import(ctx context.Context, c nodes.Caller, name string, doc []byte) (int, error) {
	if err := h.admit(c); err != nil {
		return 0, err
	}
	n, err := files{h.db, h.tree}.load(ctx, name, doc)
	if err == nil {
		h.log.Info("tree imported", "by", c.String(), "file", name, "nodes", n)
	}
	h.noteOwner(c, "import", fmt.Sprintf("%s, %d nodes", name, n), err)
	return n, err
}

// Backup implements owner.Backend.
func (h *hub) Backup(ctx context.Context, c nodes.Caller, file string) (string, error) {
	if err := h.admit(c); err != nil {
		return "", err
	}
	path, err := files{h.db, h.tree}.backup(ctx, file, h.cfg.Data)
	if err == nil {
		h.log.Info("backup made", "by", c.String(), "file", path)
	}
	h.noteOwner(c, "backup", path, err)
	return path, err
}

// Restore implements owner.Backend.
func (h *hub) Restore(_ context.Context, c nodes.Caller, file string) error {
	if err := h.admit(c); err != nil {
		return err
	}
	if file == "" {
		return errors.New("name the backup to restore")
	}
	err := h.db.Stage(file)
	h.noteOwner(c, "restore", file, err)
	if err != nil {
		return err
	}
	h.log.Info("backup staged for the next start", "by", c.String(), "file", file)
	return nil
}

// Status implements owner.Backend.
func (h *hub) Status(c nodes.Caller) ([]nodes.Property, error) {
	if err := h.admit(c); err != nil {
		return nil, err
	}
	var out []nodes.Property
	add := func(name, format string, args ...any) {
		out = append(out, nodes.Property{ID: name, Name: name, Value: nodes.String(fmt.Sprintf(format, args...))})
	}
	add("version", "%s", release())
	add("running since", "%s", h.began.UTC().Format(time.RFC3339))
	add("data folder", "%s", h.db.Dir())
	counts := make(map[nodes.State]int)
	total := 0
	h.tree.Walk(func(string, string) bool { total++; return true })
	list, _ := h.cat.All(nodes.System, nodes.DefaultSource, nil, nodes.Detail{})
	for _, i := range list {
		counts[i.State]++
	}
	add("nodes", "%d, %d with errors, %d with warnings", total, counts[nodes.StateError], counts[nodes.StateWarning])
	for _, way := range []nodes.Way{nodes.WayLocal, nodes.WayBroker} {
		if f := h.faces[way]; f != nil {
			add("xmpp "+string(way), "%s", described(f.Status())+again(f.Status()))
		}
	}
	add("local server", "%s, fingerprint %s", h.owner.Address, h.owner.Fingerprint)
	if text := h.db.Recovered(); text != "" {
		add("recovered", "%s", text)
	}
	return out, nil
}

// again tells when a face tries to connect again, where that is not soon. It is true for
// the moment only.
func again(s xmppface.Status) string {
	if s.Failure == nil || time.Until(s.Retry) < time.Minute {
		return ""
	}
	return "; the next attempt is at " + s.Retry.UTC().Format(time.RFC3339) + ", or now with hub do Hub:connections Reconnect"
}

// described is the state of a face in words.
func described(s xmppface.Status) string {
	since := s.Since.UTC().Format(time.RFC3339)
	switch {
	case s.Online:
		return "online as " + s.JID + " since " + since
	case s.Failure != nil:
		return fmt.Sprintf("offline since %s: %s", since, s.Failure.Text)
	}
	return "connecting"
}
