package chaos

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/xmpptest"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rounds is how many there are of each kind: HUB_CHAOS_ROUNDS, or 5. Those 5 end early,
// but not before the first, where the machine is so slow that no more can begin in time.
func rounds(t *testing.T) (n int, enough time.Duration) {
	t.Helper()
	text := os.Getenv("HUB_CHAOS_ROUNDS")
	if text == "" {
		return 5, 70 * time.Second
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("HUB_CHAOS_ROUNDS=%q is no number of rounds", text)
	}
	return n, 24 * time.Hour
}

// kind is something bad that happens; when do returns, all is as it should be again.
type kind struct {
	name string
	do   func(t *testing.T, s *site, round int)
}

var kinds = []kind{
	{"restart", func(t *testing.T, s *site, _ int) {
		s.server.Stop()
		s.server.Start(t)
	}},
	{"kill -9 and start", func(t *testing.T, s *site, _ int) {
		s.server.Kill()
		s.server.Start(t)
	}},
	{"stopped for 2 to 3 s", func(_ *testing.T, s *site, round int) {
		s.server.Pause()
		time.Sleep(2*time.Second + time.Duration(round*250%1001)*time.Millisecond)
		s.server.Resume()
	}},
	{"network cut", func(_ *testing.T, s *site, round int) {
		switch round % 4 {
		case 0:
			s.net.drop()
		case 1: // again and again, while the session is being resumed
			for range 4 {
				s.net.reset()
				time.Sleep(30 * time.Millisecond)
			}
		case 2:
			s.net.blackHole(500 * time.Millisecond)
		default:
			s.net.blackHole(2500 * time.Millisecond) // the hub gives the connection up before
		}
	}},
}

func TestChaos(t *testing.T) {
	n, enough := rounds(t)
	// They begin when both are calm, and are compared with that when both have ended.
	sites := []*site{
		newSite(t, "Prosody", xmpptest.Prosody(t, xmpptest.Options{Smacks: true})),
		newSite(t, "ejabberd", xmpptest.Ejabberd(t)),
	}
	var people []*person
	for _, s := range sites {
		people = append(people, newPerson(t, s))
	}
	for _, p := range people {
		p.waitServed(t, "at first")
		p.settle(t)
	}
	before := takeFootprint()
	tallies := make([]*tally, len(people))
	t.Run("servers", func(t *testing.T) {
		for i, p := range people {
			tallies[i] = newTally()
			t.Run(p.site.name, func(t *testing.T) {
				t.Parallel()
				p.endure(t, n, enough, tallies[i])
			})
		}
	})
	for i, p := range people {
		t.Log(tallies[i].String(p))
	}
	if !t.Failed() {
		compareFootprint(t, before)
	}
}

// endure lets everything bad happen, in turns, so many times or for so long.
func (p *person) endure(t *testing.T, n int, enough time.Duration, tl *tally) {
	p.idle.Store(false)
	began := time.Now()
	for i := range n {
		if i > 0 && time.Since(began) > enough {
			t.Logf("%d rounds of %d: the machine is slow", i, n)
			break
		}
		for _, k := range kinds {
			p.round(t, k, i, tl)
			if t.Failed() {
				t.FailNow()
			}
		}
	}
	p.waitServed(t, "in the end")
	p.settle(t)
	p.checkWrites(t, 0)
	if p.counts[written] < 10 {
		t.Errorf("%s: %d writes were no load", p.site.name, p.counts[written])
	}
	if kept := tl.kept(); kept == 0 {
		t.Errorf("%s: no session that was resumed sent an event", p.site.name)
	}
}

// patience is how long anything may take.
const patience = 30 * time.Second

// within waits for something.
func (p *person) within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: waited in vain: %s\nthe hub: %+v\nthe person: %s\nthe server's log ends with: %s", p.site.name, what, p.site.face.Status(), p.state(), tail(p.site.server.Log()))
		}
	}
}

// tail is the end of a text.
func tail(text string) string { return text[max(0, len(text)-2000):] }

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
	p.within(t, "a readout of new values, "+when, served(&p.read))
	p.within(t, "an event, "+when, served(&p.newest))
	return time.Since(began)
}

// round does one bad thing and waits until all is well.
func (p *person) round(t *testing.T, k kind, i int, tl *tally) {
	t.Helper()
	s := p.site
	p.checkWrites(t, time.Minute)
	p.mu.Lock()
	clear(p.heard)
	visits, from := p.visits, p.newest
	p.mu.Unlock()
	s.mu.Lock()
	clear(s.sent)
	s.mu.Unlock()
	before := s.face.Session()
	time.Sleep(time.Duration(200+37*i%200) * time.Millisecond)
	began := time.Now()
	k.do(t, s, i)
	back := p.waitServed(t, k.name+" "+strconv.Itoa(i))
	away := time.Since(began)
	p.mu.Lock()
	resumed := visits == p.visits && s.face.Session() == before
	p.mu.Unlock()
	sent, lost := p.lost(from)
	if resumed && lost > 0 {
		t.Errorf("%s, %s %d: of %d events that were sent by a session that was resumed, %d did not come", s.name, k.name, i, sent, lost)
	}
	tl.add(k.name, back, away, resumed, sent, lost)
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

// TestLost: an event that does not come would be found.
func TestLost(t *testing.T) {
	p := &person{site: &site{sent: map[uint32]bool{4: true, 5: true, 6: true, 7: true, 8: true}}, t: t, heard: make(map[uint32]bool)}
	v := &visit{}
	for _, value := range []int32{4, 5, 7} {
		p.hear(v, nodes.Field{Value: nodes.Int32(value)})
	}
	// 4 is of before, 8 may be on its way.
	if sent, lost := p.lost(4); sent != 3 || lost != 1 {
		t.Errorf("%d sent, %d lost; want 3, 1", sent, lost)
	}
}

// settle ends the load and waits for all answers.
func (p *person) settle(t *testing.T) {
	t.Helper()
	p.idle.Store(true)
	p.within(t, "the answers to all writes", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, w := range p.writes {
			if w.outcome == unanswered {
				return false
			}
		}
		return true
	})
	time.Sleep(300 * time.Millisecond)
}
