package mqtt

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

func writable(name, path string, more ...any) *nodes.Node {
	return fieldNode(name, path, append([]any{"Writable", true, "AckTimeout", 400 * time.Millisecond}, more...)...)
}

// What is published for a value, and what becomes of the write.
func TestSet(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	b.Watch(func(m mqtttest.Message) {
		switch m.Topic {
		case "d/set":
			b.Publish("d", m.Payload, false)
		case "d/stubborn/set":
			b.Publish("d/stubborn", "7", false)
		case "d/near/set":
			b.Publish("d/near", "20.9", false)
		case "d/ids/set":
			b.Publish("d/ids/ack", "ok of another", false)
			if strings.Contains(m.Payload, "on") {
				b.Publish("d/ids/ack", "ok "+strings.Fields(m.Payload)[1], false)
			}
		}
	})
	d := start(t, brokerNode(t, b.Port(), []*nodes.Node{deviceNode("d", "d", []*nodes.Node{
		writable("t", "set.t", "Unit", "°C", "Scale", 0.1, "WriteMin", 5.0, "WriteMax", 30.0),
		writable("mode", "mode", "Options", "0=off,1=on"),
		writable("silent", "", "Topic", "~/silent", "CommandTopic", "~/silent/set", "Format", "text", "Type", "text"),
		writable("stubborn", "", "Topic", "~/stubborn", "CommandTopic", "~/stubborn/set", "Format", "number", "Type", "number"),
		writable("near", "", "Topic", "~/near", "CommandTopic", "~/near/set", "Format", "number", "Type", "number", "Tolerance", 0.2),
		writable("sent", "", "CommandTopic", "~/sent/set", "Type", "bool", "Acknowledge", "none", "CommandRetain", true),
		writable("ids", "", "Format", "text", "Type", "text", "CommandTopic", "~/ids/set", "Command", "{value} {id}", "Acknowledge", "topic", "AckTopic", "~/ids/ack"),
		fieldNode("fixed", "fixed"),
	})}))
	connected(t, d, b, "d/ids/ack")
	for _, tt := range []struct {
		name  string
		value nodes.Value
		state nodes.WriteState
		sent  string // topic and payload
		text  string // in the error
	}{
		{"t", nodes.Double(21.5), nodes.WriteVerified, `d/set {"set":{"t":215}}`, ""},
		{"mode", nodes.Enum("on", "mode"), nodes.WriteVerified, `d/set {"mode":1}`, ""},
		{"silent", nodes.String("x"), nodes.WriteUnknown, "d/silent/set x", "unknown"},
		{"stubborn", nodes.Double(5), nodes.WriteRefused, "d/stubborn/set 5", "shows 7"},
		{"near", nodes.Double(21), nodes.WriteVerified, "d/near/set 21", ""},
		{"sent", nodes.Bool(true), nodes.WriteDone, "d/sent/set true", ""},
		{"ids", nodes.String("on"), nodes.WriteDone, "d/ids/set on ", ""},
		{"ids", nodes.String("off"), nodes.WriteUnknown, "d/ids/set off ", "unknown"},
		{"fixed", nodes.Double(5), nodes.WriteRefused, "", "Writable"},
		{"t", nodes.Value{}, nodes.WriteRefused, "", "cannot be sent"},
	} {
		before := len(b.Messages())
		o := d.Set(soon, nodes.Setting{Node: "mq/d/" + tt.name, Name: tt.name, Value: tt.value})[0]
		if o.State != tt.state || tt.text != "" && !strings.Contains(fmt.Sprint(o.Err), tt.text) {
			t.Errorf("%s: got %v, %v, want %v with %q", tt.name, o.State, o.Err, tt.state, tt.text)
		}
		for end := time.Now().Add(soon); tt.sent != "" && len(b.Messages()) == before && time.Now().Before(end); {
			time.Sleep(time.Millisecond) // the broker has it, and tells of it a little later
		}
		var sent string
		for _, m := range b.Messages()[before:] {
			sent += m.Topic + " " + m.Payload
			if m.Retain != (tt.name == "sent") || m.QoS != 1 {
				t.Errorf("%s: retain %v, QoS %d", tt.name, m.Retain, m.QoS)
			}
		}
		if !strings.HasPrefix(sent, tt.sent) || tt.sent == "" && sent != "" {
			t.Errorf("%s: published %q, want %q", tt.name, sent, tt.sent)
		}
	}
	if r, _ := d.Host.Last("mq/d/t"); len(r.Fields) != 1 || !r.Fields[0].Writable {
		t.Errorf("the field does not say that it is writable: %+v", r)
	}
}

func TestControls(t *testing.T) {
	for _, tt := range []struct {
		params []any
		want   nodes.Param
	}{
		{[]any{"Unit", "°C", "WriteMin", 5.0}, nodes.Param{Kind: nodes.KindDouble, Min: nodes.Quantity(5, -1, "°C")}},
		{[]any{"Type", "integer", "WriteMax", 9.0}, nodes.Param{Kind: nodes.KindInt64, Max: nodes.Int64(9)}},
		{[]any{"Options", "0=off,1=on"}, nodes.Param{Kind: nodes.KindEnum}},
		{[]any{"Type", "bool"}, nodes.Param{Kind: nodes.KindBool}}, {[]any{"OnValue", "ON"}, nodes.Param{Kind: nodes.KindBool}},
		{[]any{"Type", "text"}, nodes.Param{Kind: nodes.KindString}}, {[]any{"Type", "time"}, nodes.Param{Kind: nodes.KindDateTime}},
	} {
		n := writable("x", "x", tt.params...)
		list := fieldControls(&n.Spec)
		if len(list) != 1 || list[0].ID != "x" || list[0].Kind != tt.want.Kind || list[0].Min != tt.want.Min || list[0].Max != tt.want.Max {
			t.Errorf("%v: got %+v", tt.params, list)
		}
	}
	if list := fieldControls(&fieldNode("x", "x", "Type", "bool").Spec); len(list) > 0 {
		t.Error("a field that is not writable has control parameters")
	}
}

// Writes without a connection: refused, or put into the outbox, from where they are sent
// once, in order, unless they are too old.
func TestOutbox(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	addr, port := b.Addr(), b.Port()
	node := func(more ...any) *nodes.Node {
		return brokerNode(t, port, []*nodes.Node{deviceNode("d", "d", []*nodes.Node{writable("x", "x", "Type", "integer", "Acknowledge", "none")})}, more...)
	}
	set := func(d *adaptertest.Device, v int64) nodes.Outcome {
		return d.Set(soon, nodes.Setting{Node: "mq/d/x", Name: "x", Value: nodes.Int64(v)})[0]
	}
	b.Close()
	d := start(t, node())
	d.Host.Wait(t, soon, "a message", func() bool { return message(d.Host, "mq", EventConnection) != "" })
	if o := set(d, 1); o.State != nodes.WriteRefused || nodes.KindOf(o.Err) != nodes.Unreachable {
		t.Errorf("without an outbox: %v, %v", o.State, o.Err)
	}
	d.Stop()
	n := node("OutboxTime", time.Second, "OutboxSize", 3)
	d = start(t, n)
	d.Host.Wait(t, soon, "a message", func() bool { return message(d.Host, "mq", EventConnection) != "" })
	if o := set(d, 0); o.State != nodes.WriteUnknown {
		t.Errorf("with an outbox: %v, %v", o.State, o.Err)
	}
	d.Host.Wait(t, soon, "the count", func() bool { return shown(d.Host, "mq", "outbox").Int() == 1 })
	d.Stop()
	time.Sleep(1100 * time.Millisecond) // the first is too old now
	n = node("OutboxTime", time.Hour, "OutboxSize", 3)
	d = startWith(t, n, d.Host.Shelf())
	d.Host.Wait(t, soon, "a message", func() bool { return message(d.Host, "mq", EventConnection) != "" })
	for v := range int64(3) {
		if o := set(d, v+1); (o.State == nodes.WriteUnknown) != (v < 2) {
			t.Errorf("value %d: %v, %v", v+1, o.State, o.Err)
		}
	}
	d.Stop()
	b = startBroker(t, mqtttest.Options{Address: addr})
	d = startWith(t, n, d.Host.Shelf())
	d.Host.Wait(t, soon, "what waited", func() bool { return len(b.Messages()) == 2 })
	d.Host.Wait(t, soon, "an empty outbox", func() bool {
		return shown(d.Host, "mq", "outbox") == nodes.Int64(0) && shown(d.Host, "mq", "outbox expired") == nodes.Int64(1)
	})
	if list := b.Messages(); list[0].Payload != `{"x":1}` || list[1].Payload != `{"x":2}` {
		t.Errorf("got %v", list)
	}
	if n := waiting(d.Host.Shelf()); n != 0 {
		t.Errorf("%d are left", n)
	}
}
