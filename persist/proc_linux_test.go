package persist

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tieToParent has a child killed when the test ends in whatever way.
func tieToParent(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// smallDisk returns a folder on a file system of two megabytes.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Skipf("left out: a small file system cannot be mounted here (%v); the same is tested with a limit on the file", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	return dir
}

func TestFullDisk(t *testing.T) { fullDisk(t, smallDisk(t), Options{}) }

// TestNoRoomToRecover: a damaged file stays where it is until there is room for the
// backup.
func TestNoRoomToRecover(t *testing.T) {
	dir := smallDisk(t)
	db, err := Open(dir, Options{Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 50)
	if err := db.backupIfDue(); err != nil {
		t.Fatal(err)
	}
	closeTest(t, db)
	if err := os.WriteFile(db.file(), []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	os.WriteFile(ballast, make([]byte, 4<<20), 0o600) // as far as it goes
	for range 2 {
		if _, err := Open(dir, Options{Now: clock}); err == nil || !strings.Contains(err.Error(), "disk is full") {
			t.Errorf("Open: %v, want that the disk is full", err)
		}
		if b, _ := os.ReadFile(db.file()); string(b) != "garbage" {
			t.Errorf("the file holds %d bytes, want what was there", len(b))
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if got, recovered := openDamaged(t, dir); got != 50 || recovered == "" {
		t.Errorf("%d nodes, recovered %q, want the 50 of the backup", got, recovered)
	}
}

// TestFileCutWhileOpen: what a disk does that loses what was on it. The process
// must survive.
func TestFileCutWhileOpen(t *testing.T) {
	dir := t.TempDir()
	db, err := Open(dir, Options{Now: clock, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, db, 500)
	if err := os.Truncate(db.file(), 8192); err != nil {
		t.Fatal(err)
	}
	if _, err := loaded(db); err == nil {
		t.Error("Load went well")
	}
	db.Shelf("s").Put("k", nil)
	if err := db.flush(); err == nil {
		t.Error("flush went well")
	}
	db.Close() // its error is of no matter
	if got, recovered := openDamaged(t, dir); got != 0 || recovered == "" {
		t.Errorf("%d nodes, recovered %q", got, recovered)
	}
}
