package mqtt

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

// announcement is what a device announces of one of its values for Home Assistant, by the
// names that its documentation of MQTT discovery gives; the short ones are in haShort.
type announcement map[string]json.RawMessage

// haShort are the abbreviations of names that are made use of.
var haShort = map[string]string{
	"avty_t": "availability_topic", "pl_avail": "payload_available", "pl_not_avail": "payload_not_available", "avty": "availability",
	"cmd_t": "command_topic", "cmd_tpl": "command_template", "dev": "device", "ids": "identifiers", "dev_cla": "device_class",
	"max": "max", "min": "min", "ops": "options", "pl_off": "payload_off", "pl_on": "payload_on", "stat_off": "state_off", "stat_on": "state_on",
	"stat_t": "state_topic", "unit_of_meas": "unit_of_measurement", "uniq_id": "unique_id", "obj_id": "object_id", "val_tpl": "value_template",
	"t": "topic", "ret": "retain",
}

// announced reads an announcement: long names, and topics without the ~ that stands for
// their base.
func announced(data []byte) (announcement, error) {
	var a announcement
	if err := json.Unmarshal(data, &a); err != nil {
		return nil, err
	}
	for short, long := range haShort {
		if v, ok := a[short]; ok && short != long {
			delete(a, short)
			a[long] = v
		}
	}
	if base := a.text("~"); base != "" {
		for _, name := range []string{"state_topic", "command_topic", "availability_topic"} {
			if s := a.text(name); strings.HasPrefix(s, "~") {
				a.set(name, base+s[1:])
			} else if strings.HasSuffix(s, "~") {
				a.set(name, s[:len(s)-1]+base)
			}
		}
	}
	return a, nil
}

func (a announcement) set(name, text string) { a[name], _ = json.Marshal(text) }

// text returns a member as text; numbers and truth values as they are written.
func (a announcement) text(name string) string {
	raw := a[name]
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	if len(raw) > 0 && raw[0] != '{' && raw[0] != '[' && string(raw) != "null" {
		return string(raw)
	}
	return ""
}

// object returns a member that is an object.
func (a announcement) object(name string) announcement {
	var o announcement
	if json.Unmarshal(a[name], &o) != nil {
		return nil
	}
	for short, long := range haShort {
		if v, ok := o[short]; ok && short != long {
			o[long] = v
		}
	}
	return o
}

// availability returns where it is told whether the device is there, and how.
func (a announcement) availability() (topic, online, offline string) {
	topic, online, offline = a.text("availability_topic"), a.text("payload_available"), a.text("payload_not_available")
	var list []announcement
	if topic == "" && json.Unmarshal(a["availability"], &list) == nil && len(list) > 0 {
		first := announcement{"x": a["availability"]}
		first["x"], _ = json.Marshal(list[0])
		o := first.object("x")
		topic, online, offline = o.text("topic"), o.text("payload_available"), o.text("payload_not_available")
	}
	return topic, cmp.Or(online, "online"), cmp.Or(offline, "offline")
}

// place is what a value template says: {{ value_json.a.b }}, {{ value_json['a'] | float }},
// {{ value }}, times or by a number.
var (
	haTemplate = regexp.MustCompile(`^\s*\{\{\s*\(?\s*(value(?:_json)?)((?:\.[A-Za-z_]\w*|\[\s*(?:'[^'\]]+'|"[^"\]]+"|\d+)\s*\])*)((?:\s*\|\s*(?:float|int|string|lower|round)(?:\(\s*[\d.]*\s*\))?)*)\s*(?:([*/])\s*(\d+(?:\.\d+)?))?\s*\)?((?:\s*\|\s*(?:float|int|string|round)(?:\(\s*[\d.]*\s*\))?)*)\s*\}\}\s*$`)
	haStep     = regexp.MustCompile(`\.([A-Za-z_]\w*)|\[\s*(?:'([^'\]]+)'|"([^"\]]+)"|(\d+))\s*\]`)
	haRound    = regexp.MustCompile(`round\(\s*(\d+)`)
)

// haPath reads a value template into a format, a path and what becomes of the number;
// false when it is not one of the subset.
func haPath(template string, p nodes.Params) bool {
	format, path := "text", ""
	if strings.TrimSpace(template) != "" {
		m := haTemplate.FindStringSubmatch(template)
		if m == nil {
			return false
		}
		var steps []string
		for _, s := range haStep.FindAllStringSubmatch(m[2], -1) {
			step := cmp.Or(s[1], s[2], s[3], s[4])
			if strings.ContainsAny(step, `.*?|#@!{}[]()\`) {
				step = regexp.MustCompile(`[.*?|#@!{}\[\]()\\]`).ReplaceAllString(step, `\$0`)
			}
			steps = append(steps, step)
		}
		if m[1] == "value_json" {
			format, path = "json", strings.Join(steps, ".")
		} else if len(steps) > 0 {
			return false
		}
		if n, err := strconv.ParseFloat(m[5], 64); err == nil && n != 0 {
			id := "Scale"
			if m[4] == "/" {
				id = "Divisor"
			}
			p[id] = nodes.Double(n)
		}
		if r := haRound.FindStringSubmatch(m[3] + m[6]); r != nil {
			if n, err := strconv.Atoi(r[1]); err == nil && n <= 15 {
				p["Decimals"] = nodes.Int32(int32(n))
			}
		}
	}
	p["Format"] = nodes.Enum(format, "Format")
	if path != "" {
		p["Path"] = nodes.String(path)
	}
	return true
}

// field makes a field node of an announcement of a component; the text says why not.
func (a announcement) field(component string) (*nodes.Node, string) {
	p := make(nodes.Params)
	topic := a.text("state_topic")
	command := a.text("command_topic")
	if topic == "" {
		return nil, "it has no state_topic"
	}
	if err := checkTopic(topic); err != nil {
		return nil, err.Error()
	}
	if !haPath(a.text("value_template"), p) {
		return nil, "its template is not understood: " + short(a.text("value_template"))
	}
	p["Topic"] = nodes.String(topic)
	typ := "text"
	switch component {
	case "sensor":
		if u := a.text("unit_of_measurement"); u != "" {
			p["Unit"] = nodes.String(u)
			typ = "number"
		} else if a.text("state_class") != "" || !p["Scale"].IsZero() || !p["Divisor"].IsZero() || !p["Decimals"].IsZero() {
			typ = "number"
		}
		command = ""
	case "binary_sensor", "switch":
		typ = "bool"
		on, off := cmp.Or(a.text("state_on"), a.text("payload_on"), "ON"), cmp.Or(a.text("state_off"), a.text("payload_off"), "OFF")
		p["OnValue"], p["OffValue"] = nodes.String(on), nodes.String(off)
		if component == "binary_sensor" {
			command = ""
		} else if a.text("payload_on") != "" && a.text("payload_on") != on {
			return nil, "what is published to switch it on is not what it shows then"
		}
	case "number":
		typ = "number"
		if u := a.text("unit_of_measurement"); u != "" {
			p["Unit"] = nodes.String(u)
		}
		p["WriteMin"], p["WriteMax"] = nodes.Double(1), nodes.Double(100)
		for id, name := range map[string]string{"WriteMin": "min", "WriteMax": "max"} {
			if v, err := strconv.ParseFloat(a.text(name), 64); err == nil {
				p[id] = nodes.Double(v)
			}
		}
	case "select":
		var list []string
		if json.Unmarshal(a["options"], &list) != nil || len(list) == 0 {
			return nil, "it has no options"
		}
		var pairs []string
		for _, o := range list {
			if strings.ContainsAny(o, ",=\n\r") || strings.TrimSpace(o) == "" {
				return nil, "an option holds a comma or an equals sign: " + short(o)
			}
			pairs = append(pairs, o+"="+o)
		}
		p["Options"] = nodes.String(strings.Join(pairs, ", "))
	default:
		return nil, "components of the kind " + component + " are not understood"
	}
	p["Type"] = nodes.Enum(typ, "Type")
	if command != "" {
		template := a.text("command_template")
		text := regexp.MustCompile(`\{\{\s*value\s*(?:\|\s*(?:int|float|string)\s*)?\}\}`).ReplaceAllString(template, "{value}")
		if strings.Contains(text, "{{") || strings.Contains(text, "{%") || checkTopic(command) != nil {
			return nil, "its command is not understood: " + short(template)
		}
		p["Writable"], p["CommandTopic"], p["Command"] = nodes.Bool(true), nodes.String(command), nodes.String(cmp.Or(text, "{value}"))
		p["CommandRetain"] = nodes.Bool(a.text("retain") == "true")
	}
	return &nodes.Node{Spec: nodes.Spec{Type: TypeField, Params: p}}, ""
}

func findHomeAssistant(ctx context.Context, b *broker, _ string, p nodes.Params, put nodes.Put) error {
	prefix := strings.Trim(p.Text("Prefix"), "/")
	if err := put(nodes.QueryStatus("listening to " + prefix)); err != nil {
		return err
	}
	found, err := b.visit(ctx, []string{prefix + "/#"}, p.Span("Time"), false, put)
	if err != nil {
		return err
	}
	if err := b.offer(ctx, "FindHomeAssistant", homeAssistant(found.list(), prefix), p.Bool("Create"), put); err != nil {
		return err
	}
	return found.remark(put)
}

// homeAssistant proposes devices for announcements, whose topics are
// prefix/component/[node/]object/config.
func homeAssistant(list []*sample, prefix string) []proposal {
	type found struct {
		node   *nodes.Node
		topics map[string]int // of its fields, and how many
	}
	devices := make(map[string]*found)
	var out []proposal
	for _, s := range list {
		levels := strings.Split(strings.TrimPrefix(s.topic, prefix+"/"), "/")
		if n := len(levels); n < 3 || n > 4 || levels[n-1] != "config" || len(s.payload) == 0 {
			continue
		}
		object := levels[len(levels)-2]
		a, err := announced(s.payload)
		if err != nil {
			out = append(out, proposal{topic: s.topic, note: "it is no JSON object: " + short(err.Error())})
			continue
		}
		f, why := a.field(levels[0])
		if f == nil {
			out = append(out, proposal{topic: s.topic, note: why})
			continue
		}
		of := a.object("device")
		key := cmp.Or(of.first("identifiers"), of.text("name"), strings.Join(levels[1:len(levels)-1], " "))
		f.Name = nameOf(cmp.Or(a.text("name"), object))
		d := devices[key]
		if d == nil {
			topic, online, offline := a.availability()
			d = &found{topics: make(map[string]int), node: &nodes.Node{Spec: nodes.Spec{Type: TypeDevice,
				Name: nameOf(cmp.Or(of.text("name"), key)), Params: make(nodes.Params)}}}
			if topic != "" && checkTopic(topic) == nil && online != offline {
				d.node.Params["AvailabilityTopic"], d.node.Params["Online"], d.node.Params["Offline"] = nodes.String(topic), nodes.String(online), nodes.String(offline)
			}
			devices[key] = d
		}
		if name := nameOf(of.text("name")); name != "" { // not every announcement has it
			d.node.Name = name
		}
		if len(d.node.Children) < mostFields {
			d.node.Children = append(d.node.Children, f)
			d.topics[f.Params.Text("Topic")]++
		}
	}
	for _, key := range slices.Sorted(maps.Keys(devices)) {
		d := devices[key]
		topic := ""
		for _, t := range slices.Sorted(maps.Keys(d.topics)) {
			if d.topics[t] > d.topics[topic] {
				topic = t
			}
		}
		d.node.Params["Topic"] = nodes.String(topic)
		for _, f := range d.node.Children {
			if f.Params.Text("Topic") == topic {
				delete(f.Params, "Topic")
			}
			f.Name = cmp.Or(strings.TrimSpace(strings.TrimPrefix(f.Name, d.node.Name)), f.Name)
		}
		unique(d.node.Children)
		out = append(out, proposal{node: d.node, topic: topic, note: fmt.Sprintf("announced as %s", short(key))})
	}
	return out
}

// first returns a member that is a text, or the first of a list of them.
func (a announcement) first(name string) string {
	var list []string
	if json.Unmarshal(a[name], &list) == nil && len(list) > 0 {
		return list[0]
	}
	return a.text(name)
}
