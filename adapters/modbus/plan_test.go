package modbus

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestPlan(t *testing.T) {
	at := func(list ...int) (out []item) {
		for i := 0; i < len(list); i += 2 {
			out = append(out, item{first: list[i], words: list[i+1]})
		}
		return out
	}
	for _, tt := range []struct {
		name  string
		items []item
		lim   limits
		known learned
		want  [][2]int // first, words
	}{
		{"neighbours", at(0, 1, 1, 2, 3, 1), limits{125, 0}, learned{}, [][2]int{{0, 4}}},
		{"out of order", at(3, 1, 0, 1, 1, 2), limits{125, 0}, learned{}, [][2]int{{0, 4}}},
		{"a hole", at(0, 1, 9, 1), limits{125, 8}, learned{}, [][2]int{{0, 10}}},
		{"too large a hole", at(0, 1, 10, 1), limits{125, 8}, learned{}, [][2]int{{0, 1}, {10, 1}}},
		{"overlap", at(0, 2, 1, 2, 1, 1), limits{125, 0}, learned{}, [][2]int{{0, 3}}},
		{"inside another", at(0, 2, 1, 1, 2, 1), limits{125, 0}, learned{}, [][2]int{{0, 3}}},
		{"the limit", at(0, 1, 1, 1, 2, 1), limits{2, 8}, learned{}, [][2]int{{0, 2}, {2, 1}}},
		{"32 bits are not torn", at(0, 1, 1, 2), limits{2, 8}, learned{}, [][2]int{{0, 1}, {1, 2}}},
		{"a known hole", at(0, 1, 4, 1), limits{125, 8}, learned{holes: map[int]bool{2: true}}, [][2]int{{0, 1}, {4, 1}}},
		{"a cut", at(0, 1, 1, 1, 2, 1), limits{125, 8}, learned{cuts: map[int]bool{1: true}}, [][2]int{{0, 1}, {1, 2}}},
		{"alone", []item{{first: 0, words: 1}, {first: 1, words: 1, alone: true}, {first: 2, words: 1}, {first: 3, words: 1}},
			limits{125, 8}, learned{}, [][2]int{{0, 1}, {1, 1}, {2, 2}}},
		{"the end of the table", at(65534, 2, 65533, 1), limits{125, 8}, learned{}, [][2]int{{65533, 3}}},
	} {
		var got [][2]int
		for _, b := range plan(tt.items, tt.lim, &tt.known) {
			got = append(got, [2]int{b.first, b.words})
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Every wanted register is in exactly one request, and no request is longer than
// the limit, has a larger hole than allowed, reads a known hole or crosses a cut.
func TestPlanProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for round := range 3000 {
		lim := limits{2 + r.IntN(30), r.IntN(10)}
		var known learned
		for range r.IntN(6) {
			known.cut(r.IntN(80))
			a := r.IntN(80)
			known.hole(a, a+r.IntN(3))
		}
		var items []item
		points := make(map[*point]int)
		for range r.IntN(40) {
			p := &point{}
			points[p] = 0
			items = append(items, item{r.IntN(80), 1 + r.IntN(2), r.IntN(10) == 0, p})
		}
		for _, b := range plan(items, lim, &known) {
			wanted := make(map[int]bool)
			starts := make(map[int]bool)
			end := b.first
			for _, it := range b.items {
				points[it.point]++
				starts[it.first] = true
				for a := it.first; a < it.first+it.words; a++ {
					wanted[a] = true
				}
				end = max(end, it.first+it.words)
				if it.alone && len(b.items) > 1 {
					t.Fatalf("round %d: a refused register is read with others: %+v", round, b)
				}
			}
			if b.words > lim.words || !wanted[b.first] || b.first+b.words != end {
				t.Fatalf("round %d: %d to %d in a request from %d of %d words, limit %d", round, b.first, end, b.first, b.words, lim.words)
			}
			hole := 0
			for a := b.first; a < end; a++ {
				if wanted[a] {
					hole = 0
					if starts[a] && a > b.first && known.cuts[a] {
						t.Fatalf("round %d: a request crosses the cut at %d: %+v", round, a, b)
					}
					continue
				}
				if hole++; hole > lim.hole || known.holes[a] || known.cuts[a] {
					t.Fatalf("round %d: address %d in the hole of a request: %+v", round, a, b)
				}
			}
		}
		for p, n := range points {
			if n != 1 {
				t.Fatalf("round %d: point %p is in %d requests", round, p, n)
			}
		}
	}
}
