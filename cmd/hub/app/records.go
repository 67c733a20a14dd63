package app

import (
	"github.com/fieldhub/hub/nodes"
)

// records shows what a query finds as JSON, one object a line. A file is in it as
// base64, or written where --out says.
type records struct {
	p      *program
	files  *destination
	tables map[string][]string // ids of the columns
}

type findingLine struct {
	Kind    string         `json:"kind"`
	Text    string         `json:"text,omitempty"`
	Table   string         `json:"table,omitempty"`
	Name    string         `json:"name,omitempty"`
	Columns []columnLine   `json:"columns,omitempty"`
	Cells   map[string]any `json:"cells,omitempty"`
	Type    string         `json:"type,omitempty"`
	File    string         `json:"file,omitempty"`
	Data    []byte         `json:"data,omitempty"`
	Level   string         `json:"severity,omitempty"`
}

type columnLine struct {
	ID     string `json:"id"`
	Header string `json:"header,omitempty"`
}

func (r *records) put(f nodes.Finding) error {
	var l findingLine
	switch f := f.(type) {
	case nodes.QueryTitle:
		l = findingLine{Kind: "title", Text: string(f)}
	case nodes.QueryStatus:
		l = findingLine{Kind: "status", Text: string(f)}
	case nodes.Section:
		l = findingLine{Kind: "section", Text: string(f)}
	case nodes.SectionEnd:
		l = findingLine{Kind: "section end"}
	case nodes.Table:
		l = findingLine{Kind: "table", Table: f.ID, Name: f.Name}
		ids := make([]string, len(f.Columns))
		for i, c := range f.Columns {
			ids[i] = c.ID
			l.Columns = append(l.Columns, columnLine{c.ID, c.Header})
		}
		if r.tables == nil {
			r.tables = make(map[string][]string)
		}
		r.tables[f.ID] = ids
	case nodes.Rows:
		return r.rows(f)
	case nodes.TableEnd:
		delete(r.tables, string(f))
		l = findingLine{Kind: "table end", Table: string(f)}
	case nodes.Object:
		l = findingLine{Kind: "file", Name: f.Name, Type: f.ContentType, Data: f.Data}
		if r.files.path != "" {
			var err error
			if l.File, err = r.files.write(&f); err != nil {
				return err
			}
			l.Data = nil
		}
	case nodes.Remark:
		l = findingLine{Kind: "remark", Level: severity(f.Severity), Text: f.Text}
	default:
		return nil
	}
	return line(r.p.out, l)
}

func (r *records) rows(f nodes.Rows) error {
	columns := r.tables[f.Table]
	for _, row := range f.Rows {
		l := findingLine{Kind: "row", Table: f.Table, Cells: make(map[string]any, len(row))}
		for i, v := range row {
			if i < len(columns) && !v.IsZero() {
				l.Cells[columns[i]] = plainValue(v)
			}
		}
		if err := line(r.p.out, l); err != nil {
			return err
		}
	}
	return nil
}

func (r *records) end() error { return nil }
