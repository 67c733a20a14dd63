package app

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestDemoFolder: the demo finds a folder of the user's own, whatever the
// environment says, and the commands look where it may be.
func TestDemoFolder(t *testing.T) {
	user := "hub-" + strconv.Itoa(os.Getuid())
	for _, tt := range []struct {
		name    string
		runtime func(t *testing.T, dir string) string // XDG_RUNTIME_DIR
		temp    func(t *testing.T, dir string)        // prepares the folder for temporary files
		want    string                                // "" when there is none
	}{
		{"as it should be", func(*testing.T, string) string { return "run" }, nil, "run/hub"},
		{"no such folder", func(*testing.T, string) string { return "nowhere" }, nil, user},
		{"not set", func(*testing.T, string) string { return "" }, nil, user},
		{"open to others", func(t *testing.T, dir string) string {
			if err := os.Chmod(filepath.Join(dir, "run"), 0o755); err != nil {
				t.Fatal(err)
			}
			return "run"
		}, nil, user},
		{"a link", func(t *testing.T, dir string) string {
			if err := os.Symlink("run", filepath.Join(dir, "link")); err != nil {
				t.Fatal(err)
			}
			return "link"
		}, nil, user},
		{"somebody has put a link there", func(*testing.T, string) string { return "" }, func(t *testing.T, dir string) {
			if err := os.Symlink("run", filepath.Join(dir, user)); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"somebody may look into it", func(*testing.T, string) string { return "" }, func(t *testing.T, dir string) {
			if err := os.Mkdir(filepath.Join(dir, user), 0o755); err != nil {
				t.Fatal(err)
			}
		}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "run"), 0o700); err != nil {
				t.Fatal(err)
			}
			runtime := tt.runtime(t, dir)
			if runtime != "" {
				runtime = filepath.Join(dir, runtime)
			}
			t.Setenv("XDG_RUNTIME_DIR", runtime)
			t.Setenv("TMPDIR", dir)
			if tt.temp != nil {
				tt.temp(t, dir)
			}
			if before := (&options{}).credentials(); len(before) != 1 {
				t.Errorf("without a demo, credentials are looked for in %q", before)
			}
			got, err := demoFolder()
			switch {
			case tt.want == "" && err == nil:
				t.Errorf("got %s, want an error", got)
			case tt.want != "" && (err != nil || got != filepath.Join(dir, tt.want)):
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
			list := (&options{}).credentials()
			if tt.want != "" && list[0] != filepath.Join(dir, tt.want, ownerFile) {
				t.Errorf("the commands look in %q", list)
			}
			if list[len(list)-1] != "/var/lib/hub/"+ownerFile {
				t.Errorf("the daemon's folder is missing: %q", list)
			}
		})
	}
	if got := (&options{Data: "/d"}).credentials(); len(got) != 1 || got[0] != "/d/"+ownerFile {
		t.Errorf("with a data folder: %q", got)
	}
	if got := (&options{Data: "/d", Hub: "/h"}).credentials(); len(got) != 1 || got[0] != "/h" {
		t.Errorf("with a credential: %q", got)
	}
}

// TestGiveBack: what root makes in the daemon's folder is the daemon's, and nobody
// else's files become so.
func TestGiveBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	const nobody = 65534
	dir := t.TempDir()
	outside := filepath.Join(t.TempDir(), "outside")
	put(t, outside, "root's own")
	data := filepath.Join(dir, "data")
	for _, d := range []string{data, filepath.Join(data, "backups")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(data, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(data, "hub.db"), "x")
	put(t, filepath.Join(data, "backups", "b"), "x")
	if err := os.Link(outside, filepath.Join(data, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(data, "soft")); err != nil {
		t.Fatal(err)
	}
	giveBack(data)
	for name, want := range map[string]int{"hub.db": nobody, "backups": nobody, "backups/b": nobody, "hard": 0} {
		if got := ownerOf(t, filepath.Join(data, name)); got != want {
			t.Errorf("%s belongs to user %d, want %d", name, got, want)
		}
	}
	if got := ownerOf(t, outside); got != 0 {
		t.Errorf("a file elsewhere belongs to user %d now", got)
	}
}

func ownerOf(t *testing.T, path string) int {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Sys().(*syscall.Stat_t).Uid)
}
