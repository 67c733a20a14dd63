package gpio

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// command is a command or query of a node type, and who runs it.
type command struct {
	nodes.Command
	// run does it for a node; what is found goes to put, which a command has none of.
	run func(ctx context.Context, d *device, node string, p nodes.Params, put nodes.Put) error
}

func described(list []command) []nodes.Command {
	var out []nodes.Command
	for _, c := range list {
		out = append(out, c.Command)
	}
	return out
}

func chipCommands() []command { return []command{listLines()} }

func inputCommands() []command {
	return []command{{nodes.Command{
		ID: "SetTotal", Kind: nodes.Parametrized, Title: "Set the total",
		Description: "Makes the total what the meter shows, so that both go on together; without a quantity per pulse, the count.",
		Success:     "The total is set.", Failure: "The total is as it was:",
		Params: []nodes.Param{{ID: "Total", Label: "Total", Kind: nodes.KindDouble, Required: true, Min: nodes.Double(0), Max: nodes.Double(1e15),
			Description: "What the meter shows, in the unit of the total."}},
	}, func(_ context.Context, d *device, node string, p nodes.Params, _ nodes.Put) error {
		return d.setTotal(node, p.Double("Total"))
	}}}
}

func outputCommands() []command {
	length := func(id, label, description string) nodes.Param {
		x := span(id, "", label, description, time.Millisecond, 24*time.Hour)
		x.Required = true
		return x
	}
	return []command{
		{nodes.Command{
			ID: "Pulse", Kind: nodes.Parametrized, Title: "Pulse", SortKey: "1", Rights: nodes.Control,
			Description: "Sets the output on for a time, then off. Setting it meanwhile ends the pulse.",
			Success:     "The pulse has begun.", Failure: "There is no pulse:",
			Params: []nodes.Param{length("Length", "Length", "How long the output is on.")},
		}, func(_ context.Context, d *device, node string, p nodes.Params, _ nodes.Put) error {
			return d.pulses(node, sequence{on: p.Span("Length")})
		}},
		{nodes.Command{
			ID: "Blink", Kind: nodes.Parametrized, Title: "Blink", SortKey: "2", Rights: nodes.Control,
			Description: "Sets the output on and off in turns. Setting it ends that.",
			Success:     "Blinking has begun.", Failure: "There is no blinking:",
			Params: []nodes.Param{length("On", "On", "How long it is on each time."), length("Off", "Off", "How long it is off in between."),
				{ID: "Count", Label: "Count", Kind: nodes.KindInt32, Default: nodes.Int32(0), Min: nodes.Int32(0), Max: nodes.Int32(1000000),
					Description: "How many times; 0: until it is set."}},
		}, func(_ context.Context, d *device, node string, p nodes.Params, _ nodes.Put) error {
			return d.pulses(node, sequence{on: p.Span("On"), off: p.Span("Off"), left: p.Int("Count") - 1})
		}},
	}
}

// Execute implements [nodes.Commander].
func (d *device) Execute(ctx context.Context, node, command string, p nodes.Params) error {
	return d.command(ctx, node, command, p, nil)
}

// Query implements [nodes.Commander].
func (d *device) Query(ctx context.Context, node, command string, p nodes.Params, put nodes.Put) error {
	return d.command(ctx, node, command, p, put)
}

func (d *device) command(ctx context.Context, node, id string, params nodes.Params, put nodes.Put) error {
	if err := d.ready(ctx); err != nil {
		return err
	}
	d.mu.Lock()
	p := d.byID[node]
	d.mu.Unlock()
	var list []command
	switch {
	case node == d.id:
		list = chipCommands()
	case p == nil:
		return nodes.Errorf(nodes.NotFound, id, nodes.In(node), "no such node here")
	case p.in != nil:
		list = inputCommands()
	default:
		list = outputCommands()
	}
	for _, c := range list {
		if c.ID == id && (c.Kind == nodes.Query) == (put != nil) {
			return c.run(ctx, d, node, params, put)
		}
	}
	return nodes.Errorf(nodes.NotFound, id, nodes.In(node), "no such command here")
}

func (d *device) setTotal(node string, total float64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.byID[node]
	no := func(kind nodes.ErrorKind, text string) error {
		return nodes.Errorf(kind, "SetTotal", nodes.In(node), text)
	}
	switch {
	case !d.running:
		return no(nodes.Gone, "the chip was stopped")
	case p == nil || p.in == nil:
		return no(nodes.NotFound, "no such input here")
	case p.in.meter.count == countNone:
		return no(nodes.NotAcceptable, "nothing is counted: choose the edges as Count")
	}
	if !p.recalled {
		p.recalled = true
		d.recall(p)
	}
	p.meter.setTotal(total)
	p.dirty = true
	d.saveAll()
	d.host.Clear(node, EventCounter)
	if p.line != nil {
		d.tell(p)
	}
	return nil
}

func listLines() command {
	return command{nodes.Command{
		ID: "ListLines", Kind: nodes.Query, Title: "List lines",
		Description: "Shows the lines of the chip: names, directions, who uses them, and which node.",
	}, runListLines}
}

func runListLines(ctx context.Context, d *device, _ string, _ nodes.Params, put nodes.Put) error {
	d.mu.Lock()
	chip, info, absent := d.chip, d.info, d.absent
	users := make(map[int]string)
	for _, p := range d.pins {
		if p.line != nil {
			users[p.offset] = p.id
		}
	}
	pins := make(map[int][]string)
	if chip != nil {
		for _, alias := range slices.Sorted(maps.Keys(d.aliases)) {
			if n, err := d.resolve(d.aliases[alias]); err == nil {
				pins[n] = append(pins[n], alias)
			}
		}
	}
	d.mu.Unlock()
	switch {
	case absent != nil:
		return absent
	case chip == nil:
		return nodes.Errorf(nodes.Gone, "ListLines", nodes.In(d.id), "the chip was stopped")
	}
	const id = "lines"
	columns := []nodes.Column{{ID: "Line", Align: nodes.AlignRight}, {ID: "Name"}, {ID: "Pins"}, {ID: "Direction"}, {ID: "Properties"}, {ID: "UsedBy", Header: "Used by"}, {ID: "Node"}}
	if err := put(nodes.Table{ID: id, Name: fmt.Sprintf("%s (%s)", info.Name, info.Label), Columns: columns}); err != nil {
		return err
	}
	for i := range info.Lines {
		if err := ctx.Err(); err != nil {
			return err
		}
		l, err := chip.Line(i)
		if err != nil {
			return nodes.Errorf(nodes.Unreachable, "ListLines", nodes.In(d.id), fmt.Sprintf("line %d cannot be looked at: %s", i, reason(err)))
		}
		direction := "in"
		if l.Flags&cdev.Output != 0 {
			direction = "out"
		}
		user := l.Consumer
		if user == "" && l.Flags&cdev.Used != 0 {
			user = "the kernel"
		}
		if err := put(nodes.Rows{Table: id, Rows: [][]nodes.Value{{nodes.Int32(int32(i)), cell(l.Name), cell(strings.Join(pins[i], ", ")),
			nodes.String(direction), cell(properties(l)), cell(user), cell(users[i])}}}); err != nil {
			return err
		}
	}
	return put(nodes.TableEnd(id))
}

func cell(s string) nodes.Value {
	if s == "" {
		return nodes.Value{}
	}
	return nodes.String(s)
}

// properties names what a line is besides its direction.
func properties(l cdev.LineInfo) string {
	s := wiring{flags: l.Flags, debounce: l.Debounce}.describe()
	_, rest, _ := strings.Cut(s, ", ")
	return rest
}

// chipReading is what the chip node says of itself.
func (d *device) chipReading(now time.Time) nodes.Reading {
	now = now.Round(0)
	field := func(name string, v nodes.Value) nodes.Field {
		return nodes.Field{Name: name, Value: v, Time: now, Category: nodes.Identity}
	}
	r := nodes.Reading{Node: d.id, Fields: []nodes.Field{field("chip", nodes.String(d.info.Name)), field("lines", nodes.Int32(int32(d.info.Lines)))}}
	if d.info.Label != "" {
		r.Fields = append(r.Fields, field("label", nodes.String(d.info.Label)))
	}
	others := nodes.Field{Name: "used by others", Value: nodes.String(cmp.Or(d.others, "nobody")), Time: now, Category: nodes.Status}
	r.Fields = append(r.Fields, others)
	return r
}

// survey looks who uses lines, and tells of the chip.
func (d *device) survey(now time.Time) {
	before := d.others
	d.others = d.usedByOthers()
	first := d.surveyed.IsZero()
	d.surveyed = now
	if first || d.others != before {
		d.host.Report([]nodes.Reading{d.chipReading(now)})
	}
}

// usedByOthers names the lines that somebody else uses: "2 (spi0 CS0), 14".
func (d *device) usedByOthers() string {
	ours := make(map[int]bool)
	for _, p := range d.pins {
		if p.line != nil {
			ours[p.offset] = true
		}
	}
	var list []string
	for i := range d.info.Lines {
		l, err := d.chip.Line(i)
		if err != nil || l.Flags&cdev.Used == 0 || ours[i] {
			continue
		}
		s := fmt.Sprint(i)
		if l.Consumer != "" {
			s += " (" + l.Consumer + ")"
		}
		list = append(list, s)
	}
	return strings.Join(list, ", ")
}
