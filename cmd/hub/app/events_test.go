package app

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Events are told as they happen; Ctrl-C is no failure, a hub that ends is one.
func TestEventsLive(t *testing.T) {
	d := startDaemon(t, t.TempDir(), "")
	soon(t, "the hub", func() bool { _, code := d.cli("ls"); return code == exitOK })
	follow := func(ctx context.Context, args ...string) (*text, <-chan int) {
		out, code := &text{}, make(chan int, 1)
		args = append([]string{"--hub", filepath.Join(d.dir, "data", ownerFile), "events"}, args...)
		go func() { code <- run(ctx, args, out, out, nil) }()
		soon(t, "the subscription", func() bool { return strings.Contains(out.String(), "waiting for events of ") })
		return out, code
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	all, interrupted := follow(ctx)
	few, counted := follow(ctx, "-n", "2")
	for _, args := range [][]string{{"add", "folder", "A"}, {"add", "folder", "B", "--parent", "A"}, {"do", "A", "--yes", "Disable"}, {"rm", "A"}} {
		if out, code := d.cli(args...); code != exitOK {
			t.Fatalf("%v: %d %s", args, code, out)
		}
	}
	if code := <-counted; code != exitOK || strings.Count(few.String(), "  added ") != 2 || strings.Contains(few.String(), "removed") {
		t.Errorf("after two: got %d %s", code, few)
	}
	for _, want := range []string{`(?m)^[0-9:.]{12}  added +A  ok$`, `(?m)  added +A/B  ok$`, `(?m)  removed +A/B$`, `(?m)  removed +A$`} {
		soon(t, want, func() bool { return regexp.MustCompile(want).MatchString(all.String()) })
	}
	cancel()
	if code := <-interrupted; code != exitOK {
		t.Errorf("Ctrl-C: got %d %s", code, all)
	}
	gone, ended := follow(t.Context())
	d.stop()
	if code := <-ended; code != exitFailed || !strings.Contains(gone.String(), "hub: the hub ") {
		t.Errorf("a hub that ends: got %d %s", code, gone)
	}
}
