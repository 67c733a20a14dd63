package mqtt

import (
	"time"

	"github.com/fieldhub/hub/adapters"
	"github.com/fieldhub/hub/nodes"
)

// Factory returns the adapter for MQTT brokers.
func Factory() adapters.Factory { return factory(usual) }

// timing is how patient devices are.
type timing struct {
	first, last time.Duration // pauses between attempts to connect, growing
	connect     time.Duration // an attempt to connect may take
	answer      time.Duration // the broker may take to answer a request
	lost        time.Duration // without a connection for so long, values are no longer current
	tick        time.Duration // between looks at who is silent
	tell        time.Duration // between reports of statistics
}

var usual = timing{
	first:   time.Second,
	last:    30 * time.Second,
	connect: 10 * time.Second,
	answer:  10 * time.Second,
	lost:    10 * time.Second,
	tick:    time.Second,
	tell:    10 * time.Second,
}

func factory(t timing) adapters.Factory {
	return adapters.Factory{
		Name:  "mqtt",
		Types: types(),
		Open: func(e adapters.Env) (nodes.Device, error) {
			if e.Node.Type == TypeServer {
				return openServer(e, t)
			}
			return open(e, t)
		},
	}
}
