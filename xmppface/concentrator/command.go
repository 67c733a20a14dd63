package concentrator

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/form"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The limits of commands.
const (
	// CommandTime is how long a simple or parametrized command may take. Clients
	// give up 15 s after they asked; what takes longer is a query.
	CommandTime = 10 * time.Second
	// MaxCommandsEach is on how many nodes one address may run commands at a time.
	MaxCommandsEach = 8
	// MaxCommands is on how many nodes commands may run for all addresses.
	MaxCommands = 32
)

const (
	// commandAnswer is when a command is answered whatever its device does.
	commandAnswer = 12 * time.Second
	// commandWait is how long a command waits for earlier ones: one that was begun
	// with little time left would end with an unknown outcome.
	commandWait = CommandTime / 2
)

var commandOperations = []operation{
	{name: "getNodeCommands", typ: "get", answer: (*Server).getNodeCommands},
	{name: "getCommandParameters", typ: "get", answer: (*Server).getCommandParameters},
	{name: "executeNodeCommand", typ: "set", begin: (*Server).executeNodeCommand},
}

// commandKinds are the spellings of the kinds of commands. The schema knows
// Parameterized too; deployed clients only this one.
var commandKinds = [...]string{nodes.Simple: "Simple", nodes.Parametrized: "Parametrized", nodes.Query: "Query"}

func (s *Server) getNodeCommands(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	list, err := s.backend.Commands(c.who, r)
	if err != nil {
		return nil, err
	}
	b := append(c.open(nil, "commands"), '>')
	for i := range list {
		b = appendCommand(b, &list[i])
	}
	if b = append(b, "</commands>"...); len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

func appendCommand(b []byte, cmd *nodes.Command) []byte {
	kind, title, key := commandKinds[nodes.Simple], cmd.Title, cmd.SortKey
	if int(cmd.Kind) < len(commandKinds) && cmd.Kind != 0 {
		kind = commandKinds[cmd.Kind]
	}
	if title == "" {
		title = cmd.ID
	}
	if key == "" {
		key = title
	}
	b = wire.AppendAttr(append(b, "<command"...), "command", cmd.ID)
	b = wire.AppendAttr(b, "name", title)
	b = wire.AppendAttr(b, "type", kind)
	b = wire.AppendOptional(b, "sortCategory", cmd.Category)
	b = wire.AppendAttr(b, "sortKey", key)
	b = wire.AppendOptional(b, "confirmationString", cmd.Confirmation)
	b = wire.AppendOptional(b, "failureString", cmd.Failure)
	b = wire.AppendOptional(b, "successString", cmd.Success)
	return append(b, '/', '>')
}

func (s *Server) getCommandParameters(c *call) ([]byte, error) {
	r, err := ref(c.Payload)
	if err != nil {
		return nil, err
	}
	in, err := s.named(c, r)
	if err != nil {
		return nil, err
	}
	if in.command.Kind == nodes.Simple {
		return nil, errNoForm(in, "executeNodeCommand")
	}
	f, err := s.commandForm(c, in)
	if err != nil {
		return nil, err
	}
	b := form.Append(nil, f)
	if len(b) > MaxAnswer {
		return nil, errTooLong
	}
	return b, nil
}

func errNoForm(in *invocation, op string) error {
	return invalid(clip(in.command.ID) + " takes no parameters; send " + op + " without a form")
}

// invocation is a command that is to be run, with checked parameters.
type invocation struct {
	ref       nodes.Ref
	command   nodes.Command
	form      *nodes.Form // nil for a simple command
	submitted form.Texts
	params    nodes.Params
}

// named finds the command that a request names, on a node.
func (s *Server) named(c *call, r nodes.Ref) (*invocation, error) {
	id := c.Payload.Attr("command")
	if id == "" {
		return nil, invalid("<" + clip(c.Payload.Name.Local) + "/> names no command; write one of those that getNodeCommands lists")
	}
	list, err := s.backend.Commands(c.who, r)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(list, func(cmd nodes.Command) bool { return cmd.ID == id })
	if i < 0 {
		// The backend knows whether it is unknown or not permitted.
		if _, err := s.backend.CommandForm(c.who, r, id); err != nil {
			return nil, err
		}
		return nil, nodes.Errorf(nodes.NotFound, "", nodes.Ref{}, "the node has no command "+clip(id)+"; getNodeCommands lists those it has")
	}
	return &invocation{ref: r, command: list[i]}, nil
}

func (s *Server) commandForm(c *call, in *invocation) (*nodes.Form, error) {
	f, err := s.backend.CommandForm(c.who, in.ref, in.command.ID)
	if err != nil {
		return nil, err
	}
	if f.Instructions == "" {
		f.Instructions = in.command.Description
	}
	return &f, nil
}

// fill reads the form of a request that runs a command and checks it alone. The form to
// be filled in is to be had with the operation from.
func (s *Server) fill(c *call, in *invocation, from string) error {
	id, x := clip(in.command.ID), form.Find(c.Payload)
	if in.command.Kind == nodes.Simple {
		if x != nil {
			return invalid(id + " is a simple command and takes no form")
		}
		return nil
	}
	var err error
	if in.form == nil {
		if in.form, err = s.commandForm(c, in); err != nil {
			return err
		}
	}
	hint := "fill in that of " + from + " and submit it"
	if x != nil {
		in.submitted, in.params, err = submission(c, in.form, hint)
		return err
	}
	// Deployed hubs refuse a query without a form even when it needs none.
	if _, missing := param.Check(in.form.Params, nil); in.command.Kind == nodes.Parametrized || len(missing) > 0 {
		return invalid(id + " needs a form; " + hint)
	}
	in.params = nodes.Params{}
	return nil
}

// failure is the error of a command, with its form when parameters were wrong.
func (in *invocation) failure(err error) error {
	if e := (*nodes.Error)(nil); in.form != nil && errors.As(err, &e) && len(e.Fields) > 0 {
		return wrongForm(in.form, in.submitted, e.Fields)
	}
	return err
}

// The life of a command: it is answered by whoever brings it to its end.
const (
	commandWaits int32 = iota
	commandRuns
	commandOver
)

func (s *Server) executeNodeCommand(c *call) error {
	r, err := ref(c.Payload)
	if err != nil {
		return err
	}
	in, err := s.named(c, r)
	if err != nil {
		return err
	}
	if in.command.Kind == nodes.Query {
		return invalid(clip(in.command.ID) + " is a query; send executeNodeQuery with a queryId")
	}
	if err := s.fill(c, in, "getCommandParameters"); err != nil {
		return err
	}
	life := new(atomic.Int32)
	came := time.Now()
	late := time.AfterFunc(commandAnswer, func() {
		switch life.Swap(commandOver) {
		case commandWaits:
			s.finish(c, nil, errNotBegun)
		case commandRuns:
			s.finish(c, nil, errOutcome)
		}
	})
	err = s.enqueue(laneOf{c.Link, c.who.Full, in.ref}, func(ctx context.Context) {
		defer late.Stop()
		if !life.CompareAndSwap(commandWaits, commandRuns) {
			return
		}
		err := s.execute(ctx, came, c, in)
		if life.Swap(commandOver) == commandRuns {
			s.finish(c, nil, in.failure(err))
		}
	})
	if err != nil {
		late.Stop()
	}
	return err
}

var (
	errNotBegun = nodes.Errorf(nodes.Timeout, "", nodes.Ref{}, "earlier commands at this node took too long; this one was not begun")
	errNoTime   = nodes.Errorf(nodes.Timeout, "", nodes.Ref{}, "not begun: the other nodes of the request took too long; run it again on those that are left")
	errOutcome  = nodes.Errorf(nodes.Timeout, "", nodes.Ref{},
		"outcome unknown: the command was begun and had not ended after "+CommandTime.String()+"; look at the device before you repeat it")
	errStopping = nodes.Errorf(nodes.Exhausted, "", nodes.Ref{}, "the hub is stopping; nothing was changed")
)

// execute runs a command until its time is over.
func (s *Server) execute(ctx context.Context, came time.Time, c *call, in *invocation) error {
	if ctx.Err() != nil {
		return errStopping
	}
	if time.Since(came) > commandWait {
		return errNotBegun
	}
	ctx, cancel := context.WithDeadline(ctx, came.Add(CommandTime))
	defer cancel()
	err := s.backend.Execute(ctx, c.who, in.ref, in.command.ID, in.params)
	if errors.Is(err, context.DeadlineExceeded) && nodes.KindOf(err) == nodes.Internal {
		return errOutcome
	}
	return err
}
