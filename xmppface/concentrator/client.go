package concentrator

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Client asks one hub. Its errors are [*nodes.Error]; one that the hub sent
// unwraps to its [*ext.StanzaError]. Safe for concurrent use; the exported fields
// are set before.
//
// It is an [ext.Receiver] of messages in the three families, which it needs for
// sniffers and queries only, and an [ext.Leaver].
type Client struct {
	Link  ext.Link
	To    string // full JID of the hub
	Space string // the family to ask in: the first of nfi, nf, ieee that the hub has; empty: nfi

	mu        sync.Mutex
	listeners map[string]*Listener
	early     map[string][]*wire.Element // sniff messages that came before the answer
	asking    int                        // registrations without an answer yet
	following map[string]*following      // queries under way, by id

	subscribed map[string]func(nodes.Event) // by source
}

// request starts a request element.
func (c *Client) request(name string) []byte {
	space := c.Space
	if space == "" {
		space = NSNFI
	}
	return wire.AppendAttr(append([]byte{'<'}, name...), "xmlns", space)
}

// get asks with an element whose attributes are written, and expects an element
// of that name, or any when it is empty.
func (c *Client) get(ctx context.Context, op string, r nodes.Ref, b []byte, want string) (*wire.Element, error) {
	return c.ask(ctx, op, r, "get", append(b, '/', '>'), want)
}

func (c *Client) ask(ctx context.Context, op string, r nodes.Ref, typ string, payload []byte, want string) (*wire.Element, error) {
	e, err := c.Link.Ask(ctx, c.To, typ, payload)
	if err != nil {
		return nil, failed(op, r, err)
	}
	if want != "" && (e == nil || e.Name.Local != want) {
		got := "nothing"
		if e != nil {
			got = "<" + clip(e.Name.Local) + "/>"
		}
		return nil, nodes.Errorf(nodes.Internal, op, r, "the hub answered with "+got+", not with <"+want+"/>; is it a concentrator?")
	}
	return e, nil
}

// failed words an error of an ask, with the wrong fields of a form in it.
func failed(op string, r nodes.Ref, err error) error {
	out := ext.Failed(op, r, err)
	var stanza *ext.StanzaError
	if errors.As(err, &stanza) && stanza.Element != nil {
		if x := stanza.Element.Child("x"); x != nil {
			if f, err := form.Parse(x); err == nil {
				out.Fields = f.Wrong
			}
		}
	}
	return out
}

func appendDetail(b []byte, d nodes.Detail) []byte {
	b = wire.AppendFlag(b, "parameters", d.Properties)
	return wire.AppendFlag(b, "messages", d.Messages)
}

func appendRefs(b []byte, list []nodes.Ref) []byte {
	b = append(b, '>')
	for _, r := range list {
		b = append(appendRef(append(b, "<nd"...), r.Resolved()), '/', '>')
	}
	return b
}

// Capabilities lists the operations that the hub serves.
func (c *Client) Capabilities(ctx context.Context) ([]string, error) {
	e, err := c.get(ctx, "capabilities", nodes.Ref{}, c.request("getCapabilities"), "strings")
	if err != nil {
		return nil, err
	}
	return readStrings(e), nil
}

// Sources lists all data sources.
func (c *Client) Sources(ctx context.Context) ([]nodes.Source, error) {
	return c.sources(ctx, c.request("getAllDataSources"))
}

// RootSources lists the data sources that are below no other.
func (c *Client) RootSources(ctx context.Context) ([]nodes.Source, error) {
	return c.sources(ctx, c.request("getRootDataSources"))
}

// ChildSources lists the data sources below one.
func (c *Client) ChildSources(ctx context.Context, source string) ([]nodes.Source, error) {
	return c.sources(ctx, wire.AppendAttr(c.request("getChildDataSources"), "src", source))
}

func (c *Client) sources(ctx context.Context, b []byte) ([]nodes.Source, error) {
	e, err := c.get(ctx, "list sources", nodes.Ref{}, b, "dataSources")
	if err != nil {
		return nil, err
	}
	return readSources(e), nil
}

// Contains tells whether a node exists.
func (c *Client) Contains(ctx context.Context, r nodes.Ref) (bool, error) {
	e, err := c.get(ctx, "look for", r, appendRef(c.request("containsNode"), r.Resolved()), "bool")
	if err != nil {
		return false, err
	}
	v, _ := wire.ParseBool(e.Text)
	return v, nil
}

// ContainsAll tells of each node whether it exists.
func (c *Client) ContainsAll(ctx context.Context, list []nodes.Ref) ([]bool, error) {
	b := append(appendRefs(c.request("containsNodes"), list), "</containsNodes>"...)
	e, err := c.ask(ctx, "look for", nodes.Ref{}, "get", b, "bools")
	if err != nil {
		return nil, err
	}
	var out []bool
	for _, child := range e.Children {
		v, _ := wire.ParseBool(child.Text)
		out = append(out, v)
	}
	if len(out) != len(list) {
		return nil, nodes.Errorf(nodes.Internal, "look for", nodes.Ref{}, "the hub answered for another number of nodes than asked")
	}
	return out, nil
}

// Node returns one node.
func (c *Client) Node(ctx context.Context, r nodes.Ref, d nodes.Detail) (nodes.Info, error) {
	e, err := c.get(ctx, "get", r, appendDetail(appendRef(c.request("getNode"), r.Resolved()), d), "nodeInfo")
	if err != nil {
		return nodes.Info{}, err
	}
	return readInfo(e), nil
}

// Nodes returns several nodes; one that is missing fails all.
func (c *Client) Nodes(ctx context.Context, list []nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	b := appendRefs(appendDetail(c.request("getNodes"), d), list)
	e, err := c.ask(ctx, "get", nodes.Ref{}, "get", append(b, "</getNodes>"...), "nodeInfos")
	if err != nil {
		return nil, err
	}
	return readInfos(e), nil
}

// All returns all nodes of a source; with types named, those that derive from
// any of them. Large sources are refused with NotAcceptable: ask for children.
func (c *Client) All(ctx context.Context, source string, derivedFrom []string, d nodes.Detail) ([]nodes.Info, error) {
	b := append(appendDetail(wire.AppendAttr(c.request("getAllNodes"), "src", source), d), '>')
	for _, typ := range derivedFrom {
		b = append(b, "<onlyIfDerivedFrom>"...)
		b = append(wire.AppendText(b, typ), "</onlyIfDerivedFrom>"...)
	}
	e, err := c.ask(ctx, "list", nodes.Ref{}, "get", append(b, "</getAllNodes>"...), "nodeInfos")
	if err != nil {
		return nil, err
	}
	return readInfos(e), nil
}

// Roots returns the root nodes of a source.
func (c *Client) Roots(ctx context.Context, source string, d nodes.Detail) ([]nodes.Info, error) {
	return c.infos(ctx, nodes.Ref{}, appendDetail(wire.AppendAttr(c.request("getRootNodes"), "src", source), d))
}

// Children returns the children of a node, in order.
func (c *Client) Children(ctx context.Context, r nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	return c.infos(ctx, r, appendDetail(appendRef(c.request("getChildNodes"), r.Resolved()), d))
}

// Ancestors returns the node itself, its parent, and so on up to the root.
func (c *Client) Ancestors(ctx context.Context, r nodes.Ref, d nodes.Detail) ([]nodes.Info, error) {
	return c.infos(ctx, r, appendDetail(appendRef(c.request("getAncestors"), r.Resolved()), d))
}

func (c *Client) infos(ctx context.Context, r nodes.Ref, b []byte) ([]nodes.Info, error) {
	e, err := c.get(ctx, "list", r, b, "nodeInfos")
	if err != nil {
		return nil, err
	}
	return readInfos(e), nil
}

// Inheritance returns the base types of a node's type, nearest first.
func (c *Client) Inheritance(ctx context.Context, r nodes.Ref) ([]string, error) {
	e, err := c.get(ctx, "inheritance", r, appendRef(c.request("getNodeInheritance"), r.Resolved()), "inheritance")
	if err != nil {
		return nil, err
	}
	if bases := e.Child("baseClasses"); bases != nil {
		return readStrings(bases), nil
	}
	return nil, nil
}

// Addable returns the types of which children may be created below a node, with
// name and title.
func (c *Client) Addable(ctx context.Context, parent nodes.Ref) ([]nodes.Type, error) {
	e, err := c.get(ctx, "list types", parent, appendRef(c.request("getAddableNodeTypes"), parent.Resolved()), "nodeTypes")
	if err != nil {
		return nil, err
	}
	var out []nodes.Type
	for _, t := range e.Children {
		if t.Name.Local == "nodeType" {
			out = append(out, nodes.Type{Name: t.Attr("type"), Title: t.Attr("name")})
		}
	}
	return out, nil
}

// NewForm returns the parameters of a node to be created, among them NodeId and
// perhaps Name.
func (c *Client) NewForm(ctx context.Context, parent nodes.Ref, typ string) (*form.Received, error) {
	b := wire.AppendAttr(appendRef(c.request("getParametersForNewNode"), parent.Resolved()), "type", typ)
	e, err := c.get(ctx, "new form", parent, b, "x")
	if err != nil {
		return nil, err
	}
	f, err := form.Parse(e)
	if err != nil {
		return nil, &nodes.Error{Op: "new form", Ref: parent, Kind: nodes.Internal, Err: err}
	}
	return f, nil
}

// Create creates a node. When parameters are wrong, the error's Fields hold a
// message for each.
func (c *Client) Create(ctx context.Context, n nodes.NewNode) (nodes.Info, error) {
	values := make(nodes.Params, len(n.Params)+2)
	for id, v := range n.Params {
		values[id] = v
	}
	if n.ID != "" {
		values[fieldID] = nodes.String(n.ID)
	}
	if n.Name != "" {
		values[fieldName] = nodes.String(n.Name)
	}
	b := appendRef(c.request("createNewNode"), n.Parent.Resolved())
	b = append(wire.AppendAttr(b, "type", n.Type), '>')
	b = append(form.AppendSubmit(b, values), "</createNewNode>"...)
	e, err := c.ask(ctx, "create below", n.Parent, "set", b, "nodeInfo")
	if err != nil {
		return nodes.Info{}, err
	}
	return readInfo(e), nil
}

// Destroy destroys a node with everything below it.
func (c *Client) Destroy(ctx context.Context, r nodes.Ref) error {
	b := append(appendRef(c.request("destroyNode"), r.Resolved()), '/', '>')
	_, err := c.ask(ctx, "destroy", r, "set", b, "")
	return err
}

// Sniff listens to the traffic of a node, until expires when it is not zero; the
// hub may choose an earlier time, and chooses one when it is. The caller must
// close the listener.
func (c *Client) Sniff(ctx context.Context, r nodes.Ref, expires time.Time) (*Listener, error) {
	b := appendRef(c.request("registerSniffer"), r.Resolved())
	b = append(appendTime(b, "expires", expires), '/', '>')
	c.mu.Lock()
	c.asking++
	c.mu.Unlock()
	e, err := c.ask(ctx, "listen to", r, "set", b, "sniffer")
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking--; c.asking == 0 {
		defer func() { c.early = nil }()
	}
	if err != nil {
		return nil, err
	}
	l := &Listener{client: c, ref: r, id: e.Attr("snifferId"), wake: make(chan struct{}, 1)}
	l.expires, _ = wire.ParseDateTime(e.Attr("expires"))
	if l.id == "" {
		return nil, nodes.Errorf(nodes.Internal, "listen to", r, "the hub gave the sniffer no id")
	}
	if c.listeners == nil {
		c.listeners = make(map[string]*Listener)
	}
	c.listeners[l.id] = l
	for _, m := range c.early[l.id] {
		l.put(readSniff(m))
	}
	delete(c.early, l.id)
	return l, nil
}
