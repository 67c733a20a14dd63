package app

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// maxAudit is how many records are kept; the oldest go first. One takes about 200
// bytes on disk.
const maxAudit = 50_000

// audit keeps who did what, on a shelf of the hub. What was noted in the last seconds
// before a power cut may be lost. Safe for concurrent use.
type audit struct {
	shelf nodes.Shelf
	log   *slog.Logger

	mu     sync.Mutex
	number uint64 // of the newest record
	oldest uint64
}

func openAudit(shelf nodes.Shelf, log *slog.Logger) *audit {
	a := &audit{shelf: shelf, log: log}
	shelf.Range(func(key string, _ []byte) bool {
		if n, ok := auditNumber(key); ok {
			if a.oldest == 0 {
				a.oldest = n
			}
			a.number = max(a.number, n)
		}
		return true
	})
	if a.oldest == 0 {
		a.oldest = a.number + 1
	}
	return a
}

func auditKey(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

func auditNumber(key string) (uint64, bool) {
	if len(key) != 8 {
		return 0, false
	}
	return binary.BigEndian.Uint64([]byte(key)), true
}

// add keeps a record.
func (a *audit) add(r nodes.Record) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.number++
	r.Number = a.number
	r.Time = r.Time.UTC().Round(0)
	b, err := json.Marshal(r)
	if err != nil {
		a.log.Error("a record of the audit cannot be kept", "error", err)
		return
	}
	a.shelf.Put(auditKey(a.number), b)
	for ; a.number-a.oldest >= maxAudit; a.oldest++ {
		a.shelf.Delete(auditKey(a.oldest))
	}
}

// list returns records.
func (a *audit) list(q nodes.AuditQuery) (out []nodes.Record) {
	a.shelf.Range(func(key string, value []byte) bool {
		var r nodes.Record
		if n, ok := auditNumber(key); !ok || n <= q.After || json.Unmarshal(value, &r) != nil {
			return true
		}
		if r.Time.Before(q.Since) || q.JID != "" && !strings.Contains(r.JID, q.JID) ||
			q.Node != "" && r.Ref.ID != q.Node && !strings.HasPrefix(r.Ref.ID, q.Node+"/") {
			return true
		}
		out = append(out, r)
		return len(out) < q.Most
	})
	return out
}

// Audit implements owner.Backend.
func (h *hub) Audit(c nodes.Caller, q nodes.AuditQuery) ([]nodes.Record, error) {
	if err := h.admit(c); err != nil {
		return nil, err
	}
	return h.audit.list(q), nil
}

// noteLogin notes a login at the local server, that of one account from one machine
// once a minute.
func (h *hub) noteLogin(account, address string, err error) {
	if account == hubName && err == nil {
		return // the hub itself
	}
	host, _, _ := net.SplitHostPort(address)
	outcome := "done"
	if err != nil {
		outcome = err.Error()
	}
	key := account + " " + host + " " + outcome
	h.logins.mu.Lock()
	now := time.Now()
	if h.logins.seen == nil || now.Sub(h.logins.since) > time.Minute || len(h.logins.seen) > 100 {
		h.logins.since, h.logins.seen = now, make(map[string]bool)
	}
	again := h.logins.seen[key]
	h.logins.seen[key] = true
	h.logins.mu.Unlock()
	if !again {
		h.audit.add(nodes.Record{Time: now, JID: account, Way: nodes.WayLocal, Action: "login", What: "from " + host, Outcome: outcome})
	}
}

// logins are those that were noted in the last minute.
type logins struct {
	mu    sync.Mutex
	since time.Time
	seen  map[string]bool
}

// noteOwner notes what was done through the owner's namespace.
func (h *hub) noteOwner(c nodes.Caller, action, what string, err error) {
	outcome := "done"
	if err != nil {
		outcome, _, _ = strings.Cut(err.Error(), "\n")
	}
	jid := c.Full
	if jid == "" {
		jid = c.JID
	}
	h.audit.add(nodes.Record{Time: time.Now(), JID: jid, Way: c.Way, Action: action, What: what, Outcome: outcome})
}

// flooded takes note that somebody asks for more than the limits allow.
func (h *hub) flooded(who nodes.Caller) {
	h.audit.add(nodes.Record{Time: time.Now(), JID: cmp.Or(who.Full, who.JID), Way: who.Way, Action: "refused", What: "requests beyond the limits", Outcome: "refused or ignored until there are fewer"})
}
