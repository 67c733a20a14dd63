package cdev

import (
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"testing"
)

func TestMachine(t *testing.T) {
	if boot := Boot(); len(boot) != 36 || boot != Boot() {
		t.Errorf("the boot is called %q, then %q", boot, Boot())
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	want := strconv.Itoa(os.Getgid())
	if g, err := user.LookupGroupId(want); err == nil {
		want = g.Name
	}
	if got := Group(path); got != want {
		t.Errorf("the group is %q, want %q", got, want)
	}
	if got := Group(path + "none"); got != "" {
		t.Errorf("the group of nothing is %q", got)
	}
}
