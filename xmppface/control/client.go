package control

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
)

// Client sets values of one hub. Its errors are [*nodes.Error]; one that the hub
// sent unwraps to its [*ext.StanzaError]. Safe for concurrent use; the fields are
// set before.
type Client struct {
	Link  ext.Link
	To    string // full JID of the hub
	Space string // the family to ask in: the first of nfi, nf, ieee that the hub has; empty: nfi
}

func (c *Client) space() string {
	if c.Space == "" {
		return NSNFI
	}
	return c.Space
}

// Form returns the control parameters that all of the nodes have, with their
// present values as far as the hub knows them.
func (c *Client) Form(ctx context.Context, refs ...nodes.Ref) (*form.Received, error) {
	const op = "list controls"
	b := appendRefs(append(appendOpen(nil, "getForm", c.space()), '>'), refs)
	e, err := c.Link.Ask(ctx, c.To, "get", append(b, "</getForm>"...))
	if err != nil {
		return nil, ext.Failed(op, only(refs), err)
	}
	x := e
	if x != nil && x.Name.Local != "x" {
		x = x.Child("x") // deployed clients look for it anywhere
	}
	if x == nil {
		return nil, nodes.Errorf(nodes.Internal, op, only(refs), "the hub answered without a form; does it serve control?")
	}
	f, err := form.Parse(x)
	if err != nil {
		return nil, &nodes.Error{Op: op, Ref: only(refs), Kind: nodes.Internal, Err: err}
	}
	return f, nil
}

// Set sets each parameter on each node: the first node with all its parameters
// first. An error says that nothing was tried, with Fields by parameter name where
// these are wrong; but one that did not come from the hub leaves the outcome open,
// and its text says so. Otherwise there is one outcome for each value, in that
// order: [nodes.WriteDone], and for what was not written whatever the hub told. A
// set must not be repeated blindly.
func (c *Client) Set(ctx context.Context, refs []nodes.Ref, list ...Parameter) ([]nodes.Outcome, error) {
	b, err := appendSet(nil, c.space(), refs, list)
	if err != nil {
		return nil, err
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.Name
	}
	return c.set(ctx, refs, names, b)
}

// Submit sets the parameters of a form on each node; it is as Set, with the outcomes
// in the order of the form. Those that shall be sent only when they were edited are
// left out when they have their present value, and then have no outcome: the names
// are of those that were sent.
func (c *Client) Submit(ctx context.Context, refs []nodes.Ref, f *form.Received, values nodes.Params) (names []string, out []nodes.Outcome, err error) {
	values = f.Submission(values)
	for i := range f.Params {
		if _, ok := values[f.Params[i].ID]; ok {
			names = append(names, f.Params[i].ID)
		}
	}
	b := appendRefs(append(appendOpen(nil, "set", c.space()), '>'), refs)
	b = append(form.AppendSubmit(b, values), "</set>"...)
	out, err = c.set(ctx, refs, names, b)
	return names, out, err
}

func (c *Client) set(ctx context.Context, refs []nodes.Ref, names []string, payload []byte) ([]nodes.Outcome, error) {
	const op = "set"
	e, err := c.Link.Ask(ctx, c.To, "set", payload)
	var stanza *ext.StanzaError
	switch {
	case errors.As(err, &stanza) && returned(stanza):
		return nil, ext.Failed(op, only(refs), fmt.Errorf("outcome unknown: the server says that the hub is not there, which may have got this before; read the values before you set them again: %w", stanza))
	case errors.As(err, &stanza):
		return c.refused(op, refs, names, stanza)
	case err != nil:
		return nil, ext.Failed(op, only(refs), fmt.Errorf("outcome unknown: %w", err))
	case e == nil || e.Name.Local != "resp":
		return nil, nodes.Errorf(nodes.Internal, op, only(refs), "the hub did not answer as one that serves control; read the values to see whether they were set")
	}
	doneRefs, doneNames := readResp(e)
	out := make([]nodes.Outcome, 0, len(refs)*len(names))
	for _, ref := range refs {
		for _, name := range names {
			o := nodes.Outcome{State: nodes.WriteDone, Time: time.Now()}
			if len(doneRefs) > 0 && !holds(doneRefs, ref) || len(doneNames) > 0 && !slices.Contains(doneNames, name) {
				o = nodes.Outcome{State: nodes.WriteRefused, Time: o.Time,
					Err: nodes.Errorf(nodes.Forbidden, op, ref, "the hub left it out; you may not control it")}
			}
			out = append(out, o)
		}
	}
	return out, nil
}

// returned tells of an error whether it is the server's, which gives back what nobody
// has taken. It does so, too, with what the hub took and did in a session that broke
// before it could say so (XEP-0198, 4). A hub says what it has written, or is of type
// wait, when it does not reach a device.
func returned(e *ext.StanzaError) bool {
	return e.Type == "cancel" && (e.Condition == "recipient-unavailable" || e.Condition == "service-unavailable") &&
		(e.Element == nil || e.Element.Child("resp") == nil)
}

func holds(list []nodes.Ref, ref nodes.Ref) bool {
	return slices.ContainsFunc(list, func(r nodes.Ref) bool { return r.Resolved() == ref.Resolved() })
}

// refused reads an error: what was written, what failed, and what was not tried.
func (c *Client) refused(op string, refs []nodes.Ref, names []string, stanza *ext.StanzaError) ([]nodes.Outcome, error) {
	failed := ext.Failed(op, only(refs), stanza)
	if stanza.Element == nil {
		return nil, failed
	}
	failed.Fields = readParamErrors(stanza.Element)
	written := make(map[nodes.Ref][]string)
	tried := false
	for _, e := range stanza.Element.Children {
		if e.Name.Local != "resp" {
			continue
		}
		tried = true
		list, names := readResp(e)
		for _, ref := range list {
			written[ref.Resolved()] = names
		}
	}
	if !tried {
		return nil, failed
	}
	// What was written comes first, in order.
	out := make([]nodes.Outcome, 0, len(refs)*len(names))
	good := true
	for _, ref := range refs {
		done := written[ref.Resolved()]
		for _, name := range names {
			o := nodes.Outcome{Time: time.Now()}
			switch {
			case good && len(done) > 0 && done[0] == name:
				o.State = nodes.WriteDone
				done = done[1:]
			case good:
				good = false
				o.State = stateOf(stanza.Condition)
				o.Err = &nodes.Error{Op: op, Ref: ref, Kind: stanza.Kind(), Err: errors.New(reasonOf(failed, stanza, name))}
			default:
				o.State = nodes.WriteSkipped
				o.Err = errors.New("not tried, because one before it was not written")
			}
			out = append(out, o)
		}
	}
	return out, nil
}

// reasonOf is why a parameter was not written: the hub's reason for it, or its text
// for all.
func reasonOf(failed *nodes.Error, stanza *ext.StanzaError, name string) string {
	if text := failed.Fields[name]; text != "" {
		return text
	}
	return stanza.Error()
}

// stateOf is the state of the write that failed.
func stateOf(condition string) nodes.WriteState {
	switch condition {
	case "remote-server-timeout":
		return nodes.WriteUnknown
	case "resource-constraint":
		return nodes.WriteExpired
	}
	return nodes.WriteRefused
}

// only is the node of a request for one.
func only(refs []nodes.Ref) nodes.Ref {
	if len(refs) == 1 {
		return refs[0]
	}
	return nodes.Ref{}
}
