package mqtt

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// heard is a message of which only what the adapter looks at is there.
type heard struct {
	paho.Message
	topic   string
	payload []byte
}

func (h heard) Topic() string   { return h.topic }
func (h heard) Payload() []byte { return h.payload }
func (h heard) Qos() byte       { return 0 }
func (h heard) Retained() bool  { return false }

// A message of 100 MB goes through a broker: it is said on its device, and is not kept in
// memory; the other device goes on.
func TestHugePayload(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB")
	}
	m := mosquitto(t, "message_size_limit 0")
	c := publisher(t, m.Port)
	d := start(t, brokerNode(t, m.Port, append(one(), deviceNode("other", "other", []*nodes.Node{fieldNode("x", "x")}))))
	d.Host.Wait(t, soon, "the connection", func() bool { return shown(d.Host, "mq", "connected") == nodes.Bool(true) })
	send(t, c, "other", true, `{"x":1}`)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/other/x").Double() == 1 })
	send(t, c, "a", false, strings.Repeat("x", 100<<20))
	d.Host.Wait(t, 3*soon, "a message", func() bool { return strings.Contains(message(d.Host, "mq/a", EventPayload), "MaxPayload") })
	send(t, c, "other", false, `{"x":2}`)
	d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/other/x").Double() == 2 })
	if n := shown(d.Host, "mq", "connections").Int(); n != 1 {
		t.Errorf("%d connections", n)
	}
}

// Topics that nobody has asked for, odd ones and a million of them, take no memory.
func TestManyTopics(t *testing.T) {
	n := brokerNode(t, 1, one())
	d := start(t, n)
	b := d.Device.(*broker)
	odd := []string{"", "/", "//", "$SYS/x", "a/", "/a", "a/#", "+", "\xff\xfe", strings.Repeat("x", 65535), "a\x00"}
	for _, topic := range odd {
		b.receive(heard{topic: topic, payload: []byte(`{"x":1}`)})
	}
	before := heap()
	for i := range 1000000 {
		b.receive(heard{topic: fmt.Sprint("many/", i), payload: []byte("1")})
	}
	if after := heap(); after > before+4<<20 {
		t.Errorf("a million topics took %d kB", (after-before)>>10)
	}
	b.receive(heard{topic: "a", payload: []byte(`{"x":1}`)})
	b.mu.Lock()
	value, unknown := b.fields["mq/a/x"].value, b.stats.unknown
	b.mu.Unlock()
	if value.Double() != 1 || unknown != uint64(1000000+len(odd)) {
		t.Errorf("value %v, %d without a field", value, unknown)
	}
}

// A broker that drops its clients every now and then: nothing gets lost for ever, and
// nothing piles up.
func TestDropping(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	d := start(t, brokerNode(t, b.Port(), one()))
	before := runtime.NumGoroutine()
	for i := range 10 {
		d.Host.Wait(t, soon, "a subscription", func() bool { return b.Subscribed("a") > i })
		b.Publish("a", fmt.Sprintf(`{"x":%d}`, i), false)
		d.Host.Wait(t, soon, "a value", func() bool { return d.Host.Value("mq/a/x").Double() == float64(i) && d.Host.Err("mq/a/x") == nil })
		b.Drop()
	}
	if after := runtime.NumGoroutine(); after > before+20 {
		t.Errorf("%d goroutines, before %d", after, before)
	}
}
