package persist

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"github.com/fieldhub/hub/nodes/tree"
)

func TestDailyBackups(t *testing.T) {
	day := clock()
	dir := t.TempDir()
	o := Options{Now: func() time.Time { return day }}
	db := openTest(t, dir, o)
	all := filepath.Join(dir, "backups", "*")
	if err := db.backupIfDue(); err != nil || len(names(t, all)) != 0 {
		t.Fatalf("an empty tree: %v, backups %q, want none", err, names(t, all))
	}
	fill(t, db, 3)
	steps := []struct {
		after time.Duration
		want  int
	}{
		{0, 1}, {time.Hour, 1}, {22 * time.Hour, 1}, {2 * time.Hour, 2}, {-40 * 24 * time.Hour, 2 /* the clock is plainly wrong */},
		{-50 * 365 * 24 * time.Hour, 2}, {50*365*24*time.Hour + 41*24*time.Hour, 3}, {24 * time.Hour, 4}, {365 * 24 * time.Hour, 5},
		{-364 * 24 * time.Hour, 6}, {24 * time.Hour, 7}, {24 * time.Hour, 7}, {24 * time.Hour, 7},
	}
	for i, s := range steps {
		day = day.Add(s.after)
		if err := db.backupIfDue(); err != nil {
			t.Fatal(err)
		}
		if got := names(t, all); len(got) != s.want {
			t.Errorf("step %d, %v: %d backups, want %d: %q", i, day, len(got), s.want, got)
		}
	}
	for _, name := range names(t, all) {
		check(t, filepath.Join(dir, "backups", name))
	}
}

// TestBackupAndRestore: a backup of a working file, taken while it is written.
func TestBackupAndRestore(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "mine.db")
	db := openTest(t, dir, Options{Now: clock})
	fill(t, db, 10)
	db.Shelf("s").Put("k", []byte("v"))
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				fill(t, db, 11+i%20)
			}
		}
	}()
	for range 5 {
		if err := db.Backup(context.Background(), path); err != nil {
			t.Fatal(err)
		}
		check(t, path)
	}
	close(stop)
	<-stopped
	if err := Restore(dir, path, Options{Timeout: 50 * time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("Restore below a running hub: %v, want a refusal", err)
	}
	identity := db.Identity()
	if err := db.Tree("test").Commit(tree.Batch{Delete: []string{nodeID(0), nodeID(1)}}); err != nil {
		t.Fatal(err)
	}
	closeTest(t, db)

	if err := Restore(dir, path, Options{Now: clock}); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, Options{Now: clock})
	if n := count(t, db); n < 10 || db.Recovered() != "" || db.Identity() != identity {
		t.Errorf("%d nodes, recovered %q, identity %s, want at least 10, nothing and %s", n, db.Recovered(), db.Identity(), identity)
	}
	if v, ok := db.Shelf("s").Get("k"); !ok || string(v) != "v" {
		t.Errorf("shelf: %q, %v", v, ok)
	}
	// What was replaced is among the backups.
	list := db.list()
	if len(list) == 0 || list[len(list)-1].lineage != db.lineage {
		t.Errorf("backups %v, want the replaced file among them", list)
	}
}

func TestStage(t *testing.T) {
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "mine.db")
	db := openTest(t, dir, Options{Now: clock})
	fill(t, db, 2)
	if err := db.Backup(context.Background(), path); err != nil {
		t.Fatal(err)
	}
	fill(t, db, 9)
	if err := db.Stage(path); err != nil {
		t.Fatal(err)
	}
	if n := count(t, db); n != 9 {
		t.Errorf("%d nodes, want the 9 until the restart", n)
	}
	closeTest(t, db)
	db = openTest(t, dir, Options{Now: clock})
	if n := count(t, db); n != 2 {
		t.Errorf("%d nodes after the restart, want 2", n)
	}
	if got := names(t, filepath.Join(dir, "*.restore*")); len(got) != 0 {
		t.Errorf("left: %q", got)
	}
}

// TestCutShort: what a crash leaves in the middle of creating, restoring and
// replacing a file.
func TestCutShort(t *testing.T) {
	other := t.TempDir()
	good := filepath.Join(other, "good")
	db := openTest(t, other, Options{Now: clock})
	fill(t, db, 4)
	if err := db.Backup(context.Background(), good); err != nil {
		t.Fatal(err)
	}
	closeTest(t, db)
	for _, tt := range []struct {
		name      string
		left      map[string]string // files and what they are copies of; "": garbage
		want      int
		recovered string
	}{
		{"while creating", map[string]string{"hub.db.new": ""}, 0, ""},
		{"while restoring, before the old file was moved", map[string]string{"hub.db": "", "hub.db.restore": good}, 4, ""},
		{"while restoring, after it", map[string]string{"hub.db.restore": good}, 4, ""},
		{"while staging", map[string]string{"hub.db": good, "hub.db.restore.part": ""}, 4, ""},
		{"a staged file that is damaged", map[string]string{"hub.db": good, "hub.db.restore": ""}, 4, ""},
		{"while replacing", map[string]string{"hub.db.new": good, "backups/hub-000001-20261201T120000Z-00000000.db": good}, 4, "missing"},
		{"while making a backup", map[string]string{"hub.db": good, "backups/hub-000001-20261201T120000Z-00000000.db.part": ""}, 4, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "backups"), 0o700); err != nil {
				t.Fatal(err)
			}
			for name, from := range tt.left {
				content := []byte("garbage")
				if from != "" {
					var err error
					if content, err = os.ReadFile(from); err != nil {
						t.Fatal(err)
					}
				}
				if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			db := openTest(t, dir, Options{Now: clock})
			if n := count(t, db); n != tt.want || !strings.Contains(db.Recovered(), tt.recovered) || tt.recovered == "" && db.Recovered() != "" {
				t.Errorf("%d nodes, recovered %q, want %d and %q", n, db.Recovered(), tt.want, tt.recovered)
			}
			fill(t, db, 6)
			if left := append(names(t, filepath.Join(dir, "*.new")), names(t, filepath.Join(dir, "*", "*.part"))...); len(left) != 0 {
				t.Errorf("left: %q", left)
			}
		})
	}
}

func TestRestoreRefuses(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	db := openTest(t, dir, Options{})
	fill(t, db, 2)
	garbage := filepath.Join(other, "garbage")
	if err := os.WriteFile(garbage, []byte("no database"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{garbage: "no database file", filepath.Join(other, "none"): "no such file", other: "is a directory"} {
		if err := db.Stage(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("Stage(%s): %v, want it to say %q", path, err, want)
		}
	}
	closeTest(t, db)
	db = openTest(t, dir, Options{})
	if n := count(t, db); n != 2 {
		t.Errorf("%d nodes, want 2", n)
	}
}

func TestBackupStops(t *testing.T) {
	db := openTest(t, t.TempDir(), Options{})
	fill(t, db, 2)
	path := filepath.Join(t.TempDir(), "b.db")
	if err := os.WriteFile(path, []byte("before"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := db.Backup(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("Backup: %v, want that it was cancelled", err)
	}
	if err := db.Backup(context.Background(), filepath.Join(path, "below")); err == nil {
		t.Error("a backup below a file went well")
	}
	if b, err := os.ReadFile(path); string(b) != "before" || err != nil {
		t.Errorf("the file is %q, %v, want what was there before", b, err)
	}
	if got := names(t, path+"*"); len(got) != 1 {
		t.Errorf("files %q, want one", got)
	}
}

func TestMigrate(t *testing.T) {
	dir := t.TempDir()
	db := openTest(t, dir, Options{Now: clock, steps: []step{}})
	fill(t, db, 3)
	closeTest(t, db)

	two := []step{
		func(tx *bolt.Tx) error { _, err := tx.CreateBucket([]byte("second")); return err },
		func(tx *bolt.Tx) error { return tx.Bucket([]byte("second")).Put([]byte("k"), []byte("v")) },
	}
	broken := errors.New("made to fail")
	bad := []step{two[0], func(*bolt.Tx) error { return broken }}
	if _, err := Open(dir, Options{Now: clock, steps: bad}); !errors.Is(err, broken) || !strings.Contains(err.Error(), "backups") {
		t.Fatalf("Open: %v, want the cause and the name of the backup", err)
	}
	db = openTest(t, dir, Options{Now: clock, steps: two})
	if f, err := db.format(); f != 3 || err != nil {
		t.Errorf("format %d, %v, want 3", f, err)
	}
	if got := len(db.list()); got != 2 {
		t.Errorf("%d backups, want one before each attempt", got)
	}
	if n := count(t, db); n != 3 {
		t.Errorf("%d nodes, want 3", n)
	}
	closeTest(t, db)

	_, err := Open(dir, Options{Now: clock})
	if err == nil || !strings.Contains(err.Error(), "format 3") || !strings.Contains(err.Error(), "only up to 2") {
		t.Errorf("an older program: %v, want a refusal", err)
	}
	if got := names(t, filepath.Join(dir, "hub.db*")); len(got) != 1 {
		t.Errorf("files %q, want hub.db alone", got)
	}
	// A new folder begins with the newest format and makes no backup.
	db = openTest(t, t.TempDir(), Options{Now: clock, steps: two})
	if f, _ := db.format(); f != 3 || len(db.list()) != 0 {
		t.Errorf("format %d, backups %v, want 3 and none", f, db.list())
	}
}
