package mqtt

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

// shown returns the value of a field of a node's last good reading.
func shown(h *adaptertest.Host, node, name string) nodes.Value {
	r, _ := h.Good(node)
	for _, f := range r.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nodes.Value{}
}

// message returns the text of a message of a node.
func message(h *adaptertest.Host, node, event string) string {
	for _, m := range h.Messages(node) {
		if m.EventID == event {
			return m.Text
		}
	}
	return ""
}

// startWith starts a broker node with what an earlier run kept.
func startWith(t testing.TB, n *nodes.Node, shelf nodes.Shelf) *adaptertest.Device {
	t.Helper()
	h := adaptertest.NewHost(n)
	shelf.Range(func(key string, value []byte) bool { h.Shelf().Put(key, value); return true })
	return adaptertest.StartWith(t, factory(hasty), n, h)
}

// connected waits until the device has subscribed a topic.
func connected(t testing.TB, d *adaptertest.Device, b *mqtttest.Broker, topic string) {
	t.Helper()
	d.Host.Wait(t, soon, "the subscription of "+topic, func() bool { return b.Subscribed(topic) > 0 })
}

func one(more ...any) []*nodes.Node {
	return []*nodes.Node{deviceNode("a", "a", []*nodes.Node{fieldNode("x", "x"), fieldNode("y", "y.0")}, more...)}
}

// A broker that goes and comes back: values are no longer current, then they are, and
// topics are subscribed again.
func TestReconnect(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	addr, port := b.Addr(), b.Port()
	d := start(t, brokerNode(t, port, one()))
	connected(t, d, b, "a")
	b.Publish("a", `{"x":1,"y":[2]}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/y").Double() == 2 })
	b.Drop()
	d.Host.Wait(t, soon, "another connection", func() bool { return b.Subscribed("a") == 2 })
	b.Publish("a", `{"x":2,"y":[3]}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 2 && d.Host.Err("mq/a/x") == nil })
	b.Close()
	d.Host.Wait(t, soon, "an error", func() bool { return d.Host.Err("mq/a/x") != nil && d.Host.Err("mq/a/y") != nil })
	d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq", EventConnection), "refuses connections") })
	if kind := nodes.KindOf(d.Host.Err("mq/a/x")); kind != nodes.Unreachable {
		t.Errorf("the error is of kind %v", kind)
	}
	b = startBroker(t, mqtttest.Options{Address: addr})
	connected(t, d, b, "a")
	d.Host.Wait(t, soon, "the value of before, marked", func() bool {
		r, _ := d.Host.Last("mq/a/x")
		return r.Err == nil && len(r.Fields) == 1 && r.Fields[0].QoS == nodes.Warning && r.Fields[0].Value.Double() == 2
	})
	b.Publish("a", `{"x":2,"y":[3]}`, false)
	d.Host.Wait(t, soon, "a live value", func() bool {
		r, _ := d.Host.Last("mq/a/x")
		return r.Err == nil && r.Fields[0].QoS == 0
	})
	d.Host.Wait(t, soon, "no message", func() bool { return d.Host.AllMessages() == 0 })
}

// What can be wrong with the way to a broker, and what is said of it.
func TestNoConnection(t *testing.T) {
	garbage, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			c, err := garbage.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n\r\n")
			c.Close()
		}
	}()
	t.Cleanup(func() { garbage.Close(); <-served })
	b := startBroker(t, mqtttest.Options{User: "joe", Password: "secret", Refused: []string{"a"}})
	for _, tt := range []struct {
		name   string
		port   int
		params []any
		want   string
	}{
		{"off", 1, nil, "refuses connections"},
		{"no such host", 1, []any{"Host", "no-such-host.invalid"}, "name server"},
		{"silent", silentPeer(t), nil, "does not answer"},
		{"silent TLS", silentPeer(t), []any{"Transport", "tls"}, "does not answer"},
		{"silent WebSocket", silentPeer(t), []any{"Transport", "ws"}, "does not answer"},
		{"garbage", garbage.Addr().(*net.TCPAddr).Port, nil, "127.0.0.1"},
		{"not TLS", garbage.Addr().(*net.TCPAddr).Port, []any{"Transport", "tls"}, "does not speak TLS"},
		{"not WebSocket", garbage.Addr().(*net.TCPAddr).Port, []any{"Transport", "ws"}, "400"},
		{"wrong password", b.Port(), []any{"UserName", "joe", "Password", "no"}, "Password"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d := start(t, brokerNode(t, tt.port, one(), tt.params...))
			d.Host.Wait(t, soon, "a message with "+tt.want, func() bool { return strings.Contains(message(d.Host, "mq", EventConnection), tt.want) })
			d.Host.Wait(t, soon, "an error of a field", func() bool { return d.Host.Err("mq/a/x") != nil })
		})
	}
	t.Run("subscription refused", func(t *testing.T) {
		d := start(t, brokerNode(t, b.Port(), one(), "UserName", "joe", "Password", "secret"))
		d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq", EventSubscription), "joe") })
	})
}

func TestWebSocket(t *testing.T) {
	b := startBroker(t, mqtttest.Options{WebSocket: true})
	d := start(t, brokerNode(t, b.Port(), one(), "Transport", "ws"))
	connected(t, d, b, "a")
	b.Publish("a", `{"x":1,"y":["`+strings.Repeat("long ", 5000)+`"]}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return len(d.Host.Value("mq/a/y").Text()) == 25000 })
}

// Two clients with one id throw each other out, which is said.
func TestSameClientID(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	start(t, brokerNode(t, b.Port(), one(), "ClientId", "twin"))
	d := start(t, brokerNode(t, b.Port(), one(), "ClientId", "twin"))
	d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq", EventConnection), "client id twin") })
}

// Payloads that are not what the fields say are said on the device, and disturb no
// other.
func TestBadPayloads(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	other := deviceNode("other", "other", []*nodes.Node{fieldNode("x", "x")})
	d := start(t, brokerNode(t, b.Port(), append(one(), other), "MaxPayload", 1000))
	connected(t, d, b, "other")
	for i, tt := range []struct{ payload, want string }{
		{`{"x":1`, "JSON ends"}, {"\xff\xfe", "UTF-8"}, {"", "empty"}, {`[]`, ""},
		{`{"x":"` + strings.Repeat("x", 2000) + `"}`, "MaxPayload"},
		{`{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "MaxPayload"},
		{`{"x":"` + strings.Repeat("x", 10<<20) + `"}`, "MaxPayload"},
	} {
		b.Publish("a", `{"x":7,"y":[1]}`, false)
		d.Host.Wait(t, soon, "a good value", func() bool { return d.Host.Value("mq/a/x").Double() == 7 && d.Host.Err("mq/a/x") == nil })
		d.Host.Wait(t, soon, "no message", func() bool { return message(d.Host, "mq/a", EventPayload) == "" })
		b.Publish("a", tt.payload, false)
		if tt.want != "" {
			d.Host.Wait(t, soon, "a message with "+tt.want, func() bool { return strings.Contains(message(d.Host, "mq/a", EventPayload), tt.want) })
			if d.Host.Err("mq/a/x") == nil {
				t.Errorf("%.40q: no error", tt.payload)
			}
		}
		b.Publish("other", fmt.Sprintf(`{"x":%d}`, i), false)
		d.Host.Wait(t, soon, "a value of the other device", func() bool { return d.Host.Value("mq/other/x").Double() == float64(i) })
	}
	if n := d.Host.Messages("mq/other"); len(n) > 0 {
		t.Errorf("messages of the other device: %v", n)
	}
}

// As long as MaxPayload says is not too long, and a byte more is.
func TestLongestPayload(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one()))
	connected(t, d, b, "a")
	const most = 1 << 20 // the default
	text := `{"x":1,"y":[2],"z":"` + strings.Repeat("z", most)
	b.Publish("a", text[:most-2]+`"}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 1 && d.Host.Err("mq/a/x") == nil })
	b.Publish("a", text[:most-1]+`"}`, false)
	d.Host.Wait(t, soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq/a", EventPayload), "MaxPayload") })
}

func TestSilence(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one("SilenceTimeout", 300*time.Millisecond)))
	connected(t, d, b, "a")
	b.Publish("a", `{"x":1,"y":[2]}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 1 })
	d.Host.Wait(t, soon, "silence", func() bool { return message(d.Host, "mq/a", EventSilence) != "" && d.Host.Err("mq/a/x") != nil })
	if kind := nodes.KindOf(d.Host.Err("mq/a/x")); kind != nodes.Timeout {
		t.Errorf("the error is of kind %v", kind)
	}
	b.Publish("a", `{"x":2}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 2 && d.Host.Err("mq/a/x") == nil })
	d.Host.Wait(t, soon, "no message", func() bool { return message(d.Host, "mq/a", EventSilence) == "" })
}

func TestAvailability(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one("AvailabilityTopic", "~/status")))
	connected(t, d, b, "a/status")
	b.Publish("a", `{"x":1,"y":[2]}`, false)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 1 })
	b.Publish("a/status", "offline", true)
	d.Host.Wait(t, soon, "that it is offline", func() bool { return message(d.Host, "mq/a", EventAvailability) != "" && d.Host.Err("mq/a/y") != nil })
	b.Publish("a/status", `{"state":"online"}`, true)
	d.Host.Wait(t, soon, "that it is back", func() bool { return message(d.Host, "mq/a", EventAvailability) == "" && d.Host.Err("mq/a/y") == nil })
	if r, _ := d.Host.Last("mq/a/x"); len(r.Fields) != 1 || r.Fields[0].QoS != nodes.Warning {
		t.Errorf("what it showed before: %+v", r)
	}
}

// Times of the device are kept, messages out of order are not taken, nor what a broker
// sends a second time, and a clock that was set back is followed.
func TestDeviceTimes(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one("TimePath", "t", "QualityPath", "q")))
	connected(t, d, b, "a")
	base := time.Now().Add(-time.Hour).Truncate(time.Second)
	for i, tt := range []struct {
		x      int
		offset time.Duration // of the time that is sent, from base
		want   int
		qos    nodes.QoS
	}{
		{1, 0, 1, 0}, {2, 2 * time.Second, 2, 0}, {2, 2 * time.Second, 2, 0}, {3, time.Second, 2, 0},
		{2, 2 * time.Second, 2, 0}, {1, 0, 2, 0}, {2, 2 * time.Second, 2, 0}, {4, 3 * time.Second, 4, 0},
		{5, -time.Hour, 4, 0}, {6, -59 * time.Minute, 4, 0}, {7, -58 * time.Minute, 7, 0},
		{8, 10 * time.Hour, 8, nodes.TimeOffset}, {9, 4 * time.Second, 9, 0},
	} {
		b.Publish("a", fmt.Sprintf(`{"x":%d,"y":[%d],"t":%d,"q":"good"}`, tt.x, tt.x, base.Add(tt.offset).Unix()), false)
		d.Host.Wait(t, soon, "the count", func() bool { return shown(d.Host, "mq", "messages received").Int() == int64(i+1) })
		d.Host.Wait(t, soon, fmt.Sprint("value ", tt.want), func() bool { return d.Host.Value("mq/a/x").Double() == float64(tt.want) })
		r, _ := d.Host.Last("mq/a/x")
		f := r.Fields[0]
		if f.QoS != tt.qos {
			t.Errorf("message %d: flags %v, want %v", i, f.QoS, tt.qos)
		}
		if tt.x == tt.want && tt.qos == 0 && !f.Time.Equal(base.Add(tt.offset)) {
			t.Errorf("message %d: time %v, want %v", i, f.Time, base.Add(tt.offset))
		}
	}
	b.Publish("a", fmt.Sprintf(`{"x":10,"t":%d,"q":"bad"}`, base.Add(time.Minute).Unix()), false)
	d.Host.Wait(t, soon, "a bad value", func() bool {
		r, _ := d.Host.Last("mq/a/x")
		return r.Fields[0].Value.Double() == 10 && r.Fields[0].QoS == nodes.Erroneous
	})
}

// Fields of several formats, at and below the topic of the device.
func TestFormats(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), []*nodes.Node{deviceNode("m", "m", []*nodes.Node{
		fieldNode("json", "a.b", "Unit", "kW", "Scale", 0.001),
		fieldNode("number", "", "Topic", "~/n", "Format", "number", "Unit", "°C"),
		fieldNode("text", "", "Topic", "~/t", "Format", "text"),
		fieldNode("pair", "h", "Topic", "~/k", "Format", "keyvalue", "Decimals", 1),
		fieldNode("column", "2", "Topic", "~/c", "Format", "csv", "Type", "bool"),
		fieldNode("bytes", "1:uint16:le", "Topic", "~/b", "Format", "binary", "Divisor", 100.0),
		fieldNode("same bytes", "0.0:bool", "Topic", "~/b", "Format", "binary"),
	})}))
	connected(t, d, b, "m/b")
	for topic, text := range map[string]string{"m": `{"a":{"b":1500}}`, "m/n": "21.5 °C", "m/t": "all well", "m/k": "t=1,h=40.26", "m/c": "a;on;c", "m/b": "\x01\x10\x27"} {
		b.Publish(topic, text, false)
	}
	for name, want := range map[string]nodes.Value{"json": nodes.Quantity(1.5, 3, "kW"), "number": nodes.Quantity(21.5, 1, "°C"),
		"text": nodes.String("all well"), "pair": nodes.Quantity(40.3, 1, ""), "column": nodes.Bool(true),
		"bytes": nodes.Quantity(100, 2, ""), "same bytes": nodes.Bool(true)} {
		d.Host.Wait(t, soon, fmt.Sprint(name, " is ", want), func() bool { return d.Host.Value("mq/m/"+name) == want })
	}
}

// A burst loses no newest value.
func TestBurst(t *testing.T) {
	m := mosquitto(t, "max_queued_messages 0")
	c := publisher(t, m.Port)
	var devices []*nodes.Node
	for i := range 20 {
		devices = append(devices, deviceNode(fmt.Sprint("d", i), fmt.Sprint("burst/", i), []*nodes.Node{fieldNode("x", "x"), fieldNode("y", "y")}))
	}
	d := start(t, brokerNode(t, m.Port, devices))
	d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
	time.Sleep(200 * time.Millisecond) // until it has subscribed
	const n = 20000
	for i := range n {
		c.Publish(fmt.Sprint("burst/", i%20), 0, false, fmt.Sprintf(`{"x":%d,"y":%d}`, i, i+1))
	}
	for i := range 20 {
		want := float64(n - 20 + i)
		d.Host.Wait(t, 3*soon, "the newest value", func() bool { return d.Host.Value(fmt.Sprintf("mq/d%d/x", i)).Double() == want })
	}
}

// Two runs have the same client id; another hub has another.
func TestOwnClientID(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	n := brokerNode(t, b.Port(), one())
	d := start(t, n)
	connected(t, d, b, "a")
	first := b.Clients()
	d.Stop()
	d = startWith(t, n, d.Host.Shelf())
	d.Host.Wait(t, soon, "the connection", func() bool { return len(b.Clients()) == 1 })
	if again := b.Clients(); again[0] != first[0] || !strings.HasPrefix(first[0], "hub-") {
		t.Errorf("got %v, then %v", first, again)
	}
}

func TestSniffer(t *testing.T) {
	for _, tt := range []struct {
		data string
		kept bool
		want string
	}{
		{`{"x":1}`, true, `a/b QoS 1 retained: {"x":1}`}, {"\x00\xff", false, "a/b QoS 1: 00ff"}, {"", false, "a/b QoS 1: "},
		{strings.Repeat("ä", 3000), false, "a/b QoS 1: " + strings.Repeat("ä", 2048) + "… and 1904 bytes more"},
	} {
		if got := frame("a/b", 1, tt.kept, []byte(tt.data)); got != tt.want {
			t.Errorf("got %.60q, want %.60q", got, tt.want)
		}
	}
}

// A field or device that is configured anew shows nothing of before, and gets what is
// retained.
func TestConfiguredAnew(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	b.Publish("a", `{"x":1,"z":5}`, true)
	b.Publish("b", `{"x":2}`, true)
	n := brokerNode(t, b.Port(), one())
	d := start(t, n)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == 1 })
	change := func(spec nodes.Spec, id, value string) {
		p := make(nodes.Params)
		for k, v := range spec.Params {
			p[k] = v
		}
		p[id] = nodes.String(value)
		spec.Params = p
		d.Update(nodes.Change{Put: []*nodes.Node{{Spec: spec}}})
	}
	field := n.Children[0].Children[0].Spec
	change(field, "Path", "z")
	d.Host.Wait(t, soon, "the retained value at another path", func() bool { return d.Host.Value("mq/a/x").Double() == 5 })
	change(field, "Path", "none")
	d.Host.Wait(t, soon, "an error", func() bool { return d.Host.Err("mq/a/x") != nil })
	change(field, "Path", "x")
	change(n.Children[0].Spec, "Topic", "b")
	d.Host.Wait(t, soon, "the retained value of another topic", func() bool { return d.Host.Value("mq/a/x").Double() == 2 })
}
