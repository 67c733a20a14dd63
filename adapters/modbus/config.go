package modbus

import (
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// gatewayConfig is a gateway node as the device uses it. Comparable, as are the
// others: a change that changes nothing does nothing.
type gatewayConfig struct {
	host     string
	port     int
	timeout  time.Duration
	interval time.Duration
	shortest time.Duration
}

func readGateway(s *nodes.Spec) gatewayConfig {
	p := s.Params
	c := gatewayConfig{
		host: p.Text("Host"), port: p.Int("Port"),
		timeout: p.Span("Timeout"), interval: p.Span("PollInterval"), shortest: p.Span("MinInterval"),
	}
	if n := len(c.host); n > 2 && c.host[0] == '[' && c.host[n-1] == ']' { // an IPv6 address as in a URL
		c.host = c.host[1 : n-1]
	}
	return c
}

type unitConfig struct {
	id        byte
	interval  time.Duration // 0: that of the gateway
	registers limits
	bits      limits
}

func readUnit(s *nodes.Spec) unitConfig {
	p := s.Params
	hole := p.Int("MaxHole")
	return unitConfig{
		id: byte(p.Int("UnitId")), interval: p.Span("PollInterval"),
		registers: limits{p.Int("MaxRegisters"), hole},
		bits:      limits{p.Int("MaxBits"), 16 * hole},
	}
}

// limits returns what one request of a table may do.
func (c *unitConfig) limits(t wire.Table) limits {
	if t.Bits() {
		return c.bits
	}
	return c.registers
}
