package datasources

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// calls is every method of the catalog: the right it needs beside See, and a call
// of it for somebody, on a ref of the tree or on the ref given.
var calls = map[string]struct {
	need nodes.Rights
	call func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error
	// bySource: the call names only a source.
	bySource bool
	// silent: nothing tells what is unknown from what is hidden; no error.
	silent bool
}{
	"Sources": {silent: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, _ nodes.Ref) error {
		if list := c.Sources(who); len(list) != 2 {
			return nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "none")
		}
		return nil
	}},
	"ChildSources": {bySource: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.ChildSources(who, ref.Source)
		return err
	}},
	"Node": {call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Node(who, ref, nodes.Detail{})
		return err
	}},
	"Roots": {bySource: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Roots(who, ref.Source, nodes.Detail{})
		return err
	}},
	"Children": {call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Children(who, ref, nodes.Detail{})
		return err
	}},
	"Ancestors": {call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Ancestors(who, ref, nodes.Detail{})
		return err
	}},
	"Each": {bySource: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		return c.Each(who, ref.Source, nil, nodes.Detail{}, func(i *nodes.Info) bool { return i.Ref.ID == nodes.RootID })
	}},
	"All": {bySource: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.All(who, ref.Source, nil, nodes.Detail{})
		return err
	}},
	"Inheritance": {call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Inheritance(who, ref)
		return err
	}},
	"Addable": {need: nodes.Configure, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Addable(who, ref)
		return err
	}},
	"NewForm": {need: nodes.Configure, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.NewForm(who, ref, "register")
		return err
	}},
	"Create": {need: nodes.Configure, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Create(ctx, who, nodes.NewNode{Parent: ref, Type: "register", Name: "new"})
		if err == nil {
			ref.ID += "/new"
			err = c.Destroy(ctx, nodes.System, ref)
		}
		return err
	}},
	"Destroy": {need: nodes.Configure, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		err := c.Destroy(ctx, who, ref)
		if err == nil {
			parent := nodes.Ref{Source: ref.Source, ID: ref.ID[:strings.Index(ref.ID, "/")]}
			_, err = c.Create(ctx, nodes.System, nodes.NewNode{Parent: parent, Type: "unit", Name: ref.ID[len(parent.ID)+1:]})
			if err == nil {
				_, err = c.Create(ctx, nodes.System, nodes.NewNode{Parent: ref, Type: "register", Name: "r"})
			}
		}
		return err
	}},
	"EditForm": {need: nodes.Configure, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.EditForm(who, []nodes.Ref{ref})
		return err
	}},
	"Edit": {need: nodes.Configure, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Edit(ctx, who, []nodes.Ref{ref}, nodes.Edit{ID: "renamed"})
		if err == nil {
			_, err = c.Edit(ctx, nodes.System, []nodes.Ref{{Source: ref.Source, ID: "renamed"}}, nodes.Edit{ID: ref.ID})
		}
		return err
	}},
	"Move": {need: nodes.Configure, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		return c.Move(ctx, who, true, []nodes.Ref{ref})
	}},
	"Controls": {need: nodes.Control, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Controls(who, ref)
		return err
	}},
	"Set": {need: nodes.Control, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Set(ctx, who, []nodes.Assignment{{Ref: ref, Name: "r", Value: nodes.Int32(1)}})
		return err
	}},
	"Commands": {call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Commands(who, ref)
		return err
	}},
	"CommandForm": {need: nodes.Configure, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.CommandForm(who, ref, "Move")
		return err
	}},
	"Execute": {need: nodes.Configure, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		return c.Execute(ctx, who, ref, "Move", nil)
	}},
	"Query": {need: nodes.Configure, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		return c.Query(ctx, who, ref, "Scan", nil, func(nodes.Finding) error { return nil })
	}},
	"Sniff": {need: nodes.Listen, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		s, err := c.Sniff(who, ref, time.Now().Add(time.Minute))
		if err == nil {
			s.Close()
		}
		return err
	}},
	"Current": {need: nodes.Read, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Current(who, &nodes.Readout{Refs: []nodes.Ref{ref}}, func(nodes.Ref, nodes.Reading) {})
		return err
	}},
	"Read": {need: nodes.Read, call: func(ctx context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		return c.Read(ctx, who, &nodes.Readout{Refs: []nodes.Ref{ref}}, func(nodes.Ref, nodes.Reading) {})
	}},
	"Last": {need: nodes.Read, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Last(who, ref)
		return err
	}},
	"Interfaces": {call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, err := c.Interfaces(who, ref)
		return err
	}},
	"Watch": {need: nodes.Read, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		stop, err := c.Watch(who, nodes.Watch{Refs: []nodes.Ref{ref}, Notify: func(nodes.Ref, nodes.Reading) {}})
		if err == nil {
			stop()
		}
		return err
	}},
	"Subscribe": {bySource: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		stop, err := c.Subscribe(who, ref.Source, func(nodes.Event) {})
		if err == nil {
			stop()
		}
		return err
	}},
	"Events": {bySource: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		return c.Events(who, ref.Source, time.Time{}, func(nodes.Event) bool { return true })
	}},
	"May": {silent: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		if !c.May(who, nodes.See, ref) {
			return nodes.Errorf(nodes.NotFound, "", ref, "may not")
		}
		return nil
	}},
	"Explain": {need: nodes.Administer, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		_, _, err := c.Explain(who, person("reader"), ref)
		return err
	}},
	"Friend": {silent: true, call: func(_ context.Context, c *Catalog, who nodes.Caller, ref nodes.Ref) error {
		if !c.Friend(who) {
			return nodes.Errorf(nodes.NotFound, "", ref, "no friend")
		}
		return nil
	}},
}

// TestRights calls every method for everybody, on what is there and what is not.
func TestRights(t *testing.T) {
	c, _, _, _ := grow(t)
	methods := reflect.TypeOf(c)
	for i := range methods.NumMethod() {
		if name := methods.Method(i).Name; calls[name].call == nil {
			t.Errorf("the method %s has no row in this test", name)
		}
	}
	type somebody struct {
		name string
		who  nodes.Caller
		may  nodes.Rights
	}
	list := []somebody{{"system", nodes.System, nodes.AllRights},
		{"wrong way", nodes.Caller{JID: person("all").JID, Way: nodes.WayLocal}, 0}, {"nobody", nodes.Caller{}, 0}}
	for name, may := range people {
		if may&nodes.See == 0 {
			may = 0
		}
		list = append(list, somebody{name, person(name), may})
	}
	unit := nodes.Ref{Source: nodes.DefaultSource, ID: "L/U"}
	for name, row := range calls {
		t.Run(name, func(t *testing.T) {
			if _, ok := methods.MethodByName(name); !ok {
				t.Errorf("the catalog has no method %s", name)
			}
			check := func(who somebody, ref nodes.Ref, want string) error {
				t.Helper()
				err := row.call(t.Context(), c, who.who, ref)
				got := "success"
				var e *nodes.Error
				switch {
				case errors.As(err, &e):
					got = e.Kind.String()
				case err != nil:
					got = fmt.Sprintf("an error that is none of ours: %v", err)
				}
				if got != want {
					t.Errorf("%s, %+v: %s, want %s", who.name, ref, got, want)
				}
				return err
			}
			for _, who := range list {
				want := "success"
				switch {
				case who.may == 0:
					want = "not found"
				case row.need&^who.may != 0:
					want = "forbidden"
				}
				hidden := check(who, unit, want)
				check(who, nodes.Ref{ID: unit.ID}, want) // the default source
				check(who, nodes.Ref{Source: "Other", ID: "LOther/U"}, want)
				if row.silent {
					continue
				}
				missing := check(who, nodes.Ref{Source: "unheard of", ID: unit.ID}, "not found")
				check(who, nodes.Ref{Source: strings.Repeat("x", 5000), ID: unit.ID}, "not found")
				if who.may == 0 && strings.ReplaceAll(hidden.Error(), nodes.DefaultSource, "unheard of") !=
					strings.ReplaceAll(missing.Error(), "unheard of:", "") {
					t.Errorf("%s: %q for what is hidden, %q for what is not there", who.name, hidden, missing)
				}
				if row.bySource {
					continue
				}
				check(who, nodes.In("nowhere"), "not found")
				check(who, nodes.In(""), "not found")
				check(who, nodes.Ref{Partition: "p", ID: unit.ID}, "not found")
				check(who, nodes.Ref{Source: "Other", ID: unit.ID}, "not found") // there only in the other
				if err := check(who, nodes.In(strings.Repeat("x", 5000)), "not found"); err != nil && len(err.Error()) > 6000 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			}
		})
	}
}

func TestLists(t *testing.T) {
	c, _, _, _ := grow(t)
	all := person("all")
	if got := fmt.Sprint(c.Sources(all)[0].ID, c.Sources(all)[1].ID); got != nodes.DefaultSource+"Other" {
		t.Errorf("sources %s", got)
	}
	want := "Root F L L/U L/U/r L/V L/V/r"
	if list, err := c.All(all, "", nil, nodes.Detail{}); err != nil || ids(list) != want {
		t.Errorf("All: %s, %v; want %s", ids(list), err, want)
	}
	for _, tt := range []struct{ types, want string }{
		{"unit", "L/U L/V"}, {"unit register", "L/U L/U/r L/V L/V/r"}, {"node", want}, {"root", "Root"},
	} {
		if list, err := c.All(all, "", strings.Fields(tt.types), nodes.Detail{}); err != nil || ids(list) != tt.want {
			t.Errorf("All of %s: %s, %v; want %s", tt.types, ids(list), err, tt.want)
		}
	}
	if _, err := c.All(all, "", []string{"unit", "unheard of"}, nodes.Detail{}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("All of an unknown type: %v", err)
	}
	if list, err := c.Roots(all, "", nodes.Detail{}); err != nil || ids(list) != "Root" {
		t.Errorf("Roots: %s, %v", ids(list), err)
	}
	if list, err := c.Children(all, nodes.In("L"), nodes.Detail{}); err != nil || ids(list) != "L/U L/V" {
		t.Errorf("Children: %s, %v", ids(list), err)
	}
	if list, err := c.Ancestors(all, nodes.Ref{ID: "L/U/r"}, nodes.Detail{}); err != nil || ids(list) != "L/U/r L/U L Root" {
		t.Errorf("Ancestors: %s, %v", ids(list), err)
	}
	if list, err := c.Inheritance(all, nodes.In("L/U")); err != nil || fmt.Sprint(list) != "[node]" {
		t.Errorf("Inheritance: %v, %v", list, err)
	}
	if list, err := c.ChildSources(all, "Other"); err != nil || len(list) != 0 {
		t.Errorf("ChildSources: %v, %v", list, err)
	}
}

// TestSeen: a node shows only what the caller may do with it.
func TestSeen(t *testing.T) {
	c, _, _, _ := grow(t)
	for name, want := range map[string]string{"looker": "false false false", "reader": "true false false", "listener": "false false true", "all": "true true true"} {
		seen := func(what string, i nodes.Info) {
			if got := fmt.Sprint(i.Readable, i.Controllable, i.Sniffable); got != want {
				t.Errorf("%s by %s: %s, want %s", name, what, got, want)
			}
		}
		who := person(name)
		i, _ := c.Node(who, nodes.In("L/U"), nodes.Detail{})
		seen("Node", i)
		list, _ := c.Children(who, nodes.In("L"), nodes.Detail{})
		seen("Children", list[0])
		list, _ = c.Ancestors(who, nodes.In("L/U"), nodes.Detail{})
		seen("Ancestors", list[0])
		list, _ = c.All(who, "", []string{"unit"}, nodes.Detail{})
		seen("All", list[0])
	}
	for name, want := range map[string]bool{"looker": true, "installer": true} { // the fault report at least
		if i, _ := c.Node(person(name), nodes.In("L"), nodes.Detail{}); i.HasCommands != want {
			t.Errorf("%s: commands %v, want %v", name, i.HasCommands, want)
		}
	}
}

func TestForms(t *testing.T) {
	c, _, _, _ := grow(t)
	who := person("installer")
	types := func(id string) (out string) {
		list, err := c.Addable(who, nodes.Ref{ID: id})
		if err != nil {
			t.Errorf("Addable: %v", err)
		}
		for _, typ := range list {
			out += typ.Name + " "
		}
		return
	}
	for id, want := range map[string]string{"Root": "folder line ", "F": "folder line ", "L": "unit ", "L/U": "lamp register ", "L/U/r": ""} {
		if got := types(id); got != want {
			t.Errorf("below %s: %q, want %q", id, got, want)
		}
	}
	f, err := c.NewForm(who, nodes.In("Root"), "line")
	if err != nil || len(f.Params) != 5 || f.Params[0].ID != "NodeId" || f.Params[1].ID != "Name" {
		t.Errorf("NewForm: %+v, %v", f, err)
	}
	if got := fmt.Sprint(f.Values); got != "map[Disabled:false Port:7]" {
		t.Errorf("values %s: only defaults that are no secrets", got)
	}
	for typ, want := range map[string]nodes.ErrorKind{"unit": nodes.NotAcceptable, "node": nodes.NotAcceptable, "root": nodes.NotAcceptable, "": nodes.NotFound, "unheard of": nodes.NotFound} {
		if _, err := c.NewForm(who, nodes.In("Root"), typ); nodes.KindOf(err) != want {
			t.Errorf("a form for %q: %v, want %v", typ, err, want)
		}
	}
}

func TestChanges(t *testing.T) {
	c, _, _, _ := grow(t)
	who := person("installer")
	i, err := c.Create(t.Context(), who, nodes.NewNode{Parent: nodes.Ref{ID: "Root"}, Type: "line", Name: "N"})
	if err != nil || i.Ref != nodes.In("N") || i.Parent != nodes.In("Root") || i.Sniffable || !i.HasCommands {
		t.Errorf("Create: %+v, %v", i, err)
	}
	for _, p := range i.Properties {
		if p.ID == "Key" {
			t.Error("a secret is shown")
		}
	}
	var e *nodes.Error
	_, err = c.Create(t.Context(), who, nodes.NewNode{Parent: nodes.In("Root"), Type: "line", Name: "N", Params: nodes.Params{"port": nodes.Int32(1)}})
	if !errors.As(err, &e) || e.Kind != nodes.Invalid || e.Fields["Name"] == "" || e.Fields["port"] == "" {
		t.Errorf("Create again: %v", err)
	}
	if err := c.Destroy(t.Context(), who, nodes.Ref{ID: "Root"}); nodes.KindOf(err) != nodes.NotAcceptable {
		t.Errorf("the root: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Destroy(ctx, who, nodes.In("N")); !errors.As(err, &e) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	if err := c.Destroy(t.Context(), who, nodes.In("N")); err != nil {
		t.Error(err)
	}
	if _, err := c.Node(who, nodes.In("N"), nodes.Detail{}); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("afterwards: %v", err)
	}
}
