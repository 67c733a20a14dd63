package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func TestClockJumps(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		after  time.Duration // on the wall
		passed time.Duration
		want   time.Duration
	}{
		{10 * time.Second, 10 * time.Second, 0},
		{10*time.Second + 900*time.Millisecond, 10 * time.Second, 0},
		{10 * time.Second, 10*time.Second + 900*time.Millisecond, 0},
		{time.Hour, 10 * time.Second, time.Hour - 10*time.Second},
		{-time.Hour, 10 * time.Second, -time.Hour - 10*time.Second},
		{11*time.Second + 234*time.Millisecond, 10 * time.Second, 1200 * time.Millisecond},
	} {
		if got := jump(noon, noon.Add(tt.after), tt.passed); got != tt.want {
			t.Errorf("%v on the wall in %v: %v, want %v", tt.after, tt.passed, got, tt.want)
		}
	}
	c := &clock{}
	for range 3 {
		if at, by := c.jumped(time.Now()); by != 0 || !at.IsZero() {
			t.Errorf("a clock that goes on has jumped by %v at %v", by, at)
		}
	}
}

func TestLogLevel(t *testing.T) {
	var out bytes.Buffer
	log := withLevel(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), slog.LevelWarn)
	part := log.With("part", "x").WithGroup("g")
	part.Info("one")
	levelOf(log).Set(slog.LevelDebug)
	part.Debug("two", "k", 1)
	levelOf(part).Set(slog.LevelError)
	log.Warn("three")
	if got := out.String(); strings.Contains(got, "one") || strings.Contains(got, "three") || !strings.Contains(got, "part=x g.k=1") {
		t.Errorf("log:\n%s", got)
	}
	if levelOf(slog.New(slog.NewTextHandler(&out, nil))) != nil {
		t.Error("a fixed level can be set")
	}
}

func TestBackupsListed(t *testing.T) {
	dir := t.TempDir()
	if count, _, _ := backups(filepath.Join(dir, "nowhere")); count != 0 {
		t.Errorf("no folder: %d", count)
	}
	for i, name := range []string{"b.db", "a.db", "c.db.part"} {
		path := filepath.Join(dir, name)
		at := time.Date(2026, 11, 23, 12, i, 0, 0, time.UTC)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, at, at); err != nil {
			t.Fatal(err)
		}
	}
	if count, last, at := backups(dir); count != 2 || filepath.Base(last) != "a.db" || at.Minute() != 1 {
		t.Errorf("%d, the last %s of %v", count, last, at)
	}
}

// TestPartTells: messages that do not hold any more are taken away.
func TestPartTells(t *testing.T) {
	host := &ownHost{}
	var list []nodes.Message
	p := newOwnPart("x", "X", func(time.Time) ([]nodes.Field, []nodes.Message) { return nil, list })
	d := &ownDevice{part: p, host: host}
	list = []nodes.Message{{EventID: "a"}, {EventID: "b"}}
	d.tell()
	list = list[1:]
	d.tell()
	list = nil
	d.tell()
	if got := strings.Join(host.did, " "); got != "+a +b +b -a -b" {
		t.Errorf("told %q", got)
	}
}

type ownHost struct {
	nodes.Host
	did []string
}

func (h *ownHost) Report([]nodes.Reading)          {}
func (h *ownHost) Fault(_ string, m nodes.Message) { h.did = append(h.did, "+"+m.EventID) }
func (h *ownHost) Clear(_ string, ids ...string)   { h.did = append(h.did, "-"+strings.Join(ids, "-")) }
