package mqtt

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// mostAtOnce is how many devices are created in one step.
const mostAtOnce = 100

// keyLeft begins the keys of the names of which a person removed the device: with the id
// of the template and the topic. They do not come back by themselves.
const keyLeft = "left\n"

// adopt makes devices of the names that came up, where that is to be done by itself, and
// fields that devices of a template do not have yet, until ctx ends.
func (b *broker) adopt(ctx context.Context) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.meets:
		}
		if more := b.round(ctx); more {
			poke(b.meets)
		}
		timer.Reset(b.timing.tick) // names that come up one after the other go in one step
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
	}
}

// round does once what adopt does; more tells whether something is left to do.
func (b *broker) round(ctx context.Context) (more bool) {
	b.mu.Lock()
	var made []*nodes.Node
	for id, t := range b.templates {
		made = append(made, b.missing(t)...)
		var list []*meeting
		for _, m := range t.waiting() {
			if !m.looked {
				_, m.left = b.host.Shelf().Get(keyLeft + id + "\n" + m.topic)
				m.looked = true
			}
			if t.auto && !m.left && m.refuse == "" {
				list = append(list, m)
			}
		}
		n := min(len(list), t.room(), mostAtOnce)
		more = more || n == mostAtOnce
		made = append(made, b.devicesOf(t, list[:n])...)
	}
	b.mu.Unlock()
	b.tellTemplates()
	if len(made) == 0 {
		return more
	}
	// Create waits for whoever changes nodes, who may wait for Run: at the end it is left
	// to itself, and is given up then.
	done := make(chan error, 1)
	go func() { done <- b.create(ctx, made) }()
	select {
	case <-ctx.Done():
		return false
	case err := <-done:
		if err != nil && ctx.Err() == nil {
			b.log.Warn("mqtt: nodes of a template cannot be created", "error", err)
		}
	}
	return more
}

// create creates nodes; where they cannot be together, each by itself. The error is that
// of the last which cannot.
func (b *broker) create(ctx context.Context, made []*nodes.Node) error {
	err := b.host.Create(ctx, made)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = nil
	for _, n := range made {
		if e := b.host.Create(ctx, []*nodes.Node{n}); e != nil {
			b.unask([]*nodes.Node{n}, e)
			err = e
		}
	}
	return err
}

// unask takes note that nodes were not created.
func (b *broker) unask(made []*nodes.Node, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range made {
		if t := b.templates[n.Parent]; t != nil {
			if m := t.met[substitute(t.topic.text, readNames(n.Params.Text("Names")))]; m != nil {
				m.asked, m.refuse = false, err.Error()
			}
		}
	}
}

// missing returns the fields of a template that its devices do not have.
func (b *broker) missing(t *template) (made []*nodes.Node) {
	fields := t.sorted()
	for id, m := range t.members {
		have := make(map[string]bool, len(m.fields))
		for _, f := range m.fields {
			have[strings.ToLower(f.Name)] = true
		}
		for _, f := range fields {
			if key := strings.ToLower(f.Name); !have[key] && !m.asked[key] {
				m.asked[key] = true
				made = append(made, &nodes.Node{Spec: nodes.Spec{Name: f.Name, Type: TypeField, Parent: id, Params: fill(f.Params, m.values)}})
			}
		}
	}
	return made
}

// sorted returns the fields of a template in the order in which they came.
func (t *template) sorted() []*nodes.Node {
	out := make([]*nodes.Node, 0, len(t.fields))
	for _, n := range t.fields {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b *nodes.Node) int { return cmp.Compare(t.order[a.ID], t.order[b.ID]) })
	return out
}

// devicesOf makes the nodes of devices, and takes note that they are being created. The
// broker is locked.
func (b *broker) devicesOf(t *template, list []*meeting) (made []*nodes.Node) {
	taken := make(map[string]bool)
	for _, m := range t.members {
		taken[strings.ToLower(m.node.Name)] = true
	}
	for _, f := range t.fields {
		taken[strings.ToLower(f.Name)] = true
	}
	fields := t.sorted()
	for _, m := range list {
		m.asked = true
		var parts []string
		for _, name := range t.topic.names {
			parts = append(parts, m.values[name])
		}
		base := cmp.Or(nameOf(strings.Join(parts, " ")), "device")
		name := base
		for i := 2; taken[strings.ToLower(name)]; i++ {
			name = fmt.Sprintf("%s %d", base, i)
		}
		taken[strings.ToLower(name)] = true
		n := &nodes.Node{Spec: nodes.Spec{Name: name, Type: TypeDevice, Parent: t.node.ID, Params: fill(t.node.Params, m.values)}}
		n.Params["Names"] = nodes.String(writeNames(m.values))
		for _, f := range fields {
			n.Children = append(n.Children, &nodes.Node{Spec: nodes.Spec{Name: f.Name, Type: TypeField, Params: fill(f.Params, m.values)}})
		}
		made = append(made, n)
	}
	return made
}

// tellTemplates says on templates what is to be known of them.
func (b *broker) tellTemplates() {
	var list []note
	b.mu.Lock()
	for id, t := range b.templates {
		if text, severity := t.text(); text != t.told {
			t.told = text
			list = append(list, note{id, EventTemplate, text, severity})
		}
	}
	b.mu.Unlock()
	for _, n := range list {
		if n.text == "" {
			b.host.Clear(n.node, n.event)
		} else {
			b.host.Fault(n.node, nodes.Message{Severity: n.severity, EventID: n.event, Text: n.text})
		}
	}
}

func templateCommands() []command {
	return []command{
		{nodes.Command{ID: "ListNames", Kind: nodes.Query, Title: "List names", SortKey: "1",
			Description: "Shows what came up on the topics of the template and is no device yet."}, listNames},
		{nodes.Command{ID: "AdoptDevice", Kind: nodes.Parametrized, Title: "Adopt a device", SortKey: "2",
			Description: "Makes a device of a name that came up, also of one that was removed.", Success: "The device is made.", Failure: "The device is not made:",
			Params: []nodes.Param{{ID: "Topic", Label: "Topic", Kind: nodes.KindString, Required: true, Description: "That of the device, as ListNames shows it."}}}, adoptDevice},
		{nodes.Command{ID: "AdoptAll", Kind: nodes.Simple, Title: "Adopt all devices", SortKey: "3",
			Description: "Makes a device of each name that came up, but for those of which a person removed it.", Success: "The devices are made.", Failure: "The devices are not made:"}, adoptAll},
	}
}

func listNames(_ context.Context, b *broker, node string, _ nodes.Params, put nodes.Put) error {
	const id = "names"
	if err := put(nodes.Table{ID: id, Name: "Names", Columns: []nodes.Column{{ID: "Topic"}, {ID: "Names"}, {ID: "Messages", Align: nodes.AlignRight}, {ID: "Remark"}}}); err != nil {
		return err
	}
	b.mu.Lock()
	t := b.templates[node]
	var rows [][]nodes.Value
	for _, m := range t.waiting() {
		text := m.refuse
		if m.left {
			text = "its device was removed"
		}
		rows = append(rows, []nodes.Value{nodes.String(m.topic), cell(strings.ReplaceAll(writeNames(m.values), "\n", ", ")), nodes.Int64(int64(m.count)), cell(text)})
	}
	beyond, folded, topic := t.beyond, t.folded, t.topic.text
	b.mu.Unlock()
	if len(rows) > 0 {
		if err := put(nodes.Rows{Table: id, Rows: rows}); err != nil {
			return err
		}
	}
	if err := put(nodes.TableEnd(id)); err != nil {
		return err
	}
	if folded > 0 {
		if err := put(nodes.Remark{Severity: nodes.SeverityInformation, Text: fmt.Sprintf("%d messages on topics of %s with what looks like an id: see Ids", folded, topic)}); err != nil {
			return err
		}
	}
	if beyond > 0 {
		return put(nodes.Remark{Severity: nodes.SeverityWarning, Text: fmt.Sprintf("%d messages of further names: there are more than %d", beyond, mostNames)})
	}
	return nil
}

func adoptDevice(ctx context.Context, b *broker, node string, p nodes.Params, _ nodes.Put) error {
	return b.adoptNames(ctx, "AdoptDevice", node, func(m *meeting) bool { return m.topic == p.Text("Topic") })
}

func adoptAll(ctx context.Context, b *broker, node string, _ nodes.Params, _ nodes.Put) error {
	return b.adoptNames(ctx, "AdoptAll", node, func(m *meeting) bool { return !m.left })
}

// adoptNames makes devices of the names that are wanted.
func (b *broker) adoptNames(ctx context.Context, op, node string, wanted func(*meeting) bool) error {
	no := func(text string) error { return nodes.Errorf(nodes.NotAcceptable, op, nodes.In(node), text) }
	b.mu.Lock()
	t := b.templates[node]
	var list []*meeting
	for _, m := range t.waiting() {
		if wanted(m) {
			list = append(list, m)
		}
	}
	room := t.room()
	if len(list) == 0 || len(list) > room {
		b.mu.Unlock()
		if len(list) == 0 {
			return no("no such name came up since the hub started: see ListNames")
		}
		return no(fmt.Sprintf("there is room for %d more devices, and %d came up: raise MaxDevices", room, len(list)))
	}
	made := b.devicesOf(t, list)
	for _, m := range list {
		m.left, m.refuse = false, ""
		b.host.Shelf().Delete(keyLeft + node + "\n" + m.topic)
	}
	b.mu.Unlock()
	if err := b.host.Create(ctx, made); err != nil {
		b.unask(made, err)
		return err
	}
	poke(b.meets)
	return nil
}
