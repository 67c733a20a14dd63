package mqtttest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/fieldhub/hub/nodes"
)

// House is simulated devices that are clients of a broker: a weather station that tells
// its values in JSON, and a plug that can be switched, which answers as such plugs do.
// [HouseTree] describes them.
type House struct {
	port int

	mu     sync.Mutex
	on     bool
	energy float64 // kWh
}

// NewHouse makes the devices, which connect with a broker on a port of 127.0.0.1 in Run.
func NewHouse(port int) *House { return &House{port: port} }

// device connects a device until it does or ctx ends. It says that it is there on a
// topic of its own, as its last will says the opposite, and calls came with each message
// on commands, if that is not empty.
func (h *House) device(ctx context.Context, name, commands string, came func(mqtt.Client, mqtt.Message)) (mqtt.Client, error) {
	o := mqtt.NewClientOptions().AddBroker(fmt.Sprintf("tcp://127.0.0.1:%d", h.port)).SetClientID(name)
	o.SetWill(name+"/availability", "offline", 0, true)
	o.SetMaxReconnectInterval(time.Second)
	o.SetOnConnectHandler(func(c mqtt.Client) {
		c.Publish(name+"/availability", 0, true, "online")
		if commands != "" {
			c.Subscribe(commands, 1, came)
		}
	})
	for {
		c := mqtt.NewClient(o)
		token := c.Connect()
		<-token.Done()
		if token.Error() == nil {
			return c, nil
		}
		select { // the broker may not listen yet
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// plug publishes what the plug is.
func (h *House) plug(c mqtt.Client) {
	h.mu.Lock()
	defer h.mu.Unlock()
	power, word := 0.4, "off"
	if h.on {
		power, word = 61.5+math.Mod(h.energy*1e5, 3), "on"
	}
	h.energy += power / 1000 / 3600
	c.Publish("house/plug", 0, true, fmt.Sprintf(`{"state":%q,"power":%.1f,"energy":%.5f}`, word, power, h.energy))
}

// Run connects the devices, which publish every second until ctx ends.
func (h *House) Run(ctx context.Context) error {
	station, err := h.device(ctx, "house/weather", "", nil)
	if err != nil {
		return nil // the end
	}
	defer station.Disconnect(0)
	plug, err := h.device(ctx, "house/plug", "house/plug/set", func(c mqtt.Client, m mqtt.Message) {
		h.mu.Lock()
		h.on = slices.Contains([]string{"on", "true", "1"}, strings.ToLower(string(m.Payload())))
		h.mu.Unlock()
		h.plug(c)
	})
	if err != nil {
		return nil
	}
	defer plug.Disconnect(0)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for second := 0; ; second++ {
		swing := math.Sin(float64(second) / 40)
		station.Publish("house/weather", 0, true, fmt.Sprintf(`{"time":%q,"temperature":%.1f,"humidity":%.0f,"wind":{"speed":%.1f,"direction":%d}}`,
			time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), 11.5+3*swing, 72-9*swing, 4+2*math.Sin(float64(second)/7), (200+second)%360))
		h.plug(plug)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// HouseServer describes a broker in the hub, as a node "broker" below the root, with
// which the devices of a house connect: on a port of 127.0.0.1, without accounts.
func HouseServer(port int) []*nodes.Node {
	return []*nodes.Node{{Spec: nodes.Spec{ID: "broker", Name: "broker", Type: "mqtt.server", Parent: nodes.RootID,
		Params: nodes.Params{"Listen": nodes.String(fmt.Sprintf("127.0.0.1:%d", port)), "Anonymous": nodes.Bool(true)}}}}
}

// HouseTree describes a house whose broker listens on a port, as a broker node "house"
// below the root.
func HouseTree(port int) []*nodes.Node {
	s := nodes.String
	node := func(name, typ string, p nodes.Params, children ...*nodes.Node) *nodes.Node {
		return &nodes.Node{Spec: nodes.Spec{Name: name, Type: typ, Params: p}, Children: children}
	}
	field := func(name, path, unit string, more nodes.Params) *nodes.Node {
		p := nodes.Params{"Path": s(path)}
		if unit != "" {
			p["Unit"] = s(unit)
		}
		for id, v := range more {
			p[id] = v
		}
		return node(name, "mqtt.field", p)
	}
	decimals := func(n int32) nodes.Params { return nodes.Params{"Decimals": nodes.Int32(n)} }
	return []*nodes.Node{{Spec: nodes.Spec{ID: "house", Name: "house", Type: "mqtt.broker", Parent: nodes.RootID,
		Params: nodes.Params{"Host": s("127.0.0.1"), "Port": nodes.Int32(int32(port))}},
		Children: []*nodes.Node{
			node("weather", "mqtt.device", nodes.Params{"Topic": s("house/weather"), "TimePath": s("time"), "AvailabilityTopic": s("~/availability")},
				field("temperature", "temperature", "°C", decimals(1)), field("humidity", "humidity", "%", decimals(0)),
				field("wind", "wind.speed", "m/s", decimals(1)), field("wind direction", "wind.direction", "°", decimals(0))),
			node("plug", "mqtt.device", nodes.Params{"Topic": s("house/plug"), "AvailabilityTopic": s("~/availability")},
				field("on", "state", "", nodes.Params{"Type": nodes.Enum("bool", "Type"), "Writable": nodes.Bool(true), "Command": s("{value}")}),
				field("power", "power", "W", decimals(1)), field("energy", "energy", "kWh", decimals(5))),
		}}}
}
