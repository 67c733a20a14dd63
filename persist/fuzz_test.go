package persist

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree/storetest"
)

// FuzzNode: whatever a record holds, it is refused or comes back the same.
func FuzzNode(f *testing.F) {
	r := storetest.Record("some node", nodes.RootID, 7)
	f.Add(appendNode(nil, &r))
	f.Add([]byte{nodeVersion})
	f.Add([]byte{2, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		key := []byte("some node")
		r, err := readNode(key, seal(key, bytes.Clone(b)), nil)
		if err != nil {
			if !errors.Is(err, errRecord) && !errors.Is(err, errNewer) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		again, err := readNode(key, seal(key, appendNode(nil, &r)), make(map[string]string))
		if err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", r) {
			t.Fatalf("%#v came back as %#v, %v", r, again, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	e := storetest.Event(nodes.NodeRemoved, "x", clock())
	f.Add(appendEvent(nil, &e))
	f.Add([]byte{eventVersion})
	f.Fuzz(func(t *testing.T, b []byte) {
		key := []byte{0, 0, 0, 0, 0, 0, 0, 1}
		e, err := readEvent(key, seal(key, bytes.Clone(b)))
		if err != nil {
			return
		}
		again, err := readEvent(key, seal(key, appendEvent(nil, &e)))
		if err != nil || fmt.Sprintf("%#v", again) != fmt.Sprintf("%#v", e) {
			t.Fatalf("%#v came back as %#v, %v", e, again, err)
		}
	})
}

// FuzzVerify: what verify lets pass, bbolt can read and write without a panic or
// a fault.
func FuzzVerify(f *testing.F) {
	whole := sample(f)
	fresh := openTest(f, f.TempDir(), Options{})
	closeTest(f, fresh)
	small, err := os.ReadFile(fresh.file())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint32(0), []byte{}, uint32(0), []byte{})
	f.Add(uint32(2*4096+8), []byte{1}, uint32(2*4096+10), []byte{200})
	for page := range uint32(8) {
		f.Add(page*4096+10, []byte{3}, page*4096+12, []byte{1})
		f.Add(page*4096+16, []byte{1, 0, 0, 0}, page*4096+24, []byte{255, 255})
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, at uint32, with []byte, at2 uint32, with2 []byte) {
		for i, content := range [][]byte{whole, small} {
			b := bytes.Clone(content)
			copy(b[int(at)%len(b):], with)
			copy(b[int(at2)%len(b):], with2)
			if verify(bytes.NewReader(b), int64(len(b))) != nil {
				continue
			}
			path := filepath.Join(dir, fmt.Sprint(i))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			useAll(t, path)
		}
	})
}

// useAll reads everything in a file and writes to each bucket, unguarded.
func useAll(t *testing.T, path string) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, FreelistType: bolt.FreelistMapType, NoSync: true})
	if err != nil {
		t.Fatalf("what verify let pass cannot be opened: %v", err)
	}
	defer db.Close()
	var visit func(b *bolt.Bucket) error
	visit = func(b *bolt.Bucket) error {
		err := b.ForEach(func(k, v []byte) error {
			if v != nil {
				return nil
			}
			return visit(b.Bucket(k))
		})
		if err != nil || !b.Writable() {
			return err
		}
		err = errors.Join(b.Put([]byte("new"), make([]byte, 9000)), b.Put([]byte("a"), nil), b.Delete([]byte("a")))
		if err != nil && !strings.Contains(err.Error(), "incompatible value") {
			return err
		}
		return nil
	}
	all := func(tx *bolt.Tx) error {
		return tx.ForEach(func(_ []byte, b *bolt.Bucket) error {
			if b == nil {
				return nil
			}
			return visit(b)
		})
	}
	for _, err := range []error{db.View(all), db.Update(all), db.Update(all), db.View(all)} {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestSeal(t *testing.T) {
	key := []byte("k")
	record := seal(key, []byte{1, 2, 3})
	if c, v, err := unseal(key, record, 1); err != nil || v != 1 || !bytes.Equal(c, []byte{2, 3}) {
		t.Errorf("got %v, version %d, %v", c, v, err)
	}
	for i := range record {
		b := bytes.Clone(record)
		b[i] ^= 1
		if _, _, err := unseal(key, b, 1); !errors.Is(err, errRecord) {
			t.Errorf("byte %d changed: %v, want that the record is damaged", i, err)
		}
	}
	if _, _, err := unseal([]byte("l"), record, 1); !errors.Is(err, errRecord) {
		t.Errorf("below another key: %v, want that the record is damaged", err)
	}
	if _, _, err := unseal(key, seal(key, []byte{9}), 8); !errors.Is(err, errNewer) {
		t.Errorf("a newer version: %v, want a refusal", err)
	}
	for _, b := range [][]byte{nil, {1}, {1, 2, 3, 4}} {
		if _, _, err := unseal(key, b, 1); !errors.Is(err, errRecord) {
			t.Errorf("%v: %v, want that the record is damaged", b, err)
		}
	}
}
