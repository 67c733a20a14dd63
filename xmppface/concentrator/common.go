package concentrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

const (
	// MaxNodes is on how many nodes a command or query may be run by one request: what
	// is said of each has to fit the answer.
	MaxNodes = 5000
	// commonAtOnce is on how many nodes of a request a command is run at a time, so that
	// lines do not wait for each other and changes share a commit.
	commonAtOnce = 8
)

// Deployed hubs take what runs something as get, the schema says set.
var commonOperations = []operation{
	{name: "getCommonNodeCommands", typ: "get", change: slowly((*Server).getCommonNodeCommands)},
	{name: "getCommonCommandParameters", typ: "get", change: slowly((*Server).getCommonCommandParameters)},
	{name: "executeCommonNodeCommand", begin: (*Server).executeCommonNodeCommand},
	{name: "executeCommonNodeQuery", begin: (*Server).executeCommonNodeQuery},
	{name: "abortCommonNodeQuery", answer: (*Server).abortCommonNodeQuery},
}

// getCommonNodeCommands lists what all the nodes have, in the order of the first.
func (s *Server) getCommonNodeCommands(c *call) ([]byte, error) {
	list, err := severalToRun(c.Payload)
	if err != nil {
		return nil, err
	}
	var common []nodes.Command
	for i, r := range list {
		has, err := s.backend.Commands(c.who, r)
		switch {
		case err != nil:
			return nil, about(r, err)
		case i == 0:
			common = has
			continue
		}
		common = slices.DeleteFunc(common, func(a nodes.Command) bool {
			return !slices.ContainsFunc(has, func(b nodes.Command) bool { return a.ID == b.ID && a.Kind == b.Kind })
		})
	}
	b := append(c.open(nil, "commands"), '>')
	for i := range common {
		b = appendCommand(b, &common[i])
	}
	if b = append(b, "</commands>"...); len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

func (s *Server) getCommonCommandParameters(c *call) ([]byte, error) {
	list, in, err := s.namedBySeveral(c)
	if err != nil {
		return nil, err
	}
	if in.command.Kind == nodes.Simple {
		return nil, errNoForm(in, "executeCommonNodeCommand")
	}
	if in.form, err = s.commonForm(c, list, in); err != nil {
		return nil, err
	}
	b := form.Append(nil, in.form)
	if len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

// severalToRun reads the nodes of a request that is answered for each.
func severalToRun(e *wire.Element) ([]nodes.Ref, error) {
	list, err := several(e)
	if err == nil && len(list) > MaxNodes {
		return nil, nodes.Errorf(nodes.NotAcceptable, "", nodes.Ref{},
			fmt.Sprintf("the request names %d nodes; name at most %d at a time", len(list), MaxNodes))
	}
	return list, err
}

// namedBySeveral finds the command that a request names on every node it names. One that
// has no such command, or one of another kind, fails the request.
func (s *Server) namedBySeveral(c *call) ([]nodes.Ref, *invocation, error) {
	list, err := severalToRun(c.Payload)
	if err != nil {
		return nil, nil, err
	}
	var first *invocation
	for i, r := range list {
		in, err := s.named(c, r)
		switch {
		case err != nil:
			return nil, nil, about(r, err)
		case i == 0:
			first = in
		case in.command.Kind != first.command.Kind:
			return nil, nil, invalid(fmt.Sprintf("%s is not the same on %s and %s; run it on each by itself",
				clip(in.command.ID), clip(list[0].String()), clip(r.String())))
		}
	}
	return list, first, nil
}

// about says which of several nodes an error is about.
func about(r nodes.Ref, err error) error {
	var e *nodes.Error
	if !errors.As(err, &e) || e.Err == nil || strings.Contains(e.Err.Error(), clip(r.ID)) {
		return err
	}
	return nodes.Errorf(e.Kind, e.Op, r, clip(r.String())+": "+e.Err.Error())
}

// commonForm has the parameters that a command has on all nodes. Those whose defaults
// differ are left empty, and each node then takes its own.
func (s *Server) commonForm(c *call, list []nodes.Ref, in *invocation) (*nodes.Form, error) {
	out, err := s.commandForm(c, in)
	if err != nil {
		return nil, err
	}
	out.Differ = make(map[string]bool)
	for _, r := range list[1:] {
		f, err := s.backend.CommandForm(c.who, r, in.command.ID)
		if err != nil {
			return nil, about(r, err)
		}
		var common []nodes.Param
		for _, p := range out.Params {
			i := slices.IndexFunc(f.Params, func(o nodes.Param) bool { return p.ID == o.ID && p.Kind == o.Kind && p.Secret == o.Secret })
			if i >= 0 {
				widen(&p, &f.Params[i])
				common = append(common, p)
			}
		}
		out.Params = common
		for i := range out.Params {
			if id := out.Params[i].ID; out.Values[id] != f.Values[id] {
				out.Differ[id] = true
			}
		}
	}
	values := make(nodes.Params)
	for i := range out.Params {
		if id := out.Params[i].ID; !out.Differ[id] {
			values[id] = out.Values[id]
		} else {
			out.Params[i].Default, out.Params[i].Required = nodes.Value{}, false
		}
	}
	out.Values = values
	return out, nil
}

// widen makes a parameter take what another one takes, too: each node checks for itself.
func widen(p, o *nodes.Param) {
	size := func(v nodes.Value) float64 {
		if v.Kind() == nodes.KindDuration {
			return float64(v.Span())
		}
		return v.Double()
	}
	if o.Min.IsZero() || !p.Min.IsZero() && size(o.Min) < size(p.Min) {
		p.Min = o.Min
	}
	if o.Max.IsZero() || !p.Max.IsZero() && size(o.Max) > size(p.Max) {
		p.Max = o.Max
	}
	if o.Pattern != p.Pattern {
		p.Pattern = ""
	}
	p.Required = p.Required && o.Required
	if slices.Equal(p.Options, o.Options) {
		return
	}
	p.Options = slices.Clone(p.Options)
	for _, option := range o.Options {
		if !slices.ContainsFunc(p.Options, func(has nodes.Option) bool { return has.Value == option.Value }) {
			p.Options = append(p.Options, option)
		}
	}
}

// executeCommonNodeCommand runs a command on several nodes and says of each how it went.
// The time that one command may take is that of all.
func (s *Server) executeCommonNodeCommand(c *call) error {
	list, in, err := s.namedBySeveral(c)
	if err != nil {
		return err
	}
	if in.command.Kind == nodes.Query {
		return invalid(clip(in.command.ID) + " is a query; send executeCommonNodeQuery with a queryId")
	}
	if err := s.fillCommon(c, list, in); err != nil {
		return err
	}
	came := time.Now()
	o := newOutcomes(len(list))
	answer := func() {
		if errs := o.close(); errs != nil {
			payload, err := in.answer(c, errs)
			s.finish(c, payload, err)
		}
	}
	late := time.AfterFunc(commandAnswer, answer)
	err = s.enqueue(laneOf{c.Link, c.who.Full, severalNodes}, func(ctx context.Context) {
		defer late.Stop()
		o.run(commonAtOnce, func(i int) error {
			if time.Since(came) > commandWait {
				return errNoTime
			}
			one := *in
			one.ref = list[i]
			return s.execute(ctx, came, c, &one)
		})
		answer()
	})
	if err != nil {
		late.Stop()
	}
	return err
}

// severalNodes stands for the nodes of requests that name several: these are run one
// request after the other.
var severalNodes = nodes.Ref{Source: "*", ID: "*"}

// fillCommon reads the form of a request for several nodes.
func (s *Server) fillCommon(c *call, list []nodes.Ref, in *invocation) error {
	if in.command.Kind != nodes.Simple {
		var err error
		if in.form, err = s.commonForm(c, list, in); err != nil {
			return err
		}
	}
	return s.fill(c, in, "getCommonCommandParameters")
}

// answer words what became of a request for several nodes. When its parameters were
// wrong for every node, that is a wrong form.
func (in *invocation) answer(c *call, errs []error) ([]byte, error) {
	var wrong error
	for _, err := range errs {
		if e := (*nodes.Error)(nil); in.form == nil || !errors.As(err, &e) || len(e.Fields) == 0 {
			return appendPartial(c.open(nil, "partialExecution"), errs), nil
		}
		if wrong == nil {
			wrong = in.failure(err)
		}
	}
	return nil, wrong
}

// maxPartialError is how many bytes of the reason of one node are sent when all are
// short.
const maxPartialError = 500

// appendPartial appends a result for each node, in order. Many long reasons are cut.
func appendPartial(b []byte, errs []error) []byte {
	const each = len("<result error='…'>false</result>")
	failed := 0
	for _, err := range errs {
		if err != nil {
			failed++
		}
	}
	most := maxPartialError
	if failed > 0 {
		// Escaped, a byte may become six.
		most = min(most, (MaxAnswer-1024-len(errs)*each)/failed/6)
	}
	b = append(b, '>')
	for _, err := range errs {
		if err == nil {
			b = append(b, "<result>true</result>"...)
			continue
		}
		b = wire.AppendAttr(append(b, "<result"...), "error", shorten(reasonOf(err), most))
		b = append(b, ">false</result>"...)
	}
	return append(b, "</partialExecution>"...)
}

// reasonOf is a failure in words, with what is wrong with parameters.
func reasonOf(err error) string {
	if e := (*nodes.Error)(nil); errors.As(err, &e) && len(e.Fields) > 0 {
		return wrongText(e.Fields)
	}
	return ext.Reason(err)
}
