package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/concentrator"
	"github.com/fieldhub/hub/xmppface/control"
	"github.com/fieldhub/hub/xmppface/events"
	"github.com/fieldhub/hub/xmppface/sensordata"
	"github.com/fieldhub/hub/xmppface/xmpptest"
)

// callbacks are methods of the concentrator's client that are called by a session.
var callbacks = []string{"Receive", "Gone"}

// operations are the methods of the concentrator's client, each with what it is asked and
// what it has to answer; got is what it answered instead.
var operations = map[string]func(ctx context.Context, c *concentrator.Client) (got any, ok bool, err error){
	"Capabilities": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Capabilities(ctx)
		return got, len(got) == 39 && slices.Contains(got, "abortCommonNodeQuery"), err
	},
	"Sources": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Sources(ctx)
		return got, len(got) == 2, err
	},
	"RootSources": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.RootSources(ctx)
		return got, len(got) == 2, err
	},
	"ChildSources": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.ChildSources(ctx, nodes.DefaultSource)
		return got, len(got) == 0, err
	},
	"Contains": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Contains(ctx, tank)
		return got, got, err
	},
	"ContainsAll": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.ContainsAll(ctx, []nodes.Ref{tank, nodes.In("none"), pump})
		return got, slices.Equal(got, []bool{true, false, true}), err
	},
	"Node": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Node(ctx, tank, nodes.Detail{Properties: true, Messages: true})
		return got, got.Name == "tank" && got.Type == "modbus.unit" && len(got.Properties) > 0, err
	},
	"Nodes": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Nodes(ctx, []nodes.Ref{pump, tank}, nodes.Detail{})
		return got, len(got) == 2 && got[0].Name == "pump" && got[1].Name == "tank", err
	},
	"All": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.All(ctx, nodes.DefaultSource, []string{"modbus.unit"}, nodes.Detail{})
		return got, len(got) == 4, err
	},
	"Roots": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Roots(ctx, nodes.DefaultSource, nodes.Detail{})
		return got, len(got) == 1 && got[0].Ref.ID == nodes.RootID, err
	},
	"Children": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Children(ctx, tank, nodes.Detail{})
		return got, len(got) == 6, err
	},
	"Ancestors": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Ancestors(ctx, tank, nodes.Detail{})
		return got, slices.ContainsFunc(got, func(i nodes.Info) bool { return i.Ref.ID == "plant" }), err
	},
	"Inheritance": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Inheritance(ctx, tank)
		return got, len(got) > 0, err
	},
	"Addable": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Addable(ctx, tank)
		return got, slices.ContainsFunc(got, func(x nodes.Type) bool { return x.Name == "modbus.register" }), err
	},
	"NewForm": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.NewForm(ctx, tank, "modbus.register")
		return got, err == nil && slices.ContainsFunc(got.Params, func(x nodes.Param) bool { return x.ID == "Address" }), err
	},
	"Create": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Create(ctx, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "folder", Name: "new <&>"})
		if err != nil {
			return got, false, err
		}
		return got, got.Name == "new <&>", c.Destroy(ctx, got.Ref)
	},
	"Destroy": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		made, err := c.Create(ctx, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "folder", Name: "old"})
		if err == nil {
			err = c.Destroy(ctx, made.Ref)
		}
		there, e := c.Contains(ctx, made.Ref)
		return there, !there, errors.Join(err, e)
	},
	"EditForm": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.EditForm(ctx, []nodes.Ref{tank, pump})
		return got, got.Differ["UnitId"], err
	},
	"Edit": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Edit(ctx, tank, nodes.Edit{ID: "vessel", Name: "Vessel"})
		if err != nil {
			return got, false, err
		}
		_, err = c.Edit(ctx, nodes.In("vessel"), nodes.Edit{ID: tank.ID, Name: "tank"})
		return got, got.Ref == nodes.In("vessel") && got.Name == "Vessel", err
	},
	"EditAll": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		both := []nodes.Ref{tank, pump}
		before, e1 := c.EditForm(ctx, both)
		e2 := c.EditAll(ctx, both, nodes.Edit{Params: nodes.Params{"MaxHole": nodes.Int32(4)}})
		got, e3 := c.EditForm(ctx, both)
		e4 := c.EditAll(ctx, both, nodes.Edit{Params: nodes.Params{"MaxHole": {}}})
		return got.Values, before.Values["MaxHole"] != nodes.Int32(4) && got.Values["MaxHole"] == nodes.Int32(4), errors.Join(e1, e2, e3, e4)
	},
	"Move": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		var made []nodes.Ref
		names := func() (s string, err error) {
			list, err := c.Children(ctx, nodes.In("ordered"), nodes.Detail{})
			for _, x := range list {
				s += x.Name
			}
			return s, err
		}
		_, err := c.Create(ctx, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "folder", ID: "ordered", Name: "ordered"})
		for _, name := range []string{"c", "a", "b"} {
			i, e := c.Create(ctx, nodes.NewNode{Parent: nodes.In("ordered"), Type: "folder", Name: name})
			err = errors.Join(err, e)
			made = append(made, i.Ref)
		}
		before, e1 := names()
		e2 := c.Move(ctx, true, made[0])
		one, e3 := names()
		e4 := c.Move(ctx, false, made[1], made[2]) // a is at the edge
		two, e5 := names()
		e6 := c.Destroy(ctx, nodes.In("ordered"))
		return before + one + two, before == "cab" && one == "acb" && two == "abc", errors.Join(err, e1, e2, e3, e4, e5, e6)
	},
	"Commands": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.Commands(ctx, tank)
		return got, slices.ContainsFunc(got, func(x nodes.Command) bool { return x.ID == "ReadRange" && x.Kind == nodes.Query }), err
	},
	"CommonCommands": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.CommonCommands(ctx, []nodes.Ref{nodes.In("plant"), tank})
		return got, len(got) > 0 && !slices.ContainsFunc(got, func(x nodes.Command) bool { return x.ID == "ReadRange" }), err
	},
	"CommandForm": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.CommandForm(ctx, tank, "LogMessage")
		return got, err == nil && len(got.Params) > 1, err
	},
	"CommonCommandForm": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.CommonCommandForm(ctx, []nodes.Ref{tank, pump}, "LogMessage")
		return got, err == nil && len(got.Params) > 1, err
	},
	"Execute": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		err := c.Execute(ctx, tank, "LogMessage", nodes.Params{"Text": nodes.String("seen <&>")})
		got, e := c.Node(ctx, tank, nodes.Detail{Messages: true})
		return got.Messages, slices.ContainsFunc(got.Messages, func(m nodes.Message) bool { return m.Text == "seen <&>" }),
			errors.Join(err, e, c.Execute(ctx, tank, "ClearMessages", nil))
	},
	"ExecuteAll": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		got, err := c.ExecuteAll(ctx, []nodes.Ref{tank, pump}, "ClearMessages", nil)
		return got, len(got) == 2 && got[0] == nil && got[1] == nil, err
	},
	"Query": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		rows := 0
		err := c.Query(ctx, tank, "ReadoutReport", nil, func(f nodes.Finding) error {
			if r, ok := f.(nodes.Rows); ok {
				rows += len(r.Rows)
			}
			return nil
		})
		return rows, rows >= 6, err
	},
	"QueryAll": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		found := make([]int, 2)
		errs, err := c.QueryAll(ctx, []nodes.Ref{tank, pump}, "ReadoutReport", nil, func(i int, _ nodes.Finding) error { found[i]++; return nil })
		return found, found[0] > 0 && found[1] > 0, errors.Join(append(errs, err)...)
	},
	"Sniff": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		l, err := c.Sniff(ctx, nodes.In("plant"), time.Now().Add(time.Minute))
		if err != nil {
			return nil, false, err
		}
		got, _, err := l.Next(ctx)
		return got, len(got) > 0 && time.Until(l.Expires()) > 0, errors.Join(err, l.Close(ctx))
	},
	"Subscribe": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		told, err := follow(ctx, c)
		_, e1 := c.Create(ctx, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "folder", ID: "told", Name: "told"})
		_, e2 := c.Edit(ctx, nodes.In("told"), nodes.Edit{ID: "told again"})
		e3 := c.Destroy(ctx, nodes.In("told again"))
		got, e4 := told(3)
		return got, slices.Equal(got, []nodes.EventKind{nodes.NodeAdded, nodes.NodeUpdated, nodes.NodeRemoved}),
			errors.Join(err, e1, e2, e3, e4, c.Unsubscribe(ctx, nodes.DefaultSource))
	},
	"Unsubscribe": func(ctx context.Context, c *concentrator.Client) (any, bool, error) {
		told, err := follow(ctx, c)
		e1 := c.Unsubscribe(ctx, nodes.DefaultSource, nodes.NodeAdded, nodes.NodeUpdated)
		_, e2 := c.Create(ctx, nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "folder", ID: "told", Name: "told"})
		e3 := c.Destroy(ctx, nodes.In("told"))
		got, e4 := told(1)
		return got, slices.Equal(got, []nodes.EventKind{nodes.NodeRemoved}), errors.Join(err, e1, e2, e3, e4, c.Unsubscribe(ctx, nodes.DefaultSource))
	},
}

// follow subscribes to the events of the nodes that begin with "told". What it returns waits
// for so many of them.
func follow(ctx context.Context, c *concentrator.Client) (told func(n int) ([]nodes.EventKind, error), err error) {
	events := make(chan nodes.EventKind, 100)
	err = c.Subscribe(ctx, concentrator.Subscription{TTL: time.Minute}, func(e nodes.Event) {
		if strings.HasPrefix(e.Info.Ref.ID, "told") || strings.HasPrefix(e.OldID, "told") {
			events <- e.Kind
		}
	})
	return func(n int) (got []nodes.EventKind, err error) {
		for len(got) < n {
			select {
			case kind := <-events:
				got = append(got, kind)
			case <-ctx.Done():
				return got, ctx.Err()
			}
		}
		return got, nil
	}, err
}

var tank, pump = nodes.In("plant/tank"), nodes.In("plant/pump")

// TestOperations: every method of the concentrator's client, and reading, watching and
// setting values, through both brokers.
func TestOperations(t *testing.T) {
	method := reflect.TypeFor[*concentrator.Client]()
	for i := range method.NumMethod() {
		if name := method.Method(i).Name; operations[name] == nil && !slices.Contains(callbacks, name) {
			t.Errorf("%s of the client is not tested here", name)
		}
	}
	plant := modbustest.NewPlant(1)
	if err := plant.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- plant.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	for _, tt := range []struct {
		name   string
		server func(*testing.T) xmpptest.Server
	}{
		{"Prosody", func(t *testing.T) xmpptest.Server { return xmpptest.Prosody(t, xmpptest.Options{Smacks: true}) }},
		{"ejabberd", func(t *testing.T) xmpptest.Server { return xmpptest.Ejabberd(t) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := tt.server(t)
			p.AddUser(t, "gateway", "pw-gateway")
			p.AddUser(t, "ops", "pw-ops")
			secret, tree := filepath.Join(t.TempDir(), "password"), filepath.Join(t.TempDir(), "tree.yaml")
			put(t, secret, "pw-gateway")
			put(t, tree, string(appendPlant(t, plant.Addr())))
			d := startDaemon(t, t.TempDir(), fmt.Sprintf("xmpp: {jid: gateway@%[1]s, password_file: %[2]q, server: %[3]q, ca_file: %[4]q}\naccess:\n  - {who: [ops@%[1]s], may: [all]}\n",
				p.Domain(), secret, p.Addr(), p.CAFile()))
			soon(t, "the daemon", func() bool { _, code := d.cli("ls"); return code == 0 })
			if out, code := d.cli("import", tree); code != 0 {
				t.Fatal(out)
			}
			ops := login(t, p, "ops")
			ops.meet(t, "gateway@"+p.Domain())
			ops.readsTank(t)
			for i, space := range []string{concentrator.NSNFI, concentrator.NSNF, concentrator.NSIEEE} {
				for _, name := range slices.Sorted(maps.Keys(operations)) {
					op := operations[name]
					t.Run(space+" "+name, func(t *testing.T) {
						ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
						defer cancel()
						ops.nodes.Space = space
						if got, ok, err := op(ctx, ops.nodes); err != nil || !ok {
							t.Errorf("got %+v, %v", got, err)
						}
					})
				}
				ops.values.Space = []string{sensordata.NSNFI, sensordata.NSNF, sensordata.NSIEEE}[i]
				t.Run(ops.values.Space, func(t *testing.T) { ops.readsAll(t, i == 0) })
				ops.changes.Space = []string{events.NSNFI, events.NSNF, events.NSIEEE}[i]
				set := &control.Client{Link: ops.Session, To: ops.nodes.To, Space: []string{control.NSNFI, control.NSNF, control.NSIEEE}[i]}
				t.Run(set.Space, func(t *testing.T) { ops.sets(t, set) })
			}
		})
	}
}

// readsAll reads values now and perhaps later, those of a node that is not there, and
// gives up.
func (who *person) readsAll(t *testing.T, later bool) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	level := nodes.In("plant/tank/level")
	fields := make(map[nodes.Ref]int)
	take := func(ref nodes.Ref, r nodes.Reading) {
		if fields[ref] += len(r.Fields); r.Err != nil {
			t.Errorf("%s: %v", ref.ID, r.Err)
		}
	}
	err := who.values.Read(ctx, nodes.Readout{Refs: []nodes.Ref{tank, pump, level}}, take)
	if err != nil || fields[tank] < 6 || fields[pump] < 5 || fields[level] < 1 {
		t.Errorf("got %v, %v", fields, err)
	}
	if later {
		clear(fields)
		when := time.Now().Add(2500 * time.Millisecond)
		err := who.values.ReadAt(ctx, when, nodes.Readout{Refs: []nodes.Ref{level}, Categories: nodes.Momentary}, take)
		if err != nil || fields[level] != 1 || time.Now().Before(when) {
			t.Errorf("later: got %v, %v, %v too early", fields, err, time.Until(when))
		}
	}
	if err := who.values.Read(ctx, nodes.Readout{Refs: []nodes.Ref{nodes.In("none")}}, take); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a node that is not there: %v", err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if err := who.values.ReadAt(short, time.Now().Add(time.Hour), nodes.Readout{Refs: []nodes.Ref{level}}, take); err == nil {
		t.Error("what was given up was read")
	}
}

// sets switches the pump, by elements and by a form, and watches what becomes of it.
func (who *person) sets(t *testing.T, c *control.Client) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	on := nodes.In("plant/pump/on")
	came := make(chan bool, 100)
	stop, err := who.changes.Subscribe(ctx, events.Subscription{Refs: []nodes.Ref{on}, Now: true, MaxInterval: time.Minute}, func(_ nodes.Ref, r nodes.Reading) {
		for _, f := range r.Fields {
			came <- f.Value.Bool()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []bool{true, false, true, false} {
		var done []nodes.Outcome
		if want {
			done, err = c.Set(ctx, []nodes.Ref{on}, control.Parameter{Name: "on", Value: nodes.Bool(want)})
		} else {
			f, e := c.Form(ctx, on)
			if e != nil || len(f.Params) != 1 || f.Values["on"] != nodes.Bool(true) {
				t.Fatalf("the form: %+v, %v", f, e)
			}
			_, done, err = c.Submit(ctx, []nodes.Ref{on}, f, nodes.Params{"on": nodes.Bool(want)})
		}
		if err != nil || len(done) != 1 || done[0].State != nodes.WriteDone {
			t.Errorf("got %+v, %v", done, err)
		}
		for got := !want; got != want; {
			select {
			case got = <-came:
			case <-ctx.Done():
				t.Fatalf("that it is %v is not told", want)
			}
		}
	}
	var wrong *nodes.Error
	if _, err := c.Set(ctx, []nodes.Ref{on}, control.Parameter{Name: "off", Value: nodes.Bool(true)}); !errors.As(err, &wrong) || wrong.Fields["off"] == "" {
		t.Errorf("a parameter that is not there: %v", err)
	}
	if err := stop(ctx); err != nil {
		t.Error(err)
	}
}
