package persist

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const resealDir = "HUB_TEST_PERSIST_RESEAL"

// resealKeys is the environment variable with what resealChild's key file would hold.
const resealKeys = "HUB_TEST_PERSIST_KEYS"

// resealChild opens a folder with the keys it is given until it is killed, or done.
func resealChild(dir string) {
	keys, err := ParseKeys([]byte(os.Getenv(resealKeys)))
	if err == nil {
		fmt.Println("begins")
		_, err = Open(dir, Options{Now: clock, Secrets: testSecrets(keys...)})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// TestResealKilled kills a process that seals plain secrets, or changes the key, and
// looks whether all are readable with the keys that there are at that moment.
func TestResealKilled(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	dir := t.TempDir()
	plainStore(t, dir)
	former, cut := "", 0
	for round := range rounds {
		text := NewKey() + "\n" + former
		former = text
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), resealDir+"="+dir, resealKeys+"="+text)
		cmd.Stderr = os.Stderr
		tieToParent(cmd)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := out.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(rand.IntN(25)) * time.Millisecond)
		cmd.Process.Kill()
		cmd.Wait()
		if names(t, filepath.Join(dir, "hub.db.new")) != nil {
			cut++
		}
		keys, err := ParseKeys([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		db, err := Open(dir, Options{Now: clock, Secrets: testSecrets(keys...)})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if db.Recovered() != "" {
			t.Fatalf("round %d: %s", round, db.Recovered())
		}
		for _, id := range []string{"a", "b"} {
			if got := password(t, db, id).Text(); got != marker {
				t.Errorf("round %d: the secret of %s is %q", round, id, got)
			}
		}
		if n := count(t, db); n != 502 {
			t.Errorf("round %d: %d nodes, want 502", round, n)
		}
		closeTest(t, db)
		if t.Failed() {
			return
		}
	}
	t.Logf("%d rounds, %d cut while the file was being written", rounds, cut)
	for _, path := range holding(t, dir, marker) {
		if filepath.Dir(path) != "backups" {
			t.Errorf("the secret stands in %s", path)
		}
	}
}
