package chaos

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// tally is what the rounds of each kind showed. It is used by one goroutine.
type tally struct {
	names []string
	kinds map[string]*score
}

type score struct {
	back       []time.Duration
	resumed    int
	sent, lost int // events, in all rounds
	kept       int // events, in those whose session was resumed
}

func newTally() *tally { return &tally{kinds: make(map[string]*score)} }

func (tl *tally) add(kind string, back time.Duration, resumed bool, sent, lost int) {
	s := tl.kinds[kind]
	if s == nil {
		s = &score{}
		tl.kinds[kind], tl.names = s, append(tl.names, kind)
	}
	s.back = append(s.back, back)
	s.sent, s.lost = s.sent+sent, s.lost+lost
	if resumed {
		s.resumed++
		s.kept += sent
	}
}

// print shows the rows of docs/chaos.md.
func (tl *tally) print(t *testing.T, server string, p *person) {
	t.Helper()
	var b strings.Builder
	for _, name := range tl.names {
		s := tl.kinds[name]
		slices.Sort(s.back)
		at := func(percent int) float64 { return s.back[(len(s.back)-1)*percent/100].Seconds() }
		fmt.Fprintf(&b, "| %s | %s | %d | %.2f s | %.2f s | %d | %d | %d | %d |\n",
			server, name, len(s.back), at(50), at(99), s.resumed, s.sent, s.kept, s.lost)
	}
	count := make(map[outcome]int)
	for _, o := range p.writes {
		count[o]++
	}
	fmt.Fprintf(&b, "%s: readouts %d right, %d failed; writes %d done, %d not, %d unknown; %d visits\n", server, p.reads, p.failed,
		count[written], count[notWritten], count[nobodyKnows], p.visits)
	for _, r := range slices.Sorted(maps.Keys(p.reasons)) {
		fmt.Fprintf(&b, "  %d × %s\n", p.reasons[r], r)
	}
	t.Logf("\n%s", b.String())
}
