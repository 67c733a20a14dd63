package adaptertest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/fieldhub/hub/nodes"
)

// Findings records what a query puts, and what of it breaks the contract. Safe for
// concurrent use.
type Findings struct {
	mu       sync.Mutex
	take     nodes.Put // may be nil
	list     []nodes.Finding
	texts    []string       // of each, when it was put
	tables   map[string]int // columns of the tables, -1 when complete
	open     []string       // tables that are not complete
	sections int            // that are open
	busy     bool
	refused  error // of take
	closed   bool
	problems []string
}

// NewFindings makes a recorder; take, when there is one, is called with each
// finding and may refuse more, as whoever waits for the query.
func NewFindings(take nodes.Put) *Findings {
	return &Findings{take: take, tables: make(map[string]int)}
}

// Put takes a finding, as Query's put.
func (f *Findings) Put(x nodes.Finding) error {
	f.mu.Lock()
	if f.busy {
		f.problem("a finding was put while another was")
	}
	switch {
	case f.closed:
		f.problem("%T was put after Query had returned", x)
	case f.refused != nil:
		f.problem("%T was put after put had failed", x)
	}
	f.busy = true
	f.list = append(f.list, x)
	f.texts = append(f.texts, fmt.Sprint(x))
	f.check(x)
	f.mu.Unlock()
	var err error
	if f.take != nil {
		err = f.take(x)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy = false
	if err != nil {
		f.refused = err
	}
	return err
}

// check looks at a finding as the contract wants it.
func (f *Findings) check(x nodes.Finding) {
	switch x := x.(type) {
	case nil:
		f.problem("nothing was put")
	case nodes.Section:
		f.sections++
		if x == "" {
			f.problem("a section without a header")
		}
	case nodes.SectionEnd:
		if f.sections--; f.sections < 0 {
			f.problem("the end of a section that was not open")
		}
	case nodes.Table:
		f.checkTable(&x)
	case nodes.Rows:
		n, known := f.tables[x.Table]
		if !known || n < 0 {
			f.problem("rows of the table %q, which is not open", x.Table)
		}
		for i, row := range x.Rows {
			if known && n >= 0 && len(row) != n {
				f.problem("table %q: row %d has %d cells, want %d", x.Table, i, len(row), n)
			}
		}
		if len(x.Rows) == 0 {
			f.problem("table %q: no rows", x.Table)
		}
	case nodes.TableEnd:
		if n, known := f.tables[string(x)]; !known || n < 0 {
			f.problem("the end of the table %q, which is not open", x)
		}
		f.tables[string(x)] = -1
		f.open = slices.DeleteFunc(f.open, func(id string) bool { return id == string(x) })
	case nodes.Object:
		if x.ContentType == "" || len(x.Data) == 0 {
			f.problem("an object without content type or data")
		}
	case nodes.Remark:
		if x.Text == "" {
			f.problem("a remark without text")
		}
	case nodes.QueryTitle:
		if x == "" {
			f.problem("an empty title")
		}
	}
}

func (f *Findings) checkTable(x *nodes.Table) {
	if _, known := f.tables[x.ID]; known || x.ID == "" {
		f.problem("the id %q of a table is empty or not unique", x.ID)
	}
	if x.Name == "" || len(x.Columns) == 0 {
		f.problem("table %q has no name or no columns", x.ID)
	}
	seen := make(map[string]bool)
	for _, c := range x.Columns {
		if c.ID == "" || seen[c.ID] {
			f.problem("table %q: the id %q of a column is empty or not unique", x.ID, c.ID)
		}
		seen[c.ID] = true
	}
	f.tables[x.ID] = len(x.Columns)
	f.open = append(f.open, x.ID)
}

// Close says that Query has returned, and returns the findings and what broke the
// contract. After a query that is done all tables and sections must be complete.
func (f *Findings) Close(done bool) ([]nodes.Finding, []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for i, x := range f.list {
		if fmt.Sprint(x) != f.texts[i] {
			f.problem("%T was changed after it was put: the receiver may keep it", x)
		}
	}
	if done && (len(f.open) > 0 || f.sections > 0) {
		f.problem("%d sections and the tables %q are not complete at the end", f.sections, f.open)
	}
	return slices.Clone(f.list), slices.Clone(f.problems)
}

// Problems returns what broke the contract so far, also after Close.
func (f *Findings) Problems() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.problems)
}

func (f *Findings) problem(format string, a ...any) {
	if len(f.problems) < 20 {
		f.problems = append(f.problems, fmt.Sprintf(format, a...))
	}
}
