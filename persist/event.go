package persist

import (
	"encoding/binary"

	"github.com/fieldhub/hub/nodes"
)

// eventVersion is the newest version of event records: kind, time, the node as
// it was, its former id, the sibling before it.
const eventVersion = 1

// Flags of a node in an event record; they are stored and never change.
const (
	hasChildren = 1 << iota
	childrenOrdered
	readable
	controllable
	hasCommands
	sniffable
)

// appendEvent writes an event record, without its checksum.
func appendEvent(b []byte, e *nodes.Event) []byte {
	b = append(b, eventVersion, byte(e.Kind))
	b = appendTime(b, e.Time)
	i := &e.Info
	b = appendRef(b, i.Ref)
	b = appendText(b, i.Name)
	b = appendText(b, i.Type)
	b = appendText(b, i.TypeTitle)
	b = appendRef(b, i.Parent)
	b = append(b, byte(i.State), flags(i))
	b = appendTime(b, i.LastChanged)
	b = binary.AppendUvarint(b, uint64(len(i.Properties)))
	for _, p := range i.Properties {
		b = appendValue(appendText(appendText(b, p.ID), p.Name), p.Value)
	}
	b = binary.AppendUvarint(b, uint64(len(i.Messages)))
	for _, m := range i.Messages {
		b = append(appendTime(b, m.Time), byte(m.Severity))
		b = appendText(appendText(b, m.EventID), m.Text)
	}
	return appendText(appendText(b, e.OldID), e.After)
}

func appendRef(b []byte, r nodes.Ref) []byte {
	return appendText(appendText(appendText(b, r.Source), r.Partition), r.ID)
}

func flags(i *nodes.Info) (f byte) {
	for bit, set := range [...]bool{i.HasChildren, i.ChildrenOrdered, i.Readable, i.Controllable, i.HasCommands, i.Sniffable} {
		if set {
			f |= 1 << bit
		}
	}
	return f
}

// readEvent reads a sealed event record.
func readEvent(key, record []byte) (nodes.Event, error) {
	content, _, err := unseal(key, record, eventVersion)
	if err != nil {
		return nodes.Event{}, err
	}
	d := reader{b: content}
	var e nodes.Event
	e.Kind = nodes.EventKind(d.octet())
	e.Time = d.time()
	i := &e.Info
	i.Ref = d.ref()
	i.Name, i.Type, i.TypeTitle = d.text(), d.text(), d.text()
	i.Parent = d.ref()
	i.State = nodes.State(d.octet())
	f := d.octet()
	i.HasChildren, i.ChildrenOrdered, i.Readable = f&hasChildren != 0, f&childrenOrdered != 0, f&readable != 0
	i.Controllable, i.HasCommands, i.Sniffable = f&controllable != 0, f&hasCommands != 0, f&sniffable != 0
	i.LastChanged = d.time()
	if n := d.count(); n > 0 {
		i.Properties = make([]nodes.Property, n)
		for k := range i.Properties {
			p := &i.Properties[k]
			p.ID, p.Name = d.text(), d.text()
			p.Value = d.value()
		}
	}
	if n := d.count(); n > 0 {
		i.Messages = make([]nodes.Message, n)
		for k := range i.Messages {
			m := &i.Messages[k]
			m.Time = d.time()
			m.Severity = nodes.Severity(d.octet())
			m.EventID, m.Text = d.text(), d.text()
		}
	}
	e.OldID, e.After = d.text(), d.text()
	if err := d.err(); err != nil {
		return nodes.Event{}, err
	}
	return e, nil
}

func (r *reader) ref() nodes.Ref {
	source, partition := r.text(), r.text()
	return nodes.Ref{Source: source, Partition: partition, ID: r.text()}
}
