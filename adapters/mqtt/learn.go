package mqtt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fieldhub/hub/adapters/mqtt/payload"
	"github.com/fieldhub/hub/nodes"
)

// Bounds of what is proposed.
const (
	mostDevices = 500
	mostFields  = 64
	mostDepth   = 4
)

// proposal is a device that is proposed.
type proposal struct {
	node  *nodes.Node // with its fields; nil where it cannot be made
	topic string      // of the device, or the pattern of what cannot be made
	note  string      // what is to be known of it
}

func learnDevices(ctx context.Context, b *broker, node string, p nodes.Params, put nodes.Put) error {
	filter := p.Text("Filter")
	if err := put(nodes.QueryStatus("listening to " + filter)); err != nil {
		return err
	}
	found, err := b.visit(ctx, []string{filter}, p.Span("Time"), false, put)
	if err != nil {
		return err
	}
	fixed, _, _ := strings.Cut(filter, "#")
	fixed, _, _ = strings.Cut(fixed, "+")
	if err := b.offer(ctx, "LearnDevices", learn(found.list(), fixed), p.Bool("Create"), put); err != nil {
		return err
	}
	return found.remark(put)
}

// learn proposes devices for topics. fixed is what all of them begin with, which is not
// part of names.
func learn(list []*sample, fixed string) []proposal {
	devices := make(map[string]*nodes.Node)
	var order []string
	folded := make(map[string]int)
	device := func(topic, format string) *nodes.Node {
		d := devices[topic]
		if d == nil {
			d = &nodes.Node{Spec: nodes.Spec{Name: nameOf(strings.TrimPrefix(topic, strings.TrimSuffix(fixed, "/"))), Type: TypeDevice,
				Params: nodes.Params{"Topic": nodes.String(topic), "Format": nodes.Enum(format, "Format")}}}
			devices[topic] = d
			order = append(order, topic)
		}
		return d
	}
	var out []proposal
	for _, s := range list {
		if strings.HasPrefix(s.topic, "$") || len(s.payload) == 0 || checkTopic(s.topic) != nil {
			continue
		}
		if pattern := fold(s.topic); pattern != s.topic {
			folded[pattern]++
			continue
		}
		if fields := leaves(s.payload); fields != nil {
			d := device(s.topic, payload.JSON.String())
			d.Children = append(d.Children, fields...)
			continue
		}
		parent, last := s.topic, ""
		if i := strings.LastIndexByte(s.topic, '/'); i > 0 {
			parent, last = s.topic[:i], s.topic[i+1:]
		}
		format, typ := guess(s.payload)
		if format == "" {
			out = append(out, proposal{topic: s.topic, note: fmt.Sprintf("%d bytes that are no text: write fields of the format binary", s.size)})
			continue
		}
		f := &nodes.Node{Spec: nodes.Spec{Name: cmp.Or(nameOf(last), "value"), Type: TypeField, Params: nodes.Params{
			"Format": nodes.Enum(format, "Format"), "Type": nodes.Enum(typ, "Type")}}}
		if last != "" {
			f.Params["Topic"] = nodes.String("~/" + last)
		}
		d := device(parent, payload.JSON.String())
		if len(d.Children) < mostFields {
			d.Children = append(d.Children, f)
		}
	}
	for _, topic := range order {
		unique(devices[topic].Children)
		out = append(out, proposal{node: devices[topic], topic: topic})
	}
	for pattern, n := range folded {
		out = append(out, proposal{topic: pattern, note: fmt.Sprintf("%d topics that differ in what looks like an id: not proposed", n)})
	}
	slices.SortStableFunc(out, func(a, b proposal) int { return cmp.Compare(a.topic, b.topic) })
	return out
}

// fold replaces the levels of a topic that look like ids by {id}.
func fold(topic string) string {
	levels := strings.Split(topic, "/")
	for i, l := range levels {
		if looksLikeID(l) {
			levels[i] = "{id}"
		}
	}
	return strings.Join(levels, "/")
}

// looksLikeID tells whether a level of a topic looks like a GUID or another number that
// is new each time: 20 or more hexadecimal digits, hyphens aside.
func looksLikeID(s string) bool {
	n, digits := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			n++
			digits++
		case isHexLetter(c):
			n++
		case c == '-' || (c == '{' && i == 0) || (c == '}' && i == len(s)-1):
		default:
			return false
		}
	}
	return n >= 20 && digits > 0
}

func isHexLetter(c byte) bool { return c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' }

// leaves proposes fields for the members of a JSON object; nil when it is none.
func leaves(data []byte) []*nodes.Node {
	var object map[string]json.RawMessage
	if json.Unmarshal(data, &object) != nil || len(object) == 0 {
		return nil
	}
	out := []*nodes.Node{}
	var walk func(object map[string]json.RawMessage, path []string)
	walk = func(object map[string]json.RawMessage, path []string) {
		keys := make([]string, 0, len(object))
		for k := range object {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if len(out) >= mostFields || k == "" || strings.ContainsAny(k, `.*?|#@!{}[]()\`) {
				continue
			}
			raw := object[k]
			at := append(slices.Clone(path), k)
			var below map[string]json.RawMessage
			if raw[0] == '{' && len(at) < mostDepth && json.Unmarshal(raw, &below) == nil {
				walk(below, at)
				continue
			}
			if raw[0] == '{' || raw[0] == '[' {
				continue
			}
			typ := "auto"
			switch raw[0] {
			case '"':
				typ = "text"
			case 't', 'f':
				typ = "bool"
			case 'n':
			default:
				typ = "number"
			}
			out = append(out, &nodes.Node{Spec: nodes.Spec{Name: nameOf(strings.Join(at, " ")), Type: TypeField,
				Params: nodes.Params{"Path": nodes.String(strings.Join(at, ".")), "Type": nodes.Enum(typ, "Type")}}})
		}
	}
	walk(object, nil)
	return out
}

// guess says what a payload of one value is; an empty format: nothing that is text.
func guess(data []byte) (format, typ string) {
	text := strings.TrimSpace(string(data))
	if !utf8.Valid(data) || !printable(data, false) {
		return "", ""
	}
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		return "number", "number"
	}
	switch strings.ToLower(text) {
	case "on", "off", "true", "false":
		return "text", "bool"
	}
	return "text", "text"
}

// nameOf makes a name of a node of a text.
func nameOf(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '/' || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > 60 {
		s = strings.TrimSpace(string(r[:60]))
	}
	return s
}

// unique gives nodes that have the same name different ones.
func unique(list []*nodes.Node) {
	seen := make(map[string]bool)
	for _, n := range list {
		n.Name = cmp.Or(n.Name, "value")
		name := n.Name
		for i := 2; seen[strings.ToLower(n.Name)]; i++ {
			n.Name = fmt.Sprintf("%s %d", name, i)
		}
		seen[strings.ToLower(n.Name)] = true
	}
}

// offer shows proposals, and creates their nodes when that is wished.
func (b *broker) offer(ctx context.Context, op string, list []proposal, create bool, put nodes.Put) error {
	own, ok := b.host.Node(b.id)
	if !ok {
		return nodes.Errorf(nodes.Gone, op, nodes.In(b.id), "the broker node was stopped")
	}
	topics, names := make(map[string]string), make(map[string]bool)
	own.Walk(func(n *nodes.Node) bool {
		if n.Type == TypeDevice {
			topics[n.Params.Text("Topic")] = n.Name
		}
		return true
	})
	for _, d := range own.Children {
		names[strings.ToLower(d.Name)] = true
	}
	const id = "devices"
	columns := []nodes.Column{{ID: "Topic"}, {ID: "Device"}, {ID: "Fields"}, {ID: "Remark"}}
	if err := put(nodes.Table{ID: id, Name: "Devices", Columns: columns}); err != nil {
		return err
	}
	var made []*nodes.Node
	for _, p := range list {
		name, fields, note := "", "", p.note
		if p.node != nil {
			var all []string
			for _, f := range p.node.Children {
				all = append(all, f.Name)
			}
			fields = strings.Join(all, ", ")
			switch old := topics[p.topic]; {
			case old != "":
				name, note = old, "is there already"
			case len(made) >= mostDevices:
				note = fmt.Sprintf("more than %d: run it again", mostDevices)
			default:
				base := cmp.Or(p.node.Name, "device")
				p.node.Name = base
				for i := 2; names[strings.ToLower(p.node.Name)]; i++ {
					p.node.Name = fmt.Sprintf("%s %d", base, i)
				}
				name = p.node.Name
				names[strings.ToLower(name)] = true
				p.node.Parent = b.id
				made = append(made, p.node)
			}
		}
		row := []nodes.Value{nodes.String(p.topic), cell(name), cell(short(fields)), cell(note)}
		if err := put(nodes.Rows{Table: id, Rows: [][]nodes.Value{row}}); err != nil {
			return err
		}
	}
	if err := put(nodes.TableEnd(id)); err != nil {
		return err
	}
	if !create || len(made) == 0 {
		return put(nodes.QueryStatus(fmt.Sprintf("%d devices can be created", len(made))))
	}
	if err := b.host.Create(ctx, made); err != nil {
		return err
	}
	return put(nodes.QueryStatus(fmt.Sprintf("%d devices are created", len(made))))
}
