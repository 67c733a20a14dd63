package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/fieldhub/hub/nodes"
)

const backupNow = "BackupNow"

const (
	// keepAsked is how many backups made by command are kept, beside the regular ones.
	keepAsked = 7
	// lowDisk is how much has to be free so that nothing is said.
	lowDisk = 100 << 20
)

// storagePart is the data folder.
func (h *hub) storagePart() *ownPart {
	p := newOwnPart("storage", "Storage", func(now time.Time) ([]nodes.Field, []nodes.Message) {
		f := fields{now: now}
		var messages []nodes.Message
		f.add(nodes.Identity, "Data folder", nodes.String(h.db.Dir()))
		if info, err := os.Stat(filepath.Join(h.db.Dir(), "hub.db")); err == nil {
			f.add(nodes.Status, "Data file", nodes.Quantity(float64(info.Size())/(1<<20), 1, "MiB"))
		}
		var disk syscall.Statfs_t
		if syscall.Statfs(h.db.Dir(), &disk) == nil {
			free := float64(disk.Bavail) * float64(disk.Bsize)
			f.add(nodes.Status, "Disk free", nodes.Quantity(free/(1<<20), 0, "MiB"))
			if free < lowDisk {
				messages = append(messages, nodes.Message{Severity: nodes.SeverityWarning, EventID: "Disk",
					Text: fmt.Sprintf("Less than %d MiB are free for %s; make room, or changes can soon not be stored.", lowDisk>>20, h.db.Dir())})
			}
		}
		count, last, at := backups(h.backupDir())
		f.add(nodes.Status, "Backups", nodes.Int32(int32(count)))
		if count > 0 {
			f.add(nodes.Status, "Last backup", nodes.DateTime(at))
			f.add(nodes.Status, "Last backup file", nodes.String(last))
		}
		f.add(nodes.Status, "Key file", nodes.String(h.keys.file))
		if h.keys.problem != "" {
			messages = append(messages, nodes.Message{Time: h.began, Severity: nodes.SeverityError, EventID: "Key", Text: h.keys.problem})
		}
		if text := h.db.Recovered(); text != "" {
			messages = append(messages, nodes.Message{Time: h.began, Severity: nodes.SeverityWarning, EventID: "Recovered", Text: text})
		}
		return f.list, messages
	})
	p.commands = []nodes.Command{{ID: backupNow, Kind: nodes.Simple, Title: "Back up now", Category: "Hub", SortKey: "1", Rights: nodes.Administer,
		Description: fmt.Sprintf("Writes a backup into the folder of backups, and checks it. Of those made so the last %d are kept, beside the regular ones.", keepAsked),
		Success:     "The backup is made.", Failure: "No backup was made."}}
	p.run = func(ctx context.Context, _ string, _ nodes.Params) error { return h.backupNow(ctx) }
	return p
}

func (h *hub) backupDir() string { return filepath.Join(h.db.Dir(), "backups") }

// backupNow makes a backup beside the regular ones and removes the oldest of its
// kind.
func (h *hub) backupNow(ctx context.Context) error {
	dir := h.backupDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	path := filepath.Join(dir, "asked-"+time.Now().UTC().Format("20060102T150405.000Z")+".db")
	if err := h.db.Backup(ctx, path); err != nil {
		return err
	}
	h.log.Info("backup made", "file", path)
	own, err := filepath.Glob(filepath.Join(dir, "asked-*.db"))
	if err != nil {
		return err
	}
	slices.Sort(own) // by time
	for _, old := range own[:max(len(own)-keepAsked, 0)] {
		if err := os.Remove(old); err != nil {
			return fmt.Errorf("the backup is made, but an old one was not removed: %w", err)
		}
	}
	return nil
}

// backups tells how many backups a folder has, and the newest.
func backups(dir string) (count int, last string, at time.Time) {
	list, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil {
		return 0, "", at
	}
	for _, path := range list {
		info, err := os.Stat(path)
		if err != nil {
			continue // removed meanwhile
		}
		if count++; info.ModTime().After(at) {
			last, at = path, info.ModTime()
		}
	}
	return count, last, at
}
