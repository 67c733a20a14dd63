package concentrator

import (
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

// logged is a log that several goroutines write.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

// The log names the operation that was refused and who sent it, for every one that can
// be refused by an address that leads nowhere.
func TestRefusedInLog(t *testing.T) {
	refused := 0
	for _, o := range operations() {
		var out logged
		s := New(newFake(), slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
		link := exttest.Pair(t, s, &Client{})
		answer := ask(t, s, link.Net().Server, ops, typeOf(o.name), op(o.name, "id='nowhere' src='Other'", "<nd id='nowhere' src='Other'/>"))
		if !strings.HasPrefix(answer, "<error") {
			continue
		}
		refused++
		out.mu.Lock()
		got := out.text.String()
		out.mu.Unlock()
		if !strings.Contains(got, "from="+ops+"/desk") || !strings.Contains(got, "operation="+o.name) {
			t.Errorf("%s: answer %.200s, log %q", o.name, answer, got)
		}
	}
	if t.Logf("%d refused", refused); refused < 30 {
		t.Errorf("only %d operations were refused", refused)
	}
}
