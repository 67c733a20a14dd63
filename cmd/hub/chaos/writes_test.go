package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// checkWrites compares what was told of writes with what came to the plant, and forgets
// those that were answered so long ago that the hub has given them up, too.
func (p *person) checkWrites(t *testing.T, ago time.Duration) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, text := range p.noteWrites(p.site.plant.unit().Writes()) {
		t.Errorf("%s: %s", p.site.name, text)
	}
	for _, text := range p.judgeWrites(ago) {
		t.Errorf("%s: %s", p.site.name, text)
	}
}

// most is how many writes the plant keeps.
const most = 1000

// noteWrites counts the writes that came to the plant since it was called before, of
// which it keeps a thousand. It returns what is wrong; its caller has locked p.mu.
func (p *person) noteWrites(list []modbustest.Write) (wrong []string) {
	if len(list) >= most && list[0].Time.After(p.noted) {
		wrong = append(wrong, "more writes came in a round than the plant keeps")
	}
	for _, w := range list {
		if w.Time.After(p.noted) && w.Table == wire.HoldingRegister && w.First == setpoint && len(w.Words) == 2 {
			p.noted = w.Time
			p.came[uint32(w.Words[0])<<16|uint32(w.Words[1])]++
		}
	}
	return wrong
}

// judgeWrites returns what is wrong, and forgets what was answered so long ago. Its
// caller has locked p.mu.
func (p *person) judgeWrites(ago time.Duration) (wrong []string) {
	for v, n := range p.came {
		if _, ok := p.writes[v]; !ok || n > 1 {
			wrong = append(wrong, fmt.Sprintf("write %d was done again, %d times of late", v, n))
		}
	}
	for v, w := range p.writes {
		if w.outcome == unanswered || time.Since(w.answered) < ago {
			continue
		}
		n := p.came[v]
		switch {
		case w.outcome == written && n == 0:
			wrong = append(wrong, fmt.Sprintf("write %d was told to be done, and was not", v))
		case w.outcome == notWritten && n > 0:
			wrong = append(wrong, fmt.Sprintf("write %d was told not to be done, and was", v))
		case w.outcome == nobodyKnows && n > 0:
			p.lateYes++
		}
		p.counts[w.outcome]++
		delete(p.writes, v)
		delete(p.came, v)
	}
	return wrong
}

// TestJudgeWrites: a hub that errs would be found.
func TestJudgeWrites(t *testing.T) {
	for _, tt := range []struct {
		outcome outcome
		came    int
		want    string // of what is wrong
	}{
		{written, 1, ""},
		{written, 0, "told to be done"},
		{written, 2, "done again"},
		{notWritten, 0, ""},
		{notWritten, 1, "told not to be done"},
		{nobodyKnows, 0, ""},
		{nobodyKnows, 1, ""},
		{nobodyKnows, 2, "done again"},
		{unanswered, 1, ""},
		{unanswered, 2, "done again"},
	} {
		p := &person{writes: map[uint32]write{70000: {outcome: tt.outcome}}, came: make(map[uint32]int), counts: make(map[outcome]int)}
		at := time.Now()
		var list []modbustest.Write
		for range tt.came {
			at = at.Add(time.Millisecond)
			list = append(list, modbustest.Write{Time: at, Table: wire.HoldingRegister, First: setpoint, Words: []uint16{1, 4464}})
		}
		wrong := append(p.noteWrites(list), p.judgeWrites(0)...)
		if (tt.want == "") != (len(wrong) == 0) || tt.want != "" && !slices.ContainsFunc(wrong, func(s string) bool { return strings.Contains(s, tt.want) }) {
			t.Errorf("outcome %d, which came %d times: %q, want %q", tt.outcome, tt.came, wrong, tt.want)
		}
		// What comes long after it was answered is found, too.
		if _, kept := p.writes[70000]; !kept {
			late := modbustest.Write{Time: at.Add(time.Second), Table: wire.HoldingRegister, First: setpoint, Words: []uint16{1, 4464}}
			if wrong := append(p.noteWrites(append(list, late)), p.judgeWrites(0)...); len(wrong) != 1 {
				t.Errorf("outcome %d, which came once more: %q", tt.outcome, wrong)
			}
		}
	}
}
