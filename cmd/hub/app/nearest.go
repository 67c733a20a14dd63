package app

import "strings"

// alike are the names that look most like a wrong one, at most three, the likest
// first.
func alike(wrong string, names []string) []string {
	const most = 3
	type scored struct {
		name string
		far  int
	}
	var list []scored
	lower := strings.ToLower(wrong)
	for _, n := range names {
		other := strings.ToLower(n)
		far := distance(lower, other)
		if limit := max(len(lower), len(other))/3 + 1; far > limit {
			if len(lower) < 3 || !strings.Contains(other, lower) {
				continue
			}
			far = limit
		}
		at := len(list)
		for at > 0 && list[at-1].far > far {
			at--
		}
		list = append(list[:at], append([]scored{{n, far}}, list[at:]...)...)
		list = list[:min(len(list), most)]
	}
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.name
	}
	return out
}

// distance is how many bytes must be inserted, removed or replaced, or neighbours
// swapped, to make one text of another (optimal string alignment).
func distance(a, b string) int {
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(above[j]+1, row[j-1]+1, above[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above, row = above, row, before
	}
	return above[len(b)]
}
