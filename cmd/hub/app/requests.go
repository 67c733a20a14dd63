package app

import (
	"cmp"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/fieldhub/hub/nodes"
)

// Bounds of requests: how many of each kind are kept, and for how long a decision is
// waited for, or holds when it was no.
const (
	maxRequests    = 100
	requestsExpire = 30 * 24 * time.Hour
)

// decision is what became of a request for the hub's presence.
type decision string

const (
	waiting  decision = "waiting"
	accepted decision = "accepted" // shows the hub's presence and gives no rights
	rejected decision = "refused"  // so are further requests
)

// request is that of one bare address.
type request struct {
	JID      string    `json:"jid"`
	Since    time.Time `json:"since"` // of the request, or the decision
	Decision decision  `json:"decision"`
}

// requests are those for the hub's presence on the broker, of people without access. They
// are kept over restarts. Safe for concurrent use.
type requests struct {
	shelf   nodes.Shelf
	log     *slog.Logger
	hold    bool // else they are refused at once
	friend  func(nodes.Caller) bool
	changed func()           // told when there is another one
	refuse  func(jid string) // tells somebody who waited in vain; it must not block
	now     func() time.Time
	// What is logged of each kind: who has many addresses cannot fill the log.
	asked, dropped rate.Sometimes

	mu   sync.Mutex
	list map[string]request // by bare address
}

func openRequests(shelf nodes.Shelf, log *slog.Logger, hold bool, friend func(nodes.Caller) bool, changed func(), refuse func(string)) *requests {
	r := &requests{shelf: shelf, log: log, hold: hold, friend: friend, changed: changed, refuse: refuse, now: time.Now, list: make(map[string]request),
		asked: rate.Sometimes{First: 10, Interval: time.Minute}, dropped: rate.Sometimes{First: 10, Interval: time.Minute}}
	shelf.Range(func(key string, value []byte) bool {
		var x request
		if json.Unmarshal(value, &x) == nil && x.JID == key {
			r.list[key] = x
		}
		return true
	})
	return r
}

// Hold implements xmppface.Requests.
func (r *requests) Hold(who nodes.Caller) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	x, known := r.list[who.JID]
	switch {
	case known:
		return x.Decision != rejected
	case !r.hold:
		return false
	}
	r.add(request{who.JID, r.now(), waiting})
	r.asked.Do(func() {
		r.log.Warn("somebody without access asks to see the hub's presence; decide with hub presence", "from", who.JID)
	})
	r.changed()
	return true
}

// Accepted implements xmppface.Requests.
func (r *requests) Accepted() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	for jid, x := range r.list {
		switch {
		case x.Decision == accepted:
			out = append(out, jid)
		case x.Decision == waiting && r.friend(nodes.Caller{JID: jid, Full: jid, Way: nodes.WayBroker}):
			r.remove(jid) // the rules say so now
			out = append(out, jid)
			r.changed()
		}
	}
	slices.Sort(out)
	return out
}

// welcome tells whether somebody's request was accepted.
func (r *requests) welcome(who nodes.Caller) bool {
	if who.Way != nodes.WayBroker {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list[who.JID].Decision == accepted
}

// decide takes note of a decision, also on a request that is yet to come. It fails when it
// makes no difference, and when too many were accepted before.
func (r *requests) decide(jid string, d decision) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d == rejected && r.friend(nodes.Caller{JID: jid, Full: jid, Way: nodes.WayBroker}) {
		return fmt.Errorf("%s has access, and so sees the hub; change the rules below access in hub.yaml", jid)
	}
	if n, _ := r.count(d); d == accepted && n >= maxRequests && r.list[jid].Decision != accepted {
		return fmt.Errorf("%d requests are accepted already, and more are not kept; give %s access by a rule in hub.yaml, or refuse somebody", n, jid)
	}
	r.add(request{jid, r.now(), d})
	r.changed()
	return nil
}

// count tells how many requests have a decision, and which is the oldest of them. It is
// called with r locked.
func (r *requests) count(d decision) (n int, oldest string) {
	for jid, x := range r.list {
		if x.Decision != d {
			continue
		}
		if n++; oldest == "" || x.Since.Before(r.list[oldest].Since) {
			oldest = jid
		}
	}
	return n, oldest
}

// all lists them: those that wait first, then by time.
func (r *requests) all() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.expire()
	out := make([]request, 0, len(r.list))
	for _, x := range r.list {
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b request) int {
		if (a.Decision == waiting) != (b.Decision == waiting) {
			return strings.Compare(string(b.Decision), string(a.Decision)) // "waiting" is the last word
		}
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.JID, b.JID))
	})
	return out
}

// drop forgets a request. Who waited is refused, else a server asks again at each login. It
// is called with r locked.
func (r *requests) drop(x request) {
	r.remove(x.JID)
	if x.Decision == waiting {
		r.dropped.Do(func() {
			r.log.Info("a request for the hub's presence is refused: nobody has decided", "from", x.JID, "since", x.Since)
		})
		r.refuse(x.JID)
	}
}

// expire drops what has waited, or was refused, for too long. It is called with r locked.
func (r *requests) expire() {
	for _, x := range r.list {
		if x.Decision != accepted && r.now().Sub(x.Since) > requestsExpire {
			r.drop(x)
		}
	}
}

// add keeps a request; the oldest with the same decision makes room. It is called with r
// locked.
func (r *requests) add(x request) {
	r.remove(x.JID)
	if n, oldest := r.count(x.Decision); n >= maxRequests {
		r.drop(r.list[oldest])
	}
	b, err := json.Marshal(x)
	if err != nil {
		r.log.Error("a request for the hub's presence cannot be kept", "error", err)
		return
	}
	r.list[x.JID] = x
	r.shelf.Put(x.JID, b)
}

func (r *requests) remove(jid string) {
	if _, known := r.list[jid]; known {
		delete(r.list, jid)
		r.shelf.Delete(jid)
	}
}
