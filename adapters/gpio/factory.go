package gpio

import (
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/adapters/gpio/cdev"
	"github.com/fieldhub/hub/nodes"
)

// Factory returns the adapter for the chips of this machine. Interlock groups reach
// over all devices opened through one Factory.
func Factory() adapters.Factory { return FactoryOn(cdev.Kernel{}) }

// FactoryOn returns the adapter for the chips of a system: a simulated one, for
// demonstrations and tests.
func FactoryOn(s cdev.System) adapters.Factory { return factory(s, usual) }

// timing is how patient devices are.
type timing struct {
	find  time.Duration // between looks for a chip that is not there
	check time.Duration // between looks whether the chip is still there
	retry time.Duration // between attempts to get a line that could not be had
	tick  time.Duration // how often values that change without an edge are told
	save  time.Duration // how old counts on the shelf get
	pace  time.Duration // between looks at the edges of one line, when they keep coming
	boot  string        // what the boot of the machine is called; empty: ask the kernel
}

var usual = timing{
	find:  time.Second,
	check: 2 * time.Second,
	retry: 5 * time.Second,
	tick:  time.Second,
	save:  10 * time.Second,
	pace:  5 * time.Millisecond,
}

func factory(s cdev.System, t timing) adapters.Factory {
	locks := newInterlocks()
	return adapters.Factory{
		Name:  "gpio",
		Types: types(),
		Open:  func(e adapters.Env) (nodes.Device, error) { return open(e, s, locks, t) },
	}
}
