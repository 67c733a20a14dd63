package concentrator

import (
	"encoding/base64"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

// How much of a finding is sent.
const (
	// MaxObject is how many bytes an object may have. The schema knows no way to
	// send one in parts; a larger one is left out, and a message says so.
	MaxObject = maxPart/4*3 - 1024

	maxPart    = MaxAnswer - 8<<10 // bytes of the elements of one message; its head is shorter than the rest
	maxBatch   = 64 << 10          // bytes that findings are gathered to
	maxCells   = 4096              // of a row, and columns of a table
	maxOpen    = 64                // tables and sections that are open at a time
	maxTableID = 256
	maxCaption = 1 << 10 // bytes of titles, headers, identities and states
	maxRemark  = 8 << 10 // bytes of a message
)

// report spells findings as children of queryProgress. It keeps what is open, so
// that what clients get is always closed.
type report struct {
	tables   []string // that are open
	sections int      // that are open
}

// spell appends a finding, and returns what of it is left for the next call when it
// would be longer than a batch. The error is for whoever found it: rows without a
// table, or too much that is open.
func (r *report) spell(b []byte, f nodes.Finding) ([]byte, nodes.Finding, error) {
	switch f := f.(type) {
	case nodes.QueryTitle:
		b = wire.AppendAttr(append(b, "<title"...), "name", shorten(string(f), maxCaption))
	case nodes.QueryStatus:
		b = wire.AppendAttr(append(b, "<status"...), "message", shorten(string(f), maxCaption))
	case nodes.Section:
		if r.sections == maxOpen {
			return b, nil, fmt.Errorf("a query opens more than %d sections in each other", maxOpen)
		}
		r.sections++
		b = wire.AppendAttr(append(b, "<beginSection"...), "header", shorten(string(f), maxCaption))
	case nodes.SectionEnd:
		if r.sections == 0 {
			return b, nil, nil
		}
		r.sections--
		b = append(b, "<endSection"...)
	case nodes.Table:
		switch {
		case f.ID == "" || len(f.ID) > maxTableID || slices.Contains(r.tables, f.ID):
			return b, nil, fmt.Errorf("a query opens the table %q, which is open already or no id for one", clip(f.ID))
		case len(r.tables) == maxOpen:
			return b, nil, fmt.Errorf("a query has more than %d tables open", maxOpen)
		}
		r.tables = append(r.tables, f.ID)
		return appendTable(b, &f), nil, nil
	case nodes.Rows:
		if !slices.Contains(r.tables, f.Table) {
			return b, nil, fmt.Errorf("a query finds rows of the table %q, which is not open", clip(f.Table))
		}
		b, rest := appendRows(b, f)
		if len(rest) > 0 {
			return b, nodes.Rows{Table: f.Table, Rows: rest}, nil
		}
		return b, nil, nil
	case nodes.TableEnd:
		i := slices.Index(r.tables, string(f))
		if i < 0 {
			return b, nil, nil
		}
		r.tables = slices.Delete(r.tables, i, i+1)
		b = wire.AppendAttr(append(b, "<tableDone"...), "tableId", string(f))
	case nodes.Object:
		return appendObject(b, &f), nil, nil
	case nodes.Remark:
		return appendRemark(b, f), nil, nil
	default:
		return b, nil, nil
	}
	return append(b, '/', '>'), nil, nil
}

// close appends the ends of all that is open.
func (r *report) close(b []byte) []byte {
	for _, id := range r.tables {
		b = append(wire.AppendAttr(append(b, "<tableDone"...), "tableId", id), '/', '>')
	}
	for range r.sections {
		b = append(b, "<endSection/>"...)
	}
	r.tables, r.sections = nil, 0
	return b
}

var alignments = [...]string{nodes.AlignLeft: "Left", nodes.AlignCenter: "Center", nodes.AlignRight: "Right"}

func appendTable(b []byte, t *nodes.Table) []byte {
	b = wire.AppendAttr(append(b, "<newTable"...), "tableId", t.ID)
	b = append(wire.AppendAttr(b, "tableName", shorten(t.Name, maxCaption)), '>')
	start := len(b)
	for i := range t.Columns {
		c := &t.Columns[i]
		if i == maxCells || len(b)-start > maxPart-8*maxCaption {
			break
		}
		header := c.Header
		if header == "" {
			header = c.ID
		}
		b = wire.AppendAttr(append(b, "<column"...), "columnId", shorten(c.ID, maxCaption))
		b = wire.AppendAttr(b, "header", shorten(header, maxCaption))
		b = wire.AppendOptional(b, "src", shorten(c.Source, maxCaption))
		if c.Align != nodes.AlignLeft && int(c.Align) < len(alignments) {
			b = wire.AppendAttr(b, "alignment", alignments[c.Align])
		}
		if c.Decimals > 0 {
			b = wire.AppendAttr(b, "nrDecimals", strconv.Itoa(int(c.Decimals)))
		}
		b = append(b, '/', '>')
	}
	return append(b, "</newTable>"...)
}

// appendRows appends rows as long as they fit a batch, at least one, and returns
// those that are left. A row that no message takes is left out, with a remark.
func appendRows(b []byte, f nodes.Rows) ([]byte, [][]nodes.Value) {
	start := len(b)
	open := func() { b = append(wire.AppendAttr(append(b, "<newRecords"...), "tableId", f.Table), '>') }
	open()
	for i, row := range f.Rows {
		before := len(b)
		b = appendRow(b, row)
		switch n := len(b) - before; {
		case n > maxPart-maxRemark || len(row) > maxCells:
			b = append(b[:before], "</newRecords>"...)
			b = appendRemark(b, nodes.Remark{Severity: nodes.SeverityError,
				Text: fmt.Sprintf("A row of %d cells is longer than a message may be, and was left out.", len(row))})
			return b, f.Rows[i+1:]
		case i > 0 && len(b)-start > maxBatch:
			return append(b[:before], "</newRecords>"...), f.Rows[i:]
		}
	}
	return append(b, "</newRecords>"...), nil
}

func appendRow(b []byte, row []nodes.Value) []byte {
	b = append(b, "<record>"...)
	for _, v := range row {
		b = appendCell(b, v)
	}
	return append(b, "</record>"...)
}

// appendCell appends a value in the element of its kind. Numbers that are none,
// which the schema allows and deployed clients do not read, are void.
func appendCell(b []byte, v nodes.Value) []byte {
	name := ""
	switch v.Kind() {
	case nodes.KindBool:
		name = "boolean"
	case nodes.KindInt32:
		name = "int"
	case nodes.KindInt64:
		name = "long"
	case nodes.KindDouble:
		f := v.Double()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			break
		}
		if v.Unit() != "" {
			b = wire.AppendDouble(append(b, "<quantity m='"...), v)
			b = wire.AppendAttr(append(b, '\''), "u", v.Unit())
			return append(b, '/', '>')
		}
		name = "double"
	case nodes.KindString, nodes.KindEnum:
		name = "string"
	case nodes.KindDate:
		name = "date"
	case nodes.KindDateTime:
		name = "dateTime"
	case nodes.KindTime:
		name = "time"
		if d := v.Span(); d < 0 || d >= 24*time.Hour {
			name, v = "duration", nodes.Duration(0, d)
		}
	case nodes.KindDuration:
		name = "duration"
	case nodes.KindColor:
		name = "color"
	}
	if name == "" {
		return append(b, "<void/>"...)
	}
	b = append(append(append(b, '<'), name...), '>')
	b = wire.AppendValue(b, v)
	return append(append(append(b, "</"...), name...), '>')
}

// appendObject appends an object. The content type stands alone: deployed clients
// find no decoder for one with parameters. The name has no attribute in the schema;
// it is the header of a section of its own.
func appendObject(b []byte, o *nodes.Object) []byte {
	if len(o.Data) > MaxObject {
		what := o.ContentType
		if o.Name != "" {
			what = o.Name
		}
		return appendRemark(b, nodes.Remark{Severity: nodes.SeverityError,
			Text: fmt.Sprintf("%s has %d bytes and was left out: a message takes %d. Ask for less at a time.", shorten(what, maxCaption), len(o.Data), MaxObject)})
	}
	if o.Name != "" {
		b = append(wire.AppendAttr(append(b, "<beginSection"...), "header", shorten(o.Name, maxCaption)), '/', '>')
	}
	typ := o.ContentType
	if typ == "" {
		typ = "application/octet-stream"
	}
	b = append(wire.AppendAttr(append(b, "<newObject"...), "contentType", shorten(typ, maxCaption)), '>')
	b = append(base64.StdEncoding.AppendEncode(b, o.Data), "</newObject>"...)
	if o.Name != "" {
		b = append(b, "<endSection/>"...)
	}
	return b
}

// The spellings of the types and levels of messages by severity.
var (
	remarkTypes  = [...]string{"Information", "Warning", "Error"}
	remarkLevels = [...]string{"Minor", "Medium", "Major"}
)

func appendRemark(b []byte, r nodes.Remark) []byte {
	i := min(int(r.Severity), len(remarkTypes)-1)
	return appendQueryMessage(b, remarkTypes[i], remarkLevels[i], r.Text)
}

// typeException is the type of the message that says why a query failed.
const typeException = "Exception"

func appendQueryMessage(b []byte, typ, level, text string) []byte {
	b = wire.AppendAttr(append(b, "<queryMessage"...), "type", typ)
	b = append(wire.AppendAttr(b, "level", level), '>')
	return append(wire.AppendText(b, shorten(text, maxRemark)), "</queryMessage>"...)
}

// shorten cuts a text to a number of bytes, with a mark and between characters.
func shorten(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
