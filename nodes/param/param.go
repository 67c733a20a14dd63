package param

import (
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
)

// MaxText is how many bytes a text parameter may have.
const MaxText = 64 << 10

// Check checks values against their descriptions. It returns them with the
// defaults filled in, numbers converted to the described kind, and a message per
// parameter id that is wrong; out is usable only when there is none. Unknown ids
// are wrong.
func Check(ps []nodes.Param, in nodes.Params) (out nodes.Params, wrong map[string]string) {
	out = make(nodes.Params, len(ps))
	wrong = make(map[string]string)
	known := make(map[string]bool, len(ps))
	for i := range ps {
		p := &ps[i]
		known[p.ID] = true
		v := in[p.ID]
		if v.IsZero() || !p.Secret && v.Kind() == nodes.KindString && v.Text() == "" && p.Kind != nodes.KindString {
			v = p.Default
		}
		if v.IsZero() {
			if p.Required {
				wrong[p.ID] = "is required: " + Wanted(*p)
			}
			continue
		}
		checked, err := Value(*p, v)
		if err != nil {
			wrong[p.ID] = err.Error()
			continue
		}
		out[p.ID] = checked
	}
	for _, id := range slices.Sorted(maps.Keys(in)) {
		if !known[id] {
			wrong[id] = "no such parameter" + suggest(id, ps)
		}
	}
	return out, wrong
}

// Value checks one value against its description and converts it to the kind
// described.
func Value(p nodes.Param, v nodes.Value) (nodes.Value, error) {
	v, ok := convert(p, v)
	if !ok {
		return nodes.Value{}, fmt.Errorf("write %s", Wanted(p))
	}
	switch p.Kind {
	case nodes.KindInt32, nodes.KindInt64, nodes.KindDouble:
		if below(v.Double(), p.Min) || above(v.Double(), p.Max) {
			return nodes.Value{}, fmt.Errorf("%s is out of range: write %s", plain(p, v), Wanted(p))
		}
	case nodes.KindDuration, nodes.KindTime:
		if !p.Min.IsZero() && v.Span() < p.Min.Span() || !p.Max.IsZero() && v.Span() > p.Max.Span() {
			return nodes.Value{}, fmt.Errorf("%s is out of range: write %s", plain(p, v), Wanted(p))
		}
	case nodes.KindString:
		if err := text(p, v.Text()); err != nil {
			return nodes.Value{}, err
		}
	case nodes.KindEnum:
		if !slices.ContainsFunc(p.Options, func(o nodes.Option) bool { return o.Value == v.Text() }) {
			return nodes.Value{}, fmt.Errorf("%s is unknown: write %s", quoted(p, v.Text()), Wanted(p))
		}
	}
	return v, nil
}

// quoted is a text as it stands in a message, and plain a number: those of secrets do not,
// for messages go everywhere.
func quoted(p nodes.Param, s string) string {
	if p.Secret {
		return "the value"
	}
	return strconv.Quote(clip(s))
}

func plain(p nodes.Param, v nodes.Value) string {
	if p.Secret {
		return "the value"
	}
	return v.String()
}

func below(f float64, bound nodes.Value) bool { return !bound.IsZero() && f < bound.Double() }
func above(f float64, bound nodes.Value) bool { return !bound.IsZero() && f > bound.Double() }

func text(p nodes.Param, s string) error {
	switch {
	case len(s) > MaxText:
		return fmt.Errorf("is too long: %d bytes, at most %d", len(s), MaxText)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not valid UTF-8")
	case p.Required && s == "":
		return fmt.Errorf("is required: %s", Wanted(p))
	}
	for _, r := range s {
		if r < ' ' && !(p.Multi && (r == '\n' || r == '\r' || r == '\t')) || r == 0x7f {
			return fmt.Errorf("holds the control character U+%04X", r)
		}
	}
	if p.Pattern != "" && s != "" {
		re, err := pattern(p.Pattern)
		if err != nil {
			return err
		}
		if !re.MatchString(s) {
			return fmt.Errorf("%s does not fit: write %s", quoted(p, s), Wanted(p))
		}
	}
	return nil
}

// patterns are few: they come from node types, never from outside.
var patterns sync.Map

func pattern(expr string) (*regexp.Regexp, error) {
	if re, ok := patterns.Load(expr); ok {
		return re.(*regexp.Regexp), nil
	}
	re, err := regexp.Compile(`^(?:` + expr + `)$`)
	if err != nil {
		return nil, fmt.Errorf("the pattern of this parameter is broken: %w", err)
	}
	patterns.Store(expr, re)
	return re, nil
}

// convert turns a value of a related kind into the described one without loss.
func convert(p nodes.Param, v nodes.Value) (nodes.Value, bool) {
	if v.Kind() == p.Kind && p.Kind != nodes.KindDouble {
		return v, true
	}
	switch p.Kind {
	case nodes.KindDouble:
		return v, v.IsNumber()
	case nodes.KindInt32, nodes.KindInt64:
		f := v.Double()
		i := v.Int()
		if v.Kind() == nodes.KindDouble {
			if f != math.Trunc(f) || math.Abs(f) > 1<<53 {
				return v, false
			}
			i = int64(f)
		} else if !v.IsNumber() {
			return v, false
		}
		if p.Kind == nodes.KindInt64 {
			return nodes.Int64(i), true
		}
		return nodes.Int32(int32(i)), i >= math.MinInt32 && i <= math.MaxInt32
	case nodes.KindEnum:
		return nodes.Enum(v.Text(), p.ID), v.Kind() == nodes.KindString
	case nodes.KindString:
		return nodes.String(v.Text()), v.Kind() == nodes.KindEnum
	}
	return v, false
}

// Wanted describes in words what a parameter takes, e.g. "a whole number from 0
// to 255".
func Wanted(p nodes.Param) string {
	var b strings.Builder
	switch p.Kind {
	case nodes.KindBool:
		return "true or false"
	case nodes.KindInt32, nodes.KindInt64:
		b.WriteString("a whole number")
	case nodes.KindDouble:
		b.WriteString("a number")
	case nodes.KindDuration:
		b.WriteString("a duration such as 500ms, 1s or PT1S")
	case nodes.KindEnum:
		b.WriteString("one of ")
		for i, o := range p.Options {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(o.Value)
		}
		return b.String()
	case nodes.KindDate:
		return "a date such as 2026-12-31"
	case nodes.KindDateTime:
		return "a date and time such as 2026-12-31T23:59:59Z"
	case nodes.KindTime:
		b.WriteString("a time such as 23:59:59")
	case nodes.KindColor:
		return "a colour such as FF8000"
	default:
		b.WriteString("a text")
		if p.Pattern != "" {
			b.WriteString(" that matches " + p.Pattern)
		}
	}
	switch {
	case !p.Min.IsZero() && !p.Max.IsZero():
		fmt.Fprintf(&b, " from %s to %s", p.Min, p.Max)
	case !p.Min.IsZero():
		fmt.Fprintf(&b, ", at least %s", p.Min)
	case !p.Max.IsZero():
		fmt.Fprintf(&b, ", at most %s", p.Max)
	}
	return b.String()
}

// suggest names the known id that differs only in case or by a letter or two.
func suggest(id string, ps []nodes.Param) string {
	best, least := "", 3
	for i := range ps {
		if d := distance(strings.ToLower(id), strings.ToLower(ps[i].ID)); d < least {
			best, least = ps[i].ID, d
		}
	}
	if best != "" {
		return "; did you mean " + best + "?"
	}
	if len(ps) == 0 {
		return "; this type has none"
	}
	ids := make([]string, len(ps))
	for i := range ps {
		ids[i] = ps[i].ID
	}
	return "; there are " + strings.Join(ids, ", ")
}

// distance is the edit distance of two short words.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diag := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diag
			if a[i] != b[j] {
				cost++
			}
			diag = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

func clip(s string) string {
	if len(s) <= 64 {
		return s
	}
	return s[:64] + "…"
}
