package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/events"
)

type readCmd struct {
	Nodes    []string `arg:"" help:"Ids or paths of nodes; a device gives the values of all its parts."`
	Field    []string `short:"f" help:"Only fields of this name; may be given more than once."`
	Category []string `short:"k" help:"Only fields of this category: momentary, peak, status, computed, identity, historical."`
}

var categories = map[string]nodes.Category{"momentary": nodes.Momentary, "peak": nodes.Peak, "status": nodes.Status,
	"computed": nodes.Computed, "identity": nodes.Identity, "historical": nodes.Historical}

// parseCategories makes a set of names; none: 0.
func parseCategories(names []string) (set nodes.Category, err error) {
	for _, name := range names {
		k, ok := categories[strings.ToLower(name)]
		if !ok {
			return 0, usageError{fmt.Errorf("unknown category %q; there are: momentary, peak, status, computed, identity, historical", name)}
		}
		set |= k
	}
	return set, nil
}

// fieldLine is a value, or why there is none, in JSON.
type fieldLine struct {
	Node     string `json:"node"`
	Field    string `json:"field,omitempty"`
	Value    any    `json:"value,omitempty"`
	Unit     string `json:"unit,omitempty"`
	Time     string `json:"time,omitempty"`
	Category string `json:"category,omitempty"`
	Quality  string `json:"quality,omitempty"`
	Error    string `json:"error,omitempty"`
}

// tally counts what was read.
type tally struct {
	asked  map[nodes.Ref]bool // that are not answered
	values int
	good   int
	failed int // nodes
}

func (t *tally) add(ref nodes.Ref, r nodes.Reading) {
	delete(t.asked, ref)
	if r.Err != nil {
		t.failed++
	}
	t.values += len(r.Fields)
	for _, f := range r.Fields {
		if isGood(f.QoS) {
			t.good++
		}
	}
}

// verdict is what the exit code tells of it.
func (t *tally) verdict(nodes int) error {
	switch {
	case t.failed > 0 && t.values == 0:
		return fmt.Errorf("%s could not be read; \"hub show NODE\" tells since when", many(t.failed, "node"))
	case t.failed > 0:
		return notGood{fmt.Errorf("%d of %d nodes could not be read whole", t.failed, nodes)}
	case t.values == 0:
		return errors.New("there are no such values; without -f and -k all fields are read")
	case t.good < t.values:
		return notGood{fmt.Errorf("%d of %d values are not good", t.values-t.good, t.values)}
	}
	return nil
}

// many is a number of things in words.
func many(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func (c *readCmd) Run(p *program) error {
	wanted, err := parseCategories(c.Category)
	if err != nil {
		return err
	}
	ro := nodes.Readout{Fields: c.Field, Categories: wanted}
	count := tally{asked: make(map[nodes.Ref]bool)}
	err = p.with(func(ctx context.Context, s *client) error {
		var err error
		if ro.Refs, err = s.findAll(ctx, c.Nodes); err != nil {
			return err
		}
		for _, ref := range ro.Refs {
			count.asked[ref] = true
		}
		var t table
		if !p.options.JSON {
			t = newTable(p.out, "NODE", "FIELD", "VALUE", "UNIT", "AGE", "QUALITY")
		}
		inner, cancel := context.WithTimeout(ctx, p.patience())
		defer cancel()
		err = s.values.Read(inner, ro, func(ref nodes.Ref, r nodes.Reading) {
			count.add(ref, r)
			p.printReading(t, ref, r)
		})
		if inner.Err() != nil && ctx.Err() == nil {
			err = count.late(p.patience())
		}
		if err == nil && count.values+count.failed == 0 && len(c.Field) > 0 {
			return s.noField(ctx, ro)
		}
		if p.options.JSON || count.values+count.failed == 0 {
			return err
		}
		return errors.Join(err, t.end()) // what was answered is shown in any case
	})
	if err != nil {
		return err
	}
	return count.verdict(len(ro.Refs))
}

// noField says that no node has such fields, and which they have.
func (s *client) noField(ctx context.Context, ro nodes.Readout) error {
	var names []string
	wrong := strings.Join(ro.Fields, ", ")
	asked := ro.Fields[0]
	ro.Fields = nil
	err := s.values.Read(ctx, ro, func(_ nodes.Ref, r nodes.Reading) {
		for _, f := range r.Fields {
			if !slices.Contains(names, f.Name) {
				names = append(names, f.Name)
			}
		}
	})
	if err != nil || len(names) == 0 {
		return errors.New("there are no such values")
	}
	if near := alike(asked, names); len(near) > 0 {
		return fmt.Errorf("there is no field %s; do you mean %s?", wrong, either(near))
	}
	const most = 12
	if len(names) > most {
		names = append(names[:most], "…")
	}
	return fmt.Errorf("there is no field %s; there are: %s", wrong, strings.Join(names, ", "))
}

// late says which nodes were not answered in time.
func (t *tally) late(waited time.Duration) error {
	const most = 5
	var names []string
	for ref := range t.asked {
		names = append(names, ref.ID)
	}
	slices.Sort(names)
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	what := strings.Join(names, ", ")
	if what == "" {
		what = "all of it"
	}
	return fmt.Errorf("not answered within %v: %s. The line may be busy or its devices silent; --timeout waits longer", waited, what)
}

// printReading prints a reading, a line for each field and one for the error.
func (p *program) printReading(t table, ref nodes.Ref, r nodes.Reading) {
	if p.options.JSON {
		for _, l := range fieldLines(ref, r) {
			line(p.out, l) // when nobody reads, the next command ends too
		}
		return
	}
	now := time.Now()
	for _, f := range r.Fields {
		value, unit := split(f.Value)
		t.cells(cell{text: ref.ID}, cell{text: f.Name}, cell{text: value}, cell{text: unit}, cell{age(f.Time, now), dim}, qualityCell(f.QoS))
	}
	if r.Err != nil {
		t.cells(cell{text: ref.ID}, cell{}, cell{}, cell{}, cell{}, cell{"error: " + r.Err.Error(), red})
	}
}

func fieldLines(ref nodes.Ref, r nodes.Reading) []fieldLine {
	var out []fieldLine
	for _, f := range r.Fields {
		out = append(out, fieldLine{Node: ref.ID, Field: f.Name, Value: plainValue(f.Value), Unit: f.Value.Unit(),
			Time: f.Time.UTC().Format(timeFormat), Category: f.Category.String(), Quality: quality(f.QoS)})
	}
	if r.Err != nil {
		out = append(out, fieldLine{Node: ref.ID, Error: r.Err.Error()})
	}
	return out
}

// split returns a value without its unit, and the unit.
func split(v nodes.Value) (value, unit string) {
	unit = v.Unit()
	return strings.TrimSuffix(v.String(), " "+unit), unit
}

// quality is "good" for a value that was read as it should be.
func quality(q nodes.QoS) string {
	if q &^= nodes.AutomaticReadout; q == 0 {
		return "good"
	}
	return q.String()
}

// settle waits a little until everything below the roots has been read, so that
// the first table is whole.
func (c *demoCmd) settle(ctx context.Context, s *client, roots []nodes.Info) error {
	refs := devices(ctx, s, roots)
	if len(refs) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return s.values.Read(ctx, nodes.Readout{Refs: refs}, func(nodes.Ref, nodes.Reading) {})
}

// devices returns the readable nodes without their parts, which are leaves below
// them.
func devices(ctx context.Context, s *client, list []nodes.Info) []nodes.Ref {
	var out []nodes.Ref
	for _, i := range list {
		if i.Readable {
			out = append(out, i.Ref)
		}
		if !i.HasChildren {
			continue
		}
		children, err := s.nodes.Children(ctx, i.Ref, nodes.Detail{})
		if err != nil {
			continue // it is gone
		}
		if i.Readable {
			children = slices.DeleteFunc(children, func(c nodes.Info) bool { return !c.HasChildren })
		}
		out = append(out, devices(ctx, s, children)...)
	}
	return out
}

// printTree prints the tree with values.
func (p *program) printTree(ctx context.Context, s *client, roots []nodes.Info) error {
	t := newTable(p.out, "NODE", "TYPE", "VALUE", "UNIT", "AGE", "STATE")
	var print func(list []nodes.Info, indent string, values map[string]nodes.Field) error
	print = func(list []nodes.Info, indent string, values map[string]nodes.Field) error {
		for _, i := range list {
			f, ok := values[i.Name]
			value, unit, old := "", "", ""
			if ok {
				value, unit = split(f.Value)
				old = age(f.Time, time.Now())
			}
			t.cells(cell{text: indent + i.Name}, cell{text: i.Type}, cell{text: value}, cell{text: unit}, cell{old, dim}, stateCell(i.State))
			if !i.HasChildren {
				continue
			}
			children, err := s.nodes.Children(ctx, i.Ref, nodes.Detail{})
			if err != nil {
				return err
			}
			below := make(map[string]nodes.Field)
			if i.Readable {
				err := s.values.Read(ctx, nodes.Readout{Refs: []nodes.Ref{i.Ref}}, func(_ nodes.Ref, r nodes.Reading) {
					for _, f := range r.Fields {
						below[f.Name] = f
					}
				})
				if err != nil {
					return err
				}
			}
			if err := print(children, indent+"  ", below); err != nil {
				return err
			}
		}
		return nil
	}
	if err := print(roots, "", nil); err != nil {
		return err
	}
	return t.end()
}

type watchCmd struct {
	Nodes    []string      `arg:"" optional:"" help:"Ids or paths of nodes; all devices when left out."`
	Interval time.Duration `help:"Ask for values this often; 0: as they are polled anyway." default:"0s" placeholder:"1s"`
	N        int           `help:"End after this many changes; 0: never." short:"n"`
	Category []string      `short:"k" help:"Only fields of this category, as for read; when left out: all but status."`
	Lines    bool          `help:"Print a line for each change, also on a terminal, where else a table is kept current." short:"l"`
}

// unlessAsked are the categories that watch shows when none is named: what a device
// says of itself changes all the time.
const unlessAsked = nodes.AllCategories &^ nodes.Status

func (c *watchCmd) Run(p *program) error {
	wanted, err := parseCategories(c.Category)
	if err != nil {
		return err
	}
	if wanted == 0 {
		wanted = unlessAsked
	}
	if c.Interval < 0 || c.N < 0 {
		return usageError{errors.New("an interval and a number of changes cannot be below 0")}
	}
	return p.until(func(ctx context.Context, s *client) error {
		refs, err := s.findAll(ctx, c.Nodes)
		if err != nil {
			return err
		}
		if len(refs) == 0 {
			roots, err := s.nodes.Children(ctx, nodes.In(nodes.RootID), nodes.Detail{})
			if err != nil {
				return err
			}
			refs = devices(ctx, s, roots)
		}
		if len(refs) == 0 {
			return fmt.Errorf("there is nothing to watch: no node is readable")
		}
		what := events.Subscription{Refs: refs, MinInterval: c.Interval, Categories: wanted}
		if isTerminal(p.out) && !c.Lines && !p.options.JSON && c.N == 0 && os.Getenv("TERM") != "dumb" {
			return p.live(ctx, s, what)
		}
		if !p.options.JSON {
			fmt.Fprintf(p.err, "waiting for changes of %s; Ctrl-C ends it\n", many(len(refs), "node"))
		}
		return p.watch(ctx, s, what, c.N)
	})
}

// change is what a hub told of a node.
type change struct {
	ref     nodes.Ref
	reading nodes.Reading
}

// follow subscribes to changes. The caller must call stop, which ends it.
func (s *client) follow(ctx context.Context, what events.Subscription) (changes <-chan change, stop func(), err error) {
	list := make(chan change, 1024)
	end, err := s.changes.Subscribe(ctx, what, func(ref nodes.Ref, r nodes.Reading) {
		select {
		case list <- change{ref, r}:
		default: // the terminal is slower than the plant: newer values will come
		}
	})
	if err != nil {
		return nil, nil, err
	}
	return list, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		end(ctx) // the hub ends it anyway when we are gone
	}, nil
}

// watch prints changes until ctx ends, the hub is gone, or n were printed (0: no
// limit). Values that are there are no changes.
func (p *program) watch(ctx context.Context, s *client, what events.Subscription, n int) error {
	changes, stop, err := s.follow(ctx, what)
	if err != nil {
		return err
	}
	defer stop()
	for printed := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-s.session.Done():
			return errors.New("the hub has ended")
		case c := <-changes:
			if nodes.KindOf(c.reading.Err) == nodes.Unreachable && s.gone() {
				return c.reading.Err
			}
			if left := n - printed; n > 0 && len(c.reading.Fields) > left {
				c.reading.Fields = c.reading.Fields[:left]
				c.reading.Err = nil
			}
			more, err := p.printChange(c.ref, c.reading)
			if err != nil {
				return err
			}
			if printed += more; n > 0 && printed >= n {
				return nil
			}
		}
	}
}

// printChange prints the changes of a reading, a line each, and returns how many.
func (p *program) printChange(ref nodes.Ref, r nodes.Reading) (n int, err error) {
	if p.options.JSON {
		for _, l := range fieldLines(ref, r) {
			if err := line(p.out, l); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	fields := slices.Clone(r.Fields)
	for _, f := range fields {
		name := ref.ID
		if !strings.HasSuffix(name, "/"+f.Name) {
			name += "/" + f.Name
		}
		text := fmt.Sprintf("%s  %-32s %s", f.Time.Local().Format("15:04:05.000"), name, f.Value)
		if q := quality(f.QoS); q != "good" {
			text += "  " + q
		}
		if _, err := fmt.Fprintln(p.out, clean(text)); err != nil {
			return n, err
		}
		n++
	}
	if r.Err != nil {
		n++
		_, err = fmt.Fprintln(p.out, clean(fmt.Sprintf("%s  %-32s error: %v", time.Now().Format("15:04:05.000"), ref.ID, r.Err)))
	}
	return n, err
}
