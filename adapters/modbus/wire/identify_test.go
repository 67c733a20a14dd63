package wire

import (
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestParseIdentity(t *testing.T) {
	for _, tt := range []struct {
		name string
		data []byte
		want Identity
		err  string
	}{
		{"all in one", []byte{14, 1, 0x01, 0, 0, 3, 0, 3, 'A', 'c', 'm', 1, 1, 'X', 2, 2, 'V', '2'},
			Identity{Kind: 1, Objects: []IdentityObject{{0, "Acm"}, {1, "X"}, {2, "V2"}}}, ""},
		{"more follow", []byte{14, 3, 0x83, 0xff, 4, 1, 3, 1, 'u'}, Identity{Kind: 3, Single: true, MoreFollow: true, Next: 4, Objects: []IdentityObject{{3, "u"}}}, ""},
		{"none", []byte{14, 1, 1, 0, 0, 0}, Identity{Kind: 1}, ""},
		{"Latin-1", []byte{14, 1, 1, 0, 0, 1, 0, 2, 0xdc, 'x'}, Identity{Kind: 1, Objects: []IdentityObject{{0, "Üx"}}}, ""},
		{"no text", []byte{14, 3, 3, 0, 0, 1, 0x80, 2, 1, 0x9f}, Identity{Kind: 3, Objects: []IdentityObject{{0x80, "0x019F"}}}, ""},
		{"padded", []byte{14, 1, 1, 0, 0, 1, 0, 4, 'A', 'b', ' ', 0}, Identity{Kind: 1, Objects: []IdentityObject{{0, "Ab"}}}, ""},
		{"short", []byte{14, 1, 1, 0, 0}, Identity{}, "at least 6"},
		{"another type", []byte{13, 1, 1, 0, 0, 0}, Identity{}, "MEI type 13"},
		{"an object missing", []byte{14, 1, 1, 0, 0, 2, 0, 1, 'A'}, Identity{}, "number 2"},
		{"an object cut off", []byte{14, 1, 1, 0, 0, 1, 0, 5, 'A'}, Identity{}, "number 1"},
		{"too much", []byte{14, 1, 1, 0, 0, 0, 9}, Identity{}, "1 bytes behind"},
	} {
		got, err := ParseIdentity(tt.data)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
}

func TestParseServerID(t *testing.T) {
	for _, tt := range []struct {
		name    string
		data    []byte
		text    string
		known   bool
		running bool
		more    string
		wrong   bool
	}{
		{"a text", []byte{5, 'S', 'C', '-', '1', 0xff}, "SC-1", true, true, "", false},
		{"one byte and more", []byte{5, 0x11, 0, 'a', 'b', 'c'}, "0x11", true, false, "abc", false},
		{"a zero as id", []byte{2, 0, 0xff}, "", true, true, "", false},
		{"no indicator", []byte{3, 'a', 'b', 'c'}, "abc", false, false, "", false},
		{"a count that counts itself", []byte{4, 'a', 'b', 0}, "ab", true, false, "", false},
		{"nothing", []byte{0}, "", false, false, "", true},
	} {
		got, err := ParseServerID(tt.data)
		if (err != nil) != tt.wrong || got.Known != tt.known || got.Running != tt.running || string(got.More) != tt.more {
			t.Errorf("%s: got %+v, %v", tt.name, got, err)
		}
		if text := got.Text(); text != tt.text && tt.text != "" {
			t.Errorf("%s: got %q, want %q", tt.name, text, tt.text)
		}
	}
}

func TestObjectNames(t *testing.T) {
	for id, want := range map[byte]string{0: "vendor name", 2: "version", 6: "application name", 7: "object 7 (reserved)", 0x80: "object 128 (manufacturer's)"} {
		if got := ObjectName(id); got != want {
			t.Errorf("%d: got %q, want %q", id, got, want)
		}
	}
}

func FuzzIdentity(f *testing.F) {
	f.Add([]byte{14, 1, 0x01, 0, 0, 3, 0, 3, 'A', 'c', 'm', 1, 1, 'X', 2, 2, 'V', '2'})
	f.Add([]byte{14, 3, 0x83, 0xff, 4, 1, 3, 1, 0xdc})
	f.Add([]byte{5, 'S', 'C', '-', '1', 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		id, err := ParseIdentity(data)
		if err == nil && len(id.Objects) != int(data[5]) {
			t.Fatalf("%d objects, the answer has %d", len(id.Objects), data[5])
		}
		for _, o := range id.Objects {
			if !utf8.ValidString(o.Text) {
				t.Fatalf("%q is no UTF-8", o.Text)
			}
		}
		s, err := ParseServerID(data)
		if err == nil && (len(s.ID) == 0 || len(s.ID)+len(s.More) > len(data)-1 || !utf8.ValidString(s.Text())) {
			t.Fatalf("got %+v of % x", s, data)
		}
	})
}
