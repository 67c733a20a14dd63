package persist

import (
	"errors"
	"fmt"
	"os"

	bolt "go.etcd.io/bbolt"
)

// reseal writes the file anew with all secrets sealed by the first key, so that no
// page of it, used or free, holds a plain one or one of another key. A backup is made
// before, unless there is one. A crash at any moment leaves the file as it was or as it
// will be. When it fails, as on a full disk, the file stays as it was and is used: a hub
// must come up. Only when the file is in use no more is there an error.
func (db *DB) reseal(saved bool) error {
	err := db.resealTo(db.fresh(), saved)
	if err != nil {
		db.o.Log.Error("secrets in the data file could not be sealed with the present key; they stay as they are until the next start", "error", plain(err))
		os.Remove(db.fresh())
		return nil
	}
	if err := db.release(); err != nil {
		return err
	}
	if err := db.rename(db.fresh(), db.file()); err != nil {
		return err
	}
	b, file, err := openBolt(db.file(), db.o, false)
	if err != nil {
		return err
	}
	db.bolt, db.handle, db.unsealed = b, file, false
	db.o.Log.Info("secrets in the data file are sealed with the present key; older backups are as they were")
	return nil
}

// SecretsPending tells whether there are secrets in the file that are not sealed with the
// first key although they could be: the last attempt failed.
func (db *DB) SecretsPending() bool { return db.unsealed }

func (db *DB) resealTo(path string, saved bool) error {
	if !saved {
		if err := db.backup(db.nextPath(db.lineage), func() error { return nil }); err != nil {
			return fmt.Errorf("the backup before that failed: %w", err)
		}
	}
	b, _, err := openBolt(path, db.o, false)
	if err != nil {
		return err
	}
	err = db.view(func(from *bolt.Tx) error {
		c := &copier{secrets: db.o.Secrets, to: b}
		return guarded(func() error { return c.copy(from) })
	})
	if err = errors.Join(err, guarded(b.Close)); err != nil {
		return err
	}
	return sound(path)
}

// copier writes all of one file into another, in transactions of a bounded size.
type copier struct {
	secrets *Secrets
	to      *bolt.DB
	tx      *bolt.Tx
	bytes   int // in tx
}

const copyBytes = 1 << 20

func (c *copier) copy(from *bolt.Tx) (err error) {
	if c.tx, err = c.to.Begin(true); err != nil {
		return err
	}
	defer func() { c.tx.Rollback() }() // of what is not committed, also after a panic
	err = from.ForEach(func(name []byte, b *bolt.Bucket) error { return c.bucket([][]byte{name}, b) })
	if err != nil {
		return err
	}
	meta, err := makePath(c.tx, bucketMeta)
	if err != nil {
		return err
	}
	if err := meta.Put(keySealed, []byte("1")); err != nil {
		return err
	}
	return c.tx.Commit()
}

// bucket copies a bucket and all below it. Its keys come in order.
func (c *copier) bucket(path [][]byte, from *bolt.Bucket) error {
	to, err := makePath(c.tx, path...)
	if err != nil {
		return err
	}
	if err := to.SetSequence(from.Sequence()); err != nil {
		return err
	}
	to.FillPercent = 0.9
	return from.ForEach(func(k, v []byte) error {
		if v == nil {
			err := c.bucket(append(path[:len(path):len(path)], k), from.Bucket(k))
			if err == nil { // a new transaction may have begun
				to, err = makePath(c.tx, path...)
			}
			return err
		}
		if c.bytes += len(k) + len(v); c.bytes > copyBytes {
			if err := c.next(); err != nil {
				return err
			}
			if to, err = makePath(c.tx, path...); err != nil {
				return err
			}
			to.FillPercent = 0.9
		}
		record, err := c.record(path, k, v)
		if err != nil {
			return err
		}
		return to.Put(k, record)
	})
}

func (c *copier) next() (err error) {
	if err := c.tx.Commit(); err != nil {
		return err
	}
	c.bytes = 0
	tx, err := c.to.Begin(true)
	if err == nil {
		c.tx = tx
	}
	return err
}

// record seals the secrets of a node; everything else is as it was.
func (c *copier) record(path [][]byte, k, v []byte) ([]byte, error) {
	if len(path) != 3 || string(path[0]) != string(bucketSources) || string(path[2]) != string(bucketNodes) {
		return v, nil
	}
	r, err := readNode(k, v, nil)
	if err != nil {
		return nil, err
	}
	source := string(path[1])
	c.secrets.open(source, &r)
	if err := c.secrets.seal(source, &r); err != nil {
		return nil, err
	}
	return seal(k, appendNode(nil, &r)), nil
}
