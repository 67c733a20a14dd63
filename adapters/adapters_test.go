package adapters

import (
	"context"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

type device struct{}

func (device) Run(context.Context) error { return nil }
func (device) Update(nodes.Change)       {}

func TestSet(t *testing.T) {
	var got Env
	f := Factory{Name: "a", Types: []nodes.Type{{Name: "a.bus", Parents: []string{nodes.TypeRoot}, Connects: true}, {Name: "a.box", Parents: []string{"a.bus"}}},
		Open: func(e Env) (nodes.Device, error) { got = e; return device{}, nil }}
	s, err := NewSet(f)
	if err != nil {
		t.Fatal(err)
	}
	n := &nodes.Node{Spec: nodes.Spec{ID: "b", Type: "a.bus"}}
	if s.Tap("b") != nil {
		t.Error("a tap before the device was opened")
	}
	if _, err := s.Open(n, nil); err != nil || got.Node != n || got.Tap == nil || got.Tap != s.Tap("b") {
		t.Errorf("opened with %+v, %v", got, err)
	}
	first := got.Tap
	if _, err := s.Open(n, nil); err != nil || got.Tap != first {
		t.Error("opened again, the device has another tap")
	}
	s.Forget("b")
	if s.Tap("b") != nil {
		t.Error("the tap was not forgotten")
	}
	if _, err := s.Open(&nodes.Node{Spec: nodes.Spec{ID: "x", Type: "b.bus"}}, nil); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a type of nobody: %v", err)
	}
}

func TestSetRefuses(t *testing.T) {
	a := Factory{Name: "a", Types: []nodes.Type{{Name: "a.bus"}}}
	for name, list := range map[string][]Factory{
		"a type twice":      {a, a},
		"a built-in type":   {{Name: "a", Types: []nodes.Type{{Name: nodes.TypeFolder}}}},
		"an unknown base":   {{Name: "a", Types: []nodes.Type{{Name: "a.bus", Base: "bus"}}}},
		"an unknown parent": {{Name: "a", Types: []nodes.Type{{Name: "a.bus", Parents: []string{"rot"}}}}},
	} {
		if _, err := NewSet(list...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
