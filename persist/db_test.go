package persist

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
	"github.com/fieldhub/hub/nodes/tree/storetest"
)

func TestLocked(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Options{})
	began := time.Now()
	_, err := Open(dir, Options{Timeout: 50 * time.Millisecond})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second Open: %v, want that another hub is running on %s", err, dir)
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("it took %v", d)
	}
	closeTest(t, db)
	openTest(t, dir, Options{})
}

func TestPermission(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("left out as root, whom nothing is forbidden")
	}
	dir := t.TempDir()
	closeTest(t, openTest(t, dir, Options{}))
	if err := os.Chmod(filepath.Join(dir, "hub.db"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("Open: %v, want that permission is denied", err)
	}
	if got := names(t, filepath.Join(dir, "hub.db*")); len(got) != 1 {
		t.Errorf("files %q, want the one that was there", got)
	}
}

func TestNotAFolder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil {
		t.Error("a file was opened as a folder")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "hub.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a file") {
		t.Errorf("a folder as hub.db: %v", err)
	}
}

// fullDisk commits until nothing fits any more and looks whether what was
// acknowledged is there.
func fullDisk(t *testing.T, dir string, o Options) {
	t.Helper()
	db, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for ; written < 10_000; written++ {
		r := storetest.Record(fmt.Sprintf("node %d", written), nodes.RootID, uint64(written+1))
		r.Spec.Params = nodes.Params{"Text": nodes.String(strings.Repeat("x", 8000))}
		if err = db.Tree("test").Commit(tree.Batch{Put: []tree.Record{r}}); err != nil {
			break
		}
	}
	if err == nil || !strings.Contains(err.Error(), "disk is full") {
		t.Fatalf("after %d nodes: %v, want that the disk is full", written, err)
	}
	if got := count(t, db); got != written {
		t.Errorf("%d nodes, want the %d acknowledged", got, written)
	}
	if err := db.Backup(context.Background(), filepath.Join(dir, "b.db")); err != nil && !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Backup: %v", err)
	}
	os.Remove(filepath.Join(dir, "b.db"))
	if err := db.Tree("test").Commit(tree.Batch{Delete: []string{"node 0", "node 1", "node 2"}}); err != nil && !strings.Contains(err.Error(), "disk is full") {
		t.Errorf("Delete: %v", err)
	}
	got := count(t, db)
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	check(t, db.file())
	db, err = Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if again := count(t, db); again != got || db.Recovered() != "" {
		t.Errorf("after a restart %d nodes, %q, want %d", again, db.Recovered(), got)
	}
	if err := db.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	t.Logf("%d nodes fitted", written)
}

func TestFileAtItsLimit(t *testing.T) { fullDisk(t, t.TempDir(), Options{MaxSize: 1 << 20}) }

func TestShelves(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- db.Run(ctx) }()
	s := db.Shelf("numbers")
	for i := range 2000 {
		s.Put(fmt.Sprintf("%04d", i), make([]byte, 1000)) // more than flushBytes: it is written at once
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		db.mu.Lock()
		waiting := db.bytes
		db.mu.Unlock()
		if waiting == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes wait", waiting)
		}
	}
	n := 0
	s.Range(func(k string, v []byte) bool {
		if _, ok := s.Get(k); !ok || len(v) != 1000 {
			t.Errorf("%s: %d bytes, found %v", k, len(v), ok)
		}
		n++
		return true
	})
	if n != 2000 {
		t.Errorf("%d records, want 2000", n)
	}
	s.Put("", []byte("x"))
	s.Put(strings.Repeat("k", maxShelfKey+1), nil)
	s.Put("huge", make([]byte, maxShelfValue+1))
	if _, ok := s.Get("huge"); ok {
		t.Error("a record beyond the limit was taken")
	}
	s.Put("last", []byte("word"))
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	closeTest(t, db)
	s.Put("too late", nil)
	db = openTest(t, dir, Options{})
	if v, _ := db.Shelf("numbers").Get("last"); string(v) != "word" {
		t.Errorf("last is %q, want word", v)
	}
	if _, ok := db.Shelf("numbers").Get("too late"); ok {
		t.Error("what was put after Close is there")
	}
}

func TestWaitingIsBounded(t *testing.T) {
	db := openTest(t, t.TempDir(), Options{})
	s := db.Shelf("s")
	for i := range 40 {
		s.Put(fmt.Sprint(i), make([]byte, maxShelfValue))
	}
	db.mu.Lock()
	waiting := db.bytes
	db.mu.Unlock()
	if waiting > maxWaiting || waiting < maxWaiting/2 {
		t.Errorf("%d bytes wait, want at most %d and nearly as many", waiting, maxWaiting)
	}
	for i := range 40 {
		s.Delete(fmt.Sprint(i))
	}
	if err := db.flush(); err != nil {
		t.Fatal(err)
	}
	if db.bytes != 0 {
		t.Errorf("%d bytes wait after writing, want none", db.bytes)
	}
}

func TestEventsAreBounded(t *testing.T) {
	db := openTest(t, t.TempDir(), Options{})
	s := db.Tree("test")
	at := clock()
	commit := func(n int, step time.Duration) {
		for n > 0 {
			var b tree.Batch
			for range min(n, 500) {
				at = at.Add(step)
				b.Events = append(b.Events, nodes.Event{Kind: nodes.NodeStatusChanged, Time: at})
			}
			if err := s.Commit(b); err != nil {
				t.Fatal(err)
			}
			n -= len(b.Events)
		}
	}
	events := func(since time.Time) (n int, first time.Time) {
		err := s.Events(since, func(e nodes.Event) bool {
			if n++; n == 1 {
				first = e.Time
			}
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
		return n, first
	}
	commit(maxEvents+1500, time.Millisecond)
	if n, first := events(time.Time{}); n != maxEvents || !first.After(clock().Add(time.Second)) {
		t.Errorf("%d events, the first of %v, want the newest %d", n, first, maxEvents)
	}
	if n, _ := events(at); n != 1 {
		t.Errorf("%d events since the last one, want 1", n)
	}
	commit(1000, 30*time.Minute)
	if n, first := events(time.Time{}); n != 337 || first.Before(at.Add(-keepEvents)) {
		t.Errorf("%d events, the first of %v, want those of seven days", n, first)
	}
}
