package chaos

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/xmppface/xmpptest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rounds is how many there are of each kind: HUB_CHAOS_ROUNDS, or 5.
func rounds(t *testing.T) int {
	t.Helper()
	text := os.Getenv("HUB_CHAOS_ROUNDS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HUB_CHAOS_ROUNDS=%q is no number of rounds", text)
	}
	return n
}

// kind is something bad that happens; when do returns, all is as it should be again.
type kind struct {
	name string
	do   func(t *testing.T, s *site, round int)
}

var kinds = []kind{
	{"network cut", func(_ *testing.T, s *site, round int) {
		switch round % 3 {
		case 0:
			s.net.drop()
		case 1:
			s.net.reset()
		default:
			s.net.blackHole(1500 * time.Millisecond)
		}
	}},
}

func TestChaos(t *testing.T) {
	n := rounds(t)
	s := newSite(t, "Prosody", xmpptest.Prosody(t, xmpptest.Options{Smacks: true}))
	p := newPerson(t, s)
	p.waitServed(t, "at first")
	tl := newTally()
	for i := range n {
		for _, k := range kinds {
			p.round(t, k, i, tl)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	p.settle(t)
	p.checkWrites(t)
	tl.print(t, s.name, p)
}

// patience is how long anything may take.
const patience = 30 * time.Second

func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// waitServed waits until values that are newer than now are read and told, and returns
// how long that took.
func (p *person) waitServed(t *testing.T, when string) time.Duration {
	t.Helper()
	began, now := time.Now(), p.site.plant.count()+1
	served := func(newest *uint32) func() bool {
		return func() bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return *newest >= now
		}
	}
	within(t, p.site.name+", "+when+": a readout of new values", served(&p.read))
	within(t, p.site.name+", "+when+": an event", served(&p.newest))
	return time.Since(began)
}

// round does one bad thing and waits until all is well.
func (p *person) round(t *testing.T, k kind, i int, tl *tally) {
	t.Helper()
	s := p.site
	p.mu.Lock()
	clear(p.heard)
	visits, from := p.visits, p.newest
	p.mu.Unlock()
	s.mu.Lock()
	clear(s.sent)
	s.mu.Unlock()
	before := s.face.Session()
	time.Sleep(time.Duration(200+37*i%200) * time.Millisecond)
	k.do(t, s, i)
	back := p.waitServed(t, k.name+" "+strconv.Itoa(i))
	p.mu.Lock()
	resumed := visits == p.visits && s.face.Session() == before
	p.mu.Unlock()
	sent, lost := p.lost(from)
	if resumed && lost > 0 {
		t.Errorf("%s, %s %d: of %d events that were sent by a session that was resumed, %d did not come", s.name, k.name, i, sent, lost)
	}
	tl.add(k.name, back, resumed, sent, lost)
}

// lost compares the events after one that were sent since the round began with those that
// came. They come in order: what is older than the newest is not on its way any more.
func (p *person) lost(after uint32) (sent, lost int) {
	p.site.mu.Lock()
	defer p.site.mu.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	for v := range p.site.sent {
		if v <= after || v > p.newest {
			continue
		}
		if sent++; !p.heard[v] {
			lost++
		}
	}
	return sent, lost
}

// settle ends the load and waits for all answers.
func (p *person) settle(t *testing.T) {
	t.Helper()
	p.idle.Store(true)
	within(t, p.site.name+": the answers to all writes", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, o := range p.writes {
			if o == unanswered {
				return false
			}
		}
		return true
	})
	time.Sleep(300 * time.Millisecond)
}

// checkWrites compares what was told of the writes with what came to the plant.
func (p *person) checkWrites(t *testing.T) {
	t.Helper()
	times := make(map[uint32]int)
	for _, w := range p.site.plant.unit().Writes() {
		if w.Table == wire.HoldingRegister && w.First == setpoint && len(w.Words) == 2 {
			times[uint32(w.Words[0])<<16|uint32(w.Words[1])]++
		}
	}
	for v, o := range p.writes {
		switch n := times[v]; {
		case n > 1:
			t.Errorf("%s: write %d was done %d times", p.site.name, v, n)
		case o == written && n == 0:
			t.Errorf("%s: write %d was told to be done, and was not", p.site.name, v)
		case o == notWritten && n == 1:
			t.Errorf("%s: write %d was told not to be done, and was", p.site.name, v)
		}
	}
}
