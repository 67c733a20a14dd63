package app

import (
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/persist"
)

// The audit survives a restart, counts on, and is found by who, node and time.
func TestAudit(t *testing.T) {
	dir := t.TempDir()
	open := func() (*audit, func()) {
		db, err := persist.Open(dir, persist.Options{Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return openAudit(db.Shelf("audit"), slog.New(slog.DiscardHandler)), func() {
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	began := time.Now()
	a, end := open()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for k := range 25 {
				a.add(nodes.Record{Time: began.Add(time.Duration(k) * time.Second), JID: fmt.Sprintf("p%d@example.org/x", i), Action: "set", Ref: nodes.In(fmt.Sprint("plant/n", k)), What: "v", After: "<1>", Outcome: "done"})
			}
		})
	}
	wg.Wait()
	end()
	a, end = open()
	defer end()
	a.add(nodes.Record{Time: began, JID: "q@example.org", Action: "remove", Ref: nodes.In("plant"), Outcome: "done"})
	for _, tt := range []struct {
		name string
		q    nodes.AuditQuery
		want int
	}{
		{"all", nodes.AuditQuery{Most: 1000}, 101},
		{"some", nodes.AuditQuery{Most: 7}, 7},
		{"behind", nodes.AuditQuery{Most: 1000, After: 90}, 11},
		{"one person", nodes.AuditQuery{Most: 1000, JID: "p2@"}, 25},
		{"a branch", nodes.AuditQuery{Most: 1000, Node: "plant"}, 101},
		{"a node", nodes.AuditQuery{Most: 1000, Node: "plant/n3"}, 4},
		{"not what begins alike", nodes.AuditQuery{Most: 1000, Node: "plan"}, 0},
		{"lately", nodes.AuditQuery{Most: 1000, Since: began.Add(20 * time.Second)}, 20},
	} {
		list := a.list(tt.q)
		if len(list) != tt.want {
			t.Errorf("%s: got %d records, want %d", tt.name, len(list), tt.want)
		}
		for i := 1; i < len(list); i++ {
			if list[i].Number <= list[i-1].Number {
				t.Errorf("%s: number %d comes after %d", tt.name, list[i].Number, list[i-1].Number)
			}
		}
	}
	if last := a.list(nodes.AuditQuery{After: 100, Most: 1})[0]; last.Number != 101 || last.Action != "remove" {
		t.Errorf("the newest: %+v", last)
	}
}

// The oldest records go when there are too many.
func TestAuditIsBounded(t *testing.T) {
	shelf := &memoryShelf{records: make(map[string][]byte)}
	a := openAudit(shelf, slog.New(slog.DiscardHandler))
	a.number, a.oldest = maxAudit, 1
	for n := range uint64(maxAudit) {
		shelf.Put(auditKey(n+1), []byte("{}"))
	}
	for range 10 {
		a.add(nodes.Record{})
	}
	if len(shelf.records) != maxAudit || shelf.records[auditKey(10)] != nil || shelf.records[auditKey(11)] == nil {
		t.Errorf("%d records, the oldest is %d", len(shelf.records), a.oldest)
	}
}

type memoryShelf struct{ records map[string][]byte }

func (m *memoryShelf) Get(key string) ([]byte, bool)   { v, ok := m.records[key]; return v, ok }
func (m *memoryShelf) Put(key string, v []byte)        { m.records[key] = v }
func (m *memoryShelf) Delete(key string)               { delete(m.records, key) }
func (m *memoryShelf) Range(func(string, []byte) bool) {}

// A login is noted once a minute for one account from one machine, a refused one apart.
func TestLoginsAreNoted(t *testing.T) {
	h := &hub{audit: openAudit(&memoryShelf{records: make(map[string][]byte)}, slog.New(slog.DiscardHandler))}
	for range 3 {
		h.noteLogin("owner", "127.0.0.1:5000", nil)
		h.noteLogin("owner", "127.0.0.1:5001", errors.New("wrong name or password"))
		h.noteLogin(hubName, "127.0.0.1:5002", nil)
	}
	if h.audit.number != 2 {
		t.Errorf("got %d records, want 2", h.audit.number)
	}
}
