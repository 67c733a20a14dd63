package concentrator

import (
	"encoding/base64"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

// ending is how a query has ended.
type ending uint8

const (
	queryRuns ending = iota
	queryDone
	queryAborted
)

// findings reads the messages of a query in order and hands over what is in them.
type findings struct {
	put    nodes.Put
	header string        // of a section that has just begun
	fault  *nodes.Remark // an exception, held back: before the end it is the reason
}

// read hands over the findings of a message until the query has ended. The error is
// that of put. What it does not know it leaves out.
func (r *findings) read(e *wire.Element) (ending, error) {
	for _, c := range e.Children {
		switch c.Name.Local {
		case "queryStarted":
			continue
		case "queryDone":
			return queryDone, r.flush()
		case "queryAborted":
			return queryAborted, nil
		}
		if err := r.flush(); err != nil {
			return queryRuns, err
		}
		f := readFinding(c)
		header := r.header
		r.header = ""
		switch found := f.(type) {
		case nil:
			continue
		case nodes.Section:
			r.header = string(found)
		case nodes.Object:
			found.Name = fileName(header)
			f = found
		case nodes.Remark:
			if c.Attr("type") == typeException {
				r.fault = &found
				continue
			}
		}
		if err := r.put(f); err != nil {
			return queryRuns, err
		}
	}
	return queryRuns, nil
}

// flush hands over an exception that was not the last word.
func (r *findings) flush() error {
	if r.fault == nil {
		return nil
	}
	f := *r.fault
	r.fault = nil
	return r.put(f)
}

// reason is why a query was aborted.
func (r *findings) reason() string {
	if r.fault == nil || r.fault.Text == "" {
		return "the hub ended the query before it was done"
	}
	return r.fault.Text
}

// readFinding reads a child of queryProgress; nil when it is none.
func readFinding(e *wire.Element) nodes.Finding {
	switch e.Name.Local {
	case "title":
		return nodes.QueryTitle(e.Attr("name"))
	case "status":
		return nodes.QueryStatus(e.Attr("message"))
	case "beginSection":
		return nodes.Section(e.Attr("header"))
	case "endSection":
		return nodes.SectionEnd{}
	case "newTable":
		return readTable(e)
	case "newRecords":
		rows := nodes.Rows{Table: e.Attr("tableId")}
		for _, c := range e.Children {
			if c.Name.Local == "record" {
				rows.Rows = append(rows.Rows, readRow(c))
			}
		}
		return rows
	case "tableDone":
		return nodes.TableEnd(e.Attr("tableId"))
	case "newObject":
		data, err := decodeBase64(e.Text)
		if err != nil {
			return nodes.Remark{Severity: nodes.SeverityError, Text: "The hub sent an object that is not base64."}
		}
		return nodes.Object{ContentType: e.Attr("contentType"), Data: data}
	case "queryMessage":
		r := nodes.Remark{Text: e.Text}
		if i := slices.Index(remarkTypes[:], e.Attr("type")); i > 0 {
			r.Severity = nodes.Severity(i)
		} else if e.Attr("type") == typeException {
			r.Severity = nodes.SeverityError
		}
		return r
	}
	return nil
}

func readTable(e *wire.Element) nodes.Table {
	t := nodes.Table{ID: e.Attr("tableId"), Name: e.Attr("tableName")}
	for _, c := range e.Children {
		if c.Name.Local != "column" {
			continue
		}
		col := nodes.Column{ID: c.Attr("columnId"), Header: c.Attr("header"), Source: c.Attr("src"),
			Align: nodes.Align(max(0, slices.Index(alignments[:], c.Attr("alignment"))))}
		if n, err := strconv.ParseInt(c.Attr("nrDecimals"), 10, 8); err == nil && n > 0 {
			col.Decimals = int8(n)
		}
		t.Columns = append(t.Columns, col)
	}
	return t
}

func readRow(e *wire.Element) []nodes.Value {
	row := make([]nodes.Value, len(e.Children))
	for i, c := range e.Children {
		row[i] = readCell(c)
	}
	return row
}

var cellKinds = map[string]nodes.Kind{
	"boolean": nodes.KindBool, "color": nodes.KindColor, "date": nodes.KindDate, "dateTime": nodes.KindDateTime, "double": nodes.KindDouble,
	"duration": nodes.KindDuration, "int": nodes.KindInt32, "long": nodes.KindInt64, "time": nodes.KindTime,
}

// readCell reads a cell. One that is void, unknown or not what its name says is
// empty, so that the others stay in their columns.
func readCell(e *wire.Element) nodes.Value {
	name, text, unit := e.Name.Local, e.Text, ""
	switch name {
	case "string", "base64":
		return nodes.String(text)
	case "quantity", "measurement":
		name, text, unit = "double", e.Attr("m"), e.Attr("u")
	}
	kind, ok := cellKinds[name]
	if !ok {
		return nodes.Value{}
	}
	v, err := param.Parse(nodes.Param{Kind: kind}, text)
	if err != nil {
		return nodes.Value{}
	}
	if unit != "" {
		return nodes.Quantity(v.Double(), v.Decimals(), unit)
	}
	return v
}

// fileName makes the name of a file of a header: never one in another folder.
func fileName(header string) string {
	name := path.Base(strings.ReplaceAll(header, `\`, "/"))
	if name == "." || name == ".." || name == "/" {
		return ""
	}
	return name
}

func decodeBase64(text string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
}
