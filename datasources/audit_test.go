package datasources

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// What is done and what is refused is noted: who, what, before and after, the outcome.
func TestAudit(t *testing.T) {
	c, _, p, _ := grow(t)
	var mu sync.Mutex
	var got []string
	c.Audit = func(r nodes.Record) {
		mu.Lock()
		defer mu.Unlock()
		if r.Time.IsZero() || r.Way != nodes.WayBroker {
			t.Errorf("got %+v", r)
		}
		got = append(got, fmt.Sprintf("%s: %s %s %s [%s > %s] %s", r.JID, r.Action, r.Ref.ID, r.What, r.Before, r.After, r.Outcome))
	}
	all, who := person("all"), func(text string) string { return "all@example.org/x: " + text }
	p.host("L").Report([]nodes.Reading{{Node: "L/U/r", Fields: []nodes.Field{{Name: "r", Value: nodes.Double(3), Time: time.Now(), Category: nodes.Momentary}}}})
	p.bad = 13
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		do   func() error
		want []string
	}{
		{"set", func() error {
			_, err := c.Set(ctx, all, []nodes.Assignment{{Ref: nodes.In("L/U/r"), Name: "r", Value: nodes.Double(7)}})
			return err
		}, []string{who("set L/U/r r [3 > 7] done")}},
		{"a secret is set", func() error {
			_, err := c.Set(ctx, all, []nodes.Assignment{{Ref: nodes.In("L/U/r"), Name: "r.key", Value: nodes.String("hush")}})
			return err
		}, []string{who("set L/U/r r.key [ > …] done")}},
		{"the device refuses", func() error {
			_, err := c.Set(ctx, all, []nodes.Assignment{{Ref: nodes.In("L/U/r"), Name: "r", Value: nodes.Double(13)}, {Ref: nodes.In("L/V/r"), Name: "r", Value: nodes.Double(1)}})
			return err
		}, []string{who("set L/U/r r [3 > 13] refused: valve stuck"), who("set L/V/r r [ > 1] skipped")}},
		{"a wrong value", func() error {
			c.Set(ctx, all, []nodes.Assignment{{Ref: nodes.In("L/U/r"), Name: "r", Value: nodes.Double(1000)}})
			return nil
		}, []string{who("set L/U/r r [3 > 1000] not tried: wrong: r")}},
		{"edit", func() error {
			_, err := c.Edit(ctx, all, []nodes.Ref{nodes.In("L")}, nodes.Edit{Name: "Line", Params: nodes.Params{"Port": nodes.Int32(8), "Key": nodes.String("new")}})
			return err
		}, []string{who("edit L Name [L > Line] done"), who("edit L Port [7 > 8] done"), who("edit L Key [… > …] done")}},
		{"create and remove", func() error {
			if _, err := c.Create(ctx, all, nodes.NewNode{Parent: nodes.In("L"), Type: "unit", Name: "W"}); err != nil {
				return err
			}
			return c.Destroy(ctx, all, nodes.In("L/W"))
		}, []string{who("create L/W W [ > unit] done"), who("remove L/W W [unit > ] done")}},
		{"a command", func() error {
			return c.Execute(ctx, all, nodes.In("L/U"), "Move", nodes.Params{"To": nodes.Int32(3), "Pin": nodes.String("1234")})
		}, []string{who("command L/U Move [ > To=3 Pin=…] done")}},
		{"listen", func() error {
			s, err := c.Sniff(all, nodes.In("L"), time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))
			if err == nil {
				s.Close()
			}
			return err
		}, []string{who("listen L until 2030-01-01T00:00:00Z [ > ] done")}},
		{"may not", func() error {
			for range 5 {
				c.Destroy(ctx, person("reader"), nodes.In("L"))
			}
			return nil
		}, []string{"reader@example.org/x: refused L destroy [ > ] may not configure"}},
		{"a stranger", func() error {
			for range 5 {
				c.Node(person("stranger"), nodes.In("L"), nodes.Detail{})
			}
			return nil
		}, []string{"stranger@example.org/x: refused  get [ > ] a stranger"}},
		{"the hub itself", func() error { return c.Destroy(ctx, nodes.System, nodes.In("F")) }, nil},
	} {
		got = nil
		if err := tt.do(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", tt.want) {
			t.Errorf("%s: got\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}

// Whoever is refused cannot push out the audit.
func TestRefusalsAreBounded(t *testing.T) {
	c, _, _, _ := grow(t)
	n := 0
	c.Audit = func(nodes.Record) { n++ }
	for i := range 1000 {
		c.Node(person("stranger"), nodes.Ref{Source: fmt.Sprint("s", i), ID: "L"}, nodes.Detail{})
		c.Destroy(t.Context(), person("reader"), nodes.In(fmt.Sprint("L/", i)))
		c.Destroy(t.Context(), person(fmt.Sprint("p", i)), nodes.In("L"))
	}
	if n != maxRefusals {
		t.Errorf("%d records, want %d", n, maxRefusals)
	}
}
