package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// clean is a text as a terminal may be given it: no device's and no hub's text moves
// the cursor.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// line prints an object as one line of JSON.
func line(out io.Writer, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = out.Write(append(b, '\n'))
	return err
}

// nodeLine is a node in JSON.
type nodeLine struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Parent     string         `json:"parent,omitempty"`
	Type       string         `json:"type"`
	State      string         `json:"state"`
	Readable   bool           `json:"readable,omitempty"`
	Sniffable  bool           `json:"sniffable,omitempty"`
	Parameters map[string]any `json:"parameters,omitempty"`
	Messages   []messageLine  `json:"messages,omitempty"`
}

type messageLine struct {
	Time string `json:"time"`
	Type string `json:"type"`
	ID   string `json:"id"`
	Text string `json:"text"`
}

const timeFormat = "2006-01-02T15:04:05.000Z"

func lineOf(i nodes.Info) nodeLine {
	l := nodeLine{ID: i.Ref.ID, Name: i.Name, Parent: i.Parent.ID, Type: i.Type, State: i.State.String(), Readable: i.Readable, Sniffable: i.Sniffable}
	for _, p := range i.Properties {
		if l.Parameters == nil {
			l.Parameters = make(map[string]any)
		}
		l.Parameters[p.ID] = plainValue(p.Value)
	}
	for _, m := range i.Messages {
		l.Messages = append(l.Messages, messageLine{m.Time.UTC().Format(timeFormat), severity(m.Severity), m.EventID, m.Text})
	}
	return l
}

func severity(s nodes.Severity) string {
	return [...]string{"information", "warning", "error"}[min(int(s), 2)]
}

// plainValue is a value as JSON has it.
func plainValue(v nodes.Value) any {
	switch v.Kind() {
	case nodes.KindBool:
		return v.Bool()
	case nodes.KindInt32, nodes.KindInt64:
		return v.Int()
	case nodes.KindDouble:
		if d := v.Decimals(); d >= 0 {
			return json.Number(nodes.Quantity(v.Double(), d, "").String())
		}
		return v.Double()
	}
	return v.String()
}

type lsCmd struct {
	Node      string `arg:"" optional:"" help:"Id or path of the node whose children are listed; the root when left out."`
	Recursive bool   `short:"r" help:"All below it."`
}

func (c *lsCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		ref := nodes.In(nodes.RootID)
		var err error
		if c.Node != "" {
			if ref, err = s.find(ctx, c.Node); err != nil {
				return err
			}
		}
		t := table{}
		if !p.options.JSON {
			t = newTable(p.out, "NAME", "TYPE", "STATE", "ID")
		}
		if err := c.list(ctx, p, s, t, ref, ""); err != nil {
			return err
		}
		if p.options.JSON {
			return nil
		}
		return t.end()
	})
}

func (c *lsCmd) list(ctx context.Context, p *program, s *client, t table, ref nodes.Ref, indent string) error {
	list, err := s.nodes.Children(ctx, ref, nodes.Detail{Messages: p.options.JSON})
	if err != nil {
		return err
	}
	for _, i := range list {
		if p.options.JSON {
			if err := line(p.out, lineOf(i)); err != nil {
				return err
			}
		} else {
			t.cells(cell{text: indent + i.Name}, cell{text: i.Type}, stateCell(i.State), cell{text: i.Ref.String()})
		}
		if c.Recursive && i.HasChildren {
			if err := c.list(ctx, p, s, t, i.Ref, indent+"  "); err != nil {
				return err
			}
		}
	}
	return nil
}

type showCmd struct {
	Node string `arg:"" optional:"" help:"Id or path of the node; the root when left out."`
}

func (c *showCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		ref := nodes.In(nodes.RootID)
		var err error
		if c.Node != "" {
			if ref, err = s.find(ctx, c.Node); err != nil {
				return err
			}
		}
		i, err := s.nodes.Node(ctx, ref, nodes.Detail{Properties: true, Messages: true})
		if err != nil {
			return err
		}
		if p.options.JSON {
			return line(p.out, lineOf(i))
		}
		t := newTable(p.out, "id", i.Ref.ID)
		t.row("name", i.Name)
		t.row("type", i.Type+", "+i.TypeTitle)
		t.cells(cell{text: "state"}, stateCell(i.State))
		if !i.LastChanged.IsZero() {
			t.row("changed", i.LastChanged.UTC().Format(timeFormat))
		}
		for _, x := range i.Properties {
			t.row(x.ID, x.Value.String())
		}
		for _, m := range i.Messages {
			t.cells(cell{severity(m.Severity), severityStyles[min(int(m.Severity), 2)]}, cell{text: "since " + m.Time.UTC().Format(timeFormat) + ": " + m.Text})
		}
		return t.end()
	})
}

type typesCmd struct {
	Parent string `arg:"" optional:"" help:"Id or path of the node below which to add; the root when left out."`
}

func (c *typesCmd) Run(p *program) error {
	return p.with(func(ctx context.Context, s *client) error {
		ref := nodes.In(nodes.RootID)
		var err error
		if c.Parent != "" {
			if ref, err = s.find(ctx, c.Parent); err != nil {
				return err
			}
		}
		list, err := s.nodes.Addable(ctx, ref)
		if err != nil {
			return err
		}
		for n, t := range list {
			f, err := s.nodes.NewForm(ctx, ref, t.Name)
			if err != nil {
				return err
			}
			if p.options.JSON {
				var ids []string
				for _, x := range f.Params {
					ids = append(ids, x.ID)
				}
				if err := line(p.out, map[string]any{"type": t.Name, "title": t.Title, "parameters": ids}); err != nil {
					return err
				}
				continue
			}
			if n > 0 {
				fmt.Fprintln(p.out)
			}
			fmt.Fprintf(p.out, "%s: %s\n", t.Name, t.Title)
			w := newTable(p.out, "  PARAMETER", "DEFAULT", "WHAT TO WRITE")
			for _, x := range f.Params {
				value := param.Format(x, f.Values[x.ID])
				if x.Required && value == "" {
					value = "(required)"
				}
				w.row("  "+x.ID, value, param.Wanted(x)+sentence(x.Description))
			}
			if err := w.end(); err != nil {
				return err
			}
		}
		return nil
	})
}

func sentence(text string) string {
	if text == "" {
		return ""
	}
	return ". " + text
}

// age is how long ago something was, in short.
func age(t time.Time, now time.Time) string {
	d := now.Sub(t)
	switch {
	case d < 0:
		return "0s"
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0fm", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}
