package strict

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// TestNoText: what is no text is refused where it stands, before the parser
// sees it.
func TestNoText(t *testing.T) {
	for _, tt := range []struct{ name, doc, want string }{
		{"Latin-1", "a: b\nname: caf\xe9", "f:2:10: byte 0xE9 is not UTF-8; save the file in the encoding UTF-8"},
		{"UTF-16", "\xff\xfea\x00", "f:1:1: byte 0xFF is not UTF-8"},
		{"NUL", "a: x\x00y", "f:1:5: control character U+0000; leave it away"},
		{"escape", "a:\n  \x1b[31m", "f:2:3: control character U+001B"},
		{"C1", "a: \u009b31m", "f:1:4: control character U+009B"},
		{"surrogate", "a: \xed\xa0\x80", "f:1:4: byte 0xED is not UTF-8"},
		{"brackets", "a: " + strings.Repeat("[", 1<<17), "f:1:204: this is not YAML: values are nested more than 200 deep"},
		{"braces", strings.Repeat("{a: ", 1<<16), "nested more than 200 deep"},
		{"dashes", strings.Repeat("- ", 1<<17) + "a", "f:1:401: this is not YAML: values are nested more than 200 deep"},
		{"question marks", strings.Repeat("? ", 1<<17) + "a", "nested more than 200 deep"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			_, _, err := Parse("f", []byte(tt.doc))
			if err == nil || !strings.HasPrefix(err.Error(), "f:") || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %.200v, want %s", err, tt.want)
			}
			if err != nil && (!utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\x00\x1b\u009b")) {
				t.Errorf("the message itself is no text: %q", err)
			}
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v to find out", took)
			}
			if text := Check("f", []byte(tt.doc)); !strings.Contains(tt.want, "deep") && (text == nil || !strings.Contains(text.Error(), tt.want)) {
				t.Errorf("Check: got %v, want %s", text, tt.want)
			}
		})
	}
}

// TestText: what editors on other systems add to a text does not matter.
func TestText(t *testing.T) {
	for _, doc := range []string{"a: ü°\n", "\ufeffa: ü°", "a: ü°\r\n", "a:\tü°"} {
		d, v, err := Parse("f", []byte(doc))
		if err != nil {
			t.Fatalf("%q: %v", doc, err)
		}
		got := v.Fields("it", "a")["a"].Text("a")
		if err := d.Err(); err != nil || got != "ü°" {
			t.Errorf("%q: got %q, %v", doc, got, err)
		}
		if err := Check("f", []byte(doc)); err != nil {
			t.Errorf("%q: Check: %v", doc, err)
		}
	}
	wide := strings.Repeat("- [[a], {b: [c]}]\n", 1000) // not deep, however long
	if _, v, err := Parse("f", []byte(wide)); err != nil || len(v.List("it")) != 1000 {
		t.Errorf("a long list: %v", err)
	}
}
