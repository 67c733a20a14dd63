package gpio

import (
	"testing"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/gpio/gpiotest"
	"github.com/fieldhub/hub/nodes"
)

// The tree that comes with the cabinet fits it: every line is read, and what is moved
// shows.
func TestCabinet(t *testing.T) {
	t.Parallel()
	c := gpiotest.NewCabinet()
	ctx := t.Context()
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() { <-done })
	f := factory(c, hasty)
	n := adaptertest.Fill(t, f, gpiotest.CabinetTree()[0])
	d := adaptertest.Start(t, f, n)
	for _, x := range n.Children {
		d.Host.Wait(t, soon, x.ID, func() bool { return d.Host.Count(x.ID) > 0 })
		if err := d.Host.Err(x.ID); err != nil {
			t.Errorf("%s: %v", x.ID, err)
		}
	}
	d.Host.Wait(t, soon, "the fan turns", func() bool {
		f := field(d.Host, "cabinet/fan", "fan frequency").Value.Double()
		return f > 5 && f < 50
	})
	eventually(t, "the pump may be on", func() bool {
		return d.Set(soon, nodes.Setting{Node: "cabinet/pump", Name: "pump", Value: nodes.Bool(true)})[0].State.Good()
	})
	waitFor(t, d, "cabinet/pump runs", "pump runs", "true")
	d.Stop()
}
