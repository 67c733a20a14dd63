package persist

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/nodes/tree/storetest"
)

// sample returns the bytes of a file with 300 nodes, events and a shelf.
func sample(t testing.TB) []byte {
	t.Helper()
	dir := t.TempDir()
	db := openTest(t, dir, Options{Now: clock})
	fill(t, db, 300)
	for i := range 20 {
		e := storetest.Event(nodes.NodeAdded, "x", clock().Add(time.Duration(i)))
		if err := db.Tree("test").Commit(tree.Batch{Events: []nodes.Event{e}}); err != nil {
			t.Fatal(err)
		}
	}
	db.Shelf("small").Put("a", []byte("b"))
	closeTest(t, db)
	b, err := os.ReadFile(db.file())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// damagedFolder makes a folder with one good backup of 5 nodes and that content as
// its file.
func damagedFolder(t testing.TB, content []byte) string {
	t.Helper()
	dir := t.TempDir()
	db := openTest(t, dir, Options{Now: clock})
	fill(t, db, 5)
	if err := db.backupIfDue(); err != nil {
		t.Fatal(err)
	}
	closeTest(t, db)
	if err := os.WriteFile(db.file(), content, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// openDamaged opens a folder whose file may be damaged, and looks whether what
// comes of it holds together.
func openDamaged(t *testing.T, dir string) (nodes int, recovered string) {
	t.Helper()
	db, err := Open(dir, Options{Now: clock})
	if err != nil {
		t.Errorf("Open: %v, want a recovery", err)
		return 0, ""
	}
	defer closeTest(t, db)
	return count(t, db), db.Recovered()
}

func TestTruncated(t *testing.T) {
	whole := sample(t)
	var sizes []int
	for n := 0; n < len(whole); n += len(whole)/40 + 1 {
		sizes = append(sizes, n)
	}
	sizes = append(sizes, 1, 100, 4095, 4096, 4097, 8191, 8192, 8193, 12288, 16384)
	cut := 0
	for _, n := range sizes {
		dir := damagedFolder(t, whole[:n])
		got, recovered := openDamaged(t, dir)
		switch {
		case recovered == "" && got == 300: // only what was never used was cut off
		case got != 5 || !strings.Contains(recovered, "damaged") || !strings.Contains(recovered, "2026-12-01 12:00"):
			t.Errorf("cut at %d of %d: %d nodes, recovered %q", n, len(whole), got, recovered)
		default:
			cut++
			if aside := names(t, filepath.Join(dir, "hub.db.damaged-*")); len(aside) != 1 {
				t.Errorf("cut at %d: set aside: %q, want one file", n, aside)
			}
		}
		if again, recovered := openDamaged(t, dir); again != got || recovered != "" {
			t.Errorf("cut at %d: the next start finds %d nodes and says %q, want %d and nothing", n, again, recovered, got)
		}
	}
	if cut < 10 {
		t.Errorf("only %d of %d cuts did damage", cut, len(sizes))
	}
}

func TestGarbage(t *testing.T) {
	whole := sample(t)
	random := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{1}).Read(random)
	metas := slices.Clone(whole)
	copy(metas[16:], random[:64])
	copy(metas[4096+16:], random[:64])
	for name, content := range map[string][]byte{
		"empty": {}, "random": random, "text": []byte(strings.Repeat("hello ", 5000)), "zeros": make([]byte, 65536),
		"both metas": metas, "only metas": append(slices.Clone(whole[:8192]), make([]byte, len(whole)-8192)...),
	} {
		t.Run(name, func(t *testing.T) {
			if got, recovered := openDamaged(t, damagedFolder(t, content)); got != 5 || recovered == "" {
				t.Errorf("%d nodes, recovered %q, want those of the backup", got, recovered)
			}
		})
	}
	t.Run("one meta", func(t *testing.T) {
		one := slices.Clone(whole)
		copy(one[16:], random[:64])
		if got, recovered := openDamaged(t, damagedFolder(t, one)); got == 0 {
			t.Errorf("%d nodes, recovered %q", got, recovered)
		}
	})
	t.Run("another database", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "other.db")
		b, err := bolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got, recovered := openDamaged(t, damagedFolder(t, content)); got != 5 || !strings.Contains(recovered, "not that of a hub") {
			t.Errorf("%d nodes, recovered %q", got, recovered)
		}
	})
}

// TestFlipped flips bytes anywhere: the file is used with all its nodes, or
// replaced; no node comes back changed.
func TestFlipped(t *testing.T) {
	whole := sample(t)
	want := make(map[string]tree.Record)
	for i := range 300 {
		want[nodeID(i)] = storetest.Record(nodeID(i), nodes.RootID, uint64(i+1))
	}
	rounds := 150
	if testing.Short() {
		rounds = 20
	}
	r := rand.New(rand.NewPCG(1, 2))
	replaced := 0
	for round := range rounds {
		b := slices.Clone(whole)
		at := r.IntN(len(b))
		for range 1 + r.IntN(8) {
			b[(at+r.IntN(64))%len(b)] ^= byte(1 + r.IntN(255))
		}
		db, err := Open(damagedFolder(t, b), Options{Now: clock})
		if err != nil {
			t.Errorf("round %d, at %d: %v", round, at, err)
			continue
		}
		list, err := loaded(db)
		if err != nil {
			t.Errorf("round %d, at %d: %v", round, at, err)
		}
		if db.Recovered() != "" {
			replaced++
		} else if len(list) != 300 {
			t.Errorf("round %d, at %d: %d nodes without a word", round, at, len(list))
		}
		for _, rec := range list {
			if !storetest.Same(rec, want[rec.Spec.ID]) {
				t.Errorf("round %d, at %d: node %s came back changed", round, at, rec.Spec.ID)
			}
		}
		fill(t, db, 10) // it can be written
		if err := db.Tree("test").Events(time.Time{}, func(nodes.Event) bool { return true }); err != nil {
			t.Errorf("round %d, at %d: %v", round, at, err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("round %d, at %d: %v", round, at, err)
		}
	}
	t.Logf("%d of %d files were replaced", replaced, rounds)
	if replaced == 0 || replaced == rounds {
		t.Errorf("%d of %d files were replaced, want some", replaced, rounds)
	}
}

func TestNoBackup(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hub.db"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := openTest(t, dir, Options{})
	if count(t, db) != 0 || !strings.Contains(db.Recovered(), "no usable backup") {
		t.Errorf("%d nodes, %q", count(t, db), db.Recovered())
	}
}

func TestDamagedBackupIsPassedOver(t *testing.T) {
	dir := t.TempDir()
	day := clock()
	o := Options{Now: func() time.Time { return day }}
	for i := range 3 {
		db := openTest(t, dir, o)
		fill(t, db, i+3)
		if err := db.backupIfDue(); err != nil {
			t.Fatal(err)
		}
		closeTest(t, db)
		day = day.Add(25 * time.Hour)
	}
	list := names(t, filepath.Join(dir, "backups", "*"))
	if len(list) != 3 {
		t.Fatalf("backups %q, want three", list)
	}
	for path, content := range map[string]string{"backups/" + list[2]: "garbage", "hub.db": "garbage"} {
		if err := os.WriteFile(filepath.Join(dir, path), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db := openTest(t, dir, o)
	if count(t, db) != 3 || !strings.Contains(db.Recovered(), "2026-12-02 13:00") {
		t.Errorf("%d nodes, want the 3 of the second backup; %s", count(t, db), db.Recovered())
	}
}

func TestMissingFile(t *testing.T) {
	dir := damagedFolder(t, nil)
	if err := os.Remove(filepath.Join(dir, "hub.db")); err != nil {
		t.Fatal(err)
	}
	if got, recovered := openDamaged(t, dir); got != 5 || !strings.Contains(recovered, "missing") {
		t.Errorf("%d nodes, recovered %q", got, recovered)
	}
}

func TestSetAsideFilesAreBounded(t *testing.T) {
	dir := t.TempDir()
	for i := range 6 {
		if err := os.WriteFile(filepath.Join(dir, "hub.db"), []byte{byte(i)}, 0o600); err != nil {
			t.Fatal(err)
		}
		openDamaged(t, dir)
	}
	if got := names(t, filepath.Join(dir, "hub.db.damaged-*")); len(got) != 3 {
		t.Errorf("set aside: %q, want three", got)
	}
}

// TestEmptyPushesOutNothing: after a recovery to an empty file, days go by.
func TestEmptyPushesOutNothing(t *testing.T) {
	day := clock()
	o := Options{Now: func() time.Time { return day }, Keep: 2}
	dir := t.TempDir()
	db := openTest(t, dir, o)
	fill(t, db, 5)
	for range 3 {
		if err := db.backupIfDue(); err != nil {
			t.Fatal(err)
		}
		day = day.Add(25 * time.Hour)
	}
	closeTest(t, db)
	good := names(t, filepath.Join(dir, "backups", "*"))
	if len(good) != 2 {
		t.Fatalf("backups %q, want the last two", good)
	}
	// They cannot be used just now, and the file is damaged.
	for _, name := range good {
		os.Rename(filepath.Join(dir, "backups", name), filepath.Join(dir, name))
	}
	os.WriteFile(filepath.Join(dir, "hub.db"), []byte("x"), 0o600)
	db = openTest(t, dir, o)
	if count(t, db) != 0 {
		t.Fatalf("%d nodes, want none", count(t, db))
	}
	for _, name := range good {
		os.Rename(filepath.Join(dir, name), filepath.Join(dir, "backups", name))
	}
	for i := range 5 {
		if i == 2 {
			fill(t, db, 1) // somebody begins anew
		}
		day = day.Add(25 * time.Hour)
		if err := db.backupIfDue(); err != nil {
			t.Fatal(err)
		}
	}
	got := names(t, filepath.Join(dir, "backups", "*"))
	if len(got) != 4 {
		t.Errorf("backups %q, want the two good ones and two of the new file", got)
	}
	for _, name := range good {
		if !slices.Contains(got, name) {
			t.Errorf("the good backup %s was pushed out", name)
		}
	}
}

func TestNewerRecordIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Options{})
	fill(t, db, 1)
	err := db.update(func(tx *bolt.Tx) error {
		key := []byte("future")
		return sourceOf(tx, "test").Bucket(bucketNodes).Put(key, seal(key, []byte{nodeVersion + 1, 1, 2, 3}))
	})
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, db)
	if db, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "newer version") || !strings.Contains(err.Error(), "future") {
		t.Errorf("Open: %v, %v, want a refusal that names the node", db, err)
	}
	if got := names(t, filepath.Join(dir, "hub.db*")); fmt.Sprint(got) != "[hub.db]" {
		t.Errorf("files %q, want the one that was there", got)
	}
}
