package xmppface

import (
	"fmt"
	"testing"
	"time"

	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestWhoMayAnswer(t *testing.T) {
	s := &Session{bare: "hub@example.org", domain: "example.org", binding: binding{full: "hub@example.org/r"}}
	for _, tt := range []struct {
		to, from string
		want     bool
	}{
		{"a@example.org/x", "a@example.org/x", true},
		{"A@Example.ORG/x", "a@example.org/x", true},
		{"a@example.org/x", "a@example.org/X", false},
		{"a@example.org/x", "a@example.org", false},
		{"a@example.org/x", "b@example.org/x", false},
		{"a@example.org/x", "", false},
		{"a@example.org/x", "example.org", false},
		{"", "", true},
		{"", "hub@example.org", true},
		{"", "hub@example.org/r", true},
		{"", "example.org", true},
		{"", "a@example.org/x", false},
		{"hub@example.org", "", true},
		{"hub@example.org", "hub@example.org", true},
		{"hub@example.org", "hub@example.org/other", false},
		{"hub@example.org", "example.org", false},
		{"example.org", "", true},
		{"example.org", "example.org", true},
		{"example.org", "example.org/x", false},
		{"example.org", "a@example.org", false},
		{"other.org", "", false},
		{"other.org", "@", false},
	} {
		if got := s.speaksFor(tt.from, tt.to); got != tt.want {
			t.Errorf("asked %q, answered by %q: %v, want %v", tt.to, tt.from, got, tt.want)
		}
	}
}

func TestKeptAnswersAreBounded(t *testing.T) {
	var kept sets
	kept.init()
	now := time.Now()
	content, err := wire.Parse("<do xmlns='x'/>")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * setsKept {
		e, first, done := kept.enter(now, "a@b/c", fmt.Sprint(i), content)
		if !first || done {
			t.Fatalf("%d: taken for a repetition", i)
		}
		if i%2 == 0 { // every other one is never answered
			kept.settle(now, e, make([]byte, 10<<10), nil)
		}
	}
	if n, m := len(kept.byKey), len(kept.order); n > setsKept || m > setsKept || kept.bytes > setsBytes+10<<10 {
		t.Errorf("%d and %d entries, %d bytes", n, m, kept.bytes)
	}
	last := fmt.Sprint(3*setsKept - 2)
	if _, first, done := kept.enter(now.Add(setsTime), "a@b/c", last, content); first || !done {
		t.Error("not kept for a minute")
	}
	if _, first, _ := kept.enter(now.Add(setsTime+1), "a@b/c", last, content); !first {
		t.Error("kept for more than a minute")
	}
	kept.forget("a@b/c")
	kept.enter(now, "d@e/f", "x", content)
	if len(kept.byKey) != 1 || kept.bytes != 0 {
		t.Errorf("after all are gone: %d entries, %d bytes", len(kept.byKey), kept.bytes)
	}
	e, _, _ := kept.enter(now, "g@h/i", "x", content)
	kept.forget("g@h/i")
	if n := kept.settle(now, e, nil, &ext.StanzaError{Type: "cancel"}); n != 0 || kept.bytes != 0 {
		t.Errorf("answered after it is forgotten: %d wait, %d bytes", n, kept.bytes)
	}
}

func TestNormalize(t *testing.T) {
	for _, tt := range []struct{ in, bare, full string }{
		{"Ops@Example.ORG", "ops@example.org", "ops@example.org"},
		{"Ops@Example.org/Phone", "ops@example.org", "ops@example.org/Phone"},
		{"@", "", ""},
		{"", "", ""},
	} {
		bare, full, err := Normalize(tt.in)
		if bare != tt.bare || full != tt.full || (err != nil) != (tt.bare == "") {
			t.Errorf("%q: %q, %q, %v", tt.in, bare, full, err)
		}
	}
}
