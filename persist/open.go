package persist

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	bolt "go.etcd.io/bbolt"
)

// Names of buckets and keys; they are stored and never change.
var (
	bucketMeta    = []byte("meta")
	bucketSources = []byte("sources")
	bucketShelves = []byte("shelves")
	bucketNodes   = []byte("nodes")
	bucketEvents  = []byte("events")

	keyFormat   = []byte("format")
	keyIdentity = []byte("identity")
	keyLineage  = []byte("lineage")
	keySealed   = []byte("sealed") // nothing in the file was ever written with a plain secret
)

// stamp is how times stand in names of files.
const stamp = "20060102T150405Z"

// open puts a staged backup in place, opens the file, and replaces it when it is
// damaged.
func (db *DB) open() error {
	os.Remove(db.fresh()) // left by a crash before it was complete
	if err := db.place(); err != nil {
		return err
	}
	err := db.try()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if len(db.list()) == 0 {
			if err := db.create(); err != nil {
				return err
			}
			return db.try()
		}
		err = damaged("there are backups but no hub.db")
	case !isDamage(err):
		return err
	}
	if err := db.replace(err); err != nil {
		return err
	}
	db.o.Log.Error("data file replaced", "reason", db.recovered)
	return db.try()
}

// try opens the file if it is sound.
func (db *DB) try() error {
	if err := sound(db.file()); err != nil {
		return err
	}
	b, file, err := openBolt(db.file(), db.o, false)
	if err != nil {
		return err
	}
	if err := guarded(func() error { return b.View(db.examine) }); err != nil {
		return errors.Join(err, guarded(b.Close))
	}
	db.bolt, db.handle = b, file
	db.broken.Store(nil)
	saved := len(db.list())
	if err := db.migrate(); err != nil {
		return errors.Join(err, db.release())
	}
	if db.unsealed {
		return db.reseal(len(db.list()) > saved)
	}
	return nil
}

// sound verifies a file from outside. An empty file is damaged: bbolt would take
// it for a new one.
func sound(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a file", path)
	}
	if info.Size() == 0 {
		return damaged("the file is empty")
	}
	return verify(f, info.Size())
}

// openBolt opens a file that was verified, and returns its handle too. Should
// bbolt panic nevertheless, the file is closed, which releases its lock.
func openBolt(path string, o Options, readOnly bool) (b *bolt.DB, file *os.File, err error) {
	err = guarded(func() (err error) {
		b, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: o.Timeout, FreelistType: bolt.FreelistMapType, ReadOnly: readOnly, MaxSize: o.MaxSize, NoStatistics: true,
			InitialMmapSize: 32 << 20, // so that a growing file waits for no reader
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag, mode)
				file = f
				return f, err
			},
		})
		return err
	})
	if err != nil {
		if file != nil && isDamage(err) {
			file.Close()
		}
		return nil, nil, err
	}
	b.AllocSize = 256 << 10 // how the file grows; the default of 16 MiB is much for a small card
	return b, file, nil
}

// examine reads who the file is and looks at every node record, so that damage
// is found while there is still something to replace it.
func (db *DB) examine(tx *bolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return damaged("it is a database, but not that of a hub")
	}
	format, err := strconv.Atoi(string(meta.Get(keyFormat)))
	if err != nil {
		return damaged("it does not say which format it has")
	}
	if newest := len(db.o.steps) + 1; format > newest {
		return fmt.Errorf("hub.db has format %d, but this program knows only up to %d: install the newer version again, or restore a backup made before it", format, newest)
	}
	db.identity, db.lineage = string(meta.Get(keyIdentity)), string(meta.Get(keyLineage))
	if len(db.identity) != 32 || len(db.lineage) != 8 {
		return damaged("it does not say whose it is")
	}
	secrets := db.o.Secrets
	db.unsealed = secrets != nil && len(secrets.Keys) > 0 && meta.Get(keySealed) == nil
	return eachSource(tx, func(name []byte, source *bolt.Bucket) error {
		records := source.Bucket(bucketNodes)
		if records == nil {
			return nil
		}
		return records.ForEach(func(k, v []byte) error {
			r, sealed, err := readSealed(k, v, nil)
			if errors.Is(err, errRecord) {
				return damaged("node %s of source %s: %v", k, name, err)
			} else if err != nil {
				return fmt.Errorf("node %s of source %s: %w", k, name, err)
			}
			db.unsealed = db.unsealed || secrets.due(string(name), &r, sealed)
			return nil
		})
	})
}

func eachSource(tx *bolt.Tx, f func(name []byte, source *bolt.Bucket) error) error {
	sources := tx.Bucket(bucketSources)
	if sources == nil {
		return nil
	}
	return sources.ForEachBucket(func(name []byte) error { return f(name, sources.Bucket(name)) })
}

// create makes an empty file, whole or not at all.
func (db *DB) create() error {
	b, _, err := openBolt(db.fresh(), db.o, false)
	if err != nil {
		return err
	}
	err = b.Update(func(tx *bolt.Tx) error {
		meta, err := tx.CreateBucketIfNotExists(bucketMeta)
		if err != nil {
			return err
		}
		identity := db.identity // kept when a damaged file still told it
		if len(identity) != 32 {
			identity = random(16)
		}
		if s := db.o.Secrets; s != nil && len(s.Keys) > 0 {
			if err := meta.Put(keySealed, []byte("1")); err != nil {
				return err
			}
		}
		return errors.Join(
			meta.Put(keyFormat, []byte(strconv.Itoa(len(db.o.steps)+1))),
			meta.Put(keyIdentity, []byte(identity)),
			meta.Put(keyLineage, []byte(random(4))))
	})
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	return db.rename(db.fresh(), db.file())
}

func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// replace sets the damaged file aside and puts the last good backup in its place,
// or else an empty file.
func (db *DB) replace(reason error) error {
	used := ""
	for _, b := range slices.Backward(db.list()) {
		path := filepath.Join(db.backups(), b.name)
		if err := db.inspect(path); err != nil {
			db.o.Log.Error("backup cannot be used", "file", path, "error", err)
			continue
		}
		if err := copyFile(path, db.fresh()); err != nil {
			return err
		}
		used = fmt.Sprintf("the backup of %s was put in its place; what was changed later is missing", b.time.Format("2006-01-02 15:04 UTC"))
		break
	}
	aside := "hub.db.damaged-" + db.o.Now().UTC().Format(stamp)
	for i := 2; exists(filepath.Join(db.dir, aside)); i++ {
		aside = fmt.Sprintf("hub.db.damaged-%s-%d", db.o.Now().UTC().Format(stamp), i)
	}
	switch err := db.rename(db.file(), filepath.Join(db.dir, aside)); {
	case errors.Is(err, fs.ErrNotExist):
		db.recovered = "The data file was missing; "
	case err != nil:
		return err
	default:
		db.recovered = fmt.Sprintf("The data file was damaged (%v) and was set aside as %s; ", reason, aside)
	}
	if used != "" {
		db.recovered += used + "."
		return db.rename(db.fresh(), db.file())
	}
	db.recovered += "there was no usable backup, so that the hub began with an empty one. Restore a backup if you have one elsewhere."
	return db.create()
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// rename renames for good.
func (db *DB) rename(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return syncDir(db.dir)
}

// sweep removes what crashed backups left, and all but the last three files set
// aside.
func (db *DB) sweep() {
	parts, _ := filepath.Glob(filepath.Join(db.backups(), "*.part"))
	if exists(db.staged() + ".part") {
		parts = append(parts, db.staged()+".part")
	}
	aside, _ := filepath.Glob(filepath.Join(db.dir, "hub.db.damaged-*"))
	slices.SortFunc(aside, func(a, b string) int { return modified(a).Compare(modified(b)) })
	if len(aside) > 3 {
		parts = append(parts, aside[:len(aside)-3]...)
	}
	for _, path := range parts {
		if err := os.Remove(path); err != nil {
			db.o.Log.Warn("old file not removed", "error", err)
		}
	}
}

func modified(path string) time.Time {
	if info, err := os.Stat(path); err == nil {
		return info.ModTime()
	}
	return time.Time{}
}

// copyFile copies a file and returns when the copy is on disk.
func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	return writeFile(to, func(w *os.File) error {
		_, err := io.Copy(w, src)
		return err
	})
}

// writeFile makes a file with what f writes and returns when it is on disk; after
// an error there is none.
func writeFile(path string, f func(*os.File) error) error {
	w, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = f(w)
	if err == nil {
		err = w.Sync()
	}
	if err = errors.Join(err, w.Close()); err != nil {
		os.Remove(path)
	}
	return err
}
