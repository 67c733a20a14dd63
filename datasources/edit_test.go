package datasources

import (
	"errors"
	"maps"
	"slices"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// Forms show what may be seen: never a secret; of several nodes what they share.
func TestEditForm(t *testing.T) {
	c, _, _, _ := grow(t)
	one := nodes.In("L")
	other, err := c.Create(t.Context(), nodes.System, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "line", Name: "M", Params: nodes.Params{"Port": nodes.Int32(9)}})
	if err != nil {
		t.Fatal(err)
	}
	ids := func(f nodes.Form) (out []string) {
		for _, p := range f.Params {
			out = append(out, p.ID)
		}
		return out
	}
	f, err := c.EditForm(nodes.System, []nodes.Ref{one})
	want := nodes.Params{"NodeId": nodes.String("L"), "Name": nodes.String("L"), "Port": nodes.Int32(7), "Disabled": nodes.Bool(false)}
	if err != nil || !maps.Equal(f.Values, want) || !slices.Equal(ids(f), []string{"NodeId", "Name", "Port", "Key", "Disabled"}) {
		t.Errorf("one node: %v, %v, %v", f.Values, ids(f), err)
	}
	f, err = c.EditForm(nodes.System, []nodes.Ref{one, other.Ref})
	if err != nil || len(f.Values) != 1 || !maps.Equal(f.Differ, map[string]bool{"Port": true}) || !slices.Equal(ids(f), []string{"Port", "Key", "Disabled"}) {
		t.Errorf("two nodes: %v, %v, %v, %v", f.Values, f.Differ, ids(f), err)
	}
	f, err = c.EditForm(nodes.System, []nodes.Ref{one, nodes.In("L/U")})
	if err != nil || !slices.Equal(ids(f), []string{"Disabled"}) {
		t.Errorf("little in common: %v, %v", ids(f), err)
	}
}

func TestEdit(t *testing.T) {
	c, _, _, trees := grow(t)
	tr := trees[0]
	key := func() string { s, _ := tr.Spec("L"); return s.Params.Text("Key") }
	edit := func(refs []nodes.Ref, e nodes.Edit) error {
		_, err := c.Edit(t.Context(), nodes.System, refs, e)
		return err
	}
	l := []nodes.Ref{nodes.In("L")}
	if err := edit(l, nodes.Edit{Params: nodes.Params{"Key": nodes.String("new")}}); err != nil || key() != "new" {
		t.Errorf("key %q, %v", key(), err)
	}
	if err := edit(l, nodes.Edit{Params: nodes.Params{"Key": nodes.String(""), "Port": nodes.Int32(3)}}); err != nil || key() != "new" {
		t.Errorf("an empty secret: key %q, %v", key(), err)
	}
	if err := edit(l, nodes.Edit{Params: nodes.Params{"Key": {}}}); err != nil || key() != "secret" {
		t.Errorf("a secret taken away: key %q, %v", key(), err)
	}
	for _, tt := range []struct {
		name string
		refs []nodes.Ref
		e    nodes.Edit
		kind nodes.ErrorKind
	}{
		{"one name for two", []nodes.Ref{nodes.In("L"), nodes.In("L/U")}, nodes.Edit{Name: "x"}, nodes.Invalid},
		{"two sources", []nodes.Ref{nodes.In("L"), {Source: "Other", ID: "LOther"}}, nodes.Edit{}, nodes.NotAcceptable},
		{"unknown", []nodes.Ref{nodes.In("L"), nodes.In("nowhere")}, nodes.Edit{}, nodes.NotFound},
		{"no such parameter of the second", []nodes.Ref{nodes.In("L"), nodes.In("L/U")}, nodes.Edit{Params: nodes.Params{"Port": nodes.Int32(4)}}, nodes.Invalid},
	} {
		var e *nodes.Error
		if err := edit(tt.refs, tt.e); !errors.As(err, &e) || e.Kind != tt.kind {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.kind)
		}
	}
	if s, _ := tr.Spec("L"); s.Params.Int("Port") != 3 {
		t.Errorf("Port is %d after refused edits, want 3", s.Params.Int("Port"))
	}
}
