package control

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
)

// The conditions of wrong parameters.
const (
	badRequest = "bad-request"
	notFound   = "item-not-found"
)

// wrongParams is that parameters are wrong; nothing was written.
type wrongParams struct {
	condition string
	fields    map[string]string // messages by name
	form      *nodes.Form       // nil: the request had none
	texts     form.Texts
}

func (w *wrongParams) Error() string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(w.fields)) {
		list = append(list, ext.Clip(name)+": "+w.fields[name])
	}
	return few(list, "; ")
}

// few joins what a person wants to read of a list.
func few(list []string, sep string) string {
	const most = 5
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], sep), len(list)-most)
	}
	return strings.Join(list, sep)
}

// What an error tells of wrong parameters at most, so that it is no longer than a
// stanza may be.
const (
	maxParamErrors = 100
	maxName        = 1000 // bytes of a name
)

// explained makes the stanza error of wrong parameters; others it returns.
func (s *Server) explained(r *ext.Request, err error) error {
	var w *wrongParams
	if !errors.As(err, &w) {
		return err
	}
	var b []byte
	if w.form != nil {
		if b = form.AppendControlIn(nil, w.form, w.texts, w.fields, r.Space()); len(b) > MaxAnswer/2 {
			b = nil
		}
	}
	for i, name := range slices.Sorted(maps.Keys(w.fields)) {
		if i == maxParamErrors || len(b) > MaxAnswer*3/4 {
			break
		}
		if len(name) <= maxName {
			b = appendParamError(b, r.Space(), name, clipReason(w.fields[name]))
		}
	}
	return &ext.StanzaError{Type: "modify", Condition: w.condition, Text: clipReason(w.Error()), Payload: b}
}

// failure is the error of a set that was tried and is not good as a whole.
func (x *set) failure(list []nodes.Assignment, out []nodes.Outcome) error {
	at := slices.IndexFunc(out, func(o nodes.Outcome) bool { return !o.State.Good() })
	if at < 0 && len(out) == len(list) {
		return nil
	}
	if at < 0 || len(out) != len(list) {
		return nodes.Errorf(nodes.Internal, "", nodes.Ref{}, "a backend told not all outcomes")
	}
	e := x.refusal(&out[at])
	space := x.request.Space()
	reason := e.Text
	e.Text = fmt.Sprintf("%s was not set: %s", x.named(&list[at]), reason)
	if out[at].State == nodes.WriteUnknown {
		e.Text = fmt.Sprintf("outcome unknown: nobody knows whether %s was set: %s; read it before you set it again", x.named(&list[at]), reason)
	}
	e.Payload = appendParamError(nil, space, list[at].Name, reason)
	if len(list) == 1 {
		e.Payload = appendResp(e.Payload, space, nil, nil)
		return e
	}
	var written, left []string
	perNode := make([][]string, len(x.refs))
	for i := range list {
		switch {
		case out[i].State.Good():
			written = append(written, x.named(&list[i]))
			n := i / len(x.params)
			perNode[n] = append(perNode[n], list[i].Name)
		case i > at:
			left = append(left, x.named(&list[i]))
		}
	}
	if len(written) == 0 {
		e.Text += ". Nothing was written before"
		e.Payload = appendResp(e.Payload, space, nil, nil)
	} else {
		e.Text += ". Written before: " + few(written, ", ")
	}
	for n, names := range perNode {
		if len(names) > 0 {
			e.Payload = appendResp(e.Payload, space, x.refs[n:n+1], names)
		}
	}
	if len(left) > 0 {
		e.Text += ". Not tried: " + few(left, ", ")
	}
	return e
}

// named is a parameter in a text.
func (x *set) named(a *nodes.Assignment) string {
	if len(x.refs) == 1 {
		return ext.Clip(a.Name)
	}
	return ext.Clip(a.Name) + " of " + ext.Clip(a.Ref.ID)
}

// refusal is the stanza error of an outcome that is not good, with the reason as
// its text.
func (x *set) refusal(o *nodes.Outcome) *ext.StanzaError {
	kind := nodes.NotAcceptable
	switch o.State {
	case nodes.WriteUnknown:
		kind = nodes.Timeout
	case nodes.WriteExpired:
		kind = nodes.Exhausted
	case nodes.WriteRefused:
		// What the device itself says is no error of a kind.
		if k := nodes.KindOf(o.Err); k != nodes.Internal && k != nodes.Timeout {
			kind = k
		}
	}
	e := ext.FromError(&nodes.Error{Kind: kind})
	e.Text = "the device gives no reason"
	if o.Err != nil {
		var ours *nodes.Error
		if e.Text = o.Err.Error(); errors.As(o.Err, &ours) && ours.Err != nil {
			e.Text = ours.Err.Error()
		}
	}
	return &ext.StanzaError{Type: e.Type, Condition: e.Condition, Text: clipReason(e.Text)}
}

// clipReason keeps the reason of a device short.
func clipReason(s string) string {
	const most = 1000
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
