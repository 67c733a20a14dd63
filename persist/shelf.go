package persist

import (
	"bytes"
	"maps"
	"slices"

	bolt "go.etcd.io/bbolt"

	"github.com/fieldhub/hub/nodes"
)

// What a shelf takes.
const (
	maxShelfKey   = 1 << 10
	maxShelfValue = 1 << 20
	flushBytes    = 1 << 20 // this much waiting is written without waiting longer
	maxWaiting    = 16 << 20
)

const shelfVersion = 1

// shelfName names a shelf; those of the hub itself have no source.
type shelfName struct{ source, name string }

// shelf is a [nodes.Shelf] whose records wait in memory until they are written
// together.
type shelf struct {
	db   *DB
	name shelfName

	// Guarded by db.mu.
	waiting map[string]*waiting
	gone    bool // with its node
}

// waiting is a record that is not on disk yet.
type waiting struct {
	value  []byte
	delete bool
}

// Shelf returns a shelf of the hub itself, the same for the same name. Keys have
// at most 1 KiB, values 1 MiB; what is larger is refused with a line in the log.
// When writing fails, at most 16 MiB wait; then new records are refused so too.
func (db *DB) Shelf(name string) nodes.Shelf { return db.shelf(shelfName{"", name}) }

func (db *DB) shelf(name shelfName) *shelf {
	db.mu.Lock()
	defer db.mu.Unlock()
	s := db.shelves[name]
	if s == nil {
		s = &shelf{db: db, name: name, waiting: make(map[string]*waiting)}
		db.shelves[name] = s
	}
	return s
}

// bucket returns the shelf's bucket, or nil if nothing was written to it yet.
func (s *shelf) bucket(tx *bolt.Tx) *bolt.Bucket {
	shelves := tx.Bucket(bucketShelves)
	if s.name.source != "" {
		source := sourceOf(tx, s.name.source)
		if source == nil {
			return nil
		}
		shelves = source.Bucket(bucketShelves)
	}
	if shelves == nil {
		return nil
	}
	return shelves.Bucket([]byte(s.name.name))
}

func (s *shelf) makeBucket(tx *bolt.Tx) (*bolt.Bucket, error) {
	path := [][]byte{bucketShelves, []byte(s.name.name)}
	if s.name.source != "" {
		path = append([][]byte{bucketSources, []byte(s.name.source)}, path...)
	}
	return makePath(tx, path...)
}

// Get implements [nodes.Shelf].
func (s *shelf) Get(key string) ([]byte, bool) {
	s.db.mu.Lock()
	w, gone := s.waiting[key], s.gone
	s.db.mu.Unlock()
	switch {
	case gone:
		return nil, false
	case w != nil:
		return bytes.Clone(w.value), !w.delete
	}
	var out []byte
	found := false
	err := s.db.view(func(tx *bolt.Tx) error {
		if b := s.bucket(tx); b != nil && key != "" {
			if record := b.Get([]byte(key)); record != nil {
				content, _, err := unseal([]byte(key), record, shelfVersion)
				out, found = append([]byte{}, content...), err == nil
				return err
			}
		}
		return nil
	})
	if err != nil {
		s.complain("record not read", key, err)
	}
	return out, found
}

// Put implements [nodes.Shelf].
func (s *shelf) Put(key string, value []byte) {
	if key == "" || len(key) > maxShelfKey || len(value) > maxShelfValue {
		s.db.o.Log.Error("record not kept: its key or value is too long", "shelf", s.name.name, "key", len(key), "value", len(value))
		return
	}
	s.put(key, &waiting{value: append([]byte{}, value...)})
}

// Delete implements [nodes.Shelf].
func (s *shelf) Delete(key string) {
	if key != "" && len(key) <= maxShelfKey {
		s.put(key, &waiting{delete: true})
	}
}

func (s *shelf) put(key string, w *waiting) {
	db := s.db
	db.mu.Lock()
	defer db.mu.Unlock()
	if s.gone || db.closed {
		return
	}
	if db.bytes += size(key, w) - size(key, s.waiting[key]); db.bytes > maxWaiting {
		db.bytes += size(key, s.waiting[key]) - size(key, w)
		db.o.Log.Error("record not kept: too much is waiting to be written", "shelf", s.name.name)
		return
	}
	s.waiting[key] = w
	db.dirty[s] = struct{}{}
	if db.bytes > flushBytes {
		select {
		case db.wake <- struct{}{}:
		default:
		}
	}
}

func size(key string, w *waiting) int {
	if w == nil {
		return 0
	}
	return len(key) + len(w.value) + 64
}

// Range implements [nodes.Shelf]. f may use the shelf.
func (s *shelf) Range(f func(key string, value []byte) bool) {
	s.db.mu.Lock()
	over, gone := maps.Clone(s.waiting), s.gone
	s.db.mu.Unlock()
	if gone {
		return
	}
	all := make(map[string][]byte)
	err := s.db.view(func(tx *bolt.Tx) error {
		b := s.bucket(tx)
		if b == nil {
			return nil
		}
		return b.ForEach(func(k, record []byte) error {
			if content, _, err := unseal(k, record, shelfVersion); err != nil {
				s.complain("record not read", string(k), err)
			} else if over[string(k)] == nil {
				all[string(k)] = bytes.Clone(content)
			}
			return nil
		})
	})
	if err != nil {
		s.complain("shelf not read", "", err)
	}
	for k, w := range over {
		if !w.delete {
			all[k] = bytes.Clone(w.value)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		if !f(k, all[k]) {
			return
		}
	}
}

func (s *shelf) complain(what, key string, err error) {
	s.db.o.Log.Error(what, "shelf", s.name.name, "key", key, "error", err)
}

// flush writes everything that waits, in one transaction.
func (db *DB) flush() error {
	db.writing.Lock()
	defer db.writing.Unlock()
	db.mu.Lock()
	batch := make(map[*shelf]map[string]*waiting, len(db.dirty))
	for s := range db.dirty {
		batch[s] = maps.Clone(s.waiting)
	}
	db.mu.Unlock()
	if len(batch) == 0 {
		return nil
	}
	err := db.update(func(tx *bolt.Tx) error {
		for s, records := range batch {
			if err := s.write(tx, records); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for s, records := range batch {
		for k, w := range records {
			if s.waiting[k] == w { // not put again meanwhile
				delete(s.waiting, k)
				db.bytes -= size(k, w)
			}
		}
		if len(s.waiting) == 0 {
			delete(db.dirty, s)
		}
	}
	return nil
}

func (s *shelf) write(tx *bolt.Tx, records map[string]*waiting) error {
	s.db.mu.Lock()
	gone := s.gone
	s.db.mu.Unlock()
	if gone {
		return nil
	}
	b, err := s.makeBucket(tx)
	if err != nil {
		return err
	}
	for k, w := range records {
		key := []byte(k)
		if w.delete {
			err = b.Delete(key)
		} else {
			err = b.Put(key, seal(key, append([]byte{shelfVersion}, w.value...)))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// drop forgets the shelves of removed nodes; what their devices still put is
// lost.
func (db *DB) drop(source string, names []string) {
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, name := range names {
		s := db.shelves[shelfName{source, name}]
		if s == nil {
			continue
		}
		s.gone = true
		for k, w := range s.waiting {
			db.bytes -= size(k, w)
		}
		clear(s.waiting)
		delete(db.dirty, s)
		delete(db.shelves, s.name)
	}
}
