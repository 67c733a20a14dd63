package concentrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

// The people of the tests: who asks through exttest.Pair may do everything.
const (
	ops      = "ops@example.org"
	viewer   = "viewer@example.org"
	stranger = "stranger@example.org"
)

var at = time.Date(2026, 8, 20, 10, 11, 12, 345e6, time.UTC)

// fake is a backend over one small source.
type fake struct {
	tap *sniffer.Tap

	mu      sync.Mutex
	rights  map[string]nodes.Rights
	list    []nodes.Info // parents first
	langs   []string     // of callers
	changes int
	hold    chan struct{} // Create waits for it when not nil
	log     []string      // of changes: begin and end
	// execute and query are what commands do when not nil; ran are their parameters.
	execute func(ctx context.Context, command string, p nodes.Params) error
	query   func(ctx context.Context, put nodes.Put) error
	ran     []nodes.Params
	// executeAt is what commands do at a node, instead, when not nil.
	executeAt func(nodes.Ref) error
	edits     []nodes.Edit

	subscribers map[*int]func(nodes.Event)
	kept        []nodes.Event
}

func newFake() *fake {
	root := nodes.Info{Ref: nodes.In("Root"), Name: "Root", Type: "root", TypeTitle: "Root", HasChildren: true, LastChanged: at}
	gw := nodes.Info{Ref: nodes.In("GW"), Name: "GW", Type: "modbus.gateway", TypeTitle: "Modbus gateway", Parent: root.Ref,
		State: nodes.StateWarning, HasChildren: true, ChildrenOrdered: true, Sniffable: true, HasCommands: true, LastChanged: at,
		Properties: []nodes.Property{
			{ID: "Host", Name: "Host", Value: nodes.String("192.0.2.7 & <more>")},
			{ID: "Port", Name: "Port", Value: nodes.Int32(502)},
			{ID: "Bytes", Name: "Bytes", Value: nodes.Int64(1 << 40)},
			{ID: "Tls", Name: "TLS", Value: nodes.Bool(false)},
			{ID: "Load", Name: "Load", Value: nodes.Quantity(0.5, 2, "")},
			{ID: "Timeout", Name: "Timeout", Value: nodes.Duration(0, 1500*time.Millisecond)},
			{ID: "Since", Name: "Since", Value: nodes.DateTime(at)},
			{ID: "Daily", Name: "Daily", Value: nodes.TimeOfDay(90 * time.Minute)},
			{ID: "Color", Name: "Colour", Value: nodes.Color(255, 128, 0, 255)},
		},
		Messages: []nodes.Message{{Time: at, Severity: nodes.SeverityWarning, EventID: "Timeout", Text: "Unit 7 at <192.0.2.7> does not answer."}},
	}
	unit := nodes.Info{Ref: nodes.In("GW/7"), Name: "7", Type: "modbus.unit", TypeTitle: "Modbus unit", Parent: gw.Ref, Readable: true, Controllable: true}
	gw2 := nodes.Info{Ref: nodes.In("GW2"), Name: "GW2", Type: "modbus.gateway", TypeTitle: "Modbus gateway", Parent: root.Ref, LastChanged: at,
		Properties: []nodes.Property{{ID: "Host", Name: "Host", Value: nodes.String("192.0.2.7 & <more>")}, {ID: "Port", Name: "Port", Value: nodes.Int32(503)}}}
	return &fake{tap: sniffer.NewTap(), list: []nodes.Info{root, gw, unit, gw2},
		rights: map[string]nodes.Rights{ops: nodes.AllRights, viewer: nodes.See}}
}

// The types: name, base, title, parent.
var types = []nodes.Type{
	{Name: "node"}, {Name: "root", Title: "Root"},
	{Name: "modbus.gateway", Title: "Modbus gateway", Parents: []string{"root"}, Params: []nodes.Param{
		{ID: "Host", Page: "Connection", Label: "Host", Kind: nodes.KindString, Required: true},
		{ID: "Port", Page: "Connection", Label: "Port", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(65535), Default: nodes.Int32(502)},
		{ID: "Password", Page: "Connection", Label: "Password", Kind: nodes.KindString, Secret: true},
	}},
	{Name: "modbus.unit", Title: "Modbus unit", Parents: []string{"modbus.gateway"}},
}

func typeNamed(name string) *nodes.Type {
	for i := range types {
		if types[i].Name == name {
			return &types[i]
		}
	}
	return nil
}

func (f *fake) node(c nodes.Caller, r nodes.Ref, need nodes.Rights) (nodes.Info, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.langs = append(f.langs, c.Lang)
	has := f.rights[c.JID]
	i := slices.IndexFunc(f.list, func(n nodes.Info) bool { return n.Ref == r })
	if i < 0 || has&nodes.See == 0 {
		return nodes.Info{}, nodes.Errorf(nodes.NotFound, "get", r, "no node "+clip(r.ID))
	}
	if has&need != need {
		return nodes.Info{}, nodes.Errorf(nodes.Forbidden, "get", r, "you may not do this")
	}
	n := f.list[i]
	n.HasChildren = slices.ContainsFunc(f.list, func(o nodes.Info) bool { return o.Parent == r })
	return n, nil
}

func (f *fake) source(c nodes.Caller, source string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if source != nodes.DefaultSource || f.rights[c.JID]&nodes.See == 0 {
		return nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no data source "+clip(source))
	}
	return nil
}

// pick returns the nodes that a caller may see and that pass.
func (f *fake) pick(c nodes.Caller, d nodes.Detail, pass func(nodes.Info) bool) []nodes.Info {
	var out []nodes.Info
	for _, n := range f.nodes() {
		if n, err := f.Node(c, n.Ref, d); err == nil && pass(n) {
			out = append(out, n)
		}
	}
	return out
}

func (f *fake) nodes() []nodes.Info {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.list)
}

func (f *fake) Sources(c nodes.Caller) []nodes.Source {
	if f.source(c, nodes.DefaultSource) != nil {
		return nil
	}
	return []nodes.Source{{ID: nodes.DefaultSource, Name: "Devices", LastChanged: at}}
}

func (f *fake) ChildSources(c nodes.Caller, source string) ([]nodes.Source, error) {
	return nil, f.source(c, source)
}

func (f *fake) Node(c nodes.Caller, r nodes.Ref, d nodes.Detail) (nodes.Info, error) {
	n, err := f.node(c, r, 0)
	if !d.Properties {
		n.Properties = nil
	}
	if !d.Messages {
		n.Messages = nil
	}
	return n, err
}

func (f *fake) Roots(c nodes.Caller, source string, d nodes.Detail) ([]nodes.Info, error) {
	return f.pick(c, d, func(n nodes.Info) bool { return n.Parent.ID == "" }), f.source(c, source)
}

func (f *fake) Children(c nodes.Caller, r nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	if _, err := f.node(c, r, 0); err != nil {
		return nil, err
	}
	return f.pick(c, d, func(n nodes.Info) bool { return n.Parent == r }), nil
}

func (f *fake) Ancestors(c nodes.Caller, r nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	var out []nodes.Info
	for r.ID != "" {
		n, err := f.Node(c, r, d)
		if err != nil {
			return nil, err
		}
		out, r = append(out, n), n.Parent
	}
	return out, nil
}

func (f *fake) All(c nodes.Caller, source string, derivedFrom []string, d nodes.Detail) ([]nodes.Info, error) {
	if err := f.source(c, source); err != nil {
		return nil, err
	}
	for _, name := range derivedFrom {
		if typeNamed(name) == nil {
			return nil, nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no node type "+clip(name))
		}
	}
	return f.pick(c, d, func(n nodes.Info) bool {
		return len(derivedFrom) == 0 || slices.Contains(derivedFrom, n.Type) || slices.Contains(derivedFrom, "node")
	}), nil
}

func (f *fake) Inheritance(c nodes.Caller, r nodes.Ref) ([]string, error) {
	_, err := f.node(c, r, 0)
	return []string{"node"}, err
}

func (f *fake) Addable(c nodes.Caller, parent nodes.Ref) ([]nodes.Type, error) {
	n, err := f.node(c, parent, nodes.Configure)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(types), func(t nodes.Type) bool { return !slices.Contains(t.Parents, n.Type) }), nil
}

func (f *fake) NewForm(c nodes.Caller, parent nodes.Ref, typ string) (nodes.Form, error) {
	n, err := f.node(c, parent, nodes.Configure)
	if err != nil {
		return nodes.Form{}, err
	}
	t := typeNamed(typ)
	if t == nil {
		return nodes.Form{}, nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "no node type "+clip(typ))
	}
	if !slices.Contains(t.Parents, n.Type) {
		return nodes.Form{}, nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{}, "a "+t.Title+" cannot stand there")
	}
	form := nodes.Form{Title: t.Title, Values: nodes.Params{}, Params: append([]nodes.Param{
		{ID: "NodeId", Page: "Identity", Label: "Node id", Kind: nodes.KindString},
		{ID: "Name", Page: "Identity", Label: "Name", Kind: nodes.KindString}}, t.Params...)}
	for _, p := range form.Params {
		if !p.Default.IsZero() {
			form.Values[p.ID] = p.Default
		}
	}
	return form, nil
}

// editable are the parameters of a node that can be edited.
func (f *fake) editable(n *nodes.Info) nodes.Params {
	out := make(nodes.Params)
	for _, p := range n.Properties {
		if slices.ContainsFunc(typeNamed(n.Type).Params, func(x nodes.Param) bool { return x.ID == p.ID }) {
			out[p.ID] = p.Value
		}
	}
	return out
}

func (f *fake) EditForm(c nodes.Caller, refs []nodes.Ref) (nodes.Form, error) {
	form := nodes.Form{Title: "Edit", Values: nodes.Params{}, Differ: map[string]bool{}}
	for i, r := range refs {
		n, err := f.node(c, r, nodes.Configure)
		if err != nil {
			return form, err
		}
		values := f.editable(&n)
		if i == 0 {
			form.Params, form.Values = typeNamed(n.Type).Params, values
			if len(refs) == 1 {
				form.Params = append([]nodes.Param{{ID: "NodeId", Page: "Identity", Label: "Node id", Kind: nodes.KindString},
					{ID: "Name", Page: "Identity", Label: "Name", Kind: nodes.KindString}}, form.Params...)
				form.Values["NodeId"], form.Values["Name"] = nodes.String(n.Ref.ID), nodes.String(n.Name)
			}
			continue
		}
		for _, p := range form.Params {
			if form.Values[p.ID] != values[p.ID] {
				form.Differ[p.ID] = true
				delete(form.Values, p.ID)
			}
		}
	}
	return form, nil
}

func (f *fake) Edit(_ context.Context, c nodes.Caller, refs []nodes.Ref, e nodes.Edit) ([]nodes.Info, error) {
	var out []nodes.Info
	for _, r := range refs {
		n, err := f.node(c, r, nodes.Configure)
		if err != nil {
			return nil, err
		}
		values := f.editable(&n)
		for id, v := range e.Params {
			values[id] = v
		}
		checked, wrong := param.Check(typeNamed(n.Type).Params, values)
		if e.Name == "taken" {
			wrong["Name"] = "its sibling has this name already"
		}
		if len(wrong) > 0 {
			return nil, &nodes.Error{Kind: nodes.Invalid, Ref: r, Err: errors.New("wrong parameters"), Fields: wrong}
		}
		n.Properties = nil
		for _, p := range typeNamed(n.Type).Params {
			if v := checked[p.ID]; !v.IsZero() && !p.Secret {
				n.Properties = append(n.Properties, nodes.Property{ID: p.ID, Name: p.ID, Value: v})
			}
		}
		if e.Name != "" {
			n.Name = e.Name
		}
		if e.ID != "" {
			n.Ref.ID = e.ID
		}
		out = append(out, n)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, r := range refs {
		k := slices.IndexFunc(f.list, func(n nodes.Info) bool { return n.Ref == r })
		f.list[k] = out[i]
	}
	f.edits = append(f.edits, e)
	f.changes++
	return out, nil
}

func (f *fake) Move(_ context.Context, c nodes.Caller, down bool, refs []nodes.Ref) error {
	for _, r := range refs {
		if _, err := f.node(c, r, nodes.Configure); err != nil {
			return err
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, fmt.Sprint("move ", down, " ", refs))
	f.changes++
	return nil
}

func (f *fake) Create(ctx context.Context, c nodes.Caller, n nodes.NewNode) (nodes.Info, error) {
	if _, err := f.node(c, n.Parent, nodes.Configure); err != nil {
		return nodes.Info{}, err
	}
	f.mu.Lock()
	hold := f.hold
	f.log = append(f.log, "begin "+n.ID)
	f.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return nodes.Info{}, ctx.Err()
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, "end "+n.ID)
	checked, wrong := param.Check(typeNamed(n.Type).Params, n.Params)
	if slices.ContainsFunc(f.list, func(o nodes.Info) bool { return o.Ref.ID == n.ID }) {
		wrong["NodeId"] = "is taken by another node"
	}
	if len(wrong) > 0 {
		return nodes.Info{}, &nodes.Error{Kind: nodes.NotAcceptable, Err: errors.New("wrong parameters"), Fields: wrong}
	}
	info := nodes.Info{Ref: nodes.Ref{Source: n.Parent.Source, ID: n.ID}, Name: n.Name, Type: n.Type, TypeTitle: typeNamed(n.Type).Title, Parent: n.Parent}
	for _, id := range []string{"Host", "Port"} {
		if v := checked[id]; !v.IsZero() {
			info.Properties = append(info.Properties, nodes.Property{ID: id, Name: id, Value: v})
		}
	}
	f.list = append(f.list, info)
	f.changes++
	info.Properties = nil
	return info, nil
}

func (f *fake) Destroy(_ context.Context, c nodes.Caller, r nodes.Ref) error {
	if _, err := f.node(c, r, nodes.Configure); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.ID == nodes.RootID {
		return nodes.Errorf(nodes.NotAcceptable, "", r, "the root node cannot be destroyed")
	}
	f.list = slices.DeleteFunc(f.list, func(n nodes.Info) bool { return n.Ref == r || strings.HasPrefix(n.Ref.ID, r.ID+"/") })
	f.changes++
	return nil
}

func (f *fake) Subscribe(c nodes.Caller, source string, notify func(nodes.Event)) (func(), error) {
	if err := f.source(c, source); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	id := new(int)
	if f.subscribers == nil {
		f.subscribers = make(map[*int]func(nodes.Event))
	}
	f.subscribers[id] = notify
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.subscribers, id)
	}, nil
}

// happen tells the subscribers of an event, and keeps it.
func (f *fake) happen(e nodes.Event) {
	f.mu.Lock()
	list := slices.Collect(maps.Values(f.subscribers))
	f.kept = append(f.kept, e)
	f.mu.Unlock()
	for _, notify := range list {
		notify(e)
	}
}

func (f *fake) Events(c nodes.Caller, source string, since time.Time, tell func(nodes.Event) bool) error {
	if err := f.source(c, source); err != nil {
		return err
	}
	f.mu.Lock()
	list := slices.Clone(f.kept)
	f.mu.Unlock()
	for _, e := range list {
		if !e.Time.Before(since) && !tell(e) {
			break
		}
	}
	return nil
}

func (f *fake) Sniff(c nodes.Caller, r nodes.Ref, expires time.Time) (*sniffer.Subscription, error) {
	n, err := f.node(c, r, nodes.Listen)
	if err != nil {
		return nil, err
	}
	if !n.Sniffable {
		return nil, nodes.Errorf(nodes.NotAcceptable, "", r, "this node has no traffic of its own; choose its gateway")
	}
	return f.tap.Subscribe(expires, 0, nil), nil
}

func (f *fake) May(c nodes.Caller, r nodes.Rights, _ nodes.Ref) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.rights[c.JID]&r == r
}

func (f *fake) allow(jid string, r nodes.Rights) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rights[jid] = r
}

func (f *fake) changed() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changes
}

// The commands of the gateway; Forget needs a right that ops have and installers
// have not.
var commands = []nodes.Command{
	{ID: "Reconnect", Kind: nodes.Simple, Title: "Reconnect", Category: "Line", SortKey: "1", Description: "Closes the connection and opens it again.",
		Confirmation: "Really reconnect <now>?", Success: "Reconnected.", Failure: "Not reconnected."},
	{ID: "SetClock", Kind: nodes.Parametrized, Title: "Set the clock", Category: "Line", Description: "Sets the clock of all units.", Params: []nodes.Param{
		{ID: "Time", Page: "Clock", Label: "Time", Kind: nodes.KindDateTime, Required: true},
		{ID: "Repeat", Page: "Clock", Label: "How often", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(9), Default: nodes.Int32(1)},
	}},
	{ID: "ScanUnits", Kind: nodes.Query, Title: "Scan for units", Category: "Commissioning", Description: "Asks every address, which takes up to a minute.", Params: []nodes.Param{
		{ID: "First", Label: "First", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(247), Default: nodes.Int32(1)},
		{ID: "Last", Label: "Last", Kind: nodes.KindInt32, Min: nodes.Int32(1), Max: nodes.Int32(247), Default: nodes.Int32(247)},
		{ID: "Key", Label: "Key", Kind: nodes.KindString, Secret: true},
	}},
	{ID: "Dump", Kind: nodes.Query, Title: "Read a range", Params: []nodes.Param{
		{ID: "First", Label: "First", Kind: nodes.KindInt32, Required: true},
	}},
	{ID: "Forget", Kind: nodes.Simple, Rights: nodes.Administer},
}

// commanded are the nodes that have commands: gateways.
func commanded(r nodes.Ref) bool {
	return strings.HasPrefix(r.ID, "GW") && r.ID != "GW/7" && r.Source == nodes.DefaultSource
}

func (f *fake) Commands(c nodes.Caller, r nodes.Ref) ([]nodes.Command, error) {
	if _, err := f.node(c, r, 0); err != nil || !commanded(r) {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(commands), func(cmd nodes.Command) bool {
		return !f.may(c, cmd) || cmd.ID == "Dump" && r != nodes.In("GW")
	}), nil
}

func (f *fake) may(c nodes.Caller, cmd nodes.Command) bool {
	need := cmd.Rights
	if need == 0 {
		need = nodes.Configure
	}
	return f.May(c, nodes.See|need, nodes.Ref{})
}

func (f *fake) CommandForm(c nodes.Caller, r nodes.Ref, command string) (nodes.Form, error) {
	if _, err := f.node(c, r, 0); err != nil {
		return nodes.Form{}, err
	}
	i := slices.IndexFunc(commands, func(cmd nodes.Command) bool { return cmd.ID == command })
	switch {
	case i < 0 || !commanded(r):
		return nodes.Form{}, nodes.Errorf(nodes.NotFound, "", r, "no command "+clip(command))
	case !f.may(c, commands[i]):
		return nodes.Form{}, nodes.Errorf(nodes.Forbidden, "", r, "you may not run "+command)
	}
	form := nodes.Form{Title: commands[i].Title, Params: slices.Clone(commands[i].Params), Values: nodes.Params{}}
	if r == nodes.In("GW2") && command == "ScanUnits" { // a short line
		form.Params[1].Max, form.Params[1].Default = nodes.Int32(32), nodes.Int32(32)
	}
	for _, p := range form.Params {
		if !p.Default.IsZero() {
			form.Values[p.ID] = p.Default
		}
	}
	return form, nil
}

func (f *fake) begin(c nodes.Caller, r nodes.Ref, command string, p nodes.Params) error {
	form, err := f.CommandForm(c, r, command)
	if err != nil {
		return err
	}
	p, wrong := param.Check(form.Params, p)
	if first, last := p["First"], p["Last"]; !last.IsZero() && first.Int() > last.Int() {
		wrong["Last"] = "is before the first"
	}
	if len(wrong) > 0 {
		return &nodes.Error{Kind: nodes.Invalid, Err: errors.New("wrong parameters"), Fields: wrong}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes++
	f.ran = append(f.ran, p)
	return nil
}

func (f *fake) Execute(ctx context.Context, c nodes.Caller, r nodes.Ref, command string, p nodes.Params) error {
	if err := f.begin(c, r, command, p); err != nil {
		return err
	}
	if f.executeAt != nil {
		return f.executeAt(r)
	}
	if f.execute != nil {
		return f.execute(ctx, command, p)
	}
	return nil
}

func (f *fake) Query(ctx context.Context, c nodes.Caller, r nodes.Ref, command string, p nodes.Params, put nodes.Put) error {
	if err := f.begin(c, r, command, p); err != nil {
		return err
	}
	if f.query != nil {
		return f.query(ctx, put)
	}
	return putAll(put, scan)
}

func putAll(put nodes.Put, list []nodes.Finding) error {
	for _, found := range list {
		if err := put(found); err != nil {
			return err
		}
	}
	return nil
}

// scan is what a query finds: every finding, and a cell of every kind.
var scan = []nodes.Finding{
	nodes.QueryTitle("Units on <line 1>"),
	nodes.QueryStatus("unit 1 of 2"),
	nodes.Section("Units"),
	nodes.Table{ID: "units", Name: "Units", Columns: []nodes.Column{
		{ID: "id", Header: "Address", Align: nodes.AlignRight}, {ID: "node", Header: "Node", Source: nodes.DefaultSource},
		{ID: "ms", Header: "Answered after", Align: nodes.AlignCenter, Decimals: 2}, {ID: "bare", Header: "bare"}}},
	nodes.Rows{Table: "units", Rows: [][]nodes.Value{
		{nodes.Int32(1), nodes.String("GW/7"), nodes.Quantity(23.5, 2, "ms"), {}},
		{nodes.Int32(2), nodes.String("a & b"), {}, nodes.Bool(true)},
	}},
	nodes.SectionEnd{},
	nodes.Section("Kinds"),
	nodes.Section("Cells"),
	nodes.Table{ID: "kinds", Name: "All kinds"},
	nodes.Rows{Table: "kinds", Rows: [][]nodes.Value{{
		nodes.Bool(false), nodes.Int32(-5), nodes.Int64(1 << 40), nodes.Quantity(12.3, 2, ""), nodes.Quantity(-0.5, 1, "°C"), nodes.String("x < y"),
		nodes.Date(at), nodes.DateTime(at), nodes.TimeOfDay(90 * time.Minute), nodes.Duration(1, 36*time.Hour), nodes.Color(255, 128, 0, 255), {},
	}, {}}},
	nodes.TableEnd("kinds"),
	nodes.SectionEnd{},
	nodes.SectionEnd{},
	nodes.Rows{Table: "units", Rows: [][]nodes.Value{{nodes.Int32(3)}}},
	nodes.TableEnd("units"),
	nodes.Remark{Severity: nodes.SeverityInformation, Text: "3 units answered."},
	nodes.Remark{Severity: nodes.SeverityWarning, Text: "Unit 3 is slow."},
	nodes.Remark{Severity: nodes.SeverityError, Text: "Unit 4 sent <nonsense>."},
	nodes.Object{ContentType: "text/csv", Data: []byte("address;name\r\n1;a\r\n")},
}
