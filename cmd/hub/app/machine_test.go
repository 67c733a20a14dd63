package app

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
)

// machineAdapter is an adapter for the scripts: a machine with values that can be
// set, commands and queries, and no device behind it. A value named jam is refused
// by it, the outcome of one named lost is unknown.
func machineAdapter() adapters.Factory {
	whole := func(id string, value, low, high int32) nodes.Param {
		return nodes.Param{ID: id, Label: id, Kind: nodes.KindInt32, Default: nodes.Int32(value), Min: nodes.Int32(low), Max: nodes.Int32(high)}
	}
	return adapters.Factory{
		Name: "machine",
		Types: []nodes.Type{
			{Name: "machine.machine", Title: "Machine", Parents: []string{nodes.TypeRoot, nodes.TypeFolder}, Connects: true,
				Caps: nodes.CanRead | nodes.CanControl | nodes.CanCommand,
				Commands: []nodes.Command{
					{ID: "Reset", Kind: nodes.Simple, Title: "Reset all values", Confirmation: "Do you want to reset the machine?", Success: "The machine was reset."},
					{ID: "Label", Kind: nodes.Parametrized, Title: "Print a label", Description: "Prints labels on the machine.", Params: []nodes.Param{
						{ID: "Text", Label: "Text", Kind: nodes.KindString, Required: true, Description: "What is on it"}, whole("Count", 1, 1, 9)}},
					{ID: "Load", Kind: nodes.Parametrized, Title: "Load a recipe", Params: []nodes.Param{{ID: "Recipe", Label: "Recipe", Kind: nodes.KindString, Multi: true, Required: true}}},
					{ID: "Open", Kind: nodes.Simple, Title: "Open the door", Failure: "The door stays closed."},
					{ID: "Scan", Kind: nodes.Query, Title: "Look for parts", Params: []nodes.Param{whole("First", 1, 0, 255), whole("Last", 3, 0, 255)}},
					{ID: "Recipe", Kind: nodes.Query, Title: "Write the recipe to a file"},
					{ID: "Wait", Kind: nodes.Query, Title: "Wait until it is aborted"},
					{ID: "Broken", Kind: nodes.Query, Title: "Fail in the middle"},
				}},
			{Name: "machine.value", Title: "Value", Parents: []string{"machine.machine"}, Part: true, Caps: nodes.CanRead | nodes.CanControl,
				Params: []nodes.Param{
					{ID: "Kind", Label: "Kind", Kind: nodes.KindEnum, Default: nodes.Enum("number", "Kind"), Options: []nodes.Option{{Value: "number"}, {Value: "flag"}, {Value: "text"}}},
					{ID: "Writable", Label: "Writable", Kind: nodes.KindBool, Default: nodes.Bool(false)}},
				Controls: func(s *nodes.Spec) []nodes.Param {
					if !s.Params.Bool("Writable") {
						return nil
					}
					p := nodes.Param{ID: s.Name, Label: s.Name, Kind: nodes.KindDouble, Min: nodes.Double(-100), Max: nodes.Double(100)}
					switch s.Params.Text("Kind") {
					case "flag":
						p.Kind, p.Min, p.Max = nodes.KindBool, nodes.Value{}, nodes.Value{}
					case "text":
						p.Kind, p.Min, p.Max = nodes.KindString, nodes.Value{}, nodes.Value{}
					}
					return []nodes.Param{p}
				}},
		},
		Open: func(env adapters.Env) (nodes.Device, error) {
			m := &machine{env: env, values: make(map[string]nodes.Value)}
			for _, c := range env.Node.Children {
				m.values[c.ID] = initial(c.Params.Text("Kind"))
			}
			return m, nil
		},
	}
}

func initial(kind string) nodes.Value {
	switch kind {
	case "flag":
		return nodes.Bool(false)
	case "text":
		return nodes.String("")
	}
	return nodes.Quantity(0, 1, "")
}

type machine struct {
	env adapters.Env

	mu     sync.Mutex
	values map[string]nodes.Value // by id of the node
	told   []string               // what commands did
}

func (m *machine) Run(ctx context.Context) error {
	for {
		m.report()
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil
		}
	}
}

func (m *machine) report() {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	field := func(name string, v nodes.Value) []nodes.Field {
		return []nodes.Field{{Name: name, Value: v, Time: now, Category: nodes.Momentary}}
	}
	list := []nodes.Reading{{Node: m.env.Node.ID, MaxAge: 10 * time.Second, Fields: field("done", nodes.String(strings.Join(m.told, ", ")))}}
	for _, c := range m.env.Node.Children {
		list = append(list, nodes.Reading{Node: c.ID, MaxAge: 10 * time.Second, Fields: field(c.Name, m.values[c.ID])})
	}
	m.env.Host.Report(list)
}

func (m *machine) Update(nodes.Change) {}

// tell notes that something was done.
func (m *machine) tell(format string, args ...any) {
	m.mu.Lock()
	m.told = append(m.told, fmt.Sprintf(format, args...))
	m.mu.Unlock()
	m.report()
}

func (m *machine) Set(_ context.Context, list []nodes.Setting, yield func(int, nodes.Outcome)) {
	good := true
	for i, s := range list {
		o := nodes.Outcome{State: nodes.WriteDone, Time: time.Now()}
		switch {
		case !good:
			o.State, o.Err = nodes.WriteSkipped, errors.New("not tried")
		case s.Name == "jam":
			o.State, o.Err = nodes.WriteRefused, errors.New("the machine is jammed")
		case s.Name == "lost":
			o.State, o.Err = nodes.WriteUnknown, errors.New("the machine did not answer within 1s")
		default:
			m.mu.Lock()
			m.values[s.Node] = s.Value
			m.mu.Unlock()
		}
		good = good && o.State.Good()
		yield(i, o)
	}
	m.report()
}

func (m *machine) Execute(_ context.Context, _, command string, p nodes.Params) error {
	switch command {
	case "Reset":
		m.tell("reset")
	case "Label":
		m.tell("%d labels %q", p.Int("Count"), p.Text("Text"))
	case "Load":
		m.tell("%d lines", strings.Count(p.Text("Recipe"), "\n"))
	case "Open":
		return errors.New("the drum turns\x1b[31m")
	}
	return nil
}

func (m *machine) Query(ctx context.Context, _, command string, p nodes.Params, put nodes.Put) error {
	var list []nodes.Finding
	switch command {
	case "Scan":
		list = []nodes.Finding{nodes.QueryTitle("Parts"), nodes.QueryStatus("part 1"), nodes.Section("Drum"),
			nodes.Table{ID: "parts", Name: "Those that answer", Columns: []nodes.Column{{ID: "Number", Align: nodes.AlignRight}, {ID: "Name"}, {ID: "Load", Header: "Load of it", Align: nodes.AlignRight, Decimals: 2}}}}
		for i := p.Int("First"); i <= p.Int("Last"); i++ {
			list = append(list, nodes.QueryStatus(fmt.Sprint("part ", i)),
				nodes.Rows{Table: "parts", Rows: [][]nodes.Value{{nodes.Int32(int32(i)), nodes.String(fmt.Sprint("part ", i)), nodes.Quantity(float64(i)/8, 3, "kg")}}})
		}
		list = append(list, nodes.TableEnd("parts"), nodes.SectionEnd{}, nodes.Remark{Severity: nodes.SeverityWarning, Text: "some parts are worn"})
	case "Recipe":
		list = []nodes.Finding{nodes.QueryTitle("Recipe"), nodes.Object{ContentType: "text/csv", Name: "recipe.csv", Data: []byte("a;b\r\n1;2\r\n")}}
	case "Broken":
		list = []nodes.Finding{nodes.Table{ID: "t", Columns: []nodes.Column{{ID: "A"}}}, nodes.Rows{Table: "t", Rows: [][]nodes.Value{{nodes.Int32(7)}}}}
	case "Wait":
		m.tell("waits")
		if err := put(nodes.QueryTitle("Waiting")); err != nil {
			return err
		}
		<-ctx.Done()
		m.tell("aborted")
		return ctx.Err()
	}
	for _, f := range list {
		if err := put(f); err != nil {
			return err
		}
	}
	if command == "Broken" {
		time.Sleep(400 * time.Millisecond) // it fails when it has found something
		return errors.New("the belt broke")
	}
	return nil
}
