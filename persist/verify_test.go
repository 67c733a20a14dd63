package persist

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

// TestVerifyTrustsSoundFiles: whatever bbolt writes passes, since a sound file
// that is refused would cost its latest changes.
func TestVerifyTrustsSoundFiles(t *testing.T) {
	rounds := 300
	if testing.Short() {
		rounds = 60
	}
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		path := filepath.Join(t.TempDir(), "x.db")
		o := &bolt.Options{NoSync: true, Timeout: time.Second, PageSize: []int{4096, 1024, 65536, 4096}[seed]}
		if seed%2 == 1 {
			o.FreelistType, o.NoFreelistSync = bolt.FreelistMapType, seed == 3
		}
		db, err := bolt.Open(path, 0o600, o)
		if err != nil {
			t.Fatal(err)
		}
		for round := range rounds {
			err := db.Update(func(tx *bolt.Tx) error { return stir(r, tx) })
			if err != nil {
				t.Fatal(err)
			}
			if round%10 == 0 {
				if err := sound(path); err != nil {
					t.Fatalf("seed %d, round %d: %v", seed, round, err)
				}
			}
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// stir changes a database at random: nested buckets, long and short keys and
// values, ranges deleted from the front, the middle and altogether.
func stir(r *rand.Rand, tx *bolt.Tx) error {
	b, err := tx.CreateBucketIfNotExists(fmt.Append(nil, "top", r.IntN(3)))
	for err == nil && r.IntN(2) == 0 {
		b, err = b.CreateBucketIfNotExists(fmt.Append(nil, "sub", r.IntN(4)))
	}
	if err != nil {
		return err
	}
	key := func() []byte {
		k := fmt.Append(nil, "k", r.IntN(3000))
		if r.IntN(20) == 0 {
			k = append(k, bytes.Repeat([]byte("x"), r.IntN(900))...)
		}
		return k
	}
	switch r.IntN(5) {
	case 0: // a range goes
		c := b.Cursor()
		k, v := c.First()
		if r.IntN(2) == 0 {
			k, v = c.Seek(key())
		}
		for n := r.IntN(600); k != nil && n > 0; n-- {
			if v != nil {
				if err := c.Delete(); err != nil {
					return err
				}
			}
			k, v = c.Next()
		}
	case 1: // single ones go
		for range r.IntN(100) {
			k := key()
			if b.Bucket(k) == nil {
				if err := b.Delete(k); err != nil {
					return err
				}
			}
		}
	case 2: // a bucket goes
		if name := fmt.Append(nil, "sub", r.IntN(4)); b.Bucket(name) != nil && r.IntN(4) == 0 {
			return b.DeleteBucket(name)
		}
	default:
		for range r.IntN(300) {
			if err := b.Put(key(), make([]byte, r.IntN(1<<uint(r.IntN(13))))); err != nil {
				return err
			}
		}
	}
	return nil
}

// broken is a disk that fails from some place on.
type broken struct {
	b    []byte
	from int64
}

var errDisk = errors.New("input/output error")

func (d broken) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > d.from {
		return 0, errDisk
	}
	return bytes.NewReader(d.b).ReadAt(b, off)
}

// TestVerifyTellsDiskErrorsFromDamage: a disk that cannot be read is no reason to
// replace the file.
func TestVerifyTellsDiskErrorsFromDamage(t *testing.T) {
	whole := sample(t)
	failed := 0
	for from := 0; from <= len(whole); from += 4096 {
		err := verify(broken{whole, int64(from)}, int64(len(whole)))
		if err != nil && (!errors.Is(err, errDisk) || isDamage(err)) {
			t.Errorf("from %d: %v, want the disk's error", from, err)
		}
		if err != nil {
			failed++
		}
	}
	if failed < 10 {
		t.Errorf("only %d of the disks failed", failed)
	}
}
