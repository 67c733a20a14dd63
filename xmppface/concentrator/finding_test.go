package concentrator

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

// spellAll spells findings as one element, whatever its length.
func spellAll(t testing.TB, r *report, list []nodes.Finding) string {
	t.Helper()
	b := []byte("<queryProgress xmlns='" + NSNF + "' id='GW' queryId='q1' seqNr='1'>")
	for _, f := range list {
		for f != nil {
			before := len(b)
			var err error
			if b, f, err = r.spell(b, f); err != nil {
				t.Fatalf("%T: %v", f, err)
			}
			if len(b)-before > maxPart {
				t.Errorf("%T: a part of %d bytes, %d fit a message", f, len(b)-before, maxPart)
			}
		}
	}
	return string(append(b, "</queryProgress>"...))
}

// readAll reads what a client makes of an element, with rows of a table that came
// in parts joined.
func readAll(t testing.TB, doc string) []nodes.Finding {
	t.Helper()
	e, err := wire.Parse(doc)
	if err != nil {
		t.Fatalf("%v: %.300s", err, doc)
	}
	var got []nodes.Finding
	r := findings{put: func(f nodes.Finding) error { got = joined(got, f); return nil }}
	if _, err := r.read(e); err != nil {
		t.Fatal(err)
	}
	return got
}

func joined(list []nodes.Finding, f nodes.Finding) []nodes.Finding {
	if rows, ok := f.(nodes.Rows); ok && len(list) > 0 {
		if before, ok := list[len(list)-1].(nodes.Rows); ok && before.Table == rows.Table {
			before.Rows = append(before.Rows, rows.Rows...)
			list[len(list)-1] = before
			return list
		}
	}
	return append(list, f)
}

func TestFindings(t *testing.T) {
	doc := spellAll(t, new(report), scan)
	exttest.Record([]byte(doc))
	text := strings.ReplaceAll(doc, "><", ">\n<") + "\n"
	file := filepath.Join("testdata", "queryProgress.xml")
	if *update {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	got, expected := readAll(t, doc), received(scan)
	if len(got) != len(expected) {
		t.Fatalf("%d findings, want %d", len(got), len(expected))
	}
	for i := range got {
		if !reflect.DeepEqual(got[i], expected[i]) {
			t.Errorf("finding %d:\ngot  %#v\nwant %#v", i, got[i], expected[i])
		}
	}
}

// received is what a client gets: columns without a header have their id, empty
// rows are empty.
func received(list []nodes.Finding) []nodes.Finding {
	var out []nodes.Finding
	for _, f := range list {
		switch found := f.(type) {
		case nodes.Table:
			found.Columns = append([]nodes.Column(nil), found.Columns...)
			for i := range found.Columns {
				if found.Columns[i].Header == "" {
					found.Columns[i].Header = found.Columns[i].ID
				}
			}
			f = found
		case nodes.Rows:
			rows := nodes.Rows{Table: found.Table}
			for _, row := range found.Rows {
				rows.Rows = append(rows.Rows, append([]nodes.Value{}, row...))
			}
			f = rows
		}
		out = joined(out, f)
	}
	return out
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		v    nodes.Value
		want string
		back nodes.Value
	}{
		{nodes.Double(math.NaN()), "<void/>", nodes.Value{}},
		{nodes.Double(math.Inf(1)), "<void/>", nodes.Value{}},
		{nodes.Quantity(math.NaN(), 1, "V"), "<void/>", nodes.Value{}},
		{nodes.Quantity(1, 3, "kWh"), "<quantity m='1.000' u='kWh'/>", nodes.Quantity(1, 3, "kWh")},
		{nodes.Enum("On", "State"), "<string>On</string>", nodes.String("On")},
		{nodes.String(" a\n"), "<string> a&#10;</string>", nodes.String(" a\n")},
		{nodes.String(""), "<string></string>", nodes.String("")},
		{nodes.TimeOfDay(25 * time.Hour), "<duration>P1DT1H</duration>", nodes.Duration(0, 25*time.Hour)},
		{nodes.Color(1, 2, 3, 128), "<color>010203</color>", nodes.Color(1, 2, 3, 255)},
	} {
		got := string(appendCell(nil, c.v))
		if got != c.want {
			t.Errorf("%v: %s, want %s", c.v, got, c.want)
		}
		e, err := wire.Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if back := readCell(e); back != c.back {
			t.Errorf("%s: read as %v, want %v", got, back, c.back)
		}
	}
	for doc, want := range map[string]nodes.Value{
		"<measurement m='1.5' u='V' e='0.1'/>":    nodes.Quantity(1.5, 1, "V"),
		"<quantity m='1' u=''/>":                  nodes.Quantity(1, -1, ""),
		"<quantity m='many' u='V'/>":              {},
		"<int>99999999999</int>":                  {},
		"<boolean>TRUE</boolean>":                 nodes.Bool(true),
		"<base64 contentType='a/b'>AQI=</base64>": nodes.String("AQI="),
		"<other>1</other>":                        {},
	} {
		e, err := wire.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		if got := readCell(e); got != want {
			t.Errorf("%s: %v, want %v", doc, got, want)
		}
	}
}

// What a query does wrong is said to whoever wrote it, or does no harm.
func TestWrongFindings(t *testing.T) {
	table := nodes.Table{ID: "t"}
	many := make([]nodes.Finding, maxOpen)
	for i := range many {
		many[i] = nodes.Section("s")
	}
	for _, c := range []struct {
		name   string
		before []nodes.Finding
		f      nodes.Finding
		err    string // empty: accepted
		spells string
	}{
		{"rows without a table", nil, nodes.Rows{Table: "t"}, "not open", ""},
		{"rows after the end", []nodes.Finding{table, nodes.TableEnd("t")}, nodes.Rows{Table: "t"}, "not open", ""},
		{"a table twice", []nodes.Finding{table}, table, "open already", ""},
		{"a table again", []nodes.Finding{table, nodes.TableEnd("t")}, table, "", "<newTable tableId='t' tableName=''></newTable>"},
		{"a table without an id", nil, nodes.Table{}, "no id", ""},
		{"too deep", many, nodes.Section("s"), "more than 64 sections", ""},
		{"end of no section", nil, nodes.SectionEnd{}, "", ""},
		{"end of no table", nil, nodes.TableEnd("t"), "", ""},
		{"no rows", []nodes.Finding{table}, nodes.Rows{Table: "t"}, "", "<newRecords tableId='t'></newRecords>"},
		{"unknown severity", nil, nodes.Remark{Severity: 9, Text: "x"}, "", "<queryMessage type='Error' level='Major'>x</queryMessage>"},
		{"no type", nil, nodes.Object{}, "", "<newObject contentType='application/octet-stream'></newObject>"},
		{"long title", nil, nodes.QueryTitle(strings.Repeat("é", 600)), "", "<title name='" + strings.Repeat("é", 512) + "…'/>"},
		{"long status", nil, nodes.QueryStatus("x" + strings.Repeat("é", 600)), "", "<status message='x" + strings.Repeat("é", 511) + "…'/>"},
	} {
		r := new(report)
		spellAll(t, r, c.before)
		b, rest, err := r.spell(nil, c.f)
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
		if string(b) != c.spells || rest != nil {
			t.Errorf("%s: %s, rest %v, want %s", c.name, b, rest, c.spells)
		}
	}
	r := new(report)
	spellAll(t, r, []nodes.Finding{table, nodes.Section("a"), nodes.Section("b"), nodes.SectionEnd{}})
	if got, want := string(r.close(nil)), "<tableDone tableId='t'/><endSection/>"; got != want {
		t.Errorf("closed with %s, want %s", got, want)
	}
}

// Rows and objects of any size: every part fits a message, nothing is lost, and
// what cannot be sent is said.
func TestLargeFindings(t *testing.T) {
	var rows [][]nodes.Value
	for i := range 20000 {
		rows = append(rows, []nodes.Value{nodes.Int32(int32(i)), nodes.String("register <" + fmt.Sprint(i) + ">"), {}})
	}
	wide := make([]nodes.Value, maxCells+1)
	columns := make([]nodes.Column, 3*maxCells)
	for i := range columns {
		columns[i] = nodes.Column{ID: strings.Repeat("'", 100)}
	}
	list := []nodes.Finding{nodes.Table{ID: "t", Columns: columns}, nodes.Rows{Table: "t", Rows: rows},
		nodes.Rows{Table: "t", Rows: [][]nodes.Value{{nodes.Int32(1)}, wide, {nodes.Int32(2)}, {nodes.String(strings.Repeat("x", 1<<18))}, {nodes.Int32(3)}}},
		nodes.Rows{Table: "t", Rows: [][]nodes.Value{{nodes.String(strings.Repeat("y", 200<<10))}}},
		nodes.Object{ContentType: "a/b", Name: "fits", Data: make([]byte, MaxObject)},
		nodes.Object{ContentType: "a/b", Name: "too big", Data: make([]byte, MaxObject+1)},
		nodes.Remark{Text: strings.Repeat("<", 1<<20)},
	}
	r := new(report)
	var got []nodes.Finding
	var cells []nodes.Value
	for _, f := range list {
		for f != nil {
			b, rest, err := r.spell(nil, f)
			if err != nil || len(b) > maxPart {
				t.Fatalf("%T: %d bytes, %v", f, len(b), err)
			}
			doc := "<queryProgress xmlns='" + NSNF + "' id='GW' queryId='q' seqNr='1'>" + string(b) + "</queryProgress>"
			if len(doc) < maxBatch {
				exttest.Record([]byte(doc))
			}
			for _, found := range readAll(t, doc) {
				got = append(got, found)
				if found, ok := found.(nodes.Rows); ok {
					for _, row := range found.Rows {
						cells = append(cells, row[0])
					}
				}
			}
			f = rest
		}
	}
	if len(cells) != 20004 || cells[19999] != nodes.Int32(19999) || cells[20002] != nodes.Int32(3) || len(cells[20003].Text()) != 200<<10 {
		t.Errorf("%d rows", len(cells))
	}
	var remarks []string
	objects := 0
	for _, f := range got {
		switch f := f.(type) {
		case nodes.Remark:
			remarks = append(remarks, f.Text)
		case nodes.Object:
			if objects++; f.Name != "fits" || len(f.Data) != MaxObject {
				t.Errorf("object %q of %d bytes", f.Name, len(f.Data))
			}
		}
	}
	if objects != 1 || len(remarks) != 4 || !strings.Contains(remarks[0], "4097 cells") || !strings.Contains(remarks[2], "too big has") || len(remarks[3]) > 9000 {
		t.Errorf("%d objects, remarks %.100q", objects, remarks)
	}
}

// The name of a file never leads into another folder.
func TestObjectNames(t *testing.T) {
	for name, want := range map[string]string{
		"units.csv": "units.csv", "Units of line 1.csv": "Units of line 1.csv", "": "", "..": "", "/": "", ".": "",
		"../../etc/passwd": "passwd", `C:\boot\x.ini`: "x.ini", "a/": "a", `..\`: "",
	} {
		list := []nodes.Finding{nodes.Object{ContentType: "text/csv", Name: name, Data: []byte("x")}}
		got := readAll(t, spellAll(t, new(report), list))
		if name == "" {
			name = "-"
		} else {
			if len(got) != 3 || got[0] != nodes.Section(name) || got[2] != (nodes.SectionEnd{}) {
				t.Fatalf("%q: %#v", name, got)
			}
			got = got[1:]
		}
		if o, ok := got[0].(nodes.Object); !ok || o.Name != want {
			t.Errorf("%q: %#v, want %q", name, got[0], want)
		}
	}
}

// Any table of any values comes back as it was.
func TestRowsRoundTrip(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		rows := nodes.Rows{Table: "t"}
		for range r.IntN(300) {
			row := make([]nodes.Value, r.IntN(8))
			for i := range row {
				row[i] = anyValue(r)
			}
			rows.Rows = append(rows.Rows, row)
		}
		got := readAll(t, spellAll(t, new(report), []nodes.Finding{nodes.Table{ID: "t"}, rows}))
		back := nodes.Rows{Table: "t"}
		if len(got) == 2 {
			back = got[1].(nodes.Rows)
		}
		if len(back.Rows) != len(rows.Rows) {
			t.Fatalf("%d rows, want %d", len(back.Rows), len(rows.Rows))
		}
		for i, row := range rows.Rows {
			if !slices.Equal(back.Rows[i], row) {
				t.Fatalf("row %d: got %v, want %v", i, back.Rows[i], row)
			}
		}
	}
}

func anyValue(r *rand.Rand) nodes.Value {
	switch r.IntN(12) {
	case 0:
		return nodes.Bool(r.IntN(2) == 0)
	case 1:
		return nodes.Int32(int32(r.Uint32()))
	case 2:
		return nodes.Int64(int64(r.Uint64()))
	case 3:
		d := 1 + r.IntN(5)
		return nodes.Quantity(math.Round(r.NormFloat64()*1e6)/math.Pow10(d), d, []string{"", "°C", "<u>"}[r.IntN(3)])
	case 4:
		return nodes.String(strings.Repeat(string(rune(32+r.IntN(2000))), r.IntN(300)))
	case 5:
		return nodes.Date(time.Unix(r.Int64N(4e9), 0).UTC())
	case 6:
		return nodes.DateTime(time.UnixMilli(r.Int64N(4e12)))
	case 7:
		return nodes.TimeOfDay(time.Duration(r.Int64N(86400000)) * time.Millisecond)
	case 8:
		return nodes.Duration(r.IntN(40), time.Duration(r.Int64N(1e16)))
	case 9:
		return nodes.Color(uint8(r.Uint32()), uint8(r.Uint32()), uint8(r.Uint32()), 255)
	}
	return nodes.Value{}
}

// BenchmarkRows spells a table of 1000 rows of five cells.
func BenchmarkRows(b *testing.B) {
	rows := nodes.Rows{Table: "t"}
	for i := range 1000 {
		rows.Rows = append(rows.Rows, []nodes.Value{nodes.Int32(int32(i)), nodes.String("holding register 40001"), nodes.Quantity(23.5, 2, "°C"), nodes.Bool(true), nodes.DateTime(at)})
	}
	r := &report{tables: []string{"t"}}
	var buf []byte
	size := 0
	b.ReportAllocs()
	for b.Loop() {
		size = 0
		for f := nodes.Finding(rows); f != nil; {
			buf, f, _ = r.spell(buf[:0], f)
			size += len(buf)
		}
	}
	b.SetBytes(int64(size))
}
