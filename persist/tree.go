package persist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// How long and how many source events are kept.
const (
	keepEvents = 7 * 24 * time.Hour
	maxEvents  = 10_000
)

// TreeStore is the [tree.Store] of one data source.
type TreeStore struct {
	db     *DB
	source string
}

var _ tree.Store = (*TreeStore)(nil)

// Tree returns the store of a data source, which begins empty.
func (db *DB) Tree(source string) *TreeStore { return &TreeStore{db, source} }

func sourceOf(tx *bolt.Tx, name string) *bolt.Bucket {
	if sources := tx.Bucket(bucketSources); sources != nil {
		return sources.Bucket([]byte(name))
	}
	return nil
}

// makePath returns a bucket in buckets, which are made where missing.
func makePath(tx *bolt.Tx, path ...[]byte) (*bolt.Bucket, error) {
	b, err := tx.CreateBucketIfNotExists(path[0])
	for _, name := range path[1:] {
		if err != nil {
			return nil, err
		}
		b, err = b.CreateBucketIfNotExists(name)
	}
	return b, err
}

// Load implements [tree.Store].
func (s *TreeStore) Load(take func(tree.Record)) error {
	names := make(map[string]string)
	return s.db.view(func(tx *bolt.Tx) error {
		source := sourceOf(tx, s.source)
		if source == nil || source.Bucket(bucketNodes) == nil {
			return nil
		}
		defer release(tx)
		return source.Bucket(bucketNodes).ForEach(func(k, v []byte) error {
			r, sealed, err := readSealed(k, v, names)
			if err != nil {
				return fmt.Errorf("node %s: %w", k, err)
			}
			if sealed {
				s.db.o.Secrets.open(s.source, &r)
			}
			take(r)
			return nil
		})
	})
}

// Commit implements [tree.Store]. The shelves of deleted nodes are deleted too.
func (s *TreeStore) Commit(b tree.Batch) error {
	err := s.db.update(func(tx *bolt.Tx) error {
		source, err := makePath(tx, bucketSources, []byte(s.source))
		if err != nil {
			return err
		}
		return errors.Join(s.commitNodes(source, b), s.commitEvents(source, b.Events))
	})
	if err != nil {
		return err
	}
	s.db.drop(s.source, b.Delete)
	return nil
}

func (s *TreeStore) commitNodes(source *bolt.Bucket, b tree.Batch) error {
	if len(b.Delete) == 0 && len(b.Put) == 0 {
		return nil
	}
	records, err := source.CreateBucketIfNotExists(bucketNodes)
	if err != nil {
		return err
	}
	shelves := source.Bucket(bucketShelves)
	for _, id := range b.Delete {
		key := []byte(id)
		if err := records.Delete(key); err != nil {
			return err
		}
		if shelves != nil && shelves.Bucket(key) != nil {
			if err := shelves.DeleteBucket(key); err != nil {
				return err
			}
		}
	}
	for i := range b.Put {
		r := b.Put[i]
		if err := s.db.o.Secrets.seal(s.source, &r); err != nil {
			return err
		}
		key := []byte(r.Spec.ID)
		if err := records.Put(key, seal(key, appendNode(nil, &r))); err != nil {
			return err
		}
	}
	return nil
}

// commitEvents removes events that are too old or too many, and appends new ones. What
// would be removed at once is not written: a tree that is imported is one batch.
func (s *TreeStore) commitEvents(source *bolt.Bucket, list []nodes.Event) error {
	if len(list) == 0 {
		return nil
	}
	events, err := source.CreateBucketIfNotExists(bucketEvents)
	if err != nil {
		return err
	}
	last := events.Sequence() + uint64(len(list))
	before := list[len(list)-1].Time.Add(-keepEvents)
	c := events.Cursor()
	for k, v := c.First(); len(k) == 8; k, v = c.First() {
		if binary.BigEndian.Uint64(k)+maxEvents > last {
			if e, err := readEvent(k, v); err == nil && !e.Time.Before(before) {
				break
			}
		}
		if err := c.Delete(); err != nil {
			return err
		}
	}
	list = list[max(0, len(list)-maxEvents):]
	for list[0].Time.Before(before) {
		list = list[1:]
	}
	if err := events.SetSequence(last - uint64(len(list))); err != nil {
		return err
	}
	events.FillPercent = 0.9 // only ever appended to
	for i := range list {
		number, err := events.NextSequence()
		if err != nil {
			return err
		}
		key := binary.BigEndian.AppendUint64(nil, number)
		if err := events.Put(key, seal(key, appendEvent(nil, &list[i]))); err != nil {
			return err
		}
	}
	return nil
}

// Events calls f for the kept events that are not older than since, oldest first,
// until it returns false. Records that are damaged are left out.
func (s *TreeStore) Events(since time.Time, f func(nodes.Event) bool) error {
	return s.db.view(func(tx *bolt.Tx) error {
		source := sourceOf(tx, s.source)
		if source == nil || source.Bucket(bucketEvents) == nil {
			return nil
		}
		c := source.Bucket(bucketEvents).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			e, err := readEvent(k, v)
			if errors.Is(err, errNewer) {
				return err
			}
			if err == nil && !e.Time.Before(since) && !f(e) {
				break
			}
		}
		return nil
	})
}

// Shelf implements [tree.Store]. Like [DB.Shelf], but ends with its node.
func (s *TreeStore) Shelf(device string) nodes.Shelf {
	return s.db.shelf(shelfName{s.source, device})
}
