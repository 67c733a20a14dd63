package concentrator

import (
	"math"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The spellings of states and severities, by their number.
var (
	states     = [...]string{"None", "Information", "WarningSigned", "WarningUnsigned", "ErrorSigned", "ErrorUnsigned"}
	severities = [...]string{"Information", "Warning", "Error"}
)

// typeProperty is the displayable parameter that clients show as the type.
const typeProperty = "Type"

// appendInfo appends the rest of a nodeInfo element whose name is written: its
// attributes, displayable parameters and messages.
func appendInfo(b []byte, n *nodes.Info, d nodes.Detail) []byte {
	b = appendRef(b, n.Ref)
	b = wire.AppendAttr(b, "nodeType", n.Type)
	b = wire.AppendAttr(b, "displayName", n.TypeTitle)
	b = wire.AppendAttr(b, "state", states[min(int(n.State), len(states)-1)])
	name := n.Name
	if name == "" {
		name = n.Ref.ID
	}
	b = wire.AppendAttr(b, "localId", name)
	b = wire.AppendAttr(b, "logId", n.Ref.ID)
	b = wire.AppendBool(b, "hasChildren", n.HasChildren)
	b = wire.AppendFlag(b, "childrenOrdered", n.ChildrenOrdered)
	b = wire.AppendFlag(b, "isReadable", n.Readable)
	b = wire.AppendFlag(b, "isControllable", n.Controllable)
	b = wire.AppendFlag(b, "hasCommands", n.HasCommands)
	b = wire.AppendFlag(b, "sniffable", n.Sniffable)
	b = wire.AppendOptional(b, "parentId", n.Parent.ID)
	b = wire.AppendOptional(b, "parentPartition", n.Parent.Partition)
	b = appendTime(b, "lastChanged", n.LastChanged)
	b = append(b, '>')
	if d.Properties {
		typed := false
		for i := range n.Properties {
			typed = typed || n.Properties[i].ID == typeProperty
		}
		if !typed {
			b = appendProperty(b, &nodes.Property{ID: typeProperty, Name: typeProperty, Value: nodes.String(n.TypeTitle)})
		}
		for i := range n.Properties {
			b = appendProperty(b, &n.Properties[i])
		}
	}
	if d.Messages {
		b = appendMessages(b, n.Messages)
	}
	return append(b, "</nodeInfo>"...)
}

func appendMessages(b []byte, list []nodes.Message) []byte {
	for i := range list {
		m := &list[i]
		b = append(b, "<message timestamp='"...)
		b = wire.AppendDateTime(b, m.Time)
		b = append(b, '\'')
		b = wire.AppendAttr(b, "type", severities[min(int(m.Severity), len(severities)-1)])
		b = wire.AppendOptional(b, "eventId", m.EventID)
		b = append(b, '>')
		b = wire.AppendText(b, m.Text)
		b = append(b, "</message>"...)
	}
	return b
}

// appendRef appends the address of a node.
func appendRef(b []byte, r nodes.Ref) []byte {
	b = wire.AppendAttr(b, "id", r.ID)
	b = wire.AppendOptional(b, "src", r.Source)
	return wire.AppendOptional(b, "pt", r.Partition)
}

// appendProperty appends a displayable parameter in the element of its kind, or
// nothing when it has no value.
func appendProperty(b []byte, p *nodes.Property) []byte {
	name := ""
	v := p.Value
	switch v.Kind() {
	case nodes.KindNone:
		return b
	case nodes.KindBool:
		name = "boolean"
	case nodes.KindInt32:
		name = "int"
	case nodes.KindInt64:
		name = "long"
	case nodes.KindDouble:
		switch f := v.Double(); {
		case math.IsNaN(f) || math.IsInf(f, 0):
			return b
		case v.Unit() != "":
			name, v = "string", nodes.String(v.String())
		default:
			name = "double"
		}
	case nodes.KindDateTime:
		name = "dateTime"
	case nodes.KindTime:
		name = "time"
		if d := v.Span(); d < 0 || d >= 24*time.Hour {
			name, v = "duration", nodes.Duration(0, d)
		}
	case nodes.KindDuration:
		name = "duration"
	case nodes.KindColor:
		name = "color"
	default:
		name = "string"
	}
	b = append(b, '<')
	b = append(b, name...)
	b = wire.AppendAttr(b, "id", p.ID)
	label := p.Name
	if label == "" {
		label = p.ID
	}
	b = wire.AppendAttr(b, "name", label)
	b = append(b, " value='"...)
	b = wire.AppendValue(b, v)
	return append(b, "'/>"...)
}

// appendTime appends an attribute that is an instant, unless it is zero.
func appendTime(b []byte, name string, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = append(b, ' ')
	b = append(b, name...)
	b = append(b, '=', '\'')
	b = wire.AppendDateTime(b, t)
	return append(b, '\'')
}

// appendBool appends the rest of a bool element whose name is written.
func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, ">true</bool>"...)
	}
	return append(b, ">false</bool>"...)
}

// appendStrings appends the values of a list of texts.
func appendStrings(b []byte, list []string) []byte {
	for _, s := range list {
		b = append(b, "<value>"...)
		b = wire.AppendText(b, s)
		b = append(b, "</value>"...)
	}
	return b
}
