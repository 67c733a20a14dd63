package mqtt

import (
	"strings"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

// What is made of a value that the broker kept.
func TestRetained(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	for _, topic := range []string{"mark", "trust", "ignore"} {
		b.Publish(topic, `{"x":1}`, true)
	}
	var devices []*nodes.Node
	for _, kind := range []string{"mark", "trust", "ignore"} {
		devices = append(devices, deviceNode(kind, kind, []*nodes.Node{fieldNode("x", "x")}, "Retained", kind))
	}
	d := start(t, brokerNode(t, b.Port(), devices))
	connected(t, d, b, "ignore")
	d.Host.Wait(t, soon, "all messages", func() bool { return shown(d.Host, "mq", "messages received").Int() == 3 })
	flags := func(device string) (nodes.QoS, bool) {
		r, ok := d.Host.Good("mq/" + device + "/x")
		if !ok {
			return 0, false
		}
		return r.Fields[0].QoS, true
	}
	d.Host.Wait(t, soon, "two values", func() bool { _, a := flags("mark"); _, b := flags("trust"); return a && b })
	if f, _ := flags("mark"); f != nodes.Warning {
		t.Errorf("mark: flags %v", f)
	}
	if f, _ := flags("trust"); f != 0 {
		t.Errorf("trust: flags %v", f)
	}
	if _, ok := flags("ignore"); ok {
		t.Error("ignore: there is a value")
	}
	for _, topic := range []string{"mark", "ignore"} {
		b.Publish(topic, `{"x":1}`, false)
		d.Host.Wait(t, soon, "a live value of "+topic, func() bool { f, ok := flags(topic); return ok && f == 0 })
	}
}

// Values of the wrong type are refused by themselves: other fields of the message are
// taken.
func TestWrongTypes(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	var fields []*nodes.Node
	for _, typ := range []string{"number", "integer", "bool", "time"} {
		fields = append(fields, fieldNode(typ, "v", "Type", typ))
	}
	d := start(t, brokerNode(t, b.Port(), []*nodes.Node{deviceNode("a", "a", append(fields, fieldNode("x", "x")))}))
	connected(t, d, b, "a")
	for i, v := range []string{`"perhaps"`, `{}`, `[1]`, `""`} {
		b.Publish("a", `{"v":`+v+`,"x":`+itoa(i)+`}`, false)
		d.Host.Wait(t, soon, "the value beside", func() bool { return d.Host.Value("mq/a/x").Double() == float64(i) && !d.Host.Value("mq/a/x").IsZero() })
		for _, f := range fields {
			d.Host.Wait(t, soon, "an error of "+f.Name+" for "+v, func() bool { return d.Host.Err("mq/a/"+f.Name) != nil })
		}
		d.Host.Wait(t, soon, "a message", func() bool { return message(d.Host, "mq/a", EventPayload) != "" })
	}
}

// Filters that a person wrote take the place of those of the devices.
func TestSubscribe(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one(), "Subscribe", "a/#, b"))
	connected(t, d, b, "a/#")
	connected(t, d, b, "b")
	b.Publish("a", `{"x":5}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 5 })
	if b.Subscribed("a") > 0 {
		t.Error("the topic of the device was subscribed, too")
	}
}

// The last will: what the broker says when the hub is thrown out.
func TestWill(t *testing.T) {
	m := mosquitto(t)
	c := publisher(t, m.Port)
	will := make(chan string, 10)
	if token := c.Subscribe("hub/status", 1, func(_ paho.Client, m paho.Message) { will <- string(m.Payload()) }); !token.WaitTimeout(soon) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	d := start(t, brokerNode(t, m.Port, one(), "ClientId", "hub-with-will", "WillTopic", "hub/status", "WillData", "gone", "WillQoS", "1", "WillRetain", true))
	d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
	o := paho.NewClientOptions().AddBroker("tcp://127.0.0.1:" + itoa(m.Port)).SetClientID("hub-with-will").SetAutoReconnect(false)
	twin := paho.NewClient(o)
	if token := twin.Connect(); !token.WaitTimeout(soon) || token.Error() != nil {
		t.Fatal(token.Error())
	}
	t.Cleanup(func() { twin.Disconnect(0) })
	if got := <-will; got != "gone" {
		t.Errorf("the will is %q", got)
	}
	list, err := d.Query(soon, "mq", "ListRetained", params("Filter", "hub/#", "Time", hasty.answer/4))
	if got := strings.Join(rows(list), "\n"); err != nil || !strings.HasPrefix(got, "hub/status|4|") {
		t.Errorf("the broker keeps %s, %v", got, err)
	}
}
