package concentrator

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// The client edits, renames and moves through the server.
func TestClientEdits(t *testing.T) {
	f := newFake()
	c, _, _ := pair(t, f, NSNFI)
	ctx := t.Context()
	form, err := c.EditForm(ctx, []nodes.Ref{nodes.In("GW")})
	if err != nil || form.Values["Host"] != nodes.String("192.0.2.7 & <more>") || form.Values["Name"] != nodes.String("GW") || form.Values["NodeId"] != nodes.String("GW") {
		t.Fatalf("got %+v, %v", form, err)
	}
	both, err := c.EditForm(ctx, []nodes.Ref{nodes.In("GW"), nodes.In("GW2")})
	if err != nil || !both.Differ["Port"] || both.Differ["Host"] {
		t.Errorf("of two: got %+v, %v", both.Differ, err)
	}
	info, err := c.Edit(ctx, nodes.In("GW"), nodes.Edit{ID: "gate", Name: "Gate", Params: nodes.Params{"Port": nodes.Int32(1502), "Password.clear": nodes.Bool(true)}})
	if err != nil || info.Ref.ID != "gate" || info.Name != "Gate" {
		t.Errorf("got %+v, %v", info, err)
	}
	want := nodes.Edit{ID: "gate", Name: "Gate", Params: nodes.Params{"Port": nodes.Int32(1502), "Password": {}}}
	got := f.edits[0]
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the backend got %+v, want %+v", got, want)
	}
	var e *nodes.Error
	if _, err := c.Edit(ctx, nodes.In("gate"), nodes.Edit{Name: "taken"}); !errors.As(err, &e) || e.Fields["Name"] != "its sibling has this name already" {
		t.Errorf("a name that is taken: %v", err)
	}
	if _, err := c.Edit(ctx, nodes.In("GW"), nodes.Edit{Name: "x"}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("the old id: %v", err)
	}
	if err := c.EditAll(ctx, []nodes.Ref{nodes.In("gate"), nodes.In("GW2")}, nodes.Edit{Params: nodes.Params{"Port": nodes.Value{}}}); err != nil {
		t.Error(err)
	}
	if err := c.EditAll(ctx, []nodes.Ref{nodes.In("gate"), nodes.In("GW2")}, nodes.Edit{Name: "both"}); !errors.As(err, &e) || e.Fields["Name"] == "" {
		t.Errorf("one name for two: %v", err)
	}
	f.mu.Lock()
	f.log = nil
	f.mu.Unlock()
	if err := errors.Join(c.Move(ctx, true, nodes.In("gate")), c.Move(ctx, false, nodes.In("gate"), nodes.In("GW2")), c.Move(ctx, false)); err != nil {
		t.Error(err)
	}
	if got, want := fmt.Sprint(f.log), "[move true [gate] move false [gate GW2]]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
