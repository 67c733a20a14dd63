package gpio

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// inputConfig is an input node as the device uses it. Comparable.
type inputConfig struct {
	wiring
	poll  time.Duration // of a line without interrupt
	meter meterConfig
}

// edges is which edges count.
type edges uint8

const (
	countNone edges = iota
	countRising
	countFalling
	countBoth
)

var edgeNames = [...]string{"none", "rising", "falling", "both"}

// meterConfig is what is made of the edges of an input. Comparable.
type meterConfig struct {
	count       edges
	perPulse    float64 // quantity per counted edge; 0: no total
	unit        string
	decimals    int
	rateUnit    string
	ratePer     time.Duration
	idle        time.Duration // without an edge: the rate is 0
	frequency   bool
	pulseLength bool
	onTime      bool
}

var ratePers = map[string]struct {
	span time.Duration
	unit string
}{"second": {time.Second, "s"}, "minute": {time.Minute, "min"}, "hour": {time.Hour, "h"}}

func inputType() nodes.Type {
	var counted []nodes.Option
	for _, name := range edgeNames {
		counted = append(counted, nodes.Option{Value: name})
	}
	poll := span("PollInterval", "Line", "Poll interval", "How often a line is looked at that has no interrupt, as those of some expanders; others report by themselves.",
		time.Millisecond, time.Hour)
	poll.Default = nodes.Duration(0, 20*time.Millisecond)
	idle := span("IdleAfter", "Counter", "Idle after", "Without an edge for so long, rate and frequency are 0.", time.Second, 24*time.Hour)
	idle.Default = nodes.Duration(0, 10*time.Minute)
	return nodes.Type{
		Name: TypeInput, Title: "GPIO input", Part: true,
		Parents:  []string{TypeChip},
		Caps:     nodes.CanRead | nodes.CanSniff | nodes.CanCommand,
		Commands: described(inputCommands()),
		Check:    checkInput,
		Params: append(wiringParams(),
			span("Debounce", "Line", "Debounce", "How long a level must last to count; empty: not at all. A reed contact or a push button needs 5ms to 50ms.", 0, time.Hour),
			poll,
			nodes.Param{ID: "Count", Page: "Counter", Label: "Count", Kind: nodes.KindEnum, Default: nodes.Enum("none", "Count"), Options: counted,
				Description: "Which edges are counted: rising from off to on, falling from on to off. The count is kept over restarts."},
			nodes.Param{ID: "PerPulse", Page: "Counter", Label: "Per pulse", Kind: nodes.KindDouble, Min: nodes.Double(1e-12), Max: nodes.Double(1e12),
				Description: "What a counted edge stands for, such as 0.001 of a kWh; gives a total and a rate. Empty: only the count."},
			nodes.Param{ID: "Unit", Page: "Counter", Label: "Unit", Kind: nodes.KindString, Description: "Of the total: kWh, l, m³."},
			nodes.Param{ID: "Decimals", Page: "Counter", Label: "Decimals", Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(12),
				Description: "Of the total; empty: those of Per pulse."},
			nodes.Param{ID: "RatePer", Page: "Counter", Label: "Rate per", Kind: nodes.KindEnum, Default: nodes.Enum("hour", "RatePer"),
				Options:     []nodes.Option{{Value: "second"}, {Value: "minute"}, {Value: "hour"}},
				Description: "The time that the rate is reckoned for."},
			nodes.Param{ID: "RateUnit", Page: "Counter", Label: "Unit of the rate", Kind: nodes.KindString,
				Description: "Such as kW for kWh per hour; empty: the unit of the total per time, kWh/h."},
			idle,
			nodes.Param{ID: "Frequency", Page: "Measurement", Label: "Frequency", Kind: nodes.KindBool, Default: nodes.Bool(false),
				Description: "Whether the frequency of rising edges is told, in Hz."},
			nodes.Param{ID: "PulseLength", Page: "Measurement", Label: "Pulse length", Kind: nodes.KindBool, Default: nodes.Bool(false),
				Description: "Whether it is told how long the line was on the last time, in seconds."},
			nodes.Param{ID: "OnTime", Page: "Measurement", Label: "On time", Kind: nodes.KindBool, Default: nodes.Bool(false),
				Description: "Whether it is told how long the line was on in all, in seconds; kept over restarts, the time in between not counted."},
		),
	}
}

func checkInput(p nodes.Params) map[string]string {
	wrong := make(map[string]string)
	noMonths(p, wrong, "Debounce", "PollInterval", "IdleAfter")
	if p.Text("Count") == "none" {
		for _, id := range []string{"PerPulse", "Unit", "Decimals", "RateUnit"} {
			if !p[id].IsZero() && p[id] != nodes.String("") {
				wrong[id] = "nothing is counted: choose the edges as Count, or leave it out"
			}
		}
	} else if p["PerPulse"].IsZero() {
		for _, id := range []string{"Unit", "Decimals", "RateUnit"} {
			if !p[id].IsZero() && p[id] != nodes.String("") {
				wrong[id] = "there is no total: write what a pulse stands for as PerPulse, or leave it out"
			}
		}
	}
	if d := p.Span("Debounce"); d%time.Microsecond != 0 {
		wrong["Debounce"] = "must be whole microseconds"
	}
	return wrong
}

func readInput(s *nodes.Spec) inputConfig {
	p := s.Params
	c := inputConfig{wiring: readWiring(p), poll: p.Span("PollInterval")}
	c.flags |= cdev.Input
	c.debounce = p.Span("Debounce")
	m := meterConfig{perPulse: p.Double("PerPulse"), unit: p.Text("Unit"), decimals: p.Int("Decimals"), idle: p.Span("IdleAfter"),
		frequency: p.Bool("Frequency"), pulseLength: p.Bool("PulseLength"), onTime: p.Bool("OnTime")}
	for i, name := range edgeNames {
		if p.Text("Count") == name {
			m.count = edges(i)
		}
	}
	if p["Decimals"].IsZero() && m.perPulse != 0 {
		m.decimals = decimalsOf(m.perPulse)
	}
	per := ratePers[cmp.Or(p.Text("RatePer"), "hour")]
	m.ratePer = per.span
	m.rateUnit = p.Text("RateUnit")
	if m.rateUnit == "" && m.unit != "" {
		m.rateUnit = m.unit + "/" + per.unit
	}
	c.meter = m
	return c
}

// decimalsOf returns how many decimals a number has, at most 12.
func decimalsOf(f float64) int {
	_, frac, _ := strings.Cut(strconv.FormatFloat(f, 'f', -1, 64), ".")
	return min(len(frac), 12)
}
