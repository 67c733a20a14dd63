package app

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestProfilesRoundTrip(t *testing.T) {
	want := map[string]profile{
		"plant7": {JID: "me@example.org", Password: "a: \"b\" # ü <&> \\ \u2028", To: "gateway@example.org", Server: "192.0.2.1:5222", CAFile: "/ca.pem"},
		"other":  {JID: "me@example.org", PasswordFile: "/secret file", To: "hub.example.org"},
		"1.0":    {JID: "me@example.org", Password: "123", To: "gateway@example.org"},
	}
	file := filepath.Join(t.TempDir(), "new", "profiles.yaml")
	if err := writeProfiles(file, want); err != nil {
		t.Fatal(err)
	}
	got, err := readProfiles(file)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := readProfiles(file); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a file that others can read: %v", err)
	}
}

func TestProfilesAreStrict(t *testing.T) {
	const good = "a: {jid: me@x.org, password: p, to: hub@x.org}\n"
	for _, tt := range []struct{ file, want string }{
		{good + "b: {jid: me@x.org, passwort: p, to: hub@x.org}", `p.yaml:2:20: unknown key "passwort" in profile b`},
		{good + "a: {jid: me@x.org, password: p, to: hub@x.org}", "stands in line 1 already"},
		{"a b: {jid: me@x.org, password: p, to: hub@x.org}", "no name of a profile"},
		{"a: {password: p, to: hub@x.org}", "p.yaml:1:1: profile a: jid is missing"},
		{"a: {jid: me@x.org, password: p}", "to is missing"},
		{"a: {jid: me@x.org, to: hub@x.org}", "the password is missing"},
		{"a: {jid: me@x.org, to: hub@x.org, password: p, password_file: f}", "both there"},
		{"a: {jid: x.org, to: hub@x.org, password: p}", "no account"},
		{"a: {jid: me@x.org, to: hub@x.org/res, password: p}", "no hub's address"},
		{"a: {jid: me@x.org, to: hub@x.org, password: p, server: x.org}", "write host:port"},
		{"- a", "must be a mapping"},
		{"a: [", "not YAML"},
	} {
		_, err := parseProfiles("p.yaml", []byte(tt.file))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s\ngot  %v\nwant %s", tt.file, err, tt.want)
		}
	}
	all, err := parseProfiles("/etc/p.yaml", []byte("a: {jid: me@x.org, password_file: pw, to: hub@x.org}"))
	if want := (profile{JID: "me@x.org", PasswordFile: "/etc/pw", To: "hub@x.org"}); err != nil || all["a"] != want {
		t.Errorf("got %v, %v", all, err)
	}
}

func FuzzProfiles(f *testing.F) {
	f.Add("a: {jid: me@x.org, password: p, to: hub@x.org}")
	f.Add("a:\n  jid: me@x.org\n  password_file: p\n  to: hub@x.org\n  server: h:1\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseProfiles("/p.yaml", []byte(text))
		if err != nil {
			return
		}
		again, err := parseProfiles("/p.yaml", appendProfiles(nil, all))
		if err != nil || !maps.Equal(all, again) {
			t.Errorf("%v became %v, %v", all, again, err)
		}
	})
}
