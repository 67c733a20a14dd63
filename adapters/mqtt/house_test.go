package mqtt

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/mqtt/mqtttest"
	"github.com/fieldhub/hub/nodes"
)

// The devices of the demo tell their values, and the plug can be switched.
func TestHouse(t *testing.T) {
	b := startBroker(t, mqtttest.Options{})
	h := mqtttest.NewHouse(b.Port())
	done := make(chan error, 1)
	go func() { done <- h.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	d := adaptertest.Start(t, Factory(), adaptertest.Fill(t, Factory(), mqtttest.HouseTree(b.Port())[0]))
	for _, id := range []string{"house/weather/temperature", "house/weather/wind direction", "house/plug/power", "house/plug/on"} {
		d.Host.Wait(t, 10*time.Second, id, func() bool { return d.Host.Value(id) != nodes.Value{} })
	}
	for _, on := range []bool{true, false} {
		o := d.Set(10*time.Second, nodes.Setting{Node: "house/plug/on", Name: "on", Value: nodes.Bool(on)})[0]
		if !o.State.Good() {
			t.Errorf("on=%v: got %v (%v)", on, o.State, o.Err)
		}
		d.Host.Wait(t, 10*time.Second, "the plug", func() bool { return d.Host.Value("house/plug/on") == nodes.Bool(on) })
	}
}
