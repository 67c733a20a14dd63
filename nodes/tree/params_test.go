package tree

import (
	"maps"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func TestOnlyWhatDiffersIsKept(t *testing.T) {
	typ := &nodes.Type{Name: "x", Params: []nodes.Param{
		{ID: "Port", Kind: nodes.KindInt32, Default: nodes.Int32(502)},
		{ID: "Mode", Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "a"}, {Value: "b"}}},
		{ID: "Host", Kind: nodes.KindString},
	}}
	for _, tt := range []struct {
		name             string
		in, stored, full nodes.Params
	}{
		{"nothing", nil, nodes.Params{}, nodes.Params{"Port": nodes.Int32(502)}},
		{"the default", nodes.Params{"Port": nodes.Int32(502)}, nodes.Params{}, nodes.Params{"Port": nodes.Int32(502)}},
		{"set", nodes.Params{"Port": nodes.Int32(1), "Mode": nodes.Enum("b", "Mode")},
			nodes.Params{"Port": nodes.Int32(1), "Mode": nodes.Enum("b", "Mode")},
			nodes.Params{"Port": nodes.Int32(1), "Mode": nodes.Enum("b", "Mode")}},
		{"of another version", nodes.Params{"Old": nodes.Bool(true)}, nodes.Params{"Old": nodes.Bool(true)},
			nodes.Params{"Port": nodes.Int32(502), "Old": nodes.Bool(true)}},
		{"empty", nodes.Params{"Host": {}}, nodes.Params{}, nodes.Params{"Port": nodes.Int32(502)}},
	} {
		n := &node{typ: typ, settings: pack(typ, tt.in)}
		if got := n.stored().Spec.Params; !maps.Equal(got, tt.stored) {
			t.Errorf("%s: stored %v, want %v", tt.name, got, tt.stored)
		}
		if got := n.configured().Params; !maps.Equal(got, tt.full) {
			t.Errorf("%s: configured %v, want %v", tt.name, got, tt.full)
		}
		for i := range typ.Params {
			if got, want := n.param(&typ.Params[i]), tt.full[typ.Params[i].ID]; got != want {
				t.Errorf("%s: %s is %v, want %v", tt.name, typ.Params[i].ID, got, want)
			}
		}
	}
}
