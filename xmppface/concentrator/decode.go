package concentrator

import (
	"slices"
	"time"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/sniffer"
	"github.com/fieldhub/hub/xmppface/wire"
)

// readInfo reads a nodeInfo element. Spellings that are not understood are left
// out; an unknown state is none.
func readInfo(e *wire.Element) nodes.Info {
	n := nodes.Info{
		Ref:             nodes.Ref{Source: source(e), Partition: e.Attr("pt"), ID: e.Attr("id")},
		Name:            e.Attr("localId"),
		Type:            e.Attr("nodeType"),
		TypeTitle:       e.Attr("displayName"),
		State:           nodes.State(max(0, slices.Index(states[:], e.Attr("state")))),
		HasChildren:     e.Flag("hasChildren"),
		ChildrenOrdered: e.Flag("childrenOrdered"),
		Readable:        e.Flag("isReadable"),
		Controllable:    e.Flag("isControllable"),
		HasCommands:     e.Flag("hasCommands"),
		Sniffable:       e.Flag("sniffable"),
	}
	if n.Name == "" {
		n.Name = n.Ref.ID
	}
	if id := e.Attr("parentId"); id != "" {
		n.Parent = nodes.Ref{Source: n.Ref.Source, Partition: e.Attr("parentPartition"), ID: id}
	}
	n.LastChanged, _ = wire.ParseDateTime(e.Attr("lastChanged"))
	for _, c := range e.Children {
		if c.Name.Local == "message" {
			n.Messages = append(n.Messages, readMessage(c))
			continue
		}
		p, ok := readProperty(c)
		if !ok || p.ID == typeProperty && p.Value == nodes.String(n.TypeTitle) {
			continue
		}
		n.Properties = append(n.Properties, p)
	}
	return n
}

func readMessage(e *wire.Element) nodes.Message {
	m := nodes.Message{
		Severity: nodes.Severity(max(0, slices.Index(severities[:], e.Attr("type")))),
		EventID:  e.Attr("eventId"),
		Text:     e.Text,
	}
	m.Time, _ = wire.ParseDateTime(e.Attr("timestamp"))
	return m
}

var propertyKinds = map[string]nodes.Kind{
	"boolean": nodes.KindBool, "color": nodes.KindColor, "dateTime": nodes.KindDateTime, "double": nodes.KindDouble,
	"duration": nodes.KindDuration, "int": nodes.KindInt32, "long": nodes.KindInt64, "string": nodes.KindString, "time": nodes.KindTime,
}

func readProperty(e *wire.Element) (nodes.Property, bool) {
	kind, ok := propertyKinds[e.Name.Local]
	p := nodes.Property{ID: e.Attr("id"), Name: e.Attr("name")}
	if !ok || p.ID == "" {
		return p, false
	}
	if p.Name == "" {
		p.Name = p.ID
	}
	text := e.Attr("value")
	if kind == nodes.KindString {
		p.Value = nodes.String(text)
		return p, true
	}
	v, err := param.Parse(nodes.Param{Kind: kind}, text)
	p.Value = v
	return p, err == nil && !v.IsZero()
}

// readInfos reads the nodeInfo children of a list.
func readInfos(e *wire.Element) []nodes.Info {
	var out []nodes.Info
	for _, c := range e.Children {
		if c.Name.Local == "nodeInfo" {
			out = append(out, readInfo(c))
		}
	}
	return out
}

func readSources(e *wire.Element) []nodes.Source {
	var out []nodes.Source
	for _, c := range e.Children {
		if c.Name.Local != "dataSource" {
			continue
		}
		s := nodes.Source{ID: c.Attr("src"), Name: c.Attr("name"), HasChildren: c.Flag("hasChildren")}
		s.LastChanged, _ = wire.ParseDateTime(c.Attr("lastChanged"))
		out = append(out, s)
	}
	return out
}

// readStrings reads the value children of a list of texts.
func readStrings(e *wire.Element) []string {
	var out []string
	for _, c := range e.Children {
		if c.Name.Local == "value" {
			out = append(out, c.Text)
		}
	}
	return out
}

// readSniff reads the events of a sniff element. All have its time: there is one
// for all of them.
func readSniff(e *wire.Element) []sniffer.Event {
	at, ok := wire.ParseDateTime(e.Attr("timestamp"))
	if !ok {
		at = time.Now()
	}
	var out []sniffer.Event
	for _, c := range e.Children {
		kind := slices.Index(sniffNames[:], c.Name.Local)
		if kind <= 0 {
			continue
		}
		ev := sniffer.Event{Time: at, Kind: sniffer.Kind(kind)}
		switch ev.Kind {
		case sniffer.RxBin, sniffer.TxBin:
			data, err := decodeBase64(c.Text)
			if err != nil {
				ev.Kind, ev.Text = sniffer.Error, "The hub sent a frame that is not base64."
				break
			}
			ev.Data = data
		default:
			ev.Text = c.Text
		}
		out = append(out, ev)
	}
	return out
}
