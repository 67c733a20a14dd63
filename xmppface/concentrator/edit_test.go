package concentrator

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// What a submitted form changes.
func TestEdit(t *testing.T) {
	field := func(id, value string) string {
		return "<field var='" + id + "'><value>" + value + "</value></field>"
	}
	two := []nodes.Ref{nodes.In("GW"), nodes.In("GW2")}
	for _, c := range []struct {
		name   string
		refs   []nodes.Ref
		fields string
		want   nodes.Edit
	}{
		{"nothing", two[:1], "", nodes.Edit{Params: nodes.Params{}}},
		{"one", two[:1], field("Port", "1502"), nodes.Edit{Params: nodes.Params{"Port": nodes.Int32(1502)}}},
		{"emptied", two[:1], field("Port", ""), nodes.Edit{Params: nodes.Params{"Port": {}}}},
		{"renamed", two[:1], field("NodeId", "😀 &amp; &lt;x&gt;") + field("Name", "n"), nodes.Edit{ID: "😀 & <x>", Name: "n", Params: nodes.Params{}}},
		{"secret left", two[:1], field("Password", "") + field("Password.clear", "0"), nodes.Edit{Params: nodes.Params{}}},
		{"secret set", two[:1], field("Password", "geheim") + field("Password.clear", "false"), nodes.Edit{Params: nodes.Params{"Password": nodes.String("geheim")}}},
		{"secret cleared", two[:1], field("Password", "") + field("Password.clear", "YES"), nodes.Edit{Params: nodes.Params{"Password": {}}}},
		{"several", two, field("Port", "1502"), nodes.Edit{Params: nodes.Params{"Port": nodes.Int32(1502)}}},
		{"several, left as they differ", two, field("Port", "") + field("Host", "h"), nodes.Edit{Params: nodes.Params{"Host": nodes.String("h")}}},
		{"several, secret cleared", two, field("Password.clear", "1"), nodes.Edit{Params: nodes.Params{"Password": {}}}},
	} {
		f := newFake()
		_, link, s := pair(t, f, NSNF)
		request := op("setCommonNodeParametersAfterEdit", "", "<nd id='GW'/><nd id='GW2'/>"+formOpen+c.fields+"</x>")
		if len(c.refs) == 1 {
			request = op("setNodeParametersAfterEdit", "id='GW'", formOpen+c.fields+"</x>")
		}
		if answer := ask(t, s, link.Net().Server, ops, "set", request); strings.HasPrefix(answer, "<error") {
			t.Errorf("%s: %s", c.name, answer)
			continue
		}
		if !reflect.DeepEqual(f.edits, []nodes.Edit{c.want}) {
			t.Errorf("%s: got %+v, want %+v", c.name, f.edits, c.want)
		}
	}
}

func TestClientEdits(t *testing.T) {
	for _, space := range []string{NSNFI, NSNF, NSIEEE} {
		f := newFake()
		c, _, _ := pair(t, f, space)
		ctx := t.Context()
		gw, gw2 := nodes.In("GW"), nodes.In("GW2")

		form, err := c.EditForm(ctx, []nodes.Ref{gw})
		if err != nil {
			t.Fatal(err)
		}
		if form.Values["NodeId"] != nodes.String("GW") || form.Values["Port"] != nodes.Int32(502) || len(form.Differ) != 0 || len(form.Params) != 6 {
			t.Errorf("form %+v", form)
		}
		if form, err = c.EditForm(ctx, []nodes.Ref{gw, gw2}); err != nil || !reflect.DeepEqual(form.Differ, map[string]bool{"Port": true}) || len(form.Params) != 4 {
			t.Errorf("form of two: %+v, %v", form, err)
		}
		info, err := c.Edit(ctx, gw, nodes.Edit{ID: "GW & 1", Name: "first", Params: nodes.Params{"Port": nodes.Int32(1502), "Password": nodes.String("geheim")}})
		if err != nil || info.Ref != nodes.In("GW & 1") || info.Name != "first" {
			t.Errorf("edited %+v, %v", info, err)
		}
		if err := c.EditAll(ctx, []nodes.Ref{info.Ref, gw2}, nodes.Edit{Params: nodes.Params{"Port": nodes.Int32(1503)}}); err != nil {
			t.Error(err)
		}
		want := []nodes.Edit{
			{ID: "GW & 1", Name: "first", Params: nodes.Params{"Port": nodes.Int32(1502), "Password": nodes.String("geheim")}},
			{Params: nodes.Params{"Port": nodes.Int32(1503)}},
		}
		if !reflect.DeepEqual(f.edits, want) {
			t.Errorf("got %+v, want %+v", f.edits, want)
		}
		var e *nodes.Error
		_, err = c.Edit(ctx, gw2, nodes.Edit{Name: "taken", Params: nodes.Params{"Port": nodes.Int32(70000)}})
		if !errors.As(err, &e) || e.Kind != nodes.NotAcceptable || e.Fields["Port"] == "" || strings.Contains(err.Error(), "geheim") {
			t.Errorf("wrong port: %v", err)
		}
		_, err = c.Edit(ctx, gw2, nodes.Edit{Name: "taken"})
		if !errors.As(err, &e) || e.Fields["Name"] != "its sibling has this name already" {
			t.Errorf("taken name: %v", err)
		}
		if err := c.EditAll(ctx, []nodes.Ref{info.Ref, gw2}, nodes.Edit{Name: "both"}); !errors.As(err, &e) || e.Fields["Name"] == "" {
			t.Errorf("one name for two: %v", err)
		}
		if _, err := c.Edit(ctx, gw, nodes.Edit{Name: "x"}); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("the old id: %v", err)
		}
		for _, down := range []bool{false, true} {
			if err := c.Move(ctx, down, gw2); err != nil {
				t.Error(err)
			}
			if err := c.Move(ctx, down, info.Ref, gw2); err != nil {
				t.Error(err)
			}
		}
		if got := fmt.Sprint(f.log); got != "[move false [GW2] move false [GW & 1 GW2] move true [GW2] move true [GW & 1 GW2]]" {
			t.Errorf("moved: %s", got)
		}
		if err := c.Move(ctx, true, nodes.In("no")); nodes.KindOf(err) != nodes.NotFound {
			t.Errorf("move what is not there: %v", err)
		}
	}
}

// Many nodes are edited and moved in one request.
func TestEditMany(t *testing.T) {
	f := newFake()
	var nd strings.Builder
	for i := range 500 {
		n := f.list[3]
		n.Ref = nodes.In(fmt.Sprintf("gateway %d", i))
		f.list = append(f.list, n)
		nd.WriteString("<nd id='" + n.Ref.ID + "'/>")
	}
	_, link, s := pair(t, f, NSNF)
	hub := link.Net().Server
	if got := ask(t, s, hub, ops, "get", op("getCommonNodeParametersForEdit", "", nd.String())); !strings.HasPrefix(got, "<x ") || strings.Contains(got, "notSame") {
		t.Errorf("form: %.500s", got)
	}
	if got := ask(t, s, hub, ops, "set", op("setCommonNodeParametersAfterEdit", "", nd.String()+editForm2)); got != "" || len(f.edits) != 1 {
		t.Errorf("edit: %.500s", got)
	}
	if got := ask(t, s, hub, ops, "set", op("moveNodesDown", "", nd.String())); got != "" || len(f.log) != 1 {
		t.Errorf("move: %.500s", got)
	}
	// One that is missing fails all.
	if got := ask(t, s, hub, ops, "set", op("setCommonNodeParametersAfterEdit", "", nd.String()+"<nd id='no'/>"+editForm2)); !strings.Contains(got, "<item-not-found") || len(f.edits) != 1 {
		t.Errorf("one missing: %.500s", got)
	}
}
