package mqtttest

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// House is a broker with simulated devices: a weather station that tells its values in
// JSON, and a plug that can be switched, which answers as such plugs do. [HouseTree]
// describes them.
type House struct {
	*Broker

	mu     sync.Mutex
	on     bool
	energy float64 // kWh
}

// NewHouse starts the broker on a free port of 127.0.0.1; nothing is published until
// Run. Whoever makes it closes it.
func NewHouse() (*House, error) {
	b, err := Start(Options{})
	if err != nil {
		return nil, err
	}
	h := &House{Broker: b}
	b.Watch(func(m Message) {
		if m.Topic == "house/plug/set" {
			h.mu.Lock()
			h.on = slices.Contains([]string{"on", "true", "1"}, strings.ToLower(m.Payload))
			h.mu.Unlock()
			go h.plug() // the broker is at this message still
		}
	})
	return h, nil
}

// plug publishes what the plug is.
func (h *House) plug() {
	h.mu.Lock()
	defer h.mu.Unlock()
	power, word := 0.4, "off"
	if h.on {
		power, word = 61.5+math.Mod(h.energy*1e5, 3), "on"
	}
	h.energy += power / 1000 / 3600
	h.Publish("house/plug", fmt.Sprintf(`{"state":%q,"power":%.1f,"energy":%.5f}`, word, power, h.energy), true)
}

// Run publishes every second until ctx ends.
func (h *House) Run(ctx context.Context) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	h.Publish("house/weather/availability", "online", true)
	for second := 0; ; second++ {
		swing := math.Sin(float64(second) / 40)
		h.Publish("house/weather", fmt.Sprintf(`{"time":%q,"temperature":%.1f,"humidity":%.0f,"wind":{"speed":%.1f,"direction":%d}}`,
			time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), 11.5+3*swing, 72-9*swing, 4+2*math.Sin(float64(second)/7), (200+second)%360), true)
		h.plug()
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
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
			node("plug", "mqtt.device", nodes.Params{"Topic": s("house/plug")},
				field("on", "state", "", nodes.Params{"Type": nodes.Enum("bool", "Type"), "Writable": nodes.Bool(true), "Command": s("{value}")}),
				field("power", "power", "W", decimals(1)), field("energy", "energy", "kWh", decimals(5))),
		}}}
}
