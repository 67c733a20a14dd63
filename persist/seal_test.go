package persist

import (
	"bytes"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// marker is a secret that must be found nowhere.
const marker = "MARKER-correct-horse-battery"

func testKey(t testing.TB, fill byte) Key {
	t.Helper()
	keys, err := ParseKeys([]byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{fill}, keySize))))
	if err != nil {
		t.Fatal(err)
	}
	return keys[0]
}

func testSecrets(keys ...Key) *Secrets {
	return &Secrets{Keys: keys, Type: func(typ string) bool { return typ == "mqtt.broker" }, Param: func(typ, param string) bool { return typ == "mqtt.broker" && param == "Password" }}
}

func broker(id, password string) tree.Record {
	return tree.Record{Position: 1, Spec: nodes.Spec{ID: id, Name: id, Type: "mqtt.broker", Parent: nodes.RootID,
		Params: nodes.Params{"Host": nodes.String("192.0.2.1"), "Password": nodes.String(password)}}}
}

func put(t testing.TB, db *DB, list ...tree.Record) {
	t.Helper()
	if err := db.Tree("test").Commit(tree.Batch{Put: list}); err != nil {
		t.Fatal(err)
	}
}

func password(t testing.TB, db *DB, id string) nodes.Value {
	t.Helper()
	list, err := loaded(db)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range list {
		if r.Spec.ID == id {
			return r.Spec.Params["Password"]
		}
	}
	t.Fatalf("no node %s", id)
	return nodes.Value{}
}

// holding are the files below a folder in which text stands.
func holding(t testing.TB, dir, text string) (out []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			out = append(out, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSealed(t *testing.T) {
	dir := t.TempDir()
	one, two := testKey(t, 1), testKey(t, 2)
	db := openTest(t, dir, Options{Secrets: testSecrets(one)})
	r := broker("a", marker)
	put(t, db, r, broker("plain", ""))
	if got := r.Spec.Params["Password"].Text(); got != marker {
		t.Errorf("the record that was committed has %q now, want what it had", got)
	}
	if err := db.Backup(context.Background(), filepath.Join(dir, "b.db")); err != nil {
		t.Fatal(err)
	}
	if got := holding(t, dir, marker); len(got) > 0 {
		t.Errorf("the secret stands in %v", got)
	}
	if got := holding(t, dir, "192.0.2.1"); len(got) != 2 {
		t.Errorf("what is no secret stands in %v, want the file and its backup", got)
	}
	if got := password(t, db, "a").Text(); got != marker {
		t.Errorf("got %q, want %q", got, marker)
	}

	// Another id: sealed for its new place.
	if err := db.Tree("test").Commit(tree.Batch{Delete: []string{"a"}, Put: []tree.Record{broker("b", marker)}}); err != nil {
		t.Fatal(err)
	}
	closeTest(t, db)

	// With another key the secret stays as it is, also when its node is stored again.
	db = openTest(t, dir, Options{Secrets: testSecrets(two)})
	locked := password(t, db, "b")
	if !Sealed(locked) || strings.Contains(locked.Text(), marker) {
		t.Errorf("with another key: %q, want that it is sealed", locked.Text())
	}
	r = broker("b", "")
	r.Spec.Params["Password"], r.Spec.Params["Host"] = locked, nodes.String("192.0.2.2")
	stolen := broker("thief", "")
	stolen.Spec.Params["Password"] = locked
	put(t, db, r, stolen, broker("new", marker))
	closeTest(t, db)

	// A key that comes back opens it; one that is lost no longer matters once the
	// secret was entered anew.
	db = openTest(t, dir, Options{Secrets: testSecrets(one)})
	if got := password(t, db, "b").Text(); got != marker {
		t.Errorf("with the first key again: %q, want %q", got, marker)
	}
	if got := password(t, db, "thief"); !Sealed(got) {
		t.Errorf("what was sealed for another node opened: %q", got.Text())
	}
	if got := password(t, db, "new"); !Sealed(got) {
		t.Errorf("sealed with the second key, opened with the first: %q", got.Text())
	}
	closeTest(t, db)
	db = openTest(t, dir, Options{Secrets: testSecrets(two)})
	put(t, db, broker("b", marker))
	closeTest(t, db)
	db = openTest(t, dir, Options{Secrets: testSecrets(two)})
	if got := password(t, db, "b").Text(); got != marker {
		t.Errorf("entered anew: %q, want %q", got, marker)
	}
	if got := holding(t, dir, marker); len(got) > 0 {
		t.Errorf("the secret stands in %v", got)
	}
}

func TestNoKey(t *testing.T) {
	db := openTest(t, t.TempDir(), Options{Secrets: testSecrets()})
	err := db.Tree("test").Commit(tree.Batch{Put: []tree.Record{broker("a", marker)}})
	if err == nil || !strings.Contains(err.Error(), "Password") || strings.Contains(err.Error(), marker) {
		t.Errorf("a secret without a key: %v, want a refusal that names the parameter", err)
	}
	r := broker("b", "")
	delete(r.Spec.Params, "Password")
	put(t, db, r)
}

// plainStore makes a store of format 1 with secrets, deleted ones among them.
func plainStore(t testing.TB, dir string) {
	t.Helper()
	db := openTest(t, dir, Options{Now: clock, steps: []step{}})
	fill(t, db, 500)
	var list []tree.Record
	for i := range 100 {
		list = append(list, broker("old "+nodeID(i), marker))
	}
	put(t, db, list...)
	for i := range list {
		if err := db.Tree("test").Commit(tree.Batch{Delete: []string{list[i].Spec.ID}, Events: []nodes.Event{{Kind: nodes.NodeRemoved, Time: clock()}}}); err != nil {
			t.Fatal(err)
		}
	}
	put(t, db, broker("a", marker), broker("b", marker))
	db.Shelf("counter").Put("k", []byte("v"))
	closeTest(t, db)
	if got := holding(t, dir, marker); len(got) != 1 {
		t.Fatalf("the secret stands in %v, want hub.db", got)
	}
}

func TestSecretsAreMigrated(t *testing.T) {
	dir := t.TempDir()
	plainStore(t, dir)
	o := Options{Now: clock, Secrets: testSecrets(testKey(t, 1))}
	db := openTest(t, dir, o)
	backups := holding(t, dir, marker)
	if len(backups) != 1 || !strings.HasPrefix(backups[0], "backups/") {
		t.Errorf("the secret stands in %v, want the backup before the change alone", backups)
	}
	if got := count(t, db); got != 502 {
		t.Errorf("%d nodes, want 502", got)
	}
	if got := password(t, db, "a").Text(); got != marker {
		t.Errorf("got %q, want %q", got, marker)
	}
	if v, _ := db.Shelf("counter").Get("k"); string(v) != "v" {
		t.Errorf("the shelf holds %q, want v", v)
	}
	events := 0
	if err := db.Tree("test").Events(clock(), func(nodes.Event) bool { events++; return true }); err != nil || events != 100 {
		t.Errorf("%d events, %v, want 100", events, err)
	}
	if f, err := db.format(); f != 2 || err != nil {
		t.Errorf("format %d, %v, want 2", f, err)
	}
	closeTest(t, db)
	before, err := os.ReadFile(filepath.Join(dir, "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	closeTest(t, openTest(t, dir, o))
	after, err := os.ReadFile(filepath.Join(dir, "hub.db"))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the next start changed the file, %v", err)
	}

	// An old backup is sealed again when it is restored.
	if err := Restore(dir, filepath.Join(dir, backups[0]), o); err != nil {
		t.Fatal(err)
	}
	db = openTest(t, dir, o)
	if b, err := os.ReadFile(db.file()); err != nil || bytes.Contains(b, []byte(marker)) {
		t.Errorf("after restoring the old backup its secret stands in the file, %v", err)
	}
	if got := password(t, db, "b").Text(); got != marker {
		t.Errorf("got %q, want %q", got, marker)
	}
}

func TestKeyIsChanged(t *testing.T) {
	dir := t.TempDir()
	one, two := testKey(t, 1), testKey(t, 2)
	db := openTest(t, dir, Options{Secrets: testSecrets(one)})
	put(t, db, broker("a", marker))
	closeTest(t, db)
	db = openTest(t, dir, Options{Secrets: testSecrets(two, one)})
	b, err := os.ReadFile(db.file())
	if err != nil || bytes.Contains(b, one.id[:]) || !bytes.Contains(b, two.id[:]) {
		t.Errorf("the file has the first key: %v, the second: %v, %v; want the second alone", bytes.Contains(b, one.id[:]), bytes.Contains(b, two.id[:]), err)
	}
	closeTest(t, db)
	db = openTest(t, dir, Options{Secrets: testSecrets(two)})
	if got := password(t, db, "a").Text(); got != marker {
		t.Errorf("with the second key alone: %q, want %q", got, marker)
	}
}

func TestParseKeys(t *testing.T) {
	a, b := NewKey(), NewKey()
	if a == b {
		t.Fatal("two keys are the same")
	}
	for _, tt := range []struct {
		name, text string
		want       int
		err        string
	}{
		{"one", a, 1, ""},
		{"two with a comment", "# the present one\r\n" + a + "\r\n\n" + b + "\n", 2, ""},
		{"nothing", "", 0, "no key"},
		{"only a comment", "# nothing\n", 0, "no key"},
		{"too short", "c2hvcnQ=", 0, "line 1"},
		{"no base64", a + "\nsecret password", 0, "line 2"},
	} {
		keys, err := ParseKeys([]byte(tt.text))
		if len(keys) != tt.want || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %d keys, %v, want %d, %q", tt.name, len(keys), err, tt.want, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error quotes the file: %v", tt.name, err)
		}
	}
}

// FuzzSealed: whatever stands in a record or a parameter, nothing panics, a text is
// stored and read as it was, and nothing opens that was not sealed.
func FuzzSealed(f *testing.F) {
	k := testKey(f, 1)
	good := k.seal(appendValue(nil, nodes.String("x")), place("test", "a", "Password"))
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add([]byte("\x01"))
	s := testSecrets(k)
	f.Fuzz(func(t *testing.T, b []byte) {
		if v := sealedValue(b); Sealed(v) {
			// The seed may be sealed by another process, with another nonce.
			if got, ok := s.value(b, place("test", "a", "Password")); ok && got != nodes.String("x") {
				t.Errorf("opened as %v", got)
			}
		}
		for _, v := range []nodes.Value{sealedValue(b), nodes.String(sealedPrefix + string(b))} {
			r := reader{b: appendValue(nil, v)}
			if got := r.value(); got != v || r.err() != nil {
				t.Errorf("%q was read as %q, %v", v.Text(), got.Text(), r.err())
			}
		}
	})
}
