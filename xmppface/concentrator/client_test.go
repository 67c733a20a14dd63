package concentrator

import (
	"errors"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
)

var quiet = slog.New(slog.DiscardHandler)

// pair connects a client that asks in the family to a server over the fake.
func pair(t testing.TB, f *fake, space string) (*Client, *exttest.Link, *Server) {
	t.Helper()
	s := New(f, quiet)
	c := &Client{To: exttest.ServerJID, Space: space}
	link := exttest.Pair(t, s, c)
	c.Link = link
	return c, link, s
}

// what strips an Info to what travels when nothing is asked for.
func plain(list ...nodes.Info) []nodes.Info {
	out := slices.Clone(list)
	for i := range out {
		out[i].Properties, out[i].Messages = nil, nil
	}
	return out
}

func TestClient(t *testing.T) {
	for _, space := range []string{NSNFI, NSNF, NSIEEE, ""} {
		t.Run(space, func(t *testing.T) { testClient(t, space) })
	}
}

func testClient(t *testing.T, space string) {
	ctx, f := t.Context(), newFake()
	c, _, s := pair(t, f, space)
	root, gw, unit := f.list[0], f.list[1], f.list[2]
	all := nodes.Detail{Properties: true, Messages: true}

	check := func(what string, got, want any, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", what, got, want)
		}
	}
	names, err := c.Capabilities(ctx)
	check("capabilities", names, s.names, err)
	sources := []nodes.Source{{ID: nodes.DefaultSource, Name: "Devices", LastChanged: at}}
	list, err := c.Sources(ctx)
	check("sources", list, sources, err)
	list, err = c.RootSources(ctx)
	check("root sources", list, sources, err)
	list, err = c.ChildSources(ctx, nodes.DefaultSource)
	check("child sources", list, []nodes.Source(nil), err)
	yes, err := c.Contains(ctx, gw.Ref)
	check("contains", yes, true, err)
	yes, err = c.Contains(ctx, nodes.In("nowhere"))
	check("contains", yes, false, err)
	flags, err := c.ContainsAll(ctx, []nodes.Ref{gw.Ref, nodes.In("nowhere"), {ID: "GW/7"}})
	check("contains all", flags, []bool{true, false, true}, err)
	n, err := c.Node(ctx, gw.Ref, all)
	check("node", n, gw, err)
	n, err = c.Node(ctx, nodes.Ref{ID: "GW"}, nodes.Detail{})
	check("plain node", n, plain(gw)[0], err)
	ns, err := c.Nodes(ctx, []nodes.Ref{unit.Ref, gw.Ref}, all)
	check("nodes", ns, []nodes.Info{unit, gw}, err)
	ns, err = c.All(ctx, nodes.DefaultSource, nil, all)
	check("all", ns, f.list, err)
	ns, err = c.All(ctx, nodes.DefaultSource, []string{"modbus.unit", "root"}, nodes.Detail{})
	check("all of types", ns, []nodes.Info{root, unit}, err)
	ns, err = c.Roots(ctx, nodes.DefaultSource, nodes.Detail{})
	check("roots", ns, []nodes.Info{root}, err)
	ns, err = c.Children(ctx, root.Ref, nodes.Detail{Messages: true})
	check("children", ns[0].Messages, gw.Messages, err)
	ns, err = c.Ancestors(ctx, unit.Ref, nodes.Detail{})
	check("ancestors", ns, plain(unit, gw, root), err)
	bases, err := c.Inheritance(ctx, gw.Ref)
	check("inheritance", bases, []string{"node"}, err)
	addable, err := c.Addable(ctx, root.Ref)
	check("addable", addable, []nodes.Type{{Name: "modbus.gateway", Title: "Modbus gateway"}}, err)
	form, err := c.NewForm(ctx, root.Ref, "modbus.gateway")
	if err != nil || len(form.Params) != 5 || form.Values["Port"] != nodes.Int32(502) || !form.Params[4].Secret {
		t.Errorf("form %+v, %v", form, err)
	}

	made, err := c.Create(ctx, nodes.NewNode{Parent: root.Ref, Type: "modbus.gateway", ID: "G & <2>", Name: "second",
		Params: nodes.Params{"Host": nodes.String("192.0.2.8"), "Password": nodes.String("geheim")}})
	want := nodes.Info{Ref: nodes.In("G & <2>"), Name: "second", Type: "modbus.gateway", TypeTitle: "Modbus gateway", Parent: root.Ref,
		Properties: []nodes.Property{{ID: "Host", Name: "Host", Value: nodes.String("192.0.2.8")}, {ID: "Port", Name: "Port", Value: nodes.Int32(502)}}}
	check("created", made, want, err)
	_, err = c.Create(ctx, nodes.NewNode{Parent: root.Ref, Type: "modbus.gateway", ID: "GW",
		Params: nodes.Params{"Host": nodes.String("h"), "Port": nodes.Int32(70000), "Hots": nodes.String("")}})
	var e *nodes.Error
	if !errors.As(err, &e) || e.Kind != nodes.NotAcceptable || len(e.Fields) != 2 || e.Fields["Port"] == "" || e.Fields["Hots"] == "" {
		t.Errorf("wrong parameters: %v, fields %v", err, e.Fields)
	}
	_, err = c.Create(ctx, nodes.NewNode{Parent: root.Ref, Type: "modbus.gateway", ID: "GW", Params: nodes.Params{"Host": nodes.String("h")}})
	if !errors.As(err, &e) || e.Fields["NodeId"] != "is taken by another node" {
		t.Errorf("taken id: %v", err)
	}
	if err := c.Destroy(ctx, made.Ref); err != nil {
		t.Errorf("destroy: %v", err)
	}
	err = c.Destroy(ctx, made.Ref)
	var stanza *ext.StanzaError
	if nodes.KindOf(err) != nodes.NotFound || !errors.As(err, &stanza) || stanza.Condition != "item-not-found" {
		t.Errorf("destroy again: %v", err)
	}
	if f.changed() != 2 {
		t.Errorf("%d changes, want 2", f.changed())
	}

	l, err := c.Sniff(ctx, gw.Ref, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	if d := time.Until(l.Expires()); d < DefaultLife-time.Minute || d > DefaultLife {
		t.Errorf("expires in %v", d)
	}
	f.tap.Tx("GW/7", []byte{7, 3, 0, 0})
	events, dropped, err := l.Next(ctx)
	if err != nil || dropped != 0 || len(events) != 1 || events[0].Kind != sniffer.TxBin || string(events[0].Data) != "\x07\x03\x00\x00" {
		t.Errorf("sniffed %+v, %d, %v", events, dropped, err)
	}
	if err := l.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	if _, _, err := l.Next(ctx); err != io.EOF {
		t.Errorf("after close: %v", err)
	}
}

func TestClientOfSomethingElse(t *testing.T) {
	c := &Client{To: exttest.ServerJID}
	c.Link = exttest.Pair(t, answers("<other xmlns='urn:x'/>"), c)
	if _, err := c.Node(t.Context(), nodes.In("a"), nodes.Detail{}); err == nil || nodes.KindOf(err) != nodes.Internal {
		t.Errorf("node: %v", err)
	}
	c = &Client{To: exttest.ServerJID}
	c.Link = exttest.Pair(t, answers(""), c)
	if _, err := c.Capabilities(t.Context()); err == nil {
		t.Error("an empty answer was taken")
	}
	c = &Client{To: "nobody@example.org"}
	c.Link = exttest.Pair(t, answers(""), c)
	if _, err := c.Sources(t.Context()); nodes.KindOf(err) != nodes.Unreachable {
		t.Errorf("nobody: %v", err)
	}
}

// answers answers everything alike.
type answers string

func (a answers) Spaces() []string     { return []string{NSNFI} }
func (a answers) Serve(r *ext.Request) { r.Result([]byte(a)) }
