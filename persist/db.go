package persist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

// ErrLocked is the cause when another process uses the data folder.
var ErrLocked = errors.New("another hub is running on this data folder; stop it first, or let the command speak to it")

// Options are how a data folder is opened; the zero value is good.
type Options struct {
	Log     *slog.Logger  // nil: none
	Timeout time.Duration // how long a lock held elsewhere is waited for; 0: one second
	Keep    int           // regular backups kept; 0: seven
	MaxSize int           // bytes the file may grow to; 0: no limit
	Now     func() time.Time
	Secrets *Secrets // which parameters are sealed; nil: none, and what is sealed stays so

	steps []step // instead of those of this program, in tests
}

func (o Options) filled() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Timeout = cmp.Or(o.Timeout, time.Second)
	o.Keep = cmp.Or(o.Keep, 7)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.steps == nil {
		o.steps = steps
	}
	return o
}

// DB is an open data folder. Safe for concurrent use. The opener closes it, after
// whoever uses it has stopped.
type DB struct {
	folder
	bolt      *bolt.DB
	handle    *os.File // that of bolt
	lock      *os.File
	recovered string
	identity  string
	lineage   string
	unsealed  bool // there are secrets to be sealed, or sealed anew

	mu      sync.Mutex
	shelves map[shelfName]*shelf
	dirty   map[*shelf]struct{}
	bytes   int           // waiting to be written
	wake    chan struct{} // 1: there is much to be written
	closed  bool
	writing sync.Mutex // one flush at a time

	updating sync.Mutex            // one writing transaction at a time
	broken   atomic.Pointer[error] // why the file cannot be used any more
}

// Open opens the data folder and creates it if there is none. A damaged file is
// replaced by the last good backup, or by an empty one if there is none: see
// [DB.Recovered]. Everything else that stands in the way is an error which says
// what to do; [ErrLocked] is among the causes.
func Open(dir string, o Options) (*DB, error) {
	f := folder{dir: dir, o: o.filled()}
	lock, err := f.enter()
	if err != nil {
		return nil, err
	}
	db := &DB{folder: f, lock: lock, shelves: make(map[shelfName]*shelf), dirty: make(map[*shelf]struct{}), wake: make(chan struct{}, 1)}
	if err := db.open(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("data folder %s: %w", dir, plain(err))
	}
	db.sweep()
	if err := db.backupIfDue(); err != nil {
		db.o.Log.Error("no backup was made", "error", err)
	}
	return db, nil
}

// Dir is the data folder.
func (db *DB) Dir() string { return db.dir }

// Recovered tells in words that the file was damaged and what took its place, or
// is "".
func (db *DB) Recovered() string { return db.recovered }

// Identity is a random text of 32 hexadecimal digits that the folder keeps for
// ever, through restored backups too.
func (db *DB) Identity() string { return db.identity }

// Run writes shelves about once a second and makes the daily backups, until ctx
// ends. Without it shelves are written by [DB.Close] only. It returns an error when
// the file was damaged meanwhile; then the hub must start again, and will find a
// backup to go on with.
func (db *DB) Run(ctx context.Context) error {
	flush := time.NewTicker(time.Second)
	defer flush.Stop()
	hour := time.NewTicker(time.Hour)
	defer hour.Stop()
	failed := false
	for {
		select {
		case <-flush.C:
		case <-db.wake:
		case <-hour.C:
			if err := db.backupIfDue(); err != nil {
				db.o.Log.Error("no backup was made", "error", err)
			}
		case <-ctx.Done():
			return db.flush()
		}
		err := db.flush()
		if broken := db.broken.Load(); broken != nil {
			return *broken
		}
		if err != nil && !failed {
			db.o.Log.Error("counters and other small records could not be written; they are kept in memory", "error", err)
		} else if err == nil && failed {
			db.o.Log.Info("small records are written again")
		}
		failed = err != nil
	}
}

// Close writes what is waiting and releases the folder. Calling it again does
// nothing.
func (db *DB) Close() error {
	db.mu.Lock()
	was := db.closed
	db.closed = true
	db.mu.Unlock()
	if was {
		return nil
	}
	err := errors.Join(db.flush(), db.release(), db.lock.Close())
	if err != nil {
		return fmt.Errorf("data folder %s: %w", db.dir, err)
	}
	return nil
}

// release closes the file.
func (db *DB) release() error {
	if db.broken.Load() != nil {
		return db.handle.Close() // bbolt's own Close would wait for ever
	}
	return guarded(db.bolt.Close)
}

// view runs f in a reading transaction, which must be short: it keeps pages from
// being used again.
func (db *DB) view(f func(*bolt.Tx) error) error {
	return db.use(func() error { return db.bolt.View(f) })
}

// update runs f in a writing transaction, and returns when it is on disk.
func (db *DB) update(f func(*bolt.Tx) error) error {
	db.updating.Lock()
	defer db.updating.Unlock()
	return db.use(func() error { return db.bolt.Update(f) })
}

// use calls bbolt. After a panic it is called no more: it may still hold its locks.
func (db *DB) use(f func() error) error {
	if broken := db.broken.Load(); broken != nil {
		return *broken
	}
	err := guarded(f)
	var p *panicked
	if errors.As(err, &p) {
		err = fmt.Errorf("the data file was damaged while it was in use; start the hub again, it will go on with the last backup: %w", err)
		db.broken.CompareAndSwap(nil, &err)
		db.o.Log.Error("data file lost", "error", err)
	}
	return plain(err)
}

// guarded runs f and makes a damage of a panic and of a fault in the file's
// mapping, which a disk error causes.
func guarded(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = &panicked{damaged("the database gave up: %v", p)}
		}
	}()
	return f()
}

// panicked is a damage that made bbolt panic.
type panicked struct{ error }

func (p *panicked) Unwrap() error { return p.error }

// plain puts errors of the system in words that say what to do.
func plain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, bolterrors.ErrTimeout):
		return ErrLocked
	case diskFull(err) || errors.Is(err, bolterrors.ErrMaxSizeReached):
		return fmt.Errorf("the disk is full, make room on it; nothing was damaged: %w", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("permission denied; give the folder and what is in it to the user that the hub runs as: %w", err)
	}
	return err
}

// folder is the files of a data folder.
type folder struct {
	dir string
	o   Options
}

func (f folder) file() string     { return filepath.Join(f.dir, "hub.db") }
func (f folder) fresh() string    { return filepath.Join(f.dir, "hub.db.new") }
func (f folder) staged() string   { return filepath.Join(f.dir, "hub.db.restore") }
func (f folder) backups() string  { return filepath.Join(f.dir, "backups") }
func (f folder) lockPath() string { return filepath.Join(f.dir, "hub.lock") }

// enter makes the folder and takes its lock.
func (f folder) enter() (*os.File, error) {
	if err := os.MkdirAll(f.backups(), 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", plain(err))
	}
	lock, err := lockFile(f.lockPath(), f.o.Timeout)
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w", f.dir, plain(err))
	}
	return lock, nil
}
