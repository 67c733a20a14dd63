package exttest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
)

// MaxStanza is how many bytes a stanza may have; a longer one fails the test.
const MaxStanza = 256 << 10

// The addresses that [Pair] uses.
const (
	ServerJID = "hub@example.org/box"
	ClientJID = "ops@example.org/desk"
)

// Pair connects a server and a client in memory and returns the client's link:
// asks and messages go to [ServerJID], and the server sees [ClientJID]. Both
// ends are run when they are an [ext.Runner], until the test ends.
func Pair(t testing.TB, server ext.Extension, client ext.Receiver) *Link {
	t.Helper()
	return New(t, server).Join(ClientJID, client)
}

// Net is a server with any number of clients.
type Net struct {
	// Server is the server's link.
	Server *Link

	t      testing.TB
	ctx    context.Context
	mu     sync.Mutex
	ends   map[string]*Link
	nextID int
}

// New makes a net with a server on it, at [ServerJID].
func New(t testing.TB, server ext.Extension) *Net {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	n := &Net{t: t, ctx: ctx, ends: make(map[string]*Link)}
	var wg sync.WaitGroup
	t.Cleanup(func() {
		cancel()
		n.mu.Lock()
		ends := n.ends
		n.ends = nil
		n.mu.Unlock()
		for _, l := range ends {
			l.in.close()
		}
		wg.Wait()
	})
	n.run(&wg, server)
	n.Server = n.join(&wg, ServerJID, server)
	return n
}

// Join puts a client on the net. Its jid is a full one. A client that is also
// an [ext.Extension] can be asked by the server.
func (n *Net) Join(jid string, client ext.Receiver) *Link {
	n.t.Helper()
	var wg sync.WaitGroup
	if client != nil {
		n.run(&wg, client)
	}
	l := n.join(&wg, jid, client)
	n.t.Cleanup(func() { l.in.close(); wg.Wait() })
	return l
}

func (n *Net) join(wg *sync.WaitGroup, jid string, x any) *Link {
	l := &Link{net: n, jid: jid, way: nodes.WayLocal, pending: make(map[string]chan answer), in: newInbox()}
	l.extension, _ = x.(ext.Extension)
	l.receiver, _ = x.(ext.Receiver)
	l.leaver, _ = x.(ext.Leaver)
	n.mu.Lock()
	if n.ends[jid] != nil {
		n.t.Errorf("exttest: two ends have the address %s", jid)
	}
	n.ends[jid] = l
	n.mu.Unlock()
	if j, ok := x.(ext.Joiner); ok {
		j.Joined(l)
	}
	wg.Go(l.in.run)
	return l
}

// run runs x if it has goroutines of its own, and waits until it does.
func (n *Net) run(wg *sync.WaitGroup, x any) {
	r, ok := x.(ext.Runner)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(n.ctx)
	n.t.Cleanup(cancel)
	wg.Go(func() {
		if err := r.Run(ctx); err != nil && ctx.Err() == nil {
			n.t.Errorf("exttest: Run: %v", err)
		}
	})
	says, ok := x.(interface{ Running() bool })
	if !ok {
		time.Sleep(5 * time.Millisecond)
		return
	}
	for until := time.Now().Add(5 * time.Second); !says.Running(); time.Sleep(100 * time.Microsecond) {
		if time.Now().After(until) {
			n.t.Fatal("exttest: does not run after 5 s")
		}
	}
}

func (n *Net) find(jid string) *Link {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ends[jid]
}

// remove takes a link off the net and returns who stays.
func (n *Net) remove(l *Link) (others []*Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ends[l.jid] != l {
		return nil
	}
	delete(n.ends, l.jid)
	for _, o := range n.ends {
		others = append(others, o)
	}
	return others
}

func bare(jid string) string {
	b, _, _ := strings.Cut(jid, "/")
	return b
}
