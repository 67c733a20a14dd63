package app

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func TestAligned(t *testing.T) {
	rows := [][]cell{
		{{"NODE", bold}, {"VALUE", bold}, {"QUALITY", bold}},
		{{text: "tänk"}, {text: "21.50"}, {"good", green}},
		{{text: "pump/on"}, {}, {"error: the device at 192.0.2.1 is silent", red}},
		{{text: "alone"}},
	}
	for _, tt := range []struct {
		name     string
		coloured bool
		most     int
		want     []string
	}{
		{"plain", false, 0, []string{"NODE     VALUE  QUALITY", "tänk     21.50  good", "pump/on         error: the device at 192.0.2.1 is silent", "alone"}},
		{"cut", false, 19, []string{"NODE     VALUE  QUA", "tänk     21.50  goo", "pump/on         err", "alone"}},
		{"narrow", false, 3, []string{"NOD", "tän", "pum", "alo"}},
		{"coloured", true, 20, []string{"\x1b[1mNODE\x1b[m     \x1b[1mVALUE\x1b[m  \x1b[1mQUAL\x1b[m", "tänk     21.50  \x1b[32mgood\x1b[m",
			"pump/on         \x1b[31merro\x1b[m", "alone"}},
	} {
		if got := aligned(rows, tt.coloured, tt.most); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\ngot  %q\nwant %q", tt.name, got, tt.want)
		}
	}
}

// TestTableIsClean: nothing that a device calls itself reaches the terminal as a
// command.
func TestTableIsClean(t *testing.T) {
	var b bytes.Buffer
	w := newTable(&b, "NODE")
	w.row("a\x1b[31m\nb")
	if err := w.end(); err != nil || b.String() != "NODE\na [31m b\n" {
		t.Errorf("got %q, %v", b.String(), err)
	}
}

func TestQualityCell(t *testing.T) {
	for _, tt := range []struct {
		qos  nodes.QoS
		want style
		good bool
	}{
		{0, green, true},
		{nodes.AutomaticReadout, green, true},
		{nodes.ManualReadout | nodes.Signed, green, true},
		{nodes.Warning | nodes.AutomaticReadout, yellow, false},
		{nodes.AutomaticEstimate, yellow, false},
		{nodes.Erroneous | nodes.Warning, red, false},
		{nodes.Missing, red, false},
	} {
		if got := qualityCell(tt.qos).style; got != tt.want || isGood(tt.qos) != tt.good {
			t.Errorf("%v: style %q, good %t", tt.qos, got, isGood(tt.qos))
		}
	}
}

func TestTally(t *testing.T) {
	tank, pump := nodes.In("tank"), nodes.In("pump")
	field := func(q nodes.QoS) nodes.Field { return nodes.Field{Name: "f", Value: nodes.Int32(1), QoS: q} }
	for _, tt := range []struct {
		name     string
		readings map[nodes.Ref]nodes.Reading
		want     string
		doubt    bool // exit code 3
	}{
		{"all good", map[nodes.Ref]nodes.Reading{tank: {Fields: []nodes.Field{field(0)}}, pump: {Fields: []nodes.Field{field(0)}}}, "", false},
		{"one old", map[nodes.Ref]nodes.Reading{tank: {Fields: []nodes.Field{field(0), field(nodes.Warning)}}}, "1 of 2 values are not good", true},
		{"one silent", map[nodes.Ref]nodes.Reading{tank: {Fields: []nodes.Field{field(0)}}, pump: {Err: errors.New("silent")}}, "1 of 2 nodes could not be read whole", true},
		{"all silent", map[nodes.Ref]nodes.Reading{tank: {Err: errors.New("silent")}, pump: {Err: errors.New("silent")}}, "2 nodes could not be read", false},
		{"nothing", map[nodes.Ref]nodes.Reading{tank: {}, pump: {}}, "there are no such values", false},
	} {
		count := tally{asked: map[nodes.Ref]bool{tank: true, pump: true}}
		for ref, r := range tt.readings {
			count.add(ref, r)
		}
		got, text := count.verdict(2), ""
		if got != nil {
			text = got.Error()
		}
		var doubt notGood
		if !strings.Contains(text, tt.want) || (text == "") != (tt.want == "") || errors.As(got, &doubt) != tt.doubt {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	count := tally{asked: map[nodes.Ref]bool{tank: true, pump: true}}
	count.add(tank, nodes.Reading{})
	if got := count.late(2 * time.Second).Error(); !strings.HasPrefix(got, "not answered within 2s: pump. ") {
		t.Error(got)
	}
}

func TestAlike(t *testing.T) {
	names := []string{"tank", "pump", "climate", "meter", "voltage L1", "voltage L2", "x"}
	for _, tt := range []struct {
		wrong string
		want  []string
	}{
		{"takn", []string{"tank"}},
		{"PUNP", []string{"pump"}},
		{"voltage", []string{"voltage L1", "voltage L2"}},
		{"voltage L3", []string{"voltage L1", "voltage L2"}},
		{"clima", []string{"climate"}},
		{"nothing like it", []string{}},
		{"", []string{"x"}},
	} {
		if got := alike(tt.wrong, names); !slices.Equal(got, tt.want) {
			t.Errorf("%q: got %q, want %q", tt.wrong, got, tt.want)
		}
	}
	for _, tt := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "", 3}, {"tank", "takn", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}} {
		if got := distance(tt.a, tt.b); got != tt.want {
			t.Errorf("%s to %s: got %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
