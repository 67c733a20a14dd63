package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldhub/hub/adapters/mqtt"
	"github.com/fieldhub/hub/persist"
)

func TestFindKeys(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	for _, tt := range []struct {
		name, own, named string // content of the key in the data folder, and of the one that is named; "-": there is none
		mode             os.FileMode
		make             bool
		keys             int
		made             bool
		problem          string
	}{
		{"made", "-", "", 0o600, true, 1, true, ""},
		{"not made", "-", "", 0o600, false, 0, false, "is missing"},
		{"there", "K", "", 0o600, true, 1, false, ""},
		{"open to others", "K", "", 0o644, true, 1, false, "every user"},
		{"open to its group", "K", "", 0o640, true, 1, false, ""},
		{"damaged", "", "", 0o600, true, 0, false, "cannot be used"},
		{"named", "-", "K", 0o600, true, 1, false, ""},
		{"named, and one of before", "K", "K", 0o600, true, 2, false, ""},
		{"named and missing", "K", "-", 0o600, true, 0, false, "is missing"},
		{"named and damaged", "-", "no key", 0o600, true, 0, false, "line 1"},
	} {
		dir := t.TempDir()
		write := func(name, text string) string {
			path := filepath.Join(dir, name)
			if text != "-" {
				if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "K", persist.NewKey())), tt.mode); err != nil {
					t.Fatal(err)
				}
				if err := os.Chmod(path, tt.mode); err != nil {
					t.Fatal(err)
				}
			}
			return path
		}
		want, named := write(keyName, tt.own), ""
		if tt.named != "" {
			named = write("named", tt.named)
			want = named
		}
		k := findKeys(dir, named, tt.make)
		if len(k.list) != tt.keys || k.made != tt.made || k.file != want || (k.problem == "") != (tt.problem == "") || !strings.Contains(k.problem, tt.problem) {
			t.Errorf("%s: %d keys of %s, made %v, problem %q; want %d, %v, %q", tt.name, len(k.list), k.file, k.made, k.problem, tt.keys, tt.made, tt.problem)
		}
		if tt.made {
			if info, err := os.Stat(want); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v, want mode 0600", tt.name, info, err)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, ".key-*")); len(left) > 0 {
				t.Errorf("%s: %v was left", tt.name, left)
			}
		}
	}
}

func TestSecretParams(t *testing.T) {
	secret := secretParams(mqtt.Factory().Types)
	for _, tt := range []struct {
		typ, param string
		want       bool
	}{
		{mqtt.TypeBroker, "Password", true},
		{mqtt.TypeBroker, "Host", false},
		{mqtt.TypeServer, "Accounts", true},
		{"folder", "Notes", false},
		{"hub.storage", "Disabled", false},
		{"of.an.adapter.that.is.gone", "Anything", true},
	} {
		if got := secret(tt.typ, tt.param); got != tt.want {
			t.Errorf("%s of %s is a secret: %v, want %v", tt.param, tt.typ, got, tt.want)
		}
	}
}
