package app

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func TestSpark(t *testing.T) {
	for _, tt := range []struct {
		list []float64
		want string
	}{
		{nil, ""},
		{[]float64{5}, "▁"},
		{[]float64{5, 5, 5}, "▁▁▁"},
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7}, "▁▂▃▄▅▆▇█"},
		{[]float64{1, -1, 0}, "█▁▄"},
		{[]float64{-math.MaxFloat64, math.MaxFloat64, 0}, "▁█▄"},
	} {
		if got := spark(tt.list); got != tt.want {
			t.Errorf("%v: got %s, want %s", tt.list, got, tt.want)
		}
	}
}

func TestBoard(t *testing.T) {
	start := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	tank, pump := nodes.In("tank"), nodes.In("pump")
	b := newBoard("2 nodes", "; q ends it")
	put := func(ref nodes.Ref, after time.Duration, fields ...nodes.Field) {
		for i := range fields {
			fields[i].Time = start.Add(after)
		}
		b.put(ref, nodes.Reading{Fields: fields}, start.Add(after))
	}
	put(tank, 0, nodes.Field{Name: "level", Value: nodes.Quantity(9.5, 1, "m")})
	put(pump, 0, nodes.Field{Name: "on", Value: nodes.Bool(true)})
	put(tank, 0, nodes.Field{Name: "name", Value: nodes.String("north\x1b[2J")})
	put(tank, time.Second, nodes.Field{Name: "level", Value: nodes.Quantity(10.5, 1, "m"), QoS: nodes.Warning})
	put(tank, time.Second, nodes.Field{Name: "level", Value: nodes.Quantity(10.5, 1, "m"), QoS: nodes.Warning}) // told again
	for _, tt := range []struct {
		name          string
		width, height int
		from          int
		want          string
		first         int
	}{
		{"all", 80, 10, 0, `2 nodes; q ends it
NODE  FIELD     VALUE  UNIT  AGE  QUALITY  TREND
tank  level      10.5  m     2s   warning  ▁█
tank  name   north[2J        3s   good
pump  on         true        3s   good`, 0},
		{"narrow", 12, 10, 9, `2 nodes; q e
NODE  FIELD
tank  level
tank  name
pump  on`, 0},
		{"low", 80, 4, 9, `2 nodes, rows 2 to 3 of 3: arrow keys move; q ends it
NODE  FIELD     VALUE  UNIT  AGE  QUALITY  TREND
tank  name   north[2J        3s   good
pump  on         true        3s   good`, 1},
		{"one line", 80, 1, 0, "2 nodes, rows 1 to 1 of 3: arrow keys move; q ends it", 0},
	} {
		lines, first := b.lines(start.Add(3*time.Second), tt.width, tt.height, tt.from, false)
		got := strings.ReplaceAll(strings.Join(lines, "\n"), "north [2J", "north[2J ")
		for i, l := range strings.Split(got, "\n") {
			if strings.Contains(l, "\x1b") {
				t.Errorf("%s: line %d holds a command: %q", tt.name, i, l)
			}
		}
		got = strings.Join(strings.Fields(got), " ")
		if want := strings.Join(strings.Fields(tt.want), " "); got != want || first != tt.first {
			t.Errorf("%s: first %d\ngot  %s\nwant %s", tt.name, first, got, want)
		}
	}

	// A node that fails says so, until it is read again.
	b.put(pump, nodes.Reading{Err: errors.New("silent")}, start.Add(4*time.Second))
	b.put(pump, nodes.Reading{Err: errors.New("still silent")}, start.Add(5*time.Second))
	last := func() []cell { rows := b.cells(start.Add(7 * time.Second)); return rows[len(rows)-1] }
	if got := last(); got[4].text != "3s" || got[5] != (cell{"error: still silent", red}) {
		t.Errorf("got %v", got)
	}
	put(pump, 6*time.Second, nodes.Field{Name: "on", Value: nodes.Bool(false)})
	if got := last(); got[1].text != "on" || got[2].style != plainStyle || len(b.rows) != 3 {
		t.Errorf("got %v", got)
	}
	put(pump, 7*time.Second, nodes.Field{Name: "on", Value: nodes.Bool(true)})
	if got := last(); got[2].style != bold {
		t.Errorf("a value that has just changed: %v", got)
	}
	// However long it runs, a row keeps the last values only.
	for i := range 100 {
		put(tank, time.Duration(10+i)*time.Second, nodes.Field{Name: "level", Value: nodes.Double(float64(i))})
	}
	if got := b.index[watchedKey{tank, "level"}].history; len(got) != sparks || got[sparks-1] != 99 {
		t.Errorf("got %v", got)
	}
}

func TestRepaint(t *testing.T) {
	for _, tt := range []struct {
		before, after []string
		want          string
	}{
		{nil, []string{"a", "b"}, "\x1b[2J\x1b[1;1H\x1b[Ka\x1b[2;1H\x1b[Kb"},
		{[]string{"a", "b"}, []string{"a", "b"}, ""},
		{[]string{"a", "b"}, []string{"a", "c"}, "\x1b[2;1H\x1b[Kc"},
		{[]string{"a", "b", "c"}, []string{"a"}, "\x1b[2;1H\x1b[J"},
		{[]string{"a"}, []string{"a", "b"}, "\x1b[2;1H\x1b[Kb"},
	} {
		if got := repaint(tt.before, tt.after); got != tt.want {
			t.Errorf("%q to %q: got %q, want %q", tt.before, tt.after, got, tt.want)
		}
	}
}

func TestMoved(t *testing.T) {
	for _, tt := range []struct {
		keys  string
		first int
		over  bool
	}{
		{"", 5, false}, {"j", 6, false}, {"k", 4, false}, {"kkkkkkkkkk", 0, false}, {" ", 15, false}, {"b", 0, false},
		{"\x1b[A", 4, false}, {"\x1b[B\x1b[B", 7, false}, {"\x1b[6~", 15, false}, {"\x1b[5~j", 1, false},
		{"jq", 6, true}, {"\x1b[1;5Cj", 6, false}, {"\x1b", 5, false}, {"x\x1b[", 5, false},
	} {
		if first, over := moved(tt.keys, 5, 10); first != tt.first || over != tt.over {
			t.Errorf("%q: got %d, %t", tt.keys, first, over)
		}
	}
	if slices.ContainsFunc([]string{"\x1b[", "\x1b[1", "\x1b[;"}, func(k string) bool { _, over := moved(k, 0, 1); return over }) {
		t.Error("half a key ends it")
	}
}
