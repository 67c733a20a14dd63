package tree

import (
	"context"
	"errors"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func (o *odd) Set(ctx context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	if o.set != nil {
		o.set(ctx, list, yield)
		return
	}
	for i := range list {
		yield(i, nodes.Outcome{State: nodes.WriteDone})
	}
}

func (o *odd) Execute(ctx context.Context, node, command string, p nodes.Params) error {
	if o.execute != nil {
		return o.execute(ctx, node, command, p)
	}
	return nil
}

func (o *odd) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	if o.query != nil {
		return o.query(ctx, node, command, p, put)
	}
	return put(nodes.QueryTitle(command))
}

// workTypes are a machine with parts that have valves; a machine may stand below
// another.
var workTypes = []nodes.Type{
	{Name: "machine", Title: "Machine", Parents: []string{nodes.TypeRoot, nodes.TypeFolder, "part"}, Connects: true,
		Commands: []nodes.Command{
			{ID: "Reset", Kind: nodes.Simple, Title: "Reset"},
			{ID: "Move", Kind: nodes.Parametrized, Title: "Move", Description: "Moves it.", Params: []nodes.Param{
				{ID: "Way", Kind: nodes.KindInt32, Required: true, Min: nodes.Int32(1), Max: nodes.Int32(9)},
				{ID: "Speed", Kind: nodes.KindDouble, Default: nodes.Double(1.5)},
				{ID: "Key", Kind: nodes.KindString, Secret: true, Default: nodes.String("s")}}},
			{ID: "Scan", Kind: nodes.Query, Title: "Scan", Params: []nodes.Param{{ID: "To", Kind: nodes.KindInt32, Default: nodes.Int32(3)}}},
		}},
	{Name: "part", Title: "Part", Parents: []string{"machine"}, Caps: nodes.CanRead,
		Commands: []nodes.Command{{ID: "Scan", Kind: nodes.Query, Title: "Scan"}}},
	{Name: "valve", Title: "Valve", Parents: []string{"part", "valve"}, Caps: nodes.CanRead | nodes.CanControl, Part: true,
		Params: []nodes.Param{{ID: "Writable", Kind: nodes.KindBool}, {ID: "Kind", Kind: nodes.KindString}},
		Controls: func(s *nodes.Spec) []nodes.Param {
			if !s.Params.Bool("Writable") {
				return nil
			}
			switch s.Params.Text("Kind") {
			case "panics":
				panic("index out of range")
			case "two":
				return []nodes.Param{{ID: s.Name + ".x", Kind: nodes.KindBool}, {ID: s.Name + ".y", Kind: nodes.KindBool}}
			case "switch":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindEnum, Options: []nodes.Option{{Value: "on"}, {Value: "off"}}}}
			case "secret":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindString, Secret: true}}
			case "free":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindInt64}}
			case "fixed":
				return []nodes.Param{{ID: s.Name, Kind: nodes.KindBool, ReadOnly: true}}
			}
			return []nodes.Param{{ID: s.Name, Kind: nodes.KindInt32, Min: nodes.Int32(0), Max: nodes.Int32(100)}}
		}},
}

// valve makes a valve; a kind makes it writable.
func valve(name, kind string, below ...*nodes.Node) *nodes.Node {
	n := &nodes.Node{Spec: nodes.Spec{Name: name, Type: "valve", Params: nodes.Params{}}, Children: below}
	if kind != "" {
		n.Params["Writable"], n.Params["Kind"] = nodes.Bool(true), nodes.String(kind)
	}
	return n
}

// works starts a tree of machines, each with a part "P" with valves a, b, fixed.
func works(t *testing.T, o *oddities, machines ...string) *Tree {
	t.Helper()
	return worksOf(t, o, func() []*nodes.Node {
		return []*nodes.Node{valve("a", "n"), valve("b", "n"), valve("fixed", "")}
	}, machines...)
}

func worksOf(t *testing.T, o *oddities, valves func() []*nodes.Node, machines ...string) *Tree {
	t.Helper()
	tr, err := New(Config{Types: workTypes, Store: &Memory{}, Opener: o})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr)
	var list []*nodes.Node
	for _, id := range machines {
		list = append(list, &nodes.Node{Spec: nodes.Spec{Name: id, Type: "machine"}, Children: []*nodes.Node{
			{Spec: nodes.Spec{Name: "P", Type: "part"}, Children: valves()}}})
	}
	if err := tr.Import(t.Context(), list); err != nil {
		t.Fatal(err)
	}
	until(t, "all are open", func() bool {
		for _, id := range machines {
			if _, err := sessionOf(tr, id); err != nil {
				return false
			}
		}
		return true
	})
	return tr
}

// sessionOf returns the session of a device.
func sessionOf(t *Tree, id string) (*session, error) {
	t.mu.RLock()
	d := t.devices[id]
	t.mu.RUnlock()
	if d == nil {
		return nil, errors.New("no device")
	}
	return d.current()
}
