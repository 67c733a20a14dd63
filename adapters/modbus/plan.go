package modbus

import (
	"cmp"
	"slices"
)

// item is a wish for words from first on; words are registers or bits.
type item struct {
	first, words int
	alone        bool // not together with others: it was refused
	point        *point
}

// batch is items that one request reads.
type batch struct {
	first, words int
	items        []item
}

// limits are what one request may do.
type limits struct {
	words int // most words
	hole  int // most unwanted words in a row
}

// learned is what a device was found to refuse in one table.
type learned struct {
	holes map[int]bool // addresses never to be read along
	cuts  map[int]bool // a request must not go on from the address below to this one
	fixed string       // addresses never to be read along, as configured: see parseSpans
	most  int          // the most words that were delivered at once
	least int          // the fewest words that were refused because there were so many; 0: none
	span  [2]int       // the request that this was: first and end
}

// longest is the most words to ask for at once, of at most so many: between what was
// delivered and what was refused, to come nearer to the truth.
func (l *learned) longest(limit int) int {
	if l.least == 0 {
		return limit
	}
	return min(limit, max(1, l.most, (l.most+l.least)/2))
}

// accept takes note of a delivery, and tells whether it shows that longer requests
// can be tried.
func (l *learned) accept(words int) bool {
	if words <= l.most {
		return false
	}
	l.most = words
	if l.least > 0 && l.least <= words { // it was not the length
		l.least = 0
	}
	return l.least > 0
}

// refuse takes note of a refusal whose reason is not known yet: what it was of may
// explain a refusal that was put down to the length.
func (l *learned) refuse(b batch) {
	if l.least > b.words && b.first >= l.span[0] && b.first+b.words <= l.span[1] {
		l.least = 0
	}
}

// tooLong remembers that a batch was refused because of its length.
func (l *learned) tooLong(b batch) {
	if l.least == 0 || b.words < l.least {
		l.least, l.span = b.words, [2]int{b.first, b.first + b.words}
	}
}

func (l *learned) hole(first, end int) {
	if l.holes == nil {
		l.holes = make(map[int]bool)
	}
	for a := first; a < end; a++ {
		l.holes[a] = true
	}
}

// fill says that addresses can be read after all.
func (l *learned) fill(first, end int) {
	for a := first; a < end; a++ {
		delete(l.holes, a)
	}
}

func (l *learned) cut(a int) {
	if l.cuts == nil {
		l.cuts = make(map[int]bool)
	}
	l.cuts[a] = true
}

// plan merges items of one table into requests. Each item is in exactly one
// batch; no batch is longer than the limit, has a longer hole than allowed, reads
// a known hole or crosses a cut. It sorts the items. An item must not be longer
// than the limit.
func plan(items []item, lim limits, known *learned) []batch {
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(a.words, b.words))
	})
	var out []batch
	cur := -1  // batch that may grow
	start := 0 // of the items of cur
	for i, it := range items {
		end := it.first + it.words
		if it.alone {
			out = append(out, batch{it.first, it.words, items[i : i+1 : i+1]})
			// What follows must not be merged across; items are contiguous per batch.
			cur = -1
			continue
		}
		if cur >= 0 {
			b := &out[cur]
			have := b.first + b.words
			if max(have, end)-b.first <= lim.words && it.first-have <= lim.hole && known.free(b.first, have, it.first) {
				b.words = max(have, end) - b.first
				b.items = items[start : i+1 : i+1]
				continue
			}
		}
		cur, start = len(out), i
		out = append(out, batch{it.first, it.words, items[i : i+1 : i+1]})
	}
	return out
}

// free tells whether a request that begins at start and has come to before have
// may go on to address first, reading along what lies between.
func (l *learned) free(start, have, first int) bool {
	if len(l.holes) == 0 && len(l.cuts) == 0 && l.fixed == "" {
		return true
	}
	if first > start && l.cuts[first] {
		return false
	}
	for a := have; a <= first; a++ {
		if l.cuts[a] || a < first && l.holes[a] {
			return false
		}
	}
	for rest := l.fixed; len(rest) >= 4; rest = rest[4:] {
		if from, to := span(rest); from < first && to >= have {
			return false
		}
	}
	return true
}
