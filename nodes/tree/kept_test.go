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
