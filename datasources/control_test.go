package datasources

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

func assign(source, id, name string, v float64) nodes.Assignment {
	return nodes.Assignment{Ref: nodes.Ref{Source: source, ID: id}, Name: name, Value: nodes.Double(v)}
}

func states(list []nodes.Outcome) string {
	var out []string
	for _, o := range list {
		out = append(out, o.State.String())
	}
	return strings.Join(out, " ")
}

// logged gives the catalog a log and returns how to take what is in it.
func logged(c *Catalog) func() string {
	var b bytes.Buffer
	c.Log = slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "took" || a.Key == slog.LevelKey {
			return slog.Attr{}
		}
		return a
	}}))
	return func() string { defer b.Reset(); return strings.TrimSpace(b.String()) }
}

// TestSet: over several sources, all are checked before the first is written, and
// at the first failure writing stops.
func TestSet(t *testing.T) {
	c, _, p, _ := grow(t)
	log := logged(c)
	who := person("operator")
	p.bad = 13
	for _, tt := range []struct {
		name     string
		list     []nodes.Assignment
		outcomes string
		kind     nodes.ErrorKind // of the error, when there are no outcomes
		did      string
		log      string
	}{
		{"one, by its device", []nodes.Assignment{assign("", "L/U", "r", 1)}, "done", 0, "L/U/r r=1",
			`msg=set caller="operator@example.org (xmpp)" what="L/U r=1 done"`},
		{"two sources and back", []nodes.Assignment{assign("", "L/U/r", "r", 1), assign("Other", "LOther/V", "r", 2), assign(nodes.DefaultSource, "L/V", "r", 3)},
			"done done done", 0, "L/U/r r=1; LOther/V/r r=2; L/V/r r=3",
			`msg=set caller="operator@example.org (xmpp)" what="L/U/r r=1 done, Other:LOther/V r=2 done, L/V r=3 done"`},
		{"refused in the other", []nodes.Assignment{assign("", "L/U", "r", 1), assign("Other", "LOther/U", "r", 13), assign("Other", "LOther/V", "r", 1), assign("", "L/V", "r", 3)},
			"done refused skipped skipped", 0, "L/U/r r=1",
			`msg=set caller="operator@example.org (xmpp)" what="L/U r=1 done, Other:LOther/U r=13 refused (valve stuck), Other:LOther/V r=1 skipped, L/V r=3 skipped"`},
		{"wrong in the other", []nodes.Assignment{assign("", "L/U", "r", 1), assign("Other", "LOther/U", "r", 101)}, "", nodes.Invalid, "",
			`msg="nothing set" caller="operator@example.org (xmpp)" what="L/U r=1, Other:LOther/U r=101" why="wrong: r"`},
		{"not there in the other", []nodes.Assignment{assign("", "L/U", "r", 1), assign("Other", "LOther/W", "r", 1)}, "", nodes.NotFound, "",
			`msg="nothing set" caller="operator@example.org (xmpp)" what="L/U r=1, Other:LOther/W r=…" why="set Other:LOther/W: no node LOther/W"`},
		{"a secret", []nodes.Assignment{{Ref: nodes.In("L/U"), Name: "r.key", Value: nodes.String("sesame")}}, "done", 0, "L/U/r r.key=sesame",
			`msg=set caller="operator@example.org (xmpp)" what="L/U r.key=… done"`},
		{"a secret by a wrong name", []nodes.Assignment{{Ref: nodes.In("L/U"), Name: "r.kye", Value: nodes.String("sesame")}}, "", nodes.Invalid, "",
			`msg="nothing set" caller="operator@example.org (xmpp)" what="L/U r.kye=…" why="wrong: r.kye"`},
		{"nothing", nil, "", 0, "", ""},
	} {
		out, err := c.Set(t.Context(), who, tt.list)
		if states(out) != tt.outcomes || (err != nil) != (tt.outcomes == "" && tt.list != nil) || err != nil && nodes.KindOf(err) != tt.kind {
			t.Errorf("%s: %s, %v", tt.name, states(out), err)
		}
		if got := p.noted(); got != tt.did {
			t.Errorf("%s: the devices did %q, want %q", tt.name, got, tt.did)
		}
		if got := log(); got != tt.log {
			t.Errorf("%s: log\n%s\nwant\n%s", tt.name, got, tt.log)
		}
	}
	var many []nodes.Assignment
	for range 30 {
		many = append(many, assign("", "L/U", "r", 1))
	}
	if out, err := c.Set(t.Context(), who, many); err != nil || len(out) != 30 {
		t.Errorf("30: %d, %v", len(out), err)
	}
	if got := log(); !strings.Contains(got, "and 10 more") {
		t.Errorf("log of 30: %s", got)
	}
	// One line for those who may not, too; none for strangers.
	if _, err := c.Set(t.Context(), person("reader"), many[:1]); nodes.KindOf(err) != nodes.Forbidden {
		t.Errorf("a reader: %v", err)
	}
	if got := log(); !strings.Contains(got, "reader@example.org") || !strings.Contains(got, "r=…") || !strings.Contains(got, "control") {
		t.Errorf("log of a reader: %s", got)
	}
	if _, err := c.Set(t.Context(), person("stranger"), many[:1]); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("a stranger: %v", err)
	}
	if got := log(); got != "" {
		t.Errorf("log of a stranger: %s", got)
	}
}

func TestControls(t *testing.T) {
	c, _, _, _ := grow(t)
	for id, want := range map[string]string{"L": "", "L/U": "r r.key", "L/U/r": "r r.key", "F": ""} {
		list, err := c.Controls(person("operator"), nodes.Ref{ID: id})
		var got []string
		for _, p := range list {
			got = append(got, p.ID)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s: %q, %v; want %q", id, got, err, want)
		}
	}
}

// TestCommands: each is offered to those who may run it, and to nobody else.
func TestCommands(t *testing.T) {
	c, _, _, _ := grow(t)
	unit := nodes.Ref{ID: "L/U"}
	const every = " ClearMessages LogMessage Enable Disable"
	for name, want := range map[string]string{"looker": "FaultReport InterfaceReport", "reader": "Identify ReadoutReport FaultReport InterfaceReport", "operator": "FaultReport InterfaceReport",
		"installer": "Move Scan" + every + " FaultReport InterfaceReport", "all": "Identify Move Scan" + every + " ReadoutReport FaultReport InterfaceReport"} {
		who := person(name)
		list, err := c.Commands(who, unit)
		var got []string
		for _, cmd := range list {
			got = append(got, cmd.ID)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s may run %q, %v; want %q", name, got, err, want)
		}
		if i, _ := c.Node(who, unit, nodes.Detail{}); !i.HasCommands {
			t.Errorf("%s: has commands %v", name, i.HasCommands)
		}
		if _, err := c.CommandForm(who, unit, "Identify"); (err == nil) != strings.Contains(want, "Identify") || err != nil && nodes.KindOf(err) != nodes.Forbidden {
			t.Errorf("%s, form: %v", name, err)
		}
		if err := c.Query(t.Context(), who, unit, "Identify", nil, func(nodes.Finding) error { return nil }); (err == nil) != strings.Contains(want, "Identify") || err != nil && nodes.KindOf(err) != nodes.Forbidden {
			t.Errorf("%s, query: %v", name, err)
		}
		if err := c.Execute(t.Context(), who, unit, "Move", nil); (err == nil) != strings.Contains(want, "Move") || err != nil && nodes.KindOf(err) != nodes.Forbidden {
			t.Errorf("%s, execute: %v", name, err)
		}
	}
	if f, err := c.CommandForm(person("installer"), unit, "Move"); err != nil || len(f.Params) != 2 || fmt.Sprint(f.Values) != "map[To:1]" {
		t.Errorf("form %+v, %v", f, err)
	}
}

func TestRunLog(t *testing.T) {
	c, _, p, _ := grow(t)
	log := logged(c)
	who, unit := person("installer"), nodes.Ref{ID: "L/U"}
	for _, tt := range []struct {
		name, command string
		params        nodes.Params
		kind          nodes.ErrorKind // Internal: none
		did, log      string
	}{
		{"command", "Move", nodes.Params{"To": nodes.Int32(2), "Pin": nodes.String("1234")}, 0, "L/U Move map[Pin:1234 To:2]",
			`msg=execute caller="installer@example.org (xmpp)" node=L/U command=Move params="To=2 Pin=…" outcome=done`},
		{"fails", "Move", nodes.Params{"To": nodes.Int32(9)}, nodes.NotAcceptable, "L/U Move map[To:9]",
			`msg=execute caller="installer@example.org (xmpp)" node=L/U command=Move params="To=9" outcome="execute L/U: end of the rail"`},
		{"wrong", "Move", nodes.Params{"To": nodes.Int32(10), "Pni": nodes.String("1234")}, nodes.Invalid, "",
			`msg=execute caller="installer@example.org (xmpp)" node=L/U command=Move params="To=10" outcome="wrong: Pni, To"`},
		{"unknown", "Mvoe\n", nil, nodes.NotFound, "",
			`msg=execute caller="installer@example.org (xmpp)" node=L/U command="Mvoe\n" params="" outcome="find command L/U: no command \"Mvoe\\n\"; there are Identify, Move, Scan, ClearMessages, LogMessage, Enable, Disable"`},
		{"query", "Scan", nil, 0, "", `msg=query caller="installer@example.org (xmpp)" node=L/U command=Scan params="" outcome=done`},
	} {
		var err error
		if tt.name == "query" {
			err = c.Query(t.Context(), who, unit, tt.command, tt.params, func(nodes.Finding) error { return nil })
		} else {
			err = c.Execute(t.Context(), who, unit, tt.command, tt.params)
		}
		if (err != nil) != (tt.kind != 0) || err != nil && nodes.KindOf(err) != tt.kind {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := p.noted(); got != tt.did {
			t.Errorf("%s: the device did %q, want %q", tt.name, got, tt.did)
		}
		if got := log(); got != tt.log {
			t.Errorf("%s: log\n%s\nwant\n%s", tt.name, got, tt.log)
		}
	}
	if c.Execute(t.Context(), person("stranger"), unit, "Move", nil); log() != "" {
		t.Error("a stranger is logged")
	}
}

// TestRightTakenAway: a query ends when its caller may not run it any more.
func TestRightTakenAway(t *testing.T) {
	c, access, p, _ := grow(t)
	p.hold = func() { access.Replace(nil) }
	count := 0
	err := c.Query(t.Context(), person("installer"), nodes.In("L/U"), "Scan", nil, func(nodes.Finding) error { count++; return nil })
	if nodes.KindOf(err) != nodes.Forbidden || count != 1 {
		t.Errorf("%d findings, %v", count, err)
	}
	full := errors.New("enough")
	p.hold = nil
	if err := c.Query(t.Context(), nodes.System, nodes.In("L/U"), "Scan", nil, func(nodes.Finding) error { return full }); err != full {
		t.Errorf("the error of put: %v", err)
	}
}
