package mqtt

import (
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// soon is how long tests wait for what happens at once.
const soon = 10 * time.Second

// hasty is a timing for tests.
var hasty = timing{
	first:   20 * time.Millisecond,
	last:    100 * time.Millisecond,
	connect: time.Second,
	answer:  2 * time.Second,
	lost:    50 * time.Millisecond,
	tick:    20 * time.Millisecond,
	tell:    50 * time.Millisecond,
}

// params makes parameters of id and value in turns; texts stand for enums too.
func params(list ...any) nodes.Params {
	p := make(nodes.Params)
	for i := 0; i+1 < len(list); i += 2 {
		id := list[i].(string)
		switch v := list[i+1].(type) {
		case string:
			p[id] = nodes.String(v)
		case bool:
			p[id] = nodes.Bool(v)
		case int:
			p[id] = nodes.Int32(int32(v))
		case float64:
			p[id] = nodes.Double(v)
		case time.Duration:
			p[id] = nodes.Duration(0, v)
		}
	}
	return p
}

func fieldNode(name, path string, more ...any) *nodes.Node {
	return &nodes.Node{Spec: nodes.Spec{Name: name, Type: TypeField, Params: params(append([]any{"Path", path}, more...)...)}}
}

func deviceNode(name, topic string, fields []*nodes.Node, more ...any) *nodes.Node {
	return &nodes.Node{Children: fields, Spec: nodes.Spec{Name: name, Type: TypeDevice, Params: params(append([]any{"Topic", topic}, more...)...)}}
}

// brokerNode makes a broker node "mq" at 127.0.0.1 with default parameters filled in.
func brokerNode(t testing.TB, port int, devices []*nodes.Node, more ...any) *nodes.Node {
	t.Helper()
	n := &nodes.Node{Children: devices, Spec: nodes.Spec{Name: "mq", Type: TypeBroker, Parent: nodes.RootID,
		Params: params(append([]any{"Host", "127.0.0.1", "Port", port}, more...)...)}}
	return adaptertest.Fill(t, factory(hasty), n)
}

// broker starts a broker that ends with the test.
func startBroker(t testing.TB, o mqtttest.Options) *mqtttest.Broker {
	t.Helper()
	b, err := mqtttest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

func start(t testing.TB, n *nodes.Node) *adaptertest.Device {
	t.Helper()
	return adaptertest.Start(t, factory(hasty), n)
}

// publishing publishes on topics until the test ends.
func publishing(t testing.TB, b *mqtttest.Broker, payload string, topics ...string) {
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			for _, topic := range topics {
				b.Publish(topic, payload, false)
			}
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { close(stop); <-done })
}

// silentPeer accepts connections and never answers.
func silentPeer(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var open []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range open {
					c.Close()
				}
				return
			}
			open = append(open, c)
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().(*net.TCPAddr).Port
}

func TestContract(t *testing.T) {
	devices := func() []*nodes.Node {
		return []*nodes.Node{
			deviceNode("a", "plant/a", []*nodes.Node{fieldNode("level", "level", "Unit", "m"), fieldNode("flow", "flow.now")}),
			deviceNode("b", "plant/b", []*nodes.Node{fieldNode("power", "level", "Scale", 0.1)}),
		}
	}
	adaptertest.Run(t, adaptertest.Config{
		Factory: func() adapters.Factory { return factory(hasty) },
		Healthy: func(t *testing.T) *nodes.Node {
			b := startBroker(t, mqtttest.Options{})
			publishing(t, b, `{"level":1.50,"flow":{"now":3}}`, "plant/a", "plant/b")
			return brokerNode(t, b.Port(), devices())
		},
		Writing: func(t *testing.T) adaptertest.Writing {
			b := startBroker(t, mqtttest.Options{})
			b.Watch(func(m mqtttest.Message) {
				switch m.Topic {
				case "w/set":
					b.Publish("w", m.Payload, false)
				case "w/ask":
					b.Publish("w/answer", `{"done":"`+strings.Trim(m.Payload, `"`)+`"}`, false)
				}
			})
			devices := []*nodes.Node{deviceNode("w", "w", []*nodes.Node{
				fieldNode("target", "target", "Writable", true, "Unit", "°C"),
				fieldNode("pump", "pump", "Writable", true, "Type", "bool", "OnValue", "ON", "OffValue", "OFF"),
				fieldNode("mode", "mode", "Writable", true, "Type", "text", "Command", "{json}", "CommandTopic", "~/ask",
					"Acknowledge", "topic", "AckTopic", "~/answer", "AckPath", "done", "AckValue", "yes"),
			})}
			return adaptertest.Writing{
				Node: brokerNode(t, b.Port(), devices),
				Settings: []nodes.Setting{{Node: "mq/w/pump", Name: "pump", Value: nodes.Bool(true)},
					{Node: "mq/w/target", Name: "target", Value: nodes.Double(21.5)}},
				Refused: nodes.Setting{Node: "mq/w/mode", Name: "mode", Value: nodes.String("no")},
				Writes:  func() int { return len(b.Messages()) },
			}
		},
		Silent: func(t *testing.T) *nodes.Node { return brokerNode(t, silentPeer(t), devices()) },
		Running: func(t *testing.T) adaptertest.Running {
			b := startBroker(t, mqtttest.Options{})
			b.Publish("one", "1", true)
			b.Publish("two/{x}", "\x00", true)
			return adaptertest.Running{Root: brokerNode(t, b.Port(), devices()), Node: "mq", Command: "ListRetained",
				Params: params("Time", 300*time.Millisecond)}
		},
		Off: func(t *testing.T) *nodes.Node { return brokerNode(t, 1, devices()) },
	})
}
