package app

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
)

// board is what a live table shows: the last value of each field of each node.
type board struct {
	title string // and, behind what is said of the rows:
	tail  string
	rows  []*watched
	index map[watchedKey]*watched
	wide  int // the widest value so far, so that columns do not jump
}

type watchedKey struct {
	ref   nodes.Ref
	field string // empty: an error of the node
}

// watched is a row.
type watched struct {
	key     watchedKey
	field   nodes.Field
	history []float64 // of a number, oldest first
	changed time.Time // when the value last became another one
	failure string    // why there is no value; of the node
	since   time.Time // of the failure
}

// sparks is how many values a spark line shows.
const sparks = 16

func newBoard(title, tail string) *board {
	return &board{title: title, tail: tail, index: make(map[watchedKey]*watched)}
}

// put takes what a hub told of a node.
func (b *board) put(ref nodes.Ref, r nodes.Reading, now time.Time) {
	for _, f := range r.Fields {
		w := b.row(watchedKey{ref, f.Name})
		if f.Time.Before(w.field.Time) {
			continue // an answer that a change has overtaken
		}
		if value, _ := split(f.Value); !w.field.Value.IsZero() && value != w.text() {
			w.changed = now
		}
		if x, ok := number(f.Value); ok && (w.field.Time.Before(f.Time) || w.history == nil) {
			w.history = append(w.history, x)
			w.history = w.history[max(len(w.history)-sparks, 0):]
		}
		w.field = f
		b.wide = max(b.wide, utf8.RuneCountInString(w.text()))
	}
	failed := watchedKey{ref, ""}
	switch {
	case r.Err != nil:
		w := b.row(failed)
		if w.failure == "" {
			w.since = now
		}
		w.failure = clean(r.Err.Error())
	case len(r.Fields) > 0 && b.index[failed] != nil:
		delete(b.index, failed)
		b.rows = slices.DeleteFunc(b.rows, func(w *watched) bool { return w.key == failed })
	}
}

// row finds or makes a row; those of a node stay together.
func (b *board) row(key watchedKey) *watched {
	if w := b.index[key]; w != nil {
		return w
	}
	w := &watched{key: key}
	b.index[key] = w
	at := len(b.rows)
	for i := len(b.rows) - 1; i >= 0; i-- {
		if b.rows[i].key.ref == key.ref {
			at = i + 1
			break
		}
	}
	b.rows = slices.Insert(b.rows, at, w)
	return w
}

func (w *watched) text() string {
	value, _ := split(w.field.Value)
	return oneLine(value)
}

// number is a value as a spark line takes it.
func number(v nodes.Value) (float64, bool) {
	switch v.Kind() {
	case nodes.KindInt32, nodes.KindInt64:
		return float64(v.Int()), true
	case nodes.KindDouble:
		x := v.Double()
		return x, !math.IsNaN(x) && !math.IsInf(x, 0)
	}
	return 0, false
}

// spark draws numbers as a line of blocks, from the least to the greatest.
func spark(list []float64) string {
	if len(list) == 0 {
		return ""
	}
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	low, high := slices.Min(list), slices.Max(list)
	var b strings.Builder
	for _, x := range list {
		n := 0
		if high > low {
			n = int((x/2 - low/2) / (high/2 - low/2) * float64(len(levels)-1)) // halves: the range may be too large for a number
		}
		b.WriteRune(levels[min(max(n, 0), len(levels)-1)])
	}
	return b.String()
}

// cells are the rows as a table.
func (b *board) cells(now time.Time) [][]cell {
	out := [][]cell{{{"NODE", bold}, {"FIELD", bold}, {strings.Repeat(" ", max(b.wide-5, 0)) + "VALUE", bold}, {"UNIT", bold}, {"AGE", bold}, {"QUALITY", bold}, {"TREND", bold}}}
	for _, w := range b.rows {
		node := cell{text: oneLine(w.key.ref.ID)}
		if w.key.field == "" {
			out = append(out, []cell{node, {}, {}, {}, {seconds(w.since, now), dim}, {"error: " + w.failure, red}})
			continue
		}
		value := cell{text: w.text()}
		value.text = strings.Repeat(" ", b.wide-utf8.RuneCountInString(value.text)) + value.text
		if !w.changed.IsZero() && now.Sub(w.changed) < time.Second {
			value.style = bold
		}
		out = append(out, []cell{node, {text: oneLine(w.key.field)}, value, {text: oneLine(w.field.Value.Unit())}, {seconds(w.field.Time, now), dim},
			qualityCell(w.field.QoS), {text: spark(w.history)}})
	}
	return out
}

// seconds is an age that does not change more often than once a second.
func seconds(t, now time.Time) string {
	if d := now.Sub(t); d < 10*time.Second {
		return fmt.Sprintf("%.0fs", math.Floor(max(d, 0).Seconds()))
	}
	return age(t, now)
}

// lines are what a screen of that size shows, from a row on; first is that row as
// far as there is one.
func (b *board) lines(now time.Time, width, height, from int, coloured bool) (list []string, first int) {
	table := aligned(b.cells(now), coloured, width)
	body := table[1:]
	room := max(height-2, 1) // for rows: title and header stand above
	first = max(min(from, len(body)-room), 0)
	shown := body[first:min(first+room, len(body))]
	title := b.title
	if len(shown) < len(body) {
		title += fmt.Sprintf(", rows %d to %d of %d: arrow keys move", first+1, first+len(shown), len(body))
	}
	title += b.tail
	if r := []rune(title); len(r) > width {
		title = string(r[:max(width, 0)])
	}
	list = append([]string{title, table[0]}, shown...)
	return list[:min(len(list), max(height, 1))], first
}
