package app

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/fieldhub/hub/nodes"
)

// report shows what a query finds as text, as it comes: headings for the title and
// sections, aligned rows, remarks on standard error. What the query is doing stands
// in the last line of a terminal. A file goes where --out says; when it is all that
// there is, to standard output.
type report struct {
	out, err io.Writer
	files    *destination
	screen   bool // standard error is a terminal, so that the status is shown
	plain    bool // standard output is no terminal: a file goes there as it is

	title    string   // not yet printed
	headings []string // of open sections; those from printed on are not yet printed
	printed  int
	any      bool   // something was printed
	status   string // that is shown
	tables   map[string]*grid
	current  *grid          // whose rows came last
	held     []nodes.Object // files that may be all there is
	lost     int            // files that were not written
}

// grid is an open table.
type grid struct {
	table  nodes.Table
	widths []int
	headed bool // its header was printed
}

func newReport(p *program, files *destination) *report {
	return &report{out: p.out, err: p.err, files: files, screen: isTerminal(p.err), plain: !isTerminal(p.out), tables: make(map[string]*grid)}
}

func (r *report) put(f nodes.Finding) error {
	switch f := f.(type) {
	case nodes.QueryTitle:
		r.title = string(f)
	case nodes.QueryStatus:
		r.show(string(f))
	case nodes.Section:
		r.headings = append(r.headings, string(f))
	case nodes.SectionEnd:
		if n := len(r.headings); n > 0 {
			r.headings = r.headings[:n-1]
			r.printed = min(r.printed, n-1)
			r.current = nil
		}
	case nodes.Table:
		r.tables[f.ID] = &grid{table: f}
	case nodes.Rows:
		return r.rows(f)
	case nodes.TableEnd:
		return r.endTable(string(f))
	case nodes.Object:
		return r.object(f)
	case nodes.Remark:
		return r.remark(f)
	}
	return nil
}

// show puts the status in the last line.
func (r *report) show(status string) {
	if !r.screen {
		return
	}
	const most = 78
	status = strings.ReplaceAll(clean(status), "\n", " ")
	if utf8.RuneCountInString(status) > most {
		status = string([]rune(status)[:most-1]) + "…"
	}
	r.status = status
	fmt.Fprintf(r.err, "\r\x1b[K%s", status)
}

// print prints whole lines above the status.
func (r *report) print(out io.Writer, text string) error {
	if r.status != "" {
		fmt.Fprint(r.err, "\r\x1b[K")
	}
	_, err := io.WriteString(out, text)
	if r.status != "" {
		fmt.Fprint(r.err, r.status)
	}
	return err
}

// heading is what has to stand before something in the present section.
func (r *report) heading() string {
	var b strings.Builder
	if r.title != "" {
		if r.any {
			b.WriteByte('\n')
		}
		b.WriteString(oneLine(r.title) + "\n")
		r.title, r.any = "", true
	}
	for ; r.printed < len(r.headings); r.printed++ {
		if r.any {
			b.WriteByte('\n')
		}
		b.WriteString(strings.Repeat("#", r.printed+1) + " " + oneLine(r.headings[r.printed]) + "\n")
		r.any = true
	}
	return b.String()
}

func oneLine(text string) string { return strings.ReplaceAll(clean(text), "\n", " ") }

// rows prints rows; they widen the columns for those that follow.
func (r *report) rows(f nodes.Rows) error {
	g := r.tables[f.Table]
	if g == nil {
		return nil // of no table
	}
	cells := make([][]string, len(f.Rows))
	for i, row := range f.Rows {
		cells[i] = g.cells(row)
		g.widen(cells[i])
	}
	var b strings.Builder
	r.head(&b, g)
	for i, row := range cells {
		g.line(&b, row, f.Rows[i])
	}
	return r.print(r.out, b.String())
}

// head writes what stands above the rows of a table, unless they follow others of
// it.
func (r *report) head(b *strings.Builder, g *grid) {
	b.WriteString(r.heading())
	if r.current == g && g.headed {
		return
	}
	r.current = g
	if r.any {
		b.WriteByte('\n')
	}
	r.any = true
	if g.table.Name != "" {
		b.WriteString(oneLine(g.table.Name) + "\n")
	}
	header := make([]string, len(g.table.Columns))
	named := false
	for i, c := range g.table.Columns {
		if header[i] = c.Header; header[i] == "" {
			header[i] = c.ID
		}
		header[i] = strings.ToUpper(oneLine(header[i]))
		named = named || header[i] != ""
	}
	g.widen(header)
	g.headed = true
	if named {
		g.line(b, header, nil)
	}
}

// endTable forgets a table; one without rows shows its header all the same.
func (r *report) endTable(id string) error {
	g := r.tables[id]
	delete(r.tables, id)
	if g == nil {
		return nil
	}
	if g.headed {
		return nil
	}
	var b strings.Builder
	r.head(&b, g)
	b.WriteString("(none)\n")
	return r.print(r.out, b.String())
}

// cells are the texts of a row.
func (g *grid) cells(row []nodes.Value) []string {
	out := make([]string, len(row))
	for i, v := range row {
		if i < len(g.table.Columns) {
			if d := g.table.Columns[i].Decimals; d > 0 && v.Kind() == nodes.KindDouble {
				v = nodes.Quantity(v.Double(), int(d), v.Unit())
			}
		}
		out[i] = oneLine(v.String())
	}
	return out
}

func (g *grid) widen(cells []string) {
	for i, c := range cells {
		n := utf8.RuneCountInString(c)
		if i == len(g.widths) {
			g.widths = append(g.widths, n)
		}
		g.widths[i] = max(g.widths[i], n)
	}
}

// line writes a row, or the header when there are no values.
func (g *grid) line(b *strings.Builder, cells []string, values []nodes.Value) {
	var l strings.Builder
	for i, c := range cells {
		if i > 0 {
			l.WriteString("  ")
		}
		align := nodes.AlignLeft
		if i < len(g.table.Columns) {
			align = g.table.Columns[i].Align
		}
		space := g.widths[i] - utf8.RuneCountInString(c)
		left := 0
		switch align {
		case nodes.AlignRight:
			left = space
		case nodes.AlignCenter:
			left = space / 2
		}
		l.WriteString(strings.Repeat(" ", left) + c + strings.Repeat(" ", space-left))
	}
	b.WriteString(strings.TrimRight(l.String(), " ") + "\n")
}

var severities = [...]string{nodes.SeverityInformation: "", nodes.SeverityWarning: "warning: ", nodes.SeverityError: "error: "}

func (r *report) remark(f nodes.Remark) error {
	prefix := ""
	if int(f.Severity) < len(severities) {
		prefix = severities[f.Severity]
	}
	return r.print(r.err, prefix+clean(f.Text)+"\n")
}

// object keeps a file or writes it.
func (r *report) object(o nodes.Object) error {
	if n := len(r.headings); n > 0 && r.printed < n && r.headings[n-1] == o.Name {
		r.printed = n // the section only names the file
	}
	switch {
	case r.files.path != "":
		path, err := r.files.write(&o)
		if err != nil {
			return err
		}
		return r.print(r.err, fmt.Sprintf("%s, %d bytes, written to %s\n", fileName(&o), len(o.Data), path))
	case len(r.held) > 0:
		r.lost++
		return r.remark(nodes.Remark{Severity: nodes.SeverityWarning, Text: fileName(&o) + " was left out; name a folder with --out"})
	}
	r.held = append(r.held, o)
	return nil
}

// fileName names a file for people.
func fileName(o *nodes.Object) string {
	name := o.Name
	if name == "" {
		name = "a file"
	}
	return oneLine(name + " (" + o.ContentType + ")")
}

func (r *report) end() error {
	if r.status != "" {
		fmt.Fprint(r.err, "\r\x1b[K")
		r.status = ""
	}
	for _, g := range r.tables { // that the query left open
		if !g.headed {
			if err := r.endTable(g.table.ID); err != nil {
				return err
			}
		}
	}
	if len(r.held) > 0 {
		o := &r.held[0]
		text := strings.HasPrefix(o.ContentType, "text/")
		switch {
		case r.any || r.lost > 0 || !r.plain && !text:
			return r.remark(nodes.Remark{Severity: nodes.SeverityWarning, Text: fmt.Sprintf("%s, %d bytes, was left out; name a file with --out", fileName(o), len(o.Data))})
		case r.plain:
			_, err := r.out.Write(o.Data)
			return err
		}
		_, err := io.WriteString(r.out, strings.TrimSuffix(clean(strings.ReplaceAll(string(o.Data), "\r\n", "\n")), "\n")+"\n")
		return err
	}
	if r.title != "" && r.files.used == 0 {
		return r.print(r.out, r.heading())
	}
	return nil
}
