package tree

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fieldhub/hub/nodes"
)

// Messages that people leave are kept over a restart and a renaming, until they
// are cleared.
func TestKeptMessages(t *testing.T) {
	p, store := &plant{}, &Memory{}
	tr := grow(t, p, store)
	leave := func(severity, text string) nodes.Params {
		return nodes.Params{"Type": nodes.Enum(severity, "Type"), "Text": nodes.String(text)}
	}
	do(t, tr, "B/X", LogMessage, leave("Warning", "  the lid is loose "))
	do(t, tr, "B/X", LogMessage, nodes.Params{"Text": nodes.String("seen by Ann")})
	do(t, tr, nodes.RootID, LogMessage, leave("Error", "replace me"))
	p.host("B").Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "Line", Text: "noise"})
	if err := tr.Edit(t.Context(), nodes.Edit{Node: "B/X", ID: "B/Y", Name: "Y"}); err != nil {
		t.Fatal(err)
	}
	tr2, err := New(Config{Types: testTypes, Store: store, Opener: &plant{}})
	if err != nil {
		t.Fatal(err)
	}
	run(t, tr2)
	i, _ := tr2.Info("B/Y", nodes.Detail{Messages: true})
	if i.State != nodes.StateWarning || len(i.Messages) != 2 || i.Messages[0].Text != "the lid is loose" || i.Messages[1].Text != "seen by Ann" ||
		i.Messages[0].Time.IsZero() || i.Messages[0].EventID != "Logged 1" {
		t.Errorf("after a restart %v %+v", i.State, i.Messages)
	}
	if i, _ := tr2.Info(nodes.RootID, nodes.Detail{}); i.State != nodes.StateError {
		t.Errorf("the root is %v", i.State)
	}
	do(t, tr2, "B/Y", ClearMessages, nil)
	do(t, tr2, "B/Y", ClearMessages, nil)
	if i, _ := tr2.Info("B/Y", nodes.Detail{Messages: true}); i.State != nodes.StateNone || len(i.Messages) > 0 {
		t.Errorf("cleared %v %+v", i.State, i.Messages)
	}
	if ids, _ := readKeptShelf(tr2); fmt.Sprint(ids) != "[Root]" {
		t.Errorf("kept are those of %q", ids)
	}
}

// What a device says stays until it takes it back; it is acknowledged.
func TestAcknowledged(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	h := p.host("B")
	fault := nodes.Message{Severity: nodes.SeverityError, EventID: "Line", Text: "noise"}
	var states []nodes.State
	defer tr.Subscribe(func(e nodes.Event) { states = append(states, e.Info.State) })()
	state := func(what string, want nodes.State, messages int) {
		t.Helper()
		if i, _ := tr.Info("B/X", nodes.Detail{Messages: true}); i.State != want || len(i.Messages) != messages {
			t.Errorf("%s: %v, %+v; want %v, %d messages", what, i.State, i.Messages, want, messages)
		}
	}
	h.Fault("B/X", fault)
	tr.Fault("B/X", nodes.Message{Severity: nodes.SeverityWarning, EventID: controlEvent, Text: "was not set"})
	do(t, tr, "B/X", LogMessage, nodes.Params{"Text": nodes.String("called the fitter")})
	state("before", nodes.StateError, 3)
	do(t, tr, "B/X", ClearMessages, nil)
	state("cleared", nodes.StateErrorSigned, 1)
	h.Fault("B/X", fault)
	do(t, tr, "B/X", ClearMessages, nil)
	state("said again", nodes.StateErrorSigned, 1)
	fault.Text = "more noise"
	h.Fault("B/X", fault)
	state("something else", nodes.StateError, 1)
	h.Clear("B/X", "Line")
	state("taken back", nodes.StateNone, 0)
	h.Fault("B/X", nodes.Message{Severity: nodes.SeverityWarning, EventID: "Line", Text: "weak"})
	do(t, tr, "B/X", ClearMessages, nil)
	state("a warning", nodes.StateWarningSigned, 1)
	if want := "[error error error error (signed) error ok warning warning (signed)]"; fmt.Sprint(states) != want {
		t.Errorf("told %v, want %s", states, want)
	}
}

// The oldest goes, and what is wrong is refused.
func TestKeptBounds(t *testing.T) {
	tr := grow(t, &plant{}, &Memory{})
	for k := range maxKept + 3 {
		do(t, tr, "B", LogMessage, nodes.Params{"Text": nodes.String(fmt.Sprint("message ", k))})
	}
	i, _ := tr.Info("B", nodes.Detail{Messages: true})
	if len(i.Messages) != maxKept || i.Messages[0].Text != "message 3" {
		t.Errorf("%d messages, the first %q", len(i.Messages), i.Messages[0].Text)
	}
	for name, p := range map[string]nodes.Params{
		"none": nil, "empty": {"Text": nodes.String("")}, "blank": {"Text": nodes.String("  ")},
		"long": {"Text": nodes.String(strings.Repeat("x", maxKeptText+1))}, "type": {"Text": nodes.String("x"), "Type": nodes.Enum("Fatal", "Type")},
	} {
		if err := tr.Execute(t.Context(), "B", LogMessage, p); nodes.KindOf(err) != nodes.Invalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzReadKept(f *testing.F) {
	f.Add([]byte(`[{"time":"2026-08-20T10:11:12Z","severity":1,"event":"Logged 1","text":"loose"}]`))
	f.Add([]byte(`[{"event":"Disabled"}]`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, record []byte) {
		list, err := readKept(record)
		if err == nil && len(list) > maxKept {
			t.Errorf("%d messages", len(list))
		}
	})
}
