package tree

import (
	"context"
	"fmt"
	"slices"

	"github.com/fieldhub/hub/nodes"
)

// The commands that nodes have by themselves, whatever their adapter.
const (
	ClearMessages = "ClearMessages"
	LogMessage    = "LogMessage"
	Enable        = "Enable"
	Disable       = "Disable"
)

// The parameters of [LogMessage].
const (
	paramSeverity = "Type"
	paramText     = "Text"
)

// messageCommands are those of all nodes.
var messageCommands = []nodes.Command{
	{ID: ClearMessages, Kind: nodes.Simple, Title: "Clear messages", Category: "Node", SortKey: "1",
		Description:  "Takes away what people left on this node and what became of writes. What its device and the hub say stays until they take it back; it is acknowledged, and the state of the node becomes signed.",
		Confirmation: "Take the messages of this node away, and acknowledge what still holds?",
		Success:      "The messages are cleared.", Failure: "The messages were not cleared."},
	{ID: LogMessage, Kind: nodes.Parametrized, Title: "Log a message", Category: "Node", SortKey: "2",
		Description: fmt.Sprintf("Leaves a message on this node for whoever looks at it next. It is kept over restarts until the messages are cleared; of more than %d the oldest goes.", maxKept),
		Success:     "The message is on the node.", Failure: "No message was left.",
		Params: []nodes.Param{
			{ID: paramSeverity, Label: "Type", Kind: nodes.KindEnum, Default: nodes.Enum("Information", paramSeverity), Required: true,
				Description: "How serious it is; the node gets the state that belongs to it.",
				Options:     []nodes.Option{{Value: "Information"}, {Value: "Warning"}, {Value: "Error"}}},
			{ID: paramText, Label: "Text", Kind: nodes.KindString, Required: true, Pattern: fmt.Sprintf(`(?s).{1,%d}`, maxKeptText),
				Description: fmt.Sprintf("What there is to say, at most %d characters.", maxKeptText)},
		}},
}

// switchCommands are those of all nodes that can be disabled.
var switchCommands = []nodes.Command{
	{ID: Enable, Kind: nodes.Simple, Title: "Enable", Category: "Node", SortKey: "3",
		Description: "Ends what Disable began: devices are opened again.",
		Success:     "The node is enabled.", Failure: "The node was not enabled."},
	{ID: Disable, Kind: nodes.Simple, Title: "Disable", Category: "Node", SortKey: "4",
		Description:  "Closes this node with everything below it, until it is enabled again, also after a restart.",
		Confirmation: "Disable this node and everything below it? Devices are closed, and nothing of them can be read or set until it is enabled again.",
		Success:      "The node is disabled, with everything below it.", Failure: "The node was not disabled."},
}

// disabledParam is the parameter that every node has which can be disabled.
var disabledParam = nodes.Param{ID: "Disabled", Page: "Identity", Label: "Disabled", Kind: nodes.KindBool, Default: nodes.Bool(false),
	Description: "Closed with everything below it: its device is not opened, and nothing of it can be read or set."}

// interfacesParam is the parameter of every node that can be read.
var interfacesParam = nodes.Param{ID: nodes.ParamInterfaces, Page: "Identity", Label: "Interfaces", Kind: nodes.KindString, Multi: true,
	Pattern:     `(?:\s*[^\s<>&"']+\s*)*`,
	Description: "The harmonised interfaces that the node fulfils, one in a line, such as urn:nfi:iot:hi:sensor:temperature:1.0 or in short sensor:temperature. Those that its fields and parameters do not fulfil are not told."}

// completed is a type with what every node has.
func completed(typ nodes.Type, fixed bool) (nodes.Type, error) {
	typ.Commands = slices.Concat(typ.Commands, messageCommands)
	if !fixed && typ.Name != nodes.TypeRoot && typ.Name != nodes.TypeNode {
		typ.Commands = append(typ.Commands, switchCommands...)
		typ.Params = append(slices.Clip(typ.Params), disabledParam)
		if typ.Caps&nodes.CanRead != 0 {
			typ.Params = append(typ.Params, interfacesParam)
		}
	}
	ids := make(map[string]bool)
	for _, c := range typ.Commands {
		if ids[c.ID] {
			return typ, fmt.Errorf("node type %s has two commands %s; one that every node has is given by the hub", typ.Name, c.ID)
		}
		ids[c.ID] = true
	}
	clear(ids)
	for _, p := range typ.Params {
		if ids[p.ID] {
			return typ, fmt.Errorf("node type %s has two parameters %s; one that every node has is given by the hub", typ.Name, p.ID)
		}
		ids[p.ID] = true
	}
	return typ, nil
}

// ours tells whether a command is one of those that the tree itself runs.
func ours(command string) bool {
	return command == ClearMessages || command == LogMessage || command == Enable || command == Disable
}

// perform runs a command that every node has. The parameters were checked.
func (t *Tree) perform(ctx context.Context, id, command string, p nodes.Params) error {
	if err := t.began(ctx, "execute", id); err != nil {
		return err
	}
	switch command {
	case ClearMessages:
		return t.clearMessages(id)
	case LogMessage:
		return t.logMessage(id, severityOf(p.Text(paramSeverity)), p.Text(paramText))
	}
	err := t.Edit(ctx, nodes.Edit{Node: id, Params: nodes.Params{disabledParam.ID: nodes.Bool(command == Disable)}})
	if err != nil || command == Disable {
		return err
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n := t.nodes[id]; n != nil && n.off {
		return t.failed(nodes.NotAcceptable, "enable", id, fmt.Sprintf("it stays disabled, because %q above it is: enable that one", n.disabler().spec.ID))
	}
	return nil
}

func severityOf(name string) nodes.Severity {
	switch name {
	case "Error":
		return nodes.SeverityError
	case "Warning":
		return nodes.SeverityWarning
	}
	return nodes.SeverityInformation
}
