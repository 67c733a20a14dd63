package modbus

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func readRange() command {
	return command{nodes.Command{
		ID: "ReadRange", Kind: nodes.Query, Title: "Read a range", Category: "Commissioning", SortKey: "3",
		Description: "Reads any registers or bits once and shows them in all types and byte orders side by side, with the nodes that cover them. What the unit refuses is shown as such.",
		Params: []nodes.Param{
			tableOption("holdingRegister", "Which table to read."),
			{ID: "Address", Label: "First address", Kind: nodes.KindInt32, Default: nodes.Int32(0), Min: nodes.Int32(0), Max: nodes.Int32(65535),
				Description: "Counted from 0, as on the wire: 40001 in a manual is holding register 0."},
			{ID: "Count", Label: "Count", Kind: nodes.KindInt32, Default: nodes.Int32(20), Min: nodes.Int32(1), Max: nodes.Int32(5000),
				Description: "How many registers or bits."},
			{ID: "Show", Label: "Show", Kind: nodes.KindEnum, Default: nodes.Enum("32", "Show"), Description: "Up to which width numbers are shown.",
				Options: []nodes.Option{{Value: "16", Label: "16 bits"}, {Value: "32", Label: "16 and 32 bits"}, {Value: "64", Label: "16, 32 and 64 bits"}}},
		},
	}, runReadRange}
}

// inspection is a range that is being read and shown.
type inspection struct {
	*visit
	unit  *unitView
	table wire.Table
	first int
	width int // of the widest numbers shown

	words []uint16 // or bits
	why   []string // why an address could not be read; empty: it could
	shown int
	r     *report
}

func runReadRange(ctx context.Context, d *device, node string, p nodes.Params, r *report) error {
	x := &inspection{first: p.Int("Address"), width: 32, r: r}
	x.table, _ = wire.ParseTable(p.Text("Table"))
	n := p.Int("Count")
	if x.first+n > 1<<16 {
		return wrongParam("read", node, "Count", fmt.Sprintf("65535 is the last address: write at most %d", 1<<16-x.first))
	}
	fmt.Sscan(p.Text("Show"), &x.width)
	var err error
	if x.visit, err = d.enter(ctx); err != nil {
		return err
	}
	defer x.leave()
	if x.unit = x.view.units[node]; x.unit == nil {
		return nodes.Errorf(nodes.Gone, "read", nodes.In(node), "the unit was removed")
	}
	r.tell(nodes.QueryTitle(fmt.Sprintf("%s, unit %d, %s", x.line.addr, x.unit.cfg.id, x.table.Range(x.first, n))))
	if r.table("range", "Values", x.columns()...) != nil {
		return r.err
	}
	step := x.unit.cfg.limits(x.table).words
	for at := 0; at < n; at += step {
		if r.status("%d of %d", at, n) != nil {
			return r.err
		}
		if err := x.read(x.first+at, min(step, n-at)); err != nil {
			return &nodes.Error{Op: "read", Ref: nodes.In(node), Kind: kindOf(err), Err: fmt.Errorf("%s, unit %d: %w", x.line.addr, x.unit.cfg.id, err)}
		}
		x.show(at+step >= n)
	}
	r.tell(nodes.TableEnd("range"))
	return r.err
}

// read reads addresses; of those that are refused together it reads the parts.
func (x *inspection) read(first, n int) error {
	if x.ctx.Err() != nil {
		return x.ctx.Err()
	}
	request := wire.ReadRequest{Table: x.table, First: first, Count: n}
	c := x.call(x.ctx, x.unit, reading)
	began := time.Now()
	err := x.line.read(c, request)
	x.d.heard(x.unit.id, what(request), time.Since(began), err)
	var refused wire.Exception
	switch {
	case err == nil:
		for i := range n {
			w := uint16(0)
			if !x.table.Bits() {
				w = binary.BigEndian.Uint16(c.data[2*i:])
			} else if wire.Bit(c.data, i) {
				w = 1
			}
			x.words, x.why = append(x.words, w), append(x.why, "")
		}
	case !errors.As(err, &refused) || !answeredBy(refused):
		return fmt.Errorf("%s: %w", what(request), err)
	case n > 1 && (refused == wire.IllegalAddress || refused == wire.IllegalValue):
		half := n / 2
		if err := x.read(first, half); err != nil {
			return err
		}
		return x.read(first+half, n-half)
	default:
		for range n {
			x.words, x.why = append(x.words, 0), append(x.why, refused.Error())
		}
	}
	return nil
}

var shownOrders = wire.Orders

func (x *inspection) columns() []string {
	if x.table.Bits() {
		return []string{">Address", "Reference", "Value", "Node"}
	}
	list := []string{">Address", "Reference", "Hex", ">UInt16", ">Int16", "Text"}
	for width := 32; width <= x.width; width *= 2 {
		for _, kind := range []string{"UInt", "Int", "Float"} {
			for _, o := range shownOrders {
				name := o.String()
				if width == 64 {
					name = o.Long64()
				}
				list = append(list, fmt.Sprintf(">%s%d%s|%s%d %s", kind, width, o, kind, width, name))
			}
		}
	}
	return append(list, "Node")
}

// show hands over the rows that are complete: those before registers that were not
// read yet wait, since wide numbers reach into them.
func (x *inspection) show(all bool) {
	end := len(x.words)
	if !all && !x.table.Bits() {
		end -= x.width/16 - 1
	}
	var rows [][]nodes.Value
	for ; x.shown < end; x.shown++ {
		rows = append(rows, x.row(x.shown))
	}
	const most = 50
	for len(rows) > 0 {
		n := min(most, len(rows))
		if x.r.tell(nodes.Rows{Table: "range", Rows: rows[:n:n]}) != nil {
			return
		}
		rows = rows[n:]
	}
}

func (x *inspection) row(i int) []nodes.Value {
	address := x.first + i
	row := []nodes.Value{count(address), nodes.String(x.table.Reference(address))}
	node := text(x.covering(address))
	columns := len(x.columns())
	if x.why[i] != "" {
		row = append(row, nodes.String(x.why[i]))
		row = append(row, make([]nodes.Value, columns-len(row)-1)...)
		return append(row, node)
	}
	w := x.words[i]
	if x.table.Bits() {
		return append(row, nodes.Bool(w != 0), node)
	}
	row = append(row, nodes.String(fmt.Sprintf("0x%04X", w)), nodes.Int32(int32(w)), nodes.Int32(int32(int16(w))), nodes.String(characters(w)))
	for width := 32; width <= x.width; width *= 2 {
		data := x.bytes(i, width/16)
		for _, types := range [][2]wire.Type{{wire.Uint32, wire.Uint64}, {wire.Int32, wire.Int64}, {wire.Float32, wire.Float64}} {
			for _, o := range shownOrders {
				if data == nil {
					row = append(row, nodes.Value{})
					continue
				}
				row = append(row, shownAs(types[width/64], o, data))
			}
		}
	}
	return append(row, node)
}

// bytes returns registers from the i-th on, nil when one of them was not read.
func (x *inspection) bytes(i, n int) []byte {
	if i+n > len(x.words) {
		return nil
	}
	var b []byte
	for k := i; k < i+n; k++ {
		if x.why[k] != "" {
			return nil
		}
		b = binary.BigEndian.AppendUint16(b, x.words[k])
	}
	return b
}

// shownAs is what registers hold if they are of that type.
func shownAs(t wire.Type, o wire.Order, b []byte) nodes.Value {
	raw := wire.Raw(t, o, b)
	switch {
	case t.Floating():
		v := t.ToFloat(raw)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nodes.String(fmt.Sprint(v))
		}
		if t == wire.Float32 {
			return nodes.String(fmt.Sprint(float32(v)))
		}
		return nodes.Double(v)
	case t.Signed():
		return nodes.Int64(wire.SignExtend(raw, t.Bits()))
	case raw > math.MaxInt64:
		return nodes.String(fmt.Sprint(raw))
	}
	return nodes.Int64(int64(raw))
}

// characters shows the two bytes of a register as a text; others than printable ones
// as points.
func characters(w uint16) string {
	b := []byte{byte(w >> 8), byte(w)}
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '.'
		}
	}
	return string(b)
}

// covering names the register nodes that an address belongs to.
func (x *inspection) covering(address int) string {
	var names []string
	for _, p := range x.unit.points {
		if f := p.cfg; f.table == x.table && address >= f.first && address < f.first+f.words() {
			names = append(names, f.name)
		}
	}
	return strings.Join(names, ", ")
}
