package modbus

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// command is a command or query of a node type, and who runs it.
type command struct {
	nodes.Command
	// run does it for a node; findings go to r, which a command has none of.
	run func(ctx context.Context, d *device, node string, p nodes.Params, r *report) error
}

// gatewayCommands are those of gateways.
func gatewayCommands() []command { return []command{scanUnits(255)} }

// lineCommands are those of serial lines.
func lineCommands() []command { return []command{scanUnits(247), scanLine()} }

// unitCommands are those of units.
func unitCommands() []command {
	return []command{identifyUnit(), readRange(), importRegisters(), exportRegisters(), duplicateUnit(), forgetUnit()}
}

func commandsOfGateway() []nodes.Command { return described(gatewayCommands()) }
func commandsOfLine() []nodes.Command    { return described(lineCommands()) }
func commandsOfUnit() []nodes.Command    { return described(unitCommands()) }

func described(list []command) []nodes.Command {
	var out []nodes.Command
	for _, c := range list {
		out = append(out, c.Command)
	}
	return out
}

// Execute implements [nodes.Commander].
func (d *device) Execute(ctx context.Context, node, command string, p nodes.Params) error {
	return d.command(ctx, node, command, p, nil)
}

// Query implements [nodes.Commander].
func (d *device) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	return d.command(ctx, node, command, p, put)
}

func (d *device) command(ctx context.Context, node, id string, p nodes.Params, put nodes.Put) error {
	if err := d.outside.wait(ctx); err != nil {
		return err
	}
	v := d.look()
	if v == nil {
		return nodes.Errorf(nodes.Gone, id, nodes.In(node), "the gateway is not running")
	}
	var list []command
	switch {
	case node == d.id && v.cfg.endpoint.kind == kindSerial:
		list = lineCommands()
	case node == d.id:
		list = gatewayCommands()
	case v.units[node] != nil:
		list = unitCommands()
	default:
		return nodes.Errorf(nodes.NotFound, id, nodes.In(node), "no such node here, or one without commands")
	}
	for _, c := range list {
		if c.ID != id || (c.Kind == nodes.Query) != (put != nil) {
			continue
		}
		r := &report{put: put}
		err := c.run(ctx, d, node, p, r)
		if r.err != nil { // nobody wants more
			return r.err
		}
		return err
	}
	return nodes.Errorf(nodes.NotFound, id, nodes.In(node), fmt.Sprintf("no such command %q here", clip(id)))
}

// report hands findings over. After the first that was not taken it does nothing.
type report struct {
	put   nodes.Put
	err   error
	shown time.Time // when the last status was told
}

func (r *report) tell(f nodes.Finding) error {
	if r.err == nil {
		r.err = r.put(f)
	}
	return r.err
}

// status tells what is being done, at most twice a second.
func (r *report) status(format string, a ...any) error {
	if now := time.Now(); now.Sub(r.shown) >= 500*time.Millisecond {
		r.shown = now
		return r.tell(nodes.QueryStatus(fmt.Sprintf(format, a...)))
	}
	return r.err
}

// table opens a table; a column is its id, its header where that differs, and "<" or
// ">" in front to align it.
func (r *report) table(id, name string, columns ...string) error {
	t := nodes.Table{ID: id, Name: name}
	for _, c := range columns {
		align := nodes.AlignLeft
		if rest, ok := strings.CutPrefix(c, ">"); ok {
			c, align = rest, nodes.AlignRight
		}
		id, header, _ := strings.Cut(c, "|")
		t.Columns = append(t.Columns, nodes.Column{ID: id, Header: header, Align: align})
	}
	return r.tell(t)
}

func (r *report) row(table string, cells ...nodes.Value) error {
	return r.tell(nodes.Rows{Table: table, Rows: [][]nodes.Value{cells}})
}

func (r *report) remark(s nodes.Severity, format string, a ...any) error {
	return r.tell(nodes.Remark{Severity: s, Text: fmt.Sprintf(format, a...)})
}

// text is a cell with a text, empty when there is none.
func text(s string) nodes.Value {
	if s == "" {
		return nodes.Value{}
	}
	return nodes.String(s)
}

func count(n int) nodes.Value { return nodes.Int32(int32(n)) }

// wrongParam is the error of a parameter of a command.
func wrongParam(command, node, param, text string) error {
	return &nodes.Error{Op: command, Ref: nodes.In(node), Kind: nodes.Invalid, Err: fmt.Errorf("%s: %s", param, text), Fields: map[string]string{param: text}}
}

// tableOption is the parameter that chooses a table.
func tableOption(def string, description string) nodes.Param {
	p := nodes.Param{ID: "Table", Label: "Table", Kind: nodes.KindEnum, Description: description}
	for _, t := range wire.Tables {
		p.Options = append(p.Options, nodes.Option{Value: t.String(), Label: t.String() + " (" + t.Reference(0)[:1] + "xxxx)"})
	}
	if def != "" {
		p.Default = nodes.Enum(def, "Table")
	}
	return p
}
