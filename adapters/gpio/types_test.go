package gpio

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

func TestChecks(t *testing.T) {
	all := make(map[string]nodes.Type)
	for _, typ := range Factory().Types {
		all[typ.Name] = typ
	}
	for _, tt := range []struct {
		name, typ string
		in        nodes.Params
		want      map[string]string // id: part of the message
	}{
		{"chip", TypeChip, params("Chip", "0"), nil},
		{"no chip", TypeChip, params(), map[string]string{"Chip": "required"}},
		{"blanks", TypeChip, params("Chip", " x"), map[string]string{"Chip": "does not fit"}},
		{"pins", TypeChip, params("Chip", "0", "Pins", "door"), map[string]string{"Pins": "name = line"}},
		{"board", TypeChip, params("Chip", "0", "Board", "raspberrypi-41"), map[string]string{"Board": ""}},
		{"input", TypeInput, params("Line", "17"), nil},
		{"no line", TypeInput, params(), map[string]string{"Line": "required"}},
		{"bias", TypeInput, params("Line", "17", "Bias", "up"), map[string]string{"Bias": ""}},
		{"debounce", TypeInput, params("Line", "17", "Debounce", 1500*time.Nanosecond), map[string]string{"Debounce": "whole microseconds"}},
		{"too long a debounce", TypeInput, params("Line", "17", "Debounce", 2*time.Hour), map[string]string{"Debounce": ""}},
		{"a total of nothing", TypeInput, params("Line", "17", "PerPulse", 1.0, "Unit", "l"), map[string]string{"PerPulse": "nothing is counted", "Unit": "nothing is counted"}},
		{"a unit of no total", TypeInput, params("Line", "17", "Count", "rising", "Unit", "l"), map[string]string{"Unit": "PerPulse"}},
		{"no quantity", TypeInput, params("Line", "17", "Count", "rising", "PerPulse", 0.0), map[string]string{"PerPulse": ""}},
		{"meter", TypeInput, params("Line", "17", "Count", "rising", "PerPulse", 0.001, "Unit", "kWh", "RateUnit", "kW"), nil},
		{"months", TypeInput, nodes.Params{"Line": nodes.String("1"), "Debounce": nodes.Duration(1, 0)}, map[string]string{"Debounce": ""}},
		{"output", TypeOutput, params("Line", "17"), nil},
		{"safe and interlock", TypeOutput, params("Line", "17", "Interlock", "x", "Safe", "on"), map[string]string{"Safe": "interlock"}},
		{"a lease for nothing", TypeOutput, params("Line", "17", "Lease", time.Second, "Safe", "keep"), map[string]string{"Lease": "safe value"}},
		{"no lease", TypeOutput, params("Line", "17", "Lease", time.Duration(0)), map[string]string{"Lease": ""}},
		{"too long a minimum", TypeOutput, params("Line", "17", "MinOn", 25*time.Hour), map[string]string{"MinOn": ""}},
	} {
		typ := all[tt.typ]
		out, wrong := param.Check(typ.Params, tt.in)
		if len(wrong) == 0 && typ.Check != nil {
			wrong = typ.Check(out)
		}
		if got, want := slices.Sorted(maps.Keys(wrong)), slices.Sorted(maps.Keys(tt.want)); !slices.Equal(got, want) {
			t.Errorf("%s: wrong are %v, want %v", tt.name, wrong, want)
			continue
		}
		for id, text := range tt.want {
			if !strings.Contains(wrong[id], text) {
				t.Errorf("%s: %s %q, want %q", tt.name, id, wrong[id], text)
			}
		}
	}
}

func TestControls(t *testing.T) {
	for _, writable := range []bool{true, false} {
		s := &nodes.Spec{Name: "lamp", Params: params("Line", "17", "Writable", writable)}
		list := outputControls(s)
		if (len(list) == 1) != writable {
			t.Fatalf("writable %v: %d controls", writable, len(list))
		}
		if writable && (list[0].ID != "lamp" || list[0].Kind != nodes.KindBool) {
			t.Errorf("got %+v", list[0])
		}
	}
}
