package app

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/tree"
)

// ownSource is the id of the source in which the hub shows itself.
const ownSource = "Hub"

// settleTime is how long the answer to a command has to leave before what it cuts
// off is cut off.
const settleTime = 500 * time.Millisecond

// ownPart is a node of the hub's own source: a side of the hub that can be read and
// has messages and commands.
type ownPart struct {
	id, title string
	commands  []nodes.Command
	// look returns the fields of now, and the messages that hold now.
	look func(now time.Time) ([]nodes.Field, []nodes.Message)
	// run runs a command; nil: there are none.
	run func(ctx context.Context, command string, p nodes.Params) error
	// query runs a query; nil: there are none.
	query func(ctx context.Context, command string, p nodes.Params, put nodes.Put) error

	wake  chan struct{} // 1: something has changed
	after chan func()   // 1: to be called when an answer has left
}

func newOwnPart(id, title string, look func(time.Time) ([]nodes.Field, []nodes.Message)) *ownPart {
	return &ownPart{id: id, title: title, look: look, wake: make(chan struct{}, 1), after: make(chan func(), 1)}
}

// changed has the part tell of itself at once.
func (p *ownPart) changed() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// makeParts makes the sides of the hub that can be read and commanded.
func (h *hub) makeParts() {
	h.connections, h.asking = h.connectionsPart(), h.accessPart()
	h.parts = []*ownPart{h.processPart(), h.storagePart(), h.connections, h.clockPart(), h.asking}
}

// ownCommands are the commands of all parts, which the root has too, but for queries.
func (h *hub) ownCommands() (out []nodes.Command) {
	for _, p := range h.parts {
		for _, c := range p.commands {
			if c.Kind != nodes.Query {
				out = append(out, c)
			}
		}
	}
	return out
}

// runOwn runs a command of the part that has it.
func (h *hub) runOwn(ctx context.Context, command string, p nodes.Params) error {
	for _, part := range h.parts {
		if slices.ContainsFunc(part.commands, func(c nodes.Command) bool { return c.ID == command }) {
			err := part.run(ctx, command, p)
			part.changed()
			return err
		}
	}
	return fmt.Errorf("there is no command %s", command)
}

// openOwn makes the hub's own source.
func (h *hub) openOwn() (*tree.Tree, error) {
	parts := ownParts{}
	var types []nodes.Type
	var list []*nodes.Node
	for _, p := range h.parts {
		typ := nodes.Type{Name: "hub." + p.id, Title: p.title, Parents: []string{nodes.TypeRoot}, Connects: true, Caps: nodes.CanRead, Commands: p.commands}
		if p.run != nil {
			typ.Caps |= nodes.CanCommand
		}
		parts[typ.Name] = p
		types = append(types, typ)
		list = append(list, &nodes.Node{Spec: nodes.Spec{ID: p.id, Type: typ.Name}})
	}
	return tree.New(tree.Config{Source: ownSource, Name: "The hub itself", Types: types, Store: h.db.Tree(ownSource), Opener: parts, Log: h.log, Fixed: list,
		Commands: h.ownCommands(), Run: h.runOwn})
}

// ownParts opens the nodes of the hub's own source, by type.
type ownParts map[string]*ownPart

// Open implements tree.Opener.
func (o ownParts) Open(n *nodes.Node, h nodes.Host) (nodes.Device, error) {
	return &ownDevice{part: o[n.Type], host: h}, nil
}

// Forget implements tree.Opener.
func (o ownParts) Forget(string) {}

// ownDevice is a part that is open.
type ownDevice struct {
	part *ownPart
	host nodes.Host
	said map[string]bool // ids of its messages
}

// Run implements nodes.Device.
func (d *ownDevice) Run(ctx context.Context) error {
	tick := time.NewTicker(selfInterval)
	defer tick.Stop()
	d.said = make(map[string]bool)
	for {
		d.tell()
		select {
		case <-tick.C:
		case <-d.part.wake:
		case f := <-d.part.after:
			select {
			case <-time.After(settleTime):
				f()
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return nil
		}
	}
}

// tell reports the fields, and the messages that hold.
func (d *ownDevice) tell() {
	fields, messages := d.part.look(time.Now())
	d.host.Report([]nodes.Reading{{Node: d.part.id, MaxAge: 3 * selfInterval, Fields: fields}})
	said := make(map[string]bool, len(messages))
	for _, m := range messages {
		said[m.EventID] = true
		d.host.Fault(d.part.id, m)
	}
	for id := range d.said {
		if !said[id] {
			d.host.Clear(d.part.id, id)
		}
	}
	d.said = said
}

// Update implements nodes.Device: nothing can be changed.
func (d *ownDevice) Update(nodes.Change) {}

// Read implements nodes.Reader.
func (d *ownDevice) Read(_ context.Context, _ []string, yield func(nodes.Reading)) {
	fields, _ := d.part.look(time.Now())
	yield(nodes.Reading{Node: d.part.id, MaxAge: 3 * selfInterval, Fields: fields})
}

// Execute implements nodes.Commander.
func (d *ownDevice) Execute(ctx context.Context, _, command string, p nodes.Params) error {
	err := d.part.run(ctx, command, p)
	d.part.changed()
	return err
}

// Query implements nodes.Commander.
func (d *ownDevice) Query(ctx context.Context, _, command string, p nodes.Params, put nodes.Put) error {
	if d.part.query == nil {
		return fmt.Errorf("there is no query %s", command)
	}
	return d.part.query(ctx, command, p, put)
}

// fields gathers fields of one moment.
type fields struct {
	now  time.Time
	list []nodes.Field
}

func (f *fields) add(c nodes.Category, name string, v nodes.Value) {
	f.list = append(f.list, nodes.Field{Name: name, Value: v, Time: f.now, Category: c})
}
