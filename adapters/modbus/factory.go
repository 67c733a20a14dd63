package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
)

// Factory returns the adapter. Devices opened through one Factory share the
// lines to their addresses.
func Factory() adapters.Factory { return factory(usual) }

// timing is how patient devices are.
type timing struct {
	line   pause         // between attempts to connect
	unit   pause         // between attempts to reach a silent unit
	probe  time.Duration // shortest time-out of such an attempt
	refuse time.Duration // how often a refused register is tried again
}

var usual = timing{
	line:   pause{500 * time.Millisecond, 30 * time.Second},
	unit:   pause{500 * time.Millisecond, 30 * time.Second},
	probe:  100 * time.Millisecond,
	refuse: 30 * time.Second,
}

func factory(t timing) adapters.Factory {
	lines := newPool(t.line)
	return adapters.Factory{
		Name:  "modbus",
		Types: types(),
		Open:  func(e adapters.Env) (nodes.Device, error) { return open(e, lines, t) },
	}
}
