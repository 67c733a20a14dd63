package persist

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/nodes/tree/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(resealDir); dir != "" {
		resealChild(dir)
		return
	}
	if dir := os.Getenv(childDir); dir != "" {
		child(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// clock is a day on which backups are made.
func clock() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) }

// openTest opens a folder; at the end of the test it is closed and checked.
func openTest(t testing.TB, dir string, o Options) *DB {
	t.Helper()
	db, err := Open(dir, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { closeTest(t, db) })
	return db
}

// closeTest closes a folder, and has bbolt look at the file.
func closeTest(t testing.TB, db *DB) {
	t.Helper()
	db.mu.Lock()
	was := db.closed
	db.mu.Unlock()
	if was {
		return
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	check(t, db.file())
}

// check is bbolt's own judgement of a file, and ours.
func check(t testing.TB, path string) {
	t.Helper()
	if err := sound(path); err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return
	}
	defer b.Close()
	err = b.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
}

// fill puts nodes n0, n1, … below the root.
func fill(t testing.TB, db *DB, n int) {
	t.Helper()
	var b tree.Batch
	for i := range n {
		b.Put = append(b.Put, storetest.Record(nodeID(i), nodes.RootID, uint64(i+1)))
	}
	if err := db.Tree("test").Commit(b); err != nil {
		t.Fatal(err)
	}
}

func nodeID(i int) string { return "n" + string(rune('a'+i%26)) + time.Duration(i).String() }

func count(t testing.TB, db *DB) int {
	t.Helper()
	list, err := loaded(db)
	if err != nil {
		t.Errorf("Load: %v", err)
	}
	return len(list)
}

func loaded(db *DB) (list []tree.Record, err error) {
	err = db.Tree("test").Load(func(r tree.Record) { list = append(list, r) })
	return list, err
}

func names(t *testing.T, pattern string) []string {
	t.Helper()
	list, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		list[i] = filepath.Base(list[i])
	}
	return list
}

type box struct {
	t  *testing.T
	db *DB
}

func (b *box) Store() tree.Store { return b.db.Tree("test") }

func (b *box) Events() (out []nodes.Event) {
	err := b.db.Tree("test").Events(time.Time{}, func(e nodes.Event) bool { out = append(out, e); return true })
	if err != nil {
		b.t.Error(err)
	}
	return out
}

func (b *box) Reopen() {
	closeTest(b.t, b.db)
	b.db = openTest(b.t, b.db.dir, Options{})
}

func TestFileIsAStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Box { return &box{t, openTest(t, t.TempDir(), Options{})} })
}
