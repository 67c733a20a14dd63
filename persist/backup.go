package persist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
)

// backup is a file in the folder of regular backups.
type backup struct {
	name    string
	number  int // rises for ever, whatever the clock does
	time    time.Time
	lineage string
}

var backupName = regexp.MustCompile(`^hub-(\d{6,})-(\d{8}T\d{6}Z)-([0-9a-f]{8})\.db$`)

// list returns the regular backups, oldest first.
func (f folder) list() []backup {
	entries, err := os.ReadDir(f.backups())
	if err != nil {
		f.o.Log.Error("backups cannot be listed", "error", err)
	}
	var out []backup
	for _, e := range entries {
		m := backupName.FindStringSubmatch(e.Name())
		if m == nil {
			continue
		}
		n, err := strconv.Atoi(m[1])
		t, terr := time.Parse(stamp, m[2])
		if err == nil && terr == nil {
			out = append(out, backup{e.Name(), n, t, m[3]})
		}
	}
	slices.SortFunc(out, func(a, b backup) int { return a.number - b.number })
	return out
}

// nextPath is where the next regular backup goes.
func (f folder) nextPath(lineage string) string {
	number := 1
	if list := f.list(); len(list) > 0 {
		number = list[len(list)-1].number + 1
	}
	return filepath.Join(f.backups(), fmt.Sprintf("hub-%06d-%s-%s.db", number, f.o.Now().UTC().Format(stamp), lineage))
}

// plausible is when this was written: a clock before it is wrong.
var plausible = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

// backupIfDue makes a regular backup when the last one is a day old, and removes
// the oldest beyond the number kept. It makes none of an empty tree, nor while the
// clock is plainly wrong, and removes only backups of its own lineage.
func (db *DB) backupIfDue() error {
	now := db.o.Now()
	if list := db.list(); now.Before(plausible) || len(list) > 0 && now.Sub(list[len(list)-1].time).Abs() < 24*time.Hour {
		return nil
	}
	empty := true
	err := db.view(func(tx *bolt.Tx) error {
		return eachSource(tx, func(_ []byte, source *bolt.Bucket) error {
			if records := source.Bucket(bucketNodes); records != nil {
				if k, _ := records.Cursor().First(); k != nil {
					empty = false
				}
			}
			return nil
		})
	})
	if err != nil || empty {
		return err
	}
	return db.regular()
}

// regular makes a regular backup and removes old ones.
func (db *DB) regular() error {
	path := db.nextPath(db.lineage)
	if err := db.backup(path, func() error { return nil }); err != nil {
		return err
	}
	db.o.Log.Info("backup made", "file", path)
	var own []backup
	for _, b := range db.list() {
		if b.lineage == db.lineage {
			own = append(own, b)
		}
	}
	for len(own) > db.o.Keep {
		if err := os.Remove(filepath.Join(db.backups(), own[0].name)); err != nil {
			return err
		}
		own = own[1:]
	}
	return nil
}

// Backup writes the state of now to a file, in place of one of that name, while
// work goes on. The file is complete, checked and on disk when Backup returns nil;
// otherwise nothing is there or what was there before.
func (db *DB) Backup(ctx context.Context, path string) error {
	if err := db.flush(); err != nil {
		return err
	}
	if err := db.backup(path, ctx.Err); err != nil {
		return fmt.Errorf("backup to %s: %w", path, err)
	}
	return nil
}

func (db *DB) backup(path string, stopped func() error) error {
	part := path + ".part"
	err := writeFile(part, func(f *os.File) error {
		w := &stoppable{w: f, stopped: stopped}
		err := db.view(func(tx *bolt.Tx) error {
			_, err := tx.WriteTo(w)
			return err
		})
		return cmp.Or(w.err, err) // bbolt keeps only the text of the cause
	})
	if err == nil {
		err = sound(part)
	}
	if err == nil {
		err = os.Rename(part, path)
	}
	if err != nil {
		os.Remove(part)
		return plain(err)
	}
	return syncDir(filepath.Dir(path))
}

// stoppable is a writer that fails once its work is no longer wanted.
type stoppable struct {
	w       io.Writer
	stopped func() error
	err     error // the first
}

func (s *stoppable) Write(b []byte) (n int, err error) {
	if s.err == nil {
		s.err = s.stopped()
	}
	if s.err == nil {
		n, s.err = s.w.Write(b)
	}
	return n, s.err
}

// inspect tells whether a file can be put in place: sound, of a hub, of a known
// format, with readable nodes.
func (f folder) inspect(path string) error {
	_, err := f.inspectFor(path)
	return err
}

// inspectFor is inspect and returns the file's lineage.
func (f folder) inspectFor(path string) (lineage string, err error) {
	if err := sound(path); err != nil {
		return "", err
	}
	b, _, err := openBolt(path, f.o, true)
	if err != nil {
		return "", err
	}
	db := &DB{folder: f}
	err = guarded(func() error { return b.View(db.examine) })
	return db.lineage, errors.Join(err, guarded(b.Close))
}

// Stage checks a backup and has the next [Open] put it in place. The file that
// is replaced becomes a regular backup.
func (db *DB) Stage(path string) error { return db.stage(path) }

func (f folder) stage(path string) error {
	part := f.staged() + ".part"
	err := copyFile(path, part)
	if err == nil {
		err = f.inspect(part)
	}
	if err == nil {
		err = os.Rename(part, f.staged())
	}
	if err != nil {
		os.Remove(part)
		return fmt.Errorf("restore from %s: nothing was changed: %w", path, plain(err))
	}
	return syncDir(f.dir)
}

// Restore checks a backup and puts it in place, while no hub runs on the folder.
// The file that is replaced becomes a regular backup.
func Restore(dir, path string, o Options) error {
	f := folder{dir: dir, o: o.filled()}
	lock, err := f.enter()
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := f.stage(path); err != nil {
		return err
	}
	return f.place()
}

// place puts a staged backup in place.
func (f folder) place() error {
	err := f.inspect(f.staged())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case isDamage(err):
		f.o.Log.Error("the backup to be restored is damaged and was left", "file", f.staged(), "error", err)
		return os.Rename(f.staged(), f.staged()+".damaged")
	case err != nil:
		return err
	}
	lineage, err := f.inspectFor(f.file())
	if err != nil {
		lineage = "00000000" // damaged, perhaps, but kept
	}
	if err := os.Rename(f.file(), f.nextPath(lineage)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Rename(f.staged(), f.file()); err != nil {
		return err
	}
	return errors.Join(syncDir(f.backups()), syncDir(f.dir))
}
