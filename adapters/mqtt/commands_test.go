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

// rows returns the cells of all rows of a query's result, as text.
func rows(list []nodes.Finding) (out []string) {
	for _, f := range list {
		if r, ok := f.(nodes.Rows); ok {
			for _, row := range r.Rows {
				var cells []string
				for _, v := range row {
					cells = append(cells, v.String())
				}
				out = append(out, strings.Join(cells, "|"))
			}
		}
	}
	return out
}

func TestPublish(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one()))
	for _, tt := range []struct {
		params nodes.Params
		want   string
	}{
		{params("Topic", "x/y", "Payload", "hello", "QoS", "1", "Retain", true), "x/y hello 1 true"},
		{params("Topic", "x/y", "Payload", "00 ff", "Hex", true), "x/y \x00\xff 0 false"},
		{params("Topic", "x/y"), "x/y  0 false"},
		{params("Topic", "x/+", "Payload", "hello"), ""},
		{params("Topic", "x/y", "Payload", "0", "Hex", true), ""},
	} {
		before := len(b.Messages())
		if err := d.Execute(soon, "mq", "Publish", tt.params); (err == nil) != (tt.want != "") {
			t.Errorf("%v: %v", tt.params, err)
			continue
		}
		if tt.want == "" {
			continue
		}
		d.Host.Wait(t, soon, "the message", func() bool { return len(b.Messages()) > before })
		if m := b.Messages()[before]; fmt.Sprintln(m.Topic, m.Payload, m.QoS, m.Retain) != tt.want+"\n" {
			t.Errorf("got %+v, want %s", m, tt.want)
		}
	}
	connected(t, d, b, "a")
	if err := d.Execute(soon, "mq", "Reconnect", nil); err != nil {
		t.Fatal(err)
	}
	d.Host.Wait(t, soon, "another connection", func() bool { return b.Subscribed("a") > 1 })
}

func TestListRetained(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	b.Publish("one", `{"a": 1}`, true)
	b.Publish("two", "\x01\x02", true)
	d := start(t, brokerNode(t, b.Port(), one()))
	publishing(t, b, "live", "three")
	list, err := d.Query(soon, "mq", "ListRetained", params("Filter", "#", "Time", 300*time.Millisecond))
	got := strings.Join(rows(list), "\n")
	if err != nil || got != "one|8|0|{\"a\": 1}\ntwo|2|0|0102" {
		t.Errorf("got %s, %v", got, err)
	}
	if _, err := d.Query(soon, "mq", "ListRetained", params("Filter", "a/#/b", "Time", 300*time.Millisecond)); nodes.KindOf(err) != nodes.Invalid {
		t.Errorf("a wrong filter: %v", err)
	}
}

// created gives the device what its host created, as the tree does.
func created(d *adaptertest.Device, from int) {
	var put []*nodes.Node
	for _, n := range d.Host.Created()[from:] {
		n.Walk(func(n *nodes.Node) bool { put = append(put, &nodes.Node{Spec: n.Spec}); return true })
	}
	d.Update(nodes.Change{Put: put})
}

// Devices are learned, shown first, and work once they are created.
func TestLearn(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one()))
	connected(t, d, b, "a")
	b.Publish("plant/pump", `{"speed":1450,"state":{"on":true,"text":"runs"},"list":[1,2]}`, true)
	b.Publish("plant/hall/temperature", "21.5", true)
	b.Publish("plant/hall/light", "ON", true)
	b.Publish("plant/raw", "\x00\xff", true)
	for i := range 5 {
		b.Publish(fmt.Sprintf("plant/jobs/%08x-0000-4000-8000-00000000000%d/done", i*77777, i), "1", true)
	}
	b.Publish("other", "1", true)
	p := params("Filter", "plant/#", "Time", 300*time.Millisecond, "Create", false)
	list, err := d.Query(soon, "mq", "LearnDevices", p)
	want := []string{
		"plant/hall|hall|light, temperature|",
		"plant/jobs/{id}/done|||5 topics that differ in what looks like an id: not proposed",
		"plant/pump|pump|speed, state on, state text|",
		"plant/raw|||2 bytes that are no text: write fields of the format binary",
	}
	if got := rows(list); err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %v\n%s", err, strings.Join(got, "\n"))
	}
	if n := d.Host.Created(); len(n) > 0 {
		t.Fatalf("%d devices were created by a preview", len(n))
	}
	p["Create"] = nodes.Bool(true)
	if _, err := d.Query(soon, "mq", "LearnDevices", p); err != nil {
		t.Fatal(err)
	}
	if n := d.Host.Created(); len(n) != 2 {
		t.Fatalf("%d devices were created", len(n))
	}
	root := &nodes.Node{Spec: brokerNode(t, b.Port(), nil).Spec, Children: d.Host.Created()}
	adaptertest.Fill(t, factory(hasty), root)
	created(d, 0)
	for node, want := range map[string]nodes.Value{"mq/pump/speed": nodes.Quantity(1450, 0, ""), "mq/pump/state on": nodes.Bool(true),
		"mq/hall/temperature": nodes.Quantity(21.5, 1, ""), "mq/hall/light": nodes.Bool(true)} {
		d.Host.Wait(t, soon, fmt.Sprintf("%s is %v", node, want), func() bool { return d.Host.Value(node) == want })
	}
	list, err = d.Query(soon, "mq", "LearnDevices", p)
	if got := strings.Join(rows(list), "\n"); err != nil || strings.Count(got, "is there already") != 2 {
		t.Errorf("again: %v\n%s", err, got)
	}
}

func TestLearnBounds(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one()))
	for i := range mostTopics + 500 {
		b.Publish(fmt.Sprint("many/", i, "/x"), "1", true)
	}
	list, err := d.Query(3*soon, "mq", "LearnDevices", params("Filter", "many/#", "Time", 2*time.Second, "Create", false))
	if err != nil {
		t.Fatal(err)
	}
	remark := ""
	for _, f := range list {
		if r, ok := f.(nodes.Remark); ok {
			remark = r.Text
		}
	}
	if n := len(rows(list)); n != mostTopics || !strings.Contains(remark, "500 messages") {
		t.Errorf("%d rows, remark %q", n, remark)
	}
}

func TestFold(t *testing.T) {
	for topic, want := range map[string]string{
		"a/123e4567-e89b-12d3-a456-426614174000/b": "a/{id}/b", "a/0011223344556677889900aa": "a/{id}", "zigbee2mqtt/0x00158d0001a2b3c4": "zigbee2mqtt/0x00158d0001a2b3c4",
		"a/b": "a/b", "facade": "facade", "deadbeefdeadbeefdeadbeef": "deadbeefdeadbeefdeadbeef",
	} {
		if got := fold(topic); got != want {
			t.Errorf("%s: got %s, want %s", topic, got, want)
		}
	}
}

// What devices announce for Home Assistant becomes devices that work.
func TestHomeAssistant(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one()))
	connected(t, d, b, "a")
	for topic, text := range map[string]string{
		"sensor/th1/temperature": `{"name":"Kitchen temperature","stat_t":"z/kitchen","unit_of_meas":"°C","val_tpl":"{{ value_json.temperature | round(1) }}","dev":{"ids":["th1"],"name":"Kitchen"},"avty":[{"t":"z/kitchen/availability"}]}`,
		"sensor/th1/power":       `{"name":"power","state_topic":"z/kitchen","unit_of_measurement":"kW","value_template":"{{ value_json['power'] / 1000 }}","device":{"identifiers":"th1","name":"Kitchen"}}`,
		"binary_sensor/th1/door": `{"name":"door","stat_t":"z/kitchen","val_tpl":"{{ value_json.contact }}","pl_on":"false","pl_off":"true","dev":{"ids":["th1"]}}`,
		"switch/relay":           `{"~":"r/1","name":"Relay","stat_t":"~/state","cmd_t":"~/set","uniq_id":"x"}`,
		"number/heat/target":     `{"name":"target","stat_t":"h/s","cmd_t":"h/set","cmd_tpl":"{\"t\":{{ value }}}","val_tpl":"{{value_json.t}}","min":5,"max":30,"dev":{"name":"Heat"}}`,
		"select/heat/mode":       `{"name":"mode","stat_t":"h/mode","cmd_t":"h/mode/set","options":["off","eco"],"dev":{"name":"Heat"}}`,
		"sensor/odd":             `{"name":"odd","stat_t":"o","val_tpl":"{% if value %}1{% endif %}"}`,
		"camera/c":               `{"name":"c","stat_t":"c"}`, "sensor/broken": `{`,
	} {
		b.Publish("homeassistant/"+topic+"/config", text, true)
	}
	p := params("Prefix", "homeassistant", "Time", 300*time.Millisecond, "Create", true)
	list, err := d.Query(soon, "mq", "FindHomeAssistant", p)
	got := strings.Join(rows(list), "\n")
	for _, want := range []string{"h/mode|Heat|target, mode|", "r/1/state|relay|Relay|", "z/kitchen|Kitchen|door, power, temperature|",
		"template is not understood", "of the kind camera", "no JSON object"} {
		if err != nil || !strings.Contains(got, want) {
			t.Errorf("%v, not found: %s\n%s", err, want, got)
		}
	}
	adaptertest.Fill(t, factory(hasty), &nodes.Node{Spec: brokerNode(t, b.Port(), nil).Spec, Children: d.Host.Created()})
	created(d, 0)
	b.Watch(func(m mqtttest.Message) {
		switch m.Topic {
		case "r/1/set":
			b.Publish("r/1/state", m.Payload, false)
		case "h/set":
			b.Publish("h/s", m.Payload, false)
		case "h/mode/set":
			b.Publish("h/mode", m.Payload, false)
		}
	})
	connected(t, d, b, "z/kitchen")
	b.Publish("z/kitchen", `{"temperature":21.46,"power":1500,"contact":false}`, false)
	for node, want := range map[string]nodes.Value{"mq/Kitchen/temperature": nodes.Quantity(21.5, 1, "°C"), "mq/Kitchen/power": nodes.Quantity(1.5, 3, "kW"), "mq/Kitchen/door": nodes.Bool(true)} {
		d.Host.Wait(t, soon, fmt.Sprintf("%s is %v", node, want), func() bool { return d.Host.Value(node) == want })
	}
	for _, s := range []nodes.Setting{{Node: "mq/relay/Relay", Name: "Relay", Value: nodes.Bool(true)},
		{Node: "mq/Heat/target", Name: "target", Value: nodes.Double(21.5)}, {Node: "mq/Heat/mode", Name: "mode", Value: nodes.Enum("eco", "mode")}} {
		if o := d.Set(soon, s)[0]; o.State != nodes.WriteVerified {
			t.Errorf("%s: %v, %v", s.Node, o.State, o.Err)
		}
	}
}

func FuzzHomeAssistant(f *testing.F) {
	f.Add([]byte(`{"~":"a","stat_t":"~/b","val_tpl":"{{ value_json.a[0]['b.c'] | float * 2 }}","dev":{"ids":["x"]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, component := range []string{"sensor", "switch", "number", "select"} {
			for _, p := range homeAssistant([]*sample{{topic: "ha/" + component + "/x/config", payload: data}}, "ha") {
				if p.node == nil && p.note == "" {
					t.Fatalf("%q: neither a device nor a reason", data)
				}
			}
		}
		learn([]*sample{{topic: "a/b", payload: data}}, "")
	})
}
