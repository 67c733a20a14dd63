package modbus

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
)

func importRegisters() command {
	return command{nodes.Command{
		ID: "ImportRegisters", Kind: nodes.Query, Title: "Import registers", Category: "Registers", SortKey: "1",
		Description: "Makes register nodes from a list in CSV, as spreadsheets save it: columns in any order, separated by commas, semicolons or tabs. " +
			"All or nothing: when a row is wrong, each that is wrong is named and nothing is made.",
		Params: []nodes.Param{
			{ID: "Text", Label: "List", Kind: nodes.KindString, Multi: true, Required: true, Description: "The list, with a header line: at least a name and an address."},
			{ID: "DryRun", Label: "Dry run", Kind: nodes.KindBool, Default: nodes.Bool(true), Description: "Only show what would be made."},
			tableOption("", "Of rows that say none, by a column such as Function or by an address such as 40108."),
			{ID: "Addresses", Label: "Addresses", Kind: nodes.KindEnum, Default: nodes.Enum(string(asWritten), "Addresses"), Description: "What the numbers in the address column mean.",
				Options: []nodes.Option{{Value: string(asWritten), Label: "40108 is holding register 107, where the table fits; others count from 0"},
					{Value: string(references), Label: "40108 is holding register 107"}, {Value: string(fromZero), Label: "counted from 0"}, {Value: string(fromOne), Label: "counted from 1"}}},
		},
	}, runImport}
}

func exportRegisters() command {
	return command{nodes.Command{
		ID: "ExportRegisters", Kind: nodes.Query, Title: "Export registers", Category: "Registers", SortKey: "2",
		Description: "Gives the unit's registers as a list in CSV, which ImportRegisters reads again.",
		Params: []nodes.Param{{ID: "Separator", Label: "Separator", Kind: nodes.KindEnum, Default: nodes.Enum("comma", "Separator"), Description: "What stands between the columns.",
			Options: []nodes.Option{{Value: "comma"}, {Value: "semicolon"}, {Value: "tab"}}}},
	}, runExport}
}

func runExport(_ context.Context, d *device, node string, p nodes.Params, r *report) error {
	n, ok := d.host.Node(node)
	if !ok {
		return nodes.Errorf(nodes.Gone, "export", nodes.In(node), "the unit was removed")
	}
	var list []*nodes.Node
	for _, c := range n.Children {
		if c.Type == TypeRegister {
			list = append(list, c)
		}
	}
	if len(list) == 0 {
		return nodes.Errorf(nodes.NotAcceptable, "export", nodes.In(node), "the unit has no registers")
	}
	separator := map[string]rune{"semicolon": ';', "tab": '\t'}[p.Text("Separator")]
	if separator == 0 {
		separator = ','
	}
	r.tell(nodes.QueryTitle("Registers of " + n.Name))
	r.tell(nodes.Object{ContentType: "text/csv", Name: fileName(n.Name) + ".csv", Data: writeRegisterList(list, separator)})
	r.remark(nodes.SeverityInformation, "%d registers.", len(list))
	return r.err
}

// fileName makes a name that every file system takes.
func fileName(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.Trim(s, ". "))
}

func runImport(ctx context.Context, d *device, node string, p nodes.Params, r *report) error {
	unit, ok := d.host.Node(node)
	if !ok {
		return nodes.Errorf(nodes.Gone, "import", nodes.In(node), "the unit was removed")
	}
	defaults := listDefaults{notation: notation(p.Text("Addresses"))}
	defaults.table, _ = wire.ParseTable(p.Text("Table"))
	l := readRegisterList(p.Text("Text"), defaults)
	there := make(map[string]bool)
	for _, c := range unit.Children {
		there[c.Name] = true
	}
	for _, x := range l.rows {
		if there[x.name] {
			l.flaws = append(l.flaws, flaw{x.line, x.name, nameColumn, "the unit has a register of this name already: remove it, or choose another name"})
		}
	}
	dry := p.Bool("DryRun")
	title := "Import of registers into " + unit.Name
	if dry {
		title += " (dry run)"
	}
	r.tell(nodes.QueryTitle(title))
	switch {
	case len(l.flaws) > 0:
		if err := l.showFlaws(r); err != nil {
			return err
		}
		return nodes.Errorf(nodes.Invalid, "import", nodes.In(node), fmt.Sprintf("%d flaws in the list, the first in line %d; nothing was made", len(l.flaws), l.flaws[0].line))
	case len(l.rows) == 0:
		return wrongParam("import", node, "Text", "there are no registers below the header")
	}
	if err := l.showRows(r); err != nil {
		return err
	}
	if !dry {
		var branches []*nodes.Node
		for _, x := range l.rows {
			branches = append(branches, &nodes.Node{Spec: nodes.Spec{Name: x.name, Type: TypeRegister, Parent: node, Params: x.params}})
		}
		if err := d.host.Create(ctx, branches); err != nil {
			return l.refused(node, err)
		}
	}
	for _, s := range l.remarks {
		r.remark(nodes.SeverityInformation, "%s", s)
	}
	if dry {
		r.remark(nodes.SeverityInformation, "%d registers would be made. Nothing was made: run it again with DryRun=false.", len(l.rows))
	} else {
		r.remark(nodes.SeverityInformation, "%d registers were made.", len(l.rows))
	}
	return r.err
}

// refused names the line of the node that was not created.
func (l *registerList) refused(node string, err error) error {
	var e *nodes.Error
	if errors.As(err, &e) {
		for _, x := range l.rows {
			if e.Ref.ID == node+"/"+x.name {
				return &nodes.Error{Op: "import", Ref: nodes.In(node), Kind: e.Kind, Err: fmt.Errorf("line %d, %s: %w; nothing was made", x.line, x.name, err)}
			}
		}
	}
	return err
}

func (l *registerList) showFlaws(r *report) error {
	r.table("wrong", "Rows that are wrong", ">Line", "Name", "Column", "Reason")
	var rows [][]nodes.Value
	for _, f := range l.flaws {
		rows = append(rows, []nodes.Value{count(f.line), text(f.name), text(f.column), nodes.String(f.text)})
	}
	return r.rows("wrong", rows)
}

// showRows shows what registers the list makes.
func (l *registerList) showRows(r *report) error {
	r.table("registers", "Registers", ">Line", "Name", "Location", "Reference", "Type", "Unit", "Writable")
	var rows [][]nodes.Value
	for _, x := range l.rows {
		full, _ := param.Check(registerParams(), x.params)
		f := newFormat(full, x.name)
		typ := f.typ.String()
		if f.bits == 1 && f.kind == nodes.KindBool {
			typ = "bool"
		}
		rows = append(rows, []nodes.Value{count(x.line), nodes.String(x.name), nodes.String(f.location()), nodes.String(f.reference()),
			nodes.String(typ), text(f.unit), nodes.Bool(full.Bool("Writable"))})
	}
	return r.rows("registers", rows)
}

// rows hands over rows in portions and ends the table.
func (r *report) rows(table string, rows [][]nodes.Value) error {
	const most = 50
	for len(rows) > 0 {
		n := min(most, len(rows))
		if err := r.tell(nodes.Rows{Table: table, Rows: rows[:n:n]}); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return r.tell(nodes.TableEnd(table))
}
