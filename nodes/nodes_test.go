package nodes

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"
)

func TestValues(t *testing.T) {
	at := time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.FixedZone("", 3600))
	for _, tt := range []struct {
		v    Value
		kind Kind
		text string
	}{
		{Value{}, KindNone, ""},
		{Bool(true), KindBool, "true"},
		{Int32(-7), KindInt32, "-7"},
		{Int64(math.MinInt64), KindInt64, "-9223372036854775808"},
		{Quantity(23.5, 2, "°C"), KindDouble, "23.50 °C"},
		{Double(0.1), KindDouble, "0.1"},
		{Quantity(1, 99, ""), KindDouble, "1"},
		{Quantity(math.Copysign(0, -1), 1, ""), KindDouble, "0.0"},
		{String("a"), KindString, "a"},
		{Enum("auto", "Mode"), KindEnum, "auto"},
		{Date(at), KindDate, "2026-02-03"},
		{DateTime(at), KindDateTime, "2026-02-03T03:05:06.789Z"},
		{TimeOfDay(90 * time.Minute), KindTime, "1h30m0s"},
		{Duration(14, time.Hour), KindDuration, "14 months 1h0m0s"},
		{Color(255, 128, 0, 255), KindColor, "FF8000"},
		{Color(255, 128, 0, 1), KindColor, "FF800001"},
	} {
		if tt.v.Kind() != tt.kind || tt.v.String() != tt.text {
			t.Errorf("got %s %q, want %s %q", tt.v.Kind(), tt.v, tt.kind, tt.text)
		}
		if copied := tt.v; copied != tt.v || copied.IsZero() != (tt.kind == KindNone) {
			t.Errorf("%v is not itself", tt.v)
		}
	}
	if Quantity(1, 1, "m") == Quantity(1, 2, "m") || Quantity(1, 1, "m") == Quantity(1, 1, "s") || Int32(1) == Int64(1) {
		t.Error("different values are equal")
	}
}

// TestAccessorsOfOtherKinds: an accessor of another kind gives the zero of its
// type, never another kind's bits.
func TestAccessorsOfOtherKinds(t *testing.T) {
	s := String("x")
	r, g, b, a := s.RGBA()
	if s.Bool() || s.Int() != 0 || s.Double() != 0 || s.Span() != 0 || s.Months() != 0 || !s.Time().IsZero() || s.Unit() != "" || s.Decimals() != -1 || r+g+b+a != 0 {
		t.Error("a text is more than a text")
	}
	if d := Quantity(1, 0, "m"); d.Text() != "" || d.Bool() || d.Int() != 0 {
		t.Error("a quantity is more than a number")
	}
	if Double(math.NaN()).IsNumber() || Double(math.Inf(1)).IsNumber() || !Int64(1).IsNumber() || Bool(true).IsNumber() {
		t.Error("IsNumber")
	}
}

func TestWants(t *testing.T) {
	at := time.Now()
	f := Field{Name: "level", Category: Momentary, Time: at}
	for _, tt := range []struct {
		ro   Readout
		want bool
	}{
		{Readout{}, true},
		{Readout{Categories: Momentary | Peak}, true},
		{Readout{Categories: Identity}, false},
		{Readout{Fields: []string{"Level"}}, false},
		{Readout{Fields: []string{"x", "level"}}, true},
		{Readout{From: at.Add(time.Second)}, false},
		{Readout{To: at.Add(-time.Second)}, false},
		{Readout{From: at, To: at}, true},
	} {
		if got := tt.ro.Wants(&f); got != tt.want {
			t.Errorf("%+v: %v", tt.ro, got)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{(See | Read).String(), "see|read"},
		{AllCategories.String(), "momentary|peak|status|computed|identity|historical"},
		{(Warning | Erroneous).String(), "warning|error"},
		{In("a").String(), "a"},
		{Ref{ID: "a"}.Resolved().Source, DefaultSource},
		{Ref{Source: "Hub", Partition: "p", ID: "a"}.String(), "Hub:p:a"},
		{StateWarning.String(), "warning"},
		{SeverityError.State().String(), "error"},
		{NodeMovedDown.String(), "moved down"},
		{fmt.Sprint(Kind(99), State(99), EventKind(99), ErrorKind(99)), "kind 99 unknown unknown unknown error"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
	for i, name := range RightNames {
		if r, ok := ParseRight(name); !ok || r != 1<<i {
			t.Errorf("%s: %v, %v", name, r, ok)
		}
	}
	if r, ok := ParseRight("All"); !ok || r != AllRights {
		t.Error("all")
	}
	if _, ok := ParseRight("write"); ok {
		t.Error("write is a right")
	}
}

func TestErrors(t *testing.T) {
	e := Errorf(NotFound, "create", In("a"), "no such parent")
	if e.Error() != "create a: no such parent" || KindOf(fmt.Errorf("x: %w", e)) != NotFound || KindOf(errors.New("x")) != Internal {
		t.Errorf("%v, %v", e, KindOf(e))
	}
	if (&Error{Kind: Timeout}).Error() != "timed out" {
		t.Error("an error without words")
	}
}

func TestWalk(t *testing.T) {
	tree := &Node{Spec: Spec{ID: "a"}, Children: []*Node{{Spec: Spec{ID: "b"}, Children: []*Node{{Spec: Spec{ID: "c"}}}}, {Spec: Spec{ID: "d"}}}}
	got := ""
	tree.Walk(func(n *Node) bool { got += n.ID; return true })
	if got != "abcd" {
		t.Errorf("got %s", got)
	}
	got = ""
	if tree.Walk(func(n *Node) bool { got += n.ID; return n.ID != "b" }) || got != "ab" {
		t.Errorf("stopped after %s", got)
	}
}
