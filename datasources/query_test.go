package datasources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// found is what a query told.
type found struct {
	rows    []string
	columns int
	remark  nodes.Remark
	status  string
	ended   bool
}

func query(t *testing.T, c *Catalog, who nodes.Caller, id, command string) (f found, err error) {
	t.Helper()
	err = c.Query(t.Context(), who, nodes.In(id), command, nil, func(x nodes.Finding) error {
		switch x := x.(type) {
		case nodes.Table:
			f.columns = len(x.Columns)
		case nodes.Rows:
			for _, row := range x.Rows {
				if len(row) != f.columns {
					t.Errorf("a row of %d cells, %d columns", len(row), f.columns)
				}
				var cells []string
				for _, v := range row {
					cells = append(cells, v.String())
				}
				f.rows = append(f.rows, strings.Join(cells, "|"))
			}
		case nodes.TableEnd:
			f.ended = true
		case nodes.QueryStatus:
			f.status = string(x)
		case nodes.Remark:
			f.remark = x
		}
		return nil
	})
	return f, err
}

// TestReadoutReport: every value once, those that the caller may read, typed.
func TestReadoutReport(t *testing.T) {
	c, access, p, trees := grow(t)
	p.host("L").Report([]nodes.Reading{{Node: "L/U/r", MaxAge: time.Minute, Fields: []nodes.Field{
		{Name: "r", Value: nodes.Quantity(23.5, 2, "°C"), Time: time.Now().Add(-5 * time.Second), Category: nodes.Momentary}}}})
	p.host("L").Report([]nodes.Reading{{Node: "L/U", Fields: []nodes.Field{{Name: "on", Value: nodes.Bool(true), Time: time.Now(), Category: nodes.Status, QoS: nodes.Signed}}}})
	p.mu.Lock()
	p.fail = map[string]bool{"L/V/r": true}
	p.mu.Unlock()
	p.host("L").Report([]nodes.Reading{{Node: "L/V/r", Err: errors.New("cable cut")}, {Node: "L/V", Fields: []nodes.Field{{Name: "on", Value: nodes.Bool(true), Time: time.Now()}}}})
	trees[0].Fault("L/V", nodes.Message{Severity: nodes.SeverityError, EventID: "Cable", Text: "cut"})
	f, err := query(t, c, person("all"), "L", ReadoutReport)
	if err != nil || !f.ended || f.status != "2 of 2 nodes" || f.remark.Severity != nodes.SeverityWarning {
		t.Fatalf("%+v, %v", f, err)
	}
	all := strings.Join(f.rows, "\n")
	for _, want := range []string{"L/U|r|23.50|°C|good|", "L/U|on|true||signed|", "L/V||", "|cable cut||error||error"} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
	for _, row := range f.rows {
		if strings.HasPrefix(row, "L/U/r|") {
			t.Errorf("%s: a part is told twice", row)
		}
	}
	// Only what the caller may read.
	rule := Rule{Who: []string{person("guest").JID}, May: nodes.See | nodes.Read, On: []nodes.Ref{nodes.In("L/U/r")}}
	access.Replace([]Rule{rule, {Who: []string{person("looker").JID}, May: nodes.See}})
	if f, err := query(t, c, person("guest"), "L/U/r", ReadoutReport); err != nil || len(f.rows) != 1 || !strings.HasPrefix(f.rows[0], "L/U/r|r|23.50|") {
		t.Errorf("a guest is told %q, %v", f.rows, err)
	}
	if _, err := query(t, c, person("looker"), "L", ReadoutReport); nodes.KindOf(err) != nodes.Forbidden {
		t.Errorf("somebody who may only see: %v", err)
	}
	if _, err := query(t, c, person("guest"), "L/V", ReadoutReport); nodes.KindOf(err) != nodes.NotFound {
		t.Errorf("what a guest may not see: %v", err)
	}
	if form, err := c.CommandForm(person("guest"), nodes.In("L/U/r"), ReadoutReport); err != nil || form.Title != "Readout report" {
		t.Errorf("form %+v, %v", form, err)
	}
	if err := c.Execute(t.Context(), nodes.System, nodes.In("L"), ReadoutReport, nil); nodes.KindOf(err) != nodes.Invalid {
		t.Errorf("a query as a command: %v", err)
	}
	if err := c.Query(t.Context(), nodes.System, nodes.In("L"), ReadoutReport, nodes.Params{"x": nodes.Bool(true)}, nil); nodes.KindOf(err) != nodes.Invalid {
		t.Errorf("unknown parameters: %v", err)
	}
}

// TestReportsEnd: reports end within a second of the end of ctx, and with put's
// error.
func TestReportsEnd(t *testing.T) {
	c, _, _, _ := grow(t)
	for _, command := range []string{ReadoutReport, FaultReport} {
		ctx, cancel := context.WithCancel(t.Context())
		count := 0
		var since time.Time
		err := c.Query(ctx, nodes.System, nodes.In("L"), command, nil, func(nodes.Finding) error {
			if count++; count == 2 {
				cancel()
				since = time.Now()
			}
			return nil
		})
		if nodes.KindOf(err) != nodes.Gone || time.Since(since) > time.Second {
			t.Errorf("%s, aborted: %v after %v", command, err, time.Since(since))
		}
		cancel()
		enough := errors.New("enough")
		if err := c.Query(t.Context(), nodes.System, nodes.In("L"), command, nil, func(nodes.Finding) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("%s: the error of put: %v", command, err)
		}
	}
}

// TestReadoutOfHangingDevice: a readout report of a device that does not answer, nor
// heed that it is given up, is aborted within a second.
func TestReadoutOfHangingDevice(t *testing.T) {
	tr, err := tree.New(tree.Config{Types: testTypes, Store: &tree.Memory{}, Opener: deaf{}})
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(running) }()
	defer func() { stop(); <-ended }()
	if err := tr.Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "L", Type: "line"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "U", Type: "unit"}}}}}); err != nil {
		t.Fatal(err)
	}
	c := New(NewAccess(), nil, tr)
	ctx, cancel := context.WithCancel(t.Context())
	began := make(chan time.Time, 1)
	time.AfterFunc(200*time.Millisecond, func() { began <- time.Now(); cancel() })
	err = c.Query(ctx, nodes.System, nodes.In("L"), ReadoutReport, nil, func(nodes.Finding) error { return nil })
	if took := time.Since(<-began); nodes.KindOf(err) != nodes.Gone || took > time.Second {
		t.Errorf("%v after %v", err, took)
	}
}

// deaf is a device that answers nothing until it is stopped.
type deaf struct{}

type deafLine struct{ stopped chan struct{} }

func (deaf) Open(*nodes.Node, nodes.Host) (nodes.Device, error) {
	return deafLine{make(chan struct{})}, nil
}
func (deaf) Forget(string) {}

func (d deafLine) Run(ctx context.Context) error {
	<-ctx.Done()
	close(d.stopped)
	return nil
}
func (deafLine) Update(nodes.Change)                                   {}
func (d deafLine) Read(context.Context, []string, func(nodes.Reading)) { <-d.stopped }

// diary is a store that tells of its events.
type diary struct{ tree.Memory }

func (d *diary) Events(since time.Time, f func(nodes.Event) bool) error {
	for _, e := range d.Memory.Events() {
		if !e.Time.Before(since) && !f(e) {
			break
		}
	}
	return nil
}

// TestFaultReport: the nodes in error, since when, what was said last, how often.
func TestFaultReport(t *testing.T) {
	store := &diary{}
	tr, err := tree.New(tree.Config{Types: testTypes, Store: store, Opener: &plant{}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- tr.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	if err := tr.Import(t.Context(), []*nodes.Node{{Spec: nodes.Spec{Name: "F", Type: "folder"}, Children: []*nodes.Node{{Spec: nodes.Spec{Name: "A", Type: "folder"}},
		{Spec: nodes.Spec{Name: "B", Type: "folder"}}, {Spec: nodes.Spec{Name: "C", Type: "folder"}}}}}); err != nil {
		t.Fatal(err)
	}
	c := New(NewAccess(Rule{Who: []string{person("looker").JID}, May: nodes.See, On: []nodes.Ref{nodes.In("F/A")}}), nil, tr)
	if f, err := query(t, c, nodes.System, "F", FaultReport); err != nil || len(f.rows) != 0 || f.remark.Text != "None of 4 nodes is in error." {
		t.Errorf("%+v, %v", f, err)
	}
	at := func(minute int) time.Time { return time.Date(2026, 11, 23, 12, minute, 0, 0, time.UTC) }
	fail := func(id, event, text string, minute int) {
		tr.Fault(id, nodes.Message{Time: at(minute), Severity: nodes.SeverityError, EventID: event, Text: text})
	}
	for range 2 {
		fail("F/A", "Line", "noise", 1)
		tr.Clear("F/A", "Line")
	}
	fail("F/A", "Line", "noise", 2)
	fail("F/A", "Power", "no power", 4)
	fail("F/B", "Line", "cut", 3)
	tr.Fault("F/C", nodes.Message{Severity: nodes.SeverityWarning, EventID: "Lid", Text: "loose"})
	// Renamed, its history goes with it, and what waits is written.
	if err := tr.Edit(t.Context(), nodes.Edit{Node: "F/A", Name: "Z", ID: "F/Z"}); err != nil {
		t.Fatal(err)
	}
	f, err := query(t, c, nodes.System, nodes.RootID, FaultReport)
	want := []string{"F/B|error|2026-11-23T12:03:00.000Z|cut|1", "F/Z|error|2026-11-23T12:02:00.000Z|no power|3"}
	if err != nil || !slices.Equal(f.rows, want) || f.remark.Text != "2 of 5 nodes in error." || f.remark.Severity != nodes.SeverityError {
		t.Errorf("%+v, %v; want %q", f, err, want)
	}
	tr.Clear("F/Z", "Line", "Power")
	fail("F/Z", "Line", "noise", 5) // not on disk yet
	if f, err := query(t, c, nodes.System, "F/Z", FaultReport); err != nil || fmt.Sprint(f.rows) != "[F/Z|error|2026-11-23T12:05:00.000Z|noise|4]" {
		t.Errorf("%+v, %v", f, err)
	}
}
