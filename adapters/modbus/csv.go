package modbus

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

// registerList is a list of registers as integrators keep them in spreadsheets.
type registerList struct {
	rows    []listedRegister
	flaws   []flaw
	remarks []string // what was left out, and what was decided
	guessed int      // rows whose address was taken for a reference
	guess   string   // the first of these
}

// listedRegister is a register as a row describes it.
type listedRegister struct {
	line   int
	name   string
	params nodes.Params // without defaults
}

// flaw is something wrong in a row.
type flaw struct {
	line               int
	name, column, text string
}

// notation is what the numbers in an address column mean.
type notation string

const (
	asWritten  notation = "auto"      // five or six digits are a reference where the table fits, others count from 0
	references notation = "reference" // 40108 is holding register 107
	fromZero   notation = "zero"
	fromOne    notation = "one"
)

// listDefaults are what a list does not say itself.
type listDefaults struct {
	table    wire.Table // of rows that name none; 0: none
	notation notation
}

// headerWithin is how many lines may stand above the header.
const headerWithin = 20

// readRegisterList reads a list: with commas, semicolons, tabs or bars between the
// columns, which have headers in any order and in several spellings. Every flaw
// names its line; lines count from 1, as in an editor.
func readRegisterList(text string, d listDefaults) registerList {
	var l registerList
	text = strings.TrimPrefix(text, "\ufeff")
	skipped := 0
	if first, rest, _ := strings.Cut(text, "\n"); strings.HasPrefix(strings.ToLower(first), "sep=") {
		text, skipped = rest, 1
	}
	records, lines, err := readCSV(text, separator(text))
	for i := range lines {
		lines[i] += skipped
	}
	var syntax *csv.ParseError
	if errors.As(err, &syntax) {
		l.flaws = append(l.flaws, flaw{line: syntax.StartLine + skipped, text: "the quotation marks are wrong: write \"\" for one within a quoted cell, and close each"})
		return l
	}
	h, at := findHeader(records)
	if h == nil {
		l.flaws = append(l.flaws, flaw{line: 1, text: "there is no header: the first lines name no column for the address, such as Address or Reference"})
		return l
	}
	if !h.has(nameColumn) && !h.has(descriptionColumn) {
		l.flaws = append(l.flaws, flaw{line: lines[at], text: "there is no column for the name, such as Name or Tag"})
		return l
	}
	if len(h.unknown) > 0 {
		l.remarks = append(l.remarks, "columns that are not used: "+strings.Join(h.unknown, ", "))
	}
	used := make(map[string]int) // lines, by name
	var headings []string
	for i := at + 1; i < len(records); i++ {
		r := row{h: h, cells: records[i], line: lines[i]}
		switch filled := r.filled(); {
		case filled == 0:
			continue
		case filled == 1 && !r.said(placeColumn, hexColumn, "Reference"):
			headings = append(headings, fmt.Sprint(r.line))
			continue
		}
		x := l.register(&r, d)
		if n := used[x.name]; n > 0 && x.name != "" {
			l.flaw(&r, nameColumn, fmt.Sprintf("line %d has this name already: names are unique within a unit", n))
		}
		used[x.name] = r.line
		l.rows = append(l.rows, x)
	}
	if len(headings) > 0 {
		l.remarks = append(l.remarks, "lines taken for headings, since only one cell is filled: "+strings.Join(headings, ", "))
	}
	if l.guessed > 0 {
		l.remarks = append(l.remarks, fmt.Sprintf("addresses such as %s were read as references, which count from 1, on %d lines; say Addresses=zero when they are meant as they stand", l.guess, l.guessed))
	}
	slices.SortStableFunc(l.flaws, func(a, b flaw) int { return cmp.Compare(a.line, b.line) })
	return l
}

func (l *registerList) flaw(r *row, column, text string) {
	l.flaws = append(l.flaws, flaw{r.line, r.name(), r.h.header(column), text})
}

// register reads one row.
func (l *registerList) register(r *row, d listDefaults) listedRegister {
	x := listedRegister{line: r.line, name: r.name(), params: make(nodes.Params)}
	before := len(l.flaws)
	if x.name == "" {
		l.flaw(r, nameColumn, "the register has no name")
	}
	wrong := func(column string, err error) bool {
		if err != nil {
			l.flaw(r, column, err.Error())
		}
		return err != nil
	}
	at, err := r.place(d)
	if !wrong(cmp.Or(at.column, placeColumn), err) {
		at.put(x.params)
		if at.guessed {
			l.guessed++
			l.guess = cmp.Or(l.guess, at.cell)
		}
	}
	if column, err := r.typed(x.params, at.table, at.count); err != nil {
		wrong(column, err)
	}
	for _, p := range registerParams() {
		if _, done := x.params[p.ID]; done || placed[p.ID] {
			continue
		}
		s := r.get(p.ID)
		if s == "" {
			continue
		}
		if s, err = plainCell(p, s, r.h.unit(p.ID)); wrong(p.ID, err) {
			continue
		}
		if p.ID == "Scale" && strings.HasPrefix(s, "/") { // 1/10
			x.params["Divisor"], err = param.Parse(nodes.Param{Kind: nodes.KindDouble}, s[1:])
			wrong(p.ID, err)
			continue
		}
		v, err := param.Parse(p, s)
		if !wrong(p.ID, err) && !v.IsZero() {
			x.params[p.ID] = v
		}
	}
	if len(l.flaws) > before {
		return x
	}
	full, bad := param.Check(registerParams(), x.params)
	if len(bad) == 0 {
		bad = checkRegister(full)
	}
	for _, p := range registerParams() {
		if text := bad[p.ID]; text != "" {
			column := p.ID
			if !r.h.has(column) && (p.ID == "Table" || p.ID == "Address" || p.ID == "Reference") {
				column = placeColumn
			}
			l.flaw(r, column, text)
		}
	}
	return x
}

// separator returns the character that splits the lines of a list best.
func separator(text string) rune {
	best, most := ',', 0
	for _, c := range []rune{',', ';', '\t', '|'} {
		n, line := 0, 0
		for s := range strings.SplitSeq(text, "\n") {
			if s = strings.TrimSpace(s); s == "" || s[0] == '#' {
				continue
			}
			n = max(n, columnsKnown(strings.Split(s, string(c))))
			if line++; line == headerWithin {
				break
			}
		}
		if n > most {
			best, most = c, n
		}
	}
	return best
}

func columnsKnown(cells []string) int {
	n := 0
	for _, s := range cells {
		if c, _ := columnOf(strings.Trim(s, `" `)); c != "" {
			n++
		}
	}
	return n
}

// readCSV returns the records and the lines that they begin on. Lines that begin
// with # are comments. Quotation marks within a cell that is not quoted stay.
func readCSV(text string, separator rune) (records [][]string, lines []int, err error) {
	for _, lazy := range []bool{false, true} {
		records, lines = nil, nil
		c := csv.NewReader(strings.NewReader(text))
		c.Comma, c.Comment, c.FieldsPerRecord, c.TrimLeadingSpace, c.LazyQuotes = separator, '#', -1, separator != '\t', lazy
		for {
			var record []string
			if record, err = c.Read(); err != nil {
				break
			}
			line, _ := c.FieldPos(0)
			records, lines = append(records, record), append(lines, line)
		}
		if !errors.Is(err, csv.ErrBareQuote) { // an inch, perhaps
			break
		}
	}
	if err == io.EOF {
		err = nil
	}
	return records, lines, err
}

// header is what the columns hold.
type header struct {
	columns []string // what each holds; empty: not used
	units   []string
	texts   []string
	unknown []string
}

// findHeader returns the first of the records that names a column for addresses
// and one more, with its index.
func findHeader(records [][]string) (*header, int) {
	for i, record := range records[:min(len(records), headerWithin)] {
		h := &header{texts: record}
		known := 0
		for _, s := range record {
			c, unit := columnOf(s)
			if have := slices.Index(h.columns, c); c != "" && have >= 0 {
				c = h.settle(have, s)
			}
			if c != "" {
				known++
			} else if s = strings.TrimSpace(s); s != "" {
				h.unknown = append(h.unknown, s)
			}
			h.columns, h.units = append(h.columns, c), append(h.units, unit)
		}
		if known > 1 && (h.has(placeColumn) || h.has(hexColumn) || h.has("Reference")) {
			return h, i
		}
	}
	return nil, 0
}

// settle decides between a column that is there already and another header that
// means the same, and returns what the new one is: of Type and Data type, the former
// is often the kind of register; of Register and Address, the former often the name.
// Else the first counts.
func (h *header) settle(have int, text string) string {
	column, old, word := h.columns[have], headerWord(h.texts[have]), headerWord(text)
	other := ""
	switch {
	case column == "Type" && !h.has("Table"):
		other = "Table"
	case column == placeColumn && !h.has(nameColumn):
		other = nameColumn
	}
	plain := map[string]bool{"type": true, "typ": true, "register": true, "reg": true}
	switch {
	case plain[old]:
		h.columns[have] = other
		return column
	case plain[word]:
		return other
	}
	return ""
}

func (h *header) has(column string) bool { return slices.Contains(h.columns, column) }

func (h *header) unit(column string) string {
	if i := slices.Index(h.columns, column); i >= 0 {
		return h.units[i]
	}
	return ""
}

// header returns how the list calls a column.
func (h *header) header(column string) string {
	if i := slices.Index(h.columns, column); i >= 0 {
		return strings.TrimSpace(h.texts[i])
	}
	return column
}

// row is a row of a list.
type row struct {
	h     *header
	cells []string
	line  int
}

// get returns a cell without blanks around it.
func (r *row) get(column string) string {
	if i := slices.Index(r.h.columns, column); i >= 0 && i < len(r.cells) {
		return strings.TrimSpace(r.cells[i])
	}
	return ""
}

func (r *row) said(columns ...string) bool {
	return slices.ContainsFunc(columns, func(c string) bool { return r.get(c) != "" })
}

func (r *row) filled() int {
	n := 0
	for _, s := range r.cells {
		if strings.TrimSpace(s) != "" {
			n++
		}
	}
	return n
}

func (r *row) name() string { return cmp.Or(r.get(nameColumn), r.get(descriptionColumn)) }
